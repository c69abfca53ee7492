"""PostgreSQL finds a page and what comes along by one statement where one can decide, else in one snapshot."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.writing import asking, commit, ids, numbers, observation, patient, put, token

from hilum.search.clauses import Clause, MissingClause, Permit, ReferenceClause, StringClause
from hilum.search.query import Include, Query
from hilum.store.plan import thresholds
from hilum.store.plan.thresholds import Limits
from hilum.store.postgres import PostgresStore, run

HEART = token("Observation", "code", "8867-4", "http://loinc.org")
MALE = token("Patient", "gender", "male", "http://hl7.org/fhir/administrative-gender")
SUBJECT = numbers("Observation", "subject")
WITH_SUBJECT = Include("Observation", SUBJECT, permits=(("Patient", (Permit(),)),))
WITH_OBSERVATIONS = Include("Observation", SUBJECT, reverse=True, permits=(("Observation", (Permit(),)),))


def about(id: str) -> Clause:
    return ReferenceClause(SUBJECT, (("Patient", id),))


def named(value: str) -> Clause:
    return StringClause(numbers("Patient", "name"), (value,))


@pytest.fixture
async def full(postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> PostgresStore:
    """60 patients, more than a count looks at here; p1 has 15 observations, p3 the other 45."""
    monkeypatch.setattr(thresholds, "LIMITS", Limits(looks=(10, 40), hopes=(20, 60), far=200))
    people = [put(patient(f"F{n % 4}", str(n), gender="male"), f"p{n}") for n in range(60)]
    found = [put(observation(f"Patient/{'p1' if n < 15 else 'p3'}"), f"o{n}") for n in range(60)]
    await postgres.commit(commit(*people, *found))
    await postgres.search(asking(HEART, about("p3"), types=("Observation",)))  # now it knows what is many
    await postgres.search(asking(MALE, named("f1")))
    return postgres


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of searches from now on; a snapshot begins with BEGIN."""
    found: list[str] = []
    fetch, at_once = run.fetch, run.at_once

    async def noted(session: Any, sql: str, *values: Any) -> list[Any]:
        found.append(sql)
        return await fetch(session, sql, *values)

    async def begun(*arguments: Any) -> Any:
        found.append("BEGIN")
        return await at_once(*arguments)

    monkeypatch.setattr(run, "fetch", noted)
    monkeypatch.setattr(run, "at_once", begun)
    return found


async def test_a_page_that_is_not_full_takes_one_statement(full: PostgresStore, asked: list[str]) -> None:
    page = await full.search(asking(HEART, about("p1"), types=("Observation",)))
    assert ids(page) == [f"o{n}" for n in range(14, -1, -1)]
    assert len(asked) == 1


@pytest.mark.parametrize("count", [5, 20])
async def test_what_a_page_brings_along_takes_none_of_its_own(
    full: PostgresStore, asked: list[str], count: int
) -> None:
    query = asking(HEART, about("p1"), types=("Observation",), includes=(WITH_SUBJECT,), count=count)
    page = await full.search(query)
    assert ids(page) == [f"o{n}" for n in range(14, -1, -1)][:count]
    assert [one.id for one in page.included] == ["p1"]
    assert len(asked) == 1


async def test_only_what_is_on_the_page_brings_something_along(full: PostgresStore) -> None:
    page = await full.search(asking(named("f3"), includes=(WITH_OBSERVATIONS,), count=14))
    assert page.next is not None  # p3 is the last one of 15
    assert page.included == ()
    page = await full.search(asking(named("f3"), includes=(WITH_OBSERVATIONS,), after=page.next))
    assert ids(page) == ["p3"]
    assert sorted(one.id for one in page.included) == sorted(f"o{n}" for n in range(15, 60))


async def test_what_one_statement_does_not_decide_is_done_anew_in_a_snapshot(
    full: PostgresStore, asked: list[str]
) -> None:
    query = asking(MALE, named("f1"), includes=(WITH_OBSERVATIONS,))
    page = await full.search(query)
    assert ids(page) == [f"p{n}" for n in range(57, 0, -4)]
    assert sorted(one.id for one in page.included) == sorted(f"o{n}" for n in range(15))
    assert asked.count("BEGIN") == 1


def test_which_searches_one_statement_may_decide() -> None:
    simple = asking(HEART, types=("Observation",), includes=(WITH_SUBJECT,))
    assert run.settled(simple)
    for more in (
        Include("Observation", SUBJECT, iterate=True),
        Include("Observation", None),
        Include("Observation", (), names=(1,)),
        Include("Observation", SUBJECT, permits=(("Patient", (Permit(None, (MissingClause((1,), True),)),)),)),
    ):
        assert not run.settled(Query(simple.parts, includes=(*simple.includes, more)))
