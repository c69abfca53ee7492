"""What apps keep here. https://hl7.org/fhir/smart-app-launch/app-state.html"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.conformance.smart.backend import service
from tests.conformance.smart.ground import App, Ground, ids
from tests.conformance.smart.people import ADA, ADMIN, KIM
from tests.journeys.server import FHIR_JSON

SYSTEM = "https://growth.example.org"
SCOPE = "user/Basic.cruds"
SUBJECTS = ("Patient/p1", "Practitioner/kim", "PractitionerRole/role", "RelatedPerson/mother", "Person/ada")


@pytest.fixture(scope="module")
def keeper(ground: Ground) -> App:
    """An app with two state codes."""
    codes = (f"{SYSTEM}|preferences", f"{SYSTEM}|other", f"{SYSTEM}|shared")
    made = ground.app(f"{SCOPE} patient/Basic.cruds launch/patient", name="Keeper", state_codes=codes)
    with ground.server.client() as fhir:
        for type, id, more in (
            ("PractitionerRole", "role", {}),
            ("RelatedPerson", "mother", {"patient": {"reference": "Patient/p1"}}),
            ("Person", "ada", {}),
        ):
            assert fhir.put(f"{type}/{id}", json={"resourceType": type, "id": id} | more, headers=FHIR_JSON).is_success
    return made


@pytest.fixture(scope="module")
def fhir(ground: Ground, keeper: App) -> Iterator[httpx.Client]:
    """The app, used by staff."""
    with ground.fhir(ground.tokens(keeper, SCOPE, KIM)) as client:
        yield client


def state(
    ground: Ground, subject: str | None = "Practitioner/kim", code: str = "preferences", **more: Any
) -> dict[str, Any]:
    """Preferences as the guide's example has them."""
    body = {
        "resourceType": "Basic",
        "subject": None if subject is None else {"reference": f"{ground.base}/{subject}"},
        "code": {"coding": [{"system": SYSTEM, "code": code}]},
        "extension": [{"url": f"{SYSTEM}/preferences-v2", "valueString": '{"defaultView":"problem-list"}'}],
    } | more
    return {name: value for name, value in body.items() if value is not None}


