"""Which reads go together, and that each gets what is its own. The database is a function here, held back at will."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hilum.fhir.resource import Resource
from hilum.problems import Busy
from hilum.store.postgres import history, reads
from hilum.store.postgres.history import Found
from hilum.store.postgres.reads import TOGETHER, Reads

Name = tuple[str, str]


class Statements:
    """Runs groups as the pool does. `groups`: what was asked for together; `held`: ids that wait for the `gate`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.groups: list[list[str]] = []
        self.placed: list[bool] = []
        self.held: set[str] = set()
        self.gate = asyncio.Event()
        self.fails: Exception | None = None
        monkeypatch.setattr(history, "current", self._current)
        self.reads = Reads(self._run)

    async def _run(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        return await work(None)

    async def _current(self, session: Any, names: list[Name], *, placed: bool) -> list[Found | None]:
        self.groups.append([id for _, id in names])
        self.placed.append(placed)
        if not self.held.isdisjoint(self.groups[-1]):
            await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        return [_found(*name) if name[1] != "absent" else None for name in names]


def _found(type: str, id: str) -> Found:
    return Resource(type, id, 1, 7, b"{}"), ()


@pytest.fixture
async def statements(monkeypatch: pytest.MonkeyPatch) -> Statements:
    return Statements(monkeypatch)


async def _turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_reads_of_one_turn_go_together_and_each_gets_its_own(statements: Statements) -> None:
    names = [("Patient", "a"), ("Observation", "a"), ("Patient", "absent"), ("Patient", "a")]
    found = await asyncio.gather(*(statements.reads.current(*name) for name in names))
    a = _found("Patient", "a")
    assert found == [a, _found("Observation", "a"), None, a]
    assert statements.groups == [["a", "a", "absent", "a"]]


async def test_compartments_come_with_a_group_only_if_one_of_it_asks(statements: Statements) -> None:
    await asyncio.gather(*(statements.reads.current("Patient", id) for id in "ab"))
    await asyncio.gather(
        statements.reads.current("Patient", "a"), statements.reads.current("Patient", "b", placed=True)
    )
    assert statements.groups == [["a", "b"], ["a", "b"]]
    assert statements.placed == [False, True]


async def test_a_read_alone_leaves_at_the_end_of_its_turn(statements: Statements) -> None:
    asked = statements.reads.current("Patient", "a")
    await asyncio.sleep(0)  # the end of the turn
    await asyncio.sleep(0)  # the group's first step
    assert statements.groups == [["a"]]
    assert await asked == _found("Patient", "a")


async def test_what_arrives_while_a_group_is_under_way_leaves_when_it_is_back(
    statements: Statements, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reads, "HELD_SECONDS", 3600)
    statements.held = {"a"}
    first = statements.reads.current("Patient", "a")
    await _turns()
    second = statements.reads.current("Patient", "b")
    await _turns()
    third = statements.reads.current("Patient", "c")
    await _turns()
    assert statements.groups == [["a"]]
    statements.gate.set()
    async with asyncio.timeout(5):
        await asyncio.gather(first, second, third)
    assert statements.groups == [["a"], ["b", "c"]]


async def test_nobody_stands_behind_a_slow_group(statements: Statements) -> None:
    statements.held = {"slow"}
    slow = statements.reads.current("Patient", "slow")
    await _turns()
    async with asyncio.timeout(5):
        await asyncio.gather(*(statements.reads.current("Patient", id) for id in "bc"))
    assert statements.groups == [["slow"], ["b", "c"]]
    assert not slow.done()
    statements.gate.set()
    assert await slow == _found("Patient", "slow")


async def test_a_crowd_goes_in_groups_of_bounded_size(statements: Statements) -> None:
    asked = [statements.reads.current("Patient", str(n)) for n in range(TOGETHER * 2 + 1)]
    found = await asyncio.gather(*asked)
    assert [one[0].id for one in found if one] == [str(n) for n in range(TOGETHER * 2 + 1)]
    assert [len(group) for group in statements.groups] == [TOGETHER, TOGETHER, 1]


async def test_who_goes_away_takes_nothing_from_the_others(statements: Statements) -> None:
    statements.held = {"a"}
    gone, stays = statements.reads.current("Patient", "a"), statements.reads.current("Patient", "b")
    await _turns()
    gone.cancel()
    statements.gate.set()
    assert await stays == _found("Patient", "b")


async def test_an_error_is_told_to_each_and_the_next_ones_are_served(statements: Statements) -> None:
    statements.fails = Busy("PostgreSQL does not answer. Try again.")
    asked = [statements.reads.current("Patient", id) for id in "ab"]
    assert await asyncio.gather(*asked, return_exceptions=True) == [statements.fails, statements.fails]
    statements.fails = None
    assert await statements.reads.current("Patient", "c") == _found("Patient", "c")
