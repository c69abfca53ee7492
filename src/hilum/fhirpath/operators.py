"""Operators as code. https://hl7.org/fhirpath/N1/#operations"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hilum.fhirpath.code import Code, Get, Types, always, computed, condition, items, known
from hilum.fhirpath.comparison import Members, distinct, equal, equal_values, equivalent, order
from hilum.fhirpath.conversions import text
from hilum.fhirpath.mathematics import OPERATORS, negated, positive
from hilum.fhirpath.nodes import NOTHING, Node, Scope, Truth
from hilum.fhirpath.types import DECIMAL, INTEGER, STRING
from hilum.fhirpath.values import Value, collection
from hilum.fhirpath.work import Work
from hilum.problems import Invalid


def binary(operator: str, left: Code, right: Code) -> Code:
    """`left operator right`."""
    if operator == "|":
        return _union(left, right)
    if operator in _LOGIC:
        return condition(_LOGIC[operator](left.test, right.test))
    if operator in ("=", "!="):
        return _equality(left, right, wanted=operator == "=")
    if operator in ("~", "!~"):
        one, other, wanted = left.evaluate, right.evaluate, operator == "~"
        return condition(lambda this, scope: equivalent(one(this, scope), other(this, scope), scope.work) is wanted)
    if operator in _ORDERS:
        return _comparison(_ORDERS[operator], left.value, right.value)
    if operator == "in":
        return _membership(left, right)
    if operator == "contains":
        return _membership(right, left)
    if operator == "&":
        return _joined(left.value, right.value)
    return _arithmetic(operator, left, right)


# --- logic ------------------------------------------------------------------------------------------------------------


def _and(left: Truth, right: Truth) -> Truth:
    def both(this: Node, scope: Scope) -> bool | None:
        a = left(this, scope)
        if a is False:
            return False
        b = right(this, scope)
        return False if b is False else None if a is None or b is None else True

    return both


def _or(left: Truth, right: Truth) -> Truth:
    def either(this: Node, scope: Scope) -> bool | None:
        a = left(this, scope)
        if a is True:
            return True
        b = right(this, scope)
        return True if b is True else None if a is None or b is None else False

    return either


def _xor(left: Truth, right: Truth) -> Truth:
    def one(this: Node, scope: Scope) -> bool | None:
        a, b = left(this, scope), right(this, scope)
        return None if a is None or b is None else a is not b

    return one


def _implies(left: Truth, right: Truth) -> Truth:
    def follows(this: Node, scope: Scope) -> bool | None:
        a = left(this, scope)
        if a is False:
            return True
        b = right(this, scope)
        return True if b is True else None if a is None or b is None else False

    return follows


_LOGIC: Final[dict[str, Callable[[Truth, Truth], Truth]]] = {
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
}
"""Three-valued, None for empty. https://hl7.org/fhirpath/N1/#boolean-logic"""


# --- comparison -------------------------------------------------------------------------------------------------------


def _equality(left: Code, right: Code, *, wanted: bool) -> Code:
    if left.scalar is None and right.scalar is not None and left.lone:
        left, right = right, left
    if left.lone and right.lone:
        one, other = left.value, right.value

        def values(this: Node, scope: Scope) -> bool | None:
            a = one(this, scope)
            if a is None:
                return None
            b = other(this, scope)
            if b is None:
                return None
            if type(a) is str and type(b) is str and len(a) < 256:
                return (a == b) is wanted
            found = equal_values(a, b, scope.work)
            return None if found is None else found is wanted

        return condition(values)
    some, others = left.evaluate, right.evaluate

    def collections(this: Node, scope: Scope) -> bool | None:
        a = some(this, scope)
        if not a:
            return None
        b = others(this, scope)
        if len(a) > 1:
            scope.work.spend(len(a))
        found = equal(a, b, scope.work)
        return None if found is None else found is wanted

    return condition(collections)


