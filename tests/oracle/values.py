"""What a resource says per search parameter, as plain values. https://hl7.org/fhir/R4/search.html#table"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple
from unicodedata import category, combining, normalize

from tests.oracle.definitions import Definitions
from tests.oracle.paths import QUANTITIES, Node, children, local


class Token(NamedTuple):
    """A code and the system that scopes it, each None where there is none. `caseless`: of a string element."""

    system: str | None
    code: str | None
    caseless: bool = False


class Text(NamedTuple):
    """What `:text` searches: CodeableConcept.text, Coding.display, Identifier.type.text."""

    folded: str


class Typed(NamedTuple):
    """What `:of-type` searches: an identifier's value under one coding of its type."""

    system: str | None
    code: str | None
    value: str


class String(NamedTuple):
    """A string as written, and folded. `rest`: the folded later words of a family name, each to be found by itself."""

    written: str
    folded: str
    rest: tuple[str, ...] = ()


class Date(NamedTuple):
    """First and last microsecond since 1970 UTC."""

    low: float
    high: float


class Number(NamedTuple):
    """A number or a quantity: [low, high] in its own unit."""

    low: float
    high: float
    system: str | None = None
    code: str | None = None
    unit: str | None = None


class Reference(NamedTuple):
    """A reference to a resource of this server."""

    type: str
    id: str


class Uri(NamedTuple):
    """A uri, a canonical (`versioned`: it may carry a |version) or a reference to elsewhere."""

    text: str
    versioned: bool = False


class Identifier(NamedTuple):
    """The identifier of a Reference: what `:identifier` searches."""

    system: str | None
    value: str | None


class Unnamed(NamedTuple):
    """A Reference that names nothing which could be searched: a display alone, or a resource that is contained, of
    which this is the local id.
    """

    local: str | None = None


class Position(NamedTuple):
    """Degrees."""

    latitude: float
    longitude: float


INFINITY = float("inf")
URIS = ("uri", "url", "canonical", "oid", "uuid")


def extract(definitions: Definitions, kind: str, node: Node) -> Iterator[Any]:
    """The values that a parameter of type `kind` finds in one selected element; none in those it is not for."""
    if node.type == "Extension" and kind != "special":
        for value in children(definitions, node, "value"):
            if value.type != "Extension":
                yield from extract(definitions, kind, value)
        return
    yield from _KINDS[kind](definitions, node)


# --- token ------------------------------------------------------------------------------------------------------------


def _token(definitions: Definitions, node: Node) -> Iterator[Any]:
    value, type = node.value, node.type
    if type == "CodeableConcept":
        yield from _text(value.get("text"))
        for coding in value.get("coding", ()):
            yield from _coding(coding)
    elif type == "Coding":
        yield from _coding(value)
    elif type == "Identifier":
        system, code = value.get("system"), value.get("value")
        if system is not None or code is not None:
            yield Token(system, code)
        concept = value.get("type", {})
        yield from _text(concept.get("text"))
        if code is not None:
            for coding in concept.get("coding", ()):
                yield Typed(coding.get("system"), coding.get("code"), code)
    elif type == "ContactPoint":
        if "value" in value:
            yield Token(None, value["value"])
    elif type == "boolean":
        yield Token(None, "true" if value else "false")
    elif type == "code":
        yield Token(definitions.only_system(node.value_set) if node.value_set else None, value)
    elif type == "string":
        yield Token(None, value, caseless=True)
    elif type == "id" or type in URIS:
        yield Token(None, value)


def _coding(value: dict[str, Any]) -> Iterator[Any]:
    if "system" in value or "code" in value:
        yield Token(value.get("system"), value.get("code"))
    yield from _text(value.get("display"))


def _text(value: str | None) -> Iterator[Text]:
    if value and (folded := fold(value)):
        yield Text(folded)


# --- string -----------------------------------------------------------------------------------------------------------

_NAME = ("text", "given", "prefix", "suffix")
_ADDRESS = ("text", "line", "city", "district", "state", "postalCode", "country")
_INSIDE_WORDS = "'’‘ʼ."


def fold(text: str) -> str:
    """No case, no accents, no punctuation, single spaces."""
    text = normalize("NFKD", normalize("NFKD", text).casefold())
    letters = []
    for letter in text:
        if combining(letter) or letter in _INSIDE_WORDS:
            continue
        letters.append(" " if category(letter).startswith("P") else letter)
    return " ".join("".join(letters).split())


def _string(definitions: Definitions, node: Node) -> Iterator[Any]:
    value, type = node.value, node.type
    if type in ("string", "markdown"):
        rest = _rest(value) if node.home == _FAMILY else ()
        yield String(value, fold(value), rest)
    elif type in ("HumanName", "Address"):
        for name in _NAME if type == "HumanName" else _ADDRESS:
            for one in _many(value.get(name)):
                yield String(one, fold(one))
        if type == "HumanName" and "family" in value:
            yield String(value["family"], fold(value["family"]), _rest(value["family"]))


_FAMILY = ("HumanName", "family")


