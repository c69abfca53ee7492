"""Conditions on elements: what validation asks. https://hl7.org/fhir/R4/conformance-rules.html#constraints"""

from __future__ import annotations

from typing import Any

from hilum.fhirpath import condition

OBSERVATION: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def test_a_condition_on_a_resource_or_an_element_holds_or_not_or_is_empty() -> None:
    obs_6 = condition("dataAbsentReason.empty() or value.empty()", "Observation")
    assert obs_6(OBSERVATION, resource=OBSERVATION) is True
    both = OBSERVATION | {"valueInteger": 1, "dataAbsentReason": {"text": "y"}}
    assert obs_6(both, resource=both) is False
    contact = {"gender": "female"}
    patient = {"resourceType": "Patient", "contact": [contact]}
    assert condition("name.exists() or telecom.exists()", "Patient", "contact")(contact, resource=patient) is False
    assert condition("name.family = 'x'", "Patient", "contact")(contact, resource=patient) is None


def test_the_extensions_of_a_primitive_are_given_beside_its_value() -> None:
    dated = condition("extension.exists()", "date")
    patient = {"resourceType": "Patient"}
    assert dated("1974", extra={"extension": [{"url": "x"}]}, resource=patient) is True
    assert dated("1974", resource=patient) is False


def test_a_condition_on_any_resource_is_about_what_it_is() -> None:
    dom_2 = condition("contained.contained.empty() and ofType(Observation).code.exists()", "DomainResource")
    assert dom_2(OBSERVATION, resource=OBSERVATION) is True
