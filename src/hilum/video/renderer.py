"""What makes a video of a script: this machine (`hilum.video.local`), or a service elsewhere (`hilum.video.remote`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

from hilum.video.script import Script

Shape = Literal["wide", "tall"]
"""16:9 or 9:16."""
Codec = Literal["vp9", "av1", "h264"]

SIZES: Final = {"wide": (1280, 720), "tall": (720, 1280)}
MEDIA: Final = {"vp9": "video/webm", "av1": "video/webm", "h264": "video/mp4"}


class Wanted(msgspec.Struct, frozen=True):
    """What is to be rendered. `narrated`: by a voice, where an engine for the language is installed."""

    script: Script
    shape: Shape = "wide"
    codec: Codec = "vp9"
    narrated: bool = True


@dataclass(frozen=True)
class Job:
    """One rendering. `id`: the same after a restart, as a key for who is asked elsewhere. `folder`: where files go,
    empty or as it was left when the last try was interrupted. `held`: what `hold` was given last, be it before a
    restart. `tell`: how far it is, from 0 to 1.

    `hold`: keeps a text until it is given another one, or the video is made; and, of who renders elsewhere, what the
    job is called there, once that is known.
    """

    id: str
    wanted: Wanted
    folder: Path
    tell: Callable[[float], None]
    held: str = ""
    hold: Callable[[str, str], Awaitable[None]] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was made. `captions`: WebVTT; `transcript`: plain text, as spoken; `poster`: PNG. `captions`, `transcript`
    and `poster` are made here also where the video came from elsewhere and brought none. `in_step`: whether it is known
    when what is said; else the captions go by how fast people read.
    """

    video: Path
    media_type: str
    captions: Path
    transcript: Path
    poster: Path
    seconds: float
    narrated: bool
    in_step: bool = True


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Others work on it. `seconds`: after which to look again; `part`: how much is done, from 0 to 1."""

    seconds: float
    part: float = 0.0


class Unrendered(Exception):
    """It did not come to a video. `again`: it may when it is tried later, `wait` seconds from now at least. `side`:
    `ours`, `theirs`, `network`. The text is for people, in our words.
    """

    def __init__(self, code: str, text: str, side: str = "ours", *, again: bool = False, wait: float = 0.0) -> None:
        super().__init__(text)
        self.code, self.text, self.side, self.again, self.wait = code, text, side, again, wait


class Renderer(Protocol):
    """One way to make videos. Whoever cancels `render` finds nothing running afterwards. `at_once`: how many jobs one
    elsewhere has to work on at the same time, of all processes together; 0: it works here, where videos go in turn.
    """

    name: str
    at_once: int

    def fit(self, wanted: Wanted) -> None:
        """Raises Unrendered where it can't be done at all: no encoder, no such codec, no voice that was asked for."""

    async def render(self, job: Job) -> Rendered | UnderWay:
        """Once more where it is under way elsewhere. Raises Unrendered, and what `hold` raises."""

    async def cancel(self, held: str) -> None:
        """Nobody wants the video any more whose job has given this to `hold`, and which is not being rendered: whoever
        still works on it elsewhere is told so, as far as that goes. Raises nothing.
        """
