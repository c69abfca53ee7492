"""Paths of FHIRPath Patch may be any FHIRPath that selects elements. https://hl7.org/fhir/R4/fhirpatch.html"""

from __future__ import annotations

from typing import Any

import pytest

from hilum.fhir import json
from hilum.interactions.fhirpath_patch import parse_fhirpath_patch
from hilum.problems import Invalid, Malformed

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "name": [
        {"family": "Old", "period": {"start": "2001-01-01", "end": "2010"}},
        {"family": "New", "period": {"start": "2011-02"}},
    ],
}


def without(path: str) -> dict[str, Any]:
    """The patient after what the path selects was deleted."""
    parts = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": path}]
    patch = parse_fhirpath_patch({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]})
    return patch.applied(json.encode(PATIENT))


@pytest.mark.parametrize(
    "path",
    [
        "Patient.name.where(period.end < @2011)",
        "Patient.name.where(period.start + 1 year < @2005-01-01)",
        "Patient.name.where(family.lower().matches('^ol'))",
        "Patient.name.sort(period.start).first()",
        "Patient.name.where($index = 1 - 1)",
        "iif(Patient.name.count() > 1, Patient.name.exclude(%context.name.last()), {})",
        "Patient.descendants().where($this is HumanName).first()",
    ],
)
def test_a_path_that_compares_and_computes_selects_elements(path: str) -> None:
    assert [name["family"] for name in without(path)["name"]] == ["New"]


@pytest.mark.parametrize("path", ["Patient.name.count()", "Patient.name.first().family & 'x'", "1 + 1"])
def test_a_path_that_computes_values_selects_nothing_to_change(path: str) -> None:
    with pytest.raises(Invalid, match="must select elements, not compute values"):
        without(path)


def test_a_path_that_is_no_fhirpath_is_told_with_its_operation() -> None:
    with pytest.raises(Malformed) as refused:
        without("Patient.name.((")
    assert refused.value.issues[0].expression == "Parameters.parameter[0]"
