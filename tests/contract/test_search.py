"""Contract: each kind of clause, in plain cases. test_search_agrees.py has the many combinations."""

from __future__ import annotations

import pytest
from tests.contract.writing import (
    ALL,
    asking,
    create,
    delete,
    ids,
    mrn,
    numbers,
    observation,
    patient,
    replace,
    token,
)
from tests.oracle.adapter import WAYS

from hilum.fhir.definitions import TYPES
from hilum.search.alternatives import DateRange, Token
from hilum.search.clauses import (
    Clause,
    CompartmentClause,
    DateClause,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    NotClause,
    Permit,
    ReferenceClause,
    StringClause,
    TokenClause,
    UriClause,
)
from hilum.search.dates import interval
from hilum.search.parse import parse_query
from hilum.store.interface import Page, Store
from hilum.store.plan import thresholds


async def found(store: Store, *clauses: Clause, types: tuple[str, ...] = ("Patient",)) -> str:
    """The ids, oldest first, as one word; the total must agree."""
    page = await store.search(asking(*clauses, types=types, total="accurate", count=50))
    assert page.total == len(page.resources)
    return " ".join(reversed(ids(page)))


async def test_without_clauses_all_of_the_type_newest_first(store: Store) -> None:
    for n in range(3):
        await create(store, patient(), f"p{n}")
        await create(store, observation(f"Patient/p{n}"), f"o{n}")
    assert ids(await store.search(asking())) == ["p2", "p1", "p0"]


async def test_token_by_system_and_code(store: Store) -> None:
    await create(store, patient(identifier=[{"system": "urn:x", "value": "1"}]), "x1")
    await create(store, patient(identifier=[{"system": "urn:y", "value": "1"}]), "y1")
    await create(store, patient(identifier=[{"value": "1"}]), "none1")
    await create(
        store, patient(identifier=[{"system": "urn:x", "value": "2"}, {"system": "urn:y", "value": "3"}]), "x2y3"
    )
    await create(store, patient(), "bare")
    one = "Patient", "identifier"
    assert await found(store, token(*one, "1", "urn:x")) == "x1"
    assert await found(store, token(*one, "1")) == "x1 y1 none1"
    assert await found(store, token(*one, "1", "")) == "none1"
    assert await found(store, token(*one, None, "urn:x")) == "x1 x2y3"
    assert await found(store, token(*one, "3", "urn:x")) == ""
    assert await found(store, token(*one, "9")) == ""
    assert await found(store, token(*one, None, "urn:unknown")) == ""
    either = TokenClause(numbers(*one), (Token("urn:x", "1"), Token(None, "3"), Token("", "1"), Token("urn:z", "4")))
    assert await found(store, either) == "x1 none1 x2y3"
    many = TokenClause(numbers(*one), tuple(Token("urn:x", f"{n}") for n in range(40)))
    assert await found(store, many) == "x1 x2y3"
    mixed = TokenClause(numbers(*one), (Token("urn:y", None), Token("urn:x", "1")))
    assert await found(store, mixed) == "x1 y1 x2y3"


async def test_negated_token_finds_what_has_none_too(store: Store) -> None:
    await create(store, patient(gender="male"), "m")
    await create(store, patient(gender="female"), "f")
    await create(store, patient(), "bare")
    assert await found(store, token("Patient", "gender", "male", negated=True)) == "f bare"
    system = "http://hl7.org/fhir/administrative-gender"
    assert await found(store, token("Patient", "gender", None, system, negated=True)) == "bare"
    assert await found(store, token("Patient", "gender", "other", negated=True)) == "m f bare"
    both = NotClause(TokenClause(numbers("Patient", "gender"), (Token(None, "male"), Token(system, "female"))))
    assert await found(store, both) == "bare"


async def test_one_code_in_more_systems_than_are_listed(store: Store) -> None:
    for n in range(70):
        await create(store, patient(identifier=[{"system": f"urn:s{n}", "value": "same"}]), f"p{n}")
    page = await store.search(asking(token("Patient", "identifier", "same"), count=100, total="accurate"))
    assert (len(page.resources), page.total) == (70, 70)
    assert await found(store, token("Patient", "identifier", "same"), IdClause(("p3", "p68"))) == "p3 p68"


