"""A Binary is seen by who may see what its securityContext refers to. https://hl7.org/fhir/R4/binary.html#security"""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.interactions.bodies import observation, patient
from tests.unit.interactions.conftest import BASE, principal

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions.create import create
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry
from hilum.interactions.history import history
from hilum.interactions.patch import parse_json_patch, patch
from hilum.interactions.read import read, vread
from hilum.interactions.search import search
from hilum.interactions.transaction import transaction
from hilum.interactions.update import update
from hilum.problems import Forbidden, Gone, NotFound, Problem
from hilum.search.parse import parse_query

READ = "patient/*.rs"


def binary(context: str | None = None, **more: Any) -> dict[str, Any]:
    about = {} if context is None else {"securityContext": {"reference": context}}
    return {"resourceType": "Binary", "contentType": "text/plain", "data": "aGk=", **about, **more}


async def put(door: Door, who: Principal, body: dict[str, Any]) -> Resource:
    return (await update(door, who, body["resourceType"], body["id"], body)).resource


@pytest.fixture
async def records(door: Door, owner: Principal) -> Door:
    """Two patients, with an Observation and a Binary about it each."""
    for one in "ab":
        await put(door, owner, patient(one, id=one))
        lab = {"category": [{"coding": [{"code": "laboratory" if one == "a" else "exam"}]}]}
        await put(door, owner, observation(f"Patient/{one}", id=f"o-{one}", **lab))
        await put(door, owner, binary(f"Observation/o-{one}", id=f"x-{one}"))
    return door


async def sees(door: Door, who: Principal, id: str) -> bool:
    try:
        await read(door, who, "Binary", id)
    except NotFound:
        return False
    return True


async def test_it_is_seen_by_who_may_see_what_it_is_about(records: Door) -> None:
    assert await sees(records, principal(READ, "a"), "x-a")
    assert not await sees(records, principal(READ, "a"), "x-b")
    assert not await sees(records, principal(READ, "c"), "x-a")
    assert await sees(records, principal("system/Binary.r"), "x-b")


async def test_both_the_binary_and_what_it_is_about_must_be_allowed(records: Door) -> None:
    for scope, seen in (
        ("patient/Binary.r", False),
        ("patient/Binary.r patient/Observation.r", True),
        ("patient/Binary.r patient/Observation.rs?category=laboratory", True),
        ("patient/Binary.r patient/Observation.rs?category=exam", False),
        ("patient/Binary.r patient/Observation.s", False),
        ("patient/Binary.r system/Observation.r", True),
    ):
        assert await sees(records, principal(scope, "a"), "x-a") is seen, scope
    assert not await sees(records, principal("patient/Binary.r system/Observation.r", "a"), "x-b")
    with pytest.raises(Forbidden):
        await read(records, principal("patient/Observation.r", "a"), "Binary", "x-a")


@pytest.mark.parametrize(
    ("context", "seen"),
    [
        (None, False),
        ("Patient/a", True),
        ("Patient/b", False),
        (f"{BASE}/Observation/o-a", True),
        ("Observation/o-a/_history/1", True),
        ("Observation/gone", False),
        ("Binary/x-a", False),
        ("Practitioner/p", False),
        ("https://other.example/Observation/o-a", False),
        ("urn:uuid:3ac1d9a2-2a1c-4d3e-9a2b-111111111111", False),
    ],
)
async def test_what_it_is_about_decides(records: Door, owner: Principal, context: str | None, seen: bool) -> None:
    await put(records, owner, {"resourceType": "Practitioner", "id": "p"})
    await put(records, owner, binary(context, id="x"))
    assert await sees(records, principal(READ, "a"), "x") is seen


async def test_of_a_deleted_one_nothing_is_seen_by_others(records: Door, owner: Principal) -> None:
    await delete(records, owner, "Binary", "x-a")
    with pytest.raises(Gone):
        await read(records, principal(READ, "a"), "Binary", "x-a")
    with pytest.raises(NotFound):
        await read(records, principal(READ, "b"), "Binary", "x-a")
    await delete(records, owner, "Observation", "o-a")
    with pytest.raises(NotFound):
        await read(records, principal(READ, "a"), "Binary", "x-a")


async def test_each_version_is_judged_by_what_it_says(records: Door, owner: Principal) -> None:
    await put(records, owner, binary("Observation/o-b", id="x-a"))
    a, b = principal(READ, "a"), principal(READ, "b")
    assert (await vread(records, a, "Binary", "x-a", "1")).version == 1
    assert (await vread(records, b, "Binary", "x-a", "2")).version == 2
    for who, version in ((a, "2"), (b, "1")):
        with pytest.raises(NotFound):
            await vread(records, who, "Binary", "x-a", version)


