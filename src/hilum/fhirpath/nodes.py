"""What an evaluation carries: typed nodes with their place in the resource, and what is known around them.

https://hl7.org/fhirpath/N1/#navigation-model
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NamedTuple

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhirpath.quantities import Quantity
from hilum.fhirpath.surroundings import ALONE, Surroundings
from hilum.fhirpath.types import BOOLEAN, Type, is_abstract, properties
from hilum.fhirpath.work import Work
from hilum.problems import Invalid


class Node(NamedTuple):
    """One item of a collection.

    `value`: the JSON value, None for a primitive that has only extensions. `location`: property names and array
    positions from the root; None for what was computed. `extra`: the `_name` sibling of a primitive, if any.

    Within an evaluation a location is a chain, (the location above, property, position or None), which costs one tuple
    a step; `flat` makes what leaves an evaluation.
    """

    value: Any
    type: Type
    location: tuple[Any, ...] | None = None
    extra: dict[str, Any] | None = None


def flat(node: Node) -> Node:
    """The node as it leaves an evaluation."""
    chain = node.location
    found: list[str | int] = []
    while chain:
        above, key, position = chain
        if position is not None:
            found.append(position)
        found.append(key)
        chain = above
    return node._replace(location=tuple(reversed(found))) if found else node


class Scope:
    """What an expression may refer to besides `$this`, and what it may still do.

    `index` and `total` are those of the innermost iteration; `defined` what `defineVariable()` defined.
    """

    __slots__ = ("around", "context", "defined", "index", "resource", "root", "total", "work")

    def __init__(self, context: Node, resource: Node, root: Node, work: Work, around: Surroundings = ALONE) -> None:
        self.context = context
        self.resource = resource
        self.root = root
        self.work = work
        self.around = around
        self.index = 0
        self.total: list[Node] = NOTHING
        self.defined: Mapping[str, list[Node]] = {}


Evaluate = Callable[[Node, Scope], list[Node]]
"""`$this` and the scope to a collection, which nobody changes."""
Truth = Callable[[Node, Scope], bool | None]
"""The same to a condition; None for empty."""

TRUE: Final = [Node(True, BOOLEAN)]
FALSE: Final = [Node(False, BOOLEAN)]
NOTHING: Final[list[Node]] = []
NOBODY: Final = Node(None, Type("System.Nothing"))
"""`$this` where there is none: `{}.iif($this.exists(), 1, 2)`."""


class Way(NamedTuple):
    """A JSON property that an element name means. `shadow`: the property with its id and extensions."""

    key: str
    shadow: str
    many: bool
    type: Type
    abstract: bool


@lru_cache(maxsize=16384)
def ways(type: Type, name: str) -> tuple[Way, ...]:
    """The properties that the element `name` can be under a value of this type."""
    found = () if type == NOBODY.type else properties(type).get(name, ())
    return tuple(Way(p.key, f"_{p.key}", p.many, p.type, is_abstract(p.type)) for p in found)


def holder(node: Node) -> dict[str, Any] | None:
    """The JSON object in which the children of a node stand; None when there can't be any."""
    value = node.value
    if type(value) is dict:
        return value
    if type(value) is Quantity:
        return {"value": value.value, "unit": value.unit}
    extra = node.extra
    return extra if type(extra) is dict else None


def step(node: Node, name: str) -> list[Node]:
    """The children of a node under an element name; choices under the bare name (`value`, not `valueQuantity`)."""
    found: list[Node] = []
    around = holder(node)
    if around is not None:
        into(found, around, node.location, ways(node.type, name))
    return found


_new = tuple.__new__


def into(found: list[Node], around: dict[str, Any], place: tuple[Any, ...] | None, some: tuple[Way, ...]) -> None:
    """Append what stands there under some properties of an object."""
    for key, shadow, many, type_, abstract in some:
        value = around.get(key)
        extra = around.get(shadow)
        if value is None and extra is None:
            continue
        if not many:
            if abstract:
                found.append(node_of(value, type_, None if place is None else (place, key, None), extra))
            else:
                found.append(_new(Node, (value, type_, None if place is None else (place, key, None), extra)))
        elif extra is None and type(value) is list:
            for i, one in enumerate(value):
                if one is not None:
                    at = None if place is None else (place, key, i)
                    found.append(node_of(one, type_, at, None) if abstract else _new(Node, (one, type_, at, None)))
        else:
            _aligned(found, value, extra, place, key, type_)


def _aligned(found: list[Node], value: Any, extra: Any, place: tuple[Any, ...] | None, key: str, type_: Type) -> None:
    """The items of an array of which some have extensions, which stand in an array beside it."""
    values, extras = value or [], extra or []
    if type(values) is not list or type(extras) is not list:
        raise Invalid(f"FHIRPath: {key} must be an array.")
    for i in range(max(len(values), len(extras))):
        one = values[i] if i < len(values) else None
        more = extras[i] if i < len(extras) else None
        if one is not None or more is not None:
            found.append(node_of(one, type_, None if place is None else (place, key, i), more))


def node_of(value: Any, type_: Type, place: tuple[Any, ...] | None = None, extra: Any = None) -> Node:
    """A node; what is nested as any resource is of the type that it says."""
    if is_abstract(type_) and type(value) is dict:
        type_ = resource_type(value, type_)
    return Node(value, type_, place, extra)


_RESOURCES: Final = {name: Type(name) for name in TYPE_NUMBER}
_RESOURCE: Final = Type("Resource")


def resource_type(body: dict[str, Any], otherwise: Type = _RESOURCE) -> Type:
    """The type that a resource says it is, if R4 has one."""
    name = body.get("resourceType")
    return _RESOURCES.get(name, otherwise) if type(name) is str else otherwise


def children(node: Node) -> list[Node]:
    """All child nodes, in the order of the type's elements."""
    found: list[Node] = []
    around = holder(node)
    if around is not None:
        into(found, around, node.location, all_ways(node.type))
    return found


def count_children(node: Node) -> int:
    """How many children there are."""
    around = node.value
    if type(around) is not dict:
        return len(children(node))
    known = _many(node.type)
    count = 0
    for key, value in around.items():
        many = known.get(key)
        if many is None:
            if key[:1] == "_":
                return len(children(node))
        elif many and type(value) is list:
            count += len(value) - value.count(None)
        elif value is not None:
            count += 1
    return count


@lru_cache(maxsize=4096)
def _many(type: Type) -> dict[str, bool]:
    return {way.key: way.many for way in all_ways(type)}


@lru_cache(maxsize=4096)
def all_ways(type: Type) -> tuple[Way, ...]:
    """The properties that may stand under a value of this type."""
    return () if type == NOBODY.type else tuple(way for name in properties(type) for way in ways(type, name))


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
