"""Pictures: each kind is a function that draws into a box of a sheet. What a kind can't show (no such day, a place that
the outline has not) is left out: the sentences say it, and a wrong picture is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hilum.video.local.palette import Tone
from hilum.video.local.pictures import body, calendar, clock, signs
from hilum.video.local.sheet import Box, Sheet
from hilum.video.local.words import Words
from hilum.video.script import Picture

Draw = Callable[[Sheet, Box, Picture, Tone, Words], None]

KINDS: Final[dict[str, Draw]] = {
    "body": body.draw,
    "calendar": calendar.draw,
    "clock": clock.draw,
    "heart": signs.heart,
    "phone": signs.phone,
    "pill": signs.pill,
    "question": signs.question,
}


def shown(picture: Picture) -> bool:
    """Whether there is something to draw."""
    return picture.kind in KINDS and (picture.kind != "calendar" or bool(calendar.days(picture)))
