"""What the guide advises, and what each kind of app and each wording of scopes can do.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html, https://hl7.org/fhir/smart-app-launch/app-launch.html
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import msgspec
import pytest
from tests.conformance.smart.backend import EC, claims_of, public
from tests.conformance.smart.ground import USUAL, App, Ground, error, ids
from tests.conformance.smart.people import ADA, ADMIN, KIM
from tests.conformance.smart.visitor import Choices
from tests.journeys.server import FHIR_JSON

from hilum.access.ledger import Ledger
from hilum.oauth.ledger import GRANT, Grant, Put, read, write

PEOPLE = "launch/patient openid fhirUser offline_access patient/*.rs"
OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "Patient/p1"},
}


def test_smart22_58_a_code_lasts_a_minute(both: Ground) -> None:
    app = both.app()
    back = both.authorize(app, PEOPLE, ADA).back

    async def older(ledger: Ledger) -> None:
        (row,) = await ledger.of(GRANT, peer=app.id.encode())
        grant = read(row, Grant)
        old = write(msgspec.structs.replace(grant, created=grant.created - 61))
        assert await ledger.replace(Put(GRANT, row.key, old, row.expires, row.owner, row.peer), row.version)

    both.run(older)
    assert error(both.exchange(app, back["code"])) == (400, "invalid_grant")


def test_smart22_76_91_a_token_says_that_it_lasts_an_hour_at_most(ground: Ground, app: App) -> None:
    answer = ground.tokens(app, PEOPLE, ADA)
    assert type(answer["expires_in"]) is int
    assert 0 < answer["expires_in"] <= 3600


@pytest.mark.parametrize("redirect", ["https://app.example.org/cb", "http://127.0.0.1:4567/cb", "org.app:/cb"])
def test_smart22_353_355_a_public_app_launches_by_itself(ground: Ground, redirect: str) -> None:
    app = ground.app(redirects=(redirect,))
    answer = ground.tokens(app, PEOPLE, ADA)
    with ground.fhir(answer) as fhir:
        assert fhir.get(f"Patient/{answer['patient']}").status_code == 200
    assert ground.refresh(app, answer["refresh_token"]).status_code == 200
    secret = {"grant_type": "refresh_token", "refresh_token": "hrt_x", "client_secret": "x"}
    sneaked = ground.ask("/auth/token", secret, app)
    assert error(sneaked) == (401, "invalid_client")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_smart22_356_an_app_with_a_secret_proves_itself_in_its_one_way(ground: Ground, method: str) -> None:
    app = ground.app(method=method)
    answer = ground.tokens(app, PEOPLE, ADA)
    assert ground.refresh(app, answer["refresh_token"]).status_code == 200
    other = "client_secret_post" if method == "client_secret_basic" else "client_secret_basic"
    for wrong in (
        App(app.id),
        App(app.id, method=method, secret="guess"),
        App(app.id, method=other, secret=app.secret),
    ):
        assert error(ground.exchange(wrong, "hac_x")) == (401, "invalid_client")
    unproven = ground.ask("/auth/token", {"grant_type": "authorization_code"}, App(app.id, method=method, secret="x"))
    if method == "client_secret_basic":
        assert unproven.headers["www-authenticate"].startswith("Basic")


def test_smart22_127_369_scopes_come_back_in_the_words_of_v1(ground: Ground, app: App) -> None:
    asked = "launch/patient patient/Patient.read patient/Observation.write patient/Condition.*"
    answer = ground.tokens(app, asked, ADA)
    assert "patient/Patient.read" in answer["scope"].split()
    staff = "user/Patient.read user/Observation.write user/Condition.*"
    assert set(ground.tokens(app, staff, KIM)["scope"].split()) == set(staff.split())


V1 = {"read": "rs", "write": "cud", "*": "cruds"}


@pytest.mark.parametrize("word", V1)
def test_smart22_128_369_words_of_v1_mean_letters_of_v2(ground: Ground, app: App, word: str) -> None:
    def may(scope: str) -> set[str]:
        with ground.server.client() as everything:
            old = everything.post("Observation", json=OBSERVATION, headers=FHIR_JSON).json()["id"]
        path = f"Observation/{old}"
        with ground.fhir(ground.tokens(app, scope, KIM)) as fhir:
            tried = {
                "c": fhir.post("Observation", json=OBSERVATION, headers=FHIR_JSON).status_code == 201,
                "r": fhir.get(path).status_code == 200,
                "u": fhir.put(path, json=OBSERVATION | {"id": old}, headers=FHIR_JSON).status_code == 200,
                "s": fhir.get("Observation").status_code == 200,
                "d": fhir.delete(path).status_code == 204,
            }
        return {letter for letter, allowed in tried.items() if allowed}

    assert may(f"user/Observation.{word}") == set(V1[word]) == may(f"user/Observation.{V1[word]}")


def test_smart22_159_160_a_role_of_context_that_is_not_known_gets_what_there_is(ground: Ground, app: App) -> None:
    scope = "launch/patient?role=https://example.org/roles#other patient/*.rs"
    answer = ground.tokens(app, scope, ADA)
    assert answer["patient"] == "p1"


def test_smart22_167_what_a_standalone_app_asks_for_is_asked_of_the_user(ground: Ground, app: App) -> None:
    visitor = ground.visitor(KIM)
    chosen = Choices(patient="p1", encounter="e2")
    page = ground.authorize(app, "launch/patient launch/encounter user/*.rs", visitor, chosen)
    assert {"patient", "encounter"} <= visitor.pages.keys()
    answer = ground.exchange(app, page.back["code"]).json()
    assert (answer["patient"], answer["encounter"]) == ("p1", "e2")


@pytest.fixture(scope="module")
def chart(ground: Ground) -> App:
    return ground.app(name="Advised Chart", launches=("https://advised.example.org/launch",))


def _launched(ground: Ground, chart: App, about: list[dict[str, Any]]) -> Any:
    """`fhirContext` of an app that is opened with this, or the page that refuses it."""
    visitor = ground.seated(KIM)
    visitor.sign_in("/launch/p1")
    (form,) = [one for one in visitor.get("/launch/p1").forms if ("patient", "p1") in one.fields]
    key = f"{chart.id} https://advised.example.org/launch"
    fields = [pair for pair in form.fields if pair[0] != "also"]
    page = visitor.post(form.action, [*fields, ("app", key), ("also", json.dumps(about))])
    if not page.left:
        return page
    return ground.tokens(chart, "launch patient/*.rs", KIM, launch=page.back["launch"])["fhirContext"]


def test_smart22_185_the_type_of_a_canonical_is_told(ground: Ground, chart: App) -> None:
    about = [{"canonical": "http://example.org/fhir/Questionnaire/intake|1"}]
    assert _launched(ground, chart, about) == [about[0] | {"type": "Questionnaire"}]
    given = [{"identifier": {"system": "urn:x", "value": "1"}, "type": "Task"}]
    assert _launched(ground, chart, given) == given


def test_smart22_190_a_role_is_never_empty(ground: Ground, chart: App) -> None:
    page = _launched(ground, chart, [{"reference": "Observation/o1", "role": ""}])
    assert (page.status, page.left) == (422, False)
    assert "role" in page.text


def test_smart22_306_administrators_are_told_to_remind_those_who_gave_keys_by_value(ground: Ground) -> None:
    by_value = ground.app(method="private_key_jwt", jwks=public(EC))
    by_url = ground.app(method="private_key_jwt", jwks_uri="https://app.example.org/jwks.json")
    visitor = ground.seated(ADMIN)
    visitor.sign_in("/admin")
    pages = [visitor.get(f"/admin/clients/{one.id}") for one in (by_value, by_url)]
    assert [page.status for page in pages] == [200, 200]
    assert ["remind the people who run it" in page.text for page in pages] == [True, False]


def test_rfc_9700_no_other_grant_types(ground: Ground, app: App) -> None:
    """Neither implicit nor password grants (2.1.2, 2.4)."""
    form = {"grant_type": "password", "username": ADA, "password": "four green tractors sing", "scope": "patient/*.rs"}
    assert error(ground.ask("/auth/token", form, app)) == (400, "unsupported_grant_type")
    for response_type in ("token", "id_token", "code token"):
        back = ground.authorize(app, PEOPLE, ADA, response_type=response_type).back
        assert back["error"] == "unsupported_response_type"


def test_rfc_9700_a_code_that_comes_twice_ends_what_it_gave(both: Ground) -> None:
    """4.2.4"""
    app = both.app()
    code = both.authorize(app, PEOPLE, ADA).back["code"]
    answer = both.exchange(app, code).json()
    assert error(both.exchange(app, code)) == (400, "invalid_grant")
    with both.fhir(answer) as fhir:
        assert fhir.get("Patient/p1").status_code == 401
    assert error(both.refresh(app, answer["refresh_token"])) == (400, "invalid_grant")


def test_rfc_9700_an_old_refresh_token_ends_the_whole_family(both: Ground) -> None:
    """4.14.2. Once, within ten seconds, is taken for a client that did not get the answer."""
    app = both.app()
    first = both.tokens(app, PEOPLE, ADA)["refresh_token"]
    second = both.refresh(app, first).json()["refresh_token"]
    third = both.refresh(app, second).json()
    assert error(both.refresh(app, first)) == (400, "invalid_grant")
    assert error(both.refresh(app, third["refresh_token"])) == (400, "invalid_grant")
    with both.fhir(third) as fhir:
        assert fhir.get("Patient/p1").status_code == 401


def test_rfc_9700_303_and_nobody_frames_a_page_or_is_told_of_it(ground: Ground, app: App) -> None:
    """4.11, 4.12, 4.16"""
    request = ground.request(app, PEOPLE, USUAL)
    first = httpx.get(f"{ground.origin}/auth/authorize", params=request)
    assert first.status_code == 303
    page = httpx.get(f"{ground.origin}{first.headers['location']}")
    assert page.status_code == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    cookie = page.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


def test_rfc_9207_answers_say_who_answers(ground: Ground, app: App) -> None:
    assert ground.authorize(app, PEOPLE, ADA).back["iss"] == ground.said["issuer"]
    assert ground.authorize(app, PEOPLE, ADA, Choices(allow=False)).back["iss"] == ground.said["issuer"]
    assert ground.authorize(app, PEOPLE, ADA, response_type="x").back["iss"] == ground.said["issuer"]


def test_scopes_as_uris_stand_in_the_consent(ground: Ground, app: App) -> None:
    """https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html (appendix: URI representation of scopes)."""
    answer = ground.tokens(app, "openid launch/patient patient/Consent.rs patient/Observation.rs", ADA)
    with ground.fhir(answer) as fhir:
        own = fhir.get(f"Consent/{_grant(answer)}").json()
    assert {one["valueUri"] for one in own["extension"] if one["url"] == f"{ground.origin}/scope"} == {
        "http://openid.net/specs/openid-connect-core-1_0#openid",
        "http://smarthealthit.org/fhir/scopes/launch/patient",
        "http://smarthealthit.org/fhir/scopes/patient/Consent.rs",
        "http://smarthealthit.org/fhir/scopes/patient/Observation.rs",
    }
    assert own["provision"]["actor"][0]["reference"]["identifier"]["value"] == app.id


def _grant(answer: dict[str, Any]) -> str:
    return str(claims_of(answer["access_token"])["grant"])


def test_no_token_in_a_url_is_taken(ground: Ground, app: App) -> None:
    """RFC 6750, 2.3."""
    token = ground.tokens(app, PEOPLE, ADA)["access_token"]
    answer = httpx.get(f"{ground.base}/Patient/p1", params={"access_token": token})
    assert answer.status_code == 400
    assert token not in answer.text
    with ground.fhir(token) as fhir:
        assert ids(fhir.get("Patient")) == ["p1"]
