"""Launch context: what comes beside the access token.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.smart.ground import App, Ground, ids
from tests.conformance.smart.people import ADA, AUDITOR, KIM, PARENT
from tests.conformance.smart.visitor import Choices

CONTEXT = {
    "access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token",
}  # fmt: skip
"""What a token response has without a context."""


def context(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in CONTEXT}


def test_smart22_149_168_169_scopes_say_what_context_comes(both: Ground) -> None:
    app = both.app()
    chosen = Choices(patient="p1", encounter="e2")
    assert context(both.tokens(app, "user/*.rs", KIM, chosen)) == {}
    assert context(both.tokens(app, "launch/patient user/*.rs", KIM, chosen)) == {"patient": "p1"}
    two = {"patient": "p1", "encounter": "e2"}
    assert context(both.tokens(app, "launch/patient launch/encounter user/*.rs", KIM, chosen)) == two
    refused = Choices(patient="p1", untick=lambda value: value.startswith("patient/"))
    assert context(both.tokens(app, "patient/Observation.rs user/*.rs", KIM, refused)) == {}


def test_smart22_149_an_app_that_is_not_registered_for_a_context_gets_none(ground: Ground) -> None:
    """And its user is not asked to choose a record, or a visit, in vain."""
    app, visitor = ground.app("user/*.rs patient/Observation.rs"), ground.visitor(KIM)
    found = ground.tokens(app, "launch/patient launch/encounter patient/Patient.rs user/*.rs", visitor)
    assert (context(found), found["scope"]) == ({}, "user/*.rs")
    assert visitor.pages.keys() == {"sign-in", "consent"}
    found = ground.tokens(app, "launch/encounter patient/*.rs", visitor, Choices(patient="p1"))
    assert (context(found), found["scope"]) == ({"patient": "p1"}, "patient/Observation.rs")
    assert visitor.pages.keys() == {"sign-in", "patient", "consent"}


def test_smart22_170_363_the_patient_is_the_one_that_was_chosen_and_scopes_are_bound_to_it(both: Ground) -> None:
    app = both.app()
    assert "context-standalone-patient" in both.said["capabilities"]
    for user in (KIM, PARENT):
        for patient, seen in (("p1", ["o1", "o2"]), ("p2", ["o9"])):
            found = both.tokens(app, "launch/patient patient/*.rs", user, Choices(patient=patient))
            assert found["patient"] == patient
            with both.fhir(found) as client:
                assert client.get(f"Patient/{patient}").status_code == 200
                assert ids(client.get("Observation")) == seen


def test_smart22_171_364_g10_AUT_PAT_32_the_encounter_is_the_one_that_was_chosen(both: Ground) -> None:
    app = both.app()
    assert "context-standalone-encounter" in both.said["capabilities"]
    scope = "launch/patient launch/encounter patient/*.rs"
    found = both.tokens(app, scope, KIM, Choices(patient="p1", encounter="e1"))
    assert found["encounter"] == "e1"
    with both.fhir(found) as client:
        assert client.get("Encounter/e1").status_code == 200
    without = both.tokens(app, scope, KIM, Choices(patient="p1"))
    assert ("encounter" in without, "launch/encounter" in without["scope"]) == (False, False)


def test_smart22_164_g10_AUT_PAT_29_no_patient_scope_without_a_patient(ground: Ground, app: App) -> None:
    scope = "launch openid patient/*.rs user/*.rs"
    launched = ground.tokens(app, scope, KIM, launch=ground.launch(app, KIM, patient="p1"))
    assert ("patient/*.rs" in launched["scope"], launched["patient"]) == (True, "p1")
    chosen = ground.tokens(app, scope, KIM, Choices(patient="p2"), launch=ground.launch(app, KIM))
    assert ("patient/*.rs" in chosen["scope"], chosen["patient"]) == (True, "p2")
    nobody = ground.tokens(app, scope, AUDITOR, launch=ground.launch(app, AUDITOR))  # may choose no record
    assert ("patient/" in nobody["scope"], "patient" in nobody) == (False, False)
    alone = ground.tokens(app, "patient/*.rs", ADA)  # not even asked for by launch/patient
    assert alone["patient"] == "p1"


def test_smart22_352_361_362_a_launch_brings_its_patient_and_encounter(both: Ground) -> None:
    app = both.app()
    wanted = {"launch-ehr", "context-ehr-patient", "context-ehr-encounter"}
    assert wanted <= set(both.said["capabilities"])
    launch = both.launch(app, KIM, patient="p1", encounter="e2")
    found = both.tokens(app, "launch patient/*.rs", KIM, launch=launch)
    assert (found["patient"], found["encounter"]) == ("p1", "e2")
    with both.fhir(found) as client:
        assert client.get("Encounter/e2").status_code == 200
        assert client.get("Patient/p2").status_code == 404


def test_smart22_172_177_178_what_a_launch_is_about_besides_is_a_list_of_objects(ground: Ground, app: App) -> None:
    """Each with a reference, a canonical, or an identifier, as the launch had them."""
    about: list[dict[str, Any]] = [
        {"reference": "MedicationRequest/mr1"},
        {"canonical": "http://example.org/questionnaire|1", "type": "Questionnaire"},
        {"identifier": {"system": "urn:example:order", "value": "7"}, "type": "ServiceRequest"},
    ]
    launch = ground.launch(app, KIM, patient="p1", encounter="e2", fhirContext=about)
    found = ground.tokens(app, "launch offline_access patient/*.rs", KIM, launch=launch)
    assert found["fhirContext"] == about
    assert (found["patient"], found["encounter"]) == ("p1", "e2")  # which stay where they were
    with ground.fhir(found) as client:
        assert client.get(about[0]["reference"]).status_code == 200
    assert ground.refresh(app, found["refresh_token"]).json()["fhirContext"] == about


@pytest.mark.parametrize(
    ("name", "value"),
    [("need_patient_banner", True), ("need_patient_banner", False), ("intent", "order-review"), ("tenant", "lake-7")],
)
def test_smart22_173_174_176_359_the_rest_of_a_launch_arrives(ground: Ground, app: App, name: str, value: Any) -> None:
    launch = ground.launch(app, KIM, patient="p1", **{name: value})
    found = ground.tokens(app, "launch patient/*.rs", KIM, launch=launch)
    assert found[name] == value
    assert type(found[name]) is type(value)
