"""A whole launch where every request may meet another process: PostgreSQL and two workers.

Codes, refresh tokens, sessions and flows are in the store, so that any process goes on with what another began; what is
revoked in one is void in the other within five seconds.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from tests.journeys.apps import Person, answered, people, record, registered
from tests.journeys.cli import postgres_database
from tests.journeys.server import Server

__all__ = ["postgres_database"]

BACK = "http://127.0.0.1:4714/back"
SCOPE = "openid fhirUser offline_access launch/patient patient/Patient.rs patient/Observation.rs"


@pytest.fixture(params=["sqlite", "postgresql"])
def flags(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return () if request.param == "sqlite" else ("--store", request.getfixturevalue("postgres_database"))


@pytest.fixture
def two(flags: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("two")
    running = Server(folder, "--workers", "2", *flags)
    record(running)
    people(running, folder, *flags)
    yield running
    running.stop()


@pytest.fixture
def ends(two: Server) -> Iterator[list[httpx.Client]]:
    """Two clients, each with one connection, to another process each."""
    found: dict[str, httpx.Client] = {}
    spare: list[httpx.Client] = []
    until = time.monotonic() + 30
    while len(found) < 2 and time.monotonic() < until:
        client = httpx.Client(limits=httpx.Limits(max_connections=1), timeout=30)
        spare.append(client)
        metrics = client.get(two.url + "/metrics", headers={"authorization": f"Bearer {two.token()}"}).text
        worker = re.search(r'hilum_requests_in_flight\{worker="(\d+)"\}', metrics)
        assert worker
        found.setdefault(worker[1], client)
    assert len(found) == 2
    yield list(found.values())
    for client in spare:
        client.close()


class Turns(httpx.BaseTransport):
    """A browser whose every request goes to the other process than the one before."""

    def __init__(self, ends: list[httpx.Client]) -> None:
        self.ends, self.turn = ends, 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.turn += 1
        return self.ends[self.turn % 2]._transport.handle_request(request)


def test_g10_a_launch_a_refresh_and_a_revocation_over_two_processes(
    two: Server, flags: tuple[str, ...], ends: list[httpx.Client]
) -> None:
    client = registered(two, "Between", "--redirect", BACK, "--scopes", SCOPE, *flags)["client_id"]
    verifier = secrets.token_urlsafe(40)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {"response_type": "code", "client_id": client, "redirect_uri": BACK, "scope": SCOPE, "state": "s",
             "aud": two.base, "code_challenge": challenge, "code_challenge_method": "S256"}  # fmt: skip
    person = Person("ada.stone", BACK)
    turns = Turns(ends)
    person.browser = httpx.Client(transport=turns)
    back = answered(person.allows(f"{two.url}/auth/authorize?{urlencode(asked)}"))
    assert turns.turn > 4
    one, other = ends

    def tokens(end: httpx.Client, **form: str) -> dict[str, Any]:
        answer = end.post(two.url + "/auth/token", data=form | {"client_id": client})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def seen(end: httpx.Client, token: str) -> int:
        return end.get(f"{two.base}/Patient/ada", headers={"authorization": f"Bearer {token}"}).status_code

    code = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": BACK, "code_verifier": verifier}
    first = tokens(one, **code)
    assert [seen(end, first["access_token"]) for end in ends] == [200, 200]
    second = tokens(other, grant_type="refresh_token", refresh_token=first["refresh_token"])
    third = tokens(one, grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert [seen(end, third["access_token"]) for end in ends] == [200, 200]
    gone = one.post(two.url + "/auth/revoke", data={"token": third["refresh_token"], "client_id": client})
    assert gone.status_code == 200
    assert seen(one, third["access_token"]) == 401
    until = time.monotonic() + 5
    while (status := seen(other, third["access_token"])) == 200 and time.monotonic() < until:
        time.sleep(0.05)
    assert status == 401
    again = other.post(two.url + "/auth/token", data={"grant_type": "refresh_token", "client_id": client,
                                                      "refresh_token": third["refresh_token"]})  # fmt: skip
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
