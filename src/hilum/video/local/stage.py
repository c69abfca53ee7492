"""Where things stand in a frame: each shape has its own arrangement, so that none is the other one cropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hilum.video.local.fonts import face, plain
from hilum.video.local.pictures import shown
from hilum.video.local.sheet import Box
from hilum.video.local.wrapping import wrapped
from hilum.video.renderer import SIZES, Shape
from hilum.video.script import TITLE, Scene, Script

SIZES_OF_TEXT: Final = (60, 56, 52, 48, 44, 42)
"""Of sentences, the largest that fits. 40 is the least that is asked for at 720 lines."""
SIZES_OF_HEADING: Final = {False: (60, 54, 48, 44), True: (84, 76, 68, 60, 52, 46)}
SIZE_OF_NOTICE: Final = 30
LEADING: Final = 1.26
"""From line to line, in sizes of the font."""
BETWEEN: Final = 0.62
"""Between sentences, likewise."""
LEAST: Final = 220
"""Height that text needs at least: four lines of the smallest size."""
BAR: Final = 30
"""What the bar beside the sentence that is being said takes, with its space."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The places of one scene. `heading`: its lines, of `heading_size`, in `head`. `card`: the picture's, if any."""

    shape: Shape
    size: tuple[int, int]
    margin: int
    head: Box
    heading: tuple[str, ...]
    heading_size: int
    body: Box
    card: Box | None
    foot: Box
    notice: tuple[str, ...]


def stage(script: Script, scene: Scene, shape: Shape) -> Stage:
    """Of a scene: with its picture, where that leaves room for text."""
    found = _stage(script, scene, shape, shown(scene.picture))
    return found if found.body.height >= LEAST else _stage(script, scene, shape, False)


def _stage(script: Script, scene: Scene, shape: Shape, pictured: bool) -> Stage:
    size = width, height = SIZES[shape]
    margin = 64 if shape == "wide" else 48
    notice = (
        tuple(wrapped(plain(script.notice), face(SIZE_OF_NOTICE), width - 2 * margin - (220 if shape == "wide" else 0)))
        if script.notice
        else ()
    )
    foot_height = 36 + len(notice) * SIZE_OF_NOTICE * LEADING + (36 if shape == "tall" else 0)
    foot_height = max(72.0, foot_height)
    foot = Box(0, height - foot_height, width, foot_height)
    title = scene.role == TITLE
    inner = Box(margin, margin - 8, width - 2 * margin, foot.y - margin)
    card = _card(inner, shape, title) if pictured else None
    head_width = card.x - margin - 48 if card and shape == "wide" else inner.width
    top = card.bottom + 40 if card and shape == "tall" and title else inner.y
    lines, heading_size = _heading(scene.heading, head_width, title)
    head = Box(inner.x, top, head_width, len(lines) * heading_size * 1.14 + 42)
    if card and shape == "tall" and not title:
        card = Box(card.x, head.bottom + 16, card.width, card.height)
    body_top = card.bottom + 32 if card and shape == "tall" and not title else head.bottom + 18
    body = Box(inner.x, body_top, head_width, foot.y - 14 - body_top)
    return Stage(shape, size, margin, head, lines, heading_size, body, card, foot, notice)


def _card(inner: Box, shape: Shape, title: bool) -> Box:
    if shape == "wide":
        wide = 440.0
        return Box(inner.right - wide, inner.y, wide, inner.height)
    return Box(inner.x, inner.y, inner.width, 400 if title else 450)


def _heading(text: str, width: float, title: bool) -> tuple[tuple[str, ...], int]:
    """In two lines where it can be; in three of a title."""
    for size in SIZES_OF_HEADING[title]:
        lines = tuple(wrapped(plain(text), face(size, bold=True), width))
        if len(lines) <= (3 if title else 2):
            break
    return lines, size
