"""Contract: races are decided inside the commit, whoever runs them: many tasks over two stores on the same data."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from tests.contract.writing import (
    asking,
    chronicle,
    commit,
    create,
    gone,
    ids,
    mrn,
    nobody,
    numbers,
    observation,
    patient,
    put,
    replace,
)

from hilum.fhir.resource import Resource
from hilum.problems import Busy, Conflict, CriteriaChanged, VersionChanged
from hilum.search.clauses import StringClause
from hilum.store.interface import Commit, Present, Resolves, Store, Unreferenced

Outcome = tuple[Resource, ...] | BaseException
LOST = (VersionChanged, CriteriaChanged, Conflict)


async def race(*runners: Awaitable[tuple[Resource, ...]]) -> tuple[list[tuple[Resource, ...]], list[BaseException]]:
    """Who won, and how the others lost: only in ways that the contract names."""
    outcomes: Sequence[Outcome] = await asyncio.gather(*runners, return_exceptions=True)
    won = [one for one in outcomes if not isinstance(one, BaseException)]
    lost = [one for one in outcomes if isinstance(one, BaseException)]
    assert [one for one in lost if not isinstance(one, LOST)] == []
    return won, lost


async def test_of_many_conditional_creates_exactly_one_wins(store: Store, other: Store) -> None:
    for turn in range(10):
        key = f"mrn-{turn}"
        won, lost = await race(
            *(
                (store, other)[n % 2].commit(commit(put(patient(mrn=key), f"{turn}-{n}"), given=(nobody(key),)))
                for n in range(16)
            )
        )
        assert (len(won), len(lost)) == (1, 15)
        assert {type(one) for one in lost} == {CriteriaChanged}
        assert ids(await store.search(asking(mrn(key)))) == [won[0][0].id]


async def test_of_many_conditional_creates_without_a_token_exactly_one_wins(store: Store, other: Store) -> None:
    family = StringClause(numbers("Patient", "family"), ("chalmers",))
    given = (Resolves(asking(family), ()),)
    won, lost = await race(
        *((store, other)[n % 2].commit(commit(put(patient(), f"{n}"), given=given)) for n in range(12))
    )
    assert (len(won), len(lost)) == (1, 11)
    assert ids(await store.search(asking(family))) == [won[0][0].id]


async def test_of_many_large_conditional_commits_exactly_one_wins(store: Store, other: Store) -> None:
    for turn in range(5):
        key = f"mrn-{turn}"

        def bundle(n: int, key: str = key) -> Commit:
            rest = [put(observation(f"Patient/{key}-{n}", code=f"{n}-{m}"), f"{key}-{n}-{m}") for m in range(40)]
            return commit(put(patient(mrn=key), f"{key}-{n}"), *rest, given=(nobody(key),))

        won, lost = await race(*((store, other)[n % 2].commit(bundle(n)) for n in range(8)))
        assert (len(won), {type(one) for one in lost}) == (1, {CriteriaChanged})
    assert (await store.counts()).types == {"Patient": 5, "Observation": 200}


async def test_crossed_criteria_do_not_both_win(store: Store, other: Store) -> None:
    """Each looks for what the other one writes: one after the other, only the first would find nothing."""
    for turn in range(10):
        a, b = f"a{turn}", f"b{turn}"
        won, _ = await race(
            store.commit(commit(put(patient(mrn=b), f"{turn}-1"), given=(nobody(a),))),
            other.commit(commit(put(patient(mrn=a), f"{turn}-2"), given=(nobody(b),))),
        )
        assert len(won) == 1


async def test_crossed_criteria_over_types_and_kinds_do_not_both_win(store: Store, other: Store) -> None:
    family = StringClause(numbers("Patient", "family"), ("windsor",))
    for turn in range(6):
        name = f"windsor{turn}"
        family = StringClause(numbers("Patient", "family"), (name,))
        many = [put(observation("Patient/a", code=f"{turn}-{n}"), f"{turn}-{n}") for n in range(30)]
        won, _ = await race(
            store.commit(commit(*many, put(patient(mrn=name), f"{turn}-1"), given=(Resolves(asking(family), ()),))),
            other.commit(commit(put(patient(name), f"{turn}-2"), given=(nobody(name),))),
        )
        assert len(won) == 1


async def test_of_many_updates_on_one_version_exactly_one_wins(store: Store, other: Store) -> None:
    current = await create(store, patient(), "a")
    for turn in range(10):
        won, lost = await race(
            *(
                (store, other)[n % 2].commit(commit(put(patient(f"Name{turn}x{n}"), "a", over=current)))
                for n in range(8)
            )
        )
        assert (len(won), {type(one) for one in lost}) == (1, {VersionChanged})
        (current,) = won[0]
    assert current.version == 11
    page = await store.history(chronicle("Patient", id="a"))
    assert [r.version for r in page.resources] == list(range(11, 0, -1))
    assert [r.seq for r in page.resources] == sorted((r.seq for r in page.resources), reverse=True)


async def test_of_many_creates_of_one_id_exactly_one_wins(store: Store, other: Store) -> None:
    for turn in range(5):
        won, lost = await race(
            *((store, other)[n % 2].commit(commit(put(patient(f"N{n}"), f"same{turn}"))) for n in range(8))
        )
        assert (len(won), {type(one) for one in lost}) == (1, {VersionChanged})
        assert await other.read("Patient", f"same{turn}") == won[0][0]


async def test_overlapping_commits_in_opposite_order_neither_deadlock_nor_tear(store: Store, other: Store) -> None:
    heads = [await create(store, patient(f"P{n}"), f"p{n}") for n in range(12)]

    async def rewrite(one: Store, name: str, places: Sequence[int]) -> tuple[Resource, ...]:
        while True:
            now = [await one.read("Patient", f"p{n}") for n in places]
            writes = [put(patient(name), r.id, over=r) for r in now if r is not None]
            writes.append(put(observation("Patient/fresh"), name))
            try:
                return await one.commit(commit(*writes))
            except VersionChanged:
                continue

    await asyncio.gather(
        *(rewrite((store, other)[n % 2], f"n{n}", range(12) if n % 3 else range(11, -1, -1)) for n in range(10))
    )
    last = [await store.read("Patient", f"p{n}") for n in range(12)]
    assert {r.version for r in last if r} == {11}
    assert len({r.body["name"][0]["family"] for r in last if r}) == 1
    assert heads[0].version == 1


async def test_commits_that_name_the_same_unknown_targets_do_not_get_in_each_others_way(
    store: Store, other: Store
) -> None:
    def batch(n: int) -> list[str]:
        return [f"Patient/t{m}" for m in (range(20) if n % 2 else range(19, -1, -1))]

    made = await asyncio.gather(
        *(
            (store, other)[n % 2].commit(commit(*(put(observation(to), f"{n}-{m}") for m, to in enumerate(batch(n)))))
            for n in range(12)
        )
    )
    assert sum(len(one) for one in made) == 240
    assert (await store.counts()).types == {"Observation": 240}


async def test_creates_of_the_same_new_names_in_opposite_order_do_not_deadlock(store: Store, other: Store) -> None:
    for turn in range(5):
        names = [f"{turn}-{n}" for n in range(15)]
        won, lost = await race(
            *(
                (store, other)[n % 2].commit(
                    commit(*(put(patient(f"W{n}"), id) for id in (names if n % 2 else reversed(names))))
                )
                for n in range(6)
            )
        )
        assert (len(won), len(lost)) == (1, 5)
        families = [(await store.read("Patient", id)).body["name"][0]["family"] for id in names]  # type: ignore[union-attr]
        assert len(set(families)) == 1


async def test_a_reference_and_the_deletion_of_its_target_never_both_win(store: Store, other: Store) -> None:
    for turn in range(20):
        target = await create(store, patient(), f"t{turn}")
        to = f"Patient/{target.id}"
        won, lost = await race(
            store.commit(commit(put(observation(to), f"o{turn}"), given=(Present("Patient", target.id),))),
            other.commit(commit(gone(target), given=(Unreferenced("Patient", target.id),))),
        )
        assert (len(won), {type(one) for one in lost}) == (1, {Conflict})


async def test_targets_that_are_deleted_crosswise_do_not_deadlock(store: Store, other: Store) -> None:
    for turn in range(10):
        a = await create(store, patient(), f"a{turn}")
        b = await create(store, patient(), f"b{turn}")
        to_a, to_b = put(observation(f"Patient/{a.id}"), f"x{turn}"), put(observation(f"Patient/{b.id}"), f"y{turn}")
        won, lost = await race(
            store.commit(commit(gone(a), to_b, given=(Present("Patient", b.id), Unreferenced("Patient", a.id)))),
            other.commit(commit(gone(b), to_a, given=(Present("Patient", a.id), Unreferenced("Patient", b.id)))),
        )
        assert (len(won), len(lost)) == (1, 1)


async def test_many_at_once_all_arrive(store: Store, other: Store) -> None:
    made = await asyncio.gather(*(create((store, other)[n % 2], patient(mrn=f"{n}"), f"p{n}") for n in range(200)))
    assert len({r.seq for r in made}) == 200
    assert (await store.counts()).types == {"Patient": 200}
    assert Busy not in {type(r) for r in made}


async def test_conditional_commits_of_many_resources_do_not_deadlock(store: Store, other: Store) -> None:
    def bundle(n: int) -> tuple[list[str], Awaitable[tuple[Resource, ...]]]:
        keys = [f"k{(n + m) % 9}" for m in range(4)]
        writes = [put(patient(mrn=key, gender="male"), f"{n}-{key}") for key in keys]
        writes += [put(observation(f"Patient/{n}", code=f"{n}-{m}"), f"{n}-{m}") for m in range(20 if n % 2 else 1)]
        return keys, (store, other)[n % 2].commit(commit(*writes, given=tuple(nobody(key) for key in keys)))

    won, _ = await race(*(bundle(n)[1] for n in range(18)))
    assert won
    for n in range(9):
        assert len(ids(await store.search(asking(mrn(f"k{n}"))))) <= 1


async def test_a_follower_reading_while_writers_write_sees_whole_commits(store: Store, other: Store) -> None:
    current = [await create(store, patient("v0"), f"p{n}") for n in range(3)]
    done = asyncio.Event()

    async def write() -> None:
        heads = list(current)
        for turn in range(30):
            heads = list(await store.commit(commit(*(put(patient(f"v{turn}"), r.id, over=r) for r in heads))))
        done.set()

    async def look() -> None:
        while not done.is_set():
            page = await other.search(asking(count=10))
            assert len({r.body["name"][0]["family"] for r in page.resources}) == 1
            await asyncio.sleep(0)

    await asyncio.gather(write(), look())
    assert (await replace(other, (await store.read("Patient", "p0")), patient())).version == 32  # type: ignore[arg-type]
