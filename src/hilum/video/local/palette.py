"""The colours, and the contrast between two. https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio

Every pair of text and ground here has 4.5:1 or more (AA for text of any size); what is drawn and means something has
3:1 or more against what it lies on (1.4.11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hilum.video import script

Colour = tuple[int, int, int]

PAPER: Final = (251, 248, 243)
WHITE: Final = (255, 255, 255)
INK: Final = (27, 38, 44)
SOFT: Final = (78, 92, 100)
"""Sentences that are not being said just now."""
LINE: Final = (205, 200, 190)
MARK: Final = (176, 44, 30)
"""What the picture is about: a place on the body, a dose, a day."""
SUN: Final = (176, 110, 0)
MOON: Final = (74, 84, 150)


@dataclass(frozen=True, slots=True)
class Tone:
    """The colours of a scene. `accent`: bars, headings, lines of drawings. `tint`: ground of its picture. `shape`: the
    middle one, of surfaces in drawings.
    """

    accent: Colour
    tint: Colour
    shape: Colour


TONES: Final = {
    script.TITLE: Tone((11, 84, 92), (224, 240, 239), (120, 178, 178)),
    script.WHY: Tone((11, 97, 104), (224, 240, 239), (120, 178, 178)),
    script.DO: Tone((27, 87, 150), (226, 236, 247), (132, 172, 214)),
    script.CALL: Tone((164, 52, 38), (250, 232, 226), (226, 150, 134)),
    script.WHOM: Tone((98, 66, 140), (238, 231, 246), (174, 150, 206)),
    script.TEACH_BACK: Tone((46, 104, 52), (230, 241, 228), (140, 188, 142)),
}
PLAIN: Final = TONES[script.WHY]


def luminance(colour: Colour) -> float:
    """Relative, of sRGB. https://www.w3.org/TR/WCAG21/#dfn-relative-luminance"""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (one / 255 for one in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """From 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
