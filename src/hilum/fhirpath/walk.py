"""One step of a path, `source.name`, as code: through JSON objects, as short as the static types allow."""

from __future__ import annotations

from typing import Any

from hilum.fhirpath.code import Code, Exists, Types, items
from hilum.fhirpath.nodes import NOTHING, Evaluate, Node, Scope, Way, holder, into, step, ways
from hilum.fhirpath.types import is_abstract, is_primitive
from hilum.fhirpath.values import made, reader, system

_FREE = 4
"""Children that a step finds without counting them: its own cost has been."""


def member(inner: Code, name: str, found: Types, *, from_this: bool) -> Code:
    """The elements `name` of what `inner` gives; `from_this`: that is `$this`. `found`: their types."""
    types = inner.types
    if not types or any(map(is_abstract, types)) or len(types) > 1:
        return items(_dynamic(inner, name), found)
    known = ways(next(iter(types)), name)
    there = _there(known)
    if not from_this:
        return items(_below(inner, known), found, _some_below(inner, there))
    read = items(_child(known), found, there)
    if len(known) == 1 and not known[0].many and is_primitive(known[0].type):
        return _scalar(read, known[0])
    return read


def values(inner: Code) -> Code:
    """`value` of primitives: the System values that they hold. https://hl7.org/fhir/R4/fhirpath.html#types"""
    evaluate = inner.evaluate

    def held(this: Node, scope: Scope) -> list[Node]:
        some = (node for node in evaluate(this, scope) if type(node.value) not in (dict, list, type(None)))
        return [made(system(node)) for node in some]

    return items(held, None)


def _dynamic(inner: Code, name: str) -> Evaluate:
    """Where only the data can tell of which types the items are."""
    evaluate = inner.evaluate

    def children(this: Node, scope: Scope) -> list[Node]:
        found: list[Node] = []
        for node in evaluate(this, scope):
            some = step(node, name)
            scope.work.spend(1 + len(some))
            found += some
        return found

    return children


def _child(known: tuple[Way, ...]) -> Evaluate:
    def children(this: Node, scope: Scope) -> list[Node]:
        around = holder(this)
        if around is None:
            return NOTHING
        found: list[Node] = []
        into(found, around, this.location, known)
        if len(found) > _FREE:
            scope.work.spend(len(found))
        return found

    return children


def _below(inner: Code, known: tuple[Way, ...]) -> Evaluate:
    evaluate = inner.evaluate

    def children(this: Node, scope: Scope) -> list[Node]:
        found: list[Node] = []
        some = evaluate(this, scope)
        for node in some:
            around = holder(node)
            if around is not None:
                into(found, around, node.location, known)
        count = len(found) + len(some)
        if count > _FREE:
            scope.work.spend(count)
        return found

    return children


def _there(known: tuple[Way, ...]) -> Exists:
    """Whether `$this` has such a child, without making it."""
    keys = frozenset(key for way in known for key in ((way.key, way.shadow) if is_primitive(way.type) else (way.key,)))
    children = _child(known)
    single = known[0].key if len(keys) == 1 else None

    def there(this: Node, scope: Scope) -> bool:
        around = this.value
        if type(around) is not dict:
            return bool(children(this, scope))
        if single is not None:
            return _is_some(around.get(single))
        if keys.isdisjoint(around):
            return False
        return any(key in around and _is_some(around[key]) for key in keys)

    return there


def _is_some(value: Any) -> bool:
    if type(value) is list:
        return any(one is not None for one in value)
    return value is not None


def _some_below(inner: Code, there: Exists) -> Exists:
    evaluate = inner.evaluate

    def some(this: Node, scope: Scope) -> bool:
        found = evaluate(this, scope)
        if len(found) > _FREE:
            scope.work.spend(len(found))
        return any(there(node, scope) for node in found)

    return some


def _scalar(read: Code, way: Way) -> Code:
    """A primitive that does not repeat: its value without a node."""
    key, shadow, _, type_, _ = way
    read_as = reader(type_)
    evaluate = read.evaluate

    def value(this: Node, scope: Scope) -> Any:
        around = this.value
        if type(around) is not dict:
            found = evaluate(this, scope)
            return system(found[0]) if found else None
        raw = around.get(key)
        return raw if raw is None or read_as is None else read_as(raw)

    def test(this: Node, scope: Scope) -> bool | None:
        found = evaluate(this, scope)
        if not found:
            return None
        raw = found[0].value
        return raw if type(raw) is bool else True

    return Code(evaluate, read.types, test, read.exists, value, True, None, (key, shadow))