def post(fhir: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    return fhir.post("Basic", json=body, headers=FHIR_JSON)


def put(fhir: httpx.Client, body: dict[str, Any], version: str | None) -> httpx.Response:
    headers = FHIR_JSON if version is None else FHIR_JSON | {"if-match": version}
    return fhir.put(f"Basic/{body['id']}", json=body, headers=headers)


def test_smart22_371_state_is_kept_whole_with_an_id_and_a_version_of_the_server(
    ground: Ground, fhir: httpx.Client
) -> None:
    sent = state(ground)
    answer = post(fhir, sent)
    kept = answer.json()
    assert answer.status_code == 201
    assert answer.headers["etag"] == f'W/"{kept["meta"]["versionId"]}"'
    assert kept["id"]
    assert answer.headers["location"].startswith(f"{ground.base}/Basic/{kept['id']}")
    assert {name: kept[name] for name in ("code", "extension")} == {name: sent[name] for name in ("code", "extension")}
    assert kept["subject"]["reference"] in ("Practitioner/kim", f"{ground.base}/Practitioner/kim")
    assert fhir.get(f"Basic/{kept['id']}").json() == kept


@pytest.mark.parametrize("subject", SUBJECTS)
def test_smart22_371_subjects_are_of_the_five_types(ground: Ground, fhir: httpx.Client, subject: str) -> None:
    kept = post(fhir, state(ground, subject))
    assert kept.status_code == 201, kept.text
    found = fhir.get("Basic", params={"code": f"{SYSTEM}|preferences", "subject": f"{ground.base}/{subject}"})
    assert kept.json()["id"] in ids(found)


def test_smart22_371_app_state_create_refuses_what_no_state_may_be(ground: Ground, fhir: httpx.Client) -> None:
    two = {"coding": [{"system": SYSTEM, "code": "preferences"}, {"system": SYSTEM, "code": "other"}]}
    number = [{"url": "https://growth.example.org/n", "valueInteger": 7}]
    nested = [{"url": "https://growth.example.org/n", "extension": [{"url": "x", "valueString": "x"}]}]
    large = [{"url": "https://growth.example.org/n", "valueString": "x" * 300_000}]
    elsewhere = {"reference": "https://other.example.org/fhir/Practitioner/1"}
    statuses = {
        "an id": post(fhir, state(ground, id="chosen")).status_code,
        "a version": post(fhir, state(ground, meta={"versionId": "3"})).status_code,
        "two codings": post(fhir, state(ground) | {"code": two}).status_code,
        "a number": post(fhir, state(ground, extension=number)).status_code,
        "nested": post(fhir, state(ground, extension=nested)).status_code,
        "too large": post(fhir, state(ground, extension=large)).status_code,
        "a subject elsewhere": post(fhir, state(ground) | {"subject": elsewhere}).status_code,
    }
    assert statuses == {
        "an id": 400, "a version": 400, "two codings": 400, "a number": 400, "nested": 400, "too large": 413,
        "a subject elsewhere": 400,
    }  # fmt: skip


def test_smart22_371_state_of_256_kB_is_kept(ground: Ground, fhir: httpx.Client) -> None:
    large = [{"url": "https://growth.example.org/n", "valueString": "x" * 261_000}]
    kept = post(fhir, state(ground, extension=large))
    assert kept.status_code == 201
    assert fhir.get(f"Basic/{kept.json()['id']}").json()["extension"] == large


def test_smart22_371_an_update_names_the_version_that_it_changes(ground: Ground, fhir: httpx.Client) -> None:
    first = post(fhir, state(ground))
    body = first.json()
    changed = body | {"extension": [{"url": f"{SYSTEM}/preferences-v2", "valueString": "{}"}]}
    assert put(fhir, changed, None).status_code == 412
    second = put(fhir, changed, first.headers["etag"])
    assert second.status_code == 200
    assert second.headers["etag"] != first.headers["etag"]
    assert second.json()["extension"] == changed["extension"]
    assert put(fhir, body, first.headers["etag"]).status_code == 412
    assert fhir.get(f"Basic/{body['id']}").json()["extension"] == changed["extension"]


def test_smart22_371_subject_and_code_never_change(ground: Ground, fhir: httpx.Client) -> None:
    first = post(fhir, state(ground))
    body, version = first.json(), first.headers["etag"]
    other_code = {"coding": [{"system": SYSTEM, "code": "other"}]}
    for changed in (body | {"code": other_code}, body | {"subject": {"reference": f"{ground.base}/Patient/p1"}}):
        assert put(fhir, changed, version).status_code == 412
    assert put(fhir, {name: body[name] for name in body if name != "subject"}, version).status_code == 412
    assert fhir.get(f"Basic/{body['id']}").headers["etag"] == version


def test_smart22_371_a_deletion_names_the_version_and_ends_it_for_good(ground: Ground, fhir: httpx.Client) -> None:
    kept = post(fhir, state(ground))
    path, version = f"Basic/{kept.json()['id']}", kept.headers["etag"]
    assert fhir.delete(path).status_code == 412
    assert fhir.delete(path, headers={"if-match": 'W/"99"'}).status_code == 412
    assert fhir.get(path).status_code == 200
    assert fhir.delete(path, headers={"if-match": version}).status_code == 204
    assert put(fhir, kept.json(), version).status_code == 412
    assert put(fhir, kept.json(), None).status_code == 412
    assert fhir.delete(path, headers={"if-match": version}).status_code == 412


def test_smart22_371_state_is_found_by_code_and_subject(ground: Ground, fhir: httpx.Client) -> None:
    mine = post(fhir, state(ground, code="other")).json()["id"]
    patients = post(fhir, state(ground, "Patient/p1", code="other")).json()["id"]
    found = {
        subject: ids(fhir.get("Basic", params={"code": f"{SYSTEM}|other", "subject": f"{ground.base}/{subject}"}))
        for subject in ("Practitioner/kim", "Patient/p1", "Patient/p2")
    }
    assert found == {"Practitioner/kim": [mine], "Patient/p1": [patients], "Patient/p2": []}


def test_smart22_371_state_for_all_is_written_by_administrators_and_found_by_the_missing_subject(
    ground: Ground, keeper: App, fhir: httpx.Client
) -> None:
    body = state(ground, None, code="shared")
    assert post(fhir, body).status_code == 403
    with ground.fhir(ground.tokens(keeper, SCOPE, ADMIN)) as administrator:
        kept = post(administrator, body)
    assert kept.status_code == 201, kept.text
    found = fhir.get("Basic", params={"code": f"{SYSTEM}|shared", "subject:missing": "true"})
    assert ids(found) == [kept.json()["id"]]


def test_smart22_371_other_apps_neither_see_nor_write_it(ground: Ground, fhir: httpx.Client) -> None:
    kept = post(fhir, state(ground))
    path = f"Basic/{kept.json()['id']}"
    other = ground.app(SCOPE, state_codes=("https://other.example.org|preferences",))
    with ground.fhir(ground.tokens(other, SCOPE, KIM)) as stranger:
        ground.until(lambda: stranger.get(path).status_code in (403, 404))  # once it knows whose codes they are
        assert kept.json()["id"] not in ids(stranger.get("Basic"))
        assert ids(stranger.get("Basic", params={"code": f"{SYSTEM}|preferences"})) == []
        headers = {"if-match": kept.headers["etag"]}
        assert put(stranger, kept.json(), kept.headers["etag"]).status_code in (403, 404, 412), "as if absent"
        assert stranger.delete(path, headers=headers).status_code in (403, 404, 412)
        assert post(stranger, state(ground)).status_code == 403
        assert stranger.get(f"{path}/_history").status_code in (403, 404)
    assert fhir.get(path).headers["etag"] == kept.headers["etag"]


def test_smart22_371_a_service_of_its_own_does_not_reach_it_either(ground: Ground, fhir: httpx.Client) -> None:
    kept = post(fhir, state(ground)).json()["id"]
    with ground.fhir(service(ground, "system/*.rs").token()) as backend:
        ground.until(lambda: backend.get(f"Basic/{kept}").status_code in (403, 404))
        assert kept not in ids(backend.get("Basic"))


def test_smart22_371_a_patients_app_keeps_state_of_the_patient(ground: Ground, keeper: App) -> None:
    with ground.fhir(ground.tokens(keeper, "launch/patient patient/Basic.cruds", ADA)) as own:
        kept = post(own, state(ground, "Patient/p1", code="other"))
        assert kept.status_code == 201, kept.text
        assert post(own, state(ground, "Patient/p2", code="other")).status_code in (403, 404, 422)
        changed = put(own, kept.json(), kept.headers["etag"])
        assert changed.status_code == 200
        assert own.delete(f"Basic/{kept.json()['id']}", headers={"if-match": changed.headers["etag"]}).is_success


def test_smart22_371_what_is_no_state_is_a_basic_as_any_other(ground: Ground, fhir: httpx.Client) -> None:
    body = {"resourceType": "Basic", "code": {"text": secrets.token_hex(4)}, "subject": {"reference": "Patient/p1"}}
    kept = post(fhir, body).json()
    assert fhir.put(f"Basic/{kept['id']}", json=kept, headers=FHIR_JSON).status_code == 200
    assert fhir.delete(f"Basic/{kept['id']}").status_code == 204
