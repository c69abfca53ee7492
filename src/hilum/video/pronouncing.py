"""A text as a voice is given it, here or at a service, so that it says the numbers that are written there.

espeak-ng, whose rules piper uses too, takes the point of a Spanish number for one between thousands: of `0.125 mg` it
makes "cero mil ciento veinticinco" (1.51, seen 2026-11). And what stands in `[[ ]]` are phonemes to it, not words:
https://github.com/espeak-ng/espeak-ng/blob/master/docs/phonemes.md
"""

from __future__ import annotations

import re
from typing import Final

from hilum.video.phrases import Numbers, languages

_OTHERWISE: Final = "en"
_THOUSANDS: Final = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
"""As people in the US write them, in both languages."""
_DECIMAL: Final = re.compile(r"(?<![\d.,])(\d*)\.(\d+)(?!\.?\d)")
_RANGE: Final = re.compile(r"(?<![\w.,/–-])(\d{1,2}) ?[-–] ?(\d{1,2})(?![\w/–-]|[.,]\d)")
_FRACTION: Final = re.compile(r"(\d*)([½¼¾])")


def pronounced(text: str, language: str) -> str:
    """Decimals digit by digit, thousands without a comma, ranges and fractions in words; nothing that is no word."""
    own = (languages().get(language) or languages()[_OTHERWISE]).spoken
    text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    text = _DECIMAL.sub(lambda found: f"{found[1] or '0'} {own.point} {' '.join(found[2])}", text)
    text = _RANGE.sub(lambda found: f"{found[1]} {own.to} {found[2]}", text)
    text = _FRACTION.sub(lambda found: _fraction(own, found[1], found[2]), text)
    return re.sub(r"\[(?=\[)|\](?=\])", lambda found: f"{found[0]} ", text)


def _fraction(own: Numbers, whole: str, part: str) -> str:
    told = own.fractions[part]
    return f"{whole} {own.plus} {told}" if whole else told
