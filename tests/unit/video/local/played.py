"""Scripts, and what a finished file has in it, as ffmpeg tells it."""

from __future__ import annotations

import re
import shutil
import subprocess
from array import array
from pathlib import Path

import pytest

from hilum.video.local.ffmpeg import chosen
from hilum.video.local.sound import samples
from hilum.video.script import CALL, DO, TEACH_BACK, TITLE, WHOM, WHY, Mark, Picture, Scene, Script, Sentence

needs_voice = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed: make espeak-ng")


def sentence(id: str, text: str, spoken: str = "") -> Sentence:
    """Of no source: only how it is shown is tried here."""
    return Sentence(id, text, "tried", spoken=spoken)


def script(*scenes: Scene, language: str = "en", notice: str = "") -> Script:
    """Of these scenes."""
    return Script("tried", language, "After your visit", "Rosa", scenes, (), "2026-11-23T10:00:00Z", 4.0, notice=notice)


def scene(role: str, heading: str, *texts: str, kind: str = "", marks: tuple[Mark, ...] = ()) -> Scene:
    """With a picture, where a kind is given."""
    own = tuple(sentence(f"{role}-{number}", text) for number, text in enumerate(texts))
    return Scene(role, role, heading, own, Picture(kind, marks, f"A {kind}." if kind else ""))


SHORT = script(
    scene(TITLE, "Rosa, here is your guide", "It is short.", kind="heart"),
    scene(DO, "When to take it", "Take 10 mg at 8:00 AM.", kind="clock", marks=(Mark("08:00"),)),
)
LONG_SENTENCE = (
    "Wash the skin of your right knee with soap on the day before, and wash it once more in the morning of that day, "
    "before you leave home to come to us."
)
WHOLE = script(
    scene(TITLE, "María José, esta es su guía", "Le dice qué hacer después de su visita.", kind="heart"),
    scene(WHY, "Por qué", "Su presión es alta.", "La medicina la baja.", "Puede que no lo note.", kind="pill"),
    scene(
        DO, "Cuándo", "Tome 10 mg a las 8:00 a. m.", kind="clock", marks=(Mark("08:00", "lisinopril"), Mark("18:30"))
    ),
    scene(DO, "Su rodilla", LONG_SENTENCE, kind="body", marks=(Mark("right-knee", "rodilla derecha"),)),
    scene(DO, "Su ojo", "No lo toque.", kind="body", marks=(Mark("left-eye"),)),
    scene(DO, "Su espalda", "Descanse.", kind="body", marks=(Mark("back"),)),
    scene(DO, "Su cita", "Vuelva el jueves.", kind="calendar", marks=(Mark("2026-12-03"),)),
    scene(CALL, "Cuándo llamar", "Llame si se marea.", kind="phone", marks=(Mark("", "555-0142"),)),
    scene(WHOM, "A quién", "Llame a la clínica."),
    scene(TEACH_BACK, "Dígalo con sus palabras", "¿Cuándo la toma?", kind="question"),
    language="es",
    notice="Un profesional de la salud no ha revisado esta traducción.",
)


def ffmpeg(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """The program that the tests' renderer finds."""
    return subprocess.run([chosen("vp9").program, "-hide_banner", *arguments], capture_output=True, check=False)


def described(video: Path) -> str:
    """What ffmpeg tells of a file."""
    return ffmpeg("-i", str(video)).stderr.decode()


def seconds(video: Path) -> float:
    """How long it is."""
    found = re.search(r"Duration: (\d+):(\d+):([\d.]+)", described(video))
    assert found
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def frame(video: Path, at: float, size: tuple[int, int]) -> bytes:
    """RGB of one moment."""
    out = ffmpeg(
        "-loglevel",
        "error",
        "-ss",
        str(at),
        "-i",
        str(video),
        "-frames:v",
        "1",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    )
    assert len(out.stdout) == size[0] * size[1] * 3, out.stderr
    return out.stdout


def heard(video: Path, rate: int = 16_000) -> list[int]:
    """The loudest sample of each hundredth of a second."""
    raw = ffmpeg("-loglevel", "error", "-i", str(video), "-f", "s16le", "-ac", "1", "-ar", str(rate), "-").stdout
    own: array[int] = samples(raw)
    step = rate // 100
    return [max(map(abs, own[at : at + step])) for at in range(0, len(own), step)]


def cues(vtt: str) -> list[tuple[str, float, float, str]]:
    """Of a file of WebVTT: id, start, end, text."""
    found = []
    for block in vtt.strip().split("\n\n")[1:]:
        id, times, *text = block.split("\n")
        start, end = (_seconds(one) for one in times.split(" --> "))
        found.append((id, start, end, " ".join(text)))
    return found


def _seconds(clock: str) -> float:
    hours, minutes, rest = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)
