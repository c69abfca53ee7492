"""Conversions between System types, and the parts of dates. https://hl7.org/fhirpath/N1/#conversion"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from hilum.fhirpath import quantities, temporal
from hilum.fhirpath.function import Function, of_value
from hilum.fhirpath.nodes import NOTHING, Node, Scope, boolean
from hilum.fhirpath.quantities import Quantity, plain
from hilum.fhirpath.temporal import Temporal
from hilum.fhirpath.types import BOOLEAN, DATE, DATETIME, DECIMAL, INTEGER, QUANTITY, STRING, TIME, Type
from hilum.fhirpath.values import Value, collection, single

_INTEGER: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?\d{1,512}(?:\.\d{1,512})?", re.ASCII)
_QUANTITY: Final = re.compile(
    r"(?P<value>[+-]?\d{1,512}(?:\.\d{1,512})?)\s*(?:'(?P<unit>[^']+)'|(?P<time>[a-zA-Z]+))?", re.ASCII
)
_TRUE: Final = frozenset(("true", "t", "yes", "y", "1", "1.0"))
_FALSE: Final = frozenset(("false", "f", "no", "n", "0", "0.0"))


def _boolean(value: Value) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return True if value == 1 else False if value == 0 else None
    if isinstance(value, str) and len(value) < 6:
        word = value.lower()
        return True if word in _TRUE else False if word in _FALSE else None
    return None


def _whole(bits: int) -> Callable[[Value], int | None]:
    most = 2 ** (bits - 1)

    def whole(value: Value) -> int | None:
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, str):
            value = int(value) if _INTEGER.fullmatch(value) else None
        return value if isinstance(value, int) and -most <= value < most else None

    return whole


def _decimal(value: Value) -> Decimal | None:
    if isinstance(value, bool | int):
        return Decimal(value)
    if isinstance(value, str):
        return Decimal(value) if _DECIMAL.fullmatch(value) else None
    return value if isinstance(value, Decimal) else None


def text(value: Value) -> str | None:
    """A value as `toString()` gives it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, int):
        return str(value)
    return str(value) if isinstance(value, Temporal | Quantity) else None


def _date(value: Value) -> Temporal | None:
    if isinstance(value, str):
        found = temporal.parse(value, "date")
        value = temporal.parse(value, "datetime") if found is None else found
    if isinstance(value, Temporal) and value.kind != "time":
        return Temporal("date", value.parts[:3])
    return None


def _datetime(value: Value) -> Temporal | None:
    if isinstance(value, str):
        return temporal.parse(value, "datetime")
    if isinstance(value, Temporal) and value.kind != "time":
        return Temporal("datetime", value.parts, value.second, value.zone)
    return None


def _time(value: Value) -> Temporal | None:
    if isinstance(value, str):
        return temporal.parse(value, "time")
    return value if isinstance(value, Temporal) and value.kind == "time" else None


def quantity(value: Value, unit: str | None = None) -> Quantity | None:
    """A value as `toQuantity()` gives it; in a unit, if one is asked for."""
    found = _to_quantity(value)
    if found is None or unit is None:
        return found
    return quantities.converted(found, quantities.calendar(Decimal(1), unit) or Quantity(Decimal(1), unit), about=True)


def _to_quantity(value: Value) -> Quantity | None:
    if isinstance(value, Quantity):
        return value
    if not isinstance(value, str):
        number = _decimal(value)
        return None if number is None else Quantity(number, "1")
    match = _QUANTITY.fullmatch(value)
    if match is None:
        return None
    number = Decimal(match["value"])
    if match["time"]:
        return quantities.calendar(number, match["time"])
    return Quantity(number, match["unit"] or "1")


_CONVERSIONS: Final[dict[str, tuple[Callable[[Value], Value], Type]]] = {
    "Boolean": (_boolean, BOOLEAN),
    "Integer": (_whole(32), INTEGER),
    "Long": (_whole(64), INTEGER),
    "Decimal": (_decimal, DECIMAL),
    "String": (text, STRING),
    "Date": (_date, DATE),
    "DateTime": (_datetime, DATETIME),
    "Time": (_time, TIME),
}


def _to(name: str, convert: Callable[[Value], Value], result: Type) -> Function:
    return of_value(f"to{name}", convert, "any", result=result)


def _converts(name: str, convert: Callable[[Value], Value]) -> Function:
    return of_value(f"convertsTo{name}", lambda value: convert(value) is not None, "any", result=BOOLEAN)


def _part(name: str, index: int) -> Function:
    """A part of a date (0 to 2) or of a clock (3, 4); empty where it is not known."""

    def part(value: Value) -> Value:
        if not isinstance(value, Temporal):
            return None
        place = index - 3 if value.kind == "time" else index
        return value.parts[place] if 0 <= place < len(value.parts) else None

    return of_value(name, part, "any", result=INTEGER)


def _second(value: Value) -> Value:
    return int(value.second) if isinstance(value, Temporal) and value.second is not None else None


def _millisecond(value: Value) -> Value:
    return int(value.second % 1 * 1000) if isinstance(value, Temporal) and value.second is not None else None


def _zone(value: Value) -> Value:
    return Decimal(value.zone) / 60 if isinstance(value, Temporal) and value.zone is not None else None


def _clock(value: Value) -> Value:
    if not isinstance(value, Temporal) or value.kind != "datetime" or len(value.parts) < 4:
        return None
    return Temporal("time", value.parts[3:], value.second)


def _get_value(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    value = single(nodes, "getValue()")
    return NOTHING if value is None or isinstance(value, dict | list | Quantity) else collection(value)


def _has_value(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    return boolean(has_value(nodes))


def has_value(nodes: list[Node]) -> bool:
    """Whether it is one primitive that has a value."""
    return len(nodes) == 1 and nodes[0].value is not None and type(nodes[0].value) not in (dict, list)


CONVERSIONS: Final[dict[str, Function]] = {
    **{f"to{name}": _to(name, convert, result) for name, (convert, result) in _CONVERSIONS.items()},
    **{f"convertsTo{name}": _converts(name, convert) for name, (convert, _) in _CONVERSIONS.items()},
    "toQuantity": of_value("toQuantity", quantity, "any", "string", result=QUANTITY, optional=1),
    "convertsToQuantity": of_value(
        "convertsToQuantity",
        lambda value, unit=None: quantity(value, unit) is not None,
        "any",
        "string",
        result=BOOLEAN,
        optional=1,
    ),
    "getValue": Function(result=None, plain=_get_value),
    "hasValue": Function(result=BOOLEAN, plain=_has_value),
    "yearOf": _part("yearOf", 0),
    "monthOf": _part("monthOf", 1),
    "dayOf": _part("dayOf", 2),
    "hourOf": _part("hourOf", 3),
    "minuteOf": _part("minuteOf", 4),
    "secondOf": of_value("secondOf", _second, "any", result=INTEGER),
    "millisecondOf": of_value("millisecondOf", _millisecond, "any", result=INTEGER),
    "timezoneOffsetOf": of_value("timezoneOffsetOf", _zone, "any", result=DECIMAL),
    "dateOf": of_value(
        "dateOf", lambda value: _date(value) if isinstance(value, Temporal) else None, "any", result=DATE
    ),
    "timeOf": of_value("timeOf", _clock, "any", result=TIME),
}
