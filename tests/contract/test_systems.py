"""Contract: systems of codes are told apart exactly, however alike their hashes are, in all that follows from a search.

Half of the tests use systems that collide by nature, of which anybody finds some in a second; the other half a world in
which every system wants the same number.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.contract.conftest import Open
from tests.contract.writing import (
    ALL,
    Body,
    asking,
    commit,
    create,
    delete,
    ids,
    numbers,
    observation,
    patient,
    put,
    replace,
)

from hilum.problems import Conflict, CriteriaChanged, Unprocessable
from hilum.search.alternatives import Composite, Token
from hilum.search.clauses import ChainClause, CompositeClause, HasClause, NotClause, Part, Permit, TokenClause
from hilum.search.query import Include
from hilum.store import keyed
from hilum.store.interface import Present, Resolves, Store
from hilum.store.keyed import choices
from hilum.store.postgres import dictionaries
from hilum.store.rebuilding import Scope
from hilum.store.sqlite import systems as sqlite_systems


def alike() -> tuple[str, str]:
    """Two systems that want the same number."""
    seen: dict[int, str] = {}
    for n in range(100_000):
        system = f"urn:x:{n}"
        number = choices(system)[0]
        if number in seen:
            return seen[number], system
        seen[number] = system
    raise AssertionError


@pytest.fixture(params=["by nature", "all"])
def pair(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two such systems; or all are such."""
    if request.param == "all":
        monkeypatch.setattr(keyed, "xxh3_64_intdigest", lambda data, seed: 0)
    return alike()


def known(system: str, value: str, **more: Any) -> Body:
    return patient(identifier=[{"system": system, "value": value}], **more)


def named(system: str | None, value: str | None) -> TokenClause:
    """`identifier=system|value` of Patient."""
    return TokenClause(numbers("Patient", "identifier"), (Token(system, value),))


def of(system: str | None, value: str | None, permits: tuple[Permit, ...] = ALL) -> ChainClause:
    """`subject:Patient.identifier=system|value` of Observation."""
    return ChainClause(numbers("Observation", "subject"), (Part("Patient", (named(system, value),), permits),))


def about(clause: TokenClause) -> HasClause:
    """`_has:Observation:subject:…` of Patient."""
    return HasClause(Part("Observation", (clause,), ALL), numbers("Observation", "subject"))


def coded(system: str, code: str, **more: Any) -> Body:
    return observation(**more) | {"code": {"coding": [{"system": system, "code": code}]}}


async def found(store: Store, *clauses: Any, type: str = "Patient", permits: tuple[Permit, ...] = ALL) -> list[str]:
    """The ids, sorted; totals must say as many."""
    query = asking(*clauses, types=(type,), permits=(permits,))
    page = await store.search(query)
    for total in ("accurate", "estimate"):
        counted = await store.search(asking(*clauses, types=(type,), permits=(permits,), count=0, total=total))
        assert counted.total == len(page.resources)
    return sorted(ids(page))


@pytest.fixture
async def filled(store: Store, pair: tuple[str, str]) -> AsyncIterator[Store]:
    """Two patients whose identifiers differ in the system alone, an Observation of each."""
    for id, system in zip("ab", pair, strict=True):
        label = {"meta": {"security": [{"system": system, "code": "OPEN"}]}}
        await create(store, known(system, "4711", family=id, **label), id)
        await create(store, coded(system, "x", subject=f"Patient/{id}"), f"o{id}")
    yield store


async def test_they_are_told_apart(filled: Store, pair: tuple[str, str]) -> None:
    a, b = pair
    assert await found(filled, named(a, "4711")) == ["a"]
    assert await found(filled, named(b, "4711")) == ["b"]
    assert await found(filled, named(a, None)) == ["a"]
    assert await found(filled, named(b, None)) == ["b"]
    assert await found(filled, named(None, "4711")) == ["a", "b"]
    assert await found(filled, named("", "4711")) == []
    assert await found(filled, NotClause(named(a, "4711"))) == ["b"]
    assert await found(filled, NotClause(named(b, None))) == ["a"]


async def test_a_system_that_nobody_wrote_is_nobodys_until_somebody_does(filled: Store, other: Store) -> None:
    for store in (filled, other):
        assert await found(store, named("urn:later", "4711")) == []
        assert await found(store, named("urn:later", None)) == []
        assert await found(store, NotClause(named("urn:later", None))) == ["a", "b"]
        assert await found(store, of("urn:later", "4711"), type="Observation") == []
    await create(other, known("urn:later", "4711"), "c")
    for store in (filled, other):
        assert await found(store, named("urn:later", "4711")) == ["c"]
        assert await found(store, named("urn:later", None)) == ["c"]
        assert await found(store, NotClause(named("urn:later", None))) == ["a", "b"]


async def test_at_the_end_of_chains(filled: Store, pair: tuple[str, str]) -> None:
    for id, system in zip("ab", pair, strict=True):
        assert await found(filled, of(system, "4711"), type="Observation") == [f"o{id}"]
        assert await found(filled, of(system, None), type="Observation") == [f"o{id}"]
        code = TokenClause(numbers("Observation", "code"), (Token(system, "x"),))
        assert await found(filled, about(code)) == [id]
        assert await found(filled, NotClause(about(code))) == ["a" if id == "b" else "b"]


async def test_in_composites(store: Store, pair: tuple[str, str]) -> None:
    a, b = pair
    made = {"ab": (a, b), "ba": (b, a), "aa": (a, a)}
    for id, (code, value) in made.items():
        concept = {"valueCodeableConcept": {"coding": [{"system": value, "code": "v"}]}}
        await create(store, coded(code, "c", **concept), id)
    for id, (code, value) in made.items():
        for second in (Token(value, "v"), Token(value, None)):
            clause = CompositeClause(
                numbers("Observation", "code-value-concept"), (Composite(Token(code, "c"), second),)
            )
            assert await found(store, clause, type="Observation") == [id]


