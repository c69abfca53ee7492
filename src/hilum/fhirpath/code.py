"""What an expression is compiled to: closures, of which each asks no more than somebody wants to know.

A condition needs no collection, `empty()` no items, and a comparison of two values no nodes: invariants run on every
write, thousands for a large resource.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hilum.fhirpath.nodes import NOTHING, Evaluate, Node, Scope, Truth, boolean, truth
from hilum.fhirpath.types import BOOLEAN, Type
from hilum.fhirpath.values import Value, collection, single, system
from hilum.problems import Invalid

Types = frozenset[Type] | None
"""What an expression can yield; None when only the data can tell."""
Exists = Callable[[Node, Scope], bool]
Get = Callable[[Node, Scope], Value]


@dataclass(frozen=True, slots=True)
class Code:
    """`evaluate`: the whole collection. `test`: it as a condition. `exists`: whether it has items. `value`: its one
    System value, None for none; raises Invalid for several.

    `lone`: it never has several items, which makes `value` all there is to know. `constant`: what it always is.
    `scalar`: the property of `$this` that it reads, and the one with its extensions.
    """

    evaluate: Evaluate
    types: Types
    test: Truth
    exists: Exists
    value: Get
    lone: bool = False
    constant: list[Node] | None = None
    scalar: tuple[str, str] | None = None


def items(evaluate: Evaluate, types: Types, exists: Exists | None = None) -> Code:
    """Code of which the collection is known."""
    return Code(
        evaluate,
        types,
        lambda this, scope: truth(evaluate(this, scope)),
        exists or (lambda this, scope: bool(evaluate(this, scope))),
        lambda this, scope: _one(evaluate(this, scope)),
    )


def _one(found: list[Node]) -> Value:
    if len(found) > 1:
        raise Invalid("FHIRPath: several items were found where an operator or function takes one.")
    return system(found[0]) if found else None


def always(found: list[Node], types: Types) -> Code:
    """Code that gives the same every time."""
    made = items(lambda this, scope: found, types, lambda this, scope: bool(found))
    if len(found) > 1:
        return replace(made, constant=found)
    one, whether = single(found, "a literal"), truth(found)
    return replace(made, test=lambda this, scope: whether, value=lambda this, scope: one, lone=True, constant=found)


def known(code: Code) -> list[Value] | None:
    """The one value of code that gives the same every time, in a list; None where only an evaluation tells."""
    return None if code.constant is None or not code.lone else [single(code.constant, "a literal")]


def condition(test: Truth) -> Code:
    """Code of which the truth is known."""
    return Code(
        lambda this, scope: boolean(test(this, scope)),
        frozenset((BOOLEAN,)),
        test,
        lambda this, scope: test(this, scope) is not None,
        test,
        lone=True,
    )


def computed(value: Get, types: Types) -> Code:
    """Code of which the one value is known."""
    if types == frozenset((BOOLEAN,)):
        return condition(value)

    def test(this: Node, scope: Scope) -> bool | None:
        found = value(this, scope)
        return None if found is None else found if type(found) is bool else True

    return Code(
        lambda this, scope: collection(value(this, scope)),
        types,
        test,
        lambda this, scope: value(this, scope) is not None,
        value,
        lone=True,
    )


NEVER = always(NOTHING, frozenset())
