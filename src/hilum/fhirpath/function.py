"""What a FHIRPath function is to hilum, and the makers of the common ones. https://hl7.org/fhirpath/N1/#functions"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from hilum.fhirpath.nodes import Evaluate, Node, Scope, Truth, boolean
from hilum.fhirpath.quantities import Quantity
from hilum.fhirpath.temporal import Temporal
from hilum.fhirpath.types import BOOLEAN, Type
from hilum.fhirpath.values import Value, collection, name_of, single
from hilum.fhirpath.work import Work
from hilum.problems import Invalid


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a scoped function, which the function evaluates itself, with an item as `$this`.

    `weight`: what one evaluation costs at least. `order`: of a key of `sort()`, "-" before or "desc" behind it.
    """

    evaluate: Evaluate
    test: Truth
    weight: int = 1
    order: str = ""


Plain = Callable[[list[Node], Scope, tuple[list[Node], ...]], list[Node]]
Scoped = Callable[[list[Node], Scope, tuple[Argument, ...], Node], list[Node]]
Tested = Callable[[list[Node], Scope, tuple[Argument, ...]], "bool | None"]
"""The items that it is called on, and its arguments; a scoped one is given `$this` of where it stands as well."""


@dataclass(frozen=True, slots=True)
class Function:
    """`arity`: fewest and most arguments. `result`: a type, "input" (same items), "argument" (items of the first
    argument) or None: only the data can tell.

    Exactly one of the bodies: `plain` is given the values of its arguments, evaluated where the call stands; `scoped`
    and `tested` evaluate them themselves. `tested` gives a condition. `valued`, beside `plain`, does the same without
    nodes where there is one value at most: from the Work, the value and those of the arguments, None for none.

    `takes`: what kind of value it is called on; "" where that doesn't matter. `outside`: it asks for more than the
    resource that it is evaluated on.
    """

    arity: tuple[int, int] = (0, 0)
    result: Type | str | None = "input"
    plain: Plain | None = None
    scoped: Scoped | None = None
    tested: Tested | None = None
    valued: Callable[[Work, Value, list[Value]], Value] | None = None
    takes: str = ""
    outside: bool = False


_CLASSES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, Decimal),
    "quantity": (int, Decimal, Quantity),
    "temporal": (Temporal,),
    "any": (object,),
}
KINDS: Final[dict[str, frozenset[str]]] = {
    "string": frozenset(("string",)),
    "number": frozenset(("integer", "decimal")),
    "quantity": frozenset(("integer", "decimal", "quantity")),
    "temporal": frozenset(("date", "datetime", "time")),
}
"""What a function takes -> the kinds of types (`types.kind`) of which some value may be such a thing."""


def checked(value: Value, wanted: str, name: str) -> Value:
    """The value, if it is of a kind. Raises Invalid otherwise."""
    if not isinstance(value, _CLASSES[wanted]) or (isinstance(value, bool) and wanted != "any"):
        raise Invalid(f"FHIRPath: {name}() takes {_WORDS[wanted]}, and was given {name_of(value)}.")
    return value


_WORDS: Final = {
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "quantity": "a number or a quantity",
    "temporal": "a date or time",
}


def of_value(
    name: str,
    body: Callable[..., Value],
    takes: str,
    *arguments: str,
    result: Type | str | None,
    optional: int = 0,
    counted: bool = False,
) -> Function:
    """A function of one value and one for each argument, to a value; None, or an empty argument, makes it empty.

    `optional`: how many of the last arguments may be left out. `counted`: the body is given the Work as well, first.
    """

    def valued(work: Work, value: Value, given: list[Value]) -> Value:
        if value is None:
            return None
        checked(value, takes, name)
        if type(value) is str:
            work.read(len(value))
        for one, wanted in zip(given, arguments, strict=False):
            if one is None:
                return None
            checked(one, wanted, name)
        return body(work, value, *given) if counted else body(value, *given)

    def plain(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
        value = single(nodes, f"{name}()")
        some = [single(one, f"an argument of {name}()") for one in given]
        return collection(valued(scope.work, value, some))

    return Function((len(arguments) - optional, len(arguments)), result, plain=plain, valued=valued, takes=takes)


def of_text(name: str, test: Callable[[str, str], bool]) -> Function:
    """A condition on a text and another."""
    return of_value(name, test, "string", "string", result=BOOLEAN)


def of_items(body: Callable[[list[Node]], list[Node]]) -> Function:
    """A function that keeps some of the items, without arguments."""
    return Function(plain=lambda nodes, scope, given: body(nodes))


def asked(body: Callable[[list[Node], Scope], bool | None]) -> Function:
    """A condition on a whole collection, without arguments."""
    return Function(result=BOOLEAN, plain=lambda nodes, scope, given: boolean(body(nodes, scope)))