async def test_what_is_permitted_by_labels(filled: Store, pair: tuple[str, str]) -> None:
    for id, system in zip("ab", pair, strict=True):
        clause = TokenClause(numbers("Patient", "_security"), (Token(system, "OPEN"),))
        permits = (Permit(None, (clause,)),)
        assert await found(filled, permits=permits) == [id]
        assert await found(filled, of(None, "4711", permits), type="Observation") == [f"o{id}"]
        along = Include("Observation", numbers("Observation", "subject"), None, permits=(("Patient", permits),))
        page = await filled.search(asking(types=("Observation",), includes=(along,)))
        assert [one.id for one in page.included] == [id]


async def test_criteria(filled: Store, pair: tuple[str, str]) -> None:
    a, b = pair
    only = Resolves(asking(named(a, "4711")), ("a",))
    await filled.commit(commit(put(observation("Patient/a"), "more"), given=(only,)))
    chained = asking(of(b, "4711"), types=("Observation",), exact=True)
    assert ids(await filled.search(chained)) == ["ob"]
    await filled.commit(commit(put(patient(), "made"), given=(Resolves(chained, ("ob",)),)))
    with pytest.raises(CriteriaChanged):
        await filled.commit(commit(put(patient(), "not"), given=(Resolves(chained, ("oa",)),)))
    none = Resolves(asking(named("urn:later", "4711")), ())
    await filled.commit(commit(put(known("urn:later", "4711"), "c"), given=(none,)))
    with pytest.raises(CriteriaChanged):
        await filled.commit(commit(put(known("urn:later", "4711"), "d"), given=(none,)))


async def test_what_a_version_no_longer_says_is_gone_and_nothing_else(
    store: Store, other: Store, pair: tuple[str, str]
) -> None:
    a, b = pair
    both = patient(identifier=[{"system": a, "value": "1"}, {"system": b, "value": "1"}])
    first = await create(store, both, "p")
    second = await replace(other, first, known(b, "1"))  # to this process all systems are new
    for one in (store, other):
        assert await found(one, named(a, "1")) == []
        assert await found(one, named(a, None)) == []
        assert await found(one, named(b, "1")) == ["p"]
    third = await replace(store, second, known(a, "1"))
    assert await found(other, named(b, "1")) == []
    assert await found(other, named(a, "1")) == ["p"]
    await delete(other, third)
    assert await found(store, named(None, "1")) == []


async def test_what_was_undone_gives_no_number(store: Store, other: Store, pair: tuple[str, str]) -> None:
    a, b = pair
    missing = Present("Patient", "nobody")
    for _ in range(2):
        with pytest.raises(Conflict):
            await store.commit(commit(put(known(a, "1"), "a"), given=(missing,)))
    await create(other, known(b, "1"), "b")
    await create(store, known(a, "1"), "a")
    await create(store, known(b, "2"), "b2")
    for one in (store, other):
        assert await found(one, named(a, "1")) == ["a"]
        assert await found(one, named(b, "1")) == ["b"]
        assert await found(one, named(b, None)) == ["b", "b2"]


async def test_many_that_are_new_at_once(store: Store, other: Store, pair: tuple[str, str]) -> None:
    systems = [*pair, *[f"urn:new:{n % 13}" for n in range(40)]]
    given = [None, Present("Patient", "nobody")]
    done = await asyncio.gather(
        *(
            (store, other)[n % 2].commit(
                commit(put(known(system, "1"), f"p{n}"), given=tuple(filter(None, [given[n % 3 == 2]])))
            )
            for n, system in enumerate(systems)
        ),
        return_exceptions=True,
    )
    assert [n for n, one in enumerate(done) if isinstance(one, BaseException)] == list(range(2, len(systems), 3))
    assert {type(one) for one in done if isinstance(one, BaseException)} == {Conflict}
    for one in (store, other):
        for system in set(systems):
            meant = sorted(f"p{n}" for n, s in enumerate(systems) if s == system and n % 3 != 2)
            assert await found(one, named(system, "1")) == meant


async def test_texts_that_no_index_holds(store: Store) -> None:
    many = ["urn:" + "x" * 9000, "urn:" + "x" * 8999 + "y", "urn:\0", "urn:\ufffd", "urn:é", "urn:e\u0301"]
    for n, system in enumerate(many):
        await create(store, known(system, "1"), f"p{n}")
    for n, system in enumerate(many):
        assert await found(store, named(system, "1")) == [f"p{n}"]


async def test_rebuilding_finds_nothing_wrong(filled: Store, opened: Open, pair: tuple[str, str]) -> None:
    steps = [step async for step in filled.rebuild(Scope(anew=True))]
    assert steps[-1].wrong == {}
    assert await found(filled, named(pair[0], "4711")) == ["a"]


async def test_where_no_number_is_left_nothing_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.name not in ("sqlite", "postgresql"):
        pytest.skip("gives no numbers")
    for module in (keyed, sqlite_systems, dictionaries):
        monkeypatch.setattr(module, "NUMBERS", 3)
    for n in range(3):
        await create(store, known(f"urn:{n}", "1"), f"p{n}")
    with pytest.raises(Unprocessable, match="as many systems"):
        await create(store, known("urn:3", "1"), "p3")
    with pytest.raises(Unprocessable, match="as many systems"):
        await create(store, known("urn:4", "1"), "p3")
    assert await store.read("Patient", "p3") is None
    await create(store, known("urn:2", "2"), "more")
    assert await found(store, named("urn:2", None)) == ["more", "p2"]
    assert await found(store, named("urn:3", None)) == []
