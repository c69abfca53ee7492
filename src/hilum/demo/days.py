"""The demo's people, moved to another day: whatever has a date has it so many days later.

They are made as of one day, so that they are the same people with the same history for ever; then all is moved by whole
days to the day on which they are loaded, or a sandbox is made, since an appointment that lies ahead on that day does so
on no other. What lies between two dates stays, and so do times of the day; days of the week don't. Birth dates stay:
who is who is proven by them. https://hl7.org/fhir/R4/datatypes.html#dateTime
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from datetime import date, timedelta
from hashlib import sha1
from typing import Any, Final

from hilum.problems import Invalid

_DATED: Final = re.compile(r"\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d))?")
_DAY: Final = re.compile(r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)")
_STAYS: Final = ("birthDate", "text")
"""Who is who, and what people read of it: narratives of the demo have no other date."""


YEARS: Final = range(1970, 2200)
"""In which a day to move to can be: no date of a person's is then one that FHIR can't write."""


AHEAD: Final = timedelta(days=10)
"""After that what lay ahead of people may be past: the first appointments are sooner, the last months later."""


def check(today: date) -> None:
    """Raises Invalid of a day to which nobody can be moved."""
    if today.year not in YEARS:
        raise Invalid(f"--today is a day of the years {YEARS[0]} to {YEARS[-1]}.")


def moved(value: Any, by: timedelta) -> Any:
    """A resource, or a Bundle, with each date so much later: those in a note's title and in its text, too."""
    if isinstance(value, dict):
        changed = {name: one if name in _STAYS else moved(one, by) for name, one in value.items()}
        return _note(changed, by) if "contentType" in value else changed
    if isinstance(value, list):
        return [moved(one, by) for one in value]
    if isinstance(value, str) and _DATED.fullmatch(value):
        return _later(value, by)
    return value


def _note(attachment: dict[str, Any], by: timedelta) -> dict[str, Any]:
    """A note of plain text. https://hl7.org/fhir/R4/datatypes.html#Attachment"""
    text = _later(b64decode(attachment["data"]).decode(), by).encode()
    return attachment | {
        "data": b64encode(text).decode(),
        "hash": b64encode(sha1(text, usedforsecurity=False).digest()).decode(),
        "title": _later(attachment["title"], by),
    }


def _later(text: str, by: timedelta) -> str:
    return _DAY.sub(lambda found: (date.fromisoformat(found[0]) + by).isoformat(), text)
