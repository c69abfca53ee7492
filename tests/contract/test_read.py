"""Contract: reads at the same time, each with its own answer."""

from __future__ import annotations

import asyncio

from tests.contract.writing import create, delete, observation, patient, replace

from hilum.store.interface import Store


async def test_reads_at_once_each_get_their_own(store: Store) -> None:
    uuid = "01a20249-a26b-73e7-9b09-adc64910d7da"
    first = await create(store, patient("Chalmers"), "a")
    second = await replace(store, first, patient("Windsor"))
    deleted = await delete(store, await create(store, patient(), "gone"))
    about = await create(store, observation("Patient/only-referred-to"), "a")
    long = await create(store, patient("Levin"), uuid)
    wanted = {
        ("Patient", "a"): second,
        ("Patient", "gone"): deleted,
        ("Observation", "a"): about,
        ("Patient", uuid): long,
        ("Patient", uuid.upper()): None,
        ("Patient", "only-referred-to"): None,
        ("Patient", "never"): None,
        ("Observation", "gone"): None,
    }
    names = [*wanted] * 9  # more than go to a database in one statement
    assert await asyncio.gather(*(store.read(*name) for name in names)) == [wanted[name] for name in names]
    for name, resource in wanted.items():
        assert await store.read(*name) == resource
    assert deleted.deleted


async def test_reads_at_once_each_know_where_they_lie_if_they_ask(store: Store, other: Store) -> None:
    made = [await create(store, observation(f"Patient/{owner}"), f"of-{owner}") for owner in "aab"[1:]]
    performer = [{"reference": "Practitioner/d"}]
    shared = await create(store, observation("Patient/a", performer=performer), "shared")
    loose = await create(store, observation(), "loose")
    a, b, d = ("Patient", "a"), ("Patient", "b"), ("Practitioner", "d")
    wanted = {"of-a": (made[0], (a,)), "of-b": (made[1], (b,)), "shared": (shared, (a, d)), "loose": (loose, ())}
    for one in (store, other):
        for _ in range(2):
            names = [*wanted, "never"] * 3
            placed = [one.placed("Observation", name) for name in names]
            bare = [one.read("Observation", name) for name in names]
            found = await asyncio.gather(*placed, *bare)
            assert found[: len(names)] == [wanted.get(name) for name in names]
            assert found[len(names) :] == [wanted[name][0] if name in wanted else None for name in names]


async def test_a_read_sees_what_was_committed_before_it_was_asked_for(store: Store) -> None:
    head = await create(store, patient("0"), "a")
    for n in range(1, 6):
        others = [asyncio.ensure_future(store.read("Patient", "a")) for _ in range(4)]
        await asyncio.sleep(0)  # they are under way
        head = await replace(store, head, patient(str(n)))
        assert await store.read("Patient", "a") == head
        await asyncio.gather(*others)
