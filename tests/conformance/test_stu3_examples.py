"""Official examples of R4 as FHIR 3.0 and back: nothing is lost, and what comes out is FHIR 3.0 by its definitions.

The examples of the core package, US Core and IPS; by default every 5th, with HILUM_FULL=1 all.
"""

from __future__ import annotations

import os
import tarfile
from typing import Any

import pytest
from tests.shared_data import DATA, needs_data

from hilum.fhir import json, xml
from hilum.problems import Malformed
from hilum.versions import TYPES, Refused, down, up, xml_of_r3
from hilum.versions.schema import BACKBONE, Place, is_primitive, r3

FULL = os.environ.get("HILUM_FULL") == "1"
PACKAGES = ("hl7.fhir.r4.core", "hl7.fhir.us.core-3.1.1", "hl7.fhir.us.core-7.0.0", "hl7.fhir.uv.ips-2.0.0")
LEFT_OUT = ("DeviceUseStatement can't be converted",)
"""Why examples are refused: Bundles that hold types which are not converted."""


def faults(body: dict[str, Any], place: Place, path: str) -> list[str]:
    """What is missing, or is once where it should be a list, by the definitions of 3.0."""
    found = []
    for element in r3().elements(place).values():
        held = [(one, body.get(element.property(one))) for one in element.types]
        extra = any(f"_{element.property(one)}" in body for one in element.types)
        if element.required and not extra and all(value is None for _, value in held) and BACKBONE not in element.types:
            found.append(f"{path}.{element.name} is missing")
        for type_, value in held:
            if value is None or is_primitive(type_):
                continue
            if isinstance(value, list) is not element.many:
                found.append(f"{path}.{element.name} has not its cardinality")
            for one in value if isinstance(value, list) else [value]:
                inner = element.places[element.types.index(type_)]
                if type_ == "Resource":
                    found += faults(one, (one["resourceType"], ""), f"{path}.{element.name}")
                elif inner is not None:
                    found += faults(one, inner, f"{path}.{element.name}")
    return found


@needs_data
@pytest.mark.parametrize("package", PACKAGES)
def test_official_examples_come_back_from_3(package: str) -> None:
    seen = refused = 0
    with tarfile.open(DATA / "igs" / f"{package}.tgz") as archive:
        for number, member in enumerate(archive):
            name = member.name.rpartition("/")[2]
            type_ = name.partition("-")[0]
            few = type_ not in ("ValueSet", "CodeSystem", "CapabilityStatement") or number % 40 == 0
            if not name.endswith(".json") or type_ not in TYPES or not few or (number % 5 and not FULL):
                continue
            file = archive.extractfile(member)
            assert file is not None
            try:
                body = json.parse(file.read())
            except Malformed:
                continue
            seen += 1
            try:
                old = down(body)
            except Refused as problem:
                assert problem.text.startswith(LEFT_OUT), (name, problem.path, problem.text)
                refused += 1
                continue
            assert up(old) == body, name
            assert faults(old, (old["resourceType"], ""), old["resourceType"]) == [], name
            assert xml.parse(xml.encode(old, xml_of_r3()), None, xml_of_r3()) == old, name
    assert seen > 2 * refused


OLD_CASES = {
    "discriminator-type-example-value-bad.xml": "Observation",
    "valueset-slicing-meds-bad.xml": "Medication",
}


@needs_data
@pytest.mark.parametrize("name", OLD_CASES)
def test_resources_of_3_that_others_wrote_come_back_from_4(name: str) -> None:
    old = xml.parse((DATA / "validator" / name).read_bytes(), None, xml_of_r3())
    assert old["resourceType"] == OLD_CASES[name]
    assert down(up(old)) == old
