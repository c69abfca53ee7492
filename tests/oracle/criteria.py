"""One value of a search parameter, read as the specification says, becomes a test of extracted values.

https://hl7.org/fhir/R4/search.html#ptypes. A value that must be refused raises `Refused`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from tests.oracle import units
from tests.oracle.definitions import Definitions
from tests.oracle.paths import local, target_type
from tests.oracle.values import (
    Date,
    Identifier,
    Number,
    Position,
    Reference,
    String,
    Text,
    Token,
    Typed,
    Uri,
    fold,
    interval,
)


class Refused(Exception):
    """The search must be refused: unknown, not supported, or a value that does not fit."""


class Forbidden(Refused):
    """The search is about types of which the asker may see nothing."""


Test = Callable[[Any], bool]
"""Of one extracted value."""

PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")


def split(text: str, separator: str) -> list[str]:
    """The parts between separators without a backslash before them; escapes stay."""
    parts, escaped = [""], False
    for letter in text:
        if letter == separator and not escaped:
            parts.append("")
            continue
        parts[-1] += letter
        escaped = letter == "\\" and not escaped
    return parts


def unescape(text: str) -> str:
    r"""`\,` `\|` `\$` `\\` as what they stand for. https://hl7.org/fhir/R4/search.html#escaping"""
    if re.search(r"\\", re.sub(r"\\[,|$\\]", "", text)):
        raise Refused("backslash")
    return re.sub(r"\\([,|$\\])", r"\1", text)


# --- token ------------------------------------------------------------------------------------------------------------


def token(text: str, forms: frozenset[str], *, caseless: bool = False) -> Test:
    """`code`, `system|code`, `|code`, `system|`. `caseless`: the code in any case, as `_filter` has it."""
    if caseless and forms == {"boolean"}:
        text = text.lower()
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) > 2 or not any(parts):
        raise Refused("token")
    system = parts[0] if len(parts) == 2 else None
    code = parts[-1] or None
    if system is not None and forms and forms <= {"ContactPoint", "uri", "boolean"}:
        raise Refused("no systems here")
    if forms == {"boolean"} and code not in ("true", "false"):
        raise Refused("boolean")

    def test(value: Any) -> bool:
        if not isinstance(value, Token):
            return False
        if system is not None and (value.system or "") != system:
            return False
        if code is None:
            return True
        if value.caseless:
            return value.code is not None and value.code.casefold() == code.casefold()
        if caseless:
            return value.code is not None and value.code.lower() == code.lower()
        return value.code == code

    return test


MIME = "urn:ietf:bcp:13"


def mime(text: str) -> Test:
    """`:below` of MIME types: `text`, `text/xml`, whatever case and parameters. https://hl7.org/fhir/R4/search.html#mimetype"""
    wanted = unescape(text).removeprefix(f"{MIME}|").strip().lower()
    if not wanted or ";" in text:
        raise Refused("no base part")

    def test(value: Any) -> bool:
        if not isinstance(value, Token) or value.system != MIME or value.code is None:
            return False
        kind, _, _ = value.code.lower().partition(";")
        return kind.strip() == wanted or kind.strip().startswith(wanted.removesuffix("/") + "/")

    return test


def token_text(text: str) -> Test:
    """`:text`: a text beside the code has words that begin so."""
    folded = fold(unescape(text))
    if not folded:
        raise Refused("nothing to look for")
    return lambda value: isinstance(value, Text) and (" " + value.folded).find(" " + folded) >= 0