_ORDERS: Final[dict[str, Callable[[int], bool]]] = {
    "<": lambda found: found < 0,
    "<=": lambda found: found <= 0,
    ">": lambda found: found > 0,
    ">=": lambda found: found >= 0,
}


def _comparison(means: Callable[[int], bool], left: Get, right: Get) -> Code:
    def compare(this: Node, scope: Scope) -> bool | None:
        a = left(this, scope)
        b = right(this, scope)
        if a is None or b is None:
            return None
        if type(a) is str and type(b) is str:
            scope.work.read(min(len(a), len(b)))
        found = order(a, b)
        return None if found is None else means(found)

    return condition(compare)


def _membership(one: Code, others: Code) -> Code:
    get, evaluate = one.value, others.evaluate
    texts = _texts(others.constant)

    def among(this: Node, scope: Scope) -> bool | None:
        value = get(this, scope)
        if value is None:
            return None
        if texts is not None and type(value) is str:
            return value in texts
        some = evaluate(this, scope)
        return bool(some) and Members(some, scope.work).has(value)

    return condition(among)


def _texts(constant: list[Node] | None) -> frozenset[str] | None:
    """The texts of literals, where there are no others."""
    if not constant or any(type(node.value) is not str for node in constant):
        return None
    return frozenset(node.value for node in constant)


# --- sums and unions --------------------------------------------------------------------------------------------------


def _union(left: Code, right: Code) -> Code:
    types = None if left.types is None or right.types is None else left.types | right.types
    if left.constant is not None and right.constant is not None:
        return always(distinct(left.constant + right.constant, Work()), types)
    one, other = left.evaluate, right.evaluate
    return items(
        lambda this, scope: distinct(one(this, scope) + other(this, scope), scope.work),
        types,
        lambda this, scope: left.exists(this, scope) or right.exists(this, scope),
    )


def _joined(left: Get, right: Get) -> Code:
    def join(this: Node, scope: Scope) -> Value:
        a, b = _joinable(left(this, scope)), _joinable(right(this, scope))
        scope.work.read(len(a) + len(b))
        return a + b

    return computed(join, frozenset((STRING,)))


def _joinable(value: Value) -> str:
    if value is None or type(value) is str:
        return value or ""
    found = text(value)
    if found is None:
        raise Invalid("FHIRPath: & takes texts, and was given an object.")
    return found


def _arithmetic(operator: str, left: Code, right: Code) -> Code:
    operate, one, other = OPERATORS[operator], left.value, right.value

    def calculate(this: Node, scope: Scope) -> Value:
        a = one(this, scope)
        b = other(this, scope)
        if a is None or b is None:
            return None
        scope.work.read(len(a) + len(b) if type(a) is str and type(b) is str else 0)
        return operate(a, b)

    return computed(calculate, _sum_types(operator, left.types, right.types))


def _sum_types(operator: str, left: Types, right: Types) -> Types:
    """Of literals and computed values; elements are left to the data."""
    both = (left or frozenset()) | (right or frozenset())
    if not left or not right or not both <= {INTEGER, DECIMAL, STRING}:
        return None
    if len(both) == 1 and operator != "/":
        return both
    return frozenset((DECIMAL,)) if STRING not in both else None


def signed(operator: str, operand: Code) -> Code:
    """`+operand`, `-operand`."""
    change, get = negated if operator == "-" else positive, operand.value
    if operand.constant and (fixed := known(operand)):
        return always(collection(change(fixed[0])), operand.types)

    def sign(this: Node, scope: Scope) -> Value:
        value = get(this, scope)
        return None if value is None else change(value)

    return computed(sign, operand.types)


def indexed(inner: Code, position: Code) -> Code:
    """`source[index]`."""
    evaluate, at = inner.evaluate, position.value

    def item(this: Node, scope: Scope) -> list[Node]:
        number = at(this, scope)
        if number is None:
            return NOTHING
        if type(number) is not int:
            raise Invalid("FHIRPath: an index needs one integer.")
        return NOTHING if number < 0 else evaluate(this, scope)[number : number + 1]

    return items(item, inner.types)