async def test_string_starts_exact_contains(store: Store) -> None:
    await create(store, patient("Chalmers"), "a")
    await create(store, patient("CHÁLMERS-Windsor"), "b")
    await create(store, patient("Windsor"), "c")
    family = numbers("Patient", "family")
    assert await found(store, StringClause(family, ("chalm",))) == "a b"
    assert await found(store, StringClause(family, ("Wind",))) == "b c"
    assert await found(store, StringClause(family, ("Chalmers",), "exact")) == "a"
    assert await found(store, StringClause(family, ("chalmers",), "exact")) == ""
    assert await found(store, StringClause(family, ("ALMER",), "contains")) == "a b"
    assert await found(store, StringClause(family, ("x", "win"))) == "b c"
    assert await found(store, StringClause(family, ("50% x", "w_ndsor"))) == ""


async def test_strings_longer_than_an_index_entry(store: Store) -> None:
    long = "abcdefghij" * 400
    await create(store, patient(long + "tail"), "a")
    await create(store, patient(long + "other"), "b")
    await create(store, patient("abcdefghij" * 20), "c")
    family = numbers("Patient", "family")
    assert await found(store, StringClause(family, ("abcde",))) == "a b c"
    assert await found(store, StringClause(family, (long,))) == "a b"
    assert await found(store, StringClause(family, (long + "ta",))) == "a"
    assert await found(store, StringClause(family, ("tail",), "contains")) == "a"
    assert await found(store, StringClause(family, (long + "other",), "exact")) == "b"
    assert await found(store, StringClause(family, ("abcdefghij" * 20,), "exact")) == "c"


DATES = {
    "year": {"effectiveDateTime": "2020"},
    "month": {"effectiveDateTime": "2020-03"},
    "day": {"effectiveDateTime": "2020-03-14"},
    "second": {"effectiveDateTime": "2020-03-14T10:00:00Z"},
    "zoned": {"effectiveDateTime": "2020-03-14T23:30:00-02:00"},
    "before": {"effectivePeriod": {"end": "2020-03-13"}},
    "after": {"effectivePeriod": {"start": "2020-03-15"}},
    "around": {"effectivePeriod": {"start": "2020-03-01", "end": "2020-03-31"}},
    "long": {"effectivePeriod": {"start": "2019-06-01", "end": "2020-03-20"}},
    "none": {},
}

PREFIXES = {
    "eq": "day second",
    "ne": "year month zoned before after around long",
    "gt": "year month zoned after around long",
    "lt": "year month before around long",
    "ge": "year month day second zoned after around long",
    "le": "year month day second before around long",
    "sa": "zoned after",
    "eb": "before",
    "ap": "year month day second around long",
}


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_dates_are_intervals(store: Store, prefix: str) -> None:
    for id, effective in DATES.items():
        await create(store, observation(**effective), id)
    clause = DateClause(numbers("Observation", "date"), (DateRange(prefix, *interval("2020-03-14")),))
    assert await found(store, clause, types=("Observation",)) == PREFIXES[prefix]
    # the same as a probe, beside a clause that drives
    assert await found(store, clause, IdClause(tuple(DATES)), types=("Observation",)) == PREFIXES[prefix]


async def test_dates_as_alternatives_and_as_bounds(store: Store) -> None:
    for id, effective in DATES.items():
        await create(store, observation(**effective), id)
    date = numbers("Observation", "date")
    either = DateClause(date, (DateRange("eb", *interval("2020-03-14")), DateRange("eq", *interval("2020-03-15"))))
    assert await found(store, either, types=("Observation",)) == "zoned before"
    between = [DateClause(date, (DateRange(p, *interval(d)),)) for p, d in (("ge", "2020-03-14"), ("le", "2020-03-14"))]
    assert await found(store, *between, types=("Observation",)) == "year month day second around long"
    forever = DateClause(date, (DateRange("ge", *interval("9999-12-31")),))
    assert await found(store, forever, types=("Observation",)) == "after"


@pytest.mark.parametrize(
    ("type", "code", "expected"),
    [
        ("Encounter", "location-period", "both over"),  # one location may meet the one bound, another the other
        ("Encounter", "date", "over"),
        ("Observation", "date", "o-over"),
    ],
)
async def test_two_bounds_of_a_date_may_be_met_by_different_ones_where_there_are_several(
    store: Store, type: str, code: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", WAYS[4])  # so that these few are many, and bounds are probed together
    early, late = ({"start": f"{year}-01-01", "end": f"{year}-12-31"} for year in (2015, 2025))
    over = {"start": "2015-01-01", "end": "2025-12-31"}
    for id, own, periods in (("both", late, [early, late]), ("early", early, [early]), ("over", over, [over])):
        places = [{"location": {"display": "Ward"}, "period": one} for one in periods]
        body = {"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"}, "period": own}
        await create(store, body | {"location": places}, id)
        await create(store, observation(effectivePeriod=own), f"o-{id}")
    pairs = [(code, "gt2020"), (code, "lt2020")]
    clauses = parse_query(type, pairs).query.parts[0].clauses
    assert await found(store, *clauses, types=(type,)) == expected
    everyone = IdClause(("both", "early", "over", "o-both", "o-early", "o-over"))
    assert await found(store, *clauses, everyone, types=(type,)) == expected


