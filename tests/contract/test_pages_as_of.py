"""Contract: pages in an order that writers change. What is found from the first page to the last appears exactly once,
where it stood when the first page was read; nothing appears twice.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace as but
from tests.contract.conftest import DURABLE
from tests.contract.writing import asking, commit, create, gone, ids, numbers, patient, put, replace
from tests.oracle.adapter import WAYS

from hilum.access.confine import confine
from hilum.access.policy import EVERYTHING
from hilum.fhir.resource import Resource
from hilum.problems import Malformed, Unprocessable
from hilum.search.clauses import Permit
from hilum.search.parse import parse_query
from hilum.search.query import Query, Sort
from hilum.store.interface import Store, Write
from hilum.store.plan import moments, thresholds
from hilum.store.plan.thresholds import Limits
from hilum.store.plan.told import lines
from hilum.store.postgres import PostgresStore

Name = tuple[str, str]
SEARCHES = (
    "Patient?_sort=family",
    "Patient?_sort=-family,birthdate",
    "Patient?_sort=birthdate",
    "Patient?_sort=-birthdate,-_lastUpdated",
    "Patient?_sort=_lastUpdated",
    "Patient?_sort=-_lastUpdated",
    "Patient?_sort=-_id",
    "Patient?_sort=gender,family",
    "Patient?_sort=-gender",
    "Patient?_sort=general-practitioner,-family",
    "Patient?_sort=-general-practitioner",
    "Patient?active=true&_sort=family",
    "Patient?active=true&gender=male&_sort=-family,birthdate",
    "Patient?active:not=false&_sort=-_lastUpdated",
    "Patient?gender=female,male&_sort=birthdate,family",
    "Patient?_has:Observation:subject:status=final&_sort=family",
    "Observation?_sort=value-quantity",
    "Observation?_sort=-value-quantity,code",
    "Observation?_sort=code,-date",
    "Observation?_sort=-code,subject",
    "Observation?status=final&_sort=-date",
    "Observation?status=final&_sort=date,value-quantity",
    "Observation?subject:Patient._id=p1,p2,p3,p4,p5,p6,p7,p8&_sort=-subject,date",
    "ValueSet?_sort=url",
    "ValueSet?_sort=-url,name",
    "?_type=Patient,Observation&_sort=-_lastUpdated",
    "?_type=Patient,Observation,ValueSet&_sort=_lastUpdated",
    "?_sort=-_id&_type=ValueSet,Patient",
)
LONG = "A" * 210
"""More than PostgreSQL keeps in its index."""
Order = list[Name]


def person(chance: random.Random) -> dict[str, Any]:
    """A Patient who lacks some of what is sorted by, or has it twice."""
    body = patient(chance.choice(("Abel", "Berg", "Cole", "Dunn", LONG, LONG + "B")))
    if chance.random() < 0.3:
        body["name"].append({"family": chance.choice(("Aas", "Zorn"))})
    if chance.random() < 0.2:
        del body["name"]
    if chance.random() < 0.8:
        body["gender"] = chance.choice(("male", "female", "other"))
    if chance.random() < 0.8:
        body["birthDate"] = chance.choice(("1950", "1950-03", "1950-03-04", f"19{chance.randint(10, 99)}-01-01"))
    if chance.random() < 0.8:
        body["active"] = chance.random() < 0.85
    if chance.random() < 0.7:
        body["generalPractitioner"] = [{"reference": f"Practitioner/d{chance.randint(0, 9)}"} for _ in range(2)]
    return body


def measured(chance: random.Random) -> dict[str, Any]:
    """An Observation, in one of two units or without a value."""
    code = {"coding": [{"system": f"urn:s{chance.randint(0, 1)}", "code": chance.choice("abcd")}]}
    body = {"resourceType": "Observation", "status": "final" if chance.random() < 0.85 else "amended", "code": code}
    body["subject"] = {"reference": f"Patient/p{chance.randint(0, 19)}"}
    if chance.random() < 0.8:
        value = {"value": chance.randint(-9, 9) / 4, "unit": chance.choice(("mg", "kg"))}
        body["valueQuantity"] = value if chance.random() < 0.8 else {**value, "comparator": chance.choice("<>")}
    if chance.random() < 0.8:
        body["effectiveDateTime"] = f"2020-0{chance.randint(1, 9)}-01"
    return body


def listed(chance: random.Random) -> dict[str, Any]:
    """A ValueSet."""
    body = {"resourceType": "ValueSet", "status": "active", "name": chance.choice(("One", "Two"))}
    return body | ({"url": f"http://example.org/{chance.randint(0, 9)}"} if chance.random() < 0.8 else {})


MAKE = {"Patient": (person, "p"), "Observation": (measured, "o"), "ValueSet": (listed, "v")}


class World:
    """What there is, and who changes it."""

    def __init__(self, stores: list[Store], seed: int) -> None:
        self.stores = stores
        self.chance = random.Random(seed)
        self.heads: dict[Name, Resource] = {}
        self._count = dict.fromkeys(MAKE, 0)

    async def fill(self, each: int) -> None:
        await self._write([self._fresh(type) for type in MAKE for _ in range(each)])

    async def stir(self, writes: int) -> None:
        """Updates, some that change nothing of note; deletions, returns and creations."""
        for _ in range(writes):
            some = self.chance.random()
            name = self.chance.choice(sorted(self.heads))
            head = self.heads[name]
            if some < 0.1:
                await self._write([self._fresh(name[0])])
            elif some < 0.2 and not head.deleted:
                await self._write([gone(head)])
            elif some < 0.4 and not head.deleted:
                await self._write(
                    [put({**head.body, "language": self.chance.choice(("de", "en"))}, name[1], over=head)]
                )
            else:
                await self._write([put(MAKE[name[0]][0](self.chance), name[1], over=head)])

    def _fresh(self, type: str) -> Write:
        make, letter = MAKE[type]
        self._count[type] += 1
        unique = self._count[type] > 20 or type == "ValueSet"
        if unique and self.chance.random() < 0.5:
            return put(make(self.chance), str(UUID(int=self.chance.getrandbits(128))))
        return put(make(self.chance), f"{letter}{self._count[type]}")

    async def _write(self, writes: list[Write]) -> None:
        for made in await self.chance.choice(self.stores).commit(commit(*writes)):
            self.heads[made.type, made.id] = made


def asked(url: str, permits: tuple[Permit, ...] | None = None) -> Query:
    type, _, text = url.partition("?")
    query = confine(parse_query(type or None, parse_qsl(text)).query, EVERYTHING)
    return query if permits is None else but(query, parts=tuple(but(one, permits=permits) for one in query.parts))


async def whole(store: Store, query: Query) -> Order:
    page = await store.search(but(query, count=1000))
    assert page.next is None
    return [(one.type, one.id) for one in page.resources]


async def paged(
    store: Store, query: Query, count: int, between: Callable[[], Awaitable[None]]
) -> tuple[Order, Order, set[Name]]:
    """All pages while something happens between them: the results, their order at first, who was found throughout."""
    first = await whole(store, query)
    throughout = set(first)
    seen: Order = []
    after: str | None = None
    while True:
        page = await store.search(but(query, count=count, after=after))
        assert len(page.resources) == count or page.next is None
        seen += [(one.type, one.id) for one in page.resources]
        if page.next is None:
            return seen, first, throughout
        after = page.next
        await between()
        throughout &= set(await whole(store, query))


def right(seen: Order, first: Order, throughout: set[Name]) -> None:
    assert [name for name in seen if name in throughout] == [name for name in first if name in throughout]
    assert max(Counter(seen).values()) == 1


@pytest.mark.parametrize("limits", (WAYS[0], WAYS[1], WAYS[4]), ids=("usual", "tiny", "walked"))
async def test_sorted_pages_stand_still_while_others_write(
    store: Store, other: Store, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", limits)
    world = World([store, other], 1)
    await world.fill(16)
    stayed = 0
    for url in SEARCHES:
        seen, first, throughout = await paged(store, asked(url), 5, lambda: world.stir(6))
        right(seen, first, throughout)
        stayed += len(throughout)
    assert stayed > 5 * len(SEARCHES)


async def test_sorted_pages_of_a_compartment_stand_still(store: Store, other: Store) -> None:
    world = World([store, other], 7)
    await world.fill(24)
    mine = tuple(("Patient", f"p{n}") for n in range(12))
    for url in ("Observation?_sort=-date", "Observation?_sort=code,value-quantity", "Observation?_sort=_lastUpdated"):
        query = asked(url, (Permit(mine),))
        right(*await paged(store, query, 3, lambda: world.stir(5)))


@pytest.mark.parametrize("seed", range(3))
async def test_any_sorted_pages_stand_still(
    store: Store, other: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys, directions, sizes and how much is written, at random."""
    chance = random.Random(seed)
    world = World([store, other], seed)
    await world.fill(20)
    keys = {
        "Patient": ("family", "birthdate", "gender", "general-practitioner", "_id", "_lastUpdated", "name"),
        "Observation": ("code", "value-quantity", "date", "subject", "_lastUpdated", "_id", "status"),
        "ValueSet": ("url", "name", "_lastUpdated"),
    }
    for _ in range(8):
        type = chance.choice(sorted(MAKE))
        some = chance.sample(keys[type], chance.randint(1, 3))
        url = f"{type}?_sort={','.join(chance.choice(('', '-')) + one for one in some)}"
        monkeypatch.setattr(thresholds, "LIMITS", chance.choice(WAYS))
        writes = chance.choice((1, 4, 15))
        right(*await paged(store, asked(url), chance.randint(1, 9), lambda n=writes: world.stir(n)))


