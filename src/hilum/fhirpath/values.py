"""The System values of nodes. https://hl7.org/fhirpath/N1/#literals

A FHIR primitive counts as the System value that it holds, a FHIR Quantity as System.Quantity:
https://hl7.org/fhir/R4/fhirpath.html#types
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from hilum.fhir.json import Number
from hilum.fhir.units import UCUM
from hilum.fhirpath import temporal
from hilum.fhirpath.nodes import NOTHING, Node
from hilum.fhirpath.quantities import Quantity
from hilum.fhirpath.temporal import Temporal
from hilum.fhirpath.types import BOOLEAN, DATE, DATETIME, DECIMAL, INTEGER, QUANTITY, STRING, TIME, Type, kind
from hilum.problems import Invalid

Value = Any
"""bool, int, Decimal, str, Temporal, Quantity; dict for an object without a System value; None for nothing."""

_OF: Final = {"date": DATE, "datetime": DATETIME, "time": TIME}


def made(value: Value) -> Node:
    """A value that was computed as a node."""
    if isinstance(value, Temporal):
        return Node(value, _OF[value.kind])
    return Node(value, _TYPES[type(value)])


_TYPES: Final[dict[type, Type]] = {
    bool: BOOLEAN,
    int: INTEGER,
    Decimal: DECIMAL,
    Number: DECIMAL,
    str: STRING,
    Quantity: QUANTITY,
}


def collection(value: Value) -> list[Node]:
    """A computed value, or nothing, as a collection."""
    return NOTHING if value is None else [made(value)]


def _temporal(name: str) -> Callable[[Any], Value]:
    def read(value: Any) -> Value:
        if type(value) is not str:
            return value
        found = temporal.parse(value, name)
        return value if found is None else found

    return read


def _quantity(value: Any) -> Value:
    """A Quantity that says what it is: with a comparator it is no one value."""
    if type(value) is not dict or "comparator" in value:
        return value
    number = value.get("value")
    if isinstance(number, bool) or not isinstance(number, int | Decimal):
        return value
    code, unit = value.get("code"), value.get("unit")
    if type(code) is str and value.get("system") == UCUM:
        return Quantity(exact(number), code)
    named = code if type(code) is str else unit if type(unit) is str else "1"
    return Quantity(exact(number), named)


def exact(number: int | Decimal) -> Decimal:
    """A number as a decimal."""
    return number if type(number) is Decimal else Decimal(number)


_READ: Final[dict[str, Callable[[Any], Value] | None]] = {
    "date": _temporal("date"),
    "datetime": _temporal("datetime"),
    "time": _temporal("time"),
    "quantity": _quantity,
}
_READERS: Final[dict[Type, Callable[[Any], Value] | None]] = {}


def reader(type: Type) -> Callable[[Any], Value] | None:
    """What makes a System value of the JSON of a type; None where the JSON is it."""
    return _READ.get(kind(type))


def system(node: Node) -> Value:
    """The value of a node where a System value is needed."""
    value, type_, _, _ = node
    try:
        read = _READERS[type_]
    except KeyError:
        read = _READERS[type_] = reader(type_)
    return value if read is None or value is None else read(value)


def single(nodes: list[Node], what: str) -> Value:
    """The one value of a collection, None when it is empty. Raises Invalid for several items."""
    if not nodes:
        return None
    if len(nodes) > 1:
        raise Invalid(f"FHIRPath: {what} was given several items; it takes one.")
    return system(nodes[0])


def name_of(value: Value) -> str:
    """What kind of value it is, for messages."""
    if isinstance(value, Temporal):
        return {"date": "a date", "datetime": "a date and time", "time": "a time"}[value.kind]
    return _NAMES.get(type(value), "a number" if isinstance(value, Decimal) else "an object")


_NAMES: Final = {bool: "a boolean", int: "an integer", str: "a text", Quantity: "a quantity", type(None): "nothing"}


def is_number(value: Value) -> bool:
    """Whether it is an integer or a decimal."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def as_quantity(value: Value) -> Quantity | None:
    """A quantity; a number as one of unit 1; None for anything else."""
    if isinstance(value, Quantity):
        return value
    return Quantity(exact(value), "1") if is_number(value) else None


def json(value: Value) -> Any:
    """A computed value as JSON: dates as text, quantities as a FHIR Quantity."""
    if isinstance(value, Temporal):
        return str(value)
    if isinstance(value, Quantity):
        known = {} if value.calendar else {"system": UCUM, "code": value.unit}
        return {"value": value.value, "unit": value.unit, **known}
    return value
