"""Contract: searches for contained resources and by `_score` find what `hilum.store.evaluate` says, in order.

As test_search_agrees, with populations in which resources contain others. https://hl7.org/fhir/R4/search.html#contained
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from msgspec.structs import replace
from tests.contract import test_search_agrees
from tests.contract.test_search_agrees import AGAIN, PATIENTS, SMALL, TINY, TYPES, Some
from tests.contract.writing import ALL, commit, create, delete, gone, numbers, patient, put
from tests.contract.writing import replace as update

from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.problems import Unprocessable
from hilum.search.alternatives import Token
from hilum.search.clauses import (
    ChainClause,
    Clause,
    CompartmentClause,
    HasClause,
    MissingClause,
    NotClause,
    Part,
    Permit,
    StringClause,
    TextClause,
    TokenClause,
)
from hilum.search.contained import about, chains
from hilum.search.index import index
from hilum.search.query import Contained, Include, Query, Sort
from hilum.store.evaluate import Name, Population
from hilum.store.interface import Page, Store
from hilum.store.plan import inward, looking, thresholds

Body = dict[str, Any]
QUERIES = test_search_agrees.QUERIES // 3
SCORE = Sort("_score", "score", (), True)
CONTAINERS = tuple((type, ALL) for type in TYPES)

# --- populations and queries at random --------------------------------------------------------------------------------


def some_body(chance: random.Random, type: str) -> Body:
    body = AGAIN[type](chance)
    if chance.random() < 0.5:
        kinds = chance.sample(TYPES, chance.choice([1, 1, 2]))
        some = [AGAIN[chance.choice(kinds)](chance) for _ in range(chance.choice([1, 1, 2, 3]))]
        body["contained"] = [{**one, "id": f"c{n}"} for n, one in enumerate(some)]
        chance.shuffle(body["contained"])
        for one in (body, *body["contained"]):
            refer_within(random.Random(str(one)), one, [other["id"] for other in body["contained"] if other is not one])
        if chance.random() < 0.1:
            body["contained"][0].pop("id")
    return body


def refer_within(chance: random.Random, body: Body, ids: list[str]) -> None:
    """Let a resource refer to what is contained, by what its chains follow."""
    links = {"Observation": ["subject", "performer", "derivedFrom"], "RiskAssessment": ["subject"]}
    for link in links.get(body["resourceType"], ["generalPractitioner"] if body["resourceType"] == "Patient" else []):
        if ids and chance.random() < 0.7:
            local = {"reference": f"#{chance.choice(ids)}"}
            body[link] = local if link == "subject" else [*body.get(link, []), local]


async def populate(store: Store, chance: random.Random) -> dict[Name, Resource]:
    """Creates, updates and deletions; what is current at the end."""
    current: dict[Name, Resource] = {}
    for turn in range(12):
        writes = {}
        for n in range(chance.randint(4, 9)):
            body = some_body(chance, chance.choice(TYPES))
            id = chance.choice(PATIENTS) if body["resourceType"] == "Patient" else f"x{turn}-{n}"
            name = (body["resourceType"], id)
            writes[name] = put(body, id, over=current.get(name))
        for name in chance.sample(sorted(current), min(len(current), 3)):
            if name in writes or current[name].deleted:
                continue
            again = put(some_body(chance, name[0]), name[1], over=current[name])
            writes[name] = gone(current[name]) if chance.random() < 0.4 else again
        for made in await store.commit(commit(*writes.values())):
            current[made.type, made.id] = made
    return current


async def populated(store: Store, seed: int) -> tuple[dict[Name, Resource], Population]:
    """What is current, and what judges searches for it."""
    current = await populate(store, random.Random(seed))
    every = Query(tuple(Part(type, (), ALL) for type in TYPES), 1000)
    born = [(r.type, r.id) for r in reversed((await store.search(every)).resources)]
    pairs = [(r, index(r.type, r.body, r.id)) for r in current.values() if not r.deleted]
    return current, Population(pairs, {name: n for n, name in enumerate(born)})


def some_query(some: Some) -> Query:
    chance = some.chance
    types = (chance.choice(TYPES),) if chance.random() < 0.9 else tuple(chance.sample(TYPES, 2))

    def clause(type: str) -> Clause:
        while about((found := some.clause(type, chance.choice([0, 1])),), (HasClause,)):
            pass
        return found

    parts = []
    for type in types:
        clauses = tuple(clause(type) for _ in range(chance.choice([0, 1, 1, 2, 2, 3])))
        parts.append(Part(type, clauses, ALL if chance.random() < 0.6 else some.permits(type) or ALL))
    asked = None
    if chance.random() < 0.9:
        holding = CONTAINERS
        if chance.random() < 0.4:
            holding = tuple((type, found) for type in TYPES if (found := some.permits(type)))
        asked = Contained(chance.random() < 0.4, chance.random() < 0.5, holding)
    sort = some.sort(types)
    if asked is None or chance.random() < 0.2:
        sort = tuple(chance.sample([SCORE, *sort[:1]], len(sort[:1]) + 1))
        words = TextClause(chance.choice(["text", "content"]), ("heart", "rate", "berg"))
        parts[0] = replace(parts[0], clauses=(*parts[0].clauses, words))
    elif sort and chance.random() < 0.3:
        sort = (Sort("_lastUpdated", "updated", (), chance.random() < 0.5),)
    return Query(
        tuple(parts),
        chance.choice([1, 2, 3, 20, 200]),
        sort,
        None,
        chance.choice(["none", "accurate", "accurate", "estimate"]),
        some.includes(types) if chance.random() < 0.5 else (),
        contained=asked,
    )


def shown(page: Page) -> list[tuple[str, str, int]]:
    places = page.places or (-1,) * len(page.resources)
    return [(one.type, one.id, place) for one, place in zip(page.resources, places, strict=True)]


@pytest.mark.parametrize(("seed", "limits"), [(1, thresholds.LIMITS), (2, TINY), (3, SMALL)])
async def test_what_is_found_within_is_what_matches(
    store: Store, seed: int, limits: thresholds.Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", limits)
    monkeypatch.setattr(looking, "_AT_ONCE", 3 if seed == 2 else 200)
    current, population = await populated(store, seed)
    stamps = sorted(r.seq for r in current.values())
    found_some = found_within = 0
    for n in range(QUERIES):
        query = some_query(Some(random.Random(seed * 1_000_000 + n), stamps))
        results = population.results(query)
        want = [(*one.name, one.place) for one in results]
        page = await store.search(query)
        assert shown(page) == want[: query.count], (n, query)
        assert (page.next is None) == (len(want) <= query.count), (n, query)
        if query.total == "accurate":
            assert page.total == len(want), (n, query)
        marks = [one.score for one in results[: query.count]]
        if any(mark is not None for mark in marks):
            assert page.scores == tuple(mark or 0.0 for mark in marks), (n, query)
        along = population.along(results[: query.count], query)
        assert [(r.type, r.id) for r in page.included] == along, (n, query)
        counted = await store.search(replace(query, count=0, total="accurate", includes=()))
        assert counted.total == len(want), (n, query)
        seen = shown(page)
        while page.next is not None and n % 2 == 0:
            page = await store.search(replace(query, after=page.next, total="none", includes=()))
            seen += shown(page)
        assert n % 2 or seen == want, (n, query)
        found_some += bool(want)
        found_within += any(one.place >= 0 for one in results)
    assert found_some > QUERIES // 3
    assert found_within > QUERIES // 8
    for name in population.age:
        await delete(store, current[name])
    within = Query((Part("Observation", (), ALL),), contained=Contained(containers=CONTAINERS))
    assert (await store.search(within)).resources == ()


# --- facts ------------------------------------------------------------------------------------------------------------


def request(id: str, code: str, *, status: str = "active", subject: str = "Patient/1") -> Body:
    return {
        "resourceType": "ServiceRequest",
        "id": id,
        "status": status,
        "intent": "order",
        "subject": {"reference": subject},
        "code": {"coding": [{"system": "urn:c", "code": code}], "text": f"Knee examination {code}"},
    }


def claim(*contained: Body, patient: str = "1") -> Body:
    return {
        "resourceType": "ExplanationOfBenefit",
        "status": "active",
        "contained": list(contained),
        "patient": {"reference": f"Patient/{patient}"},
    }


def code(value: str) -> Clause:
    return TokenClause(numbers("ServiceRequest", "code"), (Token("urn:c", value),))


def status(value: str) -> Clause:
    return TokenClause(numbers("ServiceRequest", "status"), (Token(None, value),))


def within(*clauses: Clause, permits: tuple[Permit, ...] = ALL, **more: Any) -> Query:
    """A query for contained ServiceRequests; `containers`, `both` and `apart` as in Contained."""
    asked: dict[str, Any] = {"containers": (("ExplanationOfBenefit", ALL), ("ServiceRequest", ALL))}
    asked |= {name: more.pop(name) for name in ("containers", "both", "apart") if name in more}
    return Query((Part("ServiceRequest", clauses, permits),), contained=Contained(**asked), **more)


@pytest.fixture
async def claims(store: Store) -> Store:
    await create(store, patient("Chalmers"), "1")
    await create(store, patient("Windsor"), "2")
    await create(store, claim(request("a", "x"), request("b", "y", status="completed")), "two")
    await create(store, claim(request("a", "x", status="completed", subject="Patient/2")), "one")
    await create(store, claim(request("a", "y"), patient="2"), "other")
    await create(store, request("", "x") | {"id": "own"}, "own")
    return store


async def found(store: Store, query: Query) -> list[tuple[str, int]]:
    return [(id, place) for _, id, place in shown(await store.search(query))]


async def test_clauses_hold_of_one_contained_resource(claims: Store) -> None:
    assert await found(claims, within(code("x"))) == [("one", -1), ("two", -1)]
    assert await found(claims, within(code("x"), status("completed"))) == [("one", -1)]
    assert await found(claims, within(code("x"), NotClause(status("active")))) == [("one", -1)]
    assert (await claims.search(within(code("x"), status("completed"), count=0))).total == 1
    assert (await claims.search(within(code("x"), NotClause(status("active")), count=0))).total == 1


async def test_missing_is_about_the_contained_resource(claims: Store) -> None:
    await create(claims, claim({k: v for k, v in request("a", "x").items() if k != "code"}), "bare")
    missing = MissingClause(numbers("ServiceRequest", "code"), True)
    assert await found(claims, within(missing)) == [("bare", -1)]
    assert (await claims.search(within(missing, count=0))).total == 1


async def test_contained_ones_apart_are_results_of_their_own_and_pages_part_a_container(claims: Store) -> None:
    assert await found(claims, within(apart=True)) == [("other", 0), ("one", 0), ("two", 0), ("two", 1)]
    seen: list[tuple[str, int]] = []
    after = None
    while True:
        page = await claims.search(within(apart=True, count=1, after=after, sort=(Sort("_id", "id"),)))
        seen += [(id, place) for _, id, place in shown(page)]
        if (after := page.next) is None:
            break
    assert seen == [("other", 0), ("one", 0), ("two", 0), ("two", 1)]
    assert (await claims.search(within(apart=True, count=0))).total == 4
    assert (await claims.search(within(code("x"), apart=True, count=0))).total == 2


async def test_a_page_between_two_of_one_container_stays_right_when_it_changes(claims: Store) -> None:
    first = await claims.search(within(apart=True, count=3))
    assert [(id, place) for _, id, place in shown(first)][-1] == ("two", 0)
    two = await claims.read("ExplanationOfBenefit", "two")
    assert two is not None
    await update(claims, two, claim(request("0", "z"), request("a", "x"), request("b", "y")))
    assert await found(claims, within(apart=True, count=3, after=first.next)) == [("two", 2)]


async def test_both_are_merged_and_nothing_is_twice(claims: Store) -> None:
    await create(claims, request("", "x") | {"id": "nest", "contained": [request("n", "x")]}, "nest")
    assert await found(claims, within(code("x"), both=True)) == [("nest", -1), ("own", -1), ("one", -1), ("two", -1)]
    assert (await claims.search(within(code("x"), both=True, count=0))).total == 4
    assert (await claims.search(within(code("x"), status("active"), both=True, count=0))).total == 3
    apart = within(code("x"), both=True, apart=True)
    assert await found(claims, apart) == [("nest", -1), ("nest", 0), ("own", -1), ("one", 0), ("two", 0)]


async def test_who_may_not_see_the_container_finds_nothing_in_it(claims: Store) -> None:
    mine = (Permit((("Patient", "1"),)),)
    assert await found(claims, within(containers=(("ExplanationOfBenefit", mine),))) == [("one", -1), ("two", -1)]
    assert await found(claims, within(containers=(("ServiceRequest", ALL),))) == []
    assert (await claims.search(within(containers=(("ExplanationOfBenefit", mine),), count=0))).total == 2


async def test_the_permits_of_the_contained_type_hold_of_it_in_its_containers_compartments(claims: Store) -> None:
    mine = (Permit((("Patient", "2"),)),)
    assert await found(claims, within(permits=mine)) == [("other", -1)]
    of_one = (Permit((("Patient", "1"),), (status("completed"),)),)
    assert await found(claims, within(permits=of_one, apart=True)) == [("one", 0), ("two", 1)]
    assert (await claims.search(within(permits=of_one, count=0))).total == 2
    assert await found(claims, within(CompartmentClause((("Patient", "2"),)))) == [("other", -1)]


@pytest.mark.parametrize(("seed", "limits"), [(4, thresholds.LIMITS), (5, TINY), (6, SMALL)])
async def test_chains_lead_to_resources_of_their_own_and_to_contained_ones(
    store: Store, seed: int, limits: thresholds.Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", limits)
    monkeypatch.setattr(inward, "AT_ONCE", 3 if seed == 5 else 200)
    current, population = await populated(store, seed)
    alone = [(without_contents(current[name]), rows) for name, rows in population.rows.items()]
    bare = Population(alone, population.age)
    stamps = sorted(r.seq for r in current.values())
    found_some = found_within = 0
    for n in range(QUERIES):
        some = Some(random.Random(seed * 1_000_000 + n), stamps)
        query = some.query()
        if chains(query.parts[0].clauses) == []:
            link, target = some.chance.choice(LINKS)
            clause: Clause = ChainClause(numbers("Observation", link), (some.part(target, 1),))
            clause = NotClause(clause) if some.chance.random() < 0.2 else clause
            part = replace(some.part("Observation", 1), clauses=(clause,))
            query = replace(query, parts=(part,), sort=(), includes=())
        want = population.found(query)
        page = await store.search(query)
        assert [(r.type, r.id) for r in page.resources] == want[: query.count], (n, query)
        counted = await store.search(replace(query, count=0, total="accurate", includes=()))
        assert counted.total == len(want), (n, query)
        found_some += bool(want)
        found_within += bare.found(query) != want
    assert found_some > QUERIES // 5
    assert found_within > QUERIES // 20


LINKS = (("subject", "Patient"), ("performer", "Practitioner"), ("derived-from", "Observation"))


def without_contents(one: Resource) -> Resource:
    body = {key: value for key, value in one.body.items() if key != "contained"}
    return Resource(one.type, one.id, one.version, one.last_updated, json.encode(body))


async def test_chains_lead_out_of_the_contained_resource(claims: Store) -> None:
    windsor = StringClause(numbers("Patient", "family"), ("windsor",))

    def chain(permits: tuple[Permit, ...]) -> Clause:
        return ChainClause(numbers("ServiceRequest", "subject"), (Part("Patient", (windsor,), permits),))

    assert await found(claims, within(chain(ALL), apart=True)) == [("one", 0)]
    assert await found(claims, within(NotClause(chain(ALL)), apart=True)) == [("other", 0), ("two", 0), ("two", 1)]
    assert await found(claims, within(chain((Permit((("Patient", "1"),)),)))) == []


async def test_an_update_and_a_deletion_take_what_was_contained_along(claims: Store) -> None:
    one = await claims.read("ExplanationOfBenefit", "one")
    assert one is not None
    after = await update(claims, one, claim(request("a", "z")))
    assert await found(claims, within(code("x"))) == [("two", -1)]
    assert await found(claims, within(code("z"))) == [("one", -1)]
    await delete(claims, after)
    assert await found(claims, within(code("z"))) == []


async def test_what_is_contained_is_nobody_s_own(claims: Store) -> None:
    """Neither a plain search, nor a chain, nor an include of its container tells of it."""
    plain = Query((Part("ServiceRequest", (code("x"),), ALL),))
    assert await found(claims, plain) == [("own", -1)]
    permits = (("Patient", ALL),)
    include = Include("*", None, None, permits=permits)
    claim = Part("ExplanationOfBenefit", (CompartmentClause((("Patient", "1"),)),), ALL)
    page = await claims.search(Query((claim,), 20, includes=(include,)))
    assert [(r.type, r.id) for r in page.included] == [("Patient", "1")]


async def test_includes_follow_the_contained_resource(claims: Store) -> None:
    permits = (("Patient", ALL),)
    subject = Include("ServiceRequest", numbers("ServiceRequest", "subject"), None, permits=permits)
    payer = Include("ExplanationOfBenefit", numbers("ExplanationOfBenefit", "patient"), None, permits=permits)

    async def brought(include: Include, **more: Any) -> list[str]:
        page = await claims.search(within(code("x"), status("completed"), includes=(include,), **more))
        return [one.id for one in page.included]

    assert await brought(subject) == ["2"]
    assert await brought(payer) == ["1"]
    assert await brought(subject, apart=True) == ["2"]
    assert await brought(payer, apart=True) == []
    assert await brought(Include("*", None, None, permits=permits), apart=True) == ["2"]


async def test_words_are_those_of_the_contained_resource_and_rank_it(claims: Store) -> None:
    often = request("a", "q")
    often["note"] = [{"text": "knee knee knee"}]
    await create(claims, claim(often, request("b", "r")), "often")
    page = await claims.search(within(TextClause("content", ("knee",)), apart=True, sort=(SCORE,)))
    assert shown(page)[0] == ("ExplanationOfBenefit", "often", 0)
    assert list(page.scores) == sorted(page.scores, reverse=True)
    assert len(page.scores) == 6
    assert 0 < page.scores[-1] < page.scores[0] < 1


async def test_more_than_can_be_looked_at_is_too_costly(claims: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if claims.name not in ("sqlite", "postgresql"):
        pytest.skip("what keeps everything in memory has no limits")
    monkeypatch.setattr(looking, "MOST", 2)
    with pytest.raises(Unprocessable):
        await claims.search(within(apart=True, sort=(Sort("_id", "id"),)))
    assert len(await found(claims, within(count=1))) == 1


async def test_a_score_is_the_same_whatever_else_is_stored(store: Store) -> None:
    text = TextClause("content", ("knee",))
    query = Query((Part("ServiceRequest", (text,), ALL),))
    await create(store, request("", "x") | {"id": "a"}, "a")
    before = (await store.search(query)).scores
    await create(store, request("", "y") | {"id": "b", "note": [{"text": "knee " * 20}]}, "b")
    page = await store.search(replace(query, sort=(SCORE,)))
    assert [one.id for one in page.resources] == ["b", "a"]
    assert page.scores[1:] == before
    assert (await store.search(Query((Part("ServiceRequest", (code("x"),), ALL),), sort=(SCORE,)))).scores == ()
