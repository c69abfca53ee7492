"""Required bindings: which codes and concepts pass."""

from typing import Any

import pytest
from tests.errors import errors

from hilum.fhir import definitions
from hilum.problems import Issue

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
URL = "http://hl7.org/fhir/ValueSet/condition-clinical"


def condition(status: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Condition", "subject": {"reference": "Patient/1"}, "clinicalStatus": status}


def test_required_bindings_are_on_codes_and_concepts_only() -> None:
    bound = {
        element.types
        for name in definitions.names()
        for elements in definitions.type_(name).elements.values()
        for element in elements
        if element.binding
    }
    assert bound == {("code",), ("CodeableConcept",)}


@pytest.mark.parametrize(
    "status",
    [
        {"coding": [{"system": CLINICAL, "code": "active"}]},
        {"coding": [{"system": "http://example.org", "code": "x"}, {"system": CLINICAL, "code": "active"}]},
        {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]},
    ],
)
def test_a_concept_with_one_coding_of_the_value_set_passes(status: dict[str, Any]) -> None:
    assert errors(condition(status)) == []


@pytest.mark.parametrize(
    "status",
    [
        {"text": "active"},
        {"coding": [{"code": "active"}]},
        {"coding": [{"system": "http://example.org", "code": "active"}]},
        {"coding": [{"system": CLINICAL, "code": "Active"}]},
        {"coding": [{"system": CLINICAL}]},
    ],
)
def test_a_concept_without_such_a_coding_is_found(status: dict[str, Any]) -> None:
    path = "Condition.clinicalStatus"
    codes = "active, inactive, recurrence, relapse, remission, resolved"
    text = f"must have a coding that is one of {codes} ({URL}), with its system"
    assert errors(condition(status)) == [Issue("error", "code-invalid", f"{path} {text}", path)]


def test_a_fault_inside_the_concept_is_reported_there() -> None:
    found = errors(condition({"coding": [{"system": 1, "code": "active"}]}))
    assert [i.expression for i in found] == ["Condition.clinicalStatus.coding[0].system"]


def test_codes_of_value_sets_that_can_not_be_listed_pass_by_their_format() -> None:
    attachment = {"contentType": "application/x-anything; charset=utf-8", "url": "http://example.org"}
    body = {"resourceType": "Patient", "photo": [attachment]}
    assert errors(body) == []
    attachment["contentType"] = " text/plain"
    assert [i.expression for i in errors(body)] == ["Patient.photo[0].contentType"]


def test_large_value_sets_are_named_and_not_spelled_out() -> None:
    body = {
        "resourceType": "CompartmentDefinition",
        "url": "http://example.org",
        "name": "X",
        "status": "draft",
        "code": "Patient",
        "search": True,
        "resource": [{"code": "Foo"}],
    }
    path, url = "CompartmentDefinition.resource[0].code", "http://hl7.org/fhir/ValueSet/resource-types"
    assert errors(body) == [Issue("error", "code-invalid", f"{path} must be a code of {url}", path)]
