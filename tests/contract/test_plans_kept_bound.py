"""Contract: a search with a token for one record, asked again, finds what its permits show now, however it was planned.

What a clause offers and how a query is searched are kept where the very same comes again (`Query.kept`).
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace
from tests.contract.writing import commit, create, delete, ids, observation, patient, put

from hilum.access.confine import confine
from hilum.access.policy import Grant, Policy
from hilum.search.clauses import Permit
from hilum.search.parse import parse_query
from hilum.search.query import Query
from hilum.store.interface import Store, Write
from hilum.store.plan import thresholds
from hilum.store.plan.plan import permitted
from hilum.store.plan.thresholds import Limits

TINY = Limits(looks=(2, 4), hopes=(3, 6))
ASKED: dict[str, Sequence[tuple[str, str]]] = {
    "their own": [("patient", "Patient/a"), ("code", "http://loinc.org|8867-4")],
    "their own, any code": [("subject", "Patient/a")],
    "code": [("code", "http://loinc.org|8867-4")],
    "anything": [],
    "somebody's": [("patient", "Patient/b"), ("code", "http://loinc.org|8867-4")],
    "one of two": [("patient", "Patient/a,Patient/b")],
    "encounter": [("encounter", "Encounter/e"), ("code", "http://loinc.org|8867-4")],
}


def holder(*owners: str) -> Policy:
    """Of a token for the records of these Patients, as each sign-in makes one anew."""
    return Policy((Grant("*", frozenset("rs"), tuple(("Patient", owner) for owner in owners)),))


def query(asked: str, who: Policy, type: str = "Observation") -> Query:
    found = parse_query(type, [*ASKED[asked], ("_count", "100")]).query
    return replace(confine(found, who), kept=True)


def of(owner: str, n: int, code: str = "8867-4") -> Write:
    return put(observation(f"Patient/{owner}", code, encounter={"reference": "Encounter/e"}), f"{owner}{n}")


async def found(store: Store, one: Query) -> set[str]:
    """What it finds, asked as often as it takes to be kept, and once more."""
    pages = [ids(await store.search(one)) for _ in range(4)]
    assert pages == [pages[0]] * 4
    return set(pages[0])


@pytest.mark.parametrize("limits", [TINY, thresholds.LIMITS], ids=["tiny", "usual"])
@pytest.mark.parametrize("asked", ASKED)
async def test_it_finds_what_there_is_now(
    store: Store, monkeypatch: pytest.MonkeyPatch, asked: str, limits: Limits
) -> None:
    """The owner comes into being after the first searches, and what lies there grows from nothing to many."""
    monkeypatch.setattr(thresholds, "LIMITS", limits)
    again = query(asked, holder("a"))
    mine: set[str] = set()
    theirs = asked == "somebody's"

    async def agree() -> None:
        expected = set() if theirs else mine
        assert await found(store, again) == expected
        assert await found(store, query(asked, holder("a"))) == expected

    await agree()
    await store.commit(commit(*[of("b", n) for n in range(12)]))  # many have the code, and none of them is a's
    await agree()
    await create(store, patient(), "a")
    await agree()
    for n in range(12):
        await store.commit(commit(of("a", n)))
        mine |= {f"a{n}"}
        await agree()
    await store.commit(commit(*[of("b", n) for n in range(12, 40)]))
    await agree()
    for n in range(11):
        there = await store.read("Observation", f"a{n}")
        assert there is not None
        await delete(store, there)
        mine -= {f"a{n}"}
    await agree()


@pytest.mark.parametrize("limits", [TINY, thresholds.LIMITS], ids=["tiny", "usual"])
@pytest.mark.parametrize("asked", ASKED)
async def test_each_token_has_its_own(
    store: Store, monkeypatch: pytest.MonkeyPatch, asked: str, limits: Limits
) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", limits)
    await store.commit(commit(*[of(owner, n) for owner in "abc" for n in range(6)]))
    sees = {"somebody's": "b", "their own": "a", "their own, any code": "a", "one of two": "ab"}.get(asked, "abc")
    holders = [holder("a"), holder("b"), holder("a"), holder("b", "c"), holder("never"), holder()]
    records = ["a", "b", "a", "bc", "", ""]
    queries = [query(asked, who) for who in holders[:-1]] + [
        replace(query(asked, holders[0]), parts=tuple(replace(p, permits=()) for p in query(asked, holders[0]).parts))
    ]
    for _ in range(2):
        for one, own in zip(queries, records, strict=True):
            expected = {f"{owner}{n}" for owner in own if owner in sees for n in range(6)}
            assert await found(store, one) == expected


async def test_of_owners_one_of_whom_comes_later_all_count(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", TINY)
    await store.commit(commit(*[of("a", n) for n in range(12)]))
    again = query("code", holder("a", "late"))
    assert await found(store, again) == {f"a{n}" for n in range(12)}
    await store.commit(commit(of("late", 0)))
    assert await found(store, again) == {*(f"a{n}" for n in range(12)), "late0"}


async def test_one_set_of_permits_is_asked_of_each_type_for_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same permits are the same clause, whose kept access names the type that it was made for."""
    monkeypatch.setattr(thresholds, "LIMITS", TINY)
    about = {"subject": {"reference": "Patient/a"}}
    await store.commit(commit(*[of("a", n) for n in range(6)]))
    await store.commit(commit(*[put({"resourceType": "Condition", **about}, f"c{n}") for n in range(6)]))
    permits = (Permit((("Patient", "a"),)),)
    for _ in range(3):
        for type, letter in (("Observation", "a"), ("Condition", "c")):
            one = query("anything", holder("a"), type)
            one = replace(one, parts=(replace(one.parts[0], permits=permits),))
            assert await found(store, one) == {f"{letter}{n}" for n in range(6)}


def test_the_same_permits_are_the_same_clause_and_others_are_not() -> None:
    a, again, b = ((Permit((("Patient", owner),)),) for owner in "aab")
    assert permitted(a) is permitted(again)
    assert permitted(a) != permitted(b)
    assert permitted.cache_info().maxsize == 1024
