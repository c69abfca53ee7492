"""delete and conditional delete."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.interactions.bodies import observation, patient
from tests.unit.interactions.conftest import principal

from hilum.access.policy import Principal
from hilum.interactions import delete as deleting
from hilum.interactions.create import create
from hilum.interactions.delete import conditional_delete, delete
from hilum.interactions.door import Door
from hilum.interactions.read import read
from hilum.problems import Conflict, Forbidden, Gone, Invalid, MultipleMatches, PreconditionFailed


async def test_a_delete_makes_a_version_once(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    gone = await delete(door, owner, "Patient", made.id)
    assert gone is not None
    assert (gone.version, gone.method, gone.deleted) == (2, "DELETE", True)
    assert await delete(door, owner, "Patient", made.id) is None
    assert await delete(door, owner, "Patient", "nobody") is None
    with pytest.raises(Gone):
        await read(door, owner, "Patient", made.id)


async def test_if_match_must_hold(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    with pytest.raises(PreconditionFailed):
        await delete(door, owner, "Patient", made.id, "2")
    with pytest.raises(PreconditionFailed):
        await delete(door, owner, "Patient", "nobody", "1")
    assert await delete(door, owner, "Patient", made.id, 'W/"1"') is not None
    with pytest.raises(PreconditionFailed):
        await delete(door, owner, "Patient", made.id, "1")


async def test_of_many_deletes_at_once_one_deletes(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    found = await asyncio.gather(*(delete(door, owner, "Patient", made.id) for _ in range(16)))
    assert sum(one is not None for one in found) == 1


async def test_what_is_hidden_is_as_absent(door: Door, owner: Principal) -> None:
    me = (await create(door, owner, "Patient", patient("1"))).resource
    other = (await create(door, owner, "Patient", patient("2"))).resource
    who = principal("patient/*.cruds", me.id)
    theirs = (await create(door, owner, "Observation", observation(f"Patient/{other.id}"))).resource
    mine = (await create(door, owner, "Observation", observation(f"Patient/{me.id}"))).resource
    assert await delete(door, who, "Observation", theirs.id) is None
    assert await read(door, owner, "Observation", theirs.id) == theirs
    assert await delete(door, who, "Observation", mine.id) is not None
    with pytest.raises(Gone):  # the deletion stays in the compartment that the resource was in
        await read(door, who, "Observation", mine.id)
    with pytest.raises(Forbidden):
        await delete(door, principal("patient/*.crus", me.id), "Observation", mine.id)


async def test_a_conditional_delete_of_one_or_none(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    await create(door, owner, "Patient", patient("2"))
    found = await conditional_delete(door, owner, "Patient", "identifier=1", False)
    assert [(one.id, one.version, one.deleted) for one in found] == [(made.id, 2, True)]
    assert await conditional_delete(door, owner, "Patient", "identifier=1", False) == []
    assert (await door.store.counts()).types == {"Patient": 1}


async def test_several_are_deleted_only_when_asked_for(door: Door, owner: Principal) -> None:
    for i in range(5):
        await create(door, owner, "Patient", patient("1", birthDate=f"190{i}"))
    await create(door, owner, "Patient", patient("2"))
    with pytest.raises(MultipleMatches):
        await conditional_delete(door, owner, "Patient", "identifier=1", False)
    assert len(await conditional_delete(door, owner, "Patient", "identifier=1", True)) == 5
    assert await conditional_delete(door, owner, "Patient", "identifier=1", True) == []
    assert (await door.store.counts()).types == {"Patient": 1}


async def test_there_is_a_limit(door: Door, owner: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleting, "MOST", 2)
    for _ in range(3):
        await create(door, owner, "Patient", patient("1"))
    with pytest.raises(MultipleMatches, match="more than 2"):
        await conditional_delete(door, owner, "Patient", "identifier=1", True)
    assert (await door.store.counts()).types == {"Patient": 3}


async def test_a_delete_without_criteria_deletes_nothing(door: Door, owner: Principal) -> None:
    await create(door, owner, "Patient", patient("1"))
    for criteria in ("", "_count=1", "identifier="):
        with pytest.raises(Invalid):
            await conditional_delete(door, owner, "Patient", criteria, True)
    assert (await door.store.counts()).types == {"Patient": 1}


async def test_a_conditional_delete_stays_in_the_compartment(door: Door, owner: Principal) -> None:
    me = (await create(door, owner, "Patient", patient("1"))).resource
    other = (await create(door, owner, "Patient", patient("2"))).resource
    for subject in (me, me, other):
        await create(door, owner, "Observation", observation(f"Patient/{subject.id}"))
    who = principal("patient/*.cruds", me.id)
    assert len(await conditional_delete(door, who, "Observation", "status=final", True)) == 2
    wide = principal("system/*.s patient/*.d", me.id)
    with pytest.raises(Forbidden):
        await conditional_delete(door, wide, "Observation", "status=final", True)
    assert (await door.store.counts()).types == {"Observation": 1, "Patient": 2}


async def test_with_integrity_what_is_referred_to_stays(strict: Door, owner: Principal) -> None:
    me = (await create(strict, owner, "Patient", patient("1"))).resource
    made = (await create(strict, owner, "Observation", observation(f"Patient/{me.id}"))).resource
    with pytest.raises(Conflict):
        await delete(strict, owner, "Patient", me.id)
    await delete(strict, owner, "Observation", made.id)
    assert await delete(strict, owner, "Patient", me.id) is not None
