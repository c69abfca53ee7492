"""What only PostgreSQL has: sessions, locks, transaction ids, tenants in schemas."""

from __future__ import annotations

import asyncio
import random
import zipfile
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.contract.writing import asking, commit, create, delete, ids, mrn, numbers, observation, patient, put, replace

from hilum.fhir.resource import Resource
from hilum.problems import Busy, CriteriaChanged, Misconfigured, VersionChanged
from hilum.search.clauses import ReferenceClause, StringClause
from hilum.store import migrations
from hilum.store.interface import Commit, Resolves
from hilum.store.postgres import PostgresStore, apply, connection, criteria, open_postgres, restore_postgres


async def test_the_order_of_seqs_is_the_order_of_transactions(
    postgres: PostgresStore, admin: asyncpg.Connection
) -> None:
    async def write(n: int) -> None:
        head = await create(postgres, patient(), f"p{n}")
        for _ in range(5):
            head = await replace(postgres, head, patient())

    await asyncio.gather(*(write(n) for n in range(20)))
    every = "SELECT seq, xid::text::bigint FROM resource UNION ALL SELECT seq, xid::text::bigint FROM old"
    rows = await admin.fetch(f"{every} ORDER BY seq")
    assert len({seq for seq, _ in rows}) == 120
    assert [xid for _, xid in rows] == sorted(xid for _, xid in rows)


async def test_changes_wait_for_the_oldest_transaction_in_flight(
    postgres: PostgresStore, admin: asyncpg.Connection
) -> None:
    before = await create(postgres, patient(), "before")
    async with admin.transaction():
        await admin.fetchval("SELECT pg_current_xact_id()")  # could still commit a lower seq
        after = await create(postgres, patient(), "after")
        assert await postgres.read("Patient", "after") == after
        assert list(await postgres.changes(0)) == [before]
    assert list(await postgres.changes(0)) == [before, after]


async def test_a_clock_that_goes_back_never_takes_seq_back(postgres: PostgresStore, admin: asyncpg.Connection) -> None:
    first = await create(postgres, patient(), "a")
    ahead = first.seq + 3_600_000_000
    await admin.fetchval("SELECT setval('stamped', $1)", ahead)
    made = [await create(postgres, patient(), f"b{n}") for n in range(3)]
    assert [r.seq for r in made] == [ahead + 1, ahead + 2, ahead + 3]


async def test_what_is_stored_is_what_was_answered_to_the_microsecond(
    postgres: PostgresStore, admin: asyncpg.Connection
) -> None:
    moments = [1, 999_999, 1_000_000, 951_782_400_000_000, 1_709_164_800_000_001, 4_102_444_799_999_999]
    moments += [random.Random(5).randrange(1, 7_258_118_400_000_000) for _ in range(200)]
    body = put(patient(), "a").draft
    assert body is not None
    rows = await admin.fetch("SELECT m, instant(m) FROM unnest($1::bigint[]) AS m", moments)
    for moment, instant in rows:
        head, tail = body.around(1)
        assert head + instant + tail == body.stamp(1, moment)
    made = await create(postgres, patient(), "a")
    assert await admin.fetchval("SELECT body FROM resource WHERE id = 'a'") == made.raw


async def test_tenants_share_nothing(postgres_url: str, postgres: PostgresStore, schema: str) -> None:
    other = await open_postgres(postgres_url, schema=f'{schema} "quoted"')
    try:
        mine = await create(postgres, patient("Mine", mrn="1"), "a")
        theirs = await create(other, patient("Theirs", mrn="1"), "a")
        assert await postgres.read("Patient", "a") == mine
        assert await other.read("Patient", "a") == theirs
        assert (await postgres.search(asking(mrn("1")))).resources == (mine,)
        assert list(await other.changes(0)) == [theirs]
    finally:
        await other.close()


async def test_a_store_belongs_to_one_environment(postgres_url: str, postgres: PostgresStore, schema: str) -> None:
    with pytest.raises(Misconfigured, match="sandbox"):
        await open_postgres(postgres_url, schema=schema, environment="production")


