"""Contract: keyset pages. What is there from the first page to the last appears exactly once, whoever writes."""

from __future__ import annotations

import pytest
from tests.contract.writing import asking, create, delete, ids, numbers, observation, patient, replace, token

from hilum.problems import Malformed
from hilum.search.query import Sort
from hilum.store.interface import Store


@pytest.mark.parametrize("order", ["rid", "updated", "-updated"])
@pytest.mark.parametrize("coded", [False, True])
async def test_pages_meet_without_overlap(store: Store, order: str, coded: bool) -> None:
    made = [await create(store, observation("Patient/a"), f"o{n}") for n in range(11)]
    made.append(await replace(store, made.pop(3), observation("Patient/b")))
    by_time = [r.id for r in made]
    expected = {"rid": [f"o{n}" for n in range(10, -1, -1)], "updated": by_time, "-updated": by_time[::-1]}[order]
    sort = () if order == "rid" else (Sort("_lastUpdated", "updated", (), order == "-updated"),)
    clauses = (token("Observation", "code", "8867-4", "http://loinc.org"),) if coded else ()
    for count in (1, 3, 10, 11, 12):
        seen: list[str] = []
        after: str | None = None
        while True:
            page = await store.search(asking(*clauses, types=("Observation",), count=count, sort=sort, after=after))
            seen += ids(page)
            assert len(page.resources) == min(count, 11 - len(seen) + len(page.resources))
            if page.next is None:
                break
            after = page.next
        assert seen == expected


async def test_pages_over_types(store: Store) -> None:
    for n in range(5):
        await create(store, patient(), f"p{n}")
        await create(store, observation(f"Patient/p{n}"), f"o{n}")
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await store.search(asking(types=("Observation", "Patient"), count=3, after=after, total="accurate"))
        assert page.total == 10
        seen += ids(page)
        if page.next is None:
            break
        after = page.next
    assert seen == ["p4", "p3", "p2", "p1", "p0", "o4", "o3", "o2", "o1", "o0"]


async def test_pages_stay_right_while_others_write(store: Store, other: Store) -> None:
    heads = {f"p{n}": await create(store, patient(gender="male"), f"p{n}") for n in range(30)}
    male = token("Patient", "gender", "male")
    seen: list[str] = []
    after: str | None = None
    turn = 0
    while True:
        page = await store.search(asking(male, count=4, after=after))
        seen += ids(page)
        if page.next is None:
            break
        after = page.next
        await create(other, patient(gender="male"), f"new{turn}")
        heads[f"p{turn}"] = await replace(other, heads[f"p{turn}"], patient("Changed", gender="male"))
        await delete(other, heads[f"p{29 - turn}"])
        turn += 1
    stayed = [f"p{n}" for n in range(29 - turn, -1, -1)]
    assert [id for id in seen if id in stayed] == stayed
    assert len(seen) == len(set(seen))
    assert not [id for id in seen if id.startswith("new")]


async def test_sorted_pages_stay_right_while_others_write(store: Store, other: Store) -> None:
    """What is sorted by stays in the position: the resource that a page ended with may change, or go."""
    heads = {f"p{n}": await create(store, patient(f"F{n:02}"), f"p{n}") for n in range(30)}
    by_family = (Sort("family", "string", (("Patient", numbers("Patient", "family")),)),)
    seen: list[str] = []
    after: str | None = None
    turn = 0
    while True:
        page = await store.search(asking(count=4, sort=by_family, after=after))
        seen += ids(page)
        if page.next is None:
            break
        after = page.next
        last = ids(page)[-1]
        await (delete(other, heads[last]) if turn % 2 else replace(other, heads[last], patient("A first")))
        turn += 1
    assert seen == [f"p{n}" for n in range(30)]


async def test_a_position_of_another_search_is_malformed(store: Store) -> None:
    for n in range(3):
        await create(store, patient(f"F{n}"), f"p{n}")
    by_family = (Sort("family", "string", (("Patient", numbers("Patient", "family")),)),)
    page = await store.search(asking(count=1, sort=by_family))
    for after in (page.next, "x", "[]", "{}", '["a"]'):
        with pytest.raises(Malformed):
            await store.search(asking(count=1, after=after))
