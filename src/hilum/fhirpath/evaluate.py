"""FHIRPath compiled once to closures over plain JSON. https://hl7.org/fhirpath/N1/

What can't be, by the types that R4 has, is refused when an expression is compiled. What an expression asks of the world
(`resolve()`, `memberOf()`, `now()`) is in the `Surroundings`: nothing is fetched from here.
https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

from hilum.fhirpath.code import Code
from hilum.fhirpath.compiler import Compiler
from hilum.fhirpath.nodes import Node, Scope, flat, resource_type
from hilum.fhirpath.parser import parse
from hilum.fhirpath.surroundings import ALONE, Surroundings
from hilum.fhirpath.types import Type, at, is_a, is_abstract, is_primitive
from hilum.fhirpath.values import json
from hilum.fhirpath.work import MOST_OF_A_CONDITION, Work
from hilum.problems import Invalid, Issue, Malformed, Unprocessable


def compile(expression: str, type: str) -> Callable[[dict[str, Any]], list[Any]]:
    """A function from a resource of `type` to the JSON values that the expression selects, in document order.

    Raises Malformed (syntax) or Invalid (an element or function that is not there). The function raises Invalid when
    an expression does not fit the data (several items where one is needed), and Unprocessable when it is too costly.
    """
    find = _compiled(expression, type, "", frozenset())

    def values(body: dict[str, Any]) -> list[Any]:
        node = Node(body, find.root)
        return [json(one.value) for one in find(Scope(node, node, node, Work())) if one.value is not None]

    return values


class Locate(Protocol):
    """From a body to nodes."""

    def __call__(self, body: dict[str, Any], work: Work | None = None, around: Surroundings = ALONE) -> list[Node]:
        """`work`: the allowance to draw on, where several evaluations share one."""
        ...


@lru_cache(maxsize=1024)
def locate(expression: str, type: str, path: str = "", variables: frozenset[str] = frozenset()) -> Locate:
    """As `compile`, but to nodes, with types and places: what FHIRPath Patch needs.

    The body may be of any type, or of the backbone element at `path` in it. `variables`: the environment variables
    that the surroundings have; others are refused.
    The function raises Unprocessable (too-costly), too, when it would visit more than `work` allows.
    """
    find = _compiled(expression, type, path, variables)

    def located(body: dict[str, Any], work: Work | None = None, around: Surroundings = ALONE) -> list[Node]:
        node = Node(body, find.root, ())
        return list(map(flat, find(Scope(node, node, node, Work() if work is None else work, around))))

    return located


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


@lru_cache(maxsize=16384)
def condition(expression: str, type: str, path: str = "") -> Condition:
    """A condition on an element of `type`, or on the element at `path` in it, which must be of one type.

    Raises Malformed (syntax) and Invalid (an element or function that is not there). What a primitive does not have
    is empty and no error: a condition on a choice stands at all of its types (ras-1).
    """
    here = _place(type, path)
    resource = frozenset((Type(type),)) if is_a(Type(type), "Resource") else None
    compiler = Compiler(frozenset((here,)), resource, None, lenient=is_primitive(here))
    code, weight = _code(compiler, expression)
    test = code.test
    looks_up = compiler.looks_up
    abstract = is_abstract(here)

    def holds(
        value: Any,
        *,
        extra: dict[str, Any] | None = None,
        resource: dict[str, Any],
        root: dict[str, Any] | None = None,
        around: Surroundings = ALONE,
        work: Work | None = None,
    ) -> bool | None:
        type_ = resource_type(value, here) if abstract and isinstance(value, dict) else here
        above = top = node = Node(value, type_, None, extra)
        if looks_up:
            above = node if value is resource else Node(resource, resource_type(resource))
            top = above if root is None or root is resource else Node(root, resource_type(root))
        work = Work(MOST_OF_A_CONDITION) if work is None else work
        work.spend(weight)
        try:
            return test(node, Scope(node, above, top, work, around))
        except RecursionError:
            raise _too_deep() from None

    return holds


def _place(type: str, path: str) -> Type:
    try:
        (found,) = at(type, path)
    except KeyError:
        raise Invalid(f"FHIRPath: R4 has no element {path[:64]!r} in {type[:64]!r}.") from None
    except ValueError:
        raise Invalid(f"FHIRPath: {type}.{path} is of several types; name the one that is meant.") from None
    return found


def static_types(expression: str, type: str, path: str = "") -> frozenset[Type] | None:
    """The types that the expression can yield on a `type`, or on the backbone element at `path` in it; None when only
    the data can tell.
    """
    root = frozenset((Type(type, path),))
    return _code(Compiler(root, root, frozenset()), expression)[0].types


class _Find:
    """An expression as a function from a scope to nodes."""

    __slots__ = ("_evaluate", "_weight", "root")

    def __init__(self, root: Type, code: Code, weight: int) -> None:
        self.root = root
        self._evaluate = code.evaluate
        self._weight = weight

    def __call__(self, scope: Scope) -> list[Node]:
        scope.work.spend(self._weight)
        try:
            found = self._evaluate(scope.context, scope)
        except RecursionError:
            raise _too_deep() from None
        scope.work.spend(len(found))
        return found


def _compiled(expression: str, type: str, path: str, variables: frozenset[str]) -> _Find:
    root = Type(type, path)
    types = frozenset((root,))
    return _Find(root, *_code(Compiler(types, types, variables), expression))


def _code(compiler: Compiler, expression: str) -> tuple[Code, int]:
    try:
        return compiler.whole(parse(expression))
    except RecursionError:
        raise Malformed("FHIRPath: the expression has too many steps.") from None


def _too_deep() -> Unprocessable:
    text = "FHIRPath: the expression, or what it is evaluated on, is nested too deeply."
    return Unprocessable(issues=(Issue("error", "too-costly", text),))
