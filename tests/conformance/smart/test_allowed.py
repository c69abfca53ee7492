"""What the guide leaves to servers (MAY), as hilum does it.

https://hl7.org/fhir/smart-app-launch/app-launch.html, https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from tests.conformance.smart.backend import claims_of, service
from tests.conformance.smart.ground import App, Ground, error, ids
from tests.conformance.smart.people import ADA, KIM, PARENT
from tests.conformance.smart.visitor import Choices, address

PEOPLE = "launch/patient openid fhirUser offline_access patient/*.rs"


def test_smart22_19_an_app_registers_itself(ground: Ground) -> None:
    headers = {"authorization": f"Bearer {ground.invitation()}"} | address()
    body = {"client_name": "By Itself", "redirect_uris": ["https://app.example.org/callback"],
            "scope": "launch/patient patient/*.rs", "token_endpoint_auth_method": "client_secret_basic"}  # fmt: skip
    made = httpx.post(ground.said["registration_endpoint"], json=body, headers=headers)
    assert made.status_code == 201
    app = App(made.json()["client_id"], method="client_secret_basic", secret=made.json()["client_secret"])
    assert ground.tokens(app, "launch/patient patient/*.rs", ADA)["patient"] == "p1"


def test_smart22_79_145_what_is_granted_is_less_where_the_user_wants_it(ground: Ground, app: App) -> None:
    asked = "launch/patient patient/Patient.rs patient/Encounter.rs"
    less = ground.tokens(app, asked, ADA, Choices(untick=("patient/Encounter.rs",)))
    assert set(less["scope"].split()) == {"launch/patient", "patient/Patient.rs"}


def test_smart22_80_81_83_id_and_refresh_tokens_come_where_they_were_asked_for(ground: Ground, app: App) -> None:
    assert not ground.tokens(app, "launch/patient patient/*.rs", ADA).keys() & {"id_token", "refresh_token"}
    assert {"id_token", "refresh_token"} <= ground.tokens(app, PEOPLE, ADA).keys()


def test_smart22_102_public_apps_get_offline_access_where_they_are_registered_for_it(ground: Ground) -> None:
    without = ground.app("launch/patient patient/*.rs")
    answer = ground.tokens(without, "launch/patient patient/*.rs offline_access", ADA)
    assert "refresh_token" not in answer
    assert "offline_access" not in answer["scope"].split()


def test_smart22_116_118_a_refresh_brings_another_refresh_token_and_the_context(ground: Ground, app: App) -> None:
    launch = ground.launch(app, KIM, patient="p1", encounter="e1", intent="reconcile", need_patient_banner=True)
    first = ground.tokens(app, "launch offline_access user/*.rs", KIM, launch=launch)
    second = ground.refresh(app, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    context = ("patient", "encounter", "intent", "need_patient_banner")
    assert {name: second[name] for name in context} == {name: first[name] for name in context}


def test_smart22_129_scopes_that_nobody_has_defined_are_passed_over(ground: Ground, app: App) -> None:
    unknown = "patient/Spaceship.rs patient/Observation.sr patient/*.x urn:example:scope __secret address"
    answer = ground.tokens(app, f"launch/patient {unknown} patient/Observation.rs", ADA)
    assert set(answer["scope"].split()) == {"launch/patient", "patient/Observation.rs"}
    back = ground.authorize(app, unknown, ADA).back
    assert back["error"] == "invalid_scope"


def test_smart22_138_what_a_record_refers_to_is_seen_by_name(ground: Ground, app: App) -> None:
    with ground.fhir(ground.tokens(app, "launch/patient patient/*.rs", ADA)) as fhir:
        assert fhir.get("Practitioner/kim").status_code == 200
        assert ids(fhir.get("Observation?_id=o2&_include=Observation:performer")) == ["kim", "o2"]
        assert ids(fhir.get("Practitioner")) == []


def test_smart22_163_165_a_patient_scope_alone_asks_for_the_patient(ground: Ground, app: App) -> None:
    answer = ground.tokens(app, "patient/*.rs", PARENT, Choices(patient="p2"))
    assert answer["patient"] == "p2"
    with ground.fhir(answer) as fhir:
        assert [fhir.get(f"Patient/{id}").status_code for id in ("p1", "p2")] == [404, 200]


ABOUT: tuple[dict[str, Any], ...] = (
    {"reference": "ImagingStudy/1"},
    {"reference": "ImagingStudy/2", "role": "https://example.org/roles#shown"},
    {"reference": "ImagingStudy/3", "role": "https://example.org/roles#shown"},
    {"canonical": "http://example.org/Questionnaire/a|1", "type": "Questionnaire"},
    {"identifier": {"system": "urn:x", "value": "1"}, "type": "Task"},
)


def test_smart22_154_179_180_181_182_183_184_186_189_192_everything_that_a_launch_is_about_arrives(
    ground: Ground, app: App
) -> None:
    launch = ground.launch(app, KIM, patient="p1", fhirContext=list(ABOUT))
    assert ground.tokens(app, "launch patient/*.rs", KIM, launch=launch)["fhirContext"] == list(ABOUT)


def test_smart22_203_fhirUser_is_absolute(ground: Ground, app: App) -> None:
    claims = claims_of(ground.tokens(app, PEOPLE, ADA)["id_token"])
    assert claims["fhirUser"] == f"{ground.base}/Patient/p1"
    assert httpx.get(claims["fhirUser"]).status_code == 401


@pytest.mark.parametrize("prompt", ["login", "consent", "none"])
def test_smart22_206_prompt_is_heeded(ground: Ground, app: App, prompt: str) -> None:
    visitor = ground.visitor(ADA)
    visitor.sign_in()
    visitor.pages.clear()
    time.sleep(1.1)  # a session says in whole seconds since when somebody is there
    page = ground.authorize(app, PEOPLE, visitor, prompt=prompt)
    if prompt == "none":
        assert page.back["error"] in ("consent_required", "interaction_required")
        assert not visitor.pages
    else:
        assert ("sign-in" in visitor.pages) == (prompt == "login")
        assert "consent" in visitor.pages
        assert page.back["code"]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        pytest.param("request", "request_not_supported", id="213"),
        pytest.param("request_uri", "request_uri_not_supported", id="uri"),
        pytest.param("registration", "registration_not_supported", id="registration"),
    ],
)
def test_smart22_213_request_objects_are_refused(ground: Ground, app: App, name: str, error: str) -> None:
    more: dict[str, Any] = {name: "https://app.example.org/x"}
    assert ground.authorize(app, PEOPLE, ADA, **more).back["error"] == error


def test_smart22_245_246_what_is_withheld_is_as_if_it_were_not_there(ground: Ground, app: App) -> None:
    with ground.fhir(ground.tokens(app, "launch/patient patient/*.rs", ADA)) as fhir:
        hidden, absent = fhir.get("Observation/o9"), fhir.get("Observation/nothing")
        assert (hidden.status_code, absent.status_code) == (404, 404)
        assert hidden.text.replace("o9", "nothing") == absent.text
        found = fhir.get("Observation?_id=o1,o9").json()
    assert (found["total"], [one["resource"]["id"] for one in found["entry"]]) == (1, ["o1"])


def test_smart22_311_no_more_algorithms_than_are_listed(ground: Ground) -> None:
    one = service(ground)
    for alg in ground.said["token_endpoint_auth_signing_alg_values_supported"]:
        assert one.ask(assertion=one.assertion(alg)).status_code == 200
    assert error(one.ask(assertion=one.assertion(head={"alg": "PS384"}, alg="RS384"))) == (401, "invalid_client")
