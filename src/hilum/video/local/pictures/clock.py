"""A clock with doses: two faces of 12 hours, one for before noon and one for after it, so that 8 is never both."""

from __future__ import annotations

import re
from math import cos, pi, sin
from typing import Final

from hilum.video.local.fonts import face, plain
from hilum.video.local.palette import INK, MARK, MOON, SOFT, SUN, WHITE, Colour, Tone
from hilum.video.local.pictures.lettering import SMALLEST, broken
from hilum.video.local.sheet import Box, Pen, Point, Sheet
from hilum.video.local.words import Words
from hilum.video.local.wrapping import wrapped
from hilum.video.script import Mark, Picture

TIME: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
EVENING: Final = 18
"""The hour from which a moon stands beside a dose: at one in the afternoon it would say that it is for the night."""
NUMERALS: Final = 30
"""Size of 12, 3, 6 and 9."""


def read(mark: Mark) -> tuple[int, int] | None:
    """Hour and minute of `HH:MM`."""
    found = TIME.fullmatch(mark.at[:5])
    return (int(found[1]), int(found[2])) if found else None


def draw(sheet: Sheet, box: Box, picture: Picture, tone: Tone, words: Words) -> None:
    """Before noon above, after it below."""
    doses = sorted((when, mark.label) for mark in picture.marks if (when := read(mark)))
    gap = 12.0
    half = (box.height - gap) / 2
    for row, name in enumerate((words.am, words.pm)):
        own = [(when, text) for when, text in doses if (when[0] >= 12) == bool(row)]
        colour = MOON if row and (not own or own[-1][0][0] >= EVENING) else SUN
        room = Box(box.x, box.y + row * (half + gap), box.width, half)
        _half(sheet, room, name, words.evening if row else words.morning, own, colour, tone)


def _half(
    sheet: Sheet, box: Box, name: str, said: str, doses: list[tuple[tuple[int, int], str]], colour: Colour, tone: Tone
) -> None:
    radius = min(box.height / 2 - 4, box.width * 0.25)
    middle = (box.x + radius + 4, box.middle[1])
    with sheet.shapes(box) as pen:
        _face(pen, middle, radius, [when for when, _ in doses], tone)
        sign = (box.right - 24, box.y + 26)
        _moon(pen, sign, colour, tone) if colour == MOON else _sun(pen, sign, colour)
    font = face(NUMERALS, bold=True)
    for numeral, hour in (("12", 0), ("3", 3), ("6", 6), ("9", 9)):
        x, y = _on(middle, radius - 24, hour)
        if not any(abs((when[0] % 12 + when[1] / 60) - hour) < 0.6 for when, _ in doses):
            sheet.write(font, (x, y + NUMERALS * 0.36), numeral, INK, WHITE, middle=True)
    _beside(
        sheet,
        Box(middle[0] + radius + 18, box.y, box.right - middle[0] - radius - 18, box.height),
        name,
        said,
        doses,
        tone,
    )


def _beside(sheet: Sheet, box: Box, name: str, said: str, doses: list[tuple[tuple[int, int], str]], tone: Tone) -> None:
    """The name of the half, and its times; what each is for where there is room."""
    head = face(36, bold=True)
    sheet.write(head, (box.x, box.y + 38), name, INK, tone.tint)
    texts = [(f"{when[0] % 12 or 12}:{when[1]:02d}", plain(text)) for when, text in doses]
    y, room = box.y + 50, box.height - 50
    for size, labelled in (
        (48, True),
        (40, True),
        (36, True),
        (34, True),
        (SMALLEST, True),
        (48, False),
        (40, False),
        (34, False),
        (SMALLEST, False),
    ):
        bold, thin = face(size, bold=True), face(max(SMALLEST, size - 6))
        lines: list[tuple[str, bool]] = []
        whole = True
        for time, text in texts:
            lines.append((time, True))
            more = wrapped(text, thin, box.width) if labelled and text else []
            whole = whole and not (more and broken(more, text))
            lines += [(line, False) for line in more]
        if whole and sum((size if strong else thin.size) * 1.18 for _, strong in lines) <= room:
            for line, strong in lines:
                font = bold if strong else thin
                y += font.size * 1.18
                sheet.write(font, (box.x, y - font.size * 0.2), line, MARK if strong else INK, tone.tint)
            break
    if not texts:
        font = face(SMALLEST)
        for line in wrapped(said, font, box.width):
            y += font.size * 1.18
            sheet.write(font, (box.x, y - font.size * 0.2), line, SOFT, tone.tint)


def _on(middle: Point, radius: float, hour: float) -> Point:
    angle = hour / 12 * 2 * pi - pi / 2
    return middle[0] + radius * cos(angle), middle[1] + radius * sin(angle)


def _face(pen: Pen, middle: Point, radius: float, doses: list[tuple[int, int]], tone: Tone) -> None:
    pen.disc(middle, radius, WHITE, tone.accent if doses else tone.shape, 5)
    for hour in range(12):
        if hour % 3:
            pen.limb([_on(middle, radius - 14, hour), _on(middle, radius - 10, hour)], 4, SOFT)
    for hour, minute in doses:
        at = _on(middle, radius - 24, hour % 12 + minute / 60)
        pen.limb([middle, at], 6, MARK)
        pen.disc(at, 14, MARK)
    pen.disc(middle, 7, MARK if doses else SOFT)


def _sun(pen: Pen, at: Point, colour: Colour) -> None:
    pen.disc(at, 9, colour)
    for ray in range(8):
        pen.limb([_on(at, 14, ray * 1.5), _on(at, 18, ray * 1.5)], 4, colour)


def _moon(pen: Pen, at: Point, colour: Colour, tone: Tone) -> None:
    pen.disc(at, 17, colour)
    pen.disc((at[0] + 8, at[1] - 5), 14, tone.tint)
