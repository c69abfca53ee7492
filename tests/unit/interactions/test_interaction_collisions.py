"""Criteria with chains, where every hash collides: what is written is what is meant, or nothing."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.unit.interactions.bodies import MRN, content, observation, patient

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions.create import create
from hilum.interactions.criteria import parse
from hilum.interactions.delete import conditional_delete
from hilum.interactions.door import Door
from hilum.interactions.read import read
from hilum.interactions.update import conditional_update
from hilum.problems import Gone
from hilum.store.keyed import Keys


@pytest.fixture(autouse=True)
def colliding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keys, "hashed", lambda _, text: 7)


async def two(door: Door, owner: Principal) -> list[Resource]:
    """An Observation of each of two patients."""
    made = []
    for mrn in ("1", "2"):
        subject = (await create(door, owner, "Patient", patient(mrn))).resource
        made.append((await create(door, owner, "Observation", observation(f"Patient/{subject.id}"))).resource)
    return made


def chain(mrn: str) -> str:
    return f"subject:Patient.identifier={MRN}|{mrn}"


@pytest.mark.parametrize("multiple", [False, True])
async def test_a_conditional_delete_takes_what_is_meant(door: Door, owner: Principal, multiple: bool) -> None:
    one, two_ = await two(door, owner)
    assert await conditional_delete(door, owner, "Observation", chain("3"), multiple) == []
    (gone,) = await conditional_delete(door, owner, "Observation", chain("2"), multiple)
    assert gone.id == two_.id
    assert await read(door, owner, "Observation", one.id) == one
    with pytest.raises(Gone):
        await read(door, owner, "Observation", two_.id)


async def test_a_conditional_delete_by_what_refers_takes_what_is_meant(door: Door, owner: Principal) -> None:
    await two(door, owner)
    empty = (await create(door, owner, "Patient", patient("3"))).resource
    labelled = observation(f"Patient/{empty.id}", identifier=[{"system": MRN, "value": "o"}])
    mine = (await create(door, owner, "Observation", labelled)).resource
    found = await create(door, owner, "Patient", patient("4"), f"_has:Observation:subject:identifier={MRN}|o")
    assert (found.created, found.resource) == (False, empty)
    assert await read(door, owner, "Observation", mine.id) == mine


async def test_a_conditional_update_changes_what_is_meant(door: Door, owner: Principal) -> None:
    one, other = await two(door, owner)
    body = content(other) | {"status": "amended"}
    changed = await conditional_update(door, owner, "Observation", chain("2"), body)
    assert (changed.resource.id, changed.resource.version) == (other.id, 2)
    assert await read(door, owner, "Observation", one.id) == one


async def test_a_search_alone_may_take_one_for_the_other(door: Door, owner: Principal) -> None:
    """With 44 bits of a keyed hash it does not; here there are none, or the tests above could not fail."""
    made = await two(door, owner)
    query = replace(parse(door, owner, "Observation", chain("1")), exact=False)
    assert {one.id for one in (await door.store.search(query)).resources} == {one.id for one in made}
