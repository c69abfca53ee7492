"""How two values compare: equal, equivalent, before or after. https://hl7.org/fhirpath/N1/#equality"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import Any, Final

from hilum.fhirpath import quantities, temporal
from hilum.fhirpath.nodes import Node, same
from hilum.fhirpath.quantities import Quantity
from hilum.fhirpath.temporal import Temporal
from hilum.fhirpath.values import Value, as_quantity, exact, is_number, name_of, system
from hilum.fhirpath.work import Work
from hilum.problems import Invalid

# --- equal ------------------------------------------------------------------------------------------------------------


def equal(left: list[Node], right: list[Node], work: Work) -> bool | None:
    """The `=` operator; None when either side is empty, or nobody can tell."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    found: bool | None = True
    for a, b in zip(left, right, strict=True):
        one = equal_values(system(a), system(b), work)
        if one is False:
            return False
        found = found if one else None
    return found


def equal_values(a: Value, b: Value, work: Work) -> bool | None:
    """Whether two values are equal; None when nobody can tell (partial dates, units that don't convert)."""
    kind_a, kind_b = type(a), type(b)
    if kind_a is str and kind_b is str:
        if len(a) > 256:
            work.read(len(a))
        return bool(a == b)
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        if not temporal.comparable(a, b):
            return False
        found = temporal.order(a, b)
        return None if found is None else found == 0
    if kind_a is Quantity or kind_b is Quantity:
        one, other = as_quantity(a), as_quantity(b)
        if one is None or other is None:
            return False
        found = quantities.order(one, other)
        return None if found is None else found == 0
    if kind_a is dict and kind_b is dict:
        work.spend(1 + len(a))
        return a == b and same(a, b)  # Python's comparison takes true for 1, but misses nothing
    return bool(key(a, work) == key(b, work))


def key(value: Value, work: Work) -> Any:
    """Something hashable that two values have in common if they are equal, quantities of several units aside."""
    found = type(value)
    if found is str:
        if len(value) > 256:
            work.read(len(value))
        return value
    if found is bool or value is None:
        return (found, value)
    if found is dict:
        work.spend(1 + len(value))
        return ("object", *((name, key(value[name], work)) for name in sorted(value)))
    if found is list:
        work.spend(1 + len(value))
        return ("list", *(key(one, work) for one in value))
    if found is Temporal:
        return temporal.key(value)
    if found is int and value.bit_length() > 512:
        work.read(value.bit_length())
    if isinstance(value, Decimal) and abs(value.adjusted()) > 512:
        return _spelled(value) if value else 0
    return value


def _spelled(value: Decimal) -> tuple[object, ...]:
    """A number that is never written out: its hash would be that of all its zeros."""
    sign, digits, exponent = value.as_tuple()
    kept = "".join(map(str, digits)).rstrip("0")
    return sign, kept, int(exponent) + len(digits) - len(kept)


class Distinct:
    """Items without doubles, the first of each kept."""

    def __init__(self, work: Work) -> None:
        self.items: list[Node] = []
        self._work = work
        self._keys: set[Any] = set()
        self._measured: list[Quantity] = []

    def add(self, nodes: list[Node]) -> list[Node]:
        """Add items; the new ones among them."""
        self._work.spend(len(nodes))
        new: list[Node] = []
        for node in nodes:
            value = system(node)
            if type(value) is Quantity:
                if _among(value, self._measured, self._work):
                    continue
                self._measured.append(value)
            else:
                one = key(value, self._work)
                if one in self._keys:
                    continue
                self._keys.add(one)
            new.append(node)
        self.items += new
        return new


def distinct(nodes: list[Node], work: Work) -> list[Node]:
    """Without doubles, the first of each kept."""
    return Distinct(work).add(nodes)


def _among(value: Quantity, others: list[Quantity], work: Work) -> bool:
    work.spend(len(others))
    return any(quantities.order(value, other) == 0 for other in others)


_FEW: Final = 8
"""Objects that are compared with each other, rather than made hashable."""