def of_type(text: str) -> Test:
    """`:of-type`: system|code|value, all three."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise Refused("of-type")
    wanted = Typed(*parts)
    return lambda value: value == wanted and isinstance(value, Typed)


def identifier(text: str) -> Test:
    """`:identifier` of references: a token search on Reference.identifier."""
    test = token(text, frozenset(("Identifier",)))
    return lambda value: isinstance(value, Identifier) and test(Token(value.system, value.value))


# --- string -----------------------------------------------------------------------------------------------------------


def string(text: str, how: str) -> Test:
    """`starts` (default), `exact`, `contains`; of `_filter` also `equals`, `ends` and the orders."""
    plain = unescape(text)
    if how == "exact":
        return lambda value: isinstance(value, String) and value.written == plain
    folded = fold(plain)
    if not folded:
        raise Refused("nothing to look for")
    holds: Callable[[str], bool] = {
        "starts": lambda s: s.startswith(folded),
        "contains": lambda s: folded in s,
        "equals": lambda s: s == folded,
        "ends": lambda s: s.endswith(folded),
        "ne": lambda s: s != folded,
        "gt": lambda s: s > folded,
        "lt": lambda s: s < folded,
        "ge": lambda s: s >= folded,
        "le": lambda s: s <= folded,
    }[how]
    if how in ("ne", "gt", "lt", "ge", "le"):  # of a family name as a whole
        return lambda value: isinstance(value, String) and holds(value.folded)
    return lambda value: isinstance(value, String) and any(map(holds, (value.folded, *value.rest)))


# --- date -------------------------------------------------------------------------------------------------------------


def date(text: str, now: int) -> Test:
    """A prefix and a date. `ap` reaches a tenth of the gap to `now` (microseconds since 1970)."""
    prefix, rest = (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)
    try:
        low, high = interval(rest.replace(" ", "+"))
    except ValueError:
        raise Refused("date") from None
    if prefix == "ap":
        gap = abs(now - (int(low) + int(high)) // 2) // 10
        low, high = low - gap, high + gap
    holds = DATES[prefix]
    return lambda value: isinstance(value, Date) and holds(low, high, value.low, value.high)


def _inside(low: float, high: float, start: float, end: float) -> bool:
    return low <= start and end <= high


DATES: dict[str, Callable[[float, float, float, float], bool]] = {
    "eq": _inside,
    "ne": lambda low, high, start, end: not _inside(low, high, start, end),
    "gt": lambda low, high, start, end: end > high,
    "lt": lambda low, high, start, end: start < low,
    "ge": lambda low, high, start, end: end > high or _inside(low, high, start, end),
    "le": lambda low, high, start, end: start < low or _inside(low, high, start, end),
    "sa": lambda low, high, start, end: start > high,
    "eb": lambda low, high, start, end: end < low,
    "ap": lambda low, high, start, end: start <= high and end >= low,
}


# --- number and quantity ----------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"([+-]?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,3}))?", re.ASCII)


class Amount(NamedTuple):
    """What a written number means, exactly: itself and half a unit of its last digit."""

    prefix: str
    value: Fraction
    half: Fraction


def amount(text: str) -> Amount:
    """A prefix and a number. "1e2 ... 1 significant figures precision, so this is ... the range [95 ... 105)" """
    prefix, rest = (text[:2], text[2:]) if text[:2] in PREFIXES else ("eq", text)
    match = _NUMBER.fullmatch(rest)
    if match is None or match[1] == "+":
        raise Refused("number")
    _, whole, decimals, exponent = match.groups()
    last = int(exponent or 0) - len(decimals or "")
    if exponent is not None and len(whole) == 1 and decimals is None:
        last -= 1
    return Amount(prefix, Fraction(Decimal(rest)), Fraction(10) ** last / 2)


def compare(asked: Amount, conversion: tuple[Fraction, Fraction], value: Number) -> bool:
    """Whether [low, high] stands so to the number asked for, brought into the value's unit."""
    by, plus = conversion

    def bring(number: Fraction) -> float:
        return float(number * by + plus)

    point = bring(asked.value)
    low, high = bring(asked.value - asked.half), bring(asked.value + asked.half)
    match asked.prefix:
        case "eq":
            return low <= value.low and value.high < high
        case "ne":
            return not (low <= value.low and value.high < high)
        case "gt":
            return value.high > point
        case "lt":
            return value.low < point
        case "ge":
            return value.high >= point
        case "le":
            return value.low <= point
        case "sa":
            return value.low > point
        case "eb":
            return value.high < point
        case _:  # ap
            if asked.value:
                around = abs(asked.value) / 10
                low, high = bring(asked.value - around), bring(asked.value + around)
            return value.low <= high and value.high >= low


AS_IT_IS = (Fraction(1), Fraction(0))


def number(text: str) -> Test:
    """A number parameter."""
    asked = amount(unescape(text))
    return lambda value: isinstance(value, Number) and compare(asked, AS_IT_IS, value)


