"""Videos of scripts, made on this machine: drawn by Pillow, said by an offline speech engine where there is one,
encoded by ffmpeg as a program of its own.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from hilum.video.local import ffmpeg
from hilum.video.local.captions import webvtt
from hilum.video.local.encoding import encode, unwritten
from hilum.video.local.narration import Narration, narrate
from hilum.video.local.transcript import transcript
from hilum.video.local.voices import Voice, voice
from hilum.video.local.words import words
from hilum.video.renderer import MEDIA, Job, Rendered, Unrendered, Wanted

if TYPE_CHECKING:  # Pillow is there only where videos are made
    from hilum.video.local.screens import Screen

SAYING: Final = 0.15
"""The share of the work that speech is; the rest is drawing and encoding."""
WORK: Final = ".work"
"""Folder of what is not yet finished, within the job's; removed at the end, whatever the end is."""


class Local:
    """`program`: ffmpeg, by name or path; "" seeks it. `models`: voices of piper, by language; espeak-ng needs none."""

    name = "local"
    at_once = 0

    def __init__(self, program: str = "", models: Mapping[str, Path] = MappingProxyType({})) -> None:
        self._program, self._models = program, models

    def fit(self, wanted: Wanted) -> None:
        """Raises Unrendered."""
        drawable()
        ffmpeg.chosen(wanted.codec, self._program)
        self._voice(wanted)
        _screens(wanted)

    def _voice(self, wanted: Wanted) -> Voice | None:
        return voice(wanted.script.language, self._models) if wanted.narrated else None

    async def cancel(self, held: str) -> None:
        """Nothing runs here once `render` is cancelled."""

    async def render(self, job: Job) -> Rendered:
        """Raises Unrendered."""
        drawable()
        wanted = job.wanted
        chosen = await asyncio.to_thread(ffmpeg.chosen, wanted.codec, self._program)
        speaker = self._voice(wanted)
        work = job.folder / WORK
        made = _files(job.folder, chosen.format.suffix)
        try:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            sound = work / "sound.wav" if speaker else None
            narration = await narrate(wanted.script, speaker, work / "sound.wav", _share(job.tell, 0, SAYING))
            unfinished = _files(work, chosen.format.suffix)
            await self._film(job, chosen, narration, sound, unfinished)
            for name, path in unfinished.items():
                path.replace(made[name])
        except OSError as error:
            raise unwritten(error) from None
        finally:
            shutil.rmtree(work, ignore_errors=True)
        job.tell(1.0)
        return Rendered(
            made["video"],
            MEDIA[wanted.codec],
            made["captions"],
            made["transcript"],
            made["poster"],
            round(narration.seconds, 3),
            speaker is not None,
        )

    async def _film(
        self, job: Job, chosen: ffmpeg.Chosen, narration: Narration, sound: Path | None, files: Mapping[str, Path]
    ) -> None:
        from hilum.video.local.frames import count, frames, keys

        script = job.wanted.script
        screens = await asyncio.to_thread(_screens, job.wanted)
        await asyncio.to_thread(poster, job.wanted, files["poster"])
        captions = [cue for one in narration.said for cue in one.cues]
        files["captions"].write_text(webvtt(captions), "utf-8")
        files["transcript"].write_text(transcript(script), "utf-8")
        own = words(script.language)
        moments = keys(screens, narration)
        command = chosen.command(screens[0].stage.size, moments, sound, files["video"], own.title, own.code)
        pictures = frames(script, screens, narration, ffmpeg.RATE)
        await encode(command, pictures, count(narration, ffmpeg.RATE), ffmpeg.RATE, _share(job.tell, SAYING, 1.0))


def _files(folder: Path, suffix: str) -> dict[str, Path]:
    names = {
        "video": f"video{suffix}",
        "captions": "captions.vtt",
        "transcript": "transcript.txt",
        "poster": "poster.png",
    }
    return {what: folder / name for what, name in names.items()}


def _share(tell: Callable[[float], None], start: float, end: float) -> Callable[[float], None]:
    return lambda done: tell(start + (end - start) * min(1.0, done))


def drawable() -> None:
    """Raises Unrendered where Pillow is missing."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise Unrendered(
            "no-pillow", "Pictures are drawn by Pillow, which is not installed: pip install 'hilum[video]'."
        ) from None


def _screens(wanted: Wanted) -> tuple[Screen, ...]:
    from hilum.video.local.fonts import Unwritable, face, plain
    from hilum.video.local.screens import screens

    script = wanted.script
    if not script.scenes:
        raise Unrendered("empty", "The script has no scenes, so that there is nothing to show.")
    try:
        for label in (mark.label for scene in script.scenes for mark in scene.picture.marks):
            face(42).runs(plain(label))
        return screens(script, wanted.shape)
    except Unwritable as letter:
        raise Unrendered(
            "letters", f"The script has a letter that the fonts of this renderer have not, {letter}."
        ) from None


def poster(wanted: Wanted, to: Path) -> None:
    """The first scene, as PNG. Raises Unrendered."""
    drawable()
    from hilum.video.local.drawing import drawn, said

    first = _screens(wanted)[0]
    said(drawn(wanted.script, first), wanted.script, first, None).image.save(to, optimize=True)
