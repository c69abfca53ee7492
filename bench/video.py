"""`python -m bench video`: how long the local renderer takes for a video, and what memory, beside plain ffmpeg.

Each video is made by a process of its own, which may use all cores. ffmpeg alone: the same frames and sound, from
files, encoded by the same command and nothing else: what no renderer that uses it can do without.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from bench import machine
from hilum.video.local import Local, ffmpeg
from hilum.video.local.frames import frames, keys
from hilum.video.local.narration import Narration, narrate
from hilum.video.local.screens import screens
from hilum.video.local.voices import voice
from hilum.video.local.words import words
from hilum.video.renderer import Codec, Job, Shape, Wanted
from hilum.video.script import CALL, DO, TEACH_BACK, TITLE, WHOM, WHY, Mark, Picture, Scene, Script, Sentence

LENGTHS: Final = (30, 60, 120, 240)
"""Seconds of video, to see that memory does not grow with it."""
AIM: Final = 60
"""Seconds that a video of 60 seconds may take on 2 cores."""
HEAD: Final = (
    "shape",
    "codec",
    "video s",
    "took s",
    "times as fast",
    "ffmpeg alone s",
    "ratio",
    "CPU s",
    "hilum MB",
    "with ffmpeg MB",
)
SCENES: Final = (
    (WHY, "Why you take this medicine", Picture("pill"), ("Your blood pressure is high.", "It keeps your heart safe.")),
    (DO, "When to take it", Picture("clock", (Mark("08:00"), Mark("20:00"))), ("Take 10 mg at 8:00 AM, with water.",)),
    (DO, "Your right knee", Picture("body", (Mark("right-knee"),)), ("Wash it with soap on the day before.",)),
    (DO, "Your next visit", Picture("calendar", (Mark("2026-12-03"),)), ("Come back on Thursday, December 3.",)),
    (CALL, "When to call", Picture("phone"), ("Call us if you feel dizzy.", "Call us if you have a fever.")),
    (WHOM, "Whom to call", Picture("heart"), ("Call the nurse line, by day or by night.",)),
)


class Row(msgspec.Struct, frozen=True):
    """One video. `alone`: seconds of ffmpeg with the same frames; None: not measured."""

    shape: str
    codec: str
    length: float
    narrated: bool
    took: float
    alone: float | None
    cpu: float
    own_mb: float
    peak_mb: float


class Figures(msgspec.Struct, frozen=True):
    """All of them, and when and where they were measured."""

    date: str
    machine: dict[str, Any]
    load_average: float
    rows: list[Row]


def script(scenes: int) -> Script:
    """With so many scenes besides its first and last."""
    middle = [
        Scene(f"s{number}", role, heading, _sentences(number, *texts), picture)
        for number, (role, heading, picture, texts) in enumerate(islice(cycle(SCENES), scenes))
    ]
    first = Scene(
        "first", TITLE, "Rosa, here is your guide", _sentences(-1, "It is about your visit."), Picture("heart")
    )
    last = Scene("last", TEACH_BACK, "In your own words", _sentences(-2, "What will you do?"), Picture("question"))
    return Script("bench", "en", "After your visit", "Rosa", (first, *middle, last), (), "2026-11-23T10:00:00Z", 4.0)


def _sentences(scene: int, *texts: str) -> tuple[Sentence, ...]:
    return tuple(Sentence(f"{scene}-{number}", text, "bench") for number, text in enumerate(texts))


async def long(seconds: float, folder: Path) -> tuple[Script, Narration, Path]:
    """The shortest script of that length, when it is said, and its sound."""
    speaker, sound = voice("en", {}), folder / "sound.wav"
    for scenes in count(max(0, int(seconds / 12) - 3)):
        narration = await narrate(script(scenes), speaker, sound, lambda done: None)
        if narration.seconds >= seconds:
            return script(scenes), narration, sound
    raise AssertionError


def alone(made: tuple[Script, Narration, Path], shape: Shape, codec: Codec, folder: Path) -> float:
    """Seconds of ffmpeg for the same frames, laid ready in a file."""
    own, narration, sound = made
    shown, raw, chosen = screens(own, shape), folder / "frames.rgb", ffmpeg.chosen(codec)
    try:
        with raw.open("wb") as file:
            for frame in frames(own, shown, narration, ffmpeg.RATE):
                file.write(frame)
        heard = sound if voice("en", {}) else None
        size, to = shown[0].stage.size, folder / f"alone{chosen.format.suffix}"
        command = chosen.command(size, keys(shown, narration), heard, to, words("en").title, "eng")
        with raw.open("rb") as file:
            began = time.perf_counter()
            subprocess.run(command, stdin=file, check=True, capture_output=True, preexec_fn=_all_cores)
            return time.perf_counter() - began
    finally:
        raw.unlink(missing_ok=True)


def film(own: Script, shape: Shape, codec: Codec, folder: Path) -> dict[str, float]:
    """One video by a process of its own: seconds, CPU, and memory of it and of it with what it starts, in MB."""
    (folder / "script.json").write_bytes(msgspec.json.encode(own))
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.video", str(folder / "script.json"), shape, codec, str(folder / "film")],
        stdout=subprocess.PIPE,
        preexec_fn=_all_cores,
    )
    peaks, ended = [0.0, 0.0], threading.Event()
    watching = threading.Thread(target=_watch, args=(process.pid, peaks, ended))
    watching.start()
    try:
        out, _ = process.communicate()
    finally:
        ended.set()
        watching.join()
        process.kill()
    if process.returncode:
        raise ValueError(f"The video was not made: status {process.returncode}.")
    return {**json.loads(out), "own": peaks[0], "peak": peaks[1]}


def _all_cores() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, machine.USABLE)


def _watch(pid: int, peaks: list[float], ended: threading.Event) -> None:
    while not ended.wait(0.05):
        sizes = [_resident(one) for one in machine.family(pid)]
        if sizes:
            peaks[:] = max(peaks[0], sizes[0]), max(peaks[1], sum(sizes))


def _resident(pid: int) -> float:
    """MB that are its own: pages that processes share are not counted for each."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