async def test_many_may_open_a_new_store_at_once(postgres_url: str, schema: str) -> None:
    stores = await asyncio.gather(*(open_postgres(postgres_url, schema=schema) for _ in range(6)))
    try:
        made = await asyncio.gather(*(create(store, patient(), f"p{n}") for n, store in enumerate(stores)))
        assert len(await stores[0].changes(0)) == len(made)
    finally:
        for store in stores:
            await store.close()


async def test_a_migration_is_run_when_asked_for(
    postgres_url: str, postgres: PostgresStore, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await create(postgres, patient(), "a")
    known = migrations.steps("postgres")
    extra = migrations.Step(len(known) + 1, "more", "CREATE TABLE more (n integer); INSERT INTO more VALUES (1)")
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "steps", lambda _: (*known, extra))
        with pytest.raises(Misconfigured, match="hilum migrate"):
            await open_postgres(postgres_url, schema=schema)
        migrated = await open_postgres(postgres_url, schema=schema, migrate=True)
        assert await migrated.read("Patient", "a") == made
        await migrated.close()
    with pytest.raises(Misconfigured, match="newer"):
        await open_postgres(postgres_url, schema=schema)


async def test_who_can_not_be_reached_is_busy_and_who_refuses_is_misconfigured(postgres_url: str) -> None:
    with pytest.raises(Busy):
        await open_postgres("postgresql://hilum@127.0.0.1:9/none")
    with pytest.raises(Misconfigured):
        await open_postgres(postgres_url.replace("/postgres", "/no_such_database"))


async def test_a_lock_that_is_not_released_is_busy(
    postgres_url: str, schema: str, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.SESSION, "lock_timeout", "100ms")
    store = await open_postgres(postgres_url, schema=schema)
    try:
        first = await create(store, patient("A"), "a")
        async with admin.transaction():
            await admin.execute("SELECT * FROM resource FOR UPDATE")
            with pytest.raises(Busy):
                await replace(store, first, patient("B"))
        assert (await replace(store, first, patient("B"))).version == 2
    finally:
        await store.close()


async def test_commits_in_opposite_orders_never_deadlock(
    postgres_url: str, schema: str, admin: asyncpg.Connection
) -> None:
    """Not even one that a retry would hide: rows and new names are locked in one order."""
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = await admin.fetchval(deadlocks)
    store = await open_postgres(postgres_url, schema=schema)
    try:
        heads = list(await store.commit(commit(*(put(patient(), f"p{n}") for n in range(60)))))
        for turn in range(8):
            fresh = [put(patient(), f"new{turn}-{n}") for n in range(60)]
            changed = [put(patient(), r.id, over=r) for r in heads]
            orders = [(fresh, changed), (fresh[::-1], changed[::-1]), (fresh, changed[::-1]), (fresh[::-1], changed)]
            racing = [store.commit(commit(*one)) for pair in orders for one in pair]
            outcomes = await asyncio.gather(*racing, return_exceptions=True)
            won = [one for one in outcomes if not isinstance(one, BaseException)]
            assert len(won) == 2
            heads = sorted(next(one for one in won if one[0].version > 1), key=lambda r: int(r.id[1:]))
        for turn in range(6):
            fresh = [put(patient(), f"many{turn}-{n}") for n in range(400)]
            racing = [store.commit(commit(*one)) for one in (fresh, fresh[::-1])]
            await asyncio.gather(*racing, return_exceptions=True)
    finally:
        await store.close()  # a server process reports its deadlocks at the latest when it ends
    await admin.execute("SELECT pg_stat_clear_snapshot()")
    assert await admin.fetchval(deadlocks) == before


