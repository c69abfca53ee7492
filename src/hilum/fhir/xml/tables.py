"""What may stand within each kind of element, by its name in XML and by its property in JSON.

Made from the definitions once per type, when first met. https://hl7.org/fhir/R4/xml.html and
https://hl7.org/fhir/R4/json.html#xml
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from hilum.fhir import definitions, json
from hilum.fhir.definitions import TYPE_NUMBER, Element

FHIR: Final = "http://hl7.org/fhir"
XHTML: Final = "http://www.w3.org/1999/xhtml"
SPACE: Final = " \t\r\n"
"""What XML calls white space."""


class Kind(Enum):
    """How an element is written."""

    PRIMITIVE = "value in an attribute"
    COMPLEX = "elements within it"
    RESOURCE = "one resource within it"
    DIV = "XHTML"


class Slot:
    """One element as a child: its JSON property, its step in a FHIRPath (a choice without its type), its place."""

    __slots__ = ("_of", "_table", "dialect", "kind", "many", "order", "property", "step", "underscored", "value")

    def __init__(
        self,
        dialect: Dialect,
        property: str,
        step: str,
        order: int,
        many: bool,
        kind: Kind,
        of: tuple[str, str],
        value: Value,
    ) -> None:
        self.dialect = dialect
        self.property, self.step, self.order, self.many, self.kind = property, step, order, many, kind
        self.underscored = f"_{property}"
        self.value = value
        self._of = of
        self._table: Table | None = None

    @property
    def table(self) -> Table:
        """What stands within it; of a primitive, its extensions."""
        if self._table is None:
            self._table = self.dialect.table(*self._of)
        return self._table


Value = Callable[[str], Any]
"""The text of a value attribute to its JSON value; as it is where it is none, so that validation names the fault."""


class Table:
    """The children and attributes of one kind of element.

    `children`: namespace and name -> Slot. `slots`: JSON property -> Slot. `attributes`: those in XML, whose JSON
    properties have the same names.
    """

    __slots__ = ("attributes", "children", "slots")

    def __init__(self, slots: list[Slot], attributes: frozenset[str]) -> None:
        self.slots = {slot.property: slot for slot in slots}
        self.children = {f"{FHIR} {slot.property}": slot for slot in slots}
        self.children |= {f"{XHTML} {slot.property}": slot for slot in slots if slot.kind is Kind.DIV}
        self.attributes = attributes


class Known(NamedTuple):
    """One element of a place as a version of FHIR defines it. `leads`: type -> the place within it, of backbones."""

    name: str
    types: tuple[str, ...]
    choice: bool
    many: bool
    leads: Mapping[str, tuple[str, str]]


Elements = Callable[[str, str], Iterable[Known]]
"""Type and path -> the elements there in order."""


class Dialect:
    """The XML of one version of FHIR: which resources there are, and what may stand where."""

    def __init__(self, version: str, resources: Iterable[str], elements: Elements) -> None:
        self.version = version
        self.resources = frozenset(resources)
        self.roots = {f"{FHIR} {name}": name for name in self.resources}
        self._elements = elements
        self._tables: dict[tuple[str, str], Table] = {}

    def table(self, type_: str, path: str = "") -> Table:
        """The Table of a type, or of the backbone element at `path` in it."""
        found = self._tables.get((type_, path))
        if found is None:
            found = self._tables[type_, path] = self._made(type_, path)
        return found

    def _made(self, type_: str, path: str) -> Table:
        is_resource = not path and type_ in self.resources
        attributes = _NONE if is_resource else _URLS if type_ == "Extension" else _IDS
        slots = []
        for order, element in enumerate(self._elements(type_, path), 1):
            if element.name in attributes:
                continue
            for name in element.types:
                property_ = element.name + name[:1].upper() + name[1:] if element.choice else element.name
                kind, of = _kind(element, name)
                value = _VALUES.get(name, _trimmed)
                slots.append(Slot(self, property_, element.name, order, element.many, kind, of, value))
        return Table(slots, attributes)


_IDS: Final = frozenset({"id"})
_URLS: Final = frozenset({"id", "url"})
_NONE: Final[frozenset[str]] = frozenset()
_ELEMENT: Final = ("Element", "")


def _kind(element: Known, name: str) -> tuple[Kind, tuple[str, str]]:
    if name in element.leads:
        return Kind.COMPLEX, element.leads[name]
    if name == "Resource":
        return Kind.RESOURCE, _ELEMENT
    if name == "xhtml":
        return Kind.DIV, _ELEMENT
    return (Kind.PRIMITIVE, _ELEMENT) if name[0].islower() else (Kind.COMPLEX, (name, ""))


def _r4(type_: str, path: str) -> Iterable[Known]:
    for element in definitions.elements(type_, path):
        if element.max != "0":
            types = element.types or ("",)
            leads = {name: found for name in types if (found := _leads(type_, path, element, name)) is not None}
            yield Known(element.name, types, element.choice, element.many, leads)


def _leads(type_: str, path: str, element: Element, name: str) -> tuple[str, str] | None:
    below = f"{path}.{element.name}".lstrip(".")
    if not name:
        return type_, element.ref or ""
    is_backbone = name in ("BackboneElement", "Element") and below in definitions.type_(type_).elements
    return (type_, below) if is_backbone else None


def _as_it_is(text: str) -> str:
    return text


def _trimmed(text: str) -> str:
    """Spaces around it belong to no value of these types. https://hl7.org/fhir/R4/xml.html#whitepace"""
    return text.strip(SPACE)


def _boolean(text: str) -> bool | str:
    found = text.strip(SPACE)
    return found == "true" if found in ("true", "false") else text


def _number(text: str) -> Any:
    found = json.numeral(text.strip(SPACE))
    return text if found is None else found


def _signed(text: str) -> Any:
    """Integers may have a plus in XML, which JSON has no way to write."""
    found = text.strip(SPACE)
    return _number(found[1:] if found[:1] == "+" and found[1:2].isdigit() else text)


_VALUES: Final[dict[str, Value]] = {
    "string": _as_it_is,
    "markdown": _as_it_is,
    "base64Binary": _as_it_is,
    "boolean": _boolean,
    "decimal": _number,
    "integer": _signed,
    "positiveInt": _signed,
    "unsignedInt": _number,
}
"""Primitive type -> how its text is read, where it isn't only trimmed."""

R4: Final = Dialect("R4", TYPE_NUMBER, _r4)
