"""Contract: for random populations, queries and policies a store finds what `hilum.search.matches` says, in order.

The judge (hilum.store.evaluate) is another piece of code than any store's SQL: it looks at the index rows of every
resource, one by one. HILUM_CONTRACT_QUERIES sets how many queries are tried (300). The limits at which plans turn from
one way to another are tiny in two of three runs, so that a few hundred resources go every way.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from tests.contract.writing import ALL, commit, delete, gone, put

from hilum.fhir.resource import Resource
from hilum.search.alternatives import Amount, Composite, DateRange, Token
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    CompartmentClause,
    CompositeClause,
    DateClause,
    HasClause,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    NearClause,
    NotClause,
    Part,
    Permit,
    QuantityClause,
    ReferenceClause,
    StringClause,
    TermClause,
    TextClause,
    TokenClause,
    UnequalClause,
    UriClause,
)
from hilum.search.dates import MAX_DATE, MIN_DATE, interval
from hilum.search.index import index
from hilum.search.parameters import table
from hilum.search.query import Include, Query, Sort
from hilum.store import keyed
from hilum.store.evaluate import Name, Population
from hilum.store.interface import Store
from hilum.store.plan import thresholds

QUERIES = int(os.environ.get("HILUM_CONTRACT_QUERIES", "300"))
FAMILIES = ["Chalmers", "Windsor", "Chalmers-Windsor", "Ångström", "van den Berg", "O'Brien", "Li", "100%_!"]
SYSTEMS = ["urn:a", "urn:b", None]
CODES = ["1", "2", "3", "4"]
GENDER = "http://hl7.org/fhir/administrative-gender"
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
TEXTS = ["Heart rate", "Rate of heart beats", "Herzfrequenz", "Körper Größe", "5+3 $ a<b \U0001fae8x"]
DAYS = ["2019", "2020-02", "2020-02-29", "2020-03-01", "2020-03-01T10:00:00Z", "2020-03-01T10:00:00.5+02:00", "2021"]
PATIENTS = [f"p{n}" for n in range(8)]
PREFIXES = ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]
URLS = [
    "http://a.org/x",
    "http://a.org/x/y",
    "http://a.org/xy",
    "urn:oid:1.2",
    "http://a.org/x|1",
    "http://a.org/x|1.2",
]
TYPES = ("Patient", "Observation", "Location", "ValueSet", "RiskAssessment", "Practitioner")


def numbers(type: str, code: str) -> tuple[int, ...]:
    return table(type)[code].numbers


# --- populations ---------------------------------------------------------------------------------------------------


def concept(chance: random.Random) -> dict[str, Any]:
    found: dict[str, Any] = {
        "coding": [
            {k: v for k, v in (("system", chance.choice([LOINC, "urn:a", None])), ("code", chance.choice(CODES))) if v}
            for _ in range(chance.choice([1, 1, 2]))
        ]
    }
    if chance.random() < 0.5:
        found["text"] = chance.choice(TEXTS)
    return found


def amount(chance: random.Random) -> dict[str, Any]:
    value = chance.choice([1, 2, 5, 100, 1000, 2.5])
    kind = chance.random()
    if kind < 0.3:
        return {"value": value, "system": UCUM, "code": chance.choice(["mg", "g", "Cel"]), "unit": "m"}
    if kind < 0.5:
        return {"value": value, "unit": chance.choice(["mg", "drops"])}
    if kind < 0.7:
        return {"value": value, "comparator": chance.choice(["<", ">=", ">"]), "system": UCUM, "code": "mg"}
    return {"value": value}


def some_patient(chance: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {"resourceType": "Patient"}
    if chance.random() < 0.8:
        body["name"] = [{"family": chance.choice(FAMILIES)} for _ in range(chance.choice([1, 1, 2]))]
    if chance.random() < 0.7:
        body["identifier"] = [
            {k: v for k, v in (("system", chance.choice(SYSTEMS)), ("value", chance.choice(CODES))) if v}
            for _ in range(chance.randint(1, 3))
        ]
    if chance.random() < 0.7:
        body["gender"] = chance.choice(["male", "female", "other"])
    if chance.random() < 0.7:
        body["birthDate"] = chance.choice(DAYS[:4])
    if chance.random() < 0.4:
        body["generalPractitioner"] = [{"reference": f"Practitioner/{chance.choice(CODES)}"}]
    if chance.random() < 0.3:
        text = f"<p>{chance.choice(TEXTS)} &amp; more</p>"
        body["text"] = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'}
    return body


def some_observation(chance: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {
        "resourceType": "Observation",
        "status": chance.choice(["final", "amended"]),
        "code": concept(chance),
    }
    if chance.random() < 0.9:
        body["subject"] = {"reference": f"Patient/{chance.choice(PATIENTS)}"}
    kind = chance.random()
    if kind < 0.5:
        body["effectiveDateTime"] = chance.choice(DAYS)
    elif kind < 0.8:
        ends = sorted((chance.choice(DAYS), chance.choice(DAYS)), key=lambda d: interval(d)[0])
        period = {k: v for k, v in zip(("start", "end"), ends, strict=True) if chance.random() < 0.7}
        if period:
            body["effectivePeriod"] = period
    if chance.random() < 0.4:
        body["performer"] = [{"reference": chance.choice([f"Patient/{p}" for p in PATIENTS] + ["Practitioner/1"])}]
    value = chance.random()
    if value < 0.5:
        body["valueQuantity"] = amount(chance)
    elif value < 0.7:
        body["valueCodeableConcept"] = concept(chance)
    elif value < 0.8:
        body["valueDateTime"] = chance.choice(DAYS)
    if chance.random() < 0.3:
        body["component"] = [{"code": concept(chance), "valueQuantity": amount(chance)} for _ in range(2)]
    if chance.random() < 0.2:
        body["derivedFrom"] = [{"reference": f"Observation/x{chance.randint(0, 5)}-{chance.randint(0, 5)}"}]
    return body


def some_location(chance: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {"resourceType": "Location", "status": "active", "name": chance.choice(FAMILIES)}
    if chance.random() < 0.9:
        longitude, latitude = chance.choice(
            [(179.99, 0), (-179.99, 0.01), (13.4, 52.5), (13.5, 52.6), (0, 90), (90, 89.9)]
        )
        body["position"] = {"longitude": longitude, "latitude": latitude}
    return body


def some_valueset(chance: random.Random) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "status": "active", "url": chance.choice(URLS)}


def some_risk(chance: random.Random) -> dict[str, Any]:
    body: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "status": "final",
        "subject": {"reference": f"Patient/{chance.choice(PATIENTS)}"},
    }
    if chance.random() < 0.9:
        body["prediction"] = [
            {"probabilityDecimal": chance.choice([0.1, 0.5, 0.25, 1])}
            if chance.random() < 0.7
            else {"probabilityRange": {"low": {"value": 0.2}, "high": {"value": 0.6}}}
        ]
    return body


def some_practitioner(chance: random.Random) -> dict[str, Any]:
    return {"resourceType": "Practitioner", "name": [{"family": chance.choice(FAMILIES)}]}


MAKERS = (
    some_patient,
    some_patient,
    some_observation,
    some_observation,
    some_observation,
    some_observation,
    some_location,
    some_valueset,
    some_risk,
)
AGAIN: dict[str, Callable[[random.Random], dict[str, Any]]] = dict(
    zip(
        TYPES,
        (some_patient, some_observation, some_location, some_valueset, some_risk, some_practitioner),
        strict=True,
    )
)


async def populate(store: Store, chance: random.Random) -> dict[Name, Resource]:
    """Creates, updates and deletions; what is current at the end."""
    current: dict[Name, Resource] = {}
    for turn in range(12):
        writes = []
        for n in range(chance.randint(5, 12)):
            make = chance.choice(MAKERS)
            body = make(chance)
            id = chance.choice(PATIENTS) if make is some_patient and chance.random() < 0.6 else f"x{turn}-{n}"
            if turn == 3 and n < 3:
                body, id = some_practitioner(chance), CODES[n]
            name = (body["resourceType"], id)
            if name not in {(w.type, w.id) for w in writes}:
                writes.append(put(body, id, over=current.get(name)))
        for name in chance.sample(sorted(current), min(len(current), chance.randint(0, 4))):
            if name in {(w.type, w.id) for w in writes} or current[name].deleted:
                continue
            if chance.random() < 0.5:
                writes.append(gone(current[name]))
            else:
                writes.append(put(AGAIN[name[0]](chance), name[1], over=current[name]))
        for made in await store.commit(commit(*writes)):
            current[made.type, made.id] = made
    return current


# --- queries -------------------------------------------------------------------------------------------------------


class Some:
    """Random clauses about a population."""

    def __init__(self, chance: random.Random, stamps: list[int]) -> None:
        self.chance = chance
        self.stamps = stamps

    @property
    def many(self) -> range:
        return range(self.chance.choice([1, 1, 1, 2, 3, 12]))

    def token(self, systems: list[str | None], values: list[str]) -> Token:
        system, value = self.chance.choice([*systems, None, ""]), self.chance.choice([*values, values[0], None])
        return Token(system or "urn:a" if value is None else system, value)

    def tokens(self, type: str, code: str, systems: list[str | None], values: list[str]) -> Clause:
        return TokenClause(numbers(type, code), tuple(self.token(systems, values) for _ in self.many))

    def unequal(self, type: str, code: str, systems: list[str | None], values: list[str]) -> Clause:
        listed = tuple(self.token(systems, values) for _ in self.many)
        return UnequalClause(numbers(type, code), listed, system=self.chance.choice([*systems, "urn:none"]))

    def range_(self) -> DateRange:
        low, high = self.chance.choice([interval(day) for day in DAYS] + [(MIN_DATE, MAX_DATE), (0, 0)])
        return DateRange(self.chance.choice(PREFIXES), low, high)

    def dates(self, type: str, code: str) -> Clause:
        return DateClause(numbers(type, code), tuple(self.range_() for _ in self.many))

    def amount(self, values: list[float]) -> Amount:
        value = self.chance.choice(values)
        prefix = self.chance.choice(PREFIXES)
        half = abs(value) * 0.1 if prefix == "ap" else 0.5 if value >= 1 else 0.05
        system, code = self.chance.choice(
            [
                (None, None),
                (None, "mg"),
                (UCUM, "mg"),
                (UCUM, "g"),
                (UCUM, "kg"),
                (UCUM, None),
                ("urn:a", "mg"),
                (None, "drops"),
            ]
        )
        return Amount(prefix, value, value - half, value + half, system, code)

    def amounts(self, type: str, code: str, values: list[float], units: bool = True) -> Clause:
        found = [self.amount(values) for _ in self.many]
        if not units:
            found = [Amount(a.prefix, a.value, a.low, a.high) for a in found]
        return QuantityClause(numbers(type, code), tuple(found))

    def references(self, type: str, code: str, types: list[str | None], ids: list[str]) -> Clause:
        return ReferenceClause(
            numbers(type, code), tuple((self.chance.choice(types), self.chance.choice(ids)) for _ in self.many)
        )

    def missing(self, type: str, *codes: str) -> Clause:
        return MissingClause(numbers(type, self.chance.choice(codes)), self.chance.random() < 0.5)

    def string(self, type: str, code: str) -> Clause:
        how = self.chance.choice(["starts", "exact", "contains"])
        texts = [*FAMILIES, "c", "win", "be", "e", "", "%", "_"]
        return StringClause(numbers(type, code), tuple(self.chance.choice(texts) for _ in self.many), how)

    def composite(self) -> Clause:
        first = self.token([LOINC, "urn:a"], CODES)
        kind = self.chance.random()
        if kind < 0.6:
            code = self.chance.choice(
                ["code-value-quantity", "combo-code-value-quantity", "component-code-value-quantity"]
            )
            values = tuple(Composite(first, self.amount([1, 2, 100, 1000])) for _ in self.many)
        elif kind < 0.8:
            code = "code-value-concept"
            values = tuple(Composite(first, self.token([LOINC, "urn:a"], CODES)) for _ in self.many)
        else:
            code = "code-value-date"
            values = tuple(Composite(first, self.range_()) for _ in self.many)
        return CompositeClause(numbers("Observation", code), values)

    def leaf(self, type: str) -> Clause:
        chance = self.chance
        stamps = [(s, s) for s in self.stamps] + [(self.stamps[0], self.stamps[-1])]
        shared: list[Callable[[], Clause]] = [
            lambda: IdClause(tuple(chance.choice([*PATIENTS, "x1-1", "x2-2", "x3-0"]) for _ in self.many)),
            lambda: LastUpdatedClause(
                tuple(DateRange(chance.choice(PREFIXES), *chance.choice(stamps)) for _ in self.many)
            ),
            lambda: CompartmentClause(tuple(("Patient", chance.choice([*PATIENTS, "never"])) for _ in self.many)),
            lambda: TextClause(
                chance.choice(["text", "content"]),
                tuple(
                    chance.choice(
                        [
                            "heart",
                            "heart rate",
                            "korper",
                            "final",
                            "zzz",
                            "of rate",
                            "5+3",
                            "5",
                            "a<b $",
                            "\U0001fae8x",
                            "x",
                        ]
                    )
                    for _ in self.many
                ),
            ),
        ]
        own: dict[str, list[Callable[[], Clause]]] = {
            "Patient": [
                lambda: self.tokens("Patient", "identifier", list(SYSTEMS), CODES),
                lambda: self.unequal("Patient", "identifier", list(SYSTEMS), CODES),
                lambda: self.tokens(
                    "Patient", "gender", ["http://hl7.org/fhir/administrative-gender"], ["male", "female"]
                ),
                lambda: self.dates("Patient", "birthdate"),
                lambda: self.string("Patient", chance.choice(["family", "name"])),
                lambda: self.missing("Patient", "identifier", "family", "general-practitioner", "gender"),
                lambda: self.references("Patient", "general-practitioner", ["Practitioner", None], CODES),
            ],
            "Observation": [
                lambda: self.tokens("Observation", chance.choice(["code", "combo-code"]), [LOINC, "urn:a"], CODES),
                lambda: self.tokens(
                    "Observation", "status", ["http://hl7.org/fhir/observation-status"], ["final", "amended"]
                ),
                lambda: self.unequal("Observation", "combo-code", [LOINC, "urn:a"], CODES),
                lambda: self.dates("Observation", "date"),
                lambda: self.references("Observation", "subject", ["Patient", None], PATIENTS),
                lambda: self.references("Observation", "performer", ["Patient"], PATIENTS),
                lambda: self.missing("Observation", "date", "performer", "value-quantity", "combo-value-quantity"),
                lambda: self.amounts("Observation", "value-quantity", [1, 2, 5, 100, 1000, 0.1]),
                lambda: self.amounts("Observation", "combo-value-quantity", [1, 2, 5, 100, 1000, 0.1]),
                lambda: TermClause(
                    table("Observation")["code"].text,
                    tuple(chance.choice(["heart", "rate", "rate of", "beat", "grosse", "z"]) for _ in self.many),
                ),
                self.composite,
                self.composite,
            ],
            "Location": [
                lambda: self.string("Location", "name"),
                lambda: NearClause(
                    numbers("Location", "near"),
                    tuple(
                        chance.choice(
                            [
                                (52.5, 13.4, 10.0),
                                (52.5, 13.4, 20_000.0),
                                (0.0, 180.0, 5000.0),
                                (89.99, 0.0, 20_000.0),
                                (0.0, 0.0, 3e7),
                                (0.0, -179.99, 3000.0),
                            ]
                        )
                        for _ in self.many
                    ),
                ),
                lambda: self.missing("Location", "near"),
            ],
            "ValueSet": [
                lambda: UriClause(numbers("ValueSet", "url"), tuple(chance.choice(URLS) for _ in self.many)),
                lambda: UriClause(
                    table("ValueSet")["url"].whole,
                    tuple(chance.choice([*URLS[:3], "http://a.org/", "http://a.or"]) for _ in self.many),
                    "starts",
                ),
            ],
            "RiskAssessment": [
                lambda: self.amounts("RiskAssessment", "probability", [0.1, 0.2, 0.5, 1], units=False),
                lambda: self.references("RiskAssessment", "subject", ["Patient"], PATIENTS),
            ],
            "Practitioner": [lambda: self.string("Practitioner", "family")],
        }
        return chance.choice(shared + own[type] * 3)()

    def clause(self, type: str, depth: int = 0) -> Clause:
        chance, kind = self.chance, self.chance.random()
        if depth > 2 or kind < 0.6:
            return self.leaf(type)
        if kind < 0.7:
            return NotClause(self.clause(type, depth + 1))
        if kind < 0.8:
            some = tuple(self.clause(type, depth + 1) for _ in range(chance.choice([0, 1, 2, 3])))
            return chance.choice([AnyClause(some), AllClause(some)])
        if type == "Observation" and kind < 0.95:
            targets = [self.part("Patient", depth + 1)]
            code = "subject"
            if chance.random() < 0.3:
                code, targets = "performer", [*targets, self.part("Practitioner", depth + 1)]
            elif chance.random() < 0.2:
                code, targets = "derived-from", [self.part("Observation", depth + 1)]
            return ChainClause(numbers("Observation", code), tuple(targets))
        if type == "Patient":
            source = chance.choice(["Observation", "RiskAssessment"])
            return HasClause(self.part(source, depth + 1), numbers(source, "subject"))
        if type == "Practitioner":
            return HasClause(self.part("Patient", depth + 1), numbers("Patient", "general-practitioner"))
        return self.leaf(type)

    def permits(self, type: str) -> tuple[Permit, ...]:
        chance = self.chance
        if chance.random() < 0.6:
            return ALL
        return tuple(
            Permit(
                tuple(("Patient", chance.choice([*PATIENTS, "never"])) for _ in range(chance.randint(1, 3)))
                if chance.random() < 0.7
                else None,
                tuple(self.plain(type) for _ in range(chance.choice([0, 0, 1]))),
            )
            for _ in range(chance.choice([0, 1, 1, 2]))
        )

    def plain(self, type: str) -> Clause:
        while True:
            found = self.leaf(type)
            if not isinstance(found, TextClause):
                return found

    def part(self, type: str, depth: int = 0) -> Part:
        how_many = self.chance.choice([0, 1, 1, 2, 2, 3] if depth == 0 else [0, 1, 1, 2])
        return Part(type, tuple(self.clause(type, depth) for _ in range(how_many)), self.permits(type))

    def sort(self, types: tuple[str, ...]) -> tuple[Sort, ...]:
        chance = self.chance
        known = {
            "Patient": [("family", "string"), ("gender", "token"), ("birthdate", "date"), ("identifier", "token"),
                        ("general-practitioner", "reference")],
            "Observation": [("date", "date"), ("code", "token"), ("status", "token"), ("value-quantity", "quantity"),
                            ("subject", "reference"), ("combo-value-quantity", "quantity")],
            "ValueSet": [("url", "uri")],
            "RiskAssessment": [("probability", "quantity"), ("subject", "reference")],
        }  # fmt: skip
        found = []
        for _ in range(chance.choice([0, 1, 1, 2, 3])):
            down = chance.random() < 0.5
            if len(types) > 1 or types[0] not in known or chance.random() < 0.2:
                found.append(Sort(*chance.choice([("_lastUpdated", "updated"), ("_id", "id")]), (), down))
            else:
                code, kind = chance.choice(known[types[0]])
                parameter = table(types[0])[code]
                of = parameter.whole if kind == "uri" else parameter.numbers
                found.append(Sort(code, kind, ((types[0], of),), down))
        return tuple(found)

    def includes(self, types: tuple[str, ...]) -> tuple[Include, ...]:
        chance = self.chance
        if chance.random() < 0.6:
            return ()
        permits = tuple((type, self.permits(type)) for type in TYPES if chance.random() < 0.9)
        choices = [
            Include("Observation", numbers("Observation", "subject"), None, permits=permits),
            Include("Observation", numbers("Observation", "performer"), "Practitioner", permits=permits),
            Include("Patient", numbers("Patient", "general-practitioner"), None, iterate=True, permits=permits),
            Include("*", None, None, permits=permits),
            Include("Observation", None, None, iterate=True, permits=permits),
            Include("Observation", numbers("Observation", "subject"), None, reverse=True, permits=permits),
            Include("*", None, None, iterate=chance.random() < 0.3, reverse=True, permits=permits),
            Include("RiskAssessment", None, "Patient", reverse=True, permits=permits),
        ]
        return tuple(chance.sample(choices, chance.choice([1, 1, 2])))

    def query(self) -> Query:
        chance, kind = self.chance, self.chance.random()
        if kind < 0.85:
            types: tuple[str, ...] = (chance.choices(TYPES, (4, 8, 2, 1, 2, 1))[0],)
            parts = (self.part(types[0]),)
        else:
            types = tuple(chance.sample(TYPES, 3))
            clause = self.plain("Practitioner") if chance.random() < 0.5 else None
            if isinstance(clause, StringClause):
                clause = None
            parts = tuple(Part(type, (clause,) if clause else (), self.permits(type)) for type in types)
        return Query(
            parts,
            chance.choice([1, 3, 20, 200]),
            self.sort(types),
            None,
            chance.choice(["none", "none", "accurate", "estimate"]),
            self.includes(types),
        )


TINY = thresholds.Limits(few=3, looks=(2, 5), hopes=(3, 7), far=15, walk=12, codes=2, sure=10)
SMALL = thresholds.Limits(few=3, looks=(3, 8), hopes=(5, 25), far=50, walk=500, codes=100, sure=10_000)


@pytest.fixture(params=["their own", "the same"])
def wanted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number that each system wants."""
    if request.param == "the same":
        monkeypatch.setattr(keyed, "xxh3_64_intdigest", lambda data, seed: 0)


