"""Text in lines: wrapped at spaces, and only where a single word is too long within it; never cut.

Words longer than a line: first parted after a hyphen or slash (`hydrochlorothiazide/triamterene`), then anywhere,
with no hyphen added, since that would make another name of it.
"""

from __future__ import annotations

import re
from typing import Final

from hilum.video.local.fonts import Face

TOGETHER: Final = re.compile(
    r"(?<=\d) (?=(?:mg|mcg|µg|μg|g|kg|mL|ml|L|IU|UI|units?|unidades|AM|PM|%|[ap]\.))|(?<=\b[ap]\.) (?=m\.)"
)
"""A number and its unit stay in one line, and so do the halves of `a. m.`."""


def wrapped(text: str, face: Face, width: float) -> list[str]:
    """Lines of `width` pixels at the most."""
    lines: list[str] = []
    line, used, space = "", 0.0, face.width(" ")
    for word in TOGETHER.sub("\u00a0", text).split(" "):
        wide = face.width(word)
        if line and used + space + wide <= width:
            line, used = f"{line} {word}", used + space + wide
            continue
        if line:
            lines.append(line)
        *full, line = parted(word, face, width)
        lines += full
        used = face.width(line)
    return [*lines, line] if line else lines


def parted(word: str, face: Face, width: float) -> list[str]:
    """One word in lines."""
    if face.width(word) <= width:
        return [word]
    lines, line = [], ""
    for piece in re.split(r"(?<=[-/\u00a0])", word):
        if line and face.width(line + piece) > width:
            lines.append(line)
            line = ""
        for letter in piece:
            if line and face.width(line + letter) > width:
                lines.append(line)
                line = ""
            line += letter
    return [*lines, line]
