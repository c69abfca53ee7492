"""Operations that put something together answer alike on every store."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.test_labels import BASE, OWNER, bound

from hilum.access.policy import Principal
from hilum.fhir import json
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.rest import router
from hilum.rest.links import Links
from hilum.rest.message import Request
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.interface import Store


def to(name: str) -> dict[str, str]:
    return {"reference": name}


BODIES: tuple[dict[str, Any], ...] = (
    {"resourceType": "Patient", "id": "p"},
    {"resourceType": "Patient", "id": "q"},
    {"resourceType": "Practitioner", "id": "d"},
    {"resourceType": "Encounter", "id": "e", "status": "finished", "class": {"code": "AMB"},
     "subject": to("Patient/p")},
    {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}, "subject": to("Patient/p"),
     "encounter": to("Encounter/e"), "performer": [to("Practitioner/d")], "focus": [to("Patient/q")]},
    {"resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "x"}, "date": "2026", "title": "x",
     "subject": to("Patient/p"), "author": [to("Practitioner/d")],
     "section": [{"title": "x", "entry": [to("Observation/o")]}]},
    {"resourceType": "Patient", "id": "p", "active": True},
)  # fmt: skip


@pytest.fixture
async def service(store: Store) -> Service:
    door = Door(store, BASE)
    for body in BODIES:
        await update(door, OWNER, body["resourceType"], body["id"], body)
    return Service(door, Links(bytes(32)), Router(ROUTES))


async def ask(service: Service, path: str, who: Principal = OWNER, method: str = "GET") -> tuple[int, dict[str, Any]]:
    where, _, query = path.partition("?")
    answer = await router.answer(service, Request(method, tuple(where.split("/")), query, {}, b"", who))
    return answer.status, json.parse(answer.body)


def names(bundle: dict[str, Any]) -> list[str]:
    return [entry["fullUrl"].removeprefix(f"{BASE}/") for entry in bundle["entry"]]


PATIENT = bound("patient/*.rs", "p")


async def test_a_document_is_put_together_and_kept(service: Service) -> None:
    for who in (OWNER, PATIENT):
        status, found = await ask(service, "Composition/c/$document", who)
        assert (status, names(found)) == (
            200, ["Composition/c", "Patient/p", "Practitioner/d", "Observation/o", "Encounter/e"],
        )  # fmt: skip
    status, kept = await ask(service, "Composition/c/$document?persist=true", method="POST")
    assert (status, (await ask(service, f"Bundle/{kept['id']}"))[1]) == (200, kept)
    assert (await ask(service, "Composition/c/$document", bound("patient/*.rs", "q")))[0] == 404
    assert (await ask(service, "Composition/c/$document?persist=true", PATIENT, "POST"))[0] == 403


async def test_the_record_of_an_encounter(service: Service) -> None:
    for who in (OWNER, PATIENT):
        status, found = await ask(service, "Encounter/e/$everything", who)
        assert (status, names(found)[0], sorted(names(found))) == (
            200, "Encounter/e", ["Composition/c", "Encounter/e", "Observation/o", "Patient/p", "Practitioner/d"][1:],
        )  # fmt: skip
    _, page = await ask(service, "Encounter/e/$everything?_count=2")
    (following,) = [one["url"] for one in page["link"] if one["relation"] == "next"]
    _, rest = await ask(service, following.removeprefix(f"{BASE}/"))
    assert len({*names(page), *names(rest)}) == 4


async def test_differences_and_labels(service: Service) -> None:
    status, found = await ask(service, "Patient/p/$diff", PATIENT)
    assert (status, [part.get("valueString") for part in found["parameter"][0]["part"]]) == (
        200, [None, "Patient", "active", None],
    )  # fmt: skip
    status, found = await ask(service, "Patient/p/_history/1/$meta", PATIENT)
    assert (status, found["parameter"][0]["valueMeta"]["versionId"]) == (200, "1")
    assert (await ask(service, "Patient/q/$meta", PATIENT))[0] == 404