@pytest.mark.parametrize("state", ["40P01", "40001"])
async def test_a_deadlock_or_serialization_failure_is_tried_again(
    postgres: PostgresStore, admin: asyncpg.Connection, state: str
) -> None:
    await admin.execute(
        "CREATE SEQUENCE turn; CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('turn') <= 2 THEN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{state}'; END IF; RETURN NEW; "
        "END $$; CREATE TRIGGER failing BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    made = await create(postgres, patient(), "a")
    assert list(await postgres.changes(0)) == [made]


async def test_a_lost_connection_tells_the_truth_about_the_commit(
    postgres: PostgresStore, admin: asyncpg.Connection
) -> None:
    """Sessions are ended at random while commits run: what was answered is there, what was refused is not."""
    answered: list[Resource] = []
    refused: list[str] = []

    def one(id: str) -> Commit:
        """Half of them decide a criterion in a transaction of several statements."""
        nobody = Resolves(asking(StringClause(numbers("Patient", "family"), (id,), "exact")), ())
        return commit(put(patient(id), id), given=(nobody,) if id < "d" else ())

    async def write(name: str) -> None:
        for n in range(25):
            try:
                answered.extend(await postgres.commit(one(f"{name}{n}")))
            except Busy:
                refused.append(f"{name}{n}")

    async def end() -> None:
        while True:
            await asyncio.sleep(0.005)
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'hilum %' "
                "AND datname = current_database() AND random() < 0.2"
            )

    ending = asyncio.create_task(end())
    await asyncio.gather(*(write(name) for name in "abcdef"))
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)
    assert refused
    assert sorted(r.seq for r in await postgres.changes(0)) == sorted(r.seq for r in answered)
    assert [await postgres.read("Patient", r.id) for r in answered] == answered
    assert [await postgres.read("Patient", id) for id in refused] == [None] * len(refused)
    again = [(await postgres.commit(one(id)))[0] for id in refused]
    assert {r.version for r in again} == {1}