@pytest.mark.usefixtures("wanted")
@pytest.mark.parametrize(("seed", "limits"), [(1, thresholds.LIMITS), (2, TINY), (3, SMALL)])
async def test_what_is_found_is_what_matches(
    store: Store, seed: int, limits: thresholds.Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", limits)
    current = await populate(store, random.Random(seed))
    every = Query(tuple(Part(type, (), ALL) for type in TYPES), 1000)
    born = [(r.type, r.id) for r in reversed((await store.search(every)).resources)]
    assert sorted(born) == sorted(name for name, r in current.items() if not r.deleted)
    pairs = [(r, index(r.type, r.body, r.id)) for r in current.values() if not r.deleted]
    population = Population(pairs, {name: n for n, name in enumerate(born)})
    stamps = sorted(r.seq for r in current.values())
    found_some = 0
    for n in range(QUERIES):
        query = Some(random.Random(seed * 1_000_000 + n), stamps).query()
        want = population.found(query)
        page = await store.search(query)
        assert [(r.type, r.id) for r in page.resources] == want[: query.count], (n, query)
        assert [r.raw for r in page.resources] == [current[name].raw for name in want[: query.count]]
        assert (page.next is None) == (len(want) <= query.count), (n, query)
        if query.total == "accurate" or (query.total == "estimate" and len(want) < limits.sure):
            assert page.total == len(want), (n, query)
        assert (page.total is None) == (query.total == "none")
        brought = [(r.type, r.id) for r in page.included]
        assert brought == population.brought(want[: query.count], query.includes), (n, query)
        seen = list(want[: query.count])
        while page.next is not None and n % 3 == 0:
            page = await store.search(Query(query.parts, query.count, query.sort, page.next))
            seen += [(r.type, r.id) for r in page.resources]
        assert n % 3 or seen == want, (n, query)
        found_some += bool(want)
    assert found_some > QUERIES // 5
    for name in born:
        await delete(store, current[name])
    assert (await store.search(every)).resources == ()
