"""The way `fhir`: nothing is doubled and nothing lost, whatever the server can do and wherever it breaks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.sending.far_sides import BATCH, Notes, Reply, Request, Side, agent, batch, far_side
from tests.unit.agent.sending.fhir_server import FhirServer
from tests.unit.phd.fhir.making import CUFF, glucose, pressure, taken

from hilum.agent.batch import Batch, Fate, Later, Refused, Stopped, Stored
from hilum.agent.sending.fhir import Fhir
from hilum.phd.fhir import personal_health_device

HER = {"patient": [{"device": CUFF.key, "id": "p1"}]}
IDENTIFIED = {"patient": [{"device": CUFF.key, "system": "urn:oid:1.2.3", "value": "77"}]}
ONE = batch(taken(glucose("18.90")))
STREAM = batch(taken(*(glucose(value, stamp=None) for value in ("5.0", "5.0", "6.0")), battery=80))
"""Nothing of it has an identifier: the two that are alike are two."""

SERVERS: Mapping[str, dict[str, Any]] = {
    "transactions": {},
    "one by one": {"transactions": False},
    "one by one without conditions": {"transactions": False, "conditional": False},
    "transactions without conditions": {"conditional": False},
    "one by one and it says not where": {"transactions": False, "speaks": False},
    "one by one with searches that heed nothing": {"transactions": False, "conditional": False, "heeds": False},
}


async def sent(
    folder: Path, server: Callable[[Request], Reply], *batches: Batch, table: dict[str, Any] = HER
) -> tuple[list[Fate], Side]:
    """Each until it is stored, but thrice at most; what was done of it is known again."""
    fates: list[Fate] = []
    async with far_side(folder, server) as side:
        for one in batches:
            notes = Notes()
            for _ in range(3):  # a new way each time: as after kill -9
                way = Fhir(agent(folder, side, "fhir", "/r4", table), notes)
                fates.append(await way.send(replace(one, done=dict(notes.done))))
                await way.close()
                if not isinstance(fates[-1], Later):
                    break
    return fates, side


@pytest.mark.parametrize("able", SERVERS.values(), ids=SERVERS.keys())
@pytest.mark.parametrize("one", [ONE, STREAM], ids=["stamped", "streamed"])
async def test_a_batch_is_stored_once(tmp_path: Path, able: dict[str, Any], one: Batch) -> None:
    server = FhirServer(**able)
    if not server.heeds:
        server.stored = [{"resourceType": type_, "id": f"other{type_}"} for type_ in ("Device", "Observation")]
    fates, _ = await sent(tmp_path, server, one)
    assert [type(fate) for fate in fates] == [Stored]
    assert server.values() == ([18.9] if one is ONE else [5.0, 5.0, 6.0, 80])
    assert len([device for device in server.of("Device") if "identifier" in device]) == 2
    references = {
        observation["device"]["reference"] for observation in server.of("Observation") if "device" in observation
    }
    assert len(references) == 1


@pytest.mark.parametrize("able", list(SERVERS.values())[:4], ids=list(SERVERS)[:4])
@pytest.mark.parametrize("cut", range(1, 9))
async def test_what_was_stored_and_not_answered_is_not_doubled(tmp_path: Path, able: dict[str, Any], cut: int) -> None:
    server = FhirServer(**able, cuts={cut})
    fates, _ = await sent(tmp_path, server, STREAM)
    assert isinstance(fates[-1], Stored)
    assert server.values() == [5.0, 5.0, 6.0, 80]
    assert len(server.of("Device")) == 2


async def test_one_by_one_what_is_noted_is_not_sent_again(tmp_path: Path) -> None:
    server = FhirServer(transactions=False, cuts={4})
    fates, side = await sent(tmp_path, server, ONE)
    assert [type(fate) for fate in fates] == [Later, Stored]
    assert [one.path for one in side.seen if one.method == "POST"] == [
        "/r4/Device", "/r4/Device", "/r4/Observation", "/r4/Observation", "/r4/Observation",
    ]  # fmt: skip


async def test_one_by_one_halves_of_what_was_refused_double_nothing(tmp_path: Path) -> None:
    server = FhirServer(transactions=False, refuses={6.0})
    first, second = STREAM.taken[0].readings[:2], STREAM.taken[0].readings[2:]
    halves = [
        replace(STREAM, id=f"urn:uuid:{number}", taken=(replace(STREAM.taken[0], readings=part),))
        for number, part in enumerate((first, second))
    ]
    fates, _ = await sent(tmp_path, server, STREAM, *halves)
    assert [type(fate) for fate in fates] == [Refused, Stored, Refused]
    assert server.values() == [5.0, 5.0, 80]


async def test_numbers_have_their_digits_and_references_lead_to_what_was_created(tmp_path: Path) -> None:
    _, side = await sent(tmp_path, FhirServer(transactions=False), ONE)
    last = side.seen[-1]
    assert b'"value":18.90,' in last.body
    assert last.json["subject"] == {"reference": "Patient/p1"}
    assert last.json["device"] == {"reference": "Device/1"}
    assert last.json["derivedFrom"] == [{"reference": "Observation/2"}]
    assert b"urn:uuid" not in last.body


async def test_the_receipt_says_where_it_is_and_nothing_of_what_was_measured(tmp_path: Path) -> None:
    fates, _ = await sent(tmp_path, FhirServer(), ONE)
    assert fates[0] == Stored(
        f'{{"bundle":"{BATCH}","entries":["Device/0","Device/1","Observation/2","Observation/3"]}}'
    )


@pytest.mark.parametrize("transactions", [True, False], ids=["transactions", "one by one"])
async def test_a_patient_by_identifier_is_created_unless_there(tmp_path: Path, transactions: bool) -> None:
    server = FhirServer(transactions)
    other = replace(ONE, id="urn:uuid:other", taken=(taken(pressure()),))
    fates, _ = await sent(tmp_path, server, ONE, other, table=IDENTIFIED)
    assert [type(fate) for fate in fates] == [Stored, Stored]
    assert len(server.of("Patient")) == 1


async def test_a_patient_that_the_server_does_not_create_has_to_be_there(tmp_path: Path) -> None:
    server = FhirServer(creates=("Device", "Observation"))
    fates, _ = await sent(tmp_path, server, ONE, table=IDENTIFIED)
    assert isinstance(fates[0], Stopped) and "no such Patient" in fates[0].why
    server.stored.append(
        {"resourceType": "Patient", "id": "7", "identifier": [{"system": "urn:oid:1.2.3", "value": "77"}]}
    )
    fates, _ = await sent(tmp_path, server, ONE, table=IDENTIFIED)
    assert isinstance(fates[0], Stored)
    assert server.of("Observation")[-1]["subject"] == {"reference": "Patient/7"}


async def test_nobody_guesses_whose_it_is(tmp_path: Path) -> None:
    fates, side = await sent(tmp_path, FhirServer(), replace(ONE, person=2))
    assert isinstance(fates[0], Stopped) and "user 2" in fates[0].why
    assert side.seen == []


@pytest.mark.parametrize("transactions", [True, False], ids=["transactions", "one by one"])
async def test_of_two_devices_with_one_identifier_nobody_guesses_which(tmp_path: Path, transactions: bool) -> None:
    twice = personal_health_device(CUFF)
    server = FhirServer(transactions, stored=[twice | {"id": "a"}, twice | {"id": "b"}])
    fates, _ = await sent(tmp_path, server, ONE)
    assert isinstance(fates[0], Stopped) and "several" in fates[0].why
    assert server.of("Observation") == []


@pytest.mark.parametrize("transactions", [True, False], ids=["transactions", "one by one"])
async def test_a_measurement_that_is_there_twice_is_there(tmp_path: Path, transactions: bool) -> None:
    server = FhirServer(transactions)
    await sent(tmp_path, server, ONE)
    server.stored.append(json.loads(json.dumps(server.stored[-1])))
    fates, _ = await sent(tmp_path, server, replace(ONE, id="urn:uuid:other"))
    assert isinstance(fates[0], Stored)
    assert server.values() == [18.9, 18.9]


@pytest.mark.parametrize(
    ("able", "told"),
    [
        ({"creates": ("Observation", "Patient")}, "no Device"),
        ({"creates": ("Device",)}, "no Observation"),
        ({"creates": ()}, "no Device and no Observation"),
        ({"version": "5.0.0"}, "R4"),
        ({"version": "3.0.2"}, "R4"),
        ({"conditional": False, "searches": False}, "twice"),
    ],
    ids=["no devices", "no observations", "neither", "R5", "STU3", "nothing can be found again"],
)
async def test_a_server_that_can_not_take_readings_gets_none(tmp_path: Path, able: dict[str, Any], told: str) -> None:
    server = FhirServer(**able)
    fates, _ = await sent(tmp_path, server, ONE)
    assert isinstance(fates[0], Stopped) and told in fates[0].why
    assert server.posts == 0


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(404), Stopped),
        (Reply(400), Stopped),
        (Reply(503, headers={"Retry-After": "7"}), Later),
        (Reply(200, b"<html>"), Later),
        (Reply(200, {"resourceType": "Patient"}), Later),
    ],
    ids=["404", "400", "503", "a page", "something else"],
)
async def test_without_a_capability_statement_nothing_is_refused(
    tmp_path: Path, reply: Reply, expected: type[Fate]
) -> None:
    fates, _ = await sent(tmp_path, lambda asked: reply, ONE)
    assert isinstance(fates[0], expected)
    if reply.status == 503:
        assert isinstance(fates[0], Later) and fates[0].after == 7.0


async def test_what_a_server_says_of_itself_is_asked_for_once_in_an_hour(tmp_path: Path) -> None:
    now = [0.0]
    async with far_side(tmp_path, FhirServer()) as side:
        way = Fhir(agent(tmp_path, side, "fhir", "/r4", HER), Notes(), lambda: now[0])
        for now[0] in (0.0, 3599.0, 3600.0):
            await way.send(ONE)
    assert [one.method for one in side.seen] == ["GET", "POST", "POST", "GET", "POST"]


async def test_a_device_that_is_not_taken_makes_no_dead_letters_of_its_readings(tmp_path: Path) -> None:
    server = FhirServer(transactions=False)
    fates, _ = await sent(tmp_path, lambda asked: Reply(422) if asked.path == "/r4/Device" else server(asked), ONE)
    assert isinstance(fates[0], Stopped) and "Device" in fates[0].why


@pytest.mark.parametrize(("status", "expected"), [(404, Stopped), (410, Stopped), (200, Refused), (403, Refused)])
@pytest.mark.parametrize("transactions", [True, False], ids=["transactions", "one by one"])
async def test_readings_do_not_become_dead_letters_by_a_patient_that_is_not_there(
    tmp_path: Path, transactions: bool, status: int, expected: type[Fate]
) -> None:
    server = FhirServer(transactions, refuses={18.9})
    fates, _ = await sent(
        tmp_path, lambda asked: Reply(status) if asked.path == "/r4/Patient/p1" else server(asked), ONE
    )
    assert isinstance(fates[0], expected)
