"""What R4 (4.0.1) consists of: types, search parameters, compartments, small value sets. https://hl7.org/fhir/R4/

Read from `r4.json.gz`, which `scripts/compile_definitions.py` makes of HL7's core package. Unpacking takes a few
milliseconds; each part is decoded when it is first asked for and kept.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec


class Element(msgspec.Struct, frozen=True, omit_defaults=True):
    """One element of a type. https://hl7.org/fhir/R4/elementdefinition.html

    `name` is without `[x]`; with `choice` the JSON property is name + capitalised type. `max` is "0", "1", a number
    or "*". A backbone element has the type BackboneElement or Element, and its own elements stand under its path.
    `ref`: no types of its own, but the elements found at that path of the same type (contentReference).
    `targets`: resource types that a Reference or canonical may point to. `profiles`: type -> the constrained
    type that is meant (Quantity -> SimpleQuantity). `binding`: value set of a required binding, without version;
    `extensible`, `preferred`: of a weaker one, and `most`: the value set that such a one must stay within.
    `summary`: part of the summary form (`_summary=true`, https://hl7.org/fhir/R4/search.html#summary).
    """

    name: str
    types: tuple[str, ...] = ()
    choice: bool = False
    min: int = 0
    max: str = "1"
    ref: str | None = None
    targets: tuple[str, ...] = ()
    profiles: dict[str, str] = {}
    binding: str | None = None
    summary: bool = False
    extensible: str | None = None
    preferred: str | None = None
    most: str | None = None

    @property
    def many(self) -> bool:
        """True when JSON writes this element as an array."""
        return self.max not in ("0", "1")


class Invariant(msgspec.Struct, frozen=True):
    """A constraint of a type or an element. https://hl7.org/fhir/R4/conformance-rules.html#constraints

    `severity`: error or warning. `human`: HL7's words. `expression`: FHIRPath that must not be false.
    """

    key: str
    expression: str
    human: str
    severity: str = "error"


class Extension(msgspec.Struct, frozen=True):
    """One of R4's own extensions. https://hl7.org/fhir/R4/extensibility-registry.html

    `context`: the elements that it may stand on. `types`: those of its value; none when it consists of extensions.
    """

    context: tuple[str, ...]
    types: tuple[str, ...] = ()
    modifier: bool = False


class Type(msgspec.Struct, frozen=True):
    """One type: a resource, a complex type or a primitive type (`regex` is that of its value).

    `elements`: path -> elements in the order of the snapshot, inherited ones included; "" is the type itself,
    "contact" or "component.referenceRange" are backbone elements. `invariants`: path -> those of the type ("") or of an
    element, without ele-1 and ext-1, which hold for all.
    """

    kind: str
    elements: dict[str, tuple[Element, ...]]
    abstract: bool = False
    base: str | None = None
    regex: str | None = None
    invariants: dict[str, tuple[Invariant, ...]] = {}


class Component(msgspec.Struct, frozen=True):
    """One part of a composite search parameter: the url of a parameter, and where it applies below the composite."""

    definition: str
    expression: str


class SearchParameter(msgspec.Struct, frozen=True, rename={"multiple_or": "multipleOr", "multiple_and": "multipleAnd"}):
    """One SearchParameter of the core package. https://hl7.org/fhir/R4/searchparameter.html

    `expression` is None for the few that are defined in words (`_content`, `_text`, `_filter`, ...). `base` is empty
    for ten extension parameters that HL7 left unbound. `usage`: normal, phonetic, nearby, distance or other.
    """

    url: str
    code: str
    type: str
    base: tuple[str, ...] = ()
    expression: str | None = None
    target: tuple[str, ...] = ()
    component: tuple[Component, ...] = ()
    comparator: tuple[str, ...] = ()
    modifier: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    multiple_or: bool = True
    multiple_and: bool = True
    usage: str = "normal"


class _Head(msgspec.Struct, frozen=True):
    kind: str
    abstract: bool = False


class _File(msgspec.Struct, frozen=True, rename={"version": "fhirVersion"}):
    version: str
    types: dict[str, msgspec.Raw]
    extensions: msgspec.Raw
    search_parameters: msgspec.Raw
    compartments: msgspec.Raw
    value_sets: dict[str, msgspec.Raw]
    value_sets_open: dict[str, str]


@cache
def _file() -> _File:
    data = gzip.decompress(files("hilum.fhir").joinpath("r4.json.gz").read_bytes())
    return msgspec.json.decode(data, type=_File)


FHIR_VERSION: Final = "4.0.1"


@cache
def names() -> tuple[str, ...]:
    """The names of all types, abstract ones included, sorted."""
    return tuple(_file().types)


@cache
def type_(name: str) -> Type:
    """One type. KeyError when R4 has none of that name."""
    return msgspec.json.decode(_file().types[name], type=Type)


def elements(name: str, path: str = "") -> tuple[Element, ...]:
    """The elements of a type, or of the backbone element at `path` in it. KeyError when there is no such place."""
    return type_(name).elements[path]


@cache
def extensions() -> dict[str, Extension]:
    """Url -> R4's own extension."""
    return msgspec.json.decode(_file().extensions, type=dict[str, Extension])


@cache
def search_parameters() -> tuple[SearchParameter, ...]:
    """All search parameters of the core package, sorted by url."""
    return msgspec.json.decode(_file().search_parameters, type=tuple[SearchParameter, ...])


@cache
def compartments() -> dict[str, dict[str, tuple[str, ...]]]:
    """Compartment type -> resource type -> codes of the search parameters that put a resource in it.

    A resource type without parameters is never in that compartment and is not listed. The pseudo-code `{def}`
    stands for the compartment's own resource (Encounter, Practitioner and RelatedPerson list it; Patient and Device
    don't, though https://hl7.org/fhir/R4/compartmentdefinition.html says that they belong to their own as well).
    """
    return msgspec.json.decode(_file().compartments, type=dict[str, dict[str, tuple[str, ...]]])


@cache
def value_set(url: str) -> dict[str, frozenset[str]] | None:
    """System -> codes of a value set (url without version) of a required binding.

    None when it can't be listed from the core package alone (currencies, MIME types, UCUM).
    """
    raw = _file().value_sets.get(url)
    return None if raw is None else msgspec.json.decode(raw, type=dict[str, frozenset[str]])


def system_of(url: str) -> str | None:
    """The one code system of a value set (url without version) of a required binding; None when there are several."""
    systems = value_set(url)
    if systems is None:
        return _UNLISTED.get(url)
    return next(iter(systems)) if len(systems) == 1 else None


_UNLISTED: Final = {
    "http://hl7.org/fhir/ValueSet/currencies": "urn:iso:std:iso:4217",
    "http://hl7.org/fhir/ValueSet/mimetypes": "urn:ietf:bcp:13",
    "http://hl7.org/fhir/ValueSet/ucum-units": "http://unitsofmeasure.org",
}
"""The code systems, of the value sets that can't be listed, on which each of them draws."""


def value_sets_open() -> dict[str, str]:
    """Value sets of required bindings that are not listed: url -> why."""
    return _file().value_sets_open


def _concrete() -> tuple[str, ...]:
    decoder = msgspec.json.Decoder(_Head)
    found = {name: decoder.decode(raw) for name, raw in _file().types.items()}
    return tuple(sorted(name for name, type_ in found.items() if type_.kind == "resource" and not type_.abstract))


TYPES: Final[tuple[str, ...]] = _concrete()
"""The 146 concrete resource types, sorted."""

TYPE_NUMBER: Final[dict[str, int]] = {name: number for number, name in enumerate(TYPES, 1)}
"""Resource type -> its number, 1 to 146 by sorted name. Databases hold these numbers; R4 is frozen and so are they."""
