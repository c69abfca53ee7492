"""SQLite's plans: what drives a search, what may run on the event loop, and what an error of the driver becomes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.contract.writing import ALL, asking, commit, ids, numbers, observation, patient, put, token

from hilum.problems import Busy, Invalid, Unprocessable
from hilum.search.alternatives import DateRange as Range
from hilum.search.clauses import (
    AnyClause,
    ChainClause,
    Clause,
    HasClause,
    LastUpdatedClause,
    NotClause,
    Part,
    Permit,
    ReferenceClause,
    StringClause,
    TextClause,
)
from hilum.search.query import Query, Sort
from hilum.store import lanes
from hilum.store.keyed import Keys
from hilum.store.plan import thresholds
from hilum.store.plan.dialect import Steps
from hilum.store.plan.search import explain, search
from hilum.store.plan.told import lines
from hilum.store.sqlite import open_sqlite, store
from hilum.store.sqlite.connection import Patience, connect, row, rows, translated
from hilum.store.sqlite.dialect import Sqlite
from hilum.store.sqlite.run import at_once
from hilum.store.sqlite.store import SqliteStore
from hilum.store.sqlite.systems import secret

MINE = (Permit((("Patient", "p1"),)),)
MALE = token("Patient", "gender", "male")
MRN = token("Patient", "identifier", "7", "urn:mrn")
HEART = token("Observation", "code", "8867-4", "http://loinc.org")
SUBJECT = numbers("Observation", "subject")


def named(value: str, match: str = "starts") -> Clause:
    return StringClause(numbers("Patient", "name"), (value,), match)


@pytest.fixture
async def full(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """3,000 patients, more than a count looks at; one of them has two observations, the rest one."""
    made = await open_sqlite(str(tmp_path / "store.sqlite"))
    people = [put(patient(f"F{n}", str(n), gender="male"), f"p{n}") for n in range(3000)]
    found = [put(observation(f"Patient/p{n % 2999}"), f"o{n}") for n in range(3000)]
    await made.commit(commit(*people, *found))
    yield made
    await made.close()


async def drivers(full: SqliteStore, query: Query) -> list[str]:
    """What drives, in the order in which it was decided: what is asked of others first."""
    return [step["driver"] for step in (await full.explain(query))[1] if step["step"] == "driver"]


@pytest.mark.parametrize(
    ("query", "driver"),
    [
        (asking(), ["all resources of the type"]),
        (asking(MALE), ["token"]),
        (asking(MALE, MRN), ["token"]),
        (asking(named("f"), MRN), ["token"]),
        (asking(named("f700"), MALE), ["string"]),
        (asking(NotClause(MALE)), ["all resources of the type"]),
        (asking(NotClause(MALE), MRN), ["token"]),
        (asking(AnyClause((MRN, named("f700")))), ["any"]),
        (asking(types=("Observation",), permits=(MINE,)), ["compartment"]),
        (asking(HEART, types=("Observation",), permits=(MINE,)), ["compartment"]),
        (asking(ChainClause(SUBJECT, (Part("Patient", (MRN,), ALL),)), types=("Observation",)), ["token", "chain"]),
        (
            asking(HEART, ChainClause(SUBJECT, (Part("Patient", (MALE,), ALL),)), types=("Observation",)),
            ["token", "token"],
        ),
        (
            asking(
                HasClause(Part("Observation", (ReferenceClause(SUBJECT, (("Patient", "p1"),)),), ALL), SUBJECT), MALE
            ),
            ["reference", "_has"],
        ),
    ],
)
async def test_the_clause_with_the_fewest_rows_drives(full: SqliteStore, query: Query, driver: list[str]) -> None:
    assert await drivers(full, query) == driver


async def test_explain_names_no_values(full: SqliteStore) -> None:
    told = str((await full.explain(asking(named("f700"), MRN)))[1])
    assert "f700" not in told
    assert "urn:mrn" not in told


class Counted:
    """A connection's work, in steps of SQLite's machine."""

    def __init__(self, path: str) -> None:
        self.db = connect(path, readonly=True)
        self.steps = 0
        self.db.set_progress_handler(self._step, 50)

    def _step(self) -> bool:
        self.steps += 50
        return False

    def of(self, query: Query) -> int:
        """How many a search takes."""
        at_once(self.db, search(Sqlite(Keys(secret(self.db))), query))
        self.steps = 0
        at_once(self.db, search(Sqlite(Keys(secret(self.db))), query))
        return self.steps


BY_FAMILY = Sort("family", "string", (("Patient", numbers("Patient", "family")),))


@pytest.mark.parametrize(
    "query",
    [
        asking(MALE),
        asking(MALE, named("f2")),
        asking(named("f")),
        asking(MALE, sort=(BY_FAMILY,)),
        asking(sort=(BY_FAMILY,)),
        asking(MALE, sort=(Sort("_lastUpdated", "updated", (), True),)),
        asking(ChainClause(SUBJECT, (Part("Patient", (MALE,), ALL),)), types=("Observation",)),
        asking(HasClause(Part("Observation", (HEART,), ALL), SUBJECT)),
        asking(LastUpdatedClause((Range("ge", 0, 0),))),
    ],
)
async def test_a_page_of_many_visits_a_fraction_of_them(
    full: SqliteStore, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3,000 match; looking at each once, and no more than that, takes some 100,000 steps. What a plan counts and walks
    before it decides is bounded, whatever there is: here by a tenth of the usual."""
    monkeypatch.setattr(thresholds, "LIMITS", thresholds.Limits(looks=(20, 200), hopes=(30, 300), far=400, walk=3000))
    assert Counted(full.path).of(query) < 25_000


