"""Functions on collections: existence, filtering, subsets, combining, navigation, aggregates.

https://hl7.org/fhirpath/N1/#existence
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cmp_to_key
from typing import Final

from hilum.fhirpath.comparison import Distinct, Members, distinct, order
from hilum.fhirpath.function import Argument, Function, asked, checked, of_items
from hilum.fhirpath.nodes import NOBODY, NOTHING, Node, Scope, boolean, children, truth
from hilum.fhirpath.types import BOOLEAN, INTEGER, TYPE_INFO, ancestors
from hilum.fhirpath.values import Value, single, system
from hilum.problems import Invalid


def _each(nodes: list[Node], scope: Scope, argument: Argument) -> Iterator[Node]:
    """The items one after another, as `$index` counts them; what `argument` costs is counted before."""
    scope.work.spend(len(nodes) * argument.weight)
    before, defined = scope.index, scope.defined
    try:
        for i, node in enumerate(nodes):
            scope.index = i
            yield node
            scope.defined = defined
    finally:
        scope.index, scope.defined = before, defined


def _where(nodes: list[Node], scope: Scope, arguments: tuple[Argument, ...], this: Node) -> list[Node]:
    if not nodes:
        return NOTHING
    test = arguments[0].test
    return [node for node in _each(nodes, scope, arguments[0]) if test(node, scope) is True]


def _exists(nodes: list[Node], scope: Scope, arguments: tuple[Argument, ...]) -> bool:
    return bool(nodes) and (not arguments or _some(nodes, scope, arguments[0], True))


def _all(nodes: list[Node], scope: Scope, arguments: tuple[Argument, ...]) -> bool:
    return not nodes or not _some(nodes, scope, arguments[0], False)


def _some(nodes: list[Node], scope: Scope, argument: Argument, wanted: bool) -> bool:
    """Whether one of the items meets the criterion, or one does not."""
    scope.work.spend(len(nodes) * argument.weight)
    before, defined = scope.index, scope.defined
    test = argument.test
    found = False
    for i, node in enumerate(nodes):
        scope.index = i
        found = (test(node, scope) is True) is wanted
        scope.defined = defined
        if found:
            break
    scope.index = before
    return found


def _select(nodes: list[Node], scope: Scope, arguments: tuple[Argument, ...], this: Node) -> list[Node]:
    evaluate = arguments[0].evaluate
    found: list[Node] = []
    for node in _each(nodes, scope, arguments[0]):
        some = evaluate(node, scope)
        scope.work.spend(len(some))
        found += some
    return found


def _repeat(nodes: list[Node], scope: Scope, arguments: tuple[Argument, ...], this: Node) -> list[Node]:
    known = Distinct(scope.work)
    waiting = nodes
    while waiting:
        waiting = known.add(_select(waiting, scope, arguments, this))
    return known.items


def _repeat_all(nodes: list[Node], scope: Scope, arguments: tuple[Argument, ...], this: Node) -> list[Node]:
    found: list[Node] = []
    waiting = nodes
    while waiting:
        waiting = _select(waiting, scope, arguments, this)
        found += waiting
    return found


def _aggregate(nodes: list[Node], scope: Scope, arguments: tuple[Argument, ...], this: Node) -> list[Node]:
    before = scope.total
    total = arguments[1].evaluate(this, scope) if len(arguments) > 1 else NOTHING
    try:
        for node in _each(nodes, scope, arguments[0]):
            scope.total = total
            total = arguments[0].evaluate(node, scope)
            scope.work.spend(len(total))
    finally:
        scope.total = before
    return total


def _iif(nodes: list[Node], scope: Scope, arguments: tuple[Argument, ...], this: Node) -> list[Node]:
    if len(nodes) > 1:
        raise Invalid("FHIRPath: iif() was called on several items; use select(iif(…)).")
    this = nodes[0] if nodes else NOBODY
    found = arguments[0].evaluate(this, scope)
    if found and type(found[0].value) is not bool:
        raise Invalid("FHIRPath: the criterion of iif() must be a boolean.")
    if truth(found):
        return arguments[1].evaluate(this, scope)
    return arguments[2].evaluate(this, scope) if len(arguments) > 2 else NOTHING


def _coalesce(nodes: list[Node], scope: Scope, arguments: tuple[Argument, ...], this: Node) -> list[Node]:
    if len(nodes) > 1:
        raise Invalid("FHIRPath: coalesce() was called on several items; use select(coalesce(…)).")
    this = nodes[0] if nodes else NOBODY
    for argument in arguments:
        if found := argument.evaluate(this, scope):
            return found
    return NOTHING


def _sort(nodes: list[Node], scope: Scope, arguments: tuple[Argument, ...], this: Node) -> list[Node]:
    """By the keys. What has no key comes first, but last where a key says `desc`: it is the least of all."""
    keys: list[tuple[Value, ...]] = [(system(node),) for node in nodes]
    ways: tuple[str, ...] = ("",)
    if arguments:
        ways = tuple(one.order for one in arguments)
        keys = [
            tuple(single(one.evaluate(node, scope), "a key of sort()") for one in arguments)
            for node in _each(nodes, scope, arguments[0])
        ]

    def compare(i: int, j: int) -> int:
        scope.work.spend(1)
        for a, b, way in zip(keys[i], keys[j], ways, strict=True):
            if a is None or b is None:
                found = (a is not None) - (b is not None)
                found = -found if way == "desc" else found
            else:
                found = order(a, b) or 0
                found = -found if way else found
            if found:
                return found
        return 0

    scope.work.spend(len(nodes))
    return [nodes[i] for i in sorted(range(len(nodes)), key=cmp_to_key(compare))]


def _number(name: str, part: Callable[[list[Node], int], list[Node]]) -> Function:
    def plain(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
        number = single(given[0], f"{name}()")
        if number is None:
            raise Invalid(f"FHIRPath: {name}() needs a number.")
        return part(nodes, max(checked(number, "integer", name), 0))

    return Function((1, 1), plain=plain)


def _single(nodes: list[Node]) -> list[Node]:
    if len(nodes) > 1:
        raise Invalid("FHIRPath: single() found several items.")
    return nodes


def _booleans(name: str, wanted: bool, some: bool) -> Function:
    """allTrue, anyTrue, allFalse, anyFalse."""

    def test(nodes: list[Node], scope: Scope) -> bool:
        if any(type(node.value) is not bool for node in nodes):
            raise Invalid(f"FHIRPath: {name}() takes booleans.")
        return (any if some else all)(node.value is wanted for node in nodes)

    return asked(test)


def _within(inner: list[Node], outer: list[Node], scope: Scope) -> bool:
    if not inner:
        return True
    members = Members(outer, scope.work)
    scope.work.spend(len(inner))
    return all(members.has(system(node)) for node in inner)


def _intersect(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    if not nodes or not given[0]:
        return NOTHING
    members = Members(given[0], scope.work)
    some = nodes if len(nodes) == 1 else distinct(nodes, scope.work)
    return [node for node in some if members.has(system(node))]


def _exclude(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    if not nodes or not given[0]:
        return nodes
    members = Members(given[0], scope.work)
    scope.work.spend(len(nodes))
    return [node for node in nodes if not members.has(system(node))]


def _combine(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    scope.work.spend(len(nodes) + len(given[0]))
    return nodes + given[0]


def _children(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    found: list[Node] = []
    for node in nodes:
        some = children(node)
        scope.work.spend(1 + len(some))
        found += some
    return found


def _descendants(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    found: list[Node] = []
    waiting = _children(nodes, scope, ())
    waiting.reverse()
    while waiting:
        node = waiting.pop()
        found.append(node)
        some = children(node)
        scope.work.spend(1 + len(some))
        some.reverse()
        waiting += some
    return found


def _type(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    scope.work.spend(len(nodes))
    return [Node(_info(node), TYPE_INFO) for node in nodes]


def _info(node: Node) -> dict[str, str]:
    space, _, name = node.type.name.rpartition(".")
    if space == "System":
        return {"namespace": "System", "name": name, "baseType": "System.Any"}
    if node.type.path:
        return {"namespace": "FHIR", "name": "BackboneElement", "baseType": "FHIR.Element"}
    above = sorted(ancestors(name) - {name}, key=lambda one: len(ancestors(one)))
    return {"namespace": "FHIR", "name": name, "baseType": f"FHIR.{above[-1]}" if above else "System.Any"}


def _not(nodes: list[Node], scope: Scope) -> bool | None:
    value = truth(nodes)
    return None if value is None else not value


def _trace(nodes: list[Node], scope: Scope, arguments: tuple[Argument, ...], this: Node) -> list[Node]:
    """Nothing is logged: what an expression selects is about patients."""
    return nodes


ITEMS: Final[dict[str, Function]] = {
    "where": Function((1, 1), scoped=_where),
    "select": Function((1, 1), "argument", scoped=_select),
    "exists": Function((0, 1), BOOLEAN, tested=_exists),
    "all": Function((1, 1), BOOLEAN, tested=_all),
    "repeat": Function((1, 1), None, scoped=_repeat),
    "repeatAll": Function((1, 1), None, scoped=_repeat_all),
    "aggregate": Function((1, 2), None, scoped=_aggregate),
    "iif": Function((2, 3), None, scoped=_iif),
    "coalesce": Function((1, 100), None, scoped=_coalesce),
    "sort": Function((0, 100), scoped=_sort),
    "trace": Function((1, 2), scoped=_trace),
    "empty": asked(lambda nodes, scope: not nodes),
    "not": asked(_not),
    "count": Function(result=INTEGER, plain=lambda nodes, scope, given: [Node(len(nodes), INTEGER)]),
    "first": of_items(lambda nodes: nodes[:1]),
    "last": of_items(lambda nodes: nodes[-1:]),
    "tail": of_items(lambda nodes: nodes[1:]),
    "single": of_items(_single),
    "skip": _number("skip", lambda nodes, number: nodes[number:]),
    "take": _number("take", lambda nodes, number: nodes[:number]),
    "distinct": Function(plain=lambda nodes, scope, given: distinct(nodes, scope.work)),
    "isDistinct": asked(lambda nodes, scope: len(distinct(nodes, scope.work)) == len(nodes)),
    "allTrue": _booleans("allTrue", True, some=False),
    "anyTrue": _booleans("anyTrue", True, some=True),
    "allFalse": _booleans("allFalse", False, some=False),
    "anyFalse": _booleans("anyFalse", False, some=True),
    "subsetOf": Function((1, 1), BOOLEAN, plain=lambda nodes, scope, given: boolean(_within(nodes, given[0], scope))),
    "supersetOf": Function((1, 1), BOOLEAN, plain=lambda nodes, scope, given: boolean(_within(given[0], nodes, scope))),
    "intersect": Function((1, 1), plain=_intersect),
    "exclude": Function((1, 1), plain=_exclude),
    "union": Function(
        (1, 1), None, plain=lambda nodes, scope, given: distinct(_combine(nodes, scope, given), scope.work)
    ),
    "combine": Function((1, 2), None, plain=_combine),
    "children": Function(result=None, plain=_children),
    "descendants": Function(result=None, plain=_descendants),
    "type": Function(result=TYPE_INFO, plain=_type),
}
