"""SQLite's plans: what drives a search, what may run on the event loop, and what an error of the driver becomes."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from tests.contract.writing import ALL, commit, observation, patient, put

from hilum.problems import Busy, Unprocessable
from hilum.search.parse import parse_query
from hilum.search.query import Permit
from hilum.store.sqlite import open_sqlite, select, store
from hilum.store.sqlite.connection import Patience, connect, row, rows, translated
from hilum.store.sqlite.store import SqliteStore

MINE = (Permit((("Patient", "p1"),)),)


@pytest.fixture
async def full(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """1,500 patients, more than a count looks at; one of them has two observations, the rest one."""
    made = await open_sqlite(str(tmp_path / "store.sqlite"))
    people = [put(patient(f"F{n}", str(n), gender="male"), f"p{n}") for n in range(1500)]
    found = [put(observation(f"Patient/p{n % 1499}"), f"o{n}") for n in range(1500)]
    await made.commit(commit(*people, *found))
    yield made
    await made.close()


def planned(full: SqliteStore, type: str, pairs: str, permits: tuple[Permit, ...] = ALL) -> select.Statement:
    asked = [tuple(pair.split("=")) for pair in pairs.split("&") if pair]
    db = connect(full.path, readonly=True)
    try:
        return select.prepare(db, parse_query(type, asked, permits=(permits,)).query)  # type: ignore[arg-type]
    finally:
        db.close()


@pytest.mark.parametrize(
    ("type", "pairs", "permits", "bounded"),
    [
        ("Patient", "", ALL, True),
        ("Observation", "", MINE, True),
        ("Observation", "code=8867-4", MINE, True),
        ("Patient", "identifier=urn:mrn|7", ALL, True),
        ("Patient", "gender=male", ALL, True),
        ("Patient", "gender=male&identifier=urn:mrn|7", ALL, True),
        ("Patient", "gender=male&_lastUpdated=ge2020", ALL, False),
        ("Patient", "gender=male&name=zzz", ALL, True),
        ("Patient", "name=f", ALL, False),
        ("Patient", "name:contains=f7", ALL, False),
        ("Patient", "identifier=urn:mrn|7&name:contains=f7", ALL, False),
        ("Patient", "identifier=urn:mrn|7&address:missing=true", ALL, False),
        ("Patient", "address:missing=true", ALL, False),
        ("Patient", "gender:not=female", ALL, False),
        ("Patient", "gender=male&_sort=_lastUpdated", ALL, False),
        ("Patient", "_sort=_lastUpdated", ALL, False),
        ("Patient", "identifier=urn:mrn|7&_sort=_lastUpdated", ALL, True),
    ],
)
async def test_only_what_visits_few_rows_is_called_bounded(
    full: SqliteStore, type: str, pairs: str, permits: tuple[Permit, ...], bounded: bool
) -> None:
    assert planned(full, type, pairs, permits).bounded is bounded


async def test_a_token_for_one_patient_drives_by_the_compartment(full: SqliteStore) -> None:
    for pairs in ("", "code=8867-4", "_lastUpdated=ge2020"):
        assert planned(full, "Observation", pairs, MINE).candidates.sql.startswith("SELECT k.rid FROM compartment k")
    query = parse_query("Observation", [], permits=(MINE,)).query
    assert sorted(one.id for one in (await full.search(query)).resources) == ["o1"]


async def test_a_search_that_takes_longer_than_its_turn_goes_on_in_a_thread(
    full: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[str] = []
    run = select.run

    def noted(*arguments: object) -> object:
        where.append(threading.current_thread().name)
        return run(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(select, "run", noted)
    query = parse_query("Patient", [("gender", "male")], permits=(ALL,), default_count=1000).query
    assert len((await full.search(query)).resources) == 1000
    monkeypatch.setattr(store, "TURN_SECONDS", -1.0)
    assert len((await full.search(query)).resources) == 1000
    assert where[0] == "MainThread"
    assert where[-1].startswith("hilum-sqlite-reader")


async def test_a_search_that_takes_too_long_on_a_thread_is_too_costly(
    full: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = parse_query("Patient", [("name:contains", "f7")], permits=(ALL,)).query
    monkeypatch.setattr(store, "SEARCH_SECONDS", -1.0)
    with pytest.raises(Unprocessable) as caught:
        await full.search(query)
    assert [issue.code for issue in caught.value.issues] == ["too-costly"]
    monkeypatch.undo()
    assert len((await full.search(query)).resources) == 20
    assert len(await full.changes(0, 2000)) == 2000


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
