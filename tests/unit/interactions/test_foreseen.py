"""Foreseen: the store as it will be after a commit, and then is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.interactions.bodies import observation, patient
from tests.unit.interactions.conftest import principal
from tests.unit.interactions.test_interaction_transaction import drop, put

from hilum.access.policy import Principal
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry
from hilum.interactions.history import history
from hilum.interactions.read import read, vread
from hilum.interactions.transaction import transaction
from hilum.interactions.update import update
from hilum.problems import Problem

READS: list[tuple[Any, tuple[str, ...]]] = [
    (read, ("Patient", "changed")),
    (read, ("Patient", "made")),
    (read, ("Patient", "gone")),
    (read, ("Patient", "nobody")),
    (read, ("Patient", "untouched")),
    (read, ("Observation", "moved")),
    (vread, ("Patient", "changed", "1")),
    (vread, ("Patient", "changed", "2")),
    (vread, ("Patient", "changed", "3")),
    (vread, ("Patient", "gone", "2")),
    (history, ("Patient", "made")),
    (history, ("Patient", "gone")),
    (history, ("Patient", "nobody")),
    (history, ("Observation", "moved")),
]


async def said(door: Door, who: Principal) -> list[Any]:
    """For each read its problem, or the content of what it shows last."""
    found: list[Any] = []
    for ask, arguments in READS:
        try:
            answer = await ask(door, who, *arguments)
        except Problem as problem:
            found.append((type(problem), str(problem)))
        else:
            found.append((answer.version, answer.body["id"]) if hasattr(answer, "version") else "history")
    return found


@pytest.mark.parametrize("scope", ["system/*.cruds", "patient/*.cruds"])
async def test_reads_fail_beforehand_exactly_where_they_fail_afterwards(
    door: Door, owner: Principal, scope: str
) -> None:
    for id in ("changed", "gone", "untouched"):
        await update(door, owner, "Patient", id, patient(id, id=id))
    await update(door, owner, "Observation", "moved", observation("Patient/changed", id="moved"))
    who = principal(scope, "changed" if scope.startswith("patient") else None)
    before: list[Any] = []

    async def judge(ahead: Door) -> None:
        before.extend(await said(ahead, who))

    entries = (
        put(patient("x", id="changed")),
        put(patient("y", id="made")),
        drop("Patient/gone"),
        put(observation("Patient/gone", id="moved")),
    )
    await transaction(door, owner, entries, judge)
    assert before == await said(door, who)
    assert len(set(map(str, before))) > 3


async def test_what_the_judge_raises_keeps_everything_from_being_written(door: Door, owner: Principal) -> None:
    class Refused(Exception):
        pass

    async def judge(ahead: Door) -> None:
        assert (await read(ahead, owner, "Patient", "a")).version == 1
        raise Refused

    with pytest.raises(Refused):
        await transaction(door, owner, (Entry("PUT", "Patient/a", patient("1", id="a")),), judge)
    assert (await door.store.counts()).seq == 0