async def test_what_comes_later_appears_once_at_most(store: Store) -> None:
    heads = {f"p{n}": await create(store, patient(f"F{n}"), f"p{n}") for n in range(6)}
    by_family = (Sort("family", "string", (("Patient", numbers("Patient", "family")),)),)
    page = await store.search(asking(count=3, sort=by_family))
    assert ids(page) == ["p0", "p1", "p2"]
    late = await create(store, patient("F4b"), "late")
    await create(store, patient("F00"), "early")
    page = await store.search(asking(count=3, sort=by_family, after=page.next))
    assert ids(page) == ["p3", "p4", "late"]
    await replace(store, late, patient("F9"))  # nor does it come again
    await replace(store, heads["p5"], patient("F0"))
    page = await store.search(asking(count=3, sort=by_family, after=page.next))
    assert ids(page) == ["p5"]
    assert page.next is None
    assert ids(await store.search(asking(sort=by_family))) == ["p5", "p0", "early", "p1", "p2", "p3", "p4", "late"]


async def test_what_is_deleted_and_returns_stands_where_it_stood(store: Store) -> None:
    heads = {f"p{n}": await create(store, patient(f"F{n}"), f"p{n}") for n in range(6)}
    by_family = (Sort("family", "string", (("Patient", numbers("Patient", "family")),)),)
    page = await store.search(asking(count=2, sort=by_family))
    for id in ("p0", "p3", "p4"):
        (heads[id],) = await store.commit(commit(gone(heads[id])))
    for id in ("p0", "p3"):
        await store.commit(commit(put(patient("Z"), id, over=heads[id])))
    page = await store.search(asking(count=9, sort=by_family, after=page.next))
    assert ids(page) == ["p2", "p3", "p5"]


