"""Contract: what was referred to before it was there is found as if it had always been, and stands where it was made.

Default order, and the order among equals, are those in which resources were created: they tell nothing of who refers
where. docs/adr/0010-numbers-are-given-at-creation.md
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace as changed
from tests.contract.conftest import DURABLE, Open
from tests.contract.writing import (
    asking,
    chronicle,
    commit,
    create,
    delete,
    gone,
    ids,
    observation,
    patient,
    put,
    replace,
    token,
    versions,
)
from tests.oracle.populations import population

from hilum.access.confine import confine
from hilum.access.policy import EVERYTHING
from hilum.problems import Conflict, VersionChanged
from hilum.search.clauses import Permit
from hilum.search.parse import parse_query
from hilum.search.query import Query
from hilum.store.interface import Present, Resolves, Store, Unreferenced
from hilum.store.plan.search import search
from hilum.store.postgres import PostgresStore
from hilum.store.postgres.connection import Session
from hilum.store.postgres.run import run as run_postgres
from hilum.store.rebuilding import Scope
from hilum.store.sqlite.connection import connect
from hilum.store.sqlite.run import run as run_sqlite
from hilum.store.sqlite.soundness import examine
from hilum.store.sqlite.store import SqliteStore

P = ("Patient", "p")
OF_P = (Permit((P,)),)
FINAL = token("Observation", "status", "final", "http://hl7.org/fhir/observation-status")


def asked(type: str, *pairs: tuple[str, str], mine: bool = False) -> Query:
    query = confine(parse_query(type, list(pairs)).query, EVERYTHING)
    if mine:  # and what is in the compartment of the patient alone
        query = changed(query, parts=tuple(changed(part, permits=OF_P) for part in query.parts))
    return query


WAYS: dict[str, Query] = {
    "by type and id": asked("Observation", ("subject", "Patient/p")),
    "by id": asked("Observation", ("subject", "p")),
    "with another clause": asked("Observation", ("subject", "Patient/p"), ("status", "final")),
    "among others": asked("Observation", ("subject", "Patient/x,Patient/p")),
    "chain": asked("Observation", ("subject:Patient.family", "F")),
    "_has": asked("Patient", ("_has:Observation:subject:status", "final")),
    "_include": asked("Observation", ("status", "final"), ("_include", "Observation:subject")),
    "_revinclude": asked("Patient", ("_revinclude", "Observation:subject")),
    "compartment": asked("Observation", mine=True),
    "compartment and more": asked("Observation", ("status", "final"), mine=True),
    "sorted": asked("Observation", ("_sort", "subject"), ("status", "final")),
    "composite": asked("DocumentReference", ("relationship", "DocumentReference/d$appends")),
    "composite, chain": asked("DocumentReference", ("relatesto:DocumentReference.description", "first")),
    "by id itself": asked("Patient", ("_id", "p")),
}


def document(*appends: str, **more: Any) -> dict[str, Any]:
    relates = [{"code": "appends", "target": {"reference": f"DocumentReference/{one}"}} for one in appends]
    body = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {"url": "u"}}]}
    return body | ({"relatesTo": relates} if relates else {}) | more


async def asks(store: Store, ways: Iterable[str] = WAYS) -> dict[str, list[str]]:
    """What each way finds, what comes along with it at the end; by type and id, for their order is another matter."""
    found = {}
    for way in ways:
        page = await store.search(WAYS[way])
        found[way] = sorted(f"{one.type}/{one.id}" for one in (*page.resources, *page.included))
    return found


def ordered(store: Store, found: list[str], expected: list[str]) -> bool:
    """Processes of PostgreSQL have numbers in stock, for a second."""
    return found == expected if store.name != "postgresql" else sorted(found) == sorted(expected)


async def early(store: Store) -> None:
    """What refers to the patient, and to the document, before they are there."""
    await store.commit(commit(*(put(observation("Patient/p"), f"o{n}") for n in range(3))))
    await create(store, document("d"), "later")
    inside = {"id": "c", **document("d")}
    await create(store, document(contained=[inside], context={"related": [{"reference": "#c"}]}), "holds")
    await create(store, observation("Patient/x"), "other")


async def late(store: Store) -> None:
    await create(store, document(description="first"), "d")
    await create(store, patient("F"), "p")


async def sound(store: Store) -> None:
    """Every row of the index is what the bodies say."""
    if hasattr(store, "rebuild"):
        assert [step async for step in store.rebuild(Scope(look=True))][-1].wrong == {}
    if isinstance(store, SqliteStore):
        assert [fault for step in examine(store.path) for fault in step.faults] == []


async def test_it_is_found_whether_it_was_referred_to_before_or_after(store: Store, other: Store, opened: Open) -> None:
    await early(store)
    before = [await asks(one) for one in (store, other, store, other) * 2]  # so that what can be kept is kept
    assert before == [before[0]] * 8
    mine = ["Observation/o0", "Observation/o1", "Observation/o2"]
    assert before[0]["by type and id"] == before[0]["by id"] == before[0]["compartment and more"] == mine
    await late(store)
    found = {
        **dict.fromkeys(("by type and id", "by id", "with another clause", "chain", "compartment"), mine),
        "compartment and more": mine,
        "among others": [*mine, "Observation/other"],
        "_has": ["Patient/p"],
        "_include": [*mine, "Observation/other", "Patient/p"],
        "_revinclude": [*mine, "Patient/p"],
        "sorted": [*mine, "Observation/other"],
        "composite": ["DocumentReference/later"],
        "composite, chain": ["DocumentReference/later"],
        "by id itself": ["Patient/p"],
    }
    for one in (store, other, other, store, await opened()):
        assert await asks(one) == found
    await create(other, observation("Patient/p"), "o3")
    assert (await asks(store, ["chain"]))["chain"] == [*mine, "Observation/o3"]
    await sound(store)


async def test_it_stands_where_it_was_created(store: Store) -> None:
    names = ("c", "a", "e", "b", "d")
    actors = [{"actor": {"reference": f"Location/{id}"}, "status": "accepted"} for id in names]
    body = {"resourceType": "Appointment", "status": "proposed", "participant": actors}
    beside = observation("Patient/p", focus=[{"reference": "Location/g"}, {"reference": "Location/f"}])
    await store.commit(commit(put(body, "x"), put(beside, "y")))
    made = ("a", "b", "h", "c", "d", "e", "f", "g")
    for id in made:
        await create(store, {"resourceType": "Location", "name": "same"}, id)
    newest_first = list(reversed(made))
    assert ids(await store.search(asking(types=("Location",)))) == newest_first
    assert ids(await store.search(asked("Location", ("_sort", "name")))) == newest_first
    assert ids(await store.search(asked("Location", ("_sort", "-name")))) == newest_first


@pytest.mark.parametrize("referred", ["", "abc", "b", "ca"])
async def test_within_a_commit_the_order_is_that_of_its_writes(store: Store, referred: str) -> None:
    """Whichever of them something referred to before, and whatever refers to them within it."""
    for id in referred:
        await create(store, observation(f"Patient/{id}"), f"of-{id}")
    beside = observation("Patient/c", performer=[{"reference": "Patient/b"}])
    await store.commit(commit(put(patient(), "a"), put(beside, "o"), put(patient(), "b"), put(patient(), "c")))
    assert ids(await store.search(asking())) == ["c", "b", "a"]
    assert ids(await store.search(asked("Observation", ("performer", "Patient/b")))) == ["o"]
    await sound(store)


async def test_history_by_compartment_knows_versions_from_before_and_after(store: Store, other: Store) -> None:
    o1 = await create(store, observation("Patient/p"), "o")
    x1 = await create(store, observation("Patient/q"), "x")
    query = chronicle("Observation", permits=(OF_P,))
    judged = chronicle("Observation", permits=((Permit((P,), (FINAL,)),),))
    assert [versions(await one.history(query)) for one in (store, other)] == [[("o", 1, "PUT")]] * 2
    await create(store, patient(), "p")
    o2 = await replace(other, o1, observation("Patient/p", code="1"))
    x2 = await replace(other, x1, observation("Patient/p", code="2"))
    o3 = await delete(store, o2)
    told = [("o", 3, "DELETE"), ("x", 2, "PUT"), ("o", 2, "PUT"), ("o", 1, "PUT")]
    for one in (store, other):
        assert versions(await one.history(query)) == versions(await one.history(judged)) == told
        assert (await one.history(query)).total == len(told)
        assert versions(await one.history(chronicle("Observation", id="o", permits=(OF_P,)))) == [
            told[0],
            *told[2:],
        ]
        assert versions(await one.history(chronicle("Observation", permits=((Permit((("Patient", "q"),)),),)))) == [
            ("x", 1, "PUT")
        ]
        for made in (o1, o2, o3, x2):
            assert await one.placed(made.type, made.id, made.version) == (made, (P,))
        assert await one.placed("Observation", "x") == (x2, (P,))
        owned = {made.seq: (P,) for made in (o1, o2, x2, o3)} | {x1.seq: (("Patient", "q"),)}
        assert await one.compartments_of(list(owned)) == owned


async def test_integrity_counts_those_who_referred_before(store: Store) -> None:
    first = await create(store, observation("Patient/p"), "o")
    made = await create(store, patient(), "p")
    with pytest.raises(Conflict):
        await store.commit(commit(gone(made), given=(Unreferenced("Patient", "p"),)))
    await store.commit(commit(put(observation("Patient/p"), "o2"), given=(Present("Patient", "p"),)))
    await delete(store, first)
    (second,) = (await store.search(asking(types=("Observation",)))).resources
    await delete(store, second)
    await store.commit(commit(gone(made), given=(Unreferenced("Patient", "p"),)))
    with pytest.raises(Conflict):
        await store.commit(commit(put(observation("Patient/p"), "o3"), given=(Present("Patient", "p"),)))
    await sound(store)


async def test_what_is_undone_has_moved_nothing(store: Store, other: Store) -> None:
    await early(store)
    before = await asks(store)
    with pytest.raises(Conflict):
        await store.commit(commit(put(patient("F"), "p"), given=(Present("Organization", "nowhere"),)))
    assert await asks(store) == await asks(other) == before
    await create(store, patient("F"), "newer")
    await late(store)
    with pytest.raises(VersionChanged):
        await create(store, patient("F"), "p")
    assert ids(await store.search(asking())) == ["p", "newer"]
    assert (await asks(other, ["by id"]))["by id"] == ["Observation/o0", "Observation/o1", "Observation/o2"]
    await sound(store)


async def test_created_in_one_process_and_referred_to_in_another(store: Store, other: Store) -> None:
    """Each remembers what it has seen, and the other one changes what that is worth."""
    for n in range(8):
        one, two = (store, other) if n % 2 else (other, store)
        await create(one, observation(f"Patient/{n}"), f"a{n}")
        await create(two, observation(f"Patient/{n}"), f"b{n}")
        await create(two, patient(), str(n))
        was = await create(one, observation(f"Patient/{n}", focus=[{"reference": f"Patient/{n + 1}"}]), f"c{n}")
        await replace(two, was, observation(f"Patient/{n}", focus=[{"reference": f"Patient/{n + 1}"}], code="2"))
        query = asked("Observation", ("subject", f"Patient/{n}"))
        for each in (store, other):
            assert sorted(ids(await each.search(query))) == [f"a{n}", f"b{n}", f"c{n}"]
    assert ordered(store, ids(await store.search(asking())), [str(n) for n in reversed(range(8))])
    await sound(store)


async def test_it_is_created_while_others_refer_to_it(store: Store, other: Store, opened: Open) -> None:
    """Commits of many rows, of some processes, each before, with and after the creation; some are changed and go."""
    stores = (store, other, await opened())

    async def refer(one: Store, round: int, k: int) -> None:
        subjects = [f"Patient/{round}-{n}" for n in range(3)]
        writes = [put(observation(subjects[n % 3]), f"{round}-{k}-{n}") for n in range(9)]
        made = await one.commit(commit(*writes))
        again = [put(observation(subjects[(n + 1) % 3]), o.id, over=o) for n, o in enumerate(made[:3])]
        await stores[k % 3].commit(commit(*again, gone(made[8])))

    async def make(one: Store, round: int) -> None:
        links = [{"type": "seealso", "other": {"reference": f"Patient/{round}-{n}"}} for n in (2, 1)]
        await one.commit(commit(put(patient(link=links), f"{round}-0"), put(patient(), f"{round}-1")))
        await create(one, patient(), f"{round}-2")

    for round in range(12):
        await store.commit(commit(put(observation(f"Patient/{round}-0"), f"before-{round}")))
        referring = [refer(stores[k % 3], round, k) for k in range(9)]
        await asyncio.gather(*referring[:6], make(stores[round % 3], round), *referring[6:])
        for n in range(3):
            found = await other.search(asked("Observation", ("subject", f"Patient/{round}-{n}"), ("_count", "100")))
            assert len(found.resources) == (28, 27, 18)[n]
    await sound(store)


async def test_a_search_that_is_under_way_finds_it_by_either_number(store: Store, other: Store) -> None:
    """There is no moment at which nothing refers to it."""
    await store.commit(commit(*(put(observation(f"Patient/{n}"), f"o{n}") for n in range(60))))
    made = 0

    async def look() -> None:
        while made < 60:
            await asyncio.sleep(0)
            for n in range(max(0, made - 2), min(60, made + 3)):
                for mine in (False, True):
                    query = asked("Observation", ("subject", f"Patient/{n}"), mine=False)
                    if mine:
                        permits = (Permit((("Patient", str(n)),)),)
                        query = changed(query, parts=(changed(query.parts[0], clauses=(), permits=permits),))
                    assert ids(await other.search(query)) == [f"o{n}"]

    async def make() -> None:
        nonlocal made
        for n in range(60):
            await create(store, patient(), str(n))
            made += 1

    await asyncio.gather(look(), look(), make())


async def test_criteria_by_reference_find_it_while_it_is_created(store: Store, other: Store) -> None:
    """What is judged by several statements, each of which sees what is committed when it begins."""
    for n in range(60):
        await store.commit(commit(put(observation(f"Patient/{n}"), f"o{n}")))
        criterion = Resolves(asked("Observation", ("subject", f"Patient/{n}")), (f"o{n}",))
        judging = other.commit(commit(put(observation(), f"x{n}"), given=(criterion,)))
        await asyncio.gather(judging, create(store, patient(), str(n)))


@pytest.mark.parametrize("opened", DURABLE, indirect=True)
async def test_a_moment_from_before_is_searched_by_the_number_of_then(store: Store) -> None:
    """Whatever others have learned of the name since."""
    await store.commit(commit(put(observation("Patient/p"), "o")))
    query = WAYS["by type and id"]
    if isinstance(store, SqliteStore):
        db = connect(store.path, readonly=True)
        db.execute("BEGIN")
        db.execute("SELECT * FROM clock").fetchall()
        await create(store, patient(), "p")
        assert [ids(await store.search(query)) for _ in range(3)] == [["o"]] * 3
        assert ids(run_sqlite(db, search(store._dialect, query))) == ["o"]
        db.close()
    if isinstance(store, PostgresStore):
        async with store._pool.alone() as connection:
            await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            await connection.fetch("SELECT * FROM former")
            await create(store, patient(), "p")
            assert [ids(await store.search(query)) for _ in range(3)] == [["o"]] * 3
            found = await run_postgres(Session(connection, b""), search(store._known.dialect, query))
            assert ids(found) == ["o"]


@pytest.mark.parametrize("seed", range(3))
async def test_a_population_in_any_order_is_indexed_the_same(store: Store, other: Store, seed: int) -> None:
    """Written one by one by two processes, most before what they refer to, some changed or deleted meanwhile."""
    bodies = population(seed)
    dice = random.Random(seed)
    dice.shuffle(bodies)
    order: dict[str, list[str]] = {}
    for body in bodies:
        one = dice.choice((store, other))
        made = await create(one, {k: v for k, v in body.items() if k != "id"}, body["id"])
        order.setdefault(made.type, []).insert(0, made.id)
        if dice.random() < 0.2:
            made = await replace(dice.choice((store, other)), made, body)
        if dice.random() < 0.1:
            await delete(one, made)
            order[made.type].remove(made.id)
    await sound(store)
    for type, expected in order.items():
        for one in (store, other):
            assert ordered(store, ids(await one.search(asking(types=(type,), count=1000))), expected)
