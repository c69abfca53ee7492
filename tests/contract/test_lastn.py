"""Observation/$lastn on every store, and for whom."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.test_labels import BASE, OWNER, bound

from hilum.access.policy import Principal
from hilum.fhir import json
from hilum.interactions.create import create
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.rest import router
from hilum.rest.links import Links
from hilum.rest.message import Request
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.interface import Store


async def observe(door: Door, id: str, patient: str, when: str, *codes: str, category: str = "laboratory") -> None:
    body = {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "category": [{"coding": [{"system": "urn:category", "code": category}]}],
        "code": {"coding": [{"system": "urn:x", "code": code} for code in codes]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": when,
    }
    await update(door, OWNER, "Observation", id, body)


@pytest.fixture
async def service(store: Store) -> Service:
    """Two patients: of the first three kinds of observations, one of them under two codes."""
    door = Door(store, BASE)
    for name in ("p", "q"):
        await update(door, OWNER, "Patient", name, {"resourceType": "Patient", "id": name})
    await observe(door, "a1", "p", "2020-01-01", "a")
    await observe(door, "a2", "p", "2022-01-01", "a")
    await observe(door, "b1", "p", "2021-01-01", "b")
    await observe(door, "ab", "p", "2019-01-01", "a", "b")
    await observe(door, "c1", "p", "2018", "c", category="vital-signs")
    await observe(door, "q1", "q", "2023-01-01", "a", "c")
    return Service(door, Links(bytes(32)), Router(ROUTES))


async def ask(
    service: Service, who: Principal, query: str, body: dict[str, Any] | None = None
) -> tuple[int, list[str]]:
    request = Request("GET" if body is None else "POST", ("Observation", "$lastn"), query, {}, b"", who)
    if body is not None:
        request.headers, request.body = {b"content-type": b"application/fhir+json"}, json.encode(body)
    answer = await router.answer(service, request)
    found = json.parse(answer.body)
    if answer.status != 200:
        return answer.status, [issue["diagnostics"] for issue in found["issue"]]
    assert found["total"] == len(found.get("entry", ()))
    return answer.status, [entry["resource"]["id"] for entry in found.get("entry", ())]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("patient=p", ["a2", "c1"]),
        ("subject=Patient/p&max=2", ["a2", "b1", "c1"]),
        ("patient=p&max=9", ["a2", "b1", "a1", "ab", "c1"]),
        ("patient=p&max=9&date=ge2020", ["a2", "a1", "b1"]),  # what linked the two does not match
        ("patient=p&category=vital-signs", ["c1"]),
        ("patient=p&category=nothing", []),
        ("patient=p&code=urn:x|a&max=1", ["a2"]),
        ("patient=p,q", ["q1"]),
    ],
)
async def test_the_newest_of_each_code(service: Service, query: str, found: list[str]) -> None:
    assert await ask(service, OWNER, query) == (200, found)
    named = [pair.partition("=") for pair in query.split("&")]
    parameter = [
        {"name": name, "valuePositiveInt": int(value)} if name == "max" else {"name": name, "valueString": value}
        for name, _, value in named
    ]
    assert await ask(service, OWNER, "", {"resourceType": "Parameters", "parameter": parameter}) == (200, found)


async def test_nobody_sees_more_than_by_a_search(service: Service) -> None:
    assert await ask(service, bound("patient/*.rs", "p"), "patient=p,q") == (200, ["a2", "c1"])
    assert await ask(service, bound("patient/*.rs", "q"), "patient=p") == (200, [])
    constrained = bound("patient/Observation.rs?category=vital-signs", "p")
    assert await ask(service, constrained, "patient=p") == (200, ["c1"])
    assert (await ask(service, bound("system/Observation.r"), "patient=p"))[0] == 403


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("category=laboratory", 400, "Whose observations?"),
        ("patient=p&_count=3", 400, "_count shapes the results"),
        ("patient=p&max=0", 400, "max must be a whole number, 1 or more"),
        ("patient=p&max=1&max=2", 400, "max may be given once"),
        ("patient=p&colour=red", 400, "colour"),
    ],
)
async def test_what_is_refused(service: Service, query: str, status: int, said: str) -> None:
    found, texts = await ask(service, OWNER, query)
    assert (found, said in texts[0]) == (status, True), texts


async def test_a_record_of_several_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hilum.interactions.lastn._AT_ONCE", 3)
    door = Door(store, BASE)
    for n in range(11):
        body = {"resourceType": "Observation", "status": "final", "code": {"coding": [{"code": "ab"[n % 2]}]},
                "subject": {"reference": "Patient/p"}, "effectiveDateTime": f"20{n + 10}"}  # fmt: skip
        await create(door, OWNER, "Observation", body)
    service = Service(door, Links(bytes(32)), Router(ROUTES))
    status, found = await ask(service, OWNER, "patient=p&max=2")
    assert (status, len(found), len(set(found))) == (200, 4, 4)
