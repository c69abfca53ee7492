"""Signing in to `hilum sandbox` by both grants, and what each vendor does there.

https://hl7.org/fhir/smart-app-launch/backend-services.html, https://hl7.org/fhir/smart-app-launch/app-launch.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from authlib.common.security import generate_token
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from tests.journeys.apps import Person
from tests.journeys.sandboxes import BROKER, SEALED, Sandbox, codes, matches, next_of

BACK = f"{BROKER}/callback"


def launched(sandbox: Sandbox, name: str, scope: str, **typed: str) -> dict[str, Any]:
    """The token response to an app that somebody starts by itself."""
    said = httpx.get(f"{sandbox.base}/.well-known/smart-configuration").json()
    verifier, state = generate_token(48), generate_token()
    asked = {
        "response_type": "code",
        "client_id": "hilum-launch",
        "redirect_uri": BACK,
        "scope": scope,
        "state": state,
        "aud": sandbox.base,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    person = Person(name, BACK)
    person.typed["password"] = sandbox.password
    back = dict(
        parse_qsl(urlsplit(person.allows(f"{said['authorization_endpoint']}?{urlencode(asked)}", **typed)).query)
    )
    assert back["state"] == state, back
    form = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": BACK, "code_verifier": verifier}
    answer = httpx.post(said["token_endpoint"], data=form | sandbox.assertion("hilum-launch"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refreshed(sandbox: Sandbox, token: str) -> dict[str, Any]:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    answer = httpx.post(f"{sandbox.url}/auth/token", data=form | sandbox.assertion("hilum-launch"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_what_is_printed_names_the_apps_the_people_and_the_lines_to_paste(epic: Sandbox) -> None:
    assert "Epic sandbox  3 synthetic patients" in epic.said
    assert "203701, 203702 (restricted), 203703" in epic.said
    assert f"hilum ehr add epic --vendor epic --base {epic.base}" in epic.said.replace("python -m ", "")
    assert "--mrn-system urn:oid:1.2.840.114350.1.13.0.1.7.5.737384.14" in epic.said


def test_epic_a_patient_is_found_by_record_number_and_the_number_alone_is_two_people(epic: Sandbox) -> None:
    system = "urn:oid:1.2.840.114350.1.13.0.1.7.5.737384.14"
    with epic.client() as client:
        assert matches(client.get("Patient", params={"identifier": f"{system}|203703"}).json()) == ["demo-p003"]
        alone = client.get("Patient", params={"identifier": "203703"}).json()
    assert (matches(alone), codes(alone)) == (["demo-p003"], [("information", "4134")])  # the other is restricted


def test_epic_all_pages_are_followed_and_hold_each_observation_once(epic: Sandbox) -> None:
    found: list[str] = []
    with epic.client() as client:
        url: str | None = "Observation?patient=demo-p001&category=laboratory&_count=7"
        whole = matches(client.get("Observation?patient=demo-p001&category=laboratory").json())
        while url is not None:
            page = client.get(url).json()
            found += matches(page)
            assert page["total"] == len(matches(page))
            url = next_of(page)
    assert len(whole) > 7
    assert (sorted(found), len(set(found))) == (sorted(whole), len(whole))


def test_epic_a_page_is_only_for_who_searched_and_of_the_type_that_was_searched(epic: Sandbox) -> None:
    with epic.client() as client:
        there = next_of(client.get("Observation?patient=demo-p001&category=laboratory&_count=2").json())
        assert there is not None
        assert client.get(there.replace("/Observation?", "/Condition?")).json()["issue"][0]["severity"] == "fatal"
        assert client.get(there, headers={"authorization": ""}).status_code == 401
        assert (
            client.get(there, headers={"authorization": f"Bearer {epic.token('system/Patient.rs')}"}).status_code == 403
        )
        another = client.get(there, headers={"authorization": f"Bearer {epic.token()}"})  # as after a new token
        assert len(matches(another.json())) == 2


def test_epic_what_is_behind_the_glass_is_never_shown(epic: Sandbox) -> None:
    with epic.client() as client:
        assert codes(client.get(f"Patient/{SEALED}").json()) == [("fatal", "4131")]
        assert codes(client.get(f"Condition?patient={SEALED}").json()) == [("fatal", "4130")]
        assert codes(client.get(f"Condition?subject:Patient={SEALED}").json()) == [("fatal", "4130")]
        for search in (f"Patient?_id={SEALED}", "Encounter?_id=demo-p002-encounter-1&_include=Encounter:subject"):
            found = client.get(search).json()
            assert (found["total"], codes(found)) == (0, [("warning", "4101"), ("information", "4134")])
            assert len(found["entry"]) == 1
        assert codes(client.get(f"Patient/{SEALED}/Condition").json()) == [("fatal", "4131")]
        assert codes(client.get("Encounter/demo-p002-encounter-1").json()) in (
            [("fatal", "4130")],
            [("fatal", "59008")],
        )


def test_epic_has_no_transactions_and_takes_searches_by_post(epic: Sandbox) -> None:
    with epic.client() as client:
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": []}
        assert client.post("", json=bundle).status_code == 404
        form = {"patient": "demo-p001", "category": "laboratory", "_count": "3"}
        assert len(matches(client.post("Observation/_search", data=form).json())) == 3
        assert codes(client.post("Observation/_search", data={"patient": "demo-p001"}).json()) == [("fatal", "59108")]


def test_epic_a_patient_is_told_that_there_may_be_more(epic: Sandbox) -> None:
    said = launched(epic, "pat", "openid fhirUser launch/patient patient/Patient.rs patient/Condition.rs")
    assert said["patient"] == "demo-p001"
    with epic.client(said["access_token"]) as client:
        found = client.get(f"Condition?patient={said['patient']}").json()
    assert matches(found)
    assert codes(found) == [("warning", "4119")]


def test_oracle_wildcards_are_left_out_and_a_refresh_brings_no_new_refresh_token(oracle: Sandbox) -> None:
    said = launched(oracle, "pat", "openid fhirUser launch/patient offline_access patient/*.rs patient/Condition.rs")
    assert (said["expires_in"], said["patient"]) == (570, "demo-p001")
    assert "*" not in said["scope"]
    for _ in range(3):  # the same one, again and again
        again = refreshed(oracle, said["refresh_token"])
        assert "refresh_token" not in again
        assert again["expires_in"] == 570
        with oracle.client(again["access_token"]) as client:
            assert client.get("Condition?patient=demo-p001").status_code == 200


def test_oracle_the_first_page_has_all_of_social_history_whatever_count_says(oracle: Sandbox) -> None:
    with oracle.client() as client:
        social = matches(client.get("Observation?patient=demo-p001&category=social-history").json())
        first = client.get("Observation?patient=demo-p001&_count=5").json()
        second = client.get(next_of(first) or "").json()
    assert social
    assert (matches(first)[: len(social)], len(matches(first))) == (social, len(social) + 5)
    assert not set(matches(second)) & set(matches(first))
    assert len(matches(second)) == 5


def test_oracle_asks_for_what_it_needs_and_takes_batches_but_no_transactions(oracle: Sandbox) -> None:
    with oracle.client() as client:
        assert codes(client.get("Condition?category=problem-list-item").json()) == [("error", "invalid")]
        entry = [{"request": {"method": "GET", "url": "Patient/demo-p001"}}]
        for type, status in (("batch", 200), ("transaction", 400)):
            assert client.post("", json={"resourceType": "Bundle", "type": type, "entry": entry}).status_code == status