class Members:
    """A collection that is asked whether it has a value equal to another."""

    def __init__(self, nodes: list[Node], work: Work) -> None:
        work.spend(len(nodes))
        values = [system(node) for node in nodes]
        self._work = work
        self._measured = [value for value in values if type(value) is Quantity]
        self._objects: list[dict[str, Any]] = []
        if len(values) <= _FEW:
            self._objects = [value for value in values if type(value) is dict]
            values = [value for value in values if type(value) is not dict]
        self._keys = {key(value, work) for value in values if type(value) is not Quantity}

    def has(self, value: Value) -> bool:
        """Whether one of them is equal to it."""
        if type(value) is Quantity or (self._measured and is_number(value)):
            one = as_quantity(value)
            assert one is not None
            if _among(one, self._measured, self._work):
                return True
            if type(value) is Quantity:
                return value.unit == "1" and value.value in self._keys
        if type(value) is dict and self._objects:
            return any(equal_values(value, one, self._work) for one in self._objects)
        return key(value, self._work) in self._keys


# --- equivalent -------------------------------------------------------------------------------------------------------


def equivalent(left: list[Node], right: list[Node], work: Work) -> bool:
    """The `~` operator: several items in any order."""
    if len(left) != len(right):
        return False
    rest = [system(node) for node in right]
    for node in left:
        value = system(node)
        work.spend(len(rest))
        for i, other in enumerate(rest):
            if equivalent_values(value, other, work):
                del rest[i]
                break
        else:
            return False
    return True


_SPACE: Final = re.compile(r"\s")


def equivalent_values(a: Value, b: Value, work: Work) -> bool:
    """Whether two values are the same for most purposes: texts but for case, numbers as far as both are written."""
    if type(a) is str and type(b) is str:
        work.read(len(a) + len(b))
        return _SPACE.sub(" ", a).casefold() == _SPACE.sub(" ", b).casefold()
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        return temporal.comparable(a, b) and temporal.order(a, b) == 0
    if type(a) is Quantity or type(b) is Quantity:
        one, other = as_quantity(a), as_quantity(b)
        pair = None if one is None or other is None else quantities.in_the_larger(one, other)
        return pair is not None and _about(*pair)
    if is_number(a) and is_number(b):
        return _about(exact(a), exact(b))
    if type(a) is dict and type(b) is dict:
        work.spend(1 + len(a))
        return a.keys() == b.keys() and all(equivalent_values(a[name], b[name], work) for name in a)
    if type(a) is list and type(b) is list:
        work.spend(1 + len(a))
        return len(a) == len(b) and all(equivalent_values(x, y, work) for x, y in zip(a, b, strict=True))
    return bool(key(a, work) == key(b, work))


_ROUNDING: Final = Context(prec=600, rounding="ROUND_HALF_UP", traps=[])


def _about(a: Decimal, b: Decimal) -> bool:
    """Whether they are equal at the precision of the less precise one, zeros at the end aside."""
    if a == b:
        return True
    if max(abs(a.adjusted()), abs(b.adjusted())) > 512:
        return False
    places = min(_places(a), _places(b))
    step = Decimal(1).scaleb(-places)
    return a.quantize(step, context=_ROUNDING) == b.quantize(step, context=_ROUNDING)


def _places(value: Decimal) -> int:
    exponent = value.normalize(_ROUNDING).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


# --- before and after -------------------------------------------------------------------------------------------------


def order(a: Value, b: Value) -> int | None:
    """-1, 0 or 1; None when nobody can tell. Raises Invalid for values that have no order among them."""
    if type(a) is str and type(b) is str:
        return int(a > b) - int(a < b)
    if is_number(a) and is_number(b):
        return int(a > b) - int(a < b)
    if isinstance(a, Temporal) and isinstance(b, Temporal) and temporal.comparable(a, b):
        return temporal.order(a, b)
    if type(a) is Quantity or type(b) is Quantity:
        one, other = as_quantity(a), as_quantity(b)
        if one is not None and other is not None:
            return quantities.order(one, other)
    raise Invalid(f"FHIRPath: {name_of(a)} can't be compared with {name_of(b)}.")
