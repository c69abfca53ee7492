"""Signed links to Binaries of an app that acts for a user: they end with what the user allowed."""

from __future__ import annotations

import httpx
from tests.conformance.smart.ground import Ground
from tests.conformance.smart.visitor import address
from tests.journeys.attacked import both, postgres_ground, sqlite_ground
from tests.journeys.binaries import PDF
from tests.journeys.server import FHIR_JSON
from tests.journeys.test_attacks_at_once import dead

__all__ = ["both", "postgres_ground", "sqlite_ground"]


def made(ground: Ground, token: str, path: str) -> str:
    """The address of a link."""
    headers = address() | FHIR_JSON | {"authorization": f"Bearer {token}"}
    answer = httpx.post(f"{ground.base}/{path}", json={"resourceType": "Parameters"}, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["parameter"][0]["valueUrl"])


def test_links_end_when_the_grant_does(both: Ground) -> None:
    app = both.app()
    given = both.tokens(app, "launch/patient patient/*.rs offline_access")
    token = given["access_token"]
    with both.server.client() as fhir:
        about = PDF | {"x-security-context": "Patient/p1"}
        id = fhir.post("Binary", content=b"%PDF", headers=about).json()["id"]
    down = made(both, token, f"Binary/{id}/$download-link")
    assert httpx.get(down, headers=address()).content == b"%PDF"
    both.ask("/auth/revoke", {"token": given["refresh_token"]}, app)
    assert dead(both, token)
    assert httpx.get(down, headers=address()).status_code == 401


def test_a_link_opens_what_its_maker_may_read_and_no_more(both: Ground) -> None:
    token = both.tokens(both.app(), "launch/patient patient/*.rs")["access_token"]
    with both.server.client() as fhir:
        about = PDF | {"x-security-context": "Patient/p1"}
        id = fhir.post("Binary", content=b"%PDF", headers=about).json()["id"]
        down = made(both, token, f"Binary/{id}/$download-link")
        fhir.put(f"Binary/{id}", content=b"%PDF, theirs", headers=PDF | {"x-security-context": "Patient/p2"})
        assert httpx.get(down, headers=address()).content == b"%PDF", "the version that it was made for"
        headers = address() | FHIR_JSON | {"authorization": f"Bearer {token}"}
        assert httpx.post(f"{both.base}/Binary/{id}/$download-link", headers=headers).status_code == 404
