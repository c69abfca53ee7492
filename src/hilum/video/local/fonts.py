"""The letters: Lexend, made to be read easily, and DejaVu Sans for what it has not (Greek, Cyrillic). Both are files
of this package, so that the picture is the same on every machine.

Not a font with slashed zeros: in a dose they have been read as 6, 8 or 9; and one in which I, l and 1 are not the same.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from itertools import groupby
from typing import Any, Final

from PIL import ImageDraw, ImageFont

from hilum.video.local.palette import Colour

FACES: Final = {False: "Lexend-Regular.ttf", True: "Lexend-SemiBold.ttf"}
SECOND: Final = "DejaVuSans.ttf"
LAST: Final = "\u058f"
"""Scripts beyond it are not written letter by letter from left to right, so that this renderer can't."""
SAME: Final = str.maketrans({"\u2011": "-", "\u202f": "\u00a0", "\u00b5": "\u03bc"})
"""Letters that look like others, which the font has."""


class Unwritable(Exception):
    """Letters that no font here has."""


@lru_cache(maxsize=8)
def _file(name: str) -> bytes:
    return (files("hilum.video.local") / "fonts" / name).read_bytes()


@lru_cache(maxsize=64)
def _font(name: str, size: int) -> Any:
    return ImageFont.truetype(BytesIO(_file(name)), size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=2048)
def _has(name: str, letter: str) -> bool:
    """A letter that a font has not is drawn as the one that no font has."""
    font = _font(name, 24)
    return bytes(font.getmask(letter)) != bytes(font.getmask("\U0010ffff")) or letter.isspace()


def plain(text: str) -> str:
    """As it is drawn: accents in one letter with what they stand on; spaces, not lines."""
    shown = "".join(_seen(letter) for letter in unicodedata.normalize("NFC", text).translate(SAME))
    return re.sub(" {2,}", " ", shown).strip()


def _seen(letter: str) -> str:
    """Lines and tabs are spaces; what only steers how text runs is nothing."""
    category = unicodedata.category(letter)
    return " " if category in ("Cc", "Zl", "Zp") else "" if category == "Cf" else letter


class Face:
    """The font in one size and weight."""

    def __init__(self, size: int, bold: bool) -> None:
        self.size, self.bold = size, bold
        self.name = FACES[bold]
        ascent, descent = _font(self.name, size).getmetrics()
        self.ascent, self.descent = int(ascent), int(descent)

    def runs(self, text: str) -> list[tuple[Any, str]]:
        """Pieces of text, each with the font that has its letters. Raises Unwritable."""
        found = []
        for name, letters in groupby(text, self._of):
            found.append((_font(name, self.size), "".join(letters)))
        return found

    def _of(self, letter: str) -> str:
        for name in (self.name, SECOND):
            if _has(name, letter) and (letter <= LAST or "\u1e00" <= letter <= "\u2bff"):
                return name
        raise Unwritable(f"U+{ord(letter):04X}")

    def width(self, text: str) -> float:
        """In pixels: of its letters, one by one, since this layout does not move them together."""
        return _width(self, text)

    def draw(self, pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, colour: Colour) -> None:
        """With its base line at `at[1]`."""
        x, y = at
        for font, piece in self.runs(text):
            pen.text((x, y), piece, font=font, fill=colour, anchor="ls")
            x += font.getlength(piece)


@lru_cache(maxsize=8192)
def _width(own: Face, text: str) -> float:
    return float(sum(font.getlength(piece) for font, piece in own.runs(text)))


@lru_cache(maxsize=64)
def face(size: int, bold: bool = False) -> Face:
    """In pixels from the height of letters with their accents to their depth, about."""
    return Face(size, bold)
