"""Contract: a commit of many writes is prepared apart, and comes to what many commits of one write come to."""

from __future__ import annotations

from tests.contract.writing import Body, asking, commit, create, delete, gone, ids, patient, put, replace

from hilum.fhir.resource import Resource
from hilum.search.clauses import TextClause
from hilum.store.interface import Store, Write

MANY = 100


def said(word: str, n: int) -> Body:
    return patient(f"{word}{n}", text={"status": "generated", "div": f"<div>told {word}x{n % 7}</div>"})


async def found(store: Store, where: str, *words: str) -> set[str]:
    return set(ids(await store.search(asking(TextClause(where, words), count=2 * MANY))))


async def words_of(store: Store) -> dict[tuple[str, str], set[str]]:
    asked = [("content", f"{word}{n}") for word in ("first", "later") for n in range(MANY)]
    asked += [("text", f"{word}x{n}") for word in ("first", "later") for n in range(7)]
    return {(where, word): hits for where, word in asked if (hits := await found(store, where, word))}


async def test_what_is_said_in_a_large_commit_is_found_as_if_it_were_many_small_ones(store: Store) -> None:
    names = [f"p{n}" for n in range(MANY)]
    made = await store.commit(commit(*(put(said("First", n), name) for n, name in enumerate(names))))
    changes = [_changed(n, one) for n, one in enumerate(made) if n % 3 < 2]
    await store.commit(commit(*changes))
    together = await words_of(store)
    for n, name in enumerate(names):
        one = await create(store, said("First", n), f"single-{name}")
        if n % 3 == 0:
            await delete(store, one)
        elif n % 3 == 1:
            await replace(store, one, said("Later", n))
    everything = await words_of(store)
    assert together[("content", "later1")] == {"p1"}
    assert together[("text", "laterx1")] == {f"p{n}" for n in range(MANY) if n % 3 == 1 and n % 7 == 1}
    assert {asked: {hit for hit in hits if "-" not in hit} for asked, hits in everything.items()} == together
    single = {asked: {hit.removeprefix("single-") for hit in hits if "-" in hit} for asked, hits in everything.items()}
    assert single == together


def _changed(n: int, one: Resource) -> Write:
    return put(said("Later", n), one.id, over=one) if n % 3 else gone(one)
