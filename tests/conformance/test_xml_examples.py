"""JSON to XML to JSON is the identity on official examples, and XML that others wrote is read as they meant it.

All of HL7's examples, and those of the core package, of US Core and IPS; by default every 9th, with HILUM_FULL=1 all
16,000. What is compared has its numbers as they were spelled: 1.10 is not 1.1.
"""

from __future__ import annotations

import gzip
import os
import re
import tarfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.test_examples_validate import examples as examples
from tests.shared_data import DATA, needs_data

from hilum.fhir import json, xml
from hilum.problems import Malformed

FULL = os.environ.get("HILUM_FULL") == "1"
PACKAGES = ("hl7.fhir.r4.core", "hl7.fhir.us.core-3.1.1", "hl7.fhir.us.core-7.0.0", "hl7.fhir.uv.ips-2.0.0")
BESIDE = DATA / "fhirpath-r4" / "input"


def spelled(value: Any) -> Any:
    """The value with the digits of its numbers: those are equal by value, however they are written."""
    if isinstance(value, dict):
        return {name: spelled(child) for name, child in value.items()}
    if isinstance(value, Decimal):
        return json.encode(value)
    return [spelled(one) for one in value] if isinstance(value, list) else value


def same(path: Path) -> int:
    """How many resources of a package came back as they were."""
    seen = 0
    with tarfile.open(path) as archive:
        for number, member in enumerate(archive):
            if not member.name.endswith(".json") or (number % 9 and not FULL):
                continue
            file = archive.extractfile(member)
            assert file is not None
            try:
                body = json.parse(file.read())
            except Malformed:  # an example with a property that is there twice
                continue
            if body.get("resourceType") is None:
                continue
            seen += 1
            assert spelled(xml.parse(xml.encode(body))) == spelled(body), member.name
    return seen


@needs_data
@pytest.mark.parametrize("package", PACKAGES)
def test_json_to_xml_to_json_is_the_identity(package: str) -> None:
    assert same(DATA / "igs" / f"{package}.tgz") > 10


def test_json_to_xml_to_json_is_the_identity_on_the_examples_of_hl7(examples: Path) -> None:
    assert same(examples) > (5000 if FULL else 500)


def test_the_spelling_of_numbers_is_compared() -> None:
    assert spelled(json.parse(b'{"a":[1.10]}')) != spelled(json.parse(b'{"a":[1.1]}'))


@needs_data
def test_synthetic_records_survive() -> None:
    for file in sorted((DATA / "synthea" / "smart-generated").glob("*.gz"))[: None if FULL else 2]:
        body = json.parse(gzip.decompress(file.read_bytes()))
        assert spelled(xml.parse(xml.encode(body))) == spelled(body)


def _without_narrative(value: Any) -> Any:
    """Others wrote a narrative's entities and spaces in their own ways."""
    if isinstance(value, dict):
        return {k: _without_narrative(v) for k, v in value.items() if k != "div"}
    return [_without_narrative(one) for one in value] if isinstance(value, list) else value


def both() -> list[Path]:
    return (
        [file for file in sorted(BESIDE.glob("*.xml")) if file.with_suffix(".json").exists()] if BESIDE.is_dir() else []
    )


@needs_data
@pytest.mark.parametrize("file", both(), ids=lambda file: file.stem)
def test_xml_that_others_wrote_is_their_json(file: Path) -> None:
    body, _ = xml.read(file.read_bytes())
    other = json.parse(file.with_suffix(".json").read_bytes())
    assert _without_narrative(body) == _without_narrative(other)


# --- HL7's validator cases that are about XML itself ------------------------------------------------------------------

VALIDATOR = DATA / "validator"
REFUSED = {
    "list-bad-syntax.xml": "mismatched tag",
    "list-xhtml-xxe1.xml": "DOCTYPE",
    "list-wrong-ns.xml": "must be in the namespace of FHIR",
    "japanese-utf8.xml": "not well-formed",
    "japanese-utf8-ok.xml": "not well-formed",
    "xml_v11.xml": "invalid character number",
}
"""Not readable at all. The last two HL7's reader takes: one holds a control character, one a reference to one, which
XML 1.1 has but neither XML 1.0 nor a string of FHIR."""
FOUND = {
    "list-unknown-element.xml": ["List.mode1"],
    "list-wrong-ns1.xml": ["List.id"],
    "list-wrong-ns2.xml": ["List.id"],
    "reference-bad-logical.xml": ["Observation.subject.type"],
    "xml-fail.xml": ["Bundle", "Bundle", "Bundle.entry[0].resource.connectionType.coding"],
}
SOUND = (
    "dr-xml-space.xml xml_UTF8_noheader_bom.xml xml_UTF8_header_nobom.xml primitive-good-ws.xml code-correct.xml "
    "base64-whitespace.xml org-home-2.xml patient-dupl-id-2.xml list-xhtml-empty.xml"
)


@needs_data
@pytest.mark.parametrize("name", REFUSED)
def test_cases_that_cannot_be_read(name: str) -> None:
    with pytest.raises(Malformed, match=re.escape(REFUSED[name])):
        xml.parse((VALIDATOR / name).read_bytes())


@needs_data
@pytest.mark.parametrize("name", FOUND)
def test_cases_with_faults_of_xml(name: str) -> None:
    _, issues = xml.read((VALIDATOR / name).read_bytes())
    assert [issue.expression for issue in issues][: len(FOUND[name])] == FOUND[name]


@needs_data
@pytest.mark.parametrize("name", SOUND.split())
def test_cases_whose_xml_is_sound(name: str) -> None:
    _, issues = xml.read((VALIDATOR / name).read_bytes())
    assert issues == []
