"""What a service has made, fetched and looked into, and what hilum puts beside it where the service has not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from hilum.video.local.captions import webvtt
from hilum.video.local.reading import captions, seconds_of
from hilum.video.local.renderer import poster
from hilum.video.local.transcript import transcript
from hilum.video.remote import shapes
from hilum.video.remote.fetching import Fetching
from hilum.video.remote.media import Broken, Media, media
from hilum.video.remote.services import Service
from hilum.video.remote.timing import timed
from hilum.video.renderer import MEDIA, Job, Rendered, Unrendered
from hilum.video.script import Script
from hilum.web import log

MADE: Final = 0.9
"""The share of the work that the service does; the rest is fetching."""
CAPTIONS_BYTES: Final = 1 << 20
POSTER_BYTES: Final = 8 << 20
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_SUFFIX: Final = {"video/webm": ".webm", "video/mp4": ".mp4"}


class Results:
    """Those of one service."""

    def __init__(self, service: Service, fetching: Fetching) -> None:
        self._service, self._fetching = service, fetching

    async def rendered(self, job: Job, answer: Any) -> Rendered:
        """Of a job that is done. Raises Unrendered, OSError."""
        look, wanted = self._service.shape.look, job.wanted
        wished = MEDIA[wanted.codec]
        url = shapes.at(look.video, answer)
        if type(url) is not str or not url:
            text = f"{self._it} answers with a job that is done without an address at {look.video}."
            raise Unrendered("unexpected", text, "theirs")
        video = job.folder / f"video{_SUFFIX[wished]}"
        await self._fetching.file(url, video, lambda part: job.tell(MADE + (1 - MADE) * part))
        found = await asyncio.to_thread(self._judged, video, wished)
        said = shapes.at(look.seconds, answer)
        seconds = found.seconds or (float(said) if type(said) in (int, float) and said > 0 else 0.0)
        seconds = seconds or await seconds_of(wanted.script)
        names = {"captions": "captions.vtt", "transcript": "transcript.txt", "poster": "poster.png"}
        paths = {what: job.folder / name for what, name in names.items()}
        theirs = await self._captions(shapes.at(look.captions, answer), wanted.script, seconds)
        paths["captions"].write_text(theirs or await captions(wanted.script, seconds), "utf-8")
        paths["transcript"].write_text(transcript(wanted.script), "utf-8")
        picture = await self._beside(shapes.at(look.poster, answer), POSTER_BYTES)
        if picture.startswith(_PNG):
            paths["poster"].write_bytes(picture)
        else:
            await asyncio.to_thread(poster, wanted, paths["poster"])
        job.tell(1.0)
        return Rendered(
            video,
            wished,
            paths["captions"],
            paths["transcript"],
            paths["poster"],
            round(seconds, 3),
            found.sound,
            in_step=bool(theirs),
        )

    def _judged(self, video: Path, wished: str) -> Media:
        try:
            found = media(video)
        except Broken as broken:
            video.unlink()
            if broken.whole:
                raise Unrendered("wrong-media", f"{self._it} sent what is neither WebM nor MP4.", "theirs") from None
            raise Unrendered("result-cut-off", f"{self._it} sent a part of a video.", "theirs", again=True) from None
        if found.type != wished:
            video.unlink()
            raise Unrendered("wrong-media", f"{self._it} sent {found.type} and was asked for {wished}.", "theirs")
        return found

    async def _captions(self, url: Any, script: Script, seconds: float) -> str:
        """At the times of the service's; "" where there are none, or none that say what the script does."""
        raw = await self._beside(url, CAPTIONS_BYTES)
        if not raw:
            return ""
        try:
            cues = await asyncio.to_thread(timed, script, raw.decode("utf-8-sig"), seconds)
        except UnicodeDecodeError:
            cues = None
        if cues is None:
            log.warning("video service", renderer=self._service.name, code="captions-unfit", side="theirs")
        return webvtt(cues) if cues else ""

    async def _beside(self, url: Any, limit: int) -> bytes:
        """A file that goes beside the video, and that there need not be."""
        if type(url) is not str or not url:
            return b""
        try:
            return await self._fetching.small(url, limit)
        except Unrendered as problem:
            log.warning("video service", renderer=self._service.name, code=problem.code, side=problem.side)
            return b""

    @property
    def _it(self) -> str:
        return f"The video service {self._service.name!r}"
