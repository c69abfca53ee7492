"""Whole videos, by the real ffmpeg."""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from tests.unit.video.local.played import (
    LONG_SENTENCE,
    SHORT,
    cues,
    described,
    frame,
    heard,
    needs_voice,
    scene,
    script,
    seconds,
)
from tests.unit.video.local.programs import program

from hilum.video.local import Local
from hilum.video.local.drawing import drawn, said
from hilum.video.local.palette import contrast
from hilum.video.local.screens import screens
from hilum.video.renderer import SIZES, Job, Rendered, Renderer, Unrendered, Wanted
from hilum.video.script import DO, Mark, Scene

LOUD = (
    b"RIFF\0\0\0\0WAVEfmt "
    + struct.pack("<IHHIIHH4sI", 16, 1, 1, 8000, 16000, 2, 16, b"data", 40_000)
    + b"\x40\x20" * 20_000
)
"""A WAV of 2.5 seconds."""
NAMES = ["captions.vtt", "poster.png", "transcript.txt"]


def job(folder: Path, wanted: Wanted, tell: Callable[[float], None] = lambda done: None) -> Job:
    return Job("one", wanted, folder, tell)


async def rendered(folder: Path, wanted: Wanted) -> Rendered:
    own: Renderer = Local()
    own.fit(wanted)
    return await own.render(job(folder, wanted))


async def test_a_silent_video_in_webm_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    told: list[float] = []
    wanted = Wanted(SHORT, "wide", "vp9", narrated=False)
    made = await Local().render(job(tmp_path, wanted, told.append))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*NAMES, "video.webm"])
    assert (made.media_type, made.narrated) == ("video/webm", False)
    about = described(made.video)
    assert "Video: vp9" in about and "1280x720" in about and "bt709" in about and "Audio" not in about
    assert "title           : From your care team" in about and "Rosa" not in about and "(eng)" in about
    assert seconds(made.video) == pytest.approx(made.seconds, abs=0.06)
    assert told == sorted(told) and told[-1] == 1.0 and len(told) > 5
    assert Image.open(made.poster).size == SIZES["wide"]
    assert "Take 10 mg at 8:00 AM." in made.transcript.read_text("utf-8")
    assert [cue[3] for cue in cues(made.captions.read_text("utf-8"))] == ["It is short.", "Take 10 mg at 8:00 AM."]


async def test_what_is_seen_at_a_moment_is_the_screen_with_the_sentence_of_then(tmp_path: Path) -> None:
    made = await rendered(tmp_path, Wanted(SHORT, "tall", "vp9", narrated=False))
    *_, last = cues(made.captions.read_text("utf-8"))
    screen = screens(SHORT, "tall")[1]
    expected = said(drawn(SHORT, screen), SHORT, screen, 0).image.tobytes()
    seen = frame(made.video, (last[1] + last[2]) / 2 + 0.2, SIZES["tall"])
    apart = sum(abs(one - other) for one, other in zip(seen[::97], expected[::97], strict=True)) / len(seen[::97])
    assert apart < 3
    text = Image.frombytes("RGB", SIZES["tall"], seen).crop((80, 640, 640, 740))
    colours = [colour for count, colour in text.getcolors(1 << 20) or [] if count > 4]
    assert max(contrast(one, (251, 248, 243)) for one in colours) >= 4.5  # also after it was compressed


async def test_the_same_script_gives_the_same_file(tmp_path: Path) -> None:
    of = script(scene(DO, "A", "B."))
    digests = set()
    for name in ("a", "b"):
        made = await rendered(tmp_path / name, Wanted(of, "wide", "vp9"))
        digests.add(hashlib.sha256(made.video.read_bytes()).hexdigest())
    assert len(digests) == 1


@needs_voice
@pytest.mark.parametrize(
    "codec, kind, sound", [("vp9", "vp9", "opus"), ("av1", "av1", "opus"), ("h264", "h264", "aac")]
)
async def test_each_codec_with_a_voice(tmp_path: Path, codec: str, kind: str, sound: str) -> None:
    of = script(scene(DO, "Cuándo", "A las ocho.", kind="clock", marks=(Mark("08:00"),)), language="es")
    made = await rendered(tmp_path, Wanted(of, "wide", codec))  # type: ignore[arg-type]
    about = described(made.video)
    assert made.narrated and f"Video: {kind}" in about and f"Audio: {sound}" in about and about.count("(spa)") == 2
    data = made.video.read_bytes()
    if codec == "h264":
        assert made.video.suffix == ".mp4" and data.index(b"moov") < data.index(b"mdat")  # plays before all is there
    first = cues(made.captions.read_text("utf-8"))[0]
    loud = heard(made.video)
    onset = next(at for at, one in enumerate(loud) if one > max(loud) * 0.05) / 100
    assert onset == pytest.approx(first[1], abs=0.1)


