"""What an evaluation carries: typed nodes with their place in the resource, and how two of them compare.

https://hl7.org/fhirpath/N1/#equality
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from hilum.fhirpath.types import BOOLEAN, Type, is_abstract, properties
from hilum.fhirpath.work import Work
from hilum.problems import Invalid


class Node(NamedTuple):
    """One item of a collection.

    `value`: the JSON value, None for a primitive that has only extensions. `location`: property names and array
    positions from the root; None for what was computed. `extra`: the `_name` sibling of a primitive, if any.
    """

    value: Any
    type: Type
    location: tuple[str | int, ...] | None = None
    extra: dict[str, Any] | None = None


class Scope(NamedTuple):
    """`%resource`, what the evaluation may still do, and `$index`."""

    root: Node
    work: Work
    position: int = 0


Evaluate = Callable[[list[Node], Scope], list[Node]]
"""The focus (`$this`) and the scope to a collection."""

TRUE = [Node(True, BOOLEAN)]
FALSE = [Node(False, BOOLEAN)]
NOTHING: list[Node] = []


def step(node: Node, name: str) -> list[Node]:
    """The children of a node under an element name; choices under the bare name (`value`, not `valueQuantity`)."""
    found: list[Node] = []
    holder = node.value if type(node.value) is dict else node.extra
    if holder is None:
        return found
    place = node.location
    for key, many, child, _ in properties(node.type).get(name, ()):
        value, extra = holder.get(key), holder.get("_" + key)
        if value is None and extra is None:
            continue
        at = None if place is None else (*place, key)
        if not many:
            found.append(_node(value, child, at, extra))
            continue
        if type(value or []) is not list or type(extra or []) is not list:
            raise Invalid(f"FHIRPath: {node.type}.{name} must be an array.")
        for i in range(max(len(value or ()), len(extra or ()))):
            one = value[i] if value and i < len(value) else None
            more = extra[i] if extra and i < len(extra) else None
            if one is not None or more is not None:
                found.append(_node(one, child, None if at is None else (*at, i), more))
    return found


def _node(value: Any, type: Type, at: tuple[str | int, ...] | None, extra: dict[str, Any] | None) -> Node:
    if is_abstract(type) and value is not None:
        type = Type(value["resourceType"])
    return Node(value, type, at, extra)


def truth(nodes: list[Node]) -> bool | None:
    """A collection as a condition: a boolean, None when empty; any other single item counts as true.

    Raises Invalid for several items. https://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
    """
    if not nodes:
        return None
    if len(nodes) > 1:
        raise Invalid("FHIRPath: a condition gave several items; it must give one boolean.")
    value = nodes[0].value
    return value if type(value) is bool else True


def boolean(value: bool | None) -> list[Node]:
    """A condition as a collection."""
    return NOTHING if value is None else TRUE if value else FALSE


def equal(left: list[Node], right: list[Node], work: Work) -> bool | None:
    """The `=` operator; None when either side is empty."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    for a, b in zip(left, right, strict=True):
        work.look_at(a.value)
        if not same(a.value, b.value):
            return False
    return True


def same(a: Any, b: Any) -> bool:
    """Equality of two JSON values: numbers by value, booleans never equal to numbers, objects by their members."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | Decimal) and isinstance(b, int | Decimal):
        return a == b
    if type(a) is not type(b):
        return False
    if type(a) is dict:
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if type(a) is list:
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)
