"""Operators and functions on numbers and quantities, exact: decimals of 34 digits, never floats.

https://hl7.org/fhirpath/N1/#math What overflows is empty; an integer has 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Final

from hilum.fhirpath import quantities, temporal
from hilum.fhirpath.comparison import order
from hilum.fhirpath.function import Function, of_value
from hilum.fhirpath.nodes import NOTHING, Node, Scope
from hilum.fhirpath.quantities import EXACT, Quantity
from hilum.fhirpath.temporal import NotAdded, Temporal
from hilum.fhirpath.types import BOOLEAN, DECIMAL, INTEGER
from hilum.fhirpath.values import Value, as_quantity, collection, exact, is_number, name_of, system
from hilum.problems import Invalid

_MOST: Final = 2**63
_DIGITS: Final = 34
_BOUNDARY_DIGITS: Final = 28
"""More than these a boundary is not made to: lowBoundary(32) is empty."""


def bounded(value: int) -> int | None:
    """An integer, if it has 64 bits."""
    return value if -_MOST <= value < _MOST else None


def finite(value: Decimal) -> Decimal | None:
    """A decimal, if there is one."""
    return value if value.is_finite() else None


def _wrong(operator: str, a: Value, b: Value) -> Invalid:
    return Invalid(f"FHIRPath: {name_of(a)} {operator} {name_of(b)} is nothing that can be computed.")


def add(a: Value, b: Value) -> Value:
    """The `+` operator."""
    if type(a) is str and type(b) is str:
        return a + b
    return _sum("+", 1, a, b)


def subtract(a: Value, b: Value) -> Value:
    """The `-` operator."""
    return _sum("-", -1, a, b)


def _sum(operator: str, sign: int, a: Value, b: Value) -> Value:
    if isinstance(a, Temporal) and isinstance(b, Quantity):
        unit = quantities.duration(b)
        try:
            if unit is None:
                raise NotAdded
            return temporal.add(a, b.value if sign > 0 else b.value.copy_negate(), unit)
        except NotAdded:
            raise Invalid(f"FHIRPath: a quantity of that unit can't be added to {name_of(a)}.") from None
    if is_number(a) and is_number(b):
        if type(a) is int and type(b) is int:
            return bounded(a + sign * b)
        return finite((EXACT.add if sign > 0 else EXACT.subtract)(exact(a), exact(b)))
    one, other = as_quantity(a), as_quantity(b)
    if one is None or other is None:
        raise _wrong(operator, a, b)
    return quantities.added(one, other, sign)


def multiply(a: Value, b: Value) -> Value:
    """The `*` operator."""
    if is_number(a) and is_number(b):
        if type(a) is int and type(b) is int and max(a.bit_length(), b.bit_length()) <= 64:
            return bounded(a * b)
        return finite(EXACT.multiply(exact(a), exact(b)))
    one, other = as_quantity(a), as_quantity(b)
    if one is None or other is None:
        raise _wrong("*", a, b)
    return quantities.multiplied(one, other)


def divide(a: Value, b: Value) -> Value:
    """The `/` operator: always a decimal."""
    if is_number(a) and is_number(b):
        return finite(EXACT.divide(exact(a), exact(b))) if b else None
    one, other = as_quantity(a), as_quantity(b)
    if one is None or other is None:
        raise _wrong("/", a, b)
    return quantities.divided(one, other)


def _truncated(operator: str, whole: Callable[[int, int], int], part: Callable[[Decimal, Decimal], Decimal]) -> Binary:
    def operate(a: Value, b: Value) -> Value:
        if not is_number(a) or not is_number(b):
            raise _wrong(operator, a, b)
        if not b:
            return None
        if type(a) is int and type(b) is int and max(a.bit_length(), b.bit_length()) <= 64:
            return bounded(whole(a, b))
        return finite(part(exact(a), exact(b)))

    return operate


def _div(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


Binary = Callable[[Value, Value], Value]
OPERATORS: Final[dict[str, Binary]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "div": _truncated("div", _div, EXACT.divide_int),
    "mod": _truncated("mod", lambda a, b: a - b * _div(a, b), EXACT.remainder),
}


def negated(value: Value) -> Value:
    """The `-` before a number or quantity."""
    if is_number(value):
        return bounded(-value) if type(value) is int else value.copy_negate()
    if isinstance(value, Quantity):
        return Quantity(value.value.copy_negate(), value.unit, value.calendar)
    raise Invalid(f"FHIRPath: {name_of(value)} has no negative.")


def positive(value: Value) -> Value:
    """The `+` before a number or quantity."""
    if is_number(value) or isinstance(value, Quantity):
        return value
    raise Invalid(f"FHIRPath: {name_of(value)} is no number, and can't have a sign.")


# --- functions --------------------------------------------------------------------------------------------------------


def _integral(rounding: str) -> Callable[[Value], Value]:
    def round_(value: Value) -> Value:
        if isinstance(value, Quantity):
            found = round_(value.value)
            return None if found is None else Quantity(Decimal(found), value.unit, value.calendar)
        if type(value) is int:
            return value
        return bounded(int(value.to_integral_value(rounding=rounding))) if value.adjusted() < 20 else None

    return round_


def _round(value: Value, digits: int = 0) -> Value:
    if digits < 0:
        raise Invalid("FHIRPath: round() takes a number of digits that is not negative.")
    if isinstance(value, Quantity):
        found = _round(value.value, digits)
        return None if found is None else Quantity(exact(found), value.unit, value.calendar)
    if type(value) is int:
        return value
    places = -value.as_tuple().exponent
    if digits >= places or digits > _DIGITS:
        return value
    return finite(value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP, context=EXACT))


def _abs(value: Value) -> Value:
    if isinstance(value, Quantity):
        return Quantity(value.value.copy_abs(), value.unit, value.calendar)
    return bounded(abs(value)) if type(value) is int else value.copy_abs()


def _log(value: Value, base: Value) -> Value:
    if value <= 0 or base <= 0 or base == 1:
        return None
    found = EXACT.divide(EXACT.ln(exact(value)), EXACT.ln(exact(base)))
    # ln is rounded: 16.log(2) is 4, and not 3.999...
    return finite(found.quantize(Decimal(1).scaleb(-30 + max(found.adjusted(), 0)), context=EXACT).normalize(EXACT))


def _ln(value: Value) -> Value:
    return finite(EXACT.ln(exact(value))) if value > 0 else None


def _exp(value: Value) -> Value:
    return finite(EXACT.exp(exact(value))) if -20_000 < value < 20_000 else None


def _sqrt(value: Value) -> Value:
    return finite(EXACT.sqrt(exact(value))) if value >= 0 else None


def _power(value: Value, exponent: Value) -> Value:
    if not -1_000_000 <= exponent <= 1_000_000:
        return None
    found = finite(EXACT.power(exact(value), exact(exponent)))
    if found is not None and type(value) is int and type(exponent) is int and exponent >= 0:
        return bounded(int(found)) if found.adjusted() < 20 else None
    return found


def _precision(value: Value) -> Value:
    if isinstance(value, Temporal):
        return value.digits
    if type(value) is int:
        return 0
    if isinstance(value, Decimal):
        return max(0, -int(value.as_tuple().exponent))
    raise Invalid(f"FHIRPath: precision() takes a number, a date or a time, and was given {name_of(value)}.")


def _boundary(*, high: bool) -> Callable[..., Value]:
    """The least or greatest number that rounds to the value as it is written, outwards to so many digits."""
    name = "highBoundary" if high else "lowBoundary"

    def boundary(value: Value, digits: int | None = None) -> Value:
        if isinstance(value, Temporal):
            return temporal.boundary(value, digits, high=high)
        if isinstance(value, Quantity):
            found = boundary(value.value, digits)
            return None if found is None else Quantity(found, value.unit, value.calendar)
        if not is_number(value):
            raise Invalid(f"FHIRPath: {name}() takes a number, a date or a time, and was given {name_of(value)}.")
        number = exact(value)
        places = -int(number.as_tuple().exponent)
        digits = max(8, places) if digits is None else digits
        if not 0 <= digits <= _BOUNDARY_DIGITS or abs(places) > _DIGITS or number.adjusted() + digits > _DIGITS - 2:
            return None
        half = Decimal(5).scaleb(-max(places, 0) - 1)
        bound = EXACT.add(number, half if high else -half)
        rounding = ROUND_CEILING if high else ROUND_FLOOR
        return finite(bound.quantize(Decimal(1).scaleb(-digits), rounding=rounding, context=EXACT))

    return boundary


def _comparable(value: Value, other: Value) -> bool:
    one, two = as_quantity(value), as_quantity(other)
    return one is not None and two is not None and quantities.how(one, two) is not None


def _folded(name: str, fold: Callable[[Value, Value], Value]) -> Function:
    """A function of all values of a collection, two by two."""

    def plain(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
        scope.work.spend(len(nodes))
        if not nodes:
            return NOTHING
        found = system(nodes[0])
        for node in nodes[1:]:
            if found is None:
                return NOTHING
            found = fold(found, system(node))
        if found is None or isinstance(found, dict | list):
            return NOTHING
        return collection(found)

    return Function(result=None, plain=plain)


def _added(a: Value, b: Value) -> Value:
    if isinstance(a, str) or isinstance(b, str) or isinstance(a, Temporal):
        raise _wrong("+", a, b)
    return add(a, b)


def _least(a: Value, b: Value) -> Value:
    found = order(a, b)
    return None if found is None else a if found <= 0 else b


def _greatest(a: Value, b: Value) -> Value:
    found = order(a, b)
    return None if found is None else a if found >= 0 else b


def _average(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    assert _SUM.plain is not None
    total = _SUM.plain(nodes, scope, ())
    return collection(divide(total[0].value, len(nodes))) if total else NOTHING


_SUM: Final = _folded("sum", _added)
MATH: Final[dict[str, Function]] = {
    "abs": of_value("abs", _abs, "quantity", result=None),
    "ceiling": of_value("ceiling", _integral(ROUND_CEILING), "quantity", result=None),
    "floor": of_value("floor", _integral(ROUND_FLOOR), "quantity", result=None),
    "truncate": of_value("truncate", _integral("ROUND_DOWN"), "quantity", result=None),
    "round": of_value("round", _round, "quantity", "integer", result=None, optional=1),
    "exp": of_value("exp", _exp, "number", result=DECIMAL),
    "ln": of_value("ln", _ln, "number", result=DECIMAL),
    "log": of_value("log", _log, "number", "number", result=DECIMAL),
    "power": of_value("power", _power, "number", "number", result=None),
    "sqrt": of_value("sqrt", _sqrt, "number", result=DECIMAL),
    "precision": of_value("precision", _precision, "any", result=INTEGER),
    "lowBoundary": of_value("lowBoundary", _boundary(high=False), "any", "integer", result=None, optional=1),
    "highBoundary": of_value("highBoundary", _boundary(high=True), "any", "integer", result=None, optional=1),
    "comparable": of_value("comparable", _comparable, "quantity", "quantity", result=BOOLEAN),
    "sum": _SUM,
    "min": _folded("min", _least),
    "max": _folded("max", _greatest),
    "avg": Function(result=None, plain=_average),
}
