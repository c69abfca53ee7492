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
DATE: Final = Type("System.Date")
DATETIME: Final = Type("System.DateTime")
TIME: Final = Type("System.Time")
QUANTITY: Final = Type("System.Quantity")
TYPE_INFO: Final = Type("System.TypeInfo")
"""What `type()` gives. https://hl7.org/fhirpath/N1/#reflection"""


class Property(NamedTuple):
    """One JSON property that an element name can mean: a choice has one per type. `many`: JSON writes an array."""

    key: str
    many: bool
    type: Type
    element: Element


_SYSTEM_ELEMENTS: Final[dict[Type, dict[str, Type]]] = {
    TYPE_INFO: {"namespace": STRING, "name": STRING, "baseType": STRING},
    QUANTITY: {"value": DECIMAL, "unit": STRING},
}


@cache
def properties(type: Type) -> dict[str, tuple[Property, ...]]:
    """Element name -> JSON properties, for everything that may stand directly under a value of this type."""
    if type.name.startswith("System."):
        return {
            name: (Property(name, False, of, Element(name)),) for name, of in _SYSTEM_ELEMENTS.get(type, {}).items()
        }
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
        return type.name == name or (type == QUANTITY and name == "Quantity")
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


_SYSTEM = frozenset(("Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity", "TypeInfo"))


def resolve_name(name: str) -> str | None:
    """A type specifier to the name of a type: FHIR's own first, then System's; None when there is no such type."""
    space, _, bare = name.rpartition(".")
    if space in ("", "FHIR") and bare in definitions.names():
        return bare
    if space in ("", "System") and bare in _SYSTEM:
        return f"System.{bare}"
    if space == "System" and bare in definitions.names():
        return name  # a type of the other model: nothing is one
    return None


def is_abstract(type: Type) -> bool:
    """Whether a value of this static type has another type at run time: contained, Bundle.entry.resource."""
    return type.name in ("Resource", "DomainResource")


_KINDS: Final = {
    "System.Boolean": "boolean",
    "System.String": "string",
    "System.Integer": "integer",
    "System.Decimal": "decimal",
    "System.Date": "date",
    "System.DateTime": "datetime",
    "System.Time": "time",
    "System.Quantity": "quantity",
    "boolean": "boolean",
    "integer": "integer",
    "decimal": "decimal",
    "date": "date",
    "dateTime": "datetime",
    "instant": "datetime",
    "time": "time",
    "Quantity": "quantity",
}


@cache
def kind(type: Type) -> str:
    """The System type, in lower case, that values of this type count as where one is needed; "" for objects.

    https://hl7.org/fhir/R4/fhirpath.html#types
    """
    if type.path:
        return ""
    for name in (type.name,) if type.name.startswith("System.") else _lineage(type.name):
        if name in _KINDS:
            return _KINDS[name]
    primitive = not type.name.startswith("System.") and definitions.type_(type.name).kind == "primitive-type"
    return "string" if primitive else ""


def _lineage(name: str) -> list[str]:
    """The type and what it specialises, nearest first."""
    found = [name]
    while base := definitions.type_(found[-1]).base:
        found.append(base)
    return found


def at(name: str, path: str = "") -> frozenset[Type]:
    """The types of the element at `path` in a type; choices have several. KeyError when there is no such place.

    `contact` in Patient is the backbone element itself; `contact.gender` a code; `link` in Bundle.entry, which only
    says that it is as another, that other.
    """
    if path in definitions.type_(name).elements:
        return frozenset((Type(name, path),))
    found = frozenset((Type(name),))
    for step in path.removesuffix("[x]").split("."):
        found = frozenset(p.type for t in found for p in properties(t).get(step.removesuffix("[x]"), ()))
        if not found:
            raise KeyError(path)
    return found


@cache
def is_primitive(type: Type) -> bool:
    """Whether values of this type are JSON strings, numbers and booleans."""
    if type.path:
        return False
    return type.name.startswith("System.") or definitions.type_(type.name).kind == "primitive-type"