async def test_references(store: Store) -> None:
    await create(store, observation("Patient/a"), "a")
    await create(store, observation("Group/a"), "group")
    await create(store, observation("Patient/b", performer=[{"reference": "Practitioner/a"}]), "b")
    subject, performer = numbers("Observation", "subject"), numbers("Observation", "performer")
    types = ("Observation",)
    assert await found(store, ReferenceClause(subject, (("Patient", "a"),)), types=types) == "a"
    assert await found(store, ReferenceClause(subject, ((None, "a"),)), types=types) == "a group"
    assert await found(store, ReferenceClause(subject, (("Patient", "b"), ("Group", "a"))), types=types) == "group b"
    assert await found(store, ReferenceClause(performer, (("Practitioner", "a"),)), types=types) == "b"
    assert await found(store, ReferenceClause(performer, (("Patient", "a"),)), types=types) == ""
    assert await found(store, ReferenceClause(subject, (("Patient", "unheard-of"),)), types=types) == ""
    many = ReferenceClause(subject, tuple(("Patient", c) for c in "bcdefghijklm"))
    assert await found(store, many, types=types) == "b"


async def test_uris(store: Store) -> None:
    def profile(url: str) -> dict[str, object]:
        return {"resourceType": "ValueSet", "status": "active", "url": url}

    await create(store, profile("http://example.org/vs"), "a")
    await create(store, profile("http://example.org/vs/"), "b")
    url = numbers("ValueSet", "url")
    assert await found(store, UriClause(url, ("http://example.org/vs",)), types=("ValueSet",)) == "a"
    assert (
        await found(store, UriClause(url, ("http://example.org/VS", "http://example.org/vs/")), types=("ValueSet",))
        == "b"
    )


async def test_ids(store: Store) -> None:
    for id in "abc":
        await create(store, patient(), id)
    await create(store, observation("Patient/ghost"), "a")
    assert await found(store, IdClause(("c", "a", "ghost", "never"))) == "a c"
    assert await found(store, IdClause(("ghost",))) == ""
    assert await found(store, IdClause(("a",)), types=("Observation", "Patient")) == "a a"


async def test_last_updated(store: Store) -> None:
    made = [await create(store, patient(), id) for id in "abcd"]

    def clause(prefix: str, low: int, high: int | None = None) -> LastUpdatedClause:
        return LastUpdatedClause((DateRange(prefix, low, high if high is not None else low),))

    b, c = made[1].last_updated, made[2].last_updated
    assert await found(store, clause("ge", b)) == "b c d"
    assert await found(store, clause("gt", b)) == "c d"
    assert await found(store, clause("lt", c)) == "a b"
    assert await found(store, clause("eq", b, c)) == "b c"
    assert await found(store, clause("ne", b, c)) == "a d"
    assert await found(store, clause("sa", b, c)) == "d"
    assert await found(store, clause("eb", b, c)) == "a"
    either = LastUpdatedClause((DateRange("eq", b, b), DateRange("gt", c, c)))
    assert await found(store, either) == "b d"
    await replace(store, made[0], patient("new"))
    assert await found(store, clause("gt", c)) == "a d"


async def test_missing(store: Store) -> None:
    await create(store, patient(), "bare")
    await create(store, patient(mrn="1", birthDate="1970-01-01", gender="male"), "full")
    await create(
        store, {"resourceType": "Patient", "managingOrganization": {"reference": "Organization/1"}}, "nameless"
    )
    for code, has in (
        ("identifier", "full"),
        ("family", "bare full"),
        ("birthdate", "full"),
        ("organization", "nameless"),
    ):
        param = numbers("Patient", code)
        without = " ".join(id for id in ("bare", "full", "nameless") if id not in has.split())
        assert await found(store, MissingClause(param, False)) == has
        assert await found(store, MissingClause(param, True)) == without
        assert (
            await found(store, MissingClause(param, True), IdClause(("bare", "full")))
            == without.replace("bare nameless", "bare").replace("nameless", "").strip()
        )


async def test_a_reference_to_a_resource_elsewhere_is_not_missing(store: Store) -> None:
    far = {"resourceType": "Patient", "managingOrganization": {"reference": "https://example.org/fhir/Organization/1"}}
    await create(store, far, "far")
    await create(store, patient(), "none")
    param = numbers("Patient", "organization")
    assert await found(store, MissingClause(param, False)) == "far"
    assert await found(store, MissingClause(param, True)) == "none"


