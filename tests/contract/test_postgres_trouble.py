"""PostgreSQL in trouble: what is worth another try, what is a defect of ours, and what takes too long."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from tests.contract.writing import asking, chronicle, create, mrn, patient

from hilum.problems import Busy, Damaged, Misconfigured, Problem, Unprocessable
from hilum.search.alternatives import DateRange
from hilum.search.clauses import LastUpdatedClause
from hilum.store.postgres import PostgresStore, connection, open_postgres

Session = connection.Session


@pytest.fixture
async def postgres(postgres_url: str, schema: str) -> AsyncIterator[PostgresStore]:
    store = await open_postgres(postgres_url, schema=schema, search_seconds=0.5)
    yield store
    await store.close()


def raising(state: str, level: str = "EXCEPTION") -> Callable[[Session], Awaitable[None]]:
    """Work that PostgreSQL itself answers with that SQLSTATE, and with a text that quotes what nobody should see."""

    async def work(session: Session) -> None:
        await session.db.execute(f"DO $$ BEGIN RAISE {level} 'Chalmers' USING ERRCODE = '{state}'; END $$")

    return work


TRANSIENT = ["08000", "08006", "25006", "25P03", "40001", "40003", "40P01", "53000", "53100", "53200", "53300"]
TRANSIENT += ["53400", "55P03", "57014", "57P01", "57P02", "57P03", "58000", "58030"]


@pytest.mark.parametrize("state", TRANSIENT)
async def test_what_others_are_to_blame_for_is_busy(postgres: PostgresStore, state: str) -> None:
    with pytest.raises(Busy, match="nothing was written") as caught:
        await postgres._pool.run(raising(state))
    assert "Chalmers" not in str(caught.value)
    await postgres.check()


DEFECTS = ["08P01", "0A000", "22003", "22P05", "23505", "26000", "3F000", "42501", "42601", "42703", "42P01", "54001"]
DEFECTS += ["55000", "57000", "58P01", "P0001", "XX000"]


@pytest.mark.parametrize("state", DEFECTS)
async def test_an_error_of_our_own_sql_is_a_defect_and_no_reason_to_try_again(
    postgres: PostgresStore, state: str
) -> None:
    with pytest.raises(asyncpg.PostgresError) as caught:
        await postgres._pool.run(raising(state))
    assert caught.value.sqlstate == state
    await postgres.check()


@pytest.mark.parametrize("state", ["XX001", "XX002"])
async def test_what_postgresql_finds_damaged_is_said_to_be_damaged(postgres: PostgresStore, state: str) -> None:
    with pytest.raises(Damaged, match=state) as caught:
        await postgres._pool.run(raising(state))
    assert "Chalmers" not in str(caught.value)


async def test_what_the_driver_refuses_on_a_sound_connection_is_a_defect(postgres: PostgresStore) -> None:
    async def wrong(session: Session) -> None:
        await connection.fetch(session, "SELECT $1::integer", "one")

    async def twice(session: Session) -> None:
        await asyncio.gather(session.db.fetch("SELECT pg_sleep(0.1)"), session.db.fetch("SELECT 1"))

    for work in (wrong, twice):
        with pytest.raises((asyncpg.DataError, asyncpg.InterfaceError)):
            await postgres._pool.run(work)
    await postgres.check()


async def test_a_table_that_is_gone_is_a_defect_for_reads_and_writes(
    postgres: PostgresStore, admin: asyncpg.Connection
) -> None:
    made = await create(postgres, patient(mrn="1"), "a")
    await admin.execute("ALTER TABLE token RENAME TO lost")
    with pytest.raises(asyncpg.UndefinedTableError):
        await postgres.search(asking(mrn("1")))
    with pytest.raises(asyncpg.PostgresError):
        await create(postgres, patient(mrn="2"), "b")
    assert await postgres.read("Patient", "a") == made
    await admin.execute("ALTER TABLE lost RENAME TO token")
    assert (await postgres.search(asking(mrn("1")))).resources == (made,)


async def test_a_session_that_was_ended_while_idle_is_not_noticed(
    postgres: PostgresStore, admin: asyncpg.Connection
) -> None:
    made = await create(postgres, patient(), "a")
    for _ in range(3):
        (name,) = [f"hilum {one.process.hex()}" for one in postgres._pool._idle]
        ended = await admin.fetch(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE application_name = $1", name
        )
        assert len(ended) == 1
        assert await postgres.read("Patient", "a") == made


async def test_a_session_that_is_ended_within_a_read_is_replaced(postgres: PostgresStore) -> None:
    pids: list[int] = []

    async def work(session: Session) -> int:
        pids.append(session.db.get_server_pid())
        if len(pids) < 3:
            await session.db.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
        ((one,),) = await connection.fetch(session, "SELECT 1")
        return int(one)

    assert await postgres._pool.run(work) == 1
    assert len(set(pids)) == 3
    with pytest.raises(Busy):
        await postgres._pool.run(raising("57P01", "EXCEPTION"))


# --- time -------------------------------------------------------------------------------------------------------------


async def slow(admin: asyncpg.Connection, schema: str) -> None:
    """From now on whatever looks for a resource takes a minute."""
    await admin.execute(
        "ALTER TABLE resource RENAME TO quick; "
        "CREATE FUNCTION slowly() RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT pg_sleep(60) IS NOT NULL'; "
        "CREATE VIEW resource AS SELECT * FROM quick WHERE slowly()"
    )


async def running(admin: asyncpg.Connection) -> int:
    """Statements of hilum that PostgreSQL is still busy with."""
    found: int = await admin.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'hilum %' AND wait_event = 'PgSleep'"
    )
    return found


async def test_a_search_or_history_that_takes_too_long_is_too_costly_and_ended(
    postgres: PostgresStore, admin: asyncpg.Connection, schema: str
) -> None:
    made = await create(postgres, patient(mrn="1"), "a")
    await slow(admin, schema)
    late: list[Callable[[], Awaitable[object]]] = [
        lambda: postgres.search(asking(mrn("1"))),
        lambda: postgres.search(asking(LastUpdatedClause((DateRange("ge", 0, 0),)), total="accurate", count=0)),
        lambda: postgres.history(chronicle("Patient")),
        lambda: postgres.history(chronicle("Patient", id="a")),
    ]
    for one in late:
        with pytest.raises(Unprocessable, match="Narrow it") as caught:
            await one()
        assert [issue.code for issue in caught.value.issues] == ["too-costly"]
        assert await running(admin) == 0
    await admin.execute("DROP VIEW resource; ALTER TABLE quick RENAME TO resource")
    assert (await postgres.search(asking(mrn("1")))).resources == (made,)
    assert postgres._pool._open == 1


async def test_the_limit_is_for_all_statements_of_a_search_together(postgres: PostgresStore) -> None:
    async def work(session: Session) -> None:
        for _ in range(20):
            await session.db.fetch("SELECT pg_sleep(0.1)")

    with pytest.raises(TimeoutError):
        await postgres._pool.run(work, seconds=0.5)
    await postgres._pool.run(work)


async def test_a_commit_has_more_time_than_a_search(postgres: PostgresStore, admin: asyncpg.Connection) -> None:
    await admin.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$; "
        "CREATE TRIGGER slow BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION wait()"
    )
    made = await create(postgres, patient(), "a")
    assert await postgres.read("Patient", "a") == made


async def test_a_commit_that_is_cancelled_is_busy_and_wrote_nothing(
    postgres_url: str, schema: str, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.SESSION, "statement_timeout", "200ms")
    store = await open_postgres(postgres_url, schema=schema)
    try:
        await admin.execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; "
            "END $$; CREATE TRIGGER slow BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION wait()"
        )
        with pytest.raises(Busy, match=r"57014.*nothing was written"):
            await create(store, patient(), "a")
        assert await store.read("Patient", "a") is None
        await admin.execute("DROP TRIGGER slow ON audit")
        assert (await create(store, patient(), "a")).version == 1
    finally:
        await store.close()


async def test_a_read_that_is_not_answered_is_busy(
    postgres: PostgresStore, admin: asyncpg.Connection, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(postgres, patient(), "a")
    await slow(admin, schema)
    monkeypatch.setattr("hilum.store.postgres.store.WAIT_SECONDS", 0.1)
    with pytest.raises(Busy, match="does not answer"):
        await postgres.read("Patient", "a")
    assert await running(admin) == 0


# --- connecting -------------------------------------------------------------------------------------------------------


async def test_one_connection_too_many_is_busy(
    postgres_url: str, schema: str, postgres: PostgresStore, admin: asyncpg.Connection
) -> None:
    await admin.execute(f'CREATE ROLE few_{schema} LOGIN CONNECTION LIMIT 1; GRANT ALL ON SCHEMA "{schema}" TO PUBLIC')
    url = postgres_url.replace("hilum@", f"few_{schema}@")
    first = await connection.connect(url, schema)
    with pytest.raises(Busy, match="53300"):
        await connection.connect(url, schema)
    first.terminate()


async def test_who_is_refused_while_serving_gets_no_word_of_the_set_up(
    postgres_url: str, schema: str, postgres: PostgresStore, admin: asyncpg.Connection
) -> None:
    await admin.execute(f"CREATE ROLE former_{schema} NOLOGIN")
    url = postgres_url.replace("hilum@", f"former_{schema}@")
    with pytest.raises(Misconfigured, match="Check user"):
        await connection.connect(url, schema)
    pool = connection.Pool(url, schema, 2)
    for _ in range(4):
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await pool.run(raising("P0001"))
    await pool.close()


async def test_a_server_that_is_not_whom_it_claims_to_be_is_misconfigured_and_no_reason_to_try_again(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise ssl.SSLCertVerificationError

    monkeypatch.setattr(asyncpg, "connect", refused)
    with pytest.raises(Misconfigured, match="SSLCertVerificationError"):
        await connection.connect(postgres_url, "any")


async def test_a_file_that_fails_in_long_work_is_not_taken_for_postgresql(postgres: PostgresStore) -> None:
    with pytest.raises(FileNotFoundError):
        async with postgres._pool.alone():
            raise FileNotFoundError
    with pytest.raises(asyncpg.UndefinedTableError):
        async with postgres._pool.alone() as db:
            await db.fetch("SELECT * FROM nothing")
    with pytest.raises(Problem):
        async with postgres._pool.alone() as db:
            await db.fetch("SELECT pg_terminate_backend(pg_backend_pid())")
