"""Validation takes time by the length of a body, never by its square: bounds are generous, squares take far longer."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hilum.validation import validate
from hilum.validation.findings import MOST

Body = dict[str, Any]

MANY = 20_000


def bundle(type_: str, *resources: Body, **more: Any) -> Body:
    return {"resourceType": "Bundle", "type": type_, "entry": [{"resource": one} for one in resources], **more}


def patients(number: int, **more: Any) -> list[Body]:
    return [{"resourceType": "Patient", "id": f"p{index}", **more} for index in range(number)]


def references(prefix: str, number: int) -> list[Body]:
    return [{"reference": f"{prefix}p{index}"} for index in range(number)]


COMPOSITION = {
    "resourceType": "Composition",
    "status": "final",
    "type": {"text": "x"},
    "date": "2020",
    "author": [{"reference": "Patient/p0"}],
    "title": "x",
    "section": [{"title": "x", "entry": references("Patient/", MANY)}],
}
WHOLE = {"identifier": {"system": "urn:a", "value": "b"}, "timestamp": "2020-01-01T00:00:00Z"}
ENTRIES = [{"fullUrl": f"http://a/{one['id']}/Patient/{one['id']}", "resource": one} for one in patients(MANY)]
MEMBERS = [
    {"member": {"reference": f"Practitioner/{index}"}, "onBehalfOf": {"reference": "Organization/1"}}
    for index in range(MANY // 4)
]
PRACTITIONERS = [
    {"fullUrl": f"http://a/Practitioner/{index}", "resource": {"resourceType": "Practitioner"}}
    for index in range(MANY // 4)
]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(bundle("collection", *patients(MANY, active=True)), id="a warning each"),
        pytest.param(
            {
                "resourceType": "List",
                "status": "current",
                "mode": "working",
                "contained": patients(MANY // 2),
                "entry": [{"item": one} for one in references("#", MANY // 2)],
            },
            id="references to contained resources",
        ),
        pytest.param(
            {"resourceType": "Bundle", "type": "document", **WHOLE, "entry": [{"resource": COMPOSITION}, *ENTRIES]},
            id="references of a document",
        ),
        pytest.param(
            {
                "resourceType": "Bundle",
                "type": "collection",
                "entry": [*PRACTITIONERS, {"resource": {"resourceType": "CareTeam", "participant": MEMBERS}}],
            },
            id="references that an invariant follows",
        ),
        pytest.param(
            {
                "resourceType": "CareTeam",
                "contained": [
                    {"resourceType": "Organization", "id": "o", "name": "x"},
                    *({"resourceType": "Practitioner", "id": f"p{index}"} for index in range(MANY // 2)),
                ],
                "participant": [
                    {"member": one, "onBehalfOf": {"reference": "#o"}} for one in references("#", MANY // 2)
                ],
            },
            id="contained resources that an invariant follows",
        ),
        pytest.param(
            {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": "urn:a", "code": f"c{index}"} for index in range(MANY)]},
                "valueInteger": 1,
                "component": [
                    {"code": {"coding": [{"system": "urn:a", "code": f"d{index}"}]}} for index in range(MANY)
                ],
            },
            id="codes of components",
        ),
        pytest.param(
            {
                "resourceType": "StructureDefinition",
                "url": "urn:a",
                "name": "X",
                "status": "draft",
                "kind": "resource",
                "abstract": False,
                "type": "Patient",
                "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
                "derivation": "constraint",
                "differential": {
                    "element": [
                        {"id": f"Patient{index}", "path": f"Patient.x{index}" if index else "Patient"}
                        for index in range(MANY // 4)
                    ]
                },
            },
            id="paths of a definition",
        ),
        pytest.param(
            {"resourceType": "Patient"} | {f"a{index}": 1 for index in range(4 * MANY)}, id="unknown properties"
        ),
        pytest.param(
            {"resourceType": "Patient", "contained": [{"resourceType": "Patient", "id": "a"}] * 2 * MANY}, id="one id"
        ),
    ],
)
def test_what_there_are_many_of_is_looked_up_and_counted_once(body: Body) -> None:
    validate(bundle("collection", *patients(1)))
    begun = time.perf_counter()
    issues = validate(body)
    assert time.perf_counter() - begun < 3.5
    assert len(issues) <= MOST + 1
    assert not any(issue.code == "too-costly" for issue in issues)


def test_the_first_of_contained_resources_with_one_id_is_meant() -> None:
    both = [{"resourceType": "Organization", "id": "a", "name": "x"}, {"resourceType": "Patient", "id": "a"}]
    for contained, wrong in ((both, False), (both[::-1], True)):
        body = {"resourceType": "Patient", "contained": contained, "managingOrganization": {"reference": "#a"}}
        found = [one.expression for one in validate(body) if one.severity == "error"]
        assert ("Patient.managingOrganization" in found) == wrong


def test_a_reference_in_a_document_without_a_base_is_found_by_the_end_of_a_url_or_by_its_name() -> None:
    sought = [{"reference": f"Patient/{id}"} for id in ("ended", "named", "none")]
    composition = COMPOSITION | {"author": sought[:1], "section": [{"title": "x", "entry": sought}]}
    ended = {"fullUrl": "http://a/Patient/ended", "resource": {"resourceType": "Patient"}}
    body = bundle("document", composition, {"resourceType": "Patient", "id": "named"}, **WHOLE)
    body["entry"].append(ended)
    found = [one.expression for one in validate(body) if one.code == "not-found"]
    assert found == ["Bundle.entry[0].resource.section[0].entry[2]"]
