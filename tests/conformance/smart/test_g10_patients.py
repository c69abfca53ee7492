"""The ONC's test procedure of 170.315(g)(10): a patient, or staff, allows an app to see the data of one patient.

https://www.healthit.gov/test-method/standardized-api-patient-and-population-services
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.conformance.smart.ground import USUAL, App, Ground, error, ids
from tests.conformance.smart.people import ADA, CATEGORY, CONDITION, KIM
from tests.conformance.smart.visitor import Choices, Page, address
from tests.journeys.cli import hilum

from hilum.smart.apps.discovery import USCDI

DAYS = 86_400
ALL_TYPES = [*USCDI, "Location", "Medication", "Organization", "Practitioner", "PractitionerRole"]
V1 = " ".join(f"patient/{type}.read" for type in ALL_TYPES)
V2 = " ".join(f"patient/{type}.rs" for type in ALL_TYPES)
PEOPLE = "launch/patient openid fhirUser offline_access"


def searched(fhir: httpx.Client, type: str) -> int:
    """The status of a search of the patient's data of a type."""
    name = "_id" if type == "Patient" else "target" if type == "Provenance" else "patient"
    if type == "QuestionnaireResponse":
        name = "subject"
    if type in ("Location", "Medication", "Organization", "Practitioner", "PractitionerRole"):
        name = "_id"
    value = "p1" if name in ("_id", "patient") else "Patient/p1"
    return fhir.get(type, params={name: value}).status_code


