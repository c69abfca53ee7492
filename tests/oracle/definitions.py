"""What the oracle knows of R4, read straight from the published package: elements, search parameters, compartments.

https://hl7.org/fhir/R4/downloads.html (hl7.fhir.r4.core). Nothing here comes from hilum.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

VARIABLE = "HILUM_R4_CORE"
PACKAGE = Path(__file__).resolve().parents[3] / "shared" / "data" / "igs" / "hl7.fhir.r4.core.tgz"


class Element(NamedTuple):
    """One element of a type: FHIR type codes, the path where its own children are described, its required binding."""

    name: str
    choice: bool
    types: tuple[str, ...]
    home: tuple[str, str] | None
    """(type, path) of the children where they are described with the parent (BackboneElement), else None."""
    value_set: str | None
    targets: tuple[str, ...]
    many: bool = False


class Component(NamedTuple):
    """One part of a composite parameter."""

    code: str
    type: str
    expression: str


@dataclass(frozen=True)
class SearchParameter:
    """A published search parameter."""

    code: str
    base: tuple[str, ...]
    type: str
    expression: str
    targets: tuple[str, ...]
    components: tuple[Component, ...] = ()


_FHIRPATH_STRING = "http://hl7.org/fhirpath/System."
_INSIDE = frozenset(("BackboneElement", "Element"))


@dataclass
class Definitions:
    """The package, unpacked: file name -> bytes; parsed when asked for."""

    files: dict[str, bytes]
    _elements: dict[str, dict[str, dict[str, Element]]] = field(default_factory=dict)
    _systems: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def _json(self, name: str) -> Any:
        return json.loads(self.files[name])

    @cached_property
    def resource_types(self) -> tuple[str, ...]:
        """All concrete resource types, in alphabetical order."""
        found = []
        for name in self.files:
            if name.startswith("StructureDefinition-") and b'"kind":"resource"' in self.files[name][:100_000]:
                definition = self._json(name)
                if definition.get("derivation") == "specialization" and not definition["abstract"]:
                    found.append(definition["type"])
        return tuple(sorted(found))

    def elements(self, type: str) -> dict[str, dict[str, Element]]:
        """Path in the type ("" at its root) -> element name (without [x]) -> element."""
        if type not in self._elements:
            found: dict[str, dict[str, Element]] = {}
            name = f"StructureDefinition-{type}.json"
            for element in self._json(name)["snapshot"]["element"] if name in self.files else ():
                path = element["path"].partition(".")[2]
                if not path:
                    continue
                parent, _, last = path.rpartition(".")
                found.setdefault(parent, {})[last.removesuffix("[x]")] = self._element(type, path, last, element)
            self._elements[type] = found
        return self._elements[type]

    def _element(self, type: str, path: str, last: str, element: dict[str, Any]) -> Element:
        codes, home = [], None
        if reference := element.get("contentReference"):
            base, _, rest = reference.removeprefix("#").partition(".")
            home = (base, rest)
        targets: list[str] = []
        for one in element.get("type", ()):
            code = one["code"]
            if code.startswith(_FHIRPATH_STRING):
                code = "id" if last == "id" else "string"
            if code in _INSIDE:
                home = (type, path)
            codes.append(code)
            targets += [url.rpartition("/")[2] for url in one.get("targetProfile", ())]
        binding = element.get("binding", {})
        value_set = binding.get("valueSet", "").partition("|")[0] if binding.get("strength") == "required" else None
        many = element.get("base", {}).get("max", element["max"]) != "1"
        name, choice = last.removesuffix("[x]"), last.endswith("[x]")
        return Element(name, choice, tuple(codes), home, value_set, tuple(targets), many)

    @cached_property
    def _value_sets(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self.files:
            if name.startswith("ValueSet-"):
                value_set = self._json(name)
                found.setdefault(value_set["url"], value_set)
        return found

    def only_system(self, value_set: str) -> str | None:
        """The one code system that a value set draws on, or None: what a `code` bound to it implies."""
        systems = self._drawn_on(value_set)
        return next(iter(systems)) if systems is not None and len(systems) == 1 else None

    def _drawn_on(self, url: str) -> frozenset[str] | None:
        if url not in self._systems:
            self._systems[url] = None  # also what a circle comes to
            found: set[str] = set()
            value_set = self._value_sets.get(url, {})
            for include in value_set.get("compose", {}).get("include", ()):
                if "system" in include:
                    found.add(include["system"])
                for other in include.get("valueSet", ()):
                    found |= self._drawn_on(other.partition("|")[0]) or {"?", "??"}
            self._systems[url] = frozenset(found) or None
        return self._systems[url]

    @cached_property
    def search_parameters(self) -> dict[str, dict[str, SearchParameter]]:
        """Base -> code -> parameter."""
        by_url, published = {}, []
        for name in sorted(self.files):
            if name.startswith("SearchParameter-") and not name.startswith("SearchParameter-example"):
                definition = self._json(name)
                by_url[definition["url"]] = definition
                if definition.get("base"):
                    published.append(definition)
        found: dict[str, dict[str, SearchParameter]] = {}
        for definition in published:
            if definition.get("xpathUsage", "normal") == "phonetic":
                continue
            components = tuple(
                Component(
                    by_url[c["definition"]]["code"],
                    by_url[c["definition"]]["type"],
                    MISPRINTS.get((definition["id"], c["definition"].rpartition("/")[2]), c["expression"]),
                )
                for c in definition.get("component", ())
                if c["definition"] in by_url
            )
            one = SearchParameter(
                definition["code"],
                tuple(definition["base"]),
                definition["type"],
                definition.get("expression", ""),
                tuple(definition.get("target", ())),
                components,
            )
            for base in one.base:
                found.setdefault(base, {})[one.code] = one
        return found

    def parameter(self, type: str, code: str) -> SearchParameter | None:
        """The parameter as it applies to a resource type."""
        for base in (type, "DomainResource", "Resource"):
            if found := self.search_parameters.get(base, {}).get(code):
                return found
        return None

    def parameters(self, type: str) -> Iterator[SearchParameter]:
        """Every parameter of a resource type that has an expression."""
        for base in (type, "DomainResource", "Resource"):
            for found in self.search_parameters.get(base, {}).values():
                if found.expression:
                    yield found

    @cached_property
    def compartments(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Compartment type -> resource type -> codes of the parameters that put it there."""
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for name in self.files:
            if name.startswith("CompartmentDefinition-") and "example" not in name:
                definition = self._json(name)
                found[definition["code"]] = {
                    one["code"]: tuple(one["param"]) for one in definition["resource"] if one.get("param")
                }
        return found


MISPRINTS = {
    ("DocumentReference-relationship", "DocumentReference-relatesto"): "target",
    ("DocumentReference-relationship", "DocumentReference-relation"): "code",
}
"""(composite, component) -> expression, where R4 4.0.1 has them the wrong way round: relatesto is the reference."""

_WANTED = ("StructureDefinition-", "SearchParameter-", "CompartmentDefinition-", "ValueSet-")


def read(path: str | Path) -> Definitions:
    """The definitions of a package in npm layout (.tgz)."""
    files = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            if name.startswith(_WANTED) and member.name.count("/") == 1 and (stream := archive.extractfile(member)):
                files[name] = stream.read()
    return Definitions(files)


def package() -> Path:
    """Where the package lies: as the environment says, else among the shared data beside the project."""
    return Path(os.environ.get(VARIABLE, PACKAGE))


@lru_cache(maxsize=1)
def r4() -> Definitions:
    """The definitions of R4."""
    return read(package())
