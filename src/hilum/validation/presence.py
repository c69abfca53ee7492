"""What the presence of elements alone says about an invariant: most need no more. https://hl7.org/fhirpath/N1/

`weigh` evaluates the tree of an expression as far as it goes when nothing is known but which elements an object has:
`code.empty() or system.exists()` is decided by that, `start <= end` only where one of them is missing. So an invariant
is evaluated on values only where it depends on them, and what was found for one set of elements holds for each object
that has the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from hilum.fhirpath.syntax import Binary, Call, Expression, Literal, Member, TypeOperation, Unary, Variable


class Known(Enum):
    """What is known of a collection: it is empty, one boolean, has items; or nothing is."""

    EMPTY = 0
    TRUE = 1
    FALSE = 2
    SOME = 3
    OPEN = 4


EMPTY, TRUE, FALSE, SOME, OPEN = Known


class Count(NamedTuple):
    """A number of items: at least, and at most (None: any)."""

    least: int
    most: int | None


Present = Callable[[str], bool | None]
"""Whether the object has an element of that name; None when there is no such element."""

_NOTHING = """where select repeat ofType as first last tail skip take single distinct resolve children descendants
substring startsWith endsWith contains matches replaceMatches toInteger toString length extension"""
_THROUGH: Final = frozenset(_NOTHING.split())
"""Of nothing these make nothing."""
_ALL: Final = frozenset(("all", "isDistinct", "allTrue"))
"""Of nothing these say true."""


def weigh(tree: Expression, present: Present) -> Known:
    """What the expression comes to on an object, as far as the presence of its elements tells."""
    found = _weigh(tree, present)
    return OPEN if isinstance(found, Count) else found


def names(tree: Expression) -> Iterator[str]:
    """The names on which paths of the expression begin: among them all elements of whose presence `weigh` asks."""
    match tree:
        case Member(source=None, name=name):
            yield name
        case Member(source=source) if source is not None:
            yield from names(source)
        case Call(source=source, arguments=arguments):
            for part in (*(() if source is None else (source,)), *arguments):
                yield from names(part)
        case Binary(left=left, right=right):
            yield from names(left)
            yield from names(right)
        case TypeOperation(operand=operand) | Unary(operand=operand):
            yield from names(operand)
        case _:
            pass


def _weigh(tree: Expression, present: Present) -> Known | Count:
    match tree:
        case Literal(kind="boolean", value=value):
            return TRUE if value else FALSE
        case Literal(kind="integer", value=int(value)):
            return Count(value, value)
        case Literal() | Variable(name="this"):
            return SOME
        case Member(source=None, name=name):
            there = present(name)
            return OPEN if there is None else SOME if there else EMPTY
        case Member(source=source) if source is not None:
            return EMPTY if _weigh(source, present) is EMPTY else OPEN
        case Call():
            return _call(tree, present)
        case Binary():
            return _binary(tree, present)
        case TypeOperation(operator=operator, operand=operand):
            return EMPTY if operator == "as" and _weigh(operand, present) is EMPTY else OPEN
        case _:
            return OPEN


def _call(tree: Call, present: Present) -> Known | Count:
    name = tree.name
    source = SOME if tree.source is None else _weigh(tree.source, present)
    if isinstance(source, Count):
        return OPEN
    if name == "trace":
        return source
    if name in ("exists", "empty"):
        if source is OPEN or (tree.arguments and source is not EMPTY):
            return OPEN
        return TRUE if (source is EMPTY) == (name == "empty") else FALSE
    if name == "count":
        return Count(0, 0) if source is EMPTY else Count(0, None) if source is OPEN else Count(1, None)
    if name == "not":
        return {TRUE: FALSE, FALSE: TRUE, EMPTY: EMPTY}.get(source, OPEN)
    if source is not EMPTY:
        return OPEN
    if name == "hasValue":
        return FALSE
    return TRUE if name in _ALL else EMPTY if name in _THROUGH else OPEN


def _binary(tree: Binary, present: Present) -> Known | Count:
    left, right = _weigh(tree.left, present), _weigh(tree.right, present)
    operator = tree.operator
    if isinstance(left, Count) or isinstance(right, Count):
        return _counted(operator, left, right)
    if operator in _LOGIC:
        return _LOGIC[operator](left, right)
    if operator == "|":
        return SOME if SOME in (left, right) else EMPTY if left is right is EMPTY else OPEN
    if operator in ("=", "!=", "<", ">", "<=", ">="):
        if EMPTY in (left, right):
            return EMPTY
        if operator in ("=", "!=") and {left, right} <= {TRUE, FALSE}:
            return TRUE if (left is right) == (operator == "=") else FALSE
    if operator == "in" and left is EMPTY:
        return EMPTY
    return OPEN


def _counted(operator: str, left: Known | Count, right: Known | Count) -> Known | Count:
    """Sums and comparisons of numbers of items."""
    if not (isinstance(left, Count) and isinstance(right, Count)):
        return EMPTY if EMPTY in (left, right) and operator != "|" else OPEN
    if operator == "+":
        most = None if left.most is None or right.most is None else left.most + right.most
        return Count(left.least + right.least, most)
    if operator in (">", "<="):
        if right.most is not None and left.least > right.most:
            return TRUE if operator == ">" else FALSE
        if left.most is not None and left.most <= right.least:
            return FALSE if operator == ">" else TRUE
    return OPEN


def _and(left: Known, right: Known) -> Known:
    if FALSE in (left, right):
        return FALSE
    if left is right is TRUE:
        return TRUE
    return EMPTY if {left, right} <= {TRUE, EMPTY} else OPEN


def _or(left: Known, right: Known) -> Known:
    if TRUE in (left, right):
        return TRUE
    if left is right is FALSE:
        return FALSE
    return EMPTY if {left, right} <= {FALSE, EMPTY} else OPEN


def _xor(left: Known, right: Known) -> Known:
    if {left, right} <= {TRUE, FALSE}:
        return FALSE if left is right else TRUE
    return EMPTY if EMPTY in (left, right) and {left, right} <= {TRUE, FALSE, EMPTY} else OPEN


def _implies(left: Known, right: Known) -> Known:
    if left is FALSE or right is TRUE:
        return TRUE
    if left is TRUE:
        return right if right in (FALSE, EMPTY) else OPEN
    return EMPTY if left is EMPTY and right in (FALSE, EMPTY) else OPEN


_LOGIC: Final[dict[str, Callable[[Known, Known], Known]]] = {"and": _and, "or": _or, "xor": _xor, "implies": _implies}
