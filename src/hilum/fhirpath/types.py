"""What FHIRPath needs to know of R4's types: which JSON property an element name means, and what is a what.

https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from hilum.fhir import definitions
from hilum.fhir.definitions import Element


class Type(NamedTuple):
    """A FHIR type, or the backbone element at `path` in it: ("Patient", "contact"). System types: "System.Boolean"."""

    name: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.name}.{self.path}" if self.path else self.name


BOOLEAN: Final = Type("System.Boolean")
STRING: Final = Type("System.String")
INTEGER: Final = Type("System.Integer")
DECIMAL: Final = Type("System.Decimal")

TEMPORAL: Final = frozenset(Type(name) for name in ("date", "dateTime", "instant", "time"))


class Property(NamedTuple):
    """One JSON property that an element name can mean: a choice has one per type. `many`: JSON writes an array."""

    key: str
    many: bool
    type: Type
    element: Element


@cache
def properties(type: Type) -> dict[str, tuple[Property, ...]]:
    """Element name -> JSON properties, for everything that may stand directly under a value of this type."""
    if type.name.startswith("System."):
        return {}
    definition = definitions.type_(type.name)
    found: dict[str, tuple[Property, ...]] = {}
    for element in definition.elements[type.path]:
        path = f"{type.path}.{element.name}" if type.path else element.name
        if element.ref is not None:
            meant = [(element.name, Type(type.name, element.ref))]
        elif path in definition.elements:
            meant = [(element.name, Type(type.name, path))]
        else:
            meant = [(element.name + (t[0].upper() + t[1:] if element.choice else ""), Type(t)) for t in element.types]
        found[element.name] = tuple(Property(key, element.many, t, element) for key, t in meant)
    return found


@cache
def ancestors(name: str) -> frozenset[str]:
    """The type and everything that it specialises: code -> code, string, Element."""
    found = {name}
    while base := definitions.type_(name).base:
        name = base
        found.add(name)
    return frozenset(found)


@cache
def is_a(type: Type, name: str) -> bool:
    """Whether a value of `type` is a `name` (as `resolve_name` gives it)."""
    if type.name.startswith("System.") or name.startswith("System."):
        return type.name == name
    if type.path:
        return name in ("BackboneElement", "Element")
    return name in ancestors(type.name)


@cache
def casts_to(type: Type, name: str) -> bool:
    """Whether `as` and `ofType` let a value of `type` through: as `is`, but primitives only as exactly what they are.

    So says the official suite: a `code` is a string, and `gender.as(string)` is empty (testFHIRPathAsFunction11).
    """
    if name in definitions.names() and definitions.type_(name).kind == "primitive-type":
        return type == Type(name)
    return is_a(type, name)


_SYSTEM = frozenset(("Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity"))


def resolve_name(name: str) -> str | None:
    """A type specifier to the name of a type: FHIR's own first, then System's; None when there is no such type."""
    space, _, bare = name.rpartition(".")
    if space in ("", "FHIR") and bare in definitions.names():
        return bare
    if space in ("", "System") and bare in _SYSTEM:
        return f"System.{bare}"
    return None


def is_abstract(type: Type) -> bool:
    """Whether a value of this static type has another type at run time: contained, Bundle.entry.resource."""
    return type.name in ("Resource", "DomainResource")
