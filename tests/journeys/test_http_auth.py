"""Tokens at the edge. https://www.rfc-editor.org/rfc/rfc6750"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server

from hilum.access.keys import load_or_create
from hilum.access.tokens import Minter


@pytest.fixture(scope="module")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


def test_only_metadata_health_and_pages_are_open(server: Server) -> None:
    with server.client(None) as stranger:
        for url in ("/fhir/metadata", "/health", "/ready", "/", "/browse/Patient", "/static/console.js"):
            assert stranger.get(server.url + url).status_code == 200, url
        for url in ("/fhir/Patient", "/fhir/Patient/1", "/fhir/nothing", "/fhir", "/fhir/_history", "/api/v1/counts"):
            refused = stranger.get(server.url + url)
            assert refused.status_code == 401, url
            assert refused.headers["www-authenticate"] == 'Bearer realm="hilum"'
            assert "hilum token" in diagnostics(refused)
        refused = stranger.post("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON)
        assert refused.status_code == 401


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer x.y.z", "Basic dTpw", "bearer ÿ", "Bearer " + "a" * 20_000, "Token abc"]
)
def test_tokens_that_do_not_hold(server: Server, header: str) -> None:
    """The error is for who sent a token: https://www.rfc-editor.org/rfc/rfc6750#section-3.1"""
    error = ', error="invalid_token"' if header.lower().startswith("bearer") else ""
    with server.client(None) as stranger:
        for url in ("Patient", server.url + "/api/v1/counts"):
            refused = stranger.get(url, headers={b"authorization": header.encode("latin-1")})
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == f'Bearer realm="hilum"{error}'
            assert diagnostics(refused)


def test_tokens_of_another_key_or_server_do_not_hold(server: Server, other_key: Path) -> None:
    foreign = Minter(load_or_create(other_key, "sandbox"), server.base).mint("system/*.cruds")
    elsewhere = Minter(load_or_create(server.data, "sandbox"), "https://other.example/fhir").mint("system/*.cruds")
    old = Minter(load_or_create(server.data, "sandbox"), server.base, lambda: time.time() - 7200).mint("system/*.cruds")
    with server.client(None) as stranger:
        for token in (foreign, elsewhere, old):
            assert stranger.get("Patient", headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_a_token_in_the_url_is_not_a_token(server: Server) -> None:
    with server.client(None) as stranger:
        assert stranger.get(f"Patient?access_token={server.token()}").status_code == 400


def test_a_scope_allows_what_it_says(server: Server, create: Create) -> None:
    id_ = create()["id"]
    with server.client("system/Patient.rs") as reader:
        assert reader.get(f"Patient/{id_}").status_code == 200
        assert reader.get("Patient?_count=1").status_code == 200
        for refused in (
            reader.post("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON),
            reader.get("Observation?_count=1"),
            reader.delete(f"Patient/{id_}"),
        ):
            assert refused.status_code == 403
            assert diagnostics(refused)


def test_a_patient_scope_sees_one_record_and_counts_no_other(server: Server, create: Create) -> None:
    mine, other = create()["id"], create()["id"]
    about = {"status": "final", "code": {"text": "x"}}
    create("Observation", subject={"reference": f"Patient/{mine}"}, **about)
    hidden = create("Observation", subject={"reference": f"Patient/{other}"}, **about)["id"]
    with server.client("patient/*.rs", patient=mine) as reader:
        assert reader.get(f"Patient/{other}").status_code == 404
        assert reader.get(f"Observation/{hidden}").status_code == 404
        assert reader.get(f"Observation/{hidden}/_history").status_code == 404
        assert len(reader.get("Observation").json()["entry"]) == 1
        counts = reader.get(server.url + "/api/v1/counts").json()["counts"]
        assert counts == {"Observation": 1, "Patient": 1}
        entries = [{"request": {"method": "GET", "url": f"Patient/{id_}"}} for id_ in (mine, other)]
        batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        answer = reader.post("", json=batch, headers=FHIR_JSON).json()
        assert [entry["response"]["status"] for entry in answer["entry"]] == ["200", "404"]


def test_the_body_of_a_stranger_is_not_even_read(server: Server) -> None:
    with server.client(None) as stranger:
        refused = stranger.post("Patient", content=b"x" * (200 << 20), headers=FHIR_JSON)
        assert refused.status_code == 401
        assert refused.headers["connection"] == "close"


def test_auth_off_lets_everyone_in_and_says_so(start: Callable[..., Server]) -> None:
    running = start("--auth", "off")
    with running.client(None) as anyone:
        made = anyone.post("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON)
        assert made.status_code == 201
        assert "--auth off" in anyone.get("metadata").json()["rest"][0]["security"]["description"]
        assert "auth off" in anyone.get(running.url + "/").text


def test_tokens_and_names_are_in_no_log(start: Callable[..., Server]) -> None:
    running = start("--log-level", "debug")
    token = running.token()
    headers = {"authorization": f"Bearer {token}"}
    httpx.post(
        running.base + "/Patient",
        json={"resourceType": "Patient", "name": [{"family": "Secretname"}]},
        headers=headers | FHIR_JSON,
    )
    httpx.get(running.base + "/Patient?family=Secretname&identifier=urn:x|Secretid", headers=headers)
    httpx.get(running.base + "/Patient?famly=Secretname", headers=headers)
    httpx.get(running.base + f"/Patient?access_token={token}", headers=headers)
    running.stop()
    said = running.log + (running.data.parent / "stdout").read_text().split("Try:")[1]
    for secret in ("Secretname", "Secretid", token, token.split(".")[2]):
        assert secret.lower() not in said.lower()


def test_who_may_write_but_not_read_is_not_shown_what_is_there(server: Server, create: Create) -> None:
    made = create("Patient", name=[{"family": "Verborgen"}], active=True)
    path = f"Patient/{made['id']}"
    entry = {"resource": made, "request": {"method": "PUT", "url": path}}
    wanted = FHIR_JSON | {"prefer": "return=representation"}
    with server.client("system/Patient.cu") as writer:
        answers = [
            writer.put(path, json=made, headers=wanted),
            writer.put(path, json=made, headers=FHIR_JSON),
            *(
                writer.post("", json={"resourceType": "Bundle", "type": kind, "entry": [entry]}, headers=wanted)
                for kind in ("transaction", "batch")
            ),
        ]
        assert [answer.status_code for answer in answers] == [200] * 4
        assert not any("Verborgen" in answer.text for answer in answers)
        assert answers[0].headers["etag"] == 'W/"2"'
        assert writer.post("Patient", json={"resourceType": "Patient"}, headers=wanted).json()["id"]
    with server.client("system/Patient.cru") as both:
        assert "Verborgen" in both.put(path, json=made, headers=wanted).text
        shown = both.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": [entry]}, headers=wanted)
        assert "Verborgen" in shown.text
