"""When a server wants to be asked again. https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST: Final = 86_400.0
"""Seconds of a Retry-After, at most: nothing is held back longer than it would be tried anyway."""


def after(text: str, now: float) -> float:
    """Seconds of a Retry-After, a number or a date; 0 for what is none."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    moment = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.fromtimestamp(now, UTC)).total_seconds()), LONGEST)