async def test_when_too_much_has_changed_the_next_page_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.name not in DURABLE:
        return
    heads = [await create(store, patient(f"F{n}"), f"p{n}") for n in range(6)]
    by_family = (Sort("family", "string", (("Patient", numbers("Patient", "family")),)),)
    page = await store.search(asking(count=2, sort=by_family))
    for head in heads[3:]:
        await replace(store, head, patient("Z"))
    monkeypatch.setattr(moments, "CHANGED", 2)
    with pytest.raises(Unprocessable, match="Begin the search anew"):
        await store.search(asking(count=2, sort=by_family, after=page.next))
    monkeypatch.setattr(moments, "CHANGED", 3)
    second = asking(count=2, sort=by_family, after=page.next)
    found, notes = await store.explain(second)
    assert ids(found) == ["p2", "p3"]
    assert "changed since the first page: 3 rows, put where they stood then" in lines(notes)
    await store.commit(commit(*[put(patient(f"G{n}"), f"new{n}") for n in range(100)]))
    monkeypatch.setattr(moments, "LATER", 70)  # of more those alone count that may have been there before
    assert ids(await store.search(asking(count=2, sort=by_family, after=page.next))) == ["p2", "p3"]
    monkeypatch.setattr(moments, "LATER", 2)
    with pytest.raises(Unprocessable, match="More than 2 resources"):
        await store.search(asking(count=2, sort=by_family, after=page.next))


async def test_a_position_without_a_moment_goes_on(store: Store) -> None:
    """As links of older versions are."""
    if store.name not in DURABLE:
        return
    for n in range(5):
        await create(store, patient(f"F{n}"), f"p{n}")
    by_family = (Sort("family", "string", (("Patient", numbers("Patient", "family")),)),)
    page = await store.search(asking(count=2, sort=by_family))
    assert page.next is not None
    bare = page.next[: page.next.rindex(",[")] + "]"
    found = await store.search(asking(count=2, sort=by_family, after=bare))
    assert ids(found) == ["p2", "p3"]
    assert found.next is not None and found.next.count("[") == 2
    for moment in ('["x"]', "[1,2,3]", "[1]", '[1,"1:2:",null]', '[1,"1:2:x",3]', "[null,null]"):
        with pytest.raises(Malformed):
            await store.search(asking(count=2, sort=by_family, after=f"{bare[:-1]},{moment}]"))


async def test_a_commit_that_is_seen_later_than_it_was_stamped_is_a_change(store: Store, other: Store) -> None:
    """PostgreSQL: of two commits the one with the lower seq may be seen last, after the first page."""
    if not isinstance(store, PostgresStore):
        return
    heads = {f"p{n}": await create(store, patient(f"F{n}"), f"p{n}") for n in range(6)}
    by_family = (Sort("family", "string", (("Patient", numbers("Patient", "family")),)),)
    schema = await store._pool.run(lambda session: session.db.fetchval("SELECT current_schema()"))
    holds = await asyncpg.connect(store._pool._url, server_settings={"search_path": schema})
    try:
        block = holds.transaction()
        await block.start()
        await holds.execute("SELECT FROM resource WHERE id = 'p4' FOR UPDATE")
        slow = asyncio.create_task(replace(other, heads["p4"], patient("F0")))
        while not await holds.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await holds.execute("SELECT pg_sleep(0.01)")
        later = await replace(store, heads["p0"], patient("F00"))
        page = await store.search(asking(count=2, sort=by_family))
        assert ids(page) == ["p0", "p1"]
        await block.rollback()
        assert (await slow).seq < later.seq
    finally:
        await holds.close()
    assert ids(await store.search(asking(count=9, sort=by_family, after=page.next))) == ["p2", "p3", "p4", "p5"]
