"""FHIRPath compiled once to closures over plain JSON. https://hl7.org/fhirpath/N1/

What hilum does not have (arithmetic, ordering, dates, quantities, most functions) is refused when an expression is
compiled, never guessed when it runs. `resolve()` is by the text of the reference alone, so it may only stand before
`is`. https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from hilum.fhirpath.functions import FUNCTIONS, distinct, integer
from hilum.fhirpath.nodes import NOTHING, Evaluate, Node, Scope, boolean, equal, step, truth
from hilum.fhirpath.parser import parse
from hilum.fhirpath.references import target_type
from hilum.fhirpath.surroundings import ALONE, Surroundings
from hilum.fhirpath.syntax import (
    Binary,
    Call,
    Constant,
    Empty,
    Expression,
    Indexer,
    Literal,
    Member,
    TypeOperation,
    Variable,
)
from hilum.fhirpath.types import (
    BOOLEAN,
    DECIMAL,
    INTEGER,
    STRING,
    TEMPORAL,
    Type,
    casts_to,
    is_a,
    is_abstract,
    properties,
    resolve_name,
)
from hilum.fhirpath.work import Work
from hilum.problems import Invalid, Malformed


def compile(expression: str, type: str) -> Callable[[dict[str, Any]], list[Any]]:
    """A function from a resource of `type` to the JSON values that the expression selects, in document order.

    Raises Malformed (syntax) or Invalid (an element or function that is not there). The function raises Invalid when
    an expression does not fit the data (several items where one is needed), and Unprocessable when it is too costly.
    """
    find = locate(expression, type)
    return lambda body: [node.value for node in find(body) if node.value is not None]


class Locate(Protocol):
    """From a body to nodes."""

    def __call__(self, body: dict[str, Any], work: Work | None = None) -> list[Node]:
        """`work`: the allowance to draw on, where several evaluations share one."""
        ...


@lru_cache(maxsize=1024)
def locate(expression: str, type: str, path: str = "") -> Locate:
    """As `compile`, but to nodes, with types and places: what FHIRPath Patch needs.

    The body may be of any type, or of the backbone element at `path` in it.
    The function raises Unprocessable (too-costly), too, when it would visit more than `work` allows.
    """
    root = Type(type, path)
    try:
        evaluate = _compile(parse(expression), frozenset((root,))).evaluate
    except RecursionError:
        raise Malformed("FHIRPath: the expression has too many steps.") from None

    def find(body: dict[str, Any], work: Work | None = None) -> list[Node]:
        node = Node(body, root, ())
        return evaluate([node], Scope(node, Work() if work is None else work))

    return find


class Condition(Protocol):
    """From an element to whether it meets a condition, an invariant for one; None when the result is empty."""

    def __call__(
        self,
        value: Any,
        *,
        extra: dict[str, Any] | None = None,
        resource: dict[str, Any],
        root: dict[str, Any] | None = None,
        around: Surroundings = ALONE,
        work: Work | None = None,
    ) -> bool | None:
        """`value`: the JSON of the element, `extra` its `_name` sibling where it is a primitive.

        `resource`: the resource that it stands in (%resource); `root`: the one that contains that (%rootResource).
        Raises Invalid when the expression does not fit the data, and Unprocessable when it is too costly.
        """
        ...


@lru_cache(maxsize=8192)
def condition(expression: str, type: str, path: str = "") -> Condition:
    """A condition on an element of `type`, or on the backbone element at `path` in it.

    Raises Malformed (syntax) and Invalid (an element or function that is not there).
    """
    at = Type(type, path)
    try:
        evaluate = _compile(parse(expression), frozenset((at,))).evaluate
    except RecursionError:
        raise Malformed("FHIRPath: the expression has too many steps.") from None

    def holds(
        value: Any,
        *,
        extra: dict[str, Any] | None = None,
        resource: dict[str, Any],
        root: dict[str, Any] | None = None,
        around: Surroundings = ALONE,
        work: Work | None = None,
    ) -> bool | None:
        node = Node(value, at, None, extra)
        above = Node(resource, Type(resource["resourceType"]))
        return truth(evaluate([node], Scope(above, Work() if work is None else work)))

    return holds


def static_types(expression: str, type: str) -> frozenset[Type] | None:
    """The types that the expression can yield; None when only the data can tell."""
    return _compile(parse(expression), frozenset((Type(type),))).types


class _Compiled(NamedTuple):
    evaluate: Evaluate
    types: frozenset[Type] | None


_Types = frozenset[Type] | None


def _compile(tree: Expression, focus: _Types) -> _Compiled:
    """Each step counts itself and what it gives; steps that visit more than they give count that, too."""
    evaluate, types = _uncounted(tree, focus)

    def counted(nodes: list[Node], scope: Scope) -> list[Node]:
        found = evaluate(nodes, scope)
        scope.work.spend(1 + len(found))
        return found

    return _Compiled(counted, types)


def _uncounted(tree: Expression, focus: _Types) -> _Compiled:
    match tree:
        case Member():
            return _member(tree, focus)
        case Call(name="as" | "is" | "ofType", arguments=(argument,)):
            return _typed(tree.name, tree.source, _type_name(argument), focus)
        case TypeOperation():
            return _typed(tree.operator, tree.operand, tree.type, focus)
        case Call():
            return _call(tree, focus)
        case Indexer():
            return _indexer(tree, focus)
        case Binary():
            return _binary(tree, focus)
        case Literal():
            return _literal(tree)
        case Empty():
            return _Compiled(lambda nodes, scope: NOTHING, frozenset())
        case Variable(name="this"):
            return _Compiled(lambda nodes, scope: nodes, focus)
        case Variable(name="index"):
            return _Compiled(lambda nodes, scope: [Node(scope.position, INTEGER)], frozenset((INTEGER,)))
        case Constant(name="resource" | "rootResource" | "context"):
            return _Compiled(lambda nodes, scope: [scope.root], None)
        case Constant() | Variable():
            raise Invalid(f"FHIRPath: {tree.name} is not supported as a constant or variable.")
        case _:
            raise Invalid(f"FHIRPath: a {tree.__class__.__name__.lower()} is not supported here.")


def _source(tree: Expression | None, focus: _Types) -> _Compiled:
    return _Compiled(lambda nodes, scope: nodes, focus) if tree is None else _compile(tree, focus)


def _member(tree: Member, focus: _Types) -> _Compiled:
    name = tree.name
    if tree.source is None and name[0].isupper() and (wanted := resolve_name(name)):
        types = focus if focus is None else frozenset(t for t in focus if is_a(t, wanted))
        return _Compiled(lambda nodes, scope: [node for node in nodes if is_a(node.type, wanted)], types)
    inner, types = _source(tree.source, focus)
    found = members(types, name)

    def member(nodes: list[Node], scope: Scope) -> list[Node]:
        found: list[Node] = []
        for node in inner(nodes, scope):
            children = step(node, name)
            scope.work.spend(1 + len(children))
            found += children
        return found

    return _Compiled(member, found)


def members(types: _Types, name: str) -> _Types:
    """The types of the element `name` of any of `types`. Raises Invalid when none of them has it."""
    if types is None or any(is_abstract(t) for t in types):
        return None
    found = frozenset(p.type for t in types for p in properties(t).get(name, ()))
    if types and not found:
        known = sorted({known for t in types for known in properties(t)})
        near = get_close_matches(name, known, 3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise Invalid(f"FHIRPath: {' or '.join(sorted(map(str, types)))} has no element {name!r}.{hint}")
    return None if any(is_abstract(t) for t in found) else found


def _type_name(argument: Expression) -> str:
    """`ofType(Quantity)`, `is(FHIR.Patient)`: the argument is read as a type specifier."""
    match argument:
        case Member(source=None, name=name):
            return name
        case Member(source=Member(source=None, name=space), name=name):
            return f"{space}.{name}"
        case _:
            raise Invalid("FHIRPath: is(), as() and ofType() take the name of a type.")


def _typed(operator: str, operand: Expression | None, name: str, focus: _Types) -> _Compiled:
    wanted = resolve_name(name)
    if wanted is None:
        raise Invalid(f"FHIRPath: R4 has no type {name!r}.")
    if operator == "is" and isinstance(operand, Call) and operand.name == "resolve" and not operand.arguments:
        return _resolves(operand, wanted, focus)
    inner, types = _source(operand, focus)
    if operator == "is":

        def is_(nodes: list[Node], scope: Scope) -> list[Node]:
            found = inner(nodes, scope)
            if len(found) > 1:
                raise Invalid("FHIRPath: `is` was given several items.")
            return boolean(is_a(found[0].type, wanted)) if found else NOTHING

        return _Compiled(is_, frozenset((BOOLEAN,)))

    # `as` is meant for one item, but search parameters use it on repeating elements (Group.characteristic.value).
    def as_(nodes: list[Node], scope: Scope) -> list[Node]:
        return [node for node in inner(nodes, scope) if casts_to(node.type, wanted)]

    if types is not None:
        return _Compiled(as_, frozenset(t for t in types if casts_to(t, wanted)))
    return _Compiled(as_, frozenset((Type(wanted),)) if not wanted.startswith("System.") else None)


def _resolves(tree: Call, wanted: str, focus: _Types) -> _Compiled:
    """`resolve() is Patient`, judged by the text of the reference."""
    inner, _ = _source(tree.source, focus)

    def resolves(nodes: list[Node], scope: Scope) -> list[Node]:
        found = inner(nodes, scope)
        if len(found) > 1:
            raise Invalid("FHIRPath: `resolve() is` was given several items.")
        for node in found:
            text = node.value.get("reference") if type(node.value) is dict else node.value
            type_ = target_type(text) if type(text) is str else None
            if type_ is not None:
                return boolean(is_a(Type(type_), wanted))
        return NOTHING

    return _Compiled(resolves, frozenset((BOOLEAN,)))


def _call(tree: Call, focus: _Types) -> _Compiled:
    function = FUNCTIONS.get(tree.name)
    if function is None:
        near = get_close_matches(tree.name, FUNCTIONS, 3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        reason = "may only be used as `resolve() is Type`" if tree.name == "resolve" else "is not supported"
        raise Invalid(f"FHIRPath: the function {tree.name}() {reason}.{hint}")
    fewest, most = function.arity
    if not fewest <= len(tree.arguments) <= most:
        raise Invalid(f"FHIRPath: {tree.name}() takes {fewest} to {most} arguments, found {len(tree.arguments)}.")
    inner, types = _source(tree.source, focus)
    compiled = [_compile(argument, types if function.per_item else focus) for argument in tree.arguments]
    arguments = tuple(c.evaluate for c in compiled)
    body = function.body
    match function.result:
        case "input":
            result = types
        case "argument":
            result = compiled[0].types
        case type_:
            assert isinstance(type_, Type)
            result = frozenset((type_,))
    if function.per_item or not arguments:
        return _Compiled(lambda nodes, scope: body(inner(nodes, scope), scope, arguments), result)

    # Plain arguments are evaluated where the call stands, not on the collection that it is called on.
    def call(nodes: list[Node], scope: Scope) -> list[Node]:
        values = tuple(argument(nodes, scope) for argument in arguments)
        return body(inner(nodes, scope), scope, tuple(map(_constant, values)))

    return _Compiled(call, result)


def _constant(value: list[Node]) -> Evaluate:
    return lambda nodes, scope: value


def _indexer(tree: Indexer, focus: _Types) -> _Compiled:
    inner, types = _compile(tree.source, focus)
    position, _ = _compile(tree.index, focus)

    def item(nodes: list[Node], scope: Scope) -> list[Node]:
        number = integer(position(nodes, scope), "an index")
        return NOTHING if number is None or number < 0 else inner(nodes, scope)[number : number + 1]

    return _Compiled(item, types)


_LITERAL_TYPES = {"boolean": BOOLEAN, "string": STRING, "integer": INTEGER, "decimal": DECIMAL}


def _literal(tree: Literal) -> _Compiled:
    if tree.kind not in _LITERAL_TYPES:
        raise Invalid(f"FHIRPath: {tree.kind} literals are not supported.")
    found = [Node(tree.value, _LITERAL_TYPES[tree.kind])]
    return _Compiled(lambda nodes, scope: found, frozenset((_LITERAL_TYPES[tree.kind],)))


def _and(left: bool | None, right: bool | None) -> bool | None:
    return False if left is False or right is False else None if left is None or right is None else True


def _or(left: bool | None, right: bool | None) -> bool | None:
    return True if left is True or right is True else None if left is None or right is None else False


_LOGIC: dict[str, Callable[[bool | None, bool | None], bool | None]] = {
    "and": _and,
    "or": _or,
    "xor": lambda left, right: None if left is None or right is None else left is not right,
    "implies": lambda left, right: _or(None if left is None else not left, right),
}
"""Three-valued, None for empty. https://hl7.org/fhirpath/N1/#boolean-logic"""


