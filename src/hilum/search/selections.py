"""From what a search parameter selects to what can be written down as a row. https://hl7.org/fhir/R4/search.html#table

A CodeableConcept is its codings, a HumanName its parts: each `Leaf` is a path that ends in one value and the form in
which `rows_of` (generate.py) writes that value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hilum.fhir import definitions
from hilum.fhirpath.paths import Field, Path
from hilum.fhirpath.types import Type
from hilum.search.parameters import INDEXED

PARTS: dict[tuple[str, str], tuple[str, ...]] = {
    ("token", "CodeableConcept"): ("coding",),
    ("token", "ContactPoint"): ("value",),
    ("token", "Extension"): ("value",),
    ("string", "HumanName"): ("text", "family", "given", "prefix", "suffix"),
    ("string", "Address"): ("text", "line", "city", "district", "state", "postalCode", "country"),
    ("string", "Extension"): ("value",),
    ("reference", "Reference"): ("reference",),
    ("reference", "Extension"): ("value",),
}
"""(parameter type, FHIR type) -> the elements of which it consists for that search."""

FORMS: dict[tuple[str, str], str] = {
    ("token", "Coding"): "coding",
    ("token", "Identifier"): "identifier",
    ("token", "boolean"): "boolean",
    ("token", "code"): "code",
    ("token", "string"): "caseless",
    **{("token", t): "text" for t in ("id", "uri", "url", "canonical", "oid", "uuid")},
    **{("string", t): "string" for t in ("string", "markdown")},
    **{("date", t): "date" for t in ("date", "dateTime", "instant")},
    ("date", "Period"): "period",
    ("date", "Timing"): "timing",
    **{("uri", t): "uri" for t in ("uri", "url", "canonical", "oid", "uuid")},
    **{("reference", t): "uri" for t in ("canonical", "uri")},
}
"""(parameter type, FHIR type) -> form."""


class Leaf(NamedTuple):
    """A path to one value, the form of its row, and for a `code` the system that its required binding implies."""

    path: Path
    form: str
    system: str | None = None


def leaves(kind: str, path: Path) -> Iterator[Leaf]:
    """What a parameter of type `kind` stores of the values at the end of a path."""
    name = path.type.name
    if parts := PARTS.get((kind, name)):
        for part in parts:
            for below in path.into(part):
                yield from _part(kind, name, part, below)
    elif form := FORMS.get((kind, name)):
        if form == "string" and _is_family(path):
            form = "family"
        yield Leaf(path, form, _system(path) if form == "code" else None)


def _part(kind: str, name: str, part: str, below: Path) -> Iterator[Leaf]:
    if name == "Reference":
        yield Leaf(below, "reference")
    elif name == "ContactPoint":
        yield Leaf(below, "text")
    elif name == "Extension":
        # The expression selects the extension; what is meant is its value.
        if below.type.name in INDEXED[kind] - {"Extension", "HumanName", "Address"}:
            yield from leaves(kind, below)
    else:
        yield from leaves(kind, below)


def _fields(path: Path) -> list[Field]:
    return [step for step in path.steps if isinstance(step, Field)]


def _is_family(path: Path) -> bool:
    match _fields(path):
        case [*_, Field(type=Type(name="HumanName")), Field(key="family")]:
            return True
    return False


def _system(path: Path) -> str | None:
    """The one code system of the required binding of a `code`, or None."""
    binding = _fields(path)[-1].binding
    systems = definitions.value_set(binding) if binding else None
    return next(iter(systems)) if systems and len(systems) == 1 else None
