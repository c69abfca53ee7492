"""The FHIRPath functions that hilum has, as a table. https://hl7.org/fhirpath/N1/#functions

A function that is not in the table is refused when the expression is compiled. Each is given the collection that it
is called on and its arguments as closures. `extension` and `resolve` are FHIR's: https://hl7.org/fhir/R4/fhirpath.html#functions
(`hasExtension` stands in one search parameter of R4, QuestionnaireResponse-item-subject, and is defined nowhere.)
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from hilum.fhir.json import Number
from hilum.fhirpath.nodes import NOTHING, Evaluate, Node, Scope, boolean, same, step, truth
from hilum.fhirpath.types import BOOLEAN, INTEGER, STRING, Type
from hilum.fhirpath.work import Work
from hilum.problems import Invalid

Body = Callable[[list[Node], Scope, tuple[Evaluate, ...]], list[Node]]


class Function(NamedTuple):
    """`arity`: fewest and most arguments. `result`: a type, "input" (same items) or "argument" (items of the first).

    `per_item`: the body evaluates the arguments itself, once per item; otherwise they are constant by then.
    """

    body: Body
    arity: tuple[int, int] = (0, 0)
    result: Type | str = "input"
    per_item: bool = False


def _keep(nodes: list[Node], scope: Scope, criteria: Evaluate) -> list[Node]:
    scope.work.spend(len(nodes))
    return [node for i, node in enumerate(nodes) if truth(criteria([node], scope._replace(position=i))) is True]


def _where(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
    return _keep(nodes, scope, arguments[0])


def _select(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
    scope.work.spend(len(nodes))
    return [found for i, node in enumerate(nodes) for found in arguments[0]([node], scope._replace(position=i))]


def _exists(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
    return boolean(bool(_keep(nodes, scope, arguments[0]) if arguments else nodes))


def _all(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
    return boolean(len(_keep(nodes, scope, arguments[0])) == len(nodes))


def _not(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
    value = truth(nodes)
    return boolean(None if value is None else not value)


def _single(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
    if len(nodes) > 1:
        raise Invalid("FHIRPath: single() found several items.")
    return nodes


def _distinct(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
    return distinct(nodes, scope.work)


def distinct(nodes: list[Node], work: Work) -> list[Node]:
    """Without doubles, the first of each kept: primitives by a set, objects by comparing each with each."""
    found: list[Node] = []
    primitives: set[tuple[str, Any]] = set()
    objects: list[Any] = []
    for node in nodes:
        value = node.value
        kind = _KINDS.get(type(value))
        work.spend(1)
        if kind is not None:
            known = (kind, value) in primitives
            primitives.add((kind, value))
        else:
            known = _among(value, objects, work)
            objects.append(value)
        if not known:
            found.append(node)
    return found


def _among(value: Any, others: list[Any], work: Work) -> bool:
    for other in others:
        work.look_at(value)
        if same(value, other):
            return True
    return False


_KINDS: dict[type, str] = {
    str: "text",
    bool: "boolean",
    int: "number",
    Decimal: "number",
    Number: "number",
    type(None): "nothing",
}
"""Which primitives can be equal: numbers by value, a boolean never to a number."""


def _extension(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
    url = text(arguments[0](nodes, scope), "extension(url)", scope.work)
    scope.work.spend(len(nodes))
    return [found for node in nodes for found in step(node, "extension") if found.value.get("url") == url]


def _has_extension(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
    return boolean(bool(_extension(nodes, scope, arguments)))


def text(nodes: list[Node], where: str, work: Work) -> str | None:
    """The one string of a collection, None when it is empty. Raises Invalid for anything else."""
    if not nodes:
        return None
    if len(nodes) > 1 or type(nodes[0].value) is not str:
        raise Invalid(f"FHIRPath: {where} needs one string.")
    work.look_at(nodes[0].value)
    return nodes[0].value


def integer(nodes: list[Node], where: str) -> int | None:
    """The one integer of a collection, None when it is empty. Raises Invalid for anything else."""
    if not nodes:
        return None
    if len(nodes) > 1 or type(nodes[0].value) is not int:
        raise Invalid(f"FHIRPath: {where} needs one integer.")
    return nodes[0].value


def _of_strings(name: str, test: Callable[[str, str], bool]) -> Function:
    def body(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
        value = text(nodes, f"{name}()", scope.work)
        argument = text(arguments[0](nodes, scope), f"{name}()", scope.work)
        return NOTHING if value is None or argument is None else boolean(test(value, argument))

    return Function(body, (1, 1), BOOLEAN)


def _slice(name: str, part: Callable[[list[Node], int], list[Node]]) -> Function:
    def body(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
        number = integer(arguments[0](nodes, scope), f"{name}()")
        if number is None:
            raise Invalid(f"FHIRPath: {name}() needs a number.")
        return part(nodes, max(number, 0))

    return Function(body, (1, 1))


def _length(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
    value = text(nodes, "length()", scope.work)
    return NOTHING if value is None else [Node(len(value), INTEGER)]


def _case(change: Callable[[str], str], name: str) -> Function:
    def body(nodes: list[Node], scope: Scope, arguments: tuple[Evaluate, ...]) -> list[Node]:
        value = text(nodes, f"{name}()", scope.work)
        return NOTHING if value is None else [Node(change(value), STRING)]

    return Function(body, result=STRING)


FUNCTIONS: dict[str, Function] = {
    "where": Function(_where, (1, 1), per_item=True),
    "select": Function(_select, (1, 1), "argument", per_item=True),
    "exists": Function(_exists, (0, 1), BOOLEAN, per_item=True),
    "all": Function(_all, (1, 1), BOOLEAN, per_item=True),
    "empty": Function(lambda nodes, scope, arguments: boolean(not nodes), result=BOOLEAN),
    "not": Function(_not, result=BOOLEAN),
    "count": Function(lambda nodes, scope, arguments: [Node(len(nodes), INTEGER)], result=INTEGER),
    "first": Function(lambda nodes, scope, arguments: nodes[:1]),
    "last": Function(lambda nodes, scope, arguments: nodes[-1:]),
    "tail": Function(lambda nodes, scope, arguments: nodes[1:]),
    "skip": _slice("skip", lambda nodes, number: nodes[number:]),
    "take": _slice("take", lambda nodes, number: nodes[:number]),
    "single": Function(_single),
    "distinct": Function(_distinct),
    "hasValue": Function(
        lambda nodes, scope, arguments: boolean(len(nodes) == 1 and nodes[0].value is not None), result=BOOLEAN
    ),
    "extension": Function(_extension, (1, 1), Type("Extension")),
    "hasExtension": Function(_has_extension, (1, 1), BOOLEAN),
    "startsWith": _of_strings("startsWith", str.startswith),
    "endsWith": _of_strings("endsWith", str.endswith),
    "contains": _of_strings("contains", lambda value, part: part in value),
    "lower": _case(str.lower, "lower"),
    "upper": _case(str.upper, "upper"),
    "length": Function(_length, result=INTEGER),
}