def _binary(tree: Binary, focus: _Types) -> _Compiled:
    left, left_types = _compile(tree.left, focus)
    right, right_types = _compile(tree.right, focus)
    operator = tree.operator
    if operator == "|":
        both = None if left_types is None or right_types is None else left_types | right_types
        return _Compiled(lambda nodes, scope: distinct(left(nodes, scope) + right(nodes, scope), scope.work), both)
    if operator in _LOGIC:
        logic = _LOGIC[operator]
        return _Compiled(
            lambda nodes, scope: boolean(logic(truth(left(nodes, scope)), truth(right(nodes, scope)))),
            frozenset((BOOLEAN,)),
        )
    if operator not in ("=", "!="):
        raise Invalid(f"FHIRPath: the operator {operator} is not supported.")
    _comparable(left_types, right_types)
    wanted = operator == "="

    def equality(nodes: list[Node], scope: Scope) -> list[Node]:
        found = equal(left(nodes, scope), right(nodes, scope), scope.work)
        return NOTHING if found is None else boolean(found is wanted)

    return _Compiled(equality, frozenset((BOOLEAN,)))


def _comparable(left: _Types, right: _Types) -> None:
    """Refuse dates and quantities: they are not equal by their text (zones, precision, units)."""
    if left is None or right is None:
        raise Invalid("FHIRPath: `=` needs elements of known types; name the type with ofType().")
    hard = TEMPORAL | {Type("Quantity")}
    for type_ in hard:
        if (type_ in left and (type_ in right or STRING in right)) or (type_ in right and STRING in left):
            raise Invalid(f"FHIRPath: comparing values of type {type_} is not supported.")
