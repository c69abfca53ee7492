"""What is known of an expression before any data is: which elements there are, of which types, and what can't be."""

from __future__ import annotations

from difflib import get_close_matches

from hilum.fhirpath.code import Code, Types
from hilum.fhirpath.function import KINDS, Function
from hilum.fhirpath.functions import FUNCTIONS, REFUSED
from hilum.fhirpath.syntax import Call, Expression, Member, Unary, Variable
from hilum.fhirpath.types import Type, is_a, is_abstract, is_primitive, kind, properties, resolve_name
from hilum.problems import Invalid


def unknown(name: str) -> str:
    """Why there is no such function."""
    if name in REFUSED:
        return f"is not supported: it {REFUSED[name]}."
    near = get_close_matches(name, FUNCTIONS, 3) if len(name) <= 64 else []
    return "is not supported." + (f" Did you mean {' or '.join(near)}?" if near else "")


def type_at_start(tree: Member) -> str | None:
    """The type, where a path begins with one: `Patient.name`."""
    return resolve_name(tree.name) if tree.source is None and tree.name[0].isupper() else None


def is_this(source: Expression | None, wanted: str | None, inner: Code) -> bool:
    """Whether the source of a member is `$this` itself, of a known type."""
    match source:
        case None | Variable(name="this"):
            return True
        case Member() if (start := type_at_start(source)) and inner.types:
            return all(is_a(t, start) for t in inner.types)
    return False


def holds_a_value(type: Type) -> bool:
    """Whether it is a primitive of FHIR's, which has a `value`."""
    return is_primitive(type) and not type.name.startswith("System.")


def has(types: Types, name: str) -> bool:
    """Whether one of the types may have such an element."""
    return types is None or any(is_abstract(t) or name in properties(t) for t in types)


def members(types: Types, name: str) -> Types:
    """The types of the element `name` of any of `types`. Raises Invalid when none of them has it."""
    if types is None or any(is_abstract(t) for t in types):
        return None
    found = frozenset(p.type for t in types for p in properties(t).get(name, ()))
    if types and not found:
        known = sorted({known for t in types for known in properties(t)})
        near = get_close_matches(name, known, 3) if len(name) <= 64 else []
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise Invalid(f"FHIRPath: {' or '.join(sorted(map(str, types)))} has no element {name[:64]!r}.{hint}")
    return None if any(is_abstract(t) for t in found) else found


def type_name(argument: Expression) -> str:
    """`ofType(Quantity)`, `is(FHIR.Patient)`: the argument is read as a type specifier."""
    match argument:
        case Member(source=None, name=name):
            return name
        case Member(source=Member(source=None, name=space), name=name):
            return f"{space}.{name}"
        case _:
            raise Invalid("FHIRPath: is(), as() and ofType() take the name of a type.")


def suits(name: str, function: Function, types: Types) -> None:
    """Refuse a function on what it can't be called on."""
    wanted = KINDS.get(function.takes)
    if wanted is None or not types or any(is_abstract(t) or kind(t) in wanted for t in types):
        return
    found = " or ".join(sorted(map(str, types)))
    raise Invalid(f"FHIRPath: {name}() takes a {function.takes}, and can't be called on {found[:200]}.")


def result(function: Function, inner: Code, arguments: list[Code]) -> Types:
    """The types that a call can yield."""
    match function.result:
        case "input":
            return inner.types
        case "argument":
            return arguments[0].types
        case Type() as type_:
            return frozenset((type_,))
        case _:
            return None


def ordered(tree: Expression) -> tuple[Expression, str]:
    """A key of `sort()`: `-family`, `family desc`."""
    match tree:
        case Unary(operator="-", operand=operand):
            return operand, "-"
        case Call(name="$desc" | "$asc", source=key) if key is not None:
            return key, tree.name.removeprefix("$").removeprefix("asc")
        case _:
            return tree, ""
