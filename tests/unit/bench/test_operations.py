"""Requests are what they claim, and a wrong answer is seen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bench.operations import OPERATIONS, Answer, Calls
from bench.records import Population

SIZE = 4000


def _calls(name: str, seed: int = 1) -> Calls:
    return OPERATIONS[name].make(Population(SIZE), "TOKEN", seed)


def _sent(request: bytes) -> Any:
    return json.loads(request.partition(b"\r\n\r\n")[2])


def _answer(status: int, body: Any, **headers: str) -> Answer:
    head = f"HTTP/1.1 {status} X\r\n" + "\r\n".join(f"{name}: {value}" for name, value in headers.items())
    return Answer(status, head, json.dumps(body).encode())


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_request_is_whole_and_carries_the_token(name: str) -> None:
    head, _, body = _calls(name).request(3).partition(b"\r\n\r\n")
    assert b"\r\nAuthorization: Bearer TOKEN\r\n" in head
    if body:
        assert f"\r\nContent-Length: {len(body)}".encode() in head
        assert json.loads(body)["resourceType"]


def test_no_update_repeats_what_is_stored() -> None:
    calls = _calls("update patient")
    last: dict[str, str] = {}
    for i in range(400):
        body = _sent(calls.request(i))
        phone = body["telecom"][0]["value"]
        assert last.get(body["id"]) != phone
        last[body["id"]] = phone


def test_updates_in_flight_together_are_of_different_patients() -> None:
    calls = _calls("update patient")
    assert len({_sent(calls.request(i))["id"] for i in range(16)}) == 16


def test_another_resource_than_asked_for_is_an_error() -> None:
    calls = _calls("read")
    path = calls.request(0).split(b" ")[1].decode()
    _, _, type, id = path.split("/")
    assert calls.check(0, _answer(200, {"resourceType": type, "id": id})) is None
    assert calls.check(0, _answer(200, {"resourceType": type, "id": "other"})) == "another resource came back"


def test_a_create_must_answer_what_was_sent_at_its_location() -> None:
    calls = _calls("create observation")
    made = _sent(calls.request(0)) | {"id": "a", "meta": {"versionId": "1", "lastUpdated": "now"}}
    here = "http://127.0.0.1:1/fhir/Observation/a/_history/1"
    assert calls.check(0, _answer(201, made, location=here)) is None
    assert calls.check(0, _answer(201, made, location=here.replace("/a/", "/b/"))) is not None
    assert (
        calls.check(0, _answer(201, {**made, "status": "amended"}, location=here)) == "the answer is not what was sent"
    )
    assert calls.check_later is not None
    assert calls.check_later(0, _answer(201, made, location=here))[0] == "/Observation/a"


def test_a_transaction_with_a_failed_entry_is_an_error() -> None:
    calls = _calls("transaction")
    entries = [{"response": {"status": "201 Created"}} for _ in range(100)]
    good = {"type": "transaction-response", "entry": entries}
    assert calls.check(0, _answer(200, good)) is None
    bad = {**good, "entry": [*entries[:-1], {"response": {"status": "400"}}]}
    assert calls.check(0, _answer(200, bad)) == "transaction-response with 100 entries, 99 of them created"


def test_a_search_with_a_short_page_is_an_error() -> None:
    calls = _calls("search observation")
    assert calls.check(0, _answer(200, {"type": "searchset"})) == "0 entries, 0 of them right"
