"""The primitive types: JSON type, format and range of each. https://hl7.org/fhir/R4/datatypes.html#primitive

The formats are those of the specification's regexes, written so that they match faster, and stricter where the
text is: dates must exist in the calendar, strings hold no control characters.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from hilum.fhir.json import Number
from hilum.validation.findings import Check, Found, one, wrong

LONGEST_STRING: Final = 1024 * 1024
"""https://hl7.org/fhir/R4/datatypes.html#string"""

_KEPT, _SHORT = 4096, 40  # how many dates are remembered as good, and how long they may be

_CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff"
_BAD_CHARACTER = re.compile(f"[{_CONTROL}]")
_SOLID = rf"[^ \t\n\r{_CONTROL}]+"  # white space is what XML calls so: a non-breaking space is none
_NO_SPACE = re.compile(_SOLID)
_CODE = re.compile(rf"{_SOLID}(?:[ \t\n\r]{_SOLID})*")

_YEAR = r"(?!0000)([0-9]{4})"
_MONTH = r"(0[1-9]|1[0-2])"
_DAY = r"(0[1-9]|[12][0-9]|3[01])"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"


def string(value: Any, _: int) -> Found:
    """string and markdown: not empty, no control characters but tab, CR and LF, whole Unicode characters."""
    if type(value) is str:
        if value.isprintable():
            if value and len(value) <= LONGEST_STRING:
                return None
        elif len(value) <= LONGEST_STRING and _BAD_CHARACTER.search(value) is None:
            return None
        if not value:
            return one("value", "is empty: leave the property out instead")
        if len(value) > LONGEST_STRING:
            return one("too-long", "is longer than 1048576 characters")
        return one("value", "holds a control character other than tab, CR and LF, or half a surrogate pair")
    return wrong(value, "a string")


def code(value: Any, _: int) -> Found:
    """code: no space at the ends, and single spaces inside."""
    if type(value) is str:
        if value.isprintable() and value and " " not in value:
            return None
        if _CODE.fullmatch(value):
            return None
        return one("value", "is not a code: not empty, no space at the ends, single spaces inside")
    return wrong(value, "a string")


def uri(value: Any, _: int) -> Found:
    """uri, url, canonical: not empty, no white space, no control characters."""
    if type(value) is str:
        if value.isprintable() and value and " " not in value:
            return None
        if _NO_SPACE.fullmatch(value):
            return None
        return one("value", "is not a URI: it must not be empty, nor hold spaces or control characters")
    return wrong(value, "a string")


def boolean(value: Any, _: int) -> Found:
    """boolean: JSON true or false."""
    if value is True or value is False:
        return None
    return wrong(value, "true or false")


def decimal(value: Any, _: int) -> Found:
    """decimal: a JSON number."""
    if type(value) is Decimal or type(value) is int or type(value) is Number:
        return None
    return wrong(value, "a number")


def base64(value: Any, _: int) -> Found:
    """base64Binary: whole groups of four characters, white space allowed."""
    if type(value) is str:
        if _grouped(value) or _grouped("".join(value.split())):
            return None
        return one("value", "is not base64, or is empty")
    return wrong(value, "a string")


def _grouped(text: str) -> bool:
    """Strict mode alone would let pass more padding behind a last group than that group needs."""
    try:
        return len(text) % 4 == 0 and text[-3:] != "===" and bool(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:
        return False


def _whole(least: int, most: int) -> Check:
    def integer(value: Any, _: int) -> Found:
        if type(value) is int:
            if least <= value <= most:
                return None
            return one("value", f"must be between {least} and {most}")
        if isinstance(value, Decimal):
            text = "written in digits: no fraction, no exponent, no -0"
            return one("value", f"must be a whole number between {least} and {most}, {text}")
        return wrong(value, "a whole number")

    return integer


def _pattern(pattern: str, expected: str) -> Check:
    fullmatch = re.compile(pattern).fullmatch

    def formatted(value: Any, _: int) -> Found:
        if type(value) is str:
            if fullmatch(value):
                return None
            return one("value", f"is not {expected}")
        return wrong(value, "a string")

    return formatted


def _calendar(pattern: str, expected: str) -> Check:
    """A format that begins with groups for year, month and day (the last two may be absent)."""
    fullmatch: Callable[[str], re.Match[str] | None] = re.compile(pattern).fullmatch
    seen: set[str] = set()

    def date(value: Any, _: int) -> Found:
        if type(value) is str:
            if value in seen:
                return None
            match = fullmatch(value)
            if match is None:
                return one("value", f"is not {expected}")
            year, month, day = match.group(1, 2, 3)
            if day is not None and day > "28" and int(day) > days(int(year), int(month)):
                return one("value", "is a day that the calendar does not have")
            if len(value) <= _SHORT:
                if len(seen) >= _KEPT:
                    seen.clear()
                seen.add(value)
            return None
        return wrong(value, "a string")

    return date


def days(year: int, month: int) -> int:
    """How many days that month has (Gregorian)."""
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


CHECKS: Final[dict[str, Check]] = {
    "base64Binary": base64,
    "boolean": boolean,
    "canonical": uri,
    "code": code,
    "date": _calendar(f"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?", "a date: YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": _calendar(
        f"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_CLOCK}{_ZONE})?)?)?",
        "a dateTime: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone",
    ),
    "decimal": decimal,
    "id": _pattern(r"[A-Za-z0-9\-.]{1,64}", "an id: 1 to 64 of A-Z, a-z, 0-9, - and ."),
    "instant": _calendar(
        f"{_YEAR}-{_MONTH}-{_DAY}T{_CLOCK}{_ZONE}", "an instant: YYYY-MM-DDThh:mm:ss with a time zone"
    ),
    "integer": _whole(-(2**31), 2**31 - 1),
    "markdown": string,
    "oid": _pattern(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+", "an oid: urn:oid: and numbers with dots"),
    "positiveInt": _whole(1, 2**31 - 1),
    "string": string,
    "time": _pattern(_CLOCK, "a time: hh:mm:ss, without a zone"),
    "unsignedInt": _whole(0, 2**31 - 1),
    "uri": uri,
    "url": uri,
    "uuid": _pattern(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "a uuid: urn:uuid: and lower-case hexadecimal digits in groups of 8-4-4-4-12",
    ),
}
"""Primitive type -> checker. xhtml has its own room, narrative.py."""
