"""What happens between looking and committing: another client gets in there, at the worst moment, each time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.interactions.bodies import content, observation, patient

from hilum.access.policy import Principal
from hilum.interactions import retrying as again
from hilum.interactions.create import create
from hilum.interactions.delete import conditional_delete, delete
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry
from hilum.interactions.json_patch import parse_json_patch
from hilum.interactions.patch import conditional_patch, patch
from hilum.interactions.read import read
from hilum.interactions.transaction import transaction
from hilum.interactions.update import conditional_update, update
from hilum.problems import Busy, Gone, MultipleMatches, PreconditionFailed
from hilum.store.interface import Commit

ACTIVE = parse_json_patch(b'[{"op":"add","path":"/active","value":true}]')
Action = Callable[[], Awaitable[object]]


class Interrupted:
    """The store, with `action` run before the first commit reaches it."""

    def __init__(self, door: Door, action: Action, times: int = 1) -> None:
        self._store = door.store
        self._action = action
        self._times = times
        self.commits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, commit: Commit) -> Any:
        self.commits += 1
        if self.commits <= self._times:
            await self._action()
        return await self._store.commit(commit)


def interrupted(door: Door, action: Action, times: int = 1) -> Door:
    return Door(Interrupted(door, action, times), door.base, door.integrity)  # type: ignore[arg-type]


@pytest.fixture
def second(door: Door, owner: Principal) -> Action:
    """A second patient with the identifier 1 appears."""
    return lambda: create(door, owner, "Patient", patient("1"))


async def test_a_conditional_create_sees_the_match_that_got_in(door: Door, owner: Principal, second: Action) -> None:
    made = await create(interrupted(door, second), owner, "Patient", patient("1", active=True), "identifier=1")
    assert (made.created, content(made.resource)) == (False, patient("1"))


@pytest.mark.parametrize("times", [1, 2])
async def test_conditional_writes_see_the_second_match(
    door: Door, owner: Principal, second: Action, times: int
) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    between = interrupted(door, second, times)
    with pytest.raises(MultipleMatches):
        await conditional_update(between, owner, "Patient", "identifier=1", patient("1", active=True))
    await update(door, owner, "Patient", "b", patient("2", id="b"))
    two: Action = lambda: create(door, owner, "Patient", patient("2"))  # noqa: E731
    with pytest.raises(MultipleMatches):
        await conditional_patch(interrupted(door, two), owner, "Patient", "identifier=2", ACTIVE)
    await update(door, owner, "Patient", "c", patient("3", id="c"))
    three: Action = lambda: create(door, owner, "Patient", patient("3"))  # noqa: E731
    with pytest.raises(MultipleMatches):
        await conditional_delete(interrupted(door, three), owner, "Patient", "identifier=3", False)
    for id in ("a", "b", "c"):
        assert (await read(door, owner, "Patient", id)).version == 1


async def test_a_conditional_update_that_would_create_updates_what_got_in(door: Door, owner: Principal) -> None:
    between = interrupted(door, lambda: update(door, owner, "Patient", "a", patient("1", id="a")))
    found = await conditional_update(between, owner, "Patient", "identifier=1", patient("1", active=True))
    assert (found.created, found.resource.id, found.resource.version) == (False, "a", 2)


async def test_an_update_is_rebuilt_on_what_got_in(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    between = interrupted(door, lambda: update(door, owner, "Patient", "a", patient("2", id="a")))
    found = await update(between, owner, "Patient", "a", patient("3", id="a"))
    assert found.resource.version == 3
    for number, there in (("1", 0), ("2", 0), ("3", 1)):  # the index holds the newest version alone
        matches = await conditional_delete(door, owner, "Patient", f"identifier={number}", False)
        assert len(matches) == there


async def test_with_if_match_what_got_in_wins(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    store = Interrupted(door, lambda: update(door, owner, "Patient", "a", patient("2", id="a")))
    between = Door(store, door.base)  # type: ignore[arg-type]
    with pytest.raises(PreconditionFailed):
        await update(between, owner, "Patient", "a", patient("3", id="a"), "1")
    assert store.commits == 1
    again_ = interrupted(door, lambda: patch(door, owner, "Patient", "a", ACTIVE))
    with pytest.raises(PreconditionFailed):
        await delete(again_, owner, "Patient", "a", "2")


async def test_a_patch_keeps_what_got_in(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    between = interrupted(door, lambda: update(door, owner, "Patient", "a", patient("1", id="a", gender="male")))
    found = await patch(between, owner, "Patient", "a", ACTIVE)
    assert content(found.resource) == patient("1", gender="male", active=True)


async def test_a_patch_of_what_was_deleted_meanwhile_is_gone(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    with pytest.raises(Gone):
        await patch(interrupted(door, lambda: delete(door, owner, "Patient", "a")), owner, "Patient", "a", ACTIVE)


async def test_a_delete_of_what_was_deleted_meanwhile_deletes_nothing(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    between = interrupted(door, lambda: delete(door, owner, "Patient", "a"))
    assert await delete(between, owner, "Patient", "a") is None


async def test_a_transaction_is_rebuilt_whole(door: Door, owner: Principal, second: Action) -> None:
    entries = (
        Entry("POST", "Patient", patient("1"), "urn:uuid:p", if_none_exist="identifier=1"),
        Entry("POST", "Observation", observation("urn:uuid:p"), "urn:uuid:o", index=1),
    )
    found = await transaction(interrupted(door, second), owner, entries)
    assert [one.created for one in found] == [False, True]
    p, o = found[0].resource, found[1].resource
    assert p is not None
    assert o is not None
    assert o.body["subject"] == {"reference": f"Patient/{p.id}"}
    assert (await door.store.counts()).types == {"Patient": 1, "Observation": 1}


async def test_a_conditional_reference_sees_the_second_match(door: Door, owner: Principal, second: Action) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    entry = Entry("POST", "Observation", observation("Patient?identifier=1"))
    with pytest.raises(MultipleMatches):
        await transaction(interrupted(door, second), owner, (entry,))
    assert (await door.store.counts()).types == {"Patient": 2}


async def test_who_never_wins_is_told_to_come_back(
    door: Door, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(again, "LONGEST", 0.05)
    count = iter(range(1_000_000))
    await update(door, owner, "Patient", "a", patient("x", id="a"))
    between = interrupted(
        door, lambda: update(door, owner, "Patient", "a", patient(str(next(count)), id="a")), 1_000_000
    )
    with pytest.raises(Busy):
        await update(between, owner, "Patient", "a", patient("mine", id="a"))
