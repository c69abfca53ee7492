"""update, update as create and conditional update; If-Match and its races."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.interactions.bodies import content, observation, patient
from tests.unit.interactions.conftest import principal

from hilum.access.policy import Principal
from hilum.interactions.create import create
from hilum.interactions.delete import delete
from hilum.interactions.door import Door, Written
from hilum.interactions.read import read
from hilum.interactions.update import conditional_update, update
from hilum.problems import (
    Conflict,
    Forbidden,
    Invalid,
    Malformed,
    MultipleMatches,
    NotFound,
    PreconditionFailed,
    Problem,
)


async def test_an_update_makes_the_next_version(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    found = await update(door, owner, "Patient", made.id, patient("1", id=made.id, active=True))
    assert (found.created, found.changed, found.resource.version, found.resource.method) == (False, True, 2, "PUT")
    assert content(found.resource) == patient("1", active=True)
    assert found.resource.last_updated > made.last_updated
    assert await read(door, owner, "Patient", made.id) == found.resource


async def test_an_update_of_what_is_not_there_creates_it_under_that_id(door: Door, owner: Principal) -> None:
    found = await update(door, owner, "Patient", "chosen", patient("1", id="chosen"))
    assert (found.created, found.resource.id, found.resource.version) == (True, "chosen", 1)


async def test_an_update_brings_back_what_was_deleted(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    await delete(door, owner, "Patient", made.id)
    found = await update(door, owner, "Patient", made.id, patient("1", id=made.id))
    assert (found.created, found.resource.version) == (True, 3)


async def test_the_same_again_makes_no_version(door: Door, owner: Principal) -> None:
    body = patient("1", id="a", active=True)
    made = await update(door, owner, "Patient", "a", body)
    same = Written(made.resource, created=False, changed=False, issues=made.issues)
    assert await update(door, owner, "Patient", "a", body) == same
    assert await update(door, owner, "Patient", "a", made.resource.body) == same
    assert [issue.severity for issue in made.issues] == ["warning"]  # dom-6


async def test_other_digits_are_a_change(door: Door, owner: Principal) -> None:
    from decimal import Decimal

    def body(value: str) -> dict[str, object]:
        return observation("Patient/1", id="a", valueQuantity={"value": Decimal(value)})

    await update(door, owner, "Observation", "a", body("1.10"))
    found = await update(door, owner, "Observation", "a", body("1.1"))
    assert (found.changed, found.resource.version) == (True, 2)


@pytest.mark.parametrize("more", [{}, {"id": "b"}])
async def test_the_body_must_have_the_id_of_the_url(door: Door, owner: Principal, more: dict[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        await update(door, owner, "Patient", "a", patient("1", **more))
    assert [issue.expression for issue in caught.value.issues] == ["Patient.id"]


# --- If-Match ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("if_match", ["1", 'W/"1"', '"1"', "*"])
async def test_if_match_of_the_current_version_lets_through(door: Door, owner: Principal, if_match: str) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    assert (await update(door, owner, "Patient", "a", patient("2", id="a"), if_match)).resource.version == 2


@pytest.mark.parametrize("if_match", ["2", 'W/"2"', "01", "x"])
async def test_if_match_of_another_version_fails(door: Door, owner: Principal, if_match: str) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    with pytest.raises(PreconditionFailed):
        await update(door, owner, "Patient", "a", patient("2", id="a"), if_match)


async def test_an_empty_if_match_is_malformed(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    with pytest.raises(Malformed):
        await update(door, owner, "Patient", "a", patient("2", id="a"), 'W/""')


async def test_if_match_on_what_is_absent_fails(door: Door, owner: Principal) -> None:
    for if_match in ("1", "*"):
        with pytest.raises(PreconditionFailed):
            await update(door, owner, "Patient", "a", patient("1", id="a"), if_match)
    made = (await create(door, owner, "Patient", patient("1"))).resource
    await delete(door, owner, "Patient", made.id)
    for if_match in ("1", "*"):
        with pytest.raises(PreconditionFailed):
            await update(door, owner, "Patient", made.id, patient("1", id=made.id), if_match)
    assert (await update(door, owner, "Patient", made.id, patient("1", id=made.id), "2")).resource.version == 3


async def test_of_many_updates_with_the_same_if_match_one_wins(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("0", id="a"))
    found = await asyncio.gather(
        *(update(door, owner, "Patient", "a", patient(f"n{i}", id="a"), "1") for i in range(32)), return_exceptions=True
    )
    assert sum(isinstance(one, Written) for one in found) == 1
    assert {type(one) for one in found if not isinstance(one, Written)} == {PreconditionFailed}
    assert (await read(door, owner, "Patient", "a")).version == 2


async def test_updates_without_if_match_all_get_through(door: Door, owner: Principal) -> None:
    found = await asyncio.gather(*(update(door, owner, "Patient", "a", patient(f"n{i}", id="a")) for i in range(32)))
    assert sorted(one.resource.version for one in found) == list(range(1, 33))
    assert sum(one.created for one in found) == 1


# --- conditional ------------------------------------------------------------------------------------------------------


async def test_a_conditional_update_creates_updates_and_refuses(door: Door, owner: Principal) -> None:
    made = await conditional_update(door, owner, "Patient", "identifier=1", patient("1"))
    assert (made.created, made.resource.version) == (True, 1)
    found = await conditional_update(door, owner, "Patient", "identifier=1", patient("1", active=True))
    assert (found.created, found.resource.id, found.resource.version) == (False, made.resource.id, 2)
    with pytest.raises(Invalid) as caught:
        await conditional_update(door, owner, "Patient", "identifier=1", patient("1", id="other"))
    assert caught.value.issues[0].expression == "Patient.id"
    await create(door, owner, "Patient", patient("1"))
    with pytest.raises(MultipleMatches):
        await conditional_update(door, owner, "Patient", "identifier=1", patient("1"))


async def test_without_a_match_a_free_id_is_taken_and_a_taken_one_refused(door: Door, owner: Principal) -> None:
    made = await conditional_update(door, owner, "Patient", "identifier=1", patient("1", id="mine"))
    assert (made.created, made.resource.id) == (True, "mine")
    with pytest.raises(Conflict):
        await conditional_update(door, owner, "Patient", "identifier=2", patient("2", id="mine"))
    await delete(door, owner, "Patient", "mine")
    back = await conditional_update(door, owner, "Patient", "identifier=2", patient("2", id="mine"))
    assert (back.created, back.resource.version) == (True, 3)


async def test_if_match_holds_for_what_the_criteria_find(door: Door, owner: Principal) -> None:
    with pytest.raises(PreconditionFailed):
        await conditional_update(door, owner, "Patient", "identifier=1", patient("1"), "1")
    await create(door, owner, "Patient", patient("1"))
    with pytest.raises(PreconditionFailed):
        await conditional_update(door, owner, "Patient", "identifier=1", patient("1", active=True), "2")
    assert (await conditional_update(door, owner, "Patient", "identifier=1", patient("1"), "1")).changed is False


async def test_of_many_conditional_updates_at_once_one_creates(door: Door, owner: Principal) -> None:
    found = await asyncio.gather(
        *(
            conditional_update(door, owner, "Patient", "identifier=1", patient("1", birthDate=f"19{i:02}"))
            for i in range(10, 34)
        )
    )
    assert sum(one.created for one in found) == 1
    assert sorted(one.resource.version for one in found) == list(range(1, 25))
    assert len({one.resource.id for one in found}) == 1


# --- compartments -----------------------------------------------------------------------------------------------------


async def test_a_bound_principal_never_chooses_ids_nor_learns_of_hidden_ones(door: Door, owner: Principal) -> None:
    me = (await create(door, owner, "Patient", patient("1"))).resource
    other = (await create(door, owner, "Patient", patient("2"))).resource
    theirs = (await create(door, owner, "Observation", observation(f"Patient/{other.id}"))).resource
    who = principal("patient/*.cruds", me.id)
    said = []
    for id in ("free", theirs.id):
        with pytest.raises(NotFound) as caught:
            await update(door, who, "Observation", id, observation(f"Patient/{me.id}", id=id))
        said.append(str(caught.value).replace(id, "ID"))
        with pytest.raises(PreconditionFailed) as caught2:
            await update(door, who, "Observation", id, observation(f"Patient/{me.id}", id=id), "1")
        said.append(str(caught2.value))
    assert said[:2] == said[2:]
    for id in ("free", theirs.id):
        with pytest.raises(Forbidden, match="can't choose ids"):
            await conditional_update(door, who, "Observation", "identifier=7", observation(f"Patient/{me.id}", id=id))


async def test_a_bound_principal_moves_nothing_out_of_or_into_other_compartments(door: Door, owner: Principal) -> None:
    me = (await create(door, owner, "Patient", patient("1"))).resource
    other = (await create(door, owner, "Patient", patient("2"))).resource
    who = principal("patient/*.cruds", me.id)
    mine = (await create(door, who, "Observation", observation(f"Patient/{me.id}"))).resource
    with pytest.raises(Forbidden):
        await update(door, who, "Observation", mine.id, observation(f"Patient/{other.id}", id=mine.id))
    both = observation(f"Patient/{me.id}", id=mine.id, performer=[{"reference": f"Patient/{other.id}"}])
    with pytest.raises(Forbidden):
        await update(door, who, "Observation", mine.id, both)
    shared = (await update(door, owner, "Observation", mine.id, both)).resource
    found = await update(door, who, "Observation", mine.id, {**both, "status": "amended"})
    assert found.resource.version == shared.version + 1
    with pytest.raises(Forbidden):
        await update(door, who, "Observation", mine.id, observation(f"Patient/{me.id}", id=mine.id))


async def test_update_needs_its_own_letter(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    with pytest.raises(Forbidden):
        await update(door, principal("system/Patient.crds"), "Patient", "a", patient("2", id="a"))
    assert (await update(door, principal("system/Patient.u"), "Patient", "a", patient("2", id="a"))).changed


async def test_criteria_find_what_may_be_searched_but_not_changed(door: Door, owner: Principal) -> None:
    me = (await create(door, owner, "Patient", patient("1"))).resource
    other = (await create(door, owner, "Patient", patient("2"))).resource
    body = observation(f"Patient/{other.id}", identifier=[{"value": "7"}])
    await create(door, owner, "Observation", body)
    who = principal("system/Observation.s patient/Observation.u", me.id)
    taken = {**body, "subject": {"reference": f"Patient/{me.id}"}}
    with pytest.raises(Forbidden):
        await conditional_update(door, who, "Observation", "identifier=7", taken)


async def test_with_integrity_an_update_may_not_refer_to_nothing(strict: Door, owner: Principal) -> None:
    me = (await create(strict, owner, "Patient", patient("1"))).resource
    made = (await create(strict, owner, "Observation", observation(f"Patient/{me.id}"))).resource
    with pytest.raises(Conflict):
        await update(strict, owner, "Observation", made.id, observation("Patient/no", id=made.id))
    same = await update(strict, owner, "Patient", me.id, patient("1", id=me.id, link=_self(me.id)))
    assert same.changed


def _self(id: str) -> list[dict[str, object]]:
    return [{"other": {"reference": f"Patient/{id}"}, "type": "seealso"}]


async def test_nothing_reaches_the_client_as_a_changed_version(door: Door, owner: Principal) -> None:
    """VersionChanged and CriteriaChanged are the door's own business."""

    async def one(i: int) -> type[Problem] | None:
        try:
            if i % 3 == 0:
                await delete(door, owner, "Patient", "a")
            elif i % 3 == 1:
                await update(door, owner, "Patient", "a", patient(f"{i}", id="a"))
            else:
                await conditional_update(door, owner, "Patient", "_id=a", patient("c", birthDate=f"{1900 + i}"))
        except Problem as problem:
            return type(problem)
        return None

    found = set(await asyncio.gather(*(one(i) for i in range(48))))
    assert found <= {None}


async def test_what_a_principal_may_write_but_not_read_is_not_readable(door: Door, owner: Principal) -> None:
    me = (await create(door, owner, "Patient", patient("1"))).resource
    made = (await create(door, owner, "Observation", observation(f"Patient/{me.id}"))).resource
    body = observation(f"Patient/{me.id}", id=made.id)
    cases = [
        ("system/Observation.u", None, False),
        ("system/Observation.ru", None, True),
        ("system/Observation.u patient/Observation.r", me.id, True),
        ("system/Observation.u patient/Observation.r", "other", False),
        ("system/Observation.u system/Patient.r", None, False),
    ]
    for scope, context, readable in cases:
        who = principal(scope, context)
        for status in ("final", "amended"):
            found = await update(door, who, "Observation", made.id, body | {"status": status})
            assert (scope, context, found.readable) == (scope, context, readable)
            again = await update(door, who, "Observation", made.id, body | {"status": status})
            assert (again.changed, again.readable) == (not readable, readable)
    assert (await create(door, principal("system/Patient.c"), "Patient", patient("2"))).readable