async def test_compartments(store: Store) -> None:
    await create(store, patient(), "a")
    await create(store, patient(), "b")
    await create(store, observation("Patient/a"), "o")
    await create(store, observation("Patient/b", performer=[{"reference": "Patient/a"}]), "p")
    await create(store, observation("Patient/b"), "q")
    of_a = CompartmentClause((("Patient", "a"),))
    assert await found(store, of_a, types=("Observation",)) == "o p"
    assert await found(store, of_a, types=("Observation", "Patient")) == "o p a"
    assert await found(store, of_a, types=TYPES) == "o p a"
    assert await found(store, CompartmentClause((("Patient", "a"), ("Patient", "b"))), types=("Patient",)) == "a b"
    assert await found(store, CompartmentClause((("Patient", "never"),)), types=("Observation",)) == ""


async def test_permits_are_part_of_the_query(store: Store) -> None:
    await create(store, patient(), "a")
    await create(store, patient(), "b")
    await create(store, observation("Patient/a", code="1"), "o")
    await create(store, observation("Patient/b", code="1"), "p")
    of_a, of_b, of_nobody = (
        (Permit((("Patient", "a"),)),),
        (Permit((("Patient", "b"),)),),
        (Permit((("Patient", "x"),)),),
    )
    code = token("Observation", "code", "1", "http://loinc.org")

    async def seen(*permits: tuple[Permit, ...], clauses: tuple[Clause, ...] = ()) -> tuple[list[str], int | None]:
        types = ("Observation", "Patient")[: len(permits)]
        page = await store.search(asking(*clauses, types=types, permits=permits, total="accurate"))
        return ids(page), page.total

    assert await seen(of_a, clauses=(code,)) == (["o"], 1)
    assert await seen(of_a + of_b, clauses=(code,)) == (["p", "o"], 2)
    assert await seen((), clauses=(code,)) == ([], 0)
    assert await seen(of_nobody, clauses=(code,)) == ([], 0)
    assert await seen(of_a, of_a) == (["a", "o"], 2)
    assert await seen(of_a, of_b) == (["b", "o"], 2)
    assert await seen(of_a, ALL) == (["b", "a", "o"], 3)
    assert await seen(of_a, ()) == (["o"], 1)
    assert await seen(of_nobody, of_b) == (["b"], 1)
    assert await seen(of_a, clauses=(IdClause(("p",)),)) == ([], 0)


async def test_index_rows_follow_updates_and_deletions(store: Store) -> None:
    old = patient(
        "Old", mrn="1", birthDate="1970-01-01", gender="male", generalPractitioner=[{"reference": "Practitioner/1"}]
    )
    new = patient(
        "New", mrn="2", birthDate="1980-01-01", gender="female", generalPractitioner=[{"reference": "Practitioner/2"}]
    )

    def clauses(family: str, value: str, born: str, gender: str, gp: str) -> list[Clause]:
        return [
            StringClause(numbers("Patient", "family"), (family,)),
            mrn(value),
            DateClause(numbers("Patient", "birthdate"), (DateRange("eq", *interval(born)),)),
            token("Patient", "gender", gender),
            ReferenceClause(numbers("Patient", "general-practitioner"), (("Practitioner", gp),)),
        ]

    said_before, said_now = clauses("old", "1", "1970", "male", "1"), clauses("new", "2", "1980", "female", "2")
    first = await create(store, old, "a")
    assert {await found(store, one) for one in said_before} == {"a"}
    second = await replace(store, first, new)
    assert {await found(store, one) for one in said_before} == {""}
    assert {await found(store, one) for one in said_now} == {"a"}
    third = await delete(store, second)
    assert {await found(store, one) for one in said_now} == {""}
    assert await found(store) == ""
    await replace(store, third, old)
    assert {await found(store, one) for one in said_before} == {"a"}
    assert await found(store, *said_before) == "a"


async def test_count_zero_gives_the_total_alone(store: Store) -> None:
    for n in range(3):
        await create(store, patient(), f"p{n}")
    page = await store.search(asking(count=0))
    assert page == Page((), None, 3)


async def test_without_asking_there_is_no_total(store: Store) -> None:
    await create(store, patient(), "a")
    assert (await store.search(asking())).total is None


async def test_of_no_types_nothing(store: Store) -> None:
    await create(store, patient(), "a")
    page = await store.search(asking(types=(), total="accurate"))
    assert page == Page((), None, 0)
