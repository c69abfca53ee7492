"""What FHIR 4.0 and FHIR 3.0 consist of, seen alike: a place has elements, an element leads to a place.

4.0 is `hilum.fhir.definitions`; 3.0 (3.0.2) is read from `stu3.json.gz`, which `scripts/compile_stu3.py` makes. A place
is a type and a path in 4.0, as `("Encounter", "diagnosis")`, and a class in 3.0, as `("EncounterDiagnosis", "")`.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

from hilum.fhir import definitions
from hilum.fhir.xml.tables import Dialect, Known

Place = tuple[str, str]


class Element(NamedTuple):
    """One element of a place. `types` and the places they lead to (None for primitives and resources) stand in line."""

    name: str
    types: tuple[str, ...]
    places: tuple[Place | None, ...]
    choice: bool = False
    many: bool = False
    required: bool = False

    def property(self, type_: str) -> str:
        """The JSON property of a value of that type."""
        return self.name + type_[:1].upper() + type_[1:] if self.choice else self.name


class Schema(NamedTuple):
    """One version: `elements` of a place by name, the resource `types`, and what a place is called, as
    `Questionnaire.item`, wherever below itself it may be again.
    """

    version: str
    elements: Callable[[Place], dict[str, Element]]
    types: frozenset[str]
    label: Callable[[Place], str]

    @property
    def url(self) -> str:
        """How extensions begin that stand for elements of this version. https://hl7.org/fhir/R4/versions.html#extensions"""
        return f"http://hl7.org/fhir/{self.version}/StructureDefinition/extension-"


def is_primitive(type_: str) -> bool:
    """True of types that JSON writes as one value."""
    return type_[:1].islower()


BACKBONE: Final = "BackboneElement"
"""The type of every element that has elements of its own and no datatype, in both versions."""


@cache
def _r4(place: Place) -> dict[str, Element]:
    type_, path = place
    found = {}
    for element in definitions.elements(type_, path):
        if element.max == "0":
            continue
        types, places = [], []
        for name in element.types or ("",):
            kind, leads = _leads(type_, path, element, name)
            types.append(kind)
            places.append(leads)
        found[element.name] = Element(
            element.name, tuple(types), tuple(places), element.choice, element.many, element.min > 0
        )
    return found


def _leads(type_: str, path: str, element: definitions.Element, name: str) -> tuple[str, Place | None]:
    below = f"{path}.{element.name}".lstrip(".")
    if not name:
        return BACKBONE, (type_, element.ref or "")
    if name in ("BackboneElement", "Element") and below in definitions.type_(type_).elements:
        return BACKBONE, (type_, below)
    return name, None if is_primitive(name) or name == "Resource" else (name, "")


class _Element(msgspec.Struct):
    name: str
    types: tuple[str, ...]
    choice: bool = False
    max: str = "1"
    min: int = 0


class _File(msgspec.Struct):
    version: str
    resources: tuple[str, ...]
    types: dict[str, tuple[_Element, ...]]


@cache
def _file() -> _File:
    data = gzip.decompress(files("hilum.versions").joinpath("stu3.json.gz").read_bytes())
    return msgspec.json.decode(data, type=_File)


@cache
def _r3(place: Place) -> dict[str, Element]:
    found = {}
    for element in _file().types[place[0]]:
        types, places = [], []
        for name in element.types:
            is_own = name in _file().types and name not in definitions.names()
            types.append(BACKBONE if is_own else name)
            places.append(None if is_primitive(name) or name == "Resource" else (name, ""))
        found[element.name] = Element(
            element.name, tuple(types), tuple(places), element.choice, element.max == "*", element.min > 0
        )
    return found


def _concrete() -> frozenset[str]:
    return frozenset(_file().resources)


@cache
def _labels() -> dict[str, str]:
    """Class of 3.0 -> what it is called: `EncounterDiagnosis` -> `Encounter.diagnosis`."""
    found = {name: name for name in _file().types if name in definitions.names()}
    waiting = list(found)
    for name in waiting:
        for element in _r3((name, "")).values():
            for place in element.places:
                if place is not None and place[0] not in found:
                    found[place[0]] = f"{found[name]}.{element.name}"
                    waiting.append(place[0])
    return found


@cache
def r3() -> Schema:
    """FHIR 3.0."""
    return Schema("3.0", _r3, _concrete(), lambda place: _labels()[place[0]])


R4: Final = Schema("4.0", _r4, frozenset(definitions.TYPES), lambda place: ".".join(filter(None, place)))


def _written(type_: str, path: str) -> Iterable[Known]:
    for element in _r3((type_, path)).values():
        leads = {
            kind: place
            for kind, place in zip(element.types, element.places, strict=True)
            if kind == BACKBONE and place is not None
        }
        yield Known(element.name, element.types, element.choice, element.many, leads)


@cache
def xml_of_r3() -> Dialect:
    """The XML of FHIR 3.0."""
    return Dialect("STU3", _concrete(), _written)


Body = dict[str, Any]