def quantity(text: str) -> Test:
    """`number`, `number|system|code`, `number||code`, `number|system|`; `number|x` for a system or a unit."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) > 3 or (len(parts) == 2 and not parts[1]):
        raise Refused("quantity")
    asked = amount(parts[0])
    if len(parts) == 2:
        return lambda value: (
            isinstance(value, Number)
            and parts[1] in (value.system, value.code, value.unit)
            and compare(asked, AS_IT_IS, value)
        )
    system, code = parts[1:] if len(parts) == 3 else ("", "")

    def conversion(value: Number) -> tuple[Fraction, Fraction] | None:
        if not system and not code:
            return AS_IT_IS
        if not system:
            return AS_IT_IS if code in (value.code, value.unit) else None
        if value.system != system:
            return None
        if not code:
            return AS_IT_IS
        if value.code is None:
            return None
        if system == units.UCUM:
            return units.conversion(code, value.code)
        return AS_IT_IS if code == value.code else None

    def test(value: Any) -> bool:
        return isinstance(value, Number) and (how := conversion(value)) is not None and compare(asked, how, value)

    return test


# --- reference --------------------------------------------------------------------------------------------------------

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


class Aim(NamedTuple):
    """What a reference parameter is about. `targets` (): any type. `restricted`: by its expression."""

    targets: tuple[str, ...]
    restricted: tuple[str, ...]
    addresses: bool
    """Whether it selects References (or Extensions) and not canonicals alone."""


def reference(definitions: Definitions, text: str, aim: Aim, only: str | None, base: str) -> Test:
    """`id`, `type/id` or a url. `only`: the modifier `:[type]`."""
    plain = unescape(text)
    if not aim.addresses:
        return canonical(plain)
    if plain.startswith(base + "/") and local(definitions, plain[len(base) + 1 :]):
        plain = plain[len(base) + 1 :]
    allowed = (only,) if only else aim.restricted
    if found := local(definitions, plain):
        if allowed and found[0] not in allowed:
            raise Refused("another type")
        wanted = Reference(*found)
        return lambda value: isinstance(value, Reference) and value == wanted
    if "://" in plain or plain.startswith("urn:"):
        if allowed and target_type(definitions, plain) not in allowed:
            raise Refused("another type")
        return canonical(plain)
    if not ID.fullmatch(plain):
        raise Refused("reference")
    types = allowed or aim.targets
    return lambda value: isinstance(value, Reference) and value.id == plain and (not types or value.type in types)


def canonical(plain: str) -> Test:
    """A url; one without a |version means every version."""
    return lambda value: (
        isinstance(value, Uri) and (value.text == plain or (value.versioned and value.text.partition("|")[0] == plain))
    )


def canonical_below(text: str) -> Test:
    """`:below` of canonicals: `url|1` means version 1 and those that begin `1.`; `url` every version."""
    url, bar, version = unescape(text).partition("|")

    def test(value: Any) -> bool:
        if not isinstance(value, Uri):
            return False
        its_url, _, its_version = value.text.partition("|")
        return its_url == url and (not bar or its_version == version or its_version.startswith(version + "."))

    return test


# --- uri --------------------------------------------------------------------------------------------------------------


def uri(text: str, modifier: str, versioned: bool) -> Test:
    """The whole uri; `:below` "left-matches the value", `:above` "vice-versa", of http(s) urls alone.

    `versioned`: the parameter is about canonicals, so that `:below=url|1` is about versions.
    """
    plain = unescape(text)
    if not modifier:
        return canonical(plain)
    if modifier == "below" and versioned and "|" in plain:
        return canonical_below(text)
    if not any(plain.startswith(scheme) or scheme.startswith(plain) for scheme in ("http://", "https://")):
        raise Refused("urls only")
    if "|" in plain:
        raise Refused("no versions")
    if modifier == "below":
        return lambda value: isinstance(value, Uri) and any(one.startswith(plain) for one in _written(value))
    return lambda value: isinstance(value, Uri) and any(plain.startswith(one) for one in _written(value))


def _written(value: Uri) -> tuple[str, ...]:
    return (value.text, value.text.partition("|")[0]) if value.versioned else (value.text,)


# --- near -------------------------------------------------------------------------------------------------------------

RADIUS = 6_371_008.8
METERS = {"km": 1000.0, "m": 1.0, "[mi_us]": 6336000 / 3937, "[mi_i]": 1609.344}


def near(text: str) -> Test:
    """latitude|longitude[|distance[|unit]], 50 km where no distance is given."""
    parts = [unescape(part) for part in split(text, "|")]
    if not 2 <= len(parts) <= 4:
        raise Refused("near")
    try:
        latitude, longitude = float(parts[0]), float(parts[1])
        distance = float(parts[2]) if len(parts) > 2 and parts[2] else 50.0
    except ValueError:
        raise Refused("near") from None
    unit = parts[3] if len(parts) > 3 and parts[3] else "km"
    if not (abs(latitude) <= 90 and abs(longitude) <= 180 and distance >= 0) or unit not in METERS:
        raise Refused("near")
    meters = distance * METERS[unit]
    return lambda value: isinstance(value, Position) and great_circle(value, Position(latitude, longitude)) <= meters


def great_circle(a: Position, b: Position) -> float:
    """Meters between two positions on a sphere (haversine)."""
    p, q = math.radians(a.latitude), math.radians(b.latitude)
    across = math.radians(b.longitude - a.longitude)
    h = math.sin((q - p) / 2) ** 2 + math.cos(p) * math.cos(q) * math.sin(across / 2) ** 2
    return 2 * RADIUS * math.asin(min(1.0, math.sqrt(h)))
