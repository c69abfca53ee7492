"""Writes of every kind, with a diary of what was sent and what was acknowledged."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from tests.durability.wire import Answer, Wire

SYSTEM = "urn:hilum:test"
GROUP = 5


def observation(marker: str, group: str | None = None) -> dict[str, Any]:
    identifiers = [{"system": SYSTEM, "value": marker}]
    if group is not None:
        identifiers.append({"system": SYSTEM + ":group", "value": group})
    return {
        "resourceType": "Observation",
        "identifier": identifiers,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": "Patient/of-" + marker[-1]},
        "effectiveDateTime": "2026-01-01T00:00:00Z",
        "valueQuantity": {"value": 71.50, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
    }


def patient(id: str, marker: int) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, "name": [{"family": f"Version{marker}"}], "active": True}


@dataclass
class Diary:
    """What one run sent (`sent`) and what came back whole (`acknowledged`)."""

    created: dict[str, bytes] = field(default_factory=dict)  # marker -> the body that was answered
    creating: set[str] = field(default_factory=set)
    conditional: dict[str, set[str]] = field(default_factory=dict)  # marker -> ids answered
    conditional_sent: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    groups_sent: set[str] = field(default_factory=set)
    updated: dict[str, int] = field(default_factory=dict)  # id -> last acknowledged marker
    updating: dict[str, int] = field(default_factory=dict)  # id -> last sent marker
    deleted: set[str] = field(default_factory=set)
    deleting: set[str] = field(default_factory=set)
    answers: int = 0
    in_flight: int = 0
    refused: list[str] = field(default_factory=list)

    def note(self, answer: Answer, *expected: int) -> bool:
        self.answers += 1
        if answer.status in expected:
            return True
        self.refused.append(f"{answer.status} {answer.body[:300]!r}")
        return False


async def client(wire: Wire, diary: Diary, name: str, seed: int) -> None:
    """Send writes until the server goes away."""
    dice = random.Random(seed)
    number = 0
    while True:
        number += 1
        marker = f"{name}-{number}"
        kind = dice.choices(("create", "conditional", "transaction", "update", "delete"), (40, 10, 15, 25, 10))[0]
        diary.in_flight += 1
        try:
            await _one(kind, wire, diary, name, marker, number, dice)
        except (ConnectionError, OSError):
            return
        diary.in_flight -= 1


async def _one(kind: str, wire: Wire, diary: Diary, name: str, marker: str, number: int, dice: random.Random) -> None:
    if kind == "create":
        diary.creating.add(marker)
        answer = await wire.send("POST", "/Observation", observation(marker))
        if diary.note(answer, 201):
            diary.created[marker] = answer.body
    elif kind == "conditional":
        diary.conditional_sent.add(marker)
        answer = await wire.send(
            "POST", "/Observation", observation(marker), if_none_exist=f"identifier={SYSTEM}|{marker}"
        )
        if diary.note(answer, 200, 201):
            diary.conditional.setdefault(marker, set()).add(answer.json["id"])
    elif kind == "transaction":
        diary.groups_sent.add(marker)
        entries = [
            {"resource": observation(f"{marker}.{k}", marker), "request": {"method": "POST", "url": "Observation"}}
            for k in range(GROUP)
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        if diary.note(await wire.send("POST", "", bundle), 200):
            diary.groups.add(marker)
    elif kind == "update":
        id = f"{name}-patient-{dice.randrange(3)}"
        diary.updating[id] = number
        if diary.note(await wire.send("PUT", f"/Patient/{id}", patient(id, number)), 200, 201):
            diary.updated[id] = number
    else:
        id = f"{name}-gone-{number}"
        if diary.note(await wire.send("PUT", f"/Patient/{id}", patient(id, number)), 201):
            diary.deleting.add(id)
            if diary.note(await wire.send("DELETE", f"/Patient/{id}"), 200, 204):
                diary.deleted.add(id)


async def check(wire: Wire, diary: Diary) -> list[str]:
    """Every way in which what is there now contradicts the diary."""
    wrong: list[str] = list(diary.refused)

    async def found(query: str) -> list[Any]:
        answer = await wire.send("GET", f"/Observation?{query}&_count=50")
        return [entry["resource"] for entry in answer.json.get("entry", [])]

    for marker in diary.creating:
        there = await found(f"identifier={SYSTEM}|{marker}")
        body = diary.created.get(marker)
        if len(there) > 1 or (body is not None and not there):
            wrong.append(f"create {marker}: {len(there)} found, acknowledged: {body is not None}")
        for resource in there:
            read = await wire.send("GET", f"/Observation/{resource['id']}")
            if read.status != 200 or (body is not None and read.body != body):
                wrong.append(f"create {marker}: read {read.status}, the same bytes: {read.body == body}")
            by_subject = await found(f"subject={resource['subject']['reference']}&identifier={marker}")
            if [r["id"] for r in by_subject] != [resource["id"]]:
                wrong.append(f"create {marker}: its reference is not indexed")
    for marker in diary.conditional_sent:
        there = {r["id"] for r in await found(f"identifier={SYSTEM}|{marker}")}
        told = diary.conditional.get(marker, set())
        if len(there) > 1 or not told <= there:
            wrong.append(f"conditional {marker}: {len(there)} found, {len(told)} acknowledged")
    for group in diary.groups_sent:
        there = await found(f"identifier={SYSTEM}:group|{group}")
        if len(there) not in (0, GROUP) or (group in diary.groups and not there):
            wrong.append(f"transaction {group}: {len(there)} of {GROUP}, acknowledged: {group in diary.groups}")
    for id, sent in diary.updating.items():
        answer = await wire.send("GET", f"/Patient/{id}")
        acknowledged = diary.updated.get(id)
        if answer.status == 404 and acknowledged is None:
            continue
        now = int(answer.json["name"][0]["family"][7:]) if answer.status == 200 else -1
        if now not in {acknowledged, sent}:
            wrong.append(f"update {id}: marker {now}, acknowledged {acknowledged}, last sent {sent}")
        history = (await wire.send("GET", f"/Patient/{id}/_history?_count=1000")).json
        versions = [int(entry["resource"]["meta"]["versionId"]) for entry in history["entry"]]
        if versions != list(range(len(versions), 0, -1)):
            wrong.append(f"update {id}: versions {versions}")
    for id in diary.deleting:
        answer = await wire.send("GET", f"/Patient/{id}")
        if answer.status not in (200, 410) or (id in diary.deleted and answer.status != 410):
            wrong.append(f"delete {id}: {answer.status}, acknowledged: {id in diary.deleted}")
    return wrong


async def run_until_gone(port: int, token: str, name: str, seed: int, clients: int, diary: Diary) -> None:
    """Into the diary, what these clients do until the server goes away."""
    wires = [Wire(port, token) for _ in range(clients)]
    await asyncio.gather(*(client(wire, diary, f"{name}c{k}", seed * 1000 + k) for k, wire in enumerate(wires)))
    for wire in wires:
        wire.close()
