"""PostgreSQL's index tables say exactly what the resources say: after writes, a migration, a kill amid one."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.writing import asking, commit, create, delete, ids, observation, patient, put, replace
from tests.durability import index_truth
from tests.oracle import adapter
from tests.oracle.populations import population

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.fhir.resource import Resource, draft
from hilum.problems import Misconfigured
from hilum.search.alternatives import Token
from hilum.search.clauses import (
    ChainClause,
    CompartmentClause,
    MissingClause,
    Part,
    Permit,
    StringClause,
    TextClause,
    TokenClause,
)
from hilum.search.index import index
from hilum.search.parameters import table
from hilum.search.query import Sort
from hilum.store import keyed, migrations
from hilum.store.keyed import Keys
from hilum.store.postgres import PostgresStore, open_postgres, reindex
from hilum.store.postgres.dialect import FOLDED, ordered
from hilum.store.postgres.encode import words
from hilum.store.postgres.run import settled
from hilum.store.postgres.tables import TABLES, numbers

COLUMNS = index_truth.TABLES | {"string": "param, coalesce(whole, folded), exact, rid"}


async def differences(admin: asyncpg.Connection) -> list[str]:
    """One line per table that differs from what indexing its resources again gives."""
    rids = {(TYPES[r[0] - 1], r[1]): r[2] for r in await admin.fetch("SELECT type, id, rid FROM resource")}
    keys = Keys(await admin.fetchval("SELECT value FROM meta WHERE key = 'secret'"))
    keys.numbers.update((text.decode(), n) for n, text in await admin.fetch("SELECT number, text FROM system"))
    shapes = {row[0]: (row[1], tuple(row[2])) for row in await admin.fetch("SELECT id, type, params FROM shape")}
    expected: dict[str, set[Any]] = {name: set() for name in TABLES}
    alive: dict[int, int] = {}
    terms, units, texts = set(), set(), {}
    wrong = []
    for rid, type, id, shape, body in await admin.fetch(
        "SELECT rid, type, id, shape, body FROM resource WHERE shape > 0"
    ):
        name = TYPES[type - 1]
        found = Resource(name, id, 1, 1, body)
        rows = index(name, found.body, id)
        for kind, some in index_truth.expected_rows(rows, rid, lambda *one: rids[one], keys).items():
            expected[kind] |= {_amounts_in_order(one) for one in some} if kind == "composite" else some
        alive[type] = alive.get(type, 0) + 1
        terms |= {(t.parameter, t.folded) for t in rows.terms}
        units |= {(q.parameter, q.system, q.code, q.unit) for q in rows.quantities}
        texts[rid] = tuple(set(text.split()) for text in words(body))
        if shapes[shape] != (type, numbers(rows)):
            wrong.append(f"shape: that of a {name} is another")
    for kind, columns in COLUMNS.items():
        listed = [tuple(row) for row in await admin.fetch(f"SELECT {columns} FROM {kind}")]
        if len(listed) != len(expected[kind]) or set(listed) != expected[kind]:
            wrong.append(
                f"{kind}: {len(expected[kind] - set(listed))} missing of {len(expected[kind])}, {len(listed)} there"
            )
    if not terms <= {tuple(row) for row in await admin.fetch("SELECT param, folded FROM term")}:
        wrong.append("term: some are missing")
    if not units <= {tuple(row) for row in await admin.fetch("SELECT param, system, code, display FROM unit")}:
        wrong.append("unit: some are missing")
    full = "SELECT rid, tsvector_to_array(narrative), tsvector_to_array(content) FROM fulltext"
    if {rid: (set(one), set(two)) for rid, one, two in await admin.fetch(full)} != texts:
        wrong.append("fulltext: says something else")
    tally = {row[0]: row[1] for row in await admin.fetch("SELECT type, sum(n)::int FROM tally GROUP BY type") if row[1]}
    if tally != alive:
        wrong.append(f"tally: {tally} instead of {alive}")
    return wrong


def _amounts_in_order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(ordered(value) if isinstance(value, float) else value for value in row)


@pytest.mark.parametrize("seed", range(1, 5))
async def test_the_index_says_what_the_resources_say(
    postgres: PostgresStore, admin: asyncpg.Connection, seed: int
) -> None:
    await adapter.fill(postgres, population(seed), seed)
    assert await differences(admin) == []


async def test_every_kind_of_row_is_written(postgres: PostgresStore, admin: asyncpg.Connection) -> None:
    bodies = [(body, f"s{seed}-{body['id']}") for seed in range(1, 6) for body in population(seed)]
    await postgres.commit(commit(*(put(body, id) for body, id in bodies)))
    assert [kind for kind in COLUMNS if not await admin.fetchval(f"SELECT count(*) FROM {kind}")] == []
    assert await differences(admin) == []


async def first_layout(admin: asyncpg.Connection, schema: str, bodies: list[dict[str, Any]]) -> None:
    """A store of the first schema with these resources, the last of them deleted, and no index rows."""
    await admin.execute(f"CREATE SCHEMA {schema}")
    await admin.execute(migrations.steps("postgres")[0].sql)
    await admin.execute("INSERT INTO meta VALUES ('schema', '1'), ('environment', 'sandbox')")
    for n, body in enumerate(bodies, 1):
        type, id = TYPE_NUMBER[body["resourceType"]], body["id"]
        gone = n == len(bodies)
        await admin.execute(
            "INSERT INTO resource (rid, seq, xid, version, type, method, id, body) "
            "VALUES ($1, $2, '0', 1, $3, $4, $5, $6)",
            type << 40 | n, n, type, 3 if gone else 1, id, None if gone else draft(body, id).stamp(1, n),
        )  # fmt: skip
    await admin.execute("SELECT setval('numbered', 1024)")


async def test_a_store_of_the_first_schema_is_indexed_anew(
    postgres_url: str, admin: asyncpg.Connection, schema: str
) -> None:
    bodies = population(3)
    await first_layout(admin, schema, bodies)
    with pytest.raises(Misconfigured, match="hilum migrate"):
        await open_postgres(postgres_url, schema=schema)
    store = await open_postgres(postgres_url, schema=schema, migrate=True)
    assert await differences(admin) == []
    assert await admin.fetchval("SELECT count(*) FROM resource WHERE shape > 0") == len(bodies) - 1
    for body in bodies[:-1]:
        found = await store.read(body["resourceType"], body["id"])
        assert found is not None and found.version == 1
    await store.close()


async def test_of_a_store_of_the_first_schema_systems_that_want_the_same_number_get_their_own(
    postgres_url: str, admin: asyncpg.Connection, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed, "xxh3_64_intdigest", lambda data, seed: 0)
    await first_layout(admin, schema, population(3))
    await (await open_postgres(postgres_url, schema=schema, migrate=True)).close()
    assert await differences(admin) == []
    assert await admin.fetchval("SELECT count(*) > 3 AND max(number) = count(*) FROM system")


async def test_indexing_anew_goes_on_where_it_was_stopped(
    postgres_url: str, admin: asyncpg.Connection, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await first_layout(admin, schema, population(4))
    monkeypatch.setattr(reindex, "run", _stops)
    with pytest.raises(ConnectionAbortedError):
        await open_postgres(postgres_url, schema=schema, migrate=True)
    monkeypatch.undo()
    with pytest.raises(Misconfigured, match="goes on where it stopped"):
        await open_postgres(postgres_url, schema=schema)
    session = await asyncpg.connect(postgres_url, server_settings={"search_path": schema})
    counted = [n async for n in reindex.run(session, 1, step=3)]
    assert max(counted) <= 3
    session.terminate()
    assert await differences(admin) == []
    assert await admin.fetchval("SELECT count(*) FROM reindex") == 0
    await (await open_postgres(postgres_url, schema=schema)).close()


_run = reindex.run


async def _stops(connection: asyncpg.Connection, guard: int, *, full_text: bool = True) -> AsyncIterator[int]:
    """Two small steps, then the machine dies."""
    n = 0
    async for done in _run(connection, guard, full_text=full_text, step=2):
        yield done
        n += 1
        if n == 2:
            raise ConnectionAbortedError


async def test_texts_longer_than_the_index_are_found_whole(postgres: PostgresStore) -> None:
    start = "ab" * (FOLDED // 2)
    for id, family in (("at", start), ("more", start + "xyz"), ("other", start + "xq"), ("short", "ab")):
        await create(postgres, patient(family), id)
    numbers = table("Patient")["family"].numbers

    async def found(text: str, match: str) -> list[str]:
        return sorted(ids(await postgres.search(asking(StringClause(numbers, (text,), match)))))

    assert await found(start, "starts") == ["at", "more", "other"]
    assert await found(start + "x", "starts") == ["more", "other"]
    assert await found(start + "xyz", "starts") == ["more"]
    assert await found(start, "exact") == ["at"]
    assert await found(start + "xyz", "exact") == ["more"]
    assert await found(start, "whole") == ["at"]
    assert await found(start + "xyz", "whole") == ["more"]
    assert await found("bxy", "contains") == ["more"]
    assert await found("abab", "contains") == ["at", "more", "other"]
    assert await found("ab", "ends") == ["at", "short"]
    assert await found("xyz", "ends") == ["more"]
    assert await found(start + "xyz", "ends") == ["more"]


async def test_a_text_with_a_nul_is_kept_and_found(postgres: PostgresStore, admin: asyncpg.Connection) -> None:
    made = await create(postgres, patient("Nu\0ll"), "a")
    numbers = table("Patient")["family"].numbers
    assert ids(await postgres.search(asking(StringClause(numbers, ("Nu\0",))))) == ["a"]
    assert ids(await postgres.search(asking(TextClause("content", ("nu ll",))))) == ["a"]
    await replace(postgres, made, patient("Other"))
    assert await admin.fetchval("SELECT count(*) FROM string WHERE folded LIKE 'nu%'") == 0


async def test_words_of_signs_are_no_syntax(postgres: PostgresStore) -> None:
    await create(postgres, patient("Back\\slash <b> |"), "a")
    for words_of, found in (("back slash", ["a"]), ("slash b", ["a"]), ("<b>", []), ("|", [])):
        assert ids(await postgres.search(asking(TextClause("content", (words_of,))))) == found


async def test_a_store_without_full_text_writes_no_words(
    postgres_url: str, schema: str, admin: asyncpg.Connection
) -> None:
    store = await open_postgres(postgres_url, schema=schema, full_text=False)
    await create(store, patient("Plain"), "a")
    await store.close()
    assert await admin.fetchval("SELECT count(*) FROM fulltext") == 0


async def test_a_shape_that_another_process_learned_is_known(
    postgres: PostgresStore, postgres_url: str, schema: str
) -> None:
    missing = asking(MissingClause(table("Patient")["birthdate"].numbers, True))
    assert ids(await postgres.search(missing)) == []
    other = await open_postgres(postgres_url, schema=schema)
    await create(other, patient("A"), "a")
    await create(other, patient("B", birthDate="1970-01-01"), "b")
    await other.close()
    assert ids(await postgres.search(missing)) == ["a"]


async def test_a_deletion_and_its_return_are_counted(postgres: PostgresStore, admin: asyncpg.Connection) -> None:
    made = await create(postgres, patient("A"), "a")
    gone = await delete(postgres, await replace(postgres, made, patient("B")))
    assert (await postgres.counts()).types == {}
    back = Resource("Patient", "a", gone.version, gone.seq, b"", "DELETE")
    await postgres.commit(commit(put(patient("C"), "a", over=back), put(observation("Patient/a"), "o")))
    assert (await postgres.counts()).types == {"Patient": 1, "Observation": 1}
    assert await differences(admin) == []


async def test_pages_of_a_sorted_search_agree_in_one_snapshot(postgres: PostgresStore) -> None:
    for n in range(30):
        await create(postgres, patient(f"F{n % 7}", birthDate=f"19{n + 10}-01-01"), f"p{n}")
    numbers = table("Patient")
    sort = (Sort("family", "string", (("Patient", numbers["family"].numbers),)),)
    whole = ids(await postgres.search(asking(sort=sort, count=100)))
    pages: list[str] = []
    after = None
    while True:
        page = await postgres.search(asking(sort=sort, count=4, after=after))
        pages += ids(page)
        after = page.next
        if after is None:
            break
    assert pages == whole
    assert len(whole) == 30


def test_what_one_statement_decides_needs_no_snapshot() -> None:
    code = TokenClause((1,), (Token("a", "b"),))
    everybody = (Permit(None),)
    assert settled(asking(code))
    assert settled(asking(code, permits=((Permit((("Patient", "1"),), (code,)),),)))
    assert not settled(asking(code, total="accurate"))
    assert not settled(asking(code, sort=(Sort("_id", "id"),)))
    assert not settled(asking(ChainClause((1,), (Part("Patient", (), everybody),))))
    assert not settled(asking(MissingClause((1,), True)))
    assert not settled(asking(code, permits=((Permit(None, (MissingClause((1,), True),)),),)))
    assert settled(asking(CompartmentClause((("Patient", "1"),))))


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_integers_stand_in_the_order_of_their_doubles(one: float, other: float) -> None:
    assert (ordered(one) < ordered(other)) is (one < other)
    assert (ordered(one) == ordered(other)) is (one == other)
    assert struct.calcsize("q") == 8 and -(1 << 63) <= ordered(one) < 1 << 63
