"""Contract: changes() gives every committed version, in the order of seq, and never skips one still on its way."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.writing import commit, create, delete, observation, patient, put, replace

from hilum.fhir.resource import Resource
from hilum.problems import VersionChanged
from hilum.store.interface import Store


async def test_versions_in_order_of_their_commits(store: Store) -> None:
    first = await create(store, patient("A"), "a")
    second = await create(store, observation("Patient/a"), "o")
    third = await replace(store, first, patient("B"))
    fourth = await delete(store, second)
    assert list(await store.changes(0)) == [first, second, third, fourth]
    assert list(await store.changes(second.seq)) == [third, fourth]
    assert list(await store.changes(second.seq - 1, limit=2)) == [second, third]
    assert list(await store.changes(fourth.seq)) == []


async def test_of_types_that_are_wanted_alone(store: Store) -> None:
    first = await create(store, patient("A"), "a")
    second = await create(store, observation("Patient/a"), "o")
    third = await replace(store, first, patient("B"))
    fourth = await delete(store, second)
    assert list(await store.changes(0, types=("Patient",))) == [first, third]
    assert list(await store.changes(first.seq, types=("Patient",))) == [third]
    assert list(await store.changes(0, types=("Observation",))) == [second, fourth]
    assert list(await store.changes(0, 3, ("Patient", "Observation", "Patient"))) == [first, second, third]
    assert list(await store.changes(first.seq, 1, ("Observation", "Patient"))) == [second]
    assert list(await store.changes(0, types=("Task",))) == []


async def test_all_is_settled_up_to_the_newest_while_nothing_is_in_flight(store: Store) -> None:
    assert await store.settled(0) == 0
    await create(store, patient("A"), "a")
    last = await create(store, observation("Patient/a"), "o")
    assert await store.settled(0) == last.seq
    assert await store.settled(last.seq) == last.seq
    assert await store.settled(last.seq + 1) == last.seq + 1


async def test_a_failed_commit_leaves_no_change(store: Store) -> None:
    made = await create(store, patient(), "a")
    with pytest.raises(VersionChanged):
        await store.commit(commit(put(patient(), "b"), put(patient(), "a")))
    assert list(await store.changes(0)) == [made]


async def test_a_follower_misses_nothing_while_many_write(store: Store, other: Store) -> None:
    """Writers of different speed over two stores; followers of both go on from the last seq that they were given, and
    one who wants no type that is written but one, from what was settled before.
    """
    made: list[Resource] = []
    writing = asyncio.Event()
    writing.set()

    async def write(one: Store, name: str, size: int) -> None:
        heads: list[Resource] = []
        for turn in range(40):
            writes = [put(patient(f"{name}-{turn}"), f"{name}-{turn}-{n}") for n in range(size)]
            writes += [put(patient(f"again-{turn}"), r.id, over=r) for r in heads]
            if turn % 5 == 0:
                writes.append(put(observation("Patient/none"), f"{name}-{turn}"))
            new = await one.commit(commit(*writes))
            heads = [r for r in new if r.version == 1 and r.type == "Patient"]
            made.extend(new)

    async def follow(one: Store, limit: int) -> list[Resource]:
        seen: list[Resource] = []
        while True:
            last = not writing.is_set()
            some = await one.changes(seen[-1].seq if seen else 0, limit)
            seen.extend(some)
            if last and not some:
                return seen
            await asyncio.sleep(0)

    async def follow_type(one: Store) -> list[Resource]:
        seen: list[Resource] = []
        after = 0
        while True:
            last = not writing.is_set()
            settled = await one.settled(after)
            some = await one.changes(after, 7, ("Observation",))
            seen.extend(some)
            after = some[-1].seq if len(some) == 7 else max([settled, *(r.seq for r in some)])
            if last and not some:
                return seen
            await asyncio.sleep(0)

    async def write_all() -> None:
        sizes = enumerate((1, 1, 3, 30, 2, 1))
        await asyncio.gather(*(write((store, other)[n % 2], f"w{n}", size) for n, size in sizes))
        writing.clear()

    first, second, third, _ = await asyncio.gather(
        follow(store, 7), follow(other, 1000), follow_type(store), write_all()
    )
    expected = sorted(made, key=lambda r: r.seq)
    assert len({r.seq for r in expected}) == len(expected)
    assert first == expected
    assert second == expected
    assert third == [r for r in expected if r.type == "Observation"]
