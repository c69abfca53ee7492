"""PostgreSQL runs searches as they were planned, whatever it estimates: by indexes, stopping early, unjoined.

Seen in EXPLAIN of the generic plans that sessions keep.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from msgspec.structs import replace
from tests.contract.writing import commit, observation, patient, put
from tests.oracle import adapter

from hilum.access.confine import confine
from hilum.access.policy import EVERYTHING
from hilum.search.parse import parse_query
from hilum.store.plan import moments, thresholds
from hilum.store.plan.thresholds import Limits
from hilum.store.postgres import PostgresStore, open_postgres, run
from hilum.store.postgres.connection import Session, fetch

SEARCHES = (
    "Observation?code=http://loinc.org|common",
    "Observation?code=common",
    "Observation?code=http://loinc.org|",
    "Observation?subject=Patient/p1&code=http://loinc.org|common",
    "Observation?date=2020-01-05",
    "Observation?date=ge2020&code=http://loinc.org|common",
    "Observation?code=http://loinc.org|common&_sort=-date",
    "Observation?_sort=date",
    "Observation?_sort=-_lastUpdated",
    "Observation?value-quantity=gt5||mg",
    "Observation?code-value-quantity=common$gt5||mg",
    "Observation?subject:Patient.family=F3",
    "Observation?subject:Patient.gender=male",
    "Patient?_has:Observation:subject:code=common",
    "Patient?family=f1&gender=male",
    "Patient?family:contains=3&_sort=-family",
    "Patient?birthdate:missing=true",
    "Patient?gender:not=male&_total=accurate",
    "Observation?_content=word&status=final",
    "Observation?code:text=common&_include=Observation:subject",
    "Patient?family=F3&_revinclude=Observation:subject",
    "Observation?_sort=-_id",
    "Observation?code=http://loinc.org|common&_sort=subject,-date",
    "?_type=Patient,Observation&_lastUpdated=gt2020",
)
DATA = "token|string|date|quantity|reference|composite|near|compartment|resource|fulltext|old|system"


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[PostgresStore]:
    """1,500 resources, and statistics of them."""
    store = await open_postgres(postgres_url, schema="plans")
    if not (await store.counts()).types:
        await store.commit(commit(*[put(_patient(n), f"p{n}") for n in range(300)]))
        await store.commit(commit(*[put(_observation(n), f"o{n}") for n in range(1200)]))
        await store._pool.run(lambda session: session.db.execute("VACUUM ANALYZE"))
    yield store
    await store.close()


def _patient(n: int) -> dict[str, Any]:
    return patient(f"F{n % 60}", gender=("male", "female")[n % 2], birthDate=f"{1930 + n % 70}-03-04")


def _observation(n: int) -> dict[str, Any]:
    code = "common" if n % 3 else f"rare{n % 40}"
    amount = {"value": n % 9, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    note = [{"text": f"a word and w{n}"}]
    when = f"2020-{n % 12 + 1:02}-{n % 28 + 1:02}"
    return observation(f"Patient/p{n % 300}", code, effectiveDateTime=when, valueQuantity=amount, note=note)


async def explained(
    store: PostgresStore,
    search: str,
    monkeypatch: pytest.MonkeyPatch,
    limits: Limits = thresholds.LIMITS,
    between: Callable[[], Awaitable[None]] | None = None,
) -> list[tuple[str, str]]:
    """(statement, its plan as it was run) of each statement of a search, or of its second page, after `between`."""
    type, _, asked = search.partition("?")
    query = confine(parse_query(type or None, parse_qsl(asked)).query, EVERYTHING)
    if between is not None:
        query = replace(query, after=(await store.search(query)).next)
        assert query.after is not None
        await between()
    seen: list[tuple[str, tuple[Any, ...]]] = []

    async def noted(session: Session, sql: str, *values: Any) -> list[Any]:
        seen.append((sql, values))
        return await fetch(session, sql, *values)

    monkeypatch.setattr(run, "fetch", noted)
    monkeypatch.setattr(thresholds, "LIMITS", limits)
    await store.search(query)
    monkeypatch.undo()

    async def explain(session: Session) -> list[tuple[str, str]]:
        found = []
        for sql, values in seen:
            await session.db.execute(f"PREPARE one AS {sql}")
            asked = f"({', '.join(map(_literal, values))})" if values else ""
            rows = await session.db.fetch(f"EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) EXECUTE one{asked}")
            found.append((sql, "\n".join(row[0] for row in rows)))
            await session.db.execute("DEALLOCATE one")
        return found

    return await store._pool.run(explain)


def _literal(value: Any) -> str:
    text = "{" + ",".join(map(str, value)) + "}" if isinstance(value, list) else str(value)
    return "'" + text.replace("'", "''") + "'"


@pytest.mark.parametrize("limits", adapter.WAYS[:3])
@pytest.mark.parametrize("search", SEARCHES)
async def test_every_statement_goes_by_indexes(
    postgres: PostgresStore, search: str, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    _by_indexes(await explained(postgres, search, monkeypatch, limits))


@pytest.mark.parametrize("limits", (adapter.WAYS[0], adapter.WAYS[1], adapter.WAYS[4]))
@pytest.mark.parametrize("search", [one for one in SEARCHES if "_sort" in one] + ["?_sort=-_lastUpdated"])
async def test_every_statement_of_a_second_page_goes_by_indexes(
    postgres: PostgresStore, search: str, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write() -> None:
        for id in ("p299", "p33"):
            head = await postgres.read("Patient", id)
            assert head is not None
            await postgres.commit(commit(put(head.body, id, over=head)))

    plans = await explained(postgres, search, monkeypatch, limits, write)
    _by_indexes(plans)
    assert any("old_version" in plan for _, plan in plans) == ("Observation?" not in search), plans


async def test_of_very_many_later_writes_those_of_new_names_are_told_by_the_index(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write() -> None:
        head = await postgres.read("Patient", "p33")
        assert head is not None
        late = [put(_patient(n), f"late{n}-{head.version}") for n in range(200)]
        await postgres.commit(commit(put(head.body, "p33", over=head), *late))

    monkeypatch.setattr(moments, "LATER", 100)
    plans = await explained(postgres, "Patient?family:contains=3&_sort=-family", monkeypatch, between=write)
    _by_indexes(plans)
    counted = [re.search(r"Index Only Scan using resource_type_seq.*actual rows=([\d.]+)", plan) for _, plan in plans]
    assert len([one for one in counted if one is not None]) > 1, plans
    assert any("old_version" in plan for _, plan in plans), plans


def _by_indexes(plans: list[tuple[str, str]]) -> None:
    for sql, plan in plans:
        assert not re.search(rf"Seq Scan on ({DATA})\b|Hash Join|Merge Join|Gather", plan), (sql, plan)
        assert not re.search(rf"Materialize\n.* on ({DATA})\b", plan), (sql, plan)
        assert not re.search(r"Filter: .*\(rid = (?!\(hashed)", plan), (sql, plan)
        for node in re.findall(rf"Index (?:Only )?Scan[^\n]* on (?:{DATA})\b[^\n]*\n([^\n]*)", plan):
            assert "Index Cond" in node, (sql, plan)
        if " IN (SELECT" in sql:
            assert "hashed SubPlan" in plan, (sql, plan)
        if "a.high AS v" not in sql:
            assert "date_high" not in plan, (sql, plan)


async def test_the_newest_of_a_common_code_are_walked_and_no_others(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who has not met the system asks for its number first.
    (*_, (_, plan)) = await explained(postgres, "Observation?code=http://loinc.org|common", monkeypatch)
    walked = re.search(r"Index Only Scan Backward using token_key.*actual rows=([\d.]+)", plan)
    assert walked is not None and float(walked[1]) == 21, plan


async def test_the_latest_dates_are_walked_and_no_others(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = [plan for _, plan in await explained(postgres, "Observation?_sort=-date", monkeypatch)]
    walked = [re.search(r"Scan Backward using date_high.*actual rows=([\d.]+)", plan) for plan in plans]
    assert [float(one[1]) < 100 for one in walked if one is not None] == [True], plans


async def test_a_search_of_one_statement_opens_no_transaction(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    async def work(session: Session) -> None:
        session.db.add_query_logger(lambda record: said.append(record.query))

    await postgres._pool.run(work)
    await explained(postgres, "Observation?code=http://loinc.org|common", monkeypatch)
    assert not [sql for sql in said if sql.startswith("BEGIN")]
    said.clear()
    await explained(postgres, "Observation?code=http://loinc.org|common&_total=accurate", monkeypatch)
    assert [sql.split()[0] for sql in said if sql.startswith(("BEGIN", "COMMIT"))] == ["BEGIN", "COMMIT"]