async def test_a_candidate_that_changes_after_it_was_judged_is_judged_again(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await create(postgres, patient("Chalmers", mrn="1"), "a")
    both = asking(mrn("1"), StringClause(numbers("Patient", "family"), ("Chalmers",)))
    look = criteria.candidates

    async def meanwhile(*arguments: Any) -> str | None:
        found = await look(*arguments)
        monkeypatch.setattr(criteria, "candidates", look)
        await replace(postgres, first, patient("Windsor", mrn="1"))
        return found

    monkeypatch.setattr(criteria, "candidates", meanwhile)
    with pytest.raises(CriteriaChanged):
        await postgres.commit(commit(put(patient(), "b"), given=(Resolves(both, ("a",)),)))
    assert await postgres.read("Patient", "b") is None


@pytest.mark.parametrize("kept", [True, False])
async def test_an_answer_lost_on_the_way_is_looked_up(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """The connection breaks after the server has committed, or before it has been asked."""
    fetch = apply.fetch
    await create(postgres, patient(), "earlier")

    async def broken(session: connection.Session, sql: str, *values: object) -> list[object]:
        if "FROM apply(" not in sql:
            return await fetch(session, sql, *values)
        if kept:
            await fetch(session, sql, *values)
        session.db.terminate()
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(apply, "fetch", broken)
        if kept:
            made = await create(postgres, patient(), "a")
            assert await postgres.read("Patient", "a") == made
        else:
            with pytest.raises(Busy, match="nothing was written"):
                await create(postgres, patient(), "a")
    if not kept:
        made = await create(postgres, patient(), "a")
    assert (await replace(postgres, made, patient("B"))).version == 2


async def test_a_cancelled_request_leaves_the_store_working(postgres: PostgresStore) -> None:
    for n in range(20):
        task = asyncio.create_task(create(postgres, patient(), f"p{n}"))
        await asyncio.sleep(0.0005 * n)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    made = await asyncio.gather(*(create(postgres, patient(), f"q{n}") for n in range(20)))
    assert [await postgres.read("Patient", r.id) for r in made] == made


async def test_the_audit_chain_of_each_connection_holds(postgres: PostgresStore, admin: asyncpg.Connection) -> None:
    await asyncio.gather(*(create(postgres, patient(), f"p{n}") for n in range(30)))
    await delete(postgres, await create(postgres, patient(), "last"))
    rows = await admin.fetch(
        "SELECT chain = sha256(coalesce(lag(chain) OVER (PARTITION BY process ORDER BY seq), '') || convert_to("
        "(SELECT string_agg(format('%s:%s,', octet_length(t), t), '' ORDER BY n) FROM unnest(ARRAY[seq::text, "
        "writes::text, agent, client, interaction, token, detail]) WITH ORDINALITY AS f (t, n)), 'UTF8')) AS holds, "
        "agent FROM audit"
    )
    assert len(rows) == 32
    assert {tuple(row) for row in rows} == {(True, "Practitioner/1")}


async def test_a_damaged_copy_is_refused(
    postgres: PostgresStore, postgres_url: str, schema: str, tmp_path: Path
) -> None:
    for n in range(20):
        await create(postgres, patient("Family" * 50, mrn=f"{n}"), f"p{n}")
    path = tmp_path / "copy"
    async for _ in postgres.backup(str(path)):
        pass
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("resource")
    whole = bytearray(path.read_bytes())
    whole[member.header_offset + 100 + member.compress_size // 2] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(Misconfigured):
        await restore_postgres(postgres_url, str(path), schema=f"{schema}_copy")


async def test_a_copy_is_restored_into_an_empty_tenant_only(
    postgres: PostgresStore, postgres_url: str, schema: str, tmp_path: Path
) -> None:
    made = await create(postgres, patient(), "a")
    path = tmp_path / "copy"
    async for _ in postgres.backup(str(path)):
        pass
    with pytest.raises(Misconfigured, match="holds resources"):
        await restore_postgres(postgres_url, str(path), schema=schema)
    assert list(await postgres.changes(0)) == [made]


async def test_who_had_the_empty_tenant_open_makes_keys_as_the_copy_does(
    postgres: PostgresStore, postgres_url: str, schema: str, tmp_path: Path
) -> None:
    await create(postgres, patient(mrn="1"), "a")
    path = tmp_path / "copy"
    async for _ in postgres.backup(str(path)):
        pass
    schema = f"{schema}_copy"
    early = await open_postgres(postgres_url, schema=schema)
    assert ids(await early.search(asking(mrn("1")))) == []
    await restore_postgres(postgres_url, str(path), schema=schema)
    late = await open_postgres(postgres_url, schema=schema)
    with pytest.raises(VersionChanged):
        await early.commit(commit(put(patient(mrn="2"), "b")))
    await create(early, patient(mrn="2"), "b")
    for one in (early, late):
        assert ids(await one.search(asking(mrn("1")))) == ["a"]
        assert ids(await one.search(asking(mrn("2")))) == ["b"]
        await one.close()


async def test_a_name_that_another_task_learns_while_numbers_are_fetched_takes_none(
    postgres: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commits refer to the same unseen resources at the same time; one waits for its numbers longer."""
    names = postgres._known.names
    usual = names.numbers
    learned: list[Resource] = []

    async def late(session: connection.Session, count: int) -> list[int]:
        found = await usual(session, count)
        if not learned and count == 3:
            monkeypatch.setattr(names, "numbers", usual)
            learned.append(await create(postgres, observation("Patient/x"), "first"))
        return found

    monkeypatch.setattr(names, "numbers", late)
    performer = [{"reference": f"Practitioner/{n}"} for n in range(2)]
    second = await create(postgres, observation("Patient/x", performer=performer), "second")
    assert learned
    at = numbers("Observation", "subject")
    found = await postgres.search(asking(ReferenceClause(at, (("Patient", "x"),)), types=("Observation",)))
    assert {one.id for one in found.resources} == {"first", second.id}


async def test_crowds_that_refer_to_the_same_unseen_resources_all_get_through(postgres: PostgresStore) -> None:
    for turn in range(15):
        await asyncio.gather(
            *(create(postgres, observation(f"Patient/{turn}-{k % 5}"), f"o{turn}-{k}") for k in range(32))
        )
    assert (await postgres.counts()).types == {"Observation": 480}
