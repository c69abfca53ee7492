"""Text in pictures: as large as there is room for, and left out where there is too little."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hilum.video.local.fonts import face, plain
from hilum.video.local.palette import Colour
from hilum.video.local.sheet import Box, Sheet
from hilum.video.local.wrapping import wrapped

SMALLEST: Final = 30
HEIGHT: Final = 1.22
"""Of a line, in sizes of the font."""


def label(
    sheet: Sheet,
    box: Box,
    text: str,
    colour: Colour,
    ground: Colour,
    *,
    largest: int = 44,
    bold: bool = True,
    middle: bool = True,
) -> bool:
    """In the middle of a box, or from its left edge. False: there was no room, and nothing was written."""
    for size in range(largest, SMALLEST - 1, -2):
        font = face(size, bold)
        lines = wrapped(plain(text), font, box.width)
        if len(lines) * size * HEIGHT <= box.height and not broken(lines, text):
            y = box.y + (box.height - len(lines) * size * HEIGHT) / 2 + font.ascent
            for line in lines:
                sheet.write(font, (box.middle[0] if middle else box.x, y), line, colour, ground, middle=middle)
                y += size * HEIGHT
            return bool(lines)
    return False


def broken(lines: Iterable[str], text: str) -> bool:
    """Whether a word had to be parted."""
    return " ".join(lines).replace("\u00a0", " ") != plain(text).replace("\u00a0", " ")


def labels(marks: Iterable[str]) -> str:
    """Those that there are, once each."""
    return ", ".join(dict.fromkeys(text for text in marks if text))
