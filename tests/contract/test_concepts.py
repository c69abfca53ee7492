"""Contract: code systems that are loaded, on every store."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from tests.contract.writing import commit, put
from tests.contract.writing import replace as update

from hilum.store.interface import Store
from hilum.terminology import bits
from hilum.terminology.concepts import CHILD, FLAG, VALUE, WORD, Head
from hilum.terminology.resource import Resource
from hilum.terminology.rows import Plan, detail_of
from hilum.terminology.words import span

ANIMALS: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "url": "http://animals",
    "status": "active",
    "content": "complete",
    "concept": [
        {"code": "bird", "display": "Bird", "concept": [{"code": "owl", "display": "Barn owl"}, {"code": "duck"}]},
        {
            "code": "fish",
            "definition": "It swims.",
            "concept": [{"code": "eel", "property": [{"code": "parent", "valueCode": "snake"}]}],
        },
        {
            "code": "snake",
            "property": [{"code": "inactive", "valueBoolean": True}, {"code": "legs", "valueInteger": 0}],
        },
    ],
}


async def load(store: Store, body: dict[str, Any] = ANIMALS, source: str = "import", seq: int = 0) -> int:
    plan = Plan(Resource(body))
    head = Head(body["url"], body.get("version", ""), source, seq, plan.size, {"name": "x"})
    number = await store.concepts.begin(head)
    await store.concepts.add(number, list(plan.rows()))
    await store.concepts.post(number, list(plan.postings()))
    await store.concepts.finish(number)
    return number


async def numbers(store: Store) -> list[int]:
    return [one.number for one in await store.concepts.systems("http://animals")]


async def test_concepts_are_found_by_code_by_number_and_by_posting(store: Store) -> None:
    number = await load(store)
    (system,) = await store.concepts.systems()
    assert (system.number, system.head.url, system.head.size, system.head.about) == (
        number,
        "http://animals",
        6,
        {"name": "x"},
    )
    by = {row.code: row for row in await store.concepts.of(number, ["bird", "eel", "snake", "fish", "dragon"])}
    assert sorted(by) == ["bird", "eel", "fish", "snake"]
    under = await store.concepts.at(number, list(bits.each(bits.union([by["snake"].under]))))
    assert sorted(row.code for row in under) == ["eel", "snake"]
    over = await store.concepts.at(number, list(bits.numbers(by["eel"].over)))
    assert sorted(row.code for row in over) == ["fish", "snake"]
    assert detail_of(by["fish"]).definition == "It swims."
    assert [key for key, _ in await store.concepts.postings(number, WORD, *span("barn"))] == ["barn*"]
    for kind, key, codes in (
        (WORD, "ba*", ["owl"]),
        (VALUE, "legs\x1f0", ["snake"]),
        (FLAG, "inactive", ["snake"]),
        (CHILD, "bird", ["owl", "duck"]),
        (FLAG, "root", ["bird", "fish", "snake"]),
    ):
        ((_, posting),) = await store.concepts.postings(number, kind, key)
        found = await store.concepts.at(number, list(bits.each(bits.union([posting]))))
        assert [row.code for row in found] == codes
    assert await store.concepts.postings(number, VALUE, "wings\x1f2") == []
    assert len(await store.concepts.postings(number, VALUE, "legs\x1f", "legs\x1f\U0010ffff")) == 1


async def test_nothing_is_seen_before_it_is_whole_and_then_it_replaces_the_one_before(
    store: Store, other: Store
) -> None:
    first = await load(store)
    before = await other.concepts.generation()
    second = await store.concepts.begin(Head("http://animals", "", "import", 0, 0, {}))
    assert (await numbers(other), await other.concepts.generation()) == ([first], before)
    assert await store.concepts.finish(second)
    assert await numbers(other) == [second]
    assert await other.concepts.generation() != before
    assert len(await store.concepts.of(first, ["owl"])) == 1, "who is at it may go on"
    assert await store.concepts.retire(second)
    assert not await store.concepts.retire(second)
    assert await numbers(other) == []


async def test_what_was_replaced_or_abandoned_is_swept_when_it_is_old_enough(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await load(store), await load(store)
    begun = await store.concepts.begin(Head("http://animals", "", "import", 0, 0, {}))
    assert await store.concepts.sweep() == 0
    assert len(await store.concepts.of(first, ["owl"])) == 1
    module = sys.modules[type(store.concepts).__module__]
    monkeypatch.setattr(module, "LINGERS", -1)
    assert await store.concepts.sweep() == 1
    assert await store.concepts.of(first, ["owl"]) == await store.concepts.postings(first, FLAG, "root") == []
    assert (await numbers(store), len(await store.concepts.of(second, ["owl"]))) == ([second], 1)
    assert await store.concepts.finish(begun), "a load that goes on is let go on"


async def test_versions_stand_side_by_side(store: Store) -> None:
    some = [await load(store, ANIMALS | {"version": version}) for version in ("1", "2")]
    assert sorted(await numbers(store)) == some


async def test_a_load_of_an_older_version_of_a_resource_does_not_replace_a_later_one(store: Store) -> None:
    head = Head("http://animals", "", "CodeSystem/a", 5, 0, {})
    late = await store.concepts.begin(head)
    newer = await store.concepts.begin(head._replace(seq=6))
    assert await store.concepts.finish(newer)
    assert not await store.concepts.finish(late)
    assert await numbers(store) == [newer]


async def test_the_generation_changes_with_every_definition_that_is_written(store: Store, other: Store) -> None:
    seen = [await other.concepts.generation()]
    body = {"resourceType": "ValueSet", "url": "http://v", "status": "draft"}
    (made,) = await store.commit(commit(put(body, "v")))
    seen.append(await other.concepts.generation())
    made = await update(store, made, body | {"status": "active"})
    seen.append(await other.concepts.generation())
    await store.commit(commit(put({"resourceType": "Patient"}, "p")))
    assert await other.concepts.generation() == seen[-1]
    assert len(set(seen)) == 3


async def test_a_closure_table_grows_by_one_at_a_time(store: Store, other: Store) -> None:
    assert await store.concepts.closure("a") is None
    assert not await store.concepts.extend("a", 0, "x")
    assert await store.concepts.extend("a", 0, None)
    assert await other.concepts.closure("a") == []
    assert await store.concepts.extend("a", 0, "x")
    assert not await other.concepts.extend("a", 0, "y")
    assert await other.concepts.extend("a", 1, "y")
    assert await store.concepts.closure("a") == [(1, "x"), (2, "y")]
    assert await store.concepts.extend("a", 0, None)
    assert await store.concepts.closure("a") == []


async def test_closure_tables_are_found_by_how_their_names_begin(store: Store) -> None:
    for name in ("b/2", "b/1", "b", "b0", "a/1", "b.c/1"):
        await store.concepts.extend(name, 0, None)
    await store.concepts.extend("b/1", 0, "x")
    assert await store.concepts.closures("b/", 10) == ["b/1", "b/2"]
    assert await store.concepts.closures("b/", 1) == ["b/1"]
    assert await store.concepts.closures("c/", 10) == []
