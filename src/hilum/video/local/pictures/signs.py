"""Signs: a pill, a phone, a question, a heart; the labels of their marks beneath, such as whom to call."""

from __future__ import annotations

from math import cos, pi, sin

from hilum.video.local.fonts import face
from hilum.video.local.palette import INK, WHITE, Tone
from hilum.video.local.pictures.lettering import label, labels
from hilum.video.local.sheet import Box, Point, Sheet
from hilum.video.local.words import Words
from hilum.video.script import Picture


def _room(sheet: Sheet, box: Box, picture: Picture, tone: Tone) -> Box:
    """What the labels leave."""
    text = labels(mark.label for mark in picture.marks)
    if text and label(sheet, Box(box.x, box.bottom - 120, box.width, 120), text, INK, tone.tint):
        return Box(box.x, box.y, box.width, box.height - 130)
    return box


def _turned(middle: Point, points: list[Point], angle: float) -> list[Point]:
    x, y = middle
    return [(x + px * cos(angle) - py * sin(angle), y + px * sin(angle) + py * cos(angle)) for px, py in points]


def heart(sheet: Sheet, box: Box, picture: Picture, tone: Tone, words: Words) -> None:
    """A heart."""
    room = _room(sheet, box, picture, tone)
    (x, y), unit = room.middle, min(room.width, room.height) / 40
    curve = [2 * pi * step / 160 for step in range(160)]
    points = [
        (x + unit * 16 * sin(t) ** 3, y - unit * (13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t) + 1))
        for t in curve
    ]
    with sheet.shapes(room) as pen:
        pen.area(points, tone.accent)
        pen.limb([(x - 10.5 * unit, y - 6.5 * unit), (x - 9 * unit, y - 8.3 * unit)], 1.9 * unit, tone.tint)


def pill(sheet: Sheet, box: Box, picture: Picture, tone: Tone, words: Words) -> None:
    """A capsule and a tablet."""
    room = _room(sheet, box, picture, tone)
    (x, y), unit = room.middle, min(room.width, room.height) / 40
    centre = (x - 2.5 * unit, y - 3 * unit)
    ends = _turned(centre, [(-8 * unit, 0), (0, 0), (8 * unit, 0)], -pi / 4)
    with sheet.shapes(room) as pen:
        pen.limb([ends[0], ends[2]], 13.6 * unit, tone.accent)
        pen.limb([ends[1], ends[2]], 11.8 * unit, WHITE)
        cover = _turned(
            centre, [(-7.9 * unit, -6.8 * unit), (0, -6.8 * unit), (0, 6.8 * unit), (-7.9 * unit, 6.8 * unit)], -pi / 4
        )
        pen.area(cover, tone.accent)
        shine = _turned(centre, [(-8 * unit, -3.4 * unit), (-3 * unit, -3.4 * unit)], -pi / 4)
        pen.limb(shine, 1.4 * unit, tone.tint)
        tablet = (x + 10 * unit, y + 9.5 * unit)
        pen.disc(tablet, 6.6 * unit, WHITE, tone.accent, 0.9 * unit)
        pen.limb([(tablet[0] - 3.6 * unit, tablet[1]), (tablet[0] + 3.6 * unit, tablet[1])], 0.8 * unit, tone.accent)


def phone(sheet: Sheet, box: Box, picture: Picture, tone: Tone, words: Words) -> None:
    """A telephone that rings."""
    room = _room(sheet, box, picture, tone)
    (x, y), unit = room.middle, min(room.width, room.height) / 40
    with sheet.shapes(room) as pen:
        pen.panel(Box(x - 9 * unit, y - 16.5 * unit, 18 * unit, 33 * unit), 3 * unit, tone.accent)
        pen.panel(Box(x - 7.2 * unit, y - 13.4 * unit, 14.4 * unit, 24.6 * unit), 1.2 * unit, WHITE)
        pen.limb([(x - 2 * unit, y - 15 * unit), (x + 2 * unit, y - 15 * unit)], 0.8 * unit, tone.tint)
        pen.disc((x, y + 13.8 * unit), 1.5 * unit, tone.tint)
        pen.disc((x, y - 4.5 * unit), 3.1 * unit, tone.shape)
        pen.panel(Box(x - 5 * unit, y - 0.2 * unit, 10 * unit, 5.4 * unit), 2.7 * unit, tone.shape)
        pen.disc((x, y + 7.8 * unit), 1.9 * unit, (46, 132, 62))
        for side in (-1, 1):
            for away, tall in ((12.2, 3.2), (15.4, 5.4)):
                bow = [(x + side * (away + 1.4 * cos(t)) * unit, y - 3 * unit + tall * sin(t) * unit) for t in _sweep()]
                pen.limb(bow, 1.1 * unit, tone.shape)


def _sweep() -> list[float]:
    return [(-0.5 + step / 12) * pi for step in range(13)]


def question(sheet: Sheet, box: Box, picture: Picture, tone: Tone, words: Words) -> None:
    """A bubble with a question mark."""
    room = _room(sheet, box, picture, tone)
    (x, y), unit = room.middle, min(room.width, room.height) / 40
    with sheet.shapes(room) as pen:
        pen.panel(Box(x - 15.5 * unit, y - 15 * unit, 31 * unit, 25 * unit), 7 * unit, tone.accent)
        pen.area([(x - 9 * unit, y + 9 * unit), (x - 10.5 * unit, y + 17 * unit), (x, y + 9 * unit)], tone.accent)
    font = face(round(19 * unit), bold=True)
    sheet.write(font, (x, y + 4.2 * unit), "?", WHITE, tone.accent, middle=True)
