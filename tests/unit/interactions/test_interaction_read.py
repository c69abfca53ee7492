"""read and vread: what is there, what is gone, what is hidden."""

from __future__ import annotations

import pytest
from tests.unit.interactions.bodies import observation, patient
from tests.unit.interactions.conftest import principal

from hilum.access.policy import Principal
from hilum.interactions.create import create
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.read import read, vread
from hilum.interactions.update import update
from hilum.problems import Forbidden, Gone, NotFound, Problem


async def test_a_created_resource_is_read_back_as_it_was_answered(door: Door, owner: Principal) -> None:
    made = await create(door, owner, "Patient", patient("1"))
    assert await read(door, owner, "Patient", made.resource.id) == made.resource


async def test_what_never_was_is_not_found(door: Door, owner: Principal) -> None:
    with pytest.raises(NotFound, match="Patient/nobody does not exist"):
        await read(door, owner, "Patient", "nobody")


async def test_an_unknown_type_is_not_found(door: Door, owner: Principal) -> None:
    with pytest.raises(NotFound, match="no resource type"):
        await read(door, owner, "Patients", "1")


async def test_a_deleted_resource_is_gone_and_its_old_version_is_not(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    await delete(door, owner, "Patient", made.id)
    with pytest.raises(Gone):
        await read(door, owner, "Patient", made.id)
    with pytest.raises(Gone):
        await vread(door, owner, "Patient", made.id, "2")
    assert await vread(door, owner, "Patient", made.id, "1") == made


@pytest.mark.parametrize("version", ["3", "0", "01", "-1", "1.0", "abc", "", "\u0661", "9" * 30])
async def test_versions_that_never_were_are_not_found(door: Door, owner: Principal, version: str) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    with pytest.raises(NotFound, match="no such version"):
        await vread(door, owner, "Patient", made.id, version)


async def test_a_patient_scope_reads_its_own_compartment(door: Door, owner: Principal) -> None:
    me = (await create(door, owner, "Patient", patient("1"))).resource
    mine = (await create(door, owner, "Observation", observation(f"Patient/{me.id}"))).resource
    who = principal("patient/*.rs", me.id)
    assert await read(door, who, "Patient", me.id) == me
    assert await read(door, who, "Observation", mine.id) == mine


async def answer(door: Door, who: Principal, type: str, id: str) -> tuple[type[Problem], str]:
    with pytest.raises(Problem) as caught:
        await read(door, who, type, id)
    return caught.type, str(caught.value).replace(id, "ID")


async def test_what_is_hidden_answers_exactly_as_what_is_absent(door: Door, owner: Principal) -> None:
    me = (await create(door, owner, "Patient", patient("1"))).resource
    other = (await create(door, owner, "Patient", patient("2"))).resource
    theirs = (await create(door, owner, "Observation", observation(f"Patient/{other.id}"))).resource
    deleted = (await create(door, owner, "Observation", observation(f"Patient/{other.id}"))).resource
    await delete(door, owner, "Observation", deleted.id)
    who = principal("patient/*.rs", me.id)
    absent = await answer(door, who, "Observation", "00000000-0000-7000-8000-000000000000")
    assert absent == (NotFound, "Observation/ID does not exist.")
    assert await answer(door, who, "Observation", theirs.id) == absent
    assert await answer(door, who, "Observation", deleted.id) == absent
    assert (await answer(door, who, "Patient", other.id))[0] is NotFound


async def test_a_version_is_judged_by_its_own_compartments(door: Door, owner: Principal) -> None:
    me = (await create(door, owner, "Patient", patient("1"))).resource
    other = (await create(door, owner, "Patient", patient("2"))).resource
    body = observation(f"Patient/{me.id}")
    first = (await create(door, owner, "Observation", body)).resource
    moved = {**observation(f"Patient/{other.id}"), "id": first.id}
    second = (await update(door, owner, "Observation", first.id, moved)).resource
    mine, theirs = principal("patient/*.rs", me.id), principal("patient/*.rs", other.id)
    assert await vread(door, mine, "Observation", first.id, "1") == first
    assert await vread(door, theirs, "Observation", first.id, "2") == second
    for who, version in ((mine, "2"), (theirs, "1")):
        with pytest.raises(NotFound):
            await vread(door, who, "Observation", first.id, version)
    with pytest.raises(NotFound):
        await read(door, mine, "Observation", first.id)


async def test_a_type_that_no_scope_names_is_forbidden_whether_it_exists_or_not(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    for scope, context in (("system/Observation.rs", None), ("system/Patient.cuds", None), ("patient/*.rs", None)):
        for id in (made.id, "nobody"):
            with pytest.raises(Forbidden):
                await read(door, principal(scope, context), "Patient", id)
