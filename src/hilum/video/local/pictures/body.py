"""The outline of a body with a marked place. Which side is which is written beside it, as seen by the patient."""

from __future__ import annotations

from typing import Final

from hilum.video.local.palette import INK, MARK, SOFT, WHITE, Tone
from hilum.video.local.pictures.lettering import label, labels
from hilum.video.local.places import BACK, FRONT, spot
from hilum.video.local.sheet import Box, Pen, Point, Sheet
from hilum.video.local.words import Words
from hilum.video.script import Picture

HALF: Final = (
    (0.022, 0.11), (0.024, 0.145), (0.05, 0.162), (0.098, 0.176), (0.128, 0.205), (0.141, 0.26), (0.155, 0.33),
    (0.172, 0.4), (0.188, 0.468), (0.2, 0.505), (0.197, 0.54), (0.183, 0.541), (0.172, 0.508), (0.161, 0.47),
    (0.142, 0.405), (0.121, 0.34), (0.103, 0.27), (0.094, 0.245), (0.09, 0.3), (0.08, 0.365), (0.087, 0.43),
    (0.099, 0.49), (0.098, 0.56), (0.09, 0.65), (0.08, 0.715), (0.081, 0.78), (0.074, 0.85), (0.068, 0.92),
    (0.08, 0.952), (0.084, 0.974), (0.05, 0.977), (0.037, 0.955), (0.036, 0.92), (0.031, 0.85), (0.028, 0.78),
    (0.03, 0.715), (0.02, 0.62), (0.008, 0.527),
)  # fmt: skip
"""The outline from the neck down: the half at the right of the picture, in heights of the body."""
CLOSER: Final = 3.6
"""How much larger the body is where all that is marked is on the head: two eyes would be one mark."""
HEAD: Final = 0.16
"""Down to where that is."""


def draw(sheet: Sheet, box: Box, picture: Picture, tone: Tone, words: Words) -> None:
    """From the front; from behind where all that is marked lies there."""
    spots = [(found, mark.label) for mark in picture.marks if (found := spot(mark.at))]
    view = BACK if spots and all(one.view == BACK for one, _ in spots) else FRONT
    shown = [(one, text) for one, text in spots if one.view == view]
    text = labels(text for _, text in shown)
    room = box
    if text and label(sheet, Box(box.x, box.bottom - 84, box.width, 84), text, INK, tone.tint, largest=40):
        room = Box(box.x, box.y, box.width, box.height - 90)
    behind = Box(box.x, box.y, box.width, 38)
    if view == BACK and label(sheet, behind, words.behind, SOFT, tone.tint, largest=30, bold=False):
        room = Box(room.x, room.y + 42, room.width, room.height - 42)
    near = bool(shown) and all(one.y < HEAD for one, _ in shown)
    tall = room.height * (CLOSER if near else 1)
    x, top = room.middle[0], room.y + (room.height * 0.16 if near else 0)
    with sheet.shapes(room) as pen:
        _outline(pen, x, top, tall, tone)
        if near:
            _features(pen, x, top, tall, tone)
    with sheet.shapes(Box(room.x, room.y - 24, room.width, room.height + 48)) as pen:  # at the feet, a mark is lower
        for one, _ in shown:
            at = (x + one.x * tall, top + one.y * tall)
            pen.disc(at, 25, None, MARK, 4)
            pen.disc(at, 15, MARK, WHITE, 3)
    width = max(110.0, min(room.width * 0.32, room.width / 2 - 0.13 * room.height))
    beside = (words.right, words.left) if view == FRONT else (words.left, words.right)
    for x, side in ((room.x, beside[0]), (room.right - width, beside[1])):
        label(sheet, Box(x, room.y, width, 90), side, INK, tone.tint, largest=34)


def _outline(pen: Pen, x: float, top: float, tall: float, tone: Tone) -> None:
    right = [(x + across * tall, top + down * tall) for across, down in _curve(HALF)]
    left = [(2 * x - across, down) for across, down in reversed(right)]
    pen.area([*right, *left], tone.shape)
    pen.oval(Box(x - 0.046 * tall, top, 0.092 * tall, 0.128 * tall), tone.shape)


def _features(pen: Pen, x: float, top: float, tall: float, tone: Tone) -> None:
    """Of a face, to tell where the eyes and ears are."""
    for side in (-1, 1):
        pen.oval(Box(x + (side * 0.046 - 0.009) * tall, top + 0.054 * tall, 0.018 * tall, 0.03 * tall), tone.shape)
        pen.disc((x + side * 0.019 * tall, top + 0.058 * tall), 0.005 * tall, tone.accent)
    mouth = [(x + step / 8 * 0.016 * tall, top + (0.099 - 0.004 * (step / 8) ** 2) * tall) for step in range(-8, 9)]
    pen.limb(mouth, 0.004 * tall, tone.accent)


def _curve(points: tuple[Point, ...], steps: int = 6) -> list[Point]:
    """Smooth, through all of them: Catmull and Rom's."""
    found: list[Point] = []
    around = (points[0], *points, points[-1])
    for before, one, other, after in zip(around, around[1:], around[2:], around[3:], strict=False):
        for step in range(steps):
            t = step / steps
            x, y = (
                0.5 * (2 * p + (q - o) * t + (2 * o - 5 * p + 4 * q - r) * t**2 + (3 * p - o - 3 * q + r) * t**3)
                for o, p, q, r in zip(before, one, other, after, strict=True)
            )
            found.append((x, y))
    return [*found, points[-1]]