def _rest(name: str) -> tuple[str, ...]:
    parts = re.split(r"[\s\-‐-―]+", name)
    joints = re.findall(r"[\s\-‐-―]+", name)
    found = []
    for i in range(1, len(parts)):
        later = parts[i] + "".join(joint + part for joint, part in zip(joints[i:], parts[i + 1 :], strict=True))
        if folded := fold(later):
            found.append(folded)
    return tuple(found)


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return [one for one in value if one is not None] if isinstance(value, list) else [value]


# --- date -------------------------------------------------------------------------------------------------------------

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND


def interval(text: str) -> Date:
    """What a date, dateTime or instant covers; without a zone it is UTC. Raises ValueError when it is none."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a date")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    first = date(int(year), int(month or 1), int(day or 1))
    start = (first - date(1970, 1, 1)).days * _DAY
    if day is None:
        if month is None or month == "12":
            last = date(first.year, 12, 31)
        else:
            last = date.fromordinal(date(first.year, first.month + 1, 1).toordinal() - 1)
        return Date(start, start + ((last - first).days + 1) * _DAY - 1)
    if hour is None:
        return Date(start, start + _DAY - 1)
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60:
        raise ValueError("not a time")
    start += (int(hour) * 3600 + int(minute) * 60 + int(second or 0)) * _SECOND
    if zone and zone != "Z":
        if int(zone[1:3]) > 14 or int(zone[4:]) > 59:
            raise ValueError("not a zone")
        shift = (int(zone[1:3]) * 60 + int(zone[4:])) * 60 * _SECOND
        start += shift if zone[0] == "-" else -shift
    if second is None:
        return Date(start, start + 60 * _SECOND - 1)
    if fraction is None:
        return Date(start, start + _SECOND - 1)
    digits = fraction[:6]
    width = 10 ** (6 - len(digits))
    start += int(digits) * width
    return Date(start, start + width - 1)


def _date(definitions: Definitions, node: Node) -> Iterator[Any]:
    value, type = node.value, node.type
    if type in ("date", "dateTime", "instant"):
        yield interval(value)
    elif type == "Period":
        yield from _period(value)
    elif type == "Timing":
        limits = [interval(event) for event in _many(value.get("event"))]
        limits += _period(value.get("repeat", {}).get("boundsPeriod", {}))
        if limits:
            yield Date(min(one.low for one in limits), max(one.high for one in limits))


def _period(value: dict[str, Any]) -> list[Date]:
    start, end = value.get("start"), value.get("end")
    if start is None and end is None:
        return []
    return [Date(interval(start).low if start else -INFINITY, interval(end).high if end else INFINITY)]


# --- number and quantity ----------------------------------------------------------------------------------------------


def _number(definitions: Definitions, node: Node) -> Iterator[Any]:
    value, type = node.value, node.type
    if type in ("integer", "decimal", "positiveInt", "unsignedInt"):
        yield Number(float(value), float(value))
    else:
        yield from _quantity(definitions, node)


def _quantity(definitions: Definitions, node: Node) -> Iterator[Any]:
    value, type = node.value, node.type
    if type in QUANTITIES:
        if "value" in value:
            number = float(value["value"])
            comparator = value.get("comparator", " ")[0]
            yield Number(
                -INFINITY if comparator == "<" else number,
                INFINITY if comparator == ">" else number,
                value.get("system"),
                value.get("code"),
                value.get("unit"),
            )
    elif type == "Range":
        low, high = value.get("low", {}), value.get("high", {})
        if "value" in low or "value" in high:
            unit = low if "value" in low else high
            yield Number(
                float(low["value"]) if "value" in low else -INFINITY,
                float(high["value"]) if "value" in high else INFINITY,
                unit.get("system"),
                unit.get("code"),
                unit.get("unit"),
            )
    elif type == "Money" and "value" in value:
        number = float(value["value"])
        yield Number(number, number, "urn:iso:std:iso:4217" if "currency" in value else None, value.get("currency"))


# --- reference, uri, position -----------------------------------------------------------------------------------------


def _reference(definitions: Definitions, node: Node) -> Iterator[Any]:
    value, type = node.value, node.type
    if type == "Reference":
        if text := value.get("reference"):
            if found := local(definitions, text):
                yield Reference(*found)
            elif not text.startswith("#"):
                yield Uri(text)
        identifier = value.get("identifier", {})
        if "system" in identifier or "value" in identifier:
            yield Identifier(identifier.get("system"), identifier.get("value"))
            if value.get("reference", "").startswith("#"):
                yield Unnamed(value["reference"][1:])
        else:
            text = value.get("reference", "")
            yield Unnamed(text[1:] if text.startswith("#") else None)
    elif type in URIS:
        yield Uri(value, versioned=type == "canonical")
    elif isinstance(value, dict) and "resourceType" in value and "id" in value:
        yield Reference(value["resourceType"], value["id"])


def _uri(definitions: Definitions, node: Node) -> Iterator[Any]:
    if node.type in URIS:
        yield Uri(node.value, versioned=node.type == "canonical")


def _position(definitions: Definitions, node: Node) -> Iterator[Any]:
    if isinstance(node.value, dict) and "latitude" in node.value and "longitude" in node.value:
        yield Position(float(node.value["latitude"]), float(node.value["longitude"]))


_KINDS = {
    "token": _token,
    "string": _string,
    "date": _date,
    "number": _number,
    "quantity": _quantity,
    "reference": _reference,
    "uri": _uri,
    "special": _position,
}