@needs_voice
async def test_captions_are_within_a_fifth_of_a_second_of_the_speech_in_the_finished_file(tmp_path: Path) -> None:
    of = script(scene(DO, "A", "Call us.", LONG_SENTENCE))
    made = await rendered(tmp_path, Wanted(of))
    found = cues(made.captions.read_text("utf-8"))
    assert len(found) >= 4
    loud = heard(made.video)
    least = max(loud) * 0.03
    starts = [at / 100 for at in range(6, len(loud)) if loud[at] > least >= max(loud[at - 6 : at])]
    ends = [at / 100 for at in range(len(loud) - 6) if loud[at] > least >= max(loud[at + 1 : at + 7])]
    for id, start, end, _ in found:
        assert min(abs(one - start) for one in starts) <= 0.2, id
        assert min(abs(one - end) for one in ends) <= 0.2, id
    assert all(one[2] <= other[1] for one, other in pairwise(found))


async def test_without_an_engine_it_is_silent_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Local(_program())
    monkeypatch.setenv("PATH", str(tmp_path))
    made = await own.render(job(tmp_path / "a", Wanted(script(scene(DO, "A", "B.")))))
    assert made.narrated is False and "Audio" not in described(made.video)


def _program() -> str:
    from hilum.video.local.ffmpeg import chosen

    return chosen("vp9").program


async def test_what_an_interrupted_try_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".work").mkdir()
    (tmp_path / ".work" / "sound.wav").write_bytes(b"half")
    (tmp_path / "video.webm").write_bytes(b"old")
    made = await rendered(tmp_path, Wanted(script(scene(DO, "A", "B.")), narrated=False))
    assert seconds(made.video) > 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*NAMES, "video.webm"])


async def test_who_cancels_finds_nothing_running_and_no_file(tmp_path: Path) -> None:
    started = asyncio.Event()
    long = script(*(scene(DO, f"Part {number}", LONG_SENTENCE) for number in range(20)))
    wanted = Wanted(long, narrated=False)
    task = asyncio.create_task(
        Local().render(job(tmp_path, wanted, lambda done: started.set() if done > 0.16 else None))
    )
    await asyncio.wait_for(started.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []
    assert _children() == []


def _children() -> list[str]:
    own = Path(f"/proc/self/task/{os.getpid()}/children")
    names = []
    for pid in own.read_text().split() if own.exists() else []:
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and b"ffmpeg" in command.read_bytes():
            names.append(pid)
    return names


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX's")
async def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit to the size of files is what a full disk is to ffmpeg: its writes fail."""
    own = program(
        tmp_path / "bin",
        "ffmpeg",
        f"import resource\nif '-encoders' not in sys.argv: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        f"os.execv({_program()!r}, [{_program()!r}, *sys.argv[1:]])",
    )
    with pytest.raises(Unrendered) as found:
        await Local(str(own)).render(job(tmp_path / "a", Wanted(SHORT, narrated=False)))
    assert (found.value.code, found.value.again) == ("disk-full", True)
    assert list((tmp_path / "a").iterdir()) == []


async def test_a_disk_that_is_full_already_for_the_sound_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "a"
    program(tmp_path / "bin", "espeak-ng", f"sys.stdin.read(); sys.stdout.buffer.write({LOUD!r})")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(Unrendered) as found:
            await Local().render(job(own, Wanted(SHORT)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert found.value.code == "disk-full" and list(own.iterdir()) == []


async def test_a_folder_that_can_not_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unrendered) as found:
        await Local().render(job(tmp_path / "file", Wanted(SHORT, narrated=False)))
    assert found.value.code == "not-writable"


def test_without_pillow_the_package_can_be_imported_and_says_what_is_missing() -> None:
    script = (
        "import sys; sys.modules['PIL'] = None; from hilum.video.local.renderer import Local, _pictures; _pictures()"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, text=True)
    assert "pip install 'hilum[video]'" in found.stderr


@pytest.mark.parametrize(
    "bad",
    [scene(DO, "药", "B."), scene(DO, "A", "药"), scene(DO, "A", "B.", kind="clock", marks=(Mark("08:00", "药"),))],
)
def test_a_script_with_letters_that_can_not_be_drawn_is_refused_before_it_begins(bad: Scene) -> None:
    with pytest.raises(Unrendered, match=r"U\+836F") as found:
        Local().fit(Wanted(script(bad)))
    assert found.value.code == "letters"


def test_a_script_without_scenes_is_refused() -> None:
    with pytest.raises(Unrendered, match="no scenes"):
        Local().fit(Wanted(script()))


async def test_a_script_that_is_too_long_is_refused(tmp_path: Path) -> None:
    long = script(*(scene(DO, f"Part {number}", *[LONG_SENTENCE] * 5) for number in range(20)))
    with pytest.raises(Unrendered, match="the 15 minutes that it may") as found:
        await Local().render(job(tmp_path, Wanted(long, narrated=False)))
    assert found.value.code == "too-long"


@pytest.fixture(autouse=True)
async def quiet() -> AsyncIterator[None]:
    """No process of a test outlives it."""
    yield
    assert _children() == []
