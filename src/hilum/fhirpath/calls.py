"""Calls of functions as code. https://hl7.org/fhirpath/N1/#functions"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hilum.fhirpath.code import Code, Types, computed, condition, items, known
from hilum.fhirpath.function import Argument, Function
from hilum.fhirpath.nodes import Node, Scope
from hilum.fhirpath.types import INTEGER


def called(name: str, function: Function, inner: Code, arguments: list[Code], types: Types) -> Code:
    """A call of a function of which the arguments are values."""
    if name in _SHORT and not arguments:
        return _SHORT[name](inner)
    if function.valued is not None:
        return _valued(function, inner, arguments, types)
    plain, evaluate = function.plain, inner.evaluate
    assert plain is not None
    given = tuple(one.evaluate for one in arguments)

    def call(this: Node, scope: Scope) -> list[Node]:
        # Arguments are evaluated where the call stands, not on the collection that it is called on.
        found = evaluate(this, scope)
        return plain(found, scope, tuple(one(this, scope) for one in given))

    return items(call, types)


def _valued(function: Function, inner: Code, arguments: list[Code], types: Types) -> Code:
    valued, get = function.valued, inner.value
    assert valued is not None
    given = tuple(one.value for one in arguments)
    fixed = [value for one in arguments for value in known(one) or ()]
    if len(fixed) == len(arguments):
        return computed(lambda this, scope: valued(scope.work, get(this, scope), fixed), types)
    return computed(
        lambda this, scope: valued(scope.work, get(this, scope), [one(this, scope) for one in given]), types
    )


def _exists(inner: Code) -> Code:
    return condition(inner.exists)


def _empty(inner: Code) -> Code:
    exists = inner.exists
    return condition(lambda this, scope: not exists(this, scope))


def _not(inner: Code) -> Code:
    test = inner.test

    def opposite(this: Node, scope: Scope) -> bool | None:
        found = test(this, scope)
        return None if found is None else not found

    return condition(opposite)


def _has_value(inner: Code) -> Code:
    evaluate = inner.evaluate

    def has(this: Node, scope: Scope) -> bool:
        found = evaluate(this, scope)
        return len(found) == 1 and found[0].value is not None and type(found[0].value) not in (dict, list)

    if inner.scalar is None:
        return condition(has)
    key = inner.scalar[0]

    def has_scalar(this: Node, scope: Scope) -> bool:
        around = this.value
        return around.get(key) is not None if type(around) is dict else has(this, scope)

    return condition(has_scalar)


def _count(inner: Code) -> Code:
    evaluate = inner.evaluate
    return computed(lambda this, scope: len(evaluate(this, scope)), frozenset((INTEGER,)))


_SHORT: Final[dict[str, Callable[[Code], Code]]] = {
    "empty": _empty,
    "not": _not,
    "hasValue": _has_value,
    "count": _count,
}


def scoped(name: str, function: Function, inner: Code, arguments: tuple[Argument, ...], types: Types) -> Code:
    """A call of a function that evaluates its arguments itself."""
    evaluate = inner.evaluate
    if function.tested is not None:
        tested = function.tested
        if name == "exists" and not arguments:
            return _exists(inner)
        return condition(lambda this, scope: tested(evaluate(this, scope), scope, arguments))
    body = function.scoped
    assert body is not None
    if name == "trace":
        return inner
    return items(lambda this, scope: body(evaluate(this, scope), scope, arguments, this), types)
