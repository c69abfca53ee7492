"""Contract: for random populations, queries and policies a store finds what `hilum.search.matches` says, in order.

The judge is another piece of code than any store's SQL: it looks at the index rows of every resource, one by one.
HILUM_CONTRACT_QUERIES sets how many queries are tried (300).
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from tests.contract.writing import ALL, commit, delete, gone, observation, patient, put

from hilum.access.policy import allows
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.fhir.resource import Resource
from hilum.search.dates import MAX_DATE, MIN_DATE, interval
from hilum.search.index import index
from hilum.search.matches import matches
from hilum.search.parameters import number
from hilum.search.query import (
    Clause,
    CompartmentClause,
    DateClause,
    DateRange,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    Permit,
    Query,
    ReferenceClause,
    StringClause,
    Token,
    TokenClause,
)
from hilum.store.interface import Store

QUERIES = int(os.environ.get("HILUM_CONTRACT_QUERIES", "300"))
FAMILIES = ["Chalmers", "Windsor", "Chalmers-Windsor", "Ångström", "van den Berg", "O'Brien", "Li"]
SYSTEMS = ["urn:a", "urn:b", None]
CODES = ["1", "2", "3", "4"]
DAYS = [
    "2019",
    "2020-02",
    "2020-02-29",
    "2020-03-01",
    "2020-03-01T10:00:00Z",
    "2020-03-01T10:00:00.5+02:00",
    "2021-12-31",
]
PATIENTS = [f"p{n}" for n in range(6)]
PREFIXES = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


def some_patient(chance: random.Random) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if chance.random() < 0.7:
        more["identifier"] = [
            {k: v for k, v in (("system", chance.choice(SYSTEMS)), ("value", chance.choice(CODES))) if v}
            for _ in range(chance.randint(1, 3))
        ]
    if chance.random() < 0.7:
        more["gender"] = chance.choice(["male", "female", "other"])
    if chance.random() < 0.7:
        more["birthDate"] = chance.choice(DAYS[:4])
    if chance.random() < 0.3:
        more["generalPractitioner"] = [{"reference": f"Practitioner/{chance.choice(CODES)}"}]
    body = patient(chance.choice(FAMILIES), **more)
    if chance.random() < 0.2:
        del body["name"]
    return body


def some_observation(chance: random.Random) -> dict[str, Any]:
    more: dict[str, Any] = {"status": chance.choice(["final", "amended"])}
    kind = chance.random()
    if kind < 0.5:
        more["effectiveDateTime"] = chance.choice(DAYS)
    elif kind < 0.8:
        ends = sorted((chance.choice(DAYS), chance.choice(DAYS)), key=lambda d: interval(d)[0])
        more["effectivePeriod"] = {k: v for k, v in zip(("start", "end"), ends, strict=True) if chance.random() < 0.7}
        if not more["effectivePeriod"]:
            del more["effectivePeriod"]
    if chance.random() < 0.4:
        more["performer"] = [{"reference": f"Patient/{chance.choice(PATIENTS)}"}]
    subject = f"Patient/{chance.choice(PATIENTS)}" if chance.random() < 0.9 else None
    return observation(subject, chance.choice(CODES), **more)


async def populate(store: Store, chance: random.Random) -> dict[tuple[str, str], Resource]:
    """Creates, updates and deletions; what is current at the end, in the order of creation."""
    current: dict[tuple[str, str], Resource] = {}
    for turn in range(12):
        writes = []
        for n in range(chance.randint(3, 8)):
            make = chance.choice([some_patient, some_observation, some_observation])
            body = make(chance)
            id = chance.choice(PATIENTS) if make is some_patient and chance.random() < 0.4 else f"x{turn}-{n}"
            name = (body["resourceType"], id)
            if name not in {(w.type, w.id) for w in writes}:
                writes.append(put(body, id, over=current.get(name)))
        for name in chance.sample(sorted(current), min(len(current), chance.randint(0, 4))):
            if name in {(w.type, w.id) for w in writes} or current[name].deleted:
                continue
            if chance.random() < 0.5:
                writes.append(gone(current[name]))
            else:
                body = (some_patient if name[0] == "Patient" else some_observation)(chance)
                writes.append(put(body, name[1], over=current[name]))
        for made in await store.commit(commit(*writes)):
            current[made.type, made.id] = made
    return current


def some_range(chance: random.Random, moments: list[tuple[int, int]]) -> DateRange:
    low, high = chance.choice(moments)
    return DateRange(chance.choice(PREFIXES), low, high)


def some_clause(chance: random.Random, type: str, stamps: list[int]) -> Clause:
    days = [interval(day) for day in DAYS] + [(MIN_DATE, MAX_DATE), (0, 0)]
    owners = [("Patient", id) for id in (*PATIENTS, "never")]
    many = range(chance.choice([1, 1, 1, 2, 3, 12]))

    def coded(code: str, values: list[str], systems: list[str | None]) -> TokenClause:
        tokens = []
        for _ in many:
            system, value = chance.choice([*systems, None, ""]), chance.choice([*values, values[0], None])
            tokens.append(Token(system or "urn:a" if value is None else system, value))
        return TokenClause(number(type, code), tuple(tokens), chance.random() < 0.25)

    def dated(code: str) -> DateClause:
        return DateClause(number(type, code), tuple(some_range(chance, days) for _ in many))

    shared = [
        lambda: IdClause(tuple(chance.choice([*PATIENTS, "x1-1", "x2-2", "x3-0"]) for _ in many)),
        lambda: LastUpdatedClause(
            tuple(some_range(chance, [(s, s) for s in stamps] + [(stamps[0], stamps[-1])]) for _ in many)
        ),
        lambda: CompartmentClause(tuple(chance.choice(owners) for _ in many)),
    ]
    of_patient = [
        lambda: coded("identifier", CODES, list(SYSTEMS)),
        lambda: coded("gender", ["male", "female"], ["http://hl7.org/fhir/administrative-gender"]),
        lambda: dated("birthdate"),
        lambda: StringClause(
            number("Patient", "family"),
            tuple(chance.choice([*FAMILIES, "c", "win", "be", "e", ""]) for _ in many),
            chance.choice(["starts", "exact", "contains"]),
        ),
        lambda: MissingClause(number("Patient", "identifier"), "token", chance.random() < 0.5),
        lambda: MissingClause(number("Patient", "family"), "string", chance.random() < 0.5),
        lambda: MissingClause(number("Patient", "general-practitioner"), "reference", chance.random() < 0.5),
        lambda: ReferenceClause(
            number("Patient", "general-practitioner"),
            tuple((chance.choice(["Practitioner", None]), chance.choice(CODES)) for _ in many),
        ),
    ]
    of_observation = [
        lambda: coded("code", CODES, ["http://loinc.org"]),
        lambda: coded("status", ["final", "amended"], ["http://hl7.org/fhir/observation-status"]),
        lambda: dated("date"),
        lambda: ReferenceClause(
            number("Observation", "subject"),
            tuple((chance.choice(["Patient", None]), chance.choice(PATIENTS)) for _ in many),
        ),
        lambda: ReferenceClause(
            number("Observation", "performer"), tuple(("Patient", chance.choice(PATIENTS)) for _ in many)
        ),
        lambda: MissingClause(number("Observation", "date"), "date", chance.random() < 0.5),
        lambda: MissingClause(number("Observation", "performer"), "reference", chance.random() < 0.5),
    ]
    made: Clause = chance.choice(shared + (of_patient if type == "Patient" else of_observation) * 2)()
    return made


def some_query(chance: random.Random, stamps: list[int]) -> Query:
    kind = chance.random()
    types = ("Patient",) if kind < 0.4 else ("Observation",) if kind < 0.85 else ("Observation", "Patient")
    clauses: tuple[Clause, ...]
    if len(types) == 1:
        clauses = tuple(some_clause(chance, types[0], stamps) for _ in range(chance.choice([0, 1, 1, 2, 2, 3])))
    else:
        clauses = tuple(
            one for one in (some_clause(chance, "Patient", stamps) for _ in range(3)) if not hasattr(one, "parameter")
        )
    permits = tuple(
        ALL
        if chance.random() < 0.6
        else tuple(
            Permit(tuple(("Patient", chance.choice([*PATIENTS, "never"])) for _ in range(chance.randint(1, 3))))
            for _ in range(chance.choice([0, 1, 1, 2]))
        )
        for _ in types
    )
    order = chance.choice(["rid", "rid", "updated", "-updated"])
    return Query(
        types, clauses, permits, chance.choice([1, 3, 20, 100]), order, None, chance.choice(["none", "accurate"])
    )


def expected(query: Query, current: dict[tuple[str, str], Resource], born: list[tuple[str, str]]) -> list[Resource]:
    found = []
    for resource in current.values():
        if resource.deleted or resource.type not in query.types:
            continue
        rows = index(resource.type, resource.body, resource.id)
        if not allows(query.permits[query.types.index(resource.type)], rows.compartments):
            continue
        if all(matches(c, rows, id=resource.id, last_updated=resource.last_updated) for c in query.clauses):
            found.append(resource)
    if query.order == "rid":
        return sorted(found, key=lambda r: (-TYPE_NUMBER[r.type], -born.index((r.type, r.id))))
    return sorted(found, key=lambda r: r.seq, reverse=query.order == "-updated")


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_is_found_is_what_matches(store: Store, seed: int) -> None:
    current = await populate(store, random.Random(seed))
    every = Query(("Observation", "Patient"), (), (ALL, ALL), 1000)
    born = [(r.type, r.id) for r in reversed((await store.search(every)).resources)]
    assert sorted(born) == sorted(name for name, r in current.items() if not r.deleted)
    stamps = sorted(r.seq for r in current.values())
    found_some = 0
    for n in range(QUERIES):
        query = some_query(random.Random(seed * 1_000_000 + n), stamps)
        want = expected(query, current, born)
        page = await store.search(query)
        assert list(page.resources) == want[: query.count], (n, query)
        assert (page.next is None) == (len(want) <= query.count), (n, query)
        assert page.total == (len(want) if query.total == "accurate" else None), (n, query)
        found_some += bool(want)
    assert found_some > QUERIES // 5
    for name in born:
        await delete(store, current[name])
    assert (await store.search(every)).resources == ()
