"""Each fault of `hilum sandbox`, met over real HTTP, and the endpoint that sets them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.journeys.sandboxes import Sandbox, codes, matches, next_of


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(
        tmp_path_factory.mktemp("faults"), "epic", "--fault", "500:on=Encounter", "--fault", "429:after=1"
    )
    yield sandbox
    sandbox.stop()


def test_faults_of_the_command_line_are_set_from_the_start(running: Sandbox) -> None:
    assert "set: 500:every=1,times=1,on=Encounter" in running.said
    with running.client() as client:
        assert client.get("Patient/demo-p001").status_code == 200
        answer = client.get("Patient/demo-p001")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
        assert client.get("Patient/demo-p001").status_code == 200
        assert client.get("Encounter?patient=demo-p001").status_code == 500
    assert [(one["seen"], one["struck"]) for one in running.faults().json()["faults"]] == [(1, 1), (3, 1)]


@pytest.fixture
def fault(running: Sandbox) -> Iterator[Sandbox]:
    running.faults("DELETE")
    yield running
    running.faults("DELETE")


def test_an_expired_token_is_refused_from_then_on_and_another_one_holds(fault: Sandbox) -> None:
    token, another = fault.token(), fault.token()
    assert fault.faults("POST", fault="expired").status_code == 201
    with fault.client(token) as client:
        assert [client.get("Patient/demo-p001").status_code for _ in range(2)] == [401, 401]
    with fault.client(another) as client:
        assert client.get("Patient/demo-p001").status_code == 200


def test_a_truncated_answer_ends_in_its_middle(fault: Sandbox) -> None:
    fault.faults("POST", fault="truncated:on=Condition")
    with fault.client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("Condition?patient=demo-p001")
        assert matches(client.get("Condition?patient=demo-p001").json())


def test_a_slow_answer_is_right(fault: Sandbox) -> None:
    fault.faults("POST", fault="slow:seconds=1")
    with fault.client() as client:
        begun = time.monotonic()
        assert matches(client.get("Condition?patient=demo-p001").json())
        assert time.monotonic() - begun >= 1


def test_a_page_that_is_gone_and_documents_enough_for_a_day(fault: Sandbox) -> None:
    for text in ("page-gone", "daily-cap"):
        fault.faults("POST", fault=text)
    with fault.client() as client:
        page = client.get("Observation?patient=demo-p001&category=laboratory&_count=2").json()
        assert codes(client.get(next_of(page) or "").json()) == [("fatal", "4113")]
        assert matches(client.get(next_of(page) or "").json())
        assert codes(client.get("DocumentReference?patient=demo-p001").json()) == [("fatal", "4135")]


def test_a_record_number_finds_somebody_else_and_what_comes_tells_it(fault: Sandbox) -> None:
    system = "urn:oid:1.2.840.114350.1.13.0.1.7.5.737384.14"
    fault.faults("POST", fault="wrong-match")
    with fault.client() as client:
        wrong, right = (client.get("Patient", params={"identifier": f"{system}|203704"}).json() for _ in range(2))
    assert (matches(wrong), matches(right)) == (["demo-p003"], [])  # there are three, and 203704 is nobody's here
    numbers = {one["system"]: one["value"] for one in wrong["entry"][0]["resource"]["identifier"]}
    assert numbers[system] == "203703"


def test_the_token_endpoint_refuses_once_without_a_reason(fault: Sandbox) -> None:
    fault.faults("POST", fault="token-400")
    refused = fault.grant(scope="system/Patient.rs")
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_client", "error_description": None})
    assert fault.grant(scope="system/Patient.rs").status_code == 200


def test_the_endpoint_opens_by_its_own_key_only_and_says_what_it_does_not_know(fault: Sandbox) -> None:
    there = f"{fault.url}/sandbox/faults"
    for headers in ({}, {"authorization": "Bearer nothing"}, {"authorization": f"Bearer {fault.token()}"}):
        assert httpx.post(there, headers=headers, json={"fault": "500"}).status_code == 401
    refused = fault.faults("POST", fault="earthquake")
    assert (refused.status_code, "429" in refused.json()["error"]) == (400, True)
    assert fault.faults("PUT").status_code == 405
    assert fault.faults().json() == {"faults": []}


def test_a_sandbox_is_the_same_when_it_is_started_again(tmp_path: Path) -> None:
    first = Sandbox(tmp_path, "plain")
    first.stop()
    again = Sandbox(tmp_path, "plain")
    try:
        assert (again.password, again.key) == (first.password, first.key)
        with again.client() as client:
            found = client.get("Patient", params={"identifier": "urn:oid:2.999.1.1|100002", "_count": 1}).json()
        assert (found["total"], matches(found)) == (1, ["demo-p002"])  # as hilum says it, and nothing is restricted
        assert (tmp_path / "data" / "sandbox.json").stat().st_mode & 0o777 == 0o600
    finally:
        again.stop()
