"""How a page newest first begins: counts go no further than it takes, and what is many is remembered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.contract.writing import asking, commit, ids, numbers, observation, patient, put, token

from hilum.search.alternatives import DateRange
from hilum.search.clauses import Clause, DateClause, Permit, ReferenceClause, StringClause
from hilum.search.query import Include, Query
from hilum.store.keyed import Keys
from hilum.store.plan import thresholds
from hilum.store.plan.access import Later
from hilum.store.plan.planning import Again, Planning
from hilum.store.plan.search import search
from hilum.store.plan.thresholds import Limits
from hilum.store.sql import Part
from hilum.store.sqlite import open_sqlite
from hilum.store.sqlite.connection import connect, rows
from hilum.store.sqlite.dialect import Sqlite
from hilum.store.sqlite.store import SqliteStore
from hilum.store.sqlite.systems import secret

MALE = token("Patient", "gender", "male", "http://hl7.org/fhir/administrative-gender")
HEART = token("Observation", "code", "8867-4", "http://loinc.org")
SUBJECT = numbers("Observation", "subject")
LIMITS = Limits(looks=(10, 40), hopes=(20, 60), far=200)


def about(id: str) -> Clause:
    return ReferenceClause(SUBJECT, (("Patient", id),))


def named(value: str) -> Clause:
    return StringClause(numbers("Patient", "name"), (value,))


@pytest.fixture
async def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    """100 patients, more than a count looks at here; p1 has 15 observations, p2 has 5, p3 the other 80."""
    monkeypatch.setattr(thresholds, "LIMITS", LIMITS)
    made = await open_sqlite(str(tmp_path / "store.sqlite"))
    people = [put(patient(f"F{n % 4}", str(n), gender="male", birthDate=f"{1900 + n}"), f"p{n}") for n in range(100)]
    owners = ["p1"] * 15 + ["p2"] * 5 + ["p3"] * 80
    found = [put(observation(f"Patient/{owner}"), f"o{n}") for n, owner in enumerate(owners)]
    await made.commit(commit(*people, *found))
    yield made
    await made.close()


class Asking:
    """A connection and what its searches ask of it."""

    def __init__(self, path: str) -> None:
        self.db = connect(path, readonly=True)
        self.dialect = Sqlite(Keys(secret(self.db)))
        self.asked: list[str] = []

    def of(self, query: Query, on: Planning | None = None) -> list[str]:
        """The ids of the page; `asked` are the statements."""
        self.asked = []
        steps = search(self.dialect, query, on)
        try:
            part = next(steps)
            while True:
                self.asked.append(part.sql)
                part = steps.send(rows(self.db, part.sql, part.values))
        except StopIteration as stop:
            return ids(stop.value)

    @property
    def counts(self) -> int:
        """How many statements only counted."""
        return sum(sql.startswith("SELECT (SELECT count(*)") for sql in self.asked)


def observations(*clauses: Clause) -> Query:
    return asking(*clauses, types=("Observation",))


def test_what_is_many_is_counted_once(full: SqliteStore) -> None:
    at = Asking(full.path)
    expected = [f"o{n}" for n in range(14, -1, -1)]
    assert at.of(observations(HEART, about("p1"))) == expected
    assert at.counts == 1
    assert at.of(observations(HEART, about("p1"))) == expected
    assert at.counts == 0


def test_what_is_walked_uncounted_is_complete_when_it_ends(full: SqliteStore) -> None:
    at = Asking(full.path)
    at.of(observations(HEART, about("p3")))
    assert at.of(observations(HEART, about("p2"))) == [f"o{n}" for n in range(19, 14, -1)]
    assert at.counts == 0
    assert at.of(observations(HEART, about("p100"))) == []


def test_what_is_not_found_in_the_hope_is_counted_further(full: SqliteStore) -> None:
    at = Asking(full.path)
    assert at.of(asking(MALE, named("f1"))) == [f"p{n}" for n in range(97, 18, -4)]
    assert at.counts == 2


async def test_a_memory_that_is_wrong_finds_the_same(full: SqliteStore) -> None:
    at = Asking(full.path)
    at.of(observations(HEART, about("p3")))
    some = []
    for n in range(20, 100):
        before = await full.read("Observation", f"o{n}")
        assert before is not None
        some.append(put(observation("Patient/p4", code="9"), f"o{n}", over=before))
    await full.commit(commit(*some))
    assert at.of(observations(HEART, about("p3"))) == []
    assert at.of(observations(HEART, about("p1"))) == [f"o{n}" for n in range(14, -1, -1)]


def born_after(year: int) -> Clause:
    last = int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000 - 1
    return DateClause(numbers("Patient", "birthdate"), (DateRange("gt", last, last),))


def test_what_had_its_page_full_is_walked_before_it_is_counted(full: SqliteStore) -> None:
    at = Asking(full.path)

    def page(year: int) -> list[str]:
        return at.of(asking(MALE, born_after(year), count=5))

    newest = ["p99", "p98", "p97", "p96", "p95"]
    assert (page(1910), at.counts) == (newest, 1)
    assert (page(1911), at.counts) == (newest, 0)
    assert (page(1997), at.counts) == (["p99", "p98"], 1)  # the walk was in vain; what is few drives
    assert (page(1912), at.counts) == (newest, 1)  # and the memory is gone
    assert (page(1913), at.counts) == (newest, 0)


def test_arms_that_nobody_walks_are_never_made() -> None:
    made: list[int] = []

    def make() -> list[Part]:
        made.append(1)
        return [Part("a"), Part("b")]

    arms = Later(2, make)
    assert (len(arms), bool(arms), made) == (2, True, [])
    assert [*arms] == [arms[0], *arms[1:]] == [Part("a"), Part("b")]
    assert made == [1]


def test_where_nothing_holds_moments_together_one_statement_decides(full: SqliteStore) -> None:
    at = Asking(full.path)
    assert at.of(observations(about("p3")), Planning(at.dialect, single=True))[0] == "o99"
    with pytest.raises(Again):
        at.of(asking(MALE, named("f1")), Planning(at.dialect, single=True))


def test_an_include_and_its_page_ask_for_each_body_once(full: SqliteStore) -> None:
    at = Asking(full.path)
    include = Include("Observation", SUBJECT, permits=(("Patient", (Permit(),)),))
    query = asking(HEART, about("p1"), types=("Observation",), includes=(include,))
    assert len(at.of(query)) == 15
    assert sum("r.body" in sql for sql in at.asked) == 2


@pytest.mark.parametrize("total", ["accurate", "estimate"])
def test_a_total_is_counted_along_the_clause_and_not_over_all_resources(full: SqliteStore, total: str) -> None:
    at = Asking(full.path)
    query = asking(named("f"), total=total)
    assert len(at.of(query)) == 20
    counted = [sql for sql in at.asked if "count(*)" in sql][-1]
    assert "FROM string a" in counted
    assert "FROM resource a" not in counted