def test_g10_APP_REG_1_apps_are_registered_by_command_and_by_themselves(ground: Ground) -> None:
    told = hilum(
        "clients", "add", "By Command", "--public", "--redirect", "https://app.example.org/callback", "--scopes",
        f"{PEOPLE} patient/*.rs", "--data", ground.server.data,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    by_command = App(told.stdout.split()[0])
    metadata = {
        "client_name": "By Itself",
        "redirect_uris": ["https://app.example.org/callback"],
        "scope": "launch/patient patient/*.rs",
        "token_endpoint_auth_method": "none",
    }
    headers = {"authorization": f"Bearer {ground.invitation()}"} | address()
    answer = httpx.post(f"{ground.origin}/auth/register", json=metadata, headers=headers)
    assert answer.status_code == 201, answer.text
    by_itself = App(answer.json()["client_id"])
    for app in (by_command, by_itself):
        assert ground.tokens(app, "launch/patient patient/*.rs", ADA)["patient"] == "p1"


def test_smart22_353_355_g10_AUT_PAT_1_3_4_a_public_app_starts_by_itself(both: Ground) -> None:
    app = both.app()
    answer = both.tokens(app, f"{PEOPLE} patient/*.rs", ADA)
    assert (answer["patient"], answer["token_type"]) == ("p1", "Bearer")


def test_g10_AUT_PAT_1_an_app_with_a_secret_starts_from_a_record(both: Ground) -> None:
    app = both.app(method="client_secret_basic", launches=("https://app.example.org/launch",))
    launch = both.launch(app, KIM, patient="p1", encounter="e1", need_patient_banner=True)
    answer = both.tokens(app, "launch openid fhirUser offline_access user/*.rs", KIM, launch=launch)
    assert (answer["patient"], answer["encounter"], answer["need_patient_banner"]) == ("p1", "e1", True)


@pytest.mark.parametrize("scopes", [pytest.param(V1, id="v1"), pytest.param(V2, id="v2")])
def test_g10_AUT_PAT_9_28_all_scopes_of_the_procedure_are_received(ground: Ground, app: App, scopes: str) -> None:
    answer = ground.tokens(app, f"{PEOPLE} {scopes}", ADA)
    assert set(answer["scope"].split()) == set(f"{PEOPLE} {scopes}".split())
    with ground.fhir(answer) as fhir:
        assert {type: searched(fhir, type) for type in ALL_TYPES} == dict.fromkeys(ALL_TYPES, 200)


GRANULAR = {
    "c1": f"patient/Condition.rs?category={CONDITION}|problem-list-item",
    "c2": f"patient/Condition.rs?category={CONDITION}|encounter-diagnosis",
    "o1": f"patient/Observation.rs?category={CATEGORY}|laboratory",
    "o2": f"patient/Observation.rs?category={CATEGORY}|vital-signs",
}


@pytest.mark.parametrize("shown", GRANULAR)
def test_smart22_370_g10_AUT_PAT_28_granular_scopes_are_enforced(ground: Ground, app: App, shown: str) -> None:
    answer = ground.tokens(app, f"launch/patient {GRANULAR[shown]}", ADA)
    assert GRANULAR[shown] in answer["scope"].split()
    type, other = ("Condition", "Observation") if shown[0] == "c" else ("Observation", "Condition")
    with ground.fhir(answer) as fhir:
        assert ids(fhir.get(type, params={"patient": "p1"})) == [shown]
        assert fhir.get(f"{type}/{shown}").status_code == 200
        hidden = {"c1": "c2", "c2": "c1", "o1": "o2", "o2": "o1"}[shown]
        assert fhir.get(f"{type}/{hidden}").status_code in (403, 404)
        assert fhir.get(f"{type}?_summary=count&patient=p1").json()["total"] == 1
        assert fhir.get(other).status_code == 403


def test_smart22_273_g10_TOK_INTRO_1_granular_scopes_are_introspected_as_granted(ground: Ground, app: App) -> None:
    answer = ground.tokens(app, "launch/patient " + " ".join(GRANULAR.values()), ADA)
    found = ground.ask("/auth/introspect", {"token": answer["access_token"]}, app).json()
    assert set(found["scope"].split()) == {"launch/patient", *GRANULAR.values()}


def _consent(ground: Ground, app: App, scope: str) -> Page:
    """The page on which the patient decides."""
    visitor = ground.visitor(ADA)
    ground.authorize(app, scope, visitor)
    return visitor.pages["consent"]


@pytest.mark.parametrize("left_out", ["AllergyIntolerance", "Encounter", "Patient", "MedicationRequest", "Device"])
@pytest.mark.parametrize("scopes", [pytest.param(V1, id="v1"), pytest.param(V2, id="v2")])
def test_g10_AUT_PAT_10_12_a_type_that_was_unticked_is_denied(
    ground: Ground, app: App, scopes: str, left_out: str
) -> None:
    unticked = Choices(untick=lambda box: f"patient/{left_out}." in box)
    answer = ground.tokens(app, f"{PEOPLE} {scopes}", ADA, unticked)
    assert not [scope for scope in answer["scope"].split() if scope.startswith(f"patient/{left_out}.")]
    with ground.fhir(answer) as fhir:
        assert searched(fhir, left_out) == 403
        other = next(type for type in ("Goal", "Immunization") if type != left_out)
        assert searched(fhir, other) == 200


def test_g10_AUT_PAT_10_every_type_of_us_core_can_be_left_out(ground: Ground, app: App) -> None:
    page = _consent(ground, app, f"{PEOPLE} {V2}")
    boxes = " ".join(page.forms[0].values("allow")).split()
    missing = [type for type in ALL_TYPES if not any(box.startswith(f"patient/{type}.") for box in boxes)]
    assert missing == []


def test_g10_AUT_PAT_10_12_three_types_stay_where_three_are_ticked(ground: Ground, app: App) -> None:
    """As Inferno's limited app has it: Patient, Condition, Observation."""
    kept = ("patient/Patient.", "patient/Condition.", "patient/Observation.")
    answer = ground.tokens(
        app, f"{PEOPLE} {V2}", ADA, Choices(untick=lambda box: box.startswith("patient/") and not box.startswith(kept))
    )
    granted = {scope for scope in answer["scope"].split() if scope.startswith("patient/")}
    assert granted == {"patient/Patient.rs", "patient/Condition.rs", "patient/Observation.rs"}
    with ground.fhir(answer) as fhir:
        statuses = {type: searched(fhir, type) for type in ALL_TYPES}
    shown = {"Patient", "Condition", "Observation"}
    assert statuses == {type: 200 if type in shown else 403 for type in ALL_TYPES}


CUTS: dict[str, tuple[Callable[[str], bool], str, list[str]]] = {
    "laboratory": (lambda box: "Observation" in box and "laboratory" in box, "Observation", ["o2"]),
    "vital signs": (lambda box: "Observation" in box and "vital-signs" in box, "Observation", ["o1"]),
    "problem list": (lambda box: "Condition" in box and "problem-list-item" in box, "Condition", ["c2"]),
    "diagnoses": (lambda box: "Condition" in box and "encounter-diagnosis" in box, "Condition", ["c1"]),
}


@pytest.mark.parametrize("cut", CUTS)
def test_g10_AUT_PAT_33_34_a_category_that_was_unticked_is_denied(ground: Ground, app: App, cut: str) -> None:
    rule, type, left = CUTS[cut]
    answer = ground.tokens(app, f"{PEOPLE} {V2}", ADA, Choices(untick=rule))
    granted = [scope for scope in answer["scope"].split() if scope.startswith(f"patient/{type}.")]
    assert granted
    assert all("?category=" in scope for scope in granted), "the whole type was not allowed"
    assert "patient/Patient.rs" in answer["scope"].split()
    with ground.fhir(answer) as fhir:
        assert ids(fhir.get(type, params={"patient": "p1"})) == left
        assert searched(fhir, "Encounter") == 200


def test_g10_AUT_PAT_33_each_category_of_us_core_can_be_left_out(ground: Ground, app: App) -> None:
    page = _consent(ground, app, "launch/patient patient/Condition.rs patient/Observation.rs")
    boxes = page.forms[0].values("allow")
    for wanted in (
        f"patient/Condition.rs?category={CONDITION}|encounter-diagnosis",
        f"patient/Condition.rs?category={CONDITION}|problem-list-item",
        "patient/Condition.rs?category=http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern",
        "patient/Observation.rs?category=http://hl7.org/fhir/us/core/CodeSystem/us-core-category|sdoh",
        *(f"patient/Observation.rs?category={CATEGORY}|{code}"
          for code in ("social-history", "laboratory", "survey", "vital-signs")),
    ):  # fmt: skip
        assert wanted in boxes


def test_g10_AUT_PAT_11_12_34_lasting_access_is_seen_and_can_be_refused(ground: Ground, app: App) -> None:
    scope = f"{PEOPLE} patient/*.rs"
    assert "stay" in _consent(ground, app, scope).forms[0].values("allow")
    assert "stay" not in _consent(ground, app, "launch/patient patient/*.rs").forms[0].values("allow")
    answer = ground.tokens(app, scope, ADA, Choices(untick=("stay",)))
    assert "refresh_token" not in answer
    assert "offline_access" not in answer["scope"].split()
    assert ground.tokens(app, scope, ADA)["refresh_token"]


def test_g10_AUT_PAT_12_34_nothing_ticked_is_a_denial(ground: Ground, app: App) -> None:
    back = ground.authorize(app, "launch/patient patient/*.rs", ADA, Choices(untick=lambda box: True)).back
    assert back["error"] == "access_denied"
    assert "code" not in back


def test_g10_AUT_PAT_15_30_each_parameter_of_a_token_request_is_looked_at(ground: Ground) -> None:
    public, basic = ground.app(), ground.app(method="client_secret_basic")
    told: dict[str, tuple[int, str]] = {}
    for name, app, form in (
        ("no grant_type", public, {"grant_type": None}),
        ("another grant_type", public, {"grant_type": "implicit"}),
        ("no code", public, {"code": None}),
        ("another code", public, {"code": "hac_other"}),
        ("no redirect_uri", public, {"redirect_uri": None}),
        ("another redirect_uri", public, {"redirect_uri": "https://app.example.org/other"}),
        ("no code_verifier", public, {"code_verifier": None}),
        ("another code_verifier", public, {"code_verifier": "w" * 43}),
        ("no client_id", public, {"client_id": None}),
        ("another client_id", public, {"client_id": "somebody"}),
    ):
        page = ground.authorize(app, "launch/patient patient/*.rs", ADA)
        usual = {"grant_type": "authorization_code", "code": page.back["code"], "redirect_uri": app.redirect,
                 "code_verifier": USUAL.verifier}  # fmt: skip
        told[name] = error(ground.ask("/auth/token", usual | form, app))
    stolen = ground.authorize(basic, "launch/patient patient/*.rs", ADA).back["code"]
    told["no header"] = error(ground.exchange(App(basic.id), stolen))
    stolen = ground.authorize(basic, "launch/patient patient/*.rs", ADA).back["code"]
    told["another secret"] = error(ground.exchange(App(basic.id, method=basic.method, secret="guess"), stolen))
    assert told == {
        "no grant_type": (400, "invalid_request"),
        "another grant_type": (400, "unsupported_grant_type"),
        "no code": (400, "invalid_request"),
        "another code": (400, "invalid_grant"),
        "no redirect_uri": (400, "invalid_request"),
        "another redirect_uri": (400, "invalid_grant"),
        "no code_verifier": (400, "invalid_request"),
        "another code_verifier": (400, "invalid_grant"),
        "no client_id": (401, "invalid_client"),
        "another client_id": (401, "invalid_client"),
        "no header": (401, "invalid_client"),
        "another secret": (401, "invalid_client"),
    }


@pytest.mark.parametrize("scopes", [pytest.param("patient/*.read", id="v1"), pytest.param("patient/*.rs", id="v2")])
def test_g10_AUT_PAT_19_36_the_patient_of_the_context_can_be_read(ground: Ground, app: App, scopes: str) -> None:
    answer = ground.tokens(app, f"launch/patient {scopes}", ADA)
    with ground.fhir(answer) as fhir:
        read = fhir.get(f"Patient/{answer['patient']}")
    assert (read.status_code, read.json()["id"]) == (200, "p1")
    assert httpx.get(f"{ground.base}/Patient/p1").status_code == 401


def _ends(ground: Ground, app: App, token: str) -> int:
    return int(ground.ask("/auth/introspect", {"token": token}, app).json()["exp"])


@pytest.mark.parametrize("redirect", ["https://app.example.org/callback", "org.example.app:/callback"])
def test_g10_AUT_PAT_16_21_35_a_refresh_token_lasts_three_months_for_native_apps_too(
    ground: Ground, redirect: str
) -> None:
    app = ground.app(redirects=(redirect,))
    token = ground.tokens(app, f"{PEOPLE} patient/*.rs", ADA)["refresh_token"]
    assert _ends(ground, app, token) >= time.time() + 90 * DAYS


def test_g10_AUT_PAT_20_22_a_refresh_begins_another_three_months(ground: Ground, app: App) -> None:
    first = ground.tokens(app, f"{PEOPLE} patient/*.rs", ADA)["refresh_token"]
    before = _ends(ground, app, first)
    time.sleep(1.1)
    again = ground.refresh(app, first)
    assert again.status_code == 200
    assert _ends(ground, app, again.json()["refresh_token"]) > before
    with ground.fhir(again.json()) as fhir:
        assert fhir.get("Patient/p1").status_code == 200


def test_g10_PAR_1_a_patient_stops_an_app_and_it_gets_nothing_more(both: Ground) -> None:
    app = both.app(name="Soon Stopped")
    answer = both.tokens(app, f"{PEOPLE} patient/*.rs", ADA)
    visitor = both.visitor(ADA)
    page = visitor.sign_in("/my/apps")
    entry = page.text[page.text.index("Soon Stopped") :]
    link = entry[entry.index("/my/apps/") :].split('"')[0]
    sure = visitor.get(link)
    done = visitor.submit(sure.forms[-1] if sure.forms[-1].action.endswith("/revoke") else sure.forms[0])
    assert done.status == 200
    assert "Soon Stopped" not in done.text
    ends = time.monotonic() + 5
    with both.fhir(answer) as fhir:
        while (status := fhir.get("Patient/p1").status_code) == 200 and time.monotonic() < ends:
            time.sleep(0.1)
    assert status == 401
    assert error(both.refresh(app, answer["refresh_token"])) == (400, "invalid_grant")


def test_g10_PAR_1_others_can_not_stop_it(ground: Ground, app: App) -> None:
    answer = ground.tokens(app, f"{PEOPLE} patient/*.rs", ADA)
    own = ground.visitor(ADA)
    entry = own.sign_in("/my/apps").text
    link = entry[entry.index("/my/apps/") :].split('"')[0]
    other = ground.visitor(KIM)
    other.sign_in("/my/apps")
    assert other.get(link).status == 404
    with ground.fhir(answer) as fhir:
        assert fhir.get("Patient/p1").status_code == 200


def test_g10_PAR_1_the_consent_resource_is_another_way_to_stop_it(ground: Ground, app: App) -> None:
    answer = ground.tokens(app, "launch/patient patient/*.cruds", ADA)
    with ground.fhir(answer) as fhir:
        found = fhir.get("Consent", params={"patient": "p1", "status": "active", "_sort": "-_lastUpdated"}).json()
        consent: dict[str, Any] = found["entry"][0]["resource"]
        assert consent["identifier"][0]["system"] == "urn:hilum:grant"
        ended = fhir.put(
            f"Consent/{consent['id']}",
            json=consent | {"status": "inactive"},
            headers={"content-type": "application/fhir+json"},
        )
        assert ended.status_code == 200, ended.text
        ends = time.monotonic() + 5
        while (status := fhir.get("Patient/p1").status_code) == 200 and time.monotonic() < ends:
            time.sleep(0.1)
    assert status == 401