async def measure(work: Path, seconds: float | None, tell: Callable[[str, int, int], None]) -> Figures:
    """Both shapes at 60 seconds, then longer and shorter ones; or both shapes at `seconds`."""
    load, rows = machine.load_average(), list[Row]()
    plan: list[tuple[Shape, Codec, float, bool]] = [(shape, "vp9", seconds or 60, True) for shape in get_args(Shape)]
    if seconds is None:
        plan += [("wide", codec, 60, False) for codec in get_args(Codec) if codec != "vp9"]
        plan += [("wide", "vp9", length, False) for length in LENGTHS if length != 60]
    for number, (shape, codec, length, beside) in enumerate(plan):
        tell(f"{shape}, {codec}, {length:.0f} s", number, len(plan))
        made = await long(length, work)
        figures = await asyncio.to_thread(film, made[0], shape, codec, work)
        plain = await asyncio.to_thread(alone, made, shape, codec, work) if beside else None
        rows.append(
            Row(
                shape,
                codec,
                made[1].seconds,
                bool(figures["narrated"]),
                figures["took"],
                plain,
                figures["cpu"],
                figures["own"],
                figures["peak"],
            )
        )
    return Figures(datetime.now(UTC).isoformat(), machine.describe(work), load, rows)


def cells(row: Row) -> tuple[str, ...]:
    """One line of the table."""
    return (
        row.shape,
        row.codec,
        f"{row.length:.0f}",
        f"{row.took:.1f}",
        f"{row.length / row.took:.1f}",
        "" if row.alone is None else f"{row.alone:.1f}",
        "" if row.alone is None else f"{row.took / row.alone:.2f}",
        f"{row.cpu:.1f}",
        f"{row.own_mb:.0f}",
        f"{row.peak_mb:.0f}",
    )


def missed(found: Figures) -> list[str]:
    """Where a video of a minute by the default codec took longer than it may."""
    return [
        f"{row.shape} took {row.took:.0f} s for {row.length:.0f} s"
        for row in found.rows
        if row.codec == "vp9" and row.took > row.length * AIM / 60
    ]


def save(found: Figures, folder: Path) -> Path:
    """Write bench/out/video.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "video.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    return path


def saved(folder: Path) -> Figures | None:
    """What was measured last."""
    path = folder / "video.json"
    return msgspec.json.decode(path.read_bytes(), type=Figures) if path.exists() else None


def section(found: Figures | None) -> str:
    """Its part of docs/benchmarks.md."""
    if found is None:
        return "## Videos\n\nNot measured yet: `python -m bench video`.\n"
    lines = ["| " + " | ".join(HEAD) + " |", "|---|---|" + "---:|" * (len(HEAD) - 2)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in found.rows]
    told = (
        "narrated by espeak-ng" if all(row.narrated for row in found.rows) else "silent: no speech engine was installed"
    )
    worst = "; ".join(missed(found)) or "none of these does"
    return f"""## Videos

`python -m bench video` makes videos of 1280x720 and 720x1280 at {ffmpeg.RATE} frames a second, {told}, each in a
process of its own. **ffmpeg alone**: the same command, reading the same frames from a file. **ratio**: hilum's time
over it; it draws while ffmpeg encodes. **CPU s** is of hilum, ffmpeg and the voice together; **MB** is the largest
share of memory (Pss) of hilum, and of all of them. A minute of video may take {AIM} s on 2 cores; longer: {worst}.
Measured {found.date[:10]} on {found.machine["cores"]} cores of {found.machine["cpu"]}; load average before the start:
{found.load_average:.1f}.

{chr(10).join(lines)}
"""


def main() -> None:
    """One video: what `film` starts."""
    path, shape, codec, folder = sys.argv[1:]
    own = msgspec.json.decode(Path(path).read_bytes(), type=Script)
    wanted = msgspec.convert({"script": own, "shape": shape, "codec": codec}, Wanted, from_attributes=True)
    began = time.perf_counter()
    made = asyncio.run(Local().render(Job("bench", wanted, Path(folder), lambda done: None)))
    took = time.perf_counter() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(one.ru_utime + one.ru_stime for one in used)
    print(json.dumps({"took": took, "cpu": cpu, "narrated": made.narrated}))


if __name__ == "__main__":
    main()