async def test_bound_tokens_never_search_them(records: Door) -> None:
    who = principal("patient/*.rs", "a")
    with pytest.raises(Forbidden):
        await search(records, who, parse_query("Binary", ()))
    with pytest.raises(Forbidden):
        await search(records, who, parse_query("Binary", (("_id", "x-a"),)))
    with pytest.raises(Forbidden):
        await history(records, who, "Binary")
    found = await search(records, principal("system/Binary.s"), parse_query("Binary", ()))
    assert len(found.resources) == 2


WRITE = "patient/Binary.cud patient/Observation.r"


async def made(door: Door, who: Principal, body: dict[str, Any]) -> bool:
    try:
        await create(door, who, "Binary", body)
    except Forbidden:
        return False
    return True


async def test_it_is_written_about_what_is_seen(records: Door, owner: Principal) -> None:
    who = principal(WRITE, "a")
    assert await made(records, who, binary("Observation/o-a"))
    assert await made(records, who, binary(f"{BASE}/Observation/o-a"))
    for context in (None, "Observation/o-b", "Observation/gone", "Binary/x-a", "Patient/a"):
        assert not await made(records, who, binary(context)), context
    assert await made(records, principal(WRITE + " patient/Patient.r", "a"), binary("Patient/a"))
    assert await made(records, principal("system/Binary.c"), binary())


async def test_it_does_not_change_hands(records: Door) -> None:
    who = principal(WRITE, "a")
    same = await update(records, who, "Binary", "x-a", binary("Observation/o-a", id="x-a", data="aG8="))
    assert (same.resource.version, same.readable) == (2, False)
    with pytest.raises(Forbidden):
        await put(records, who, binary("Observation/o-b", id="x-a"))
    with pytest.raises(Forbidden):
        await put(records, who, binary(id="x-a"))
    with pytest.raises(NotFound):
        await put(records, who, binary("Observation/o-a", id="x-b"))
    with pytest.raises(NotFound):
        await put(records, who, binary("Observation/o-a", id="new"))
    assert await delete(records, who, "Binary", "x-b") is None
    assert (await delete(records, who, "Binary", "x-a")) is not None


async def test_a_patch_is_judged_by_both_images(records: Door) -> None:
    who = principal("patient/Binary.ru patient/Observation.r", "a")
    move = b'[{"op": "replace", "path": "/securityContext/reference", "value": "Observation/o-b"}]'
    with pytest.raises(Forbidden):
        await patch(records, who, "Binary", "x-a", parse_json_patch(move))
    stay = b'[{"op": "replace", "path": "/data", "value": "aG8="}]'
    done = await patch(records, who, "Binary", "x-a", parse_json_patch(stay))
    assert (done.resource.version, done.readable) == (2, True)


async def test_what_two_patients_share_is_not_one_s_to_delete(records: Door, owner: Principal) -> None:
    two = [{"actor": {"reference": f"Patient/{one}"}, "status": "accepted"} for one in "ab"]
    await put(records, owner, {"resourceType": "Appointment", "id": "both", "status": "proposed", "participant": two})
    await put(records, owner, binary("Appointment/both", id="x"))
    who = principal("patient/Binary.rud patient/Appointment.r", "a")
    assert await sees(records, who, "x")
    with pytest.raises(Forbidden):
        await delete(records, who, "Binary", "x")
    assert (await put(records, who, binary("Appointment/both", id="x", data="aG8="))).version == 2


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (Entry("POST", "Binary", binary("Observation/o-a")), None),
        (Entry("POST", "Binary", binary("Observation/o-b")), Forbidden),
        (Entry("POST", "Binary", binary()), Forbidden),
        (Entry("PUT", "Binary/x-a", binary("Observation/o-a", id="x-a", data="aG8=")), None),
        (Entry("PUT", "Binary/x-a", binary("Observation/o-b", id="x-a")), Forbidden),
        (Entry("PUT", "Binary/x-b", binary("Observation/o-a", id="x-b")), NotFound),
        (Entry("DELETE", "Binary/x-a"), None),
    ],
)
async def test_entries_of_transactions_are_judged_alike(
    records: Door, entry: Entry, problem: type[Problem] | None
) -> None:
    who = principal(WRITE, "a")
    if problem is not None:
        with pytest.raises(problem):
            await transaction(records, who, [entry])
    else:
        (outcome,) = await transaction(records, who, [entry])
        assert outcome.changed


async def test_a_transaction_deletes_only_what_is_one_s_own(records: Door) -> None:
    (outcome,) = await transaction(records, principal(WRITE, "a"), [Entry("DELETE", "Binary/x-b")])
    assert not outcome.changed
    assert await sees(records, principal("system/Binary.r"), "x-b")
