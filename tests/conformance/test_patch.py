"""The official FHIRPath Patch, JSON Patch and XML Patch cases. https://github.com/FHIR/fhir-test-cases (r5/patch)"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from tests.conformance import fhir_xml
from tests.shared_data import DATA, needs_data

from hilum.fhir import json
from hilum.fhir.xml import tree
from hilum.fhirpath import Work
from hilum.interactions.fhirpath_patch import parse_fhirpath_patch
from hilum.interactions.json_patch import parse_json_patch
from hilum.interactions.xml_patch import operations
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


# --- XML Patch --------------------------------------------------------------------------------------------------------


def xml_cases() -> list[Any]:
    if not FOLDER.is_dir():
        return []
    cases = tree.parse((FOLDER / "xml-patch-tests.xml").read_bytes())
    return [pytest.param(case, id=case.attributes["", "name"]) for case in cases.elements()]


def child(case: tree.Element, name: str) -> tree.Element | None:
    return next((one for one in case.elements() if one.name[1] == name), None)


def shape(element: tree.Element) -> Any:
    """An element without the white space between elements; a namespace is declared where it is used."""
    inner: list[Any] = []
    for node in element.children:
        if isinstance(node, tree.Element):
            inner.append(shape(node))
        elif node.strip():
            inner.append((type(node), node.strip()))
    return element.name, element.attributes, inner


@needs_data
def test_all_xml_patch_cases_are_here() -> None:
    assert len(xml_cases()) == XML_CASES


XML_CASES = 29
"""Of the 33 in the file four are commented out there: A.8, A.10, A.14 and A.16 change namespace declarations and
processing instructions, neither of which is content of a resource."""


@needs_data
@pytest.mark.parametrize("case", xml_cases())
def test_xml_patch(case: tree.Element) -> None:
    target, patch, patched = child(case, "target"), child(case, "patch"), child(case, "patched")
    assert target is not None
    assert patch is not None
    if patched is None:
        with pytest.raises(Problem):
            outcome_of(target, patch)
    else:
        assert shape(outcome_of(target, patch)) == shape(next(patched.elements()))


def outcome_of(target: tree.Element, patch: tree.Element) -> tree.Element:
    root = next(target.elements(), None)
    assert operations(patch)
    if root is None:
        root = tree.Element(("", ""), None, {})
    root.parent = None
    for operation in operations(patch):
        root = operation(root, Work())
    return root