async def test_a_search_that_takes_longer_than_its_turn_goes_on_in_a_thread(
    full: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[str] = []

    def noted(*arguments: Any) -> Any:
        where.append(threading.current_thread().name)
        return at_once(*arguments)

    monkeypatch.setattr(store, "at_once", noted)
    query = asking(MALE, count=1000)
    assert len((await full.search(query)).resources) == 1000
    assert where[0] == "MainThread"
    monkeypatch.setattr(store, "TURN_SECONDS", -1.0)
    assert len((await full.search(query)).resources) == 1000
    assert where[-1].startswith("hilum-sqlite-reader")


async def test_a_search_that_takes_too_long_on_a_thread_is_too_costly(
    full: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = asking(named("f7", "contains"), total="accurate")
    found = (await full.search(query)).total
    monkeypatch.setattr(store, "SHORT_SECONDS", -1.0)
    assert (await full.search(query)).total == found  # in the long lane
    monkeypatch.setattr(store, "SEARCH_SECONDS", -1.0)
    with pytest.raises(Unprocessable) as caught:
        await full.search(query)
    assert [issue.code for issue in caught.value.issues] == ["too-costly"]
    monkeypatch.undo()
    assert len((await full.search(query)).resources) == 20
    assert len(await full.changes(0, 2000)) == 2000


async def test_a_search_that_comes_after_the_time_of_its_request_is_too_costly(full: SqliteStore) -> None:
    async def request(seconds: float) -> Any:
        lanes.begin(seconds)
        return await full.search(asking(named("f7", "contains"), total="accurate"))

    assert (await asyncio.create_task(request(10))).total
    with pytest.raises(Unprocessable, match="the same request"):
        await asyncio.create_task(request(0))


async def test_long_searches_never_hold_up_short_ones(full: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is long is played by threads that wait: two in the long lane, and as many behind them as may queue.

    The two come first: which of many that begin together is the first in the lane, the threads decide.
    """
    go_on = threading.Event()
    query = asking(named("f7", "contains"), total="accurate")
    found = (await full.search(query)).total
    monkeypatch.setattr(store, "SEARCH_SECONDS", 600.0)  # on a busy machine this takes its time
    monkeypatch.setattr(store, "SHORT_SECONDS", -1.0)
    real = store.at_once

    def slow(db: Any, steps: Any) -> Any:
        if threading.current_thread().name.startswith("hilum-sqlite-scan"):
            go_on.wait()
        return real(db, steps)

    monkeypatch.setattr(store, "at_once", slow)
    long: list[asyncio.Task[Any]] = []
    try:
        async with asyncio.timeout(120):  # what does not come about fails here, where the threads are let go
            long += [asyncio.create_task(full.search(query)) for _ in range(lanes.LONG)]
            while full._lane._free:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            long += [asyncio.create_task(full.search(query)) for _ in range(lanes.QUEUE)]
            while len(full._lane._waiting) < lanes.QUEUE:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            with pytest.raises(Busy, match="Too many long searches"):
                await full.search(query)
            long[0].cancel()  # nobody waits for it any more, but its thread goes on: the place stays taken
            await asyncio.sleep(0)
            with pytest.raises(Busy, match="Too many long searches"):
                await full.search(query)
            monkeypatch.setattr(store, "SHORT_SECONDS", 10.0)
            assert (await full.search(query)).total == found
            assert len(await full.changes(0, 2000)) == 2000
    finally:
        go_on.set()
    assert [one.total for one in await asyncio.gather(*long[1:])] == [found] * (len(long) - 1)


async def test_what_a_search_reads_is_of_one_moment(full: SqliteStore) -> None:
    """Between the statements of a plan another process writes; the plan sees the moment that it began in."""
    db = connect(full.path, readonly=True)
    steps = search(Sqlite(Keys(secret(db))), asking(MRN, named("f7")))
    db.execute("BEGIN")
    part = next(steps)
    answer = rows(db, part.sql, part.values)
    before = await full.read("Patient", "p7")
    assert before is not None
    await full.commit(commit(put(patient("Else"), "p7", over=before)))
    try:
        while True:
            part = steps.send(answer)
            answer = rows(db, part.sql, part.values)
    except StopIteration as stop:
        assert ids(stop.value) == ["p7"]
    db.close()
    assert ids(await full.search(asking(MRN, named("f7")))) == []


def test_patience_ends_a_statement_and_nothing_outside_its_block(tmp_path: Path) -> None:
    db = connect(str(tmp_path / "x.sqlite"))
    patience = Patience(db)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    started = time.monotonic()
    with pytest.raises(apsw.InterruptError), patience.within(0.01):
        row(db, endless)
    assert time.monotonic() - started < 5
    assert row(db, f"{endless.removesuffix(' FROM n')} FROM (SELECT x FROM n LIMIT 100000)") == (100000,)
    db.close()


def test_an_error_of_our_own_sql_is_a_defect_and_no_reason_to_try_again(tmp_path: Path) -> None:
    db = connect(str(tmp_path / "x.sqlite"))
    for sql in ("SELEC 1", "SELECT " + ",".join("?" * 40_000), "SELECT 1 WHERE " + " OR ".join(["1"] * 2000)):
        with pytest.raises(apsw.SQLError):
            rows(db, sql)
    db.close()


@pytest.mark.parametrize(
    "error", [apsw.BusyError(), apsw.LockedError(), apsw.FullError(), apsw.IOError(), apsw.CantOpenError()]
)
def test_what_may_pass_is_busy(error: apsw.Error) -> None:
    assert isinstance(translated(error), Busy)


async def test_explaining_is_searching(full: SqliteStore) -> None:
    db = connect(full.path, readonly=True)
    page, steps = at_once(db, explain(Sqlite(Keys(secret(db))), asking(MALE, count=5)))
    assert page == await full.search(asking(MALE, count=5))
    assert [step["step"] for step in steps] == ["driver", "statements", "page", "statements"]
    assert steps[2] == {"step": "page", "resources": 5, "more": True, "included": 0}
    assert steps[3] | {"ms": 0} == {"step": "statements", "count": 1, "rows": 6, "ms": 0}
    assert lines(steps) == [
        "Patient: gender drives (token)",
        "    nothing is counted: it is alone, and walks in order until the page is full",
        f"    1 statement, 1 row, {steps[1]['ms']:.2f} ms",
        "page: 5 resources, and there are more",
        f"    1 statement, 6 rows, {steps[3]['ms']:.2f} ms",
    ]
    db.close()


async def test_without_full_text_words_are_refused_not_missed(tmp_path: Path) -> None:
    plain = await open_sqlite(str(tmp_path / "plain.sqlite"), full_text=False)
    await plain.commit(commit(put(patient("Chalmers"), "a"), to=plain))
    with pytest.raises(Invalid, match="full_text"):
        await plain.search(asking(TextClause("content", ("chalmers",))))
    await plain.close()


def test_a_search_that_runs_out_of_time_leaves_no_transaction_open() -> None:
    """SQLite counts a kept COMMIT's steps over its whole life: about every 668th reaches the progress handler."""
    db = apsw.Connection(":memory:")
    patience = Patience(db)

    def steps() -> Steps[int]:
        return 1
        yield

    for _ in range(2000):
        with suppress(apsw.InterruptError), patience.within(-1):
            at_once(db, steps())
        assert not db.in_transaction
