"""FHIRPath that only walks: an expression as a union of plain paths, from which fast code can be generated.

Nearly every search parameter is of this form. A path is a sequence of steps from the resource down; its types are
known before any data is seen, choices included: `Observation.value` is eleven paths.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hilum.fhirpath.syntax import Binary, Call, Expression, Indexer, Literal, Member, TypeOperation
from hilum.fhirpath.types import Type, casts_to, is_a, properties, resolve_name

MOST: Final = 5_000
"""Paths that one step may lead to: each `extension.value` makes fifty of one, and three of them 125,000."""


class Field(NamedTuple):
    """Into a JSON property; `many`: and through its array. `targets` and `binding` as in definitions.Element."""

    key: str
    many: bool
    type: Type
    targets: tuple[str, ...] = ()
    binding: str | None = None

    def __str__(self) -> str:
        return f".{self.key}"


class Equals(NamedTuple):
    """Only where the property `key` is this text: `where(system='phone')`."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"[{self.key}={self.value}]"


class Carries(NamedTuple):
    """Only where there is an extension of this url: `where(hasExtension('...'))`."""

    url: str

    def __str__(self) -> str:
        return f"[extension={self.url}]"


class RefersTo(NamedTuple):
    """Only where the text of the reference names this resource type: `where(resolve() is Patient)`."""

    type: str

    def __str__(self) -> str:
        return f"[->{self.type}]"


Step = Field | Equals | Carries | RefersTo


class Path(NamedTuple):
    """Steps from the resource, and the type at the end."""

    steps: tuple[Step, ...]
    type: Type

    def __str__(self) -> str:
        return "".join(map(str, self.steps))

    def then(self, step: Step) -> Path:
        """This path and one step more."""
        return Path((*self.steps, step), step.type if isinstance(step, Field) else self.type)

    def into(self, name: str) -> tuple[Path, ...]:
        """The paths to the element `name` below this one: several for a choice, none when there is no such element."""
        found = properties(self.type).get(name, ())
        return tuple(self.then(Field(p.key, p.many, p.type, p.element.targets, p.element.binding)) for p in found)

    def choice(self, key: str) -> tuple[Path, ...]:
        """The path to one type of a choice by its JSON name, `valueDateTime`: no FHIRPath, but US Core writes it so."""
        found = (p for some in properties(self.type).values() for p in some if p.element.choice and p.key == key)
        return tuple(self.then(Field(p.key, p.many, p.type, p.element.targets, p.element.binding)) for p in found)


class NotAPath(Exception):
    """The expression computes something and does not only walk."""


def paths(tree: Expression, type: str | Type) -> tuple[Path, ...]:
    """The union of paths that the expression means for a resource or element of `type`; empty when it is about others.

    Raises NotAPath for everything that is more than walking.
    """
    return tuple(dict.fromkeys(_walk(tree, (Path((), type if isinstance(type, Type) else Type(type)),))))


def _walk(tree: Expression, start: tuple[Path, ...]) -> tuple[Path, ...]:
    match tree:
        case Member(source=None, name=name) if name[0].isupper() and (wanted := resolve_name(name)):
            return tuple(p for p in start if is_a(p.type, wanted))
        case Member(source=source, name=name):
            found: list[Path] = []
            for p in _from(source, start):
                found += p.into(name) or p.choice(name)
                if len(found) > MOST:
                    raise NotAPath(f"more than {MOST:,} paths")
            return tuple(found)
        case TypeOperation(operator="as", operand=operand, type=name):
            return _only(_walk(operand, start), name)
        case Call(source=source, name="as" | "ofType", arguments=(Member(source=None, name=name),)):
            return _only(_from(source, start), name)
        case Call(source=source, name="where", arguments=(criterion,)):
            return tuple(p.then(_filter(criterion, p.type)) for p in _from(source, start))
        case Call(source=source, name="extension", arguments=(Literal(kind="string", value=str(url)),)):
            return tuple(e.then(Equals("url", url)) for p in _from(source, start) for e in p.into("extension"))
        case Binary(operator="|", left=left, right=right):
            return _walk(left, start) + _walk(right, start)
        case Indexer():
            raise NotAPath("an index")
        case _:
            raise NotAPath(tree.__class__.__name__)


def _from(source: Expression | None, start: tuple[Path, ...]) -> tuple[Path, ...]:
    return start if source is None else _walk(source, start)


def _only(found: tuple[Path, ...], name: str) -> tuple[Path, ...]:
    wanted = resolve_name(name)
    if wanted is None:
        raise NotAPath(f"unknown type {name}")
    return tuple(p for p in found if casts_to(p.type, wanted))


def _filter(criterion: Expression, type: Type) -> Step:
    match criterion:
        case Binary(operator="=", left=Member(source=None, name=name), right=Literal(kind="string", value=str(value))):
            match properties(type).get(name, ()):
                case (found,) if not found.many and is_a(found.type, "Element") and _textual(found.type):
                    return Equals(found.key, value)
        case TypeOperation(operator="is", operand=Call(source=None, name="resolve", arguments=()), type=name):
            if type == Type("Reference"):
                return RefersTo(name)
        case Call(source=None, name="hasExtension", arguments=(Literal(kind="string", value=str(url)),)):
            return Carries(url)
    raise NotAPath("a condition")


def _textual(type: Type) -> bool:
    return any(is_a(type, name) for name in ("string", "uri"))
