"""The official FHIRPath Patch and JSON Patch cases. https://github.com/FHIR/fhir-test-cases (r5/patch)

XML Patch is not supported: hilum reads no XML yet.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from tests.conformance import fhir_xml
from tests.shared_data import DATA, needs_data

from hilum.fhir import json
from hilum.fhirpath import Work
from hilum.interactions.fhirpath_patch import parse_fhirpath_patch
from hilum.interactions.json_patch import parse_json_patch
from hilum.problems import Problem

FOLDER = DATA / "fhir-patch"
Body = dict[str, Any]


def applied(patch: Any, body: Body) -> Any:
    """What the operations make of a body, whatever it is (the cases have no ids)."""
    before = deepcopy(body)
    out = deepcopy(body)
    for operation in patch.operations:
        out = operation(out, Work())
    assert body == before
    return out


# --- FHIRPath Patch ---------------------------------------------------------------------------------------------------


def fhirpath_cases() -> list[Any]:
    if not FOLDER.is_dir():
        return []
    cases = Xml.parse(FOLDER / "fhir-patch-tests.xml").getroot()
    return [pytest.param(case, id=str(case.get("name"))) for case in cases.iter("case")]


def narrative_as_text(body: Body) -> Body:
    """The case that replaces a narrative gives it as a text with its own line breaks and entities; write it one way."""
    text = body.get("text")
    if not text:
        return body
    div = fhir_xml.xhtml(Xml.fromstring(text["div"]))
    return {**body, "text": {**text, "div": re.sub(r"\s+", " ", div)}}


@needs_data
def test_all_fhirpath_patch_cases_are_here() -> None:
    assert len(fhirpath_cases()) == 33


@needs_data
@pytest.mark.parametrize("case", fhirpath_cases())
def test_fhirpath_patch(case: Xml.Element) -> None:
    body = fhir_xml.resource(case.find("input")[0])  # type: ignore[index]
    diff = fhir_xml.resource(case.find("diff")[0])  # type: ignore[index]
    output = case.find("output")
    if output is None:
        with pytest.raises(Problem):
            applied(parse_fhirpath_patch(diff), body)
    else:
        found = applied(parse_fhirpath_patch(diff), body)
        assert narrative_as_text(found) == narrative_as_text(fhir_xml.resource(output[0]))


# --- JSON Patch -------------------------------------------------------------------------------------------------------


def json_cases() -> list[Any]:
    if not FOLDER.is_dir():
        return []
    text = (FOLDER / "json-patch-tests.json").read_bytes()
    cases = json.parse(b'{"cases":' + text + b"}")["cases"]
    return [pytest.param(case, id=case["comment"]) for case in cases]


@needs_data
def test_all_json_patch_cases_are_here() -> None:
    assert len(json_cases()) == 16


@needs_data
@pytest.mark.parametrize("case", json_cases())
def test_json_patch(case: Body) -> None:
    raw = json.encode(case["patch"])
    if "error" in case:
        with pytest.raises(Problem):
            applied(parse_json_patch(raw), case["doc"])
    else:
        assert applied(parse_json_patch(raw), case["doc"]) == case["expected"]
