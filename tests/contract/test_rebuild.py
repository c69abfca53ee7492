"""`Store.rebuild`: whatever was wrong with the index, afterwards it is that of a store that never went wrong."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import apsw
import asyncpg
import pytest
from tests.contract.conftest import Open
from tests.contract.test_parameters import BASE, WHO, definition, through
from tests.contract.test_parameters import patient as with_tribe
from tests.contract.writing import asking, commit, ids, mrn, patient, put
from tests.oracle.populations import population

from hilum.interactions.create import create
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.problems import Busy, Invalid
from hilum.search.clauses import TextClause
from hilum.store.interface import Store
from hilum.store.postgres import PostgresStore, open_postgres
from hilum.store.postgres import compare as postgres_compare
from hilum.store.rebuilding import Rebuilt, Scope
from hilum.store.sqlite import compare as sqlite_compare
from hilum.store.sqlite import open_sqlite
from hilum.store.sqlite.store import SqliteStore

INDEX = ("token", "string", "date", "quantity", "reference", "composite", "near", "compartment")
WHOLE = Scope()
Execute = Callable[..., Awaitable[list[Any]]]


@pytest.fixture
async def execute(store: Store, request: pytest.FixtureRequest) -> AsyncIterator[Execute]:
    """Runs SQL on the database of the store, which knows nothing of it. `?` stands for a value."""
    if isinstance(store, SqliteStore):
        db = apsw.Connection(store.path)
        db.set_busy_timeout(10_000)

        async def run(sql: str, *values: Any) -> list[Any]:
            return list(db.execute(sql, values))

        yield run
        db.close()
        return
    if not isinstance(store, PostgresStore):
        pytest.skip("nobody gets at its rows")
    url = request.getfixturevalue("postgres_url")
    session = await asyncpg.connect(url, server_settings={"search_path": store._pool._schema})

    async def run_(sql: str, *values: Any) -> list[Any]:
        for n in range(len(values)):
            sql = sql.replace("?", f"${n + 1}", 1)
        return [tuple(row) for row in await session.fetch(sql, *values)]

    yield run_
    session.terminate()


async def everything(execute: Execute, name: str) -> dict[str, Any]:
    """All that searches go by, under names instead of numbers that another store would have given otherwise."""
    if name == "sqlite":
        shapes = "SELECT r.rid, s.type, s.params FROM resource r LEFT JOIN shape s ON s.id = r.shape"
        words = "SELECT doc, term, col FROM vocabulary"
        await execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab('main', 'fulltext', 'instance')"
        )
        found = {table: await execute(f"SELECT * FROM {table}") for table in INDEX}
    else:
        shapes = "SELECT r.rid, s.type, s.params FROM resource r LEFT JOIN shape s ON s.id = r.shape"
        words = "SELECT rid, narrative::text, content::text FROM fulltext"
        found = {table: await execute(f"SELECT * FROM {table}") for table in INDEX}
    found["shape"] = await execute(shapes)
    found["fulltext"] = await execute(words)
    found["term"] = await execute("SELECT param, value, folded FROM term")
    found["unit"] = await execute("SELECT param, unit, system, code, display FROM unit")
    found["tally"] = await execute("SELECT type, cast(sum(n) AS bigint) FROM tally GROUP BY type HAVING sum(n) <> 0")
    return {table: sorted(map(repr, rows)) for table, rows in found.items()}


async def rebuilt(store: Store, scope: Scope = WHOLE) -> Rebuilt:
    return [step async for step in store.rebuild(scope)][-1]


WRONG = {
    "token": ("value", 3), "string": ("exact", 5), "date": ("low", 7), "quantity": ("unit", 9),
    "reference": ("target", 11), "composite": ("a", 13), "near": ("cell", 15), "compartment": ("owner", 17),
}  # fmt: skip
"""Table -> a column, and what is put into it."""


async def spoil(execute: Execute, name: str, dice: random.Random) -> None:
    """In every table: rows go, rows are changed, rows of resources that are not are added, others come twice."""
    rids = [rid for (rid,) in await execute("SELECT rid FROM resource")]
    for table, (column, value) in WRONG.items():
        columns = [row[0] for row in await execute(_COLUMNS[name], table)]
        rows = await execute(f"SELECT {', '.join(columns)} FROM {table}")
        assert rows, table
        for n, row in enumerate(dice.sample(rows, min(len(rows), 12))):
            content = dict(zip(columns, row, strict=True))
            where = " AND ".join(f"{key} = ?" for key in content if content[key] is not None)
            values = [content[key] for key in content if content[key] is not None]
            if n % 3 == 0:
                await execute(f"DELETE FROM {table} WHERE {where}", *values)
                continue
            changed = content | {column: value + n}
            if n % 3 == 2:
                changed["rid"] = dice.choice([*rids, 5, (200 << 40) + 7])
            marks = ", ".join("?" * len(columns))
            await execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", *changed.values())
            if name == "postgresql" and n == 4:
                await execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", *content.values())
    await execute("UPDATE resource SET shape = 0 WHERE rid = ?", rids[3])
    await execute("UPDATE resource SET shape = 1 WHERE shape = 0 AND rid <> ?", rids[3])
    await execute("DELETE FROM term WHERE value = (SELECT min(value) FROM term)")
    await execute("UPDATE term SET folded = 'another' WHERE value = (SELECT max(value) FROM term)")
    await execute("DELETE FROM unit WHERE unit = (SELECT min(unit) FROM unit)")
    await execute("UPDATE unit SET code = 'another' WHERE unit = (SELECT max(unit) FROM unit)")
    await execute("UPDATE tally SET n = n + 3 WHERE type = (SELECT min(type) FROM tally)")
    if name == "sqlite":
        await execute("DELETE FROM fulltext WHERE rowid = ?", rids[0])
        await execute("DELETE FROM fulltext WHERE rowid = ?", rids[1])
        await execute("INSERT INTO fulltext(rowid, narrative, content) VALUES (?, 'a', 'b')", rids[1])
        await execute("INSERT INTO fulltext(rowid, narrative, content) VALUES (?, 'a', 'b')", (200 << 40) + 7)
    else:
        await execute("DELETE FROM fulltext WHERE rid = ?", rids[0])
        await execute("UPDATE fulltext SET content = '''b''' WHERE rid = ?", rids[1])
        await execute("INSERT INTO fulltext SELECT * FROM fulltext WHERE rid = ?", rids[2])
        await execute(
            "INSERT INTO fulltext SELECT ?::bigint, narrative, content FROM fulltext LIMIT 1", (200 << 40) + 7
        )


_COLUMNS = {
    "sqlite": "SELECT name FROM pragma_table_info(?)",
    "postgresql": "SELECT attname::text FROM pg_attribute WHERE attrelid = (?::text)::regclass AND attnum > 0",
}


async def filled(store: Store) -> None:
    """Every kind of row; a deletion, and a name that is only referred to."""
    bodies = [(body, f"s{seed}-{body['id']}") for seed in range(1, 6) for body in population(seed)]
    await store.commit(commit(*(put(body, id) for body, id in bodies)))
    door = Door(store, BASE)
    await create(door, WHO, "SearchParameter", definition())
    await update(door, WHO, "Patient", "gone", with_tribe("x", id="gone"))
    await delete(door, WHO, "Patient", "gone")
    await update(door, WHO, "Patient", "tribal", with_tribe("x", id="tribal"))
    await through(door)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_was_wrong_is_right_afterwards(store: Store, execute: Execute, seed: int) -> None:
    await filled(store)
    before = await everything(execute, store.name)
    await spoil(execute, store.name, random.Random(seed))
    looked = await rebuilt(store, Scope(look=True))
    assert set(looked.wrong) == {*INDEX, "shape", "fulltext", "term", "unit", "tally"}
    spoiled = await everything(execute, store.name)
    assert {table for table in spoiled if spoiled[table] != before[table]} == {*before}
    done = await rebuilt(store)
    assert await everything(execute, store.name) == before
    assert set(done.wrong) == set(looked.wrong)
    assert (done.done, done.unfits) == (sum((await store.counts()).types.values()), 0)
    assert (await rebuilt(store)).wrong == {}
    assert await execute("SELECT 1 FROM meta WHERE key = ?", Scope().mark) == []


async def test_systems_that_were_lost_are_put_right(store: Store, opened: Open, execute: Execute) -> None:
    await filled(store)
    await store.commit(commit(put(patient("Found", "1"), "found"), to=store))
    before = await everything(execute, store.name)
    systems = await execute("SELECT number, text FROM system ORDER BY number")
    await execute("DELETE FROM system")
    anew = await opened()
    assert ids(await anew.search(asking(mrn("1")))) == []
    looked = await rebuilt(anew, Scope(look=True))
    assert {"token", "composite"} <= looked.wrong.keys() <= {"token", "composite"}
    assert await execute("SELECT 1 FROM system") == []
    assert (await rebuilt(anew)).wrong.keys() == looked.wrong.keys()  # of what comes first: then they are known again
    assert await execute("SELECT number, text FROM system ORDER BY number") == systems
    assert await everything(execute, store.name) == before
    assert ids(await anew.search(asking(mrn("1")))) == ["found"]
    assert (await rebuilt(anew)).wrong == {}


async def test_one_type_or_one_parameter_alone_is_put_right(store: Store, execute: Execute) -> None:
    await filled(store)
    before = await everything(execute, store.name)
    await spoil(execute, store.name, random.Random(1))
    spoiled = await everything(execute, store.name)
    shared = {"term", "unit"}  # dictionaries of all parameters: put right wherever they are looked at
    assert (await rebuilt(store, Scope("Patient", "gender"))).wrong.keys() <= {"token", "shape", *shared}
    await rebuilt(store, Scope(code="tribe"))
    after = await everything(execute, store.name)
    assert {table for table in after if after[table] != spoiled[table]} <= {"token", "shape", *shared}
    for type in sorted((await store.counts()).types):
        await rebuilt(store, Scope(type))
    after = await everything(execute, store.name)
    assert {table for table in after if after[table] != before[table]} >= {"tally"}  # that is nobody's
    await rebuilt(store)
    assert await everything(execute, store.name) == before


async def test_it_goes_on_where_one_that_was_killed_stopped(
    store: Store, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sqlite", "postgres"):
        monkeypatch.setattr(f"hilum.store.{name}.rebuild.KEPT_SECONDS", 0.0)
    await filled(store)
    before = await everything(execute, store.name)
    await spoil(execute, store.name, random.Random(2))
    steps: Any = store.rebuild(Scope())
    async for step in steps:
        if step.done > 100:
            break
    await steps.aclose()
    assert (await rebuilt(store, Scope("Patient"))).before == 0  # another one
    steps = store.rebuild(Scope(anew=True))
    async for step in steps:
        if step.done > 100:
            break
    await steps.aclose()
    done = await rebuilt(store)
    assert done.before == step.done
    assert await everything(execute, store.name) == before


async def test_of_two_at_once_one_is_refused(store: Store, other: Store, execute: Execute) -> None:
    await filled(store)
    async for _ in store.rebuild(Scope()):
        with pytest.raises(Busy, match="Another `hilum reindex` is at work"):
            await rebuilt(other)
        break


async def test_a_resource_that_can_not_be_indexed_is_named_and_the_others_are_put_right(
    store: Store, execute: Execute
) -> None:
    await filled(store)
    before = await everything(execute, store.name)
    ((rid, body),) = await execute(
        "SELECT rid, body FROM resource WHERE rid IN (SELECT max(rid) FROM resource WHERE rid < ?)", 104 << 40
    )
    await execute("UPDATE resource SET body = ? WHERE rid = ?", bytes(body)[:-1], rid)
    await spoil(execute, store.name, random.Random(3))
    done = await rebuilt(store)
    assert done.unfits == len(done.unfit) == 1
    assert done.unfit[0].encode() in bytes(body).replace(b'","id":"', b"/")
    await execute("UPDATE resource SET body = ? WHERE rid = ?", bytes(body), rid)
    await rebuilt(store)
    assert await everything(execute, store.name) == before


@pytest.mark.parametrize("seed", range(3))
async def test_beside_others_that_write_nothing_is_lost(
    store: Store, other: Store, execute: Execute, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes write and define while a third puts right; then the index is what the bodies say."""
    for name in ("sqlite", "postgres"):
        monkeypatch.setattr(f"hilum.store.{name}.compare.AT_ONCE", 5)
    dice = random.Random(seed)
    doors = (Door(store, BASE), Door(other, BASE))
    await filled(store)
    for n in range(40):
        await update(doors[0], WHO, "Patient", f"w{n}", with_tribe(dice.choice("xyz"), id=f"w{n}"))
    await spoil(execute, store.name, dice)
    ended = False

    async def writes(number: int) -> None:
        door, n = doors[number], 0
        while not ended:
            id, n = f"w{2 * dice.randrange(30) + number}", n + 1
            if dice.random() < 0.2:
                await delete(door, WHO, "Patient", id)
            else:
                more = {
                    "gender": dice.choice(["male", "female"]),
                    "link": [{"other": {"reference": f"Patient/n{n}"}, "type": "seealso"}],
                }
                await update(door, WHO, "Patient", id, with_tribe(dice.choice("xyz"), id=id, **more))

    async def defines() -> None:
        for status in ("active", "retired") * 3:
            await update(
                doors[0],
                WHO,
                "SearchParameter",
                "sp",
                definition("sex", id="sp", status=status, expression="Patient.gender"),
            )
            await through(doors[0])

    async def all_of_it() -> None:
        nonlocal ended
        try:
            await asyncio.gather(rebuilt(other), defines())
            await rebuilt(other)
        finally:
            ended = True

    await asyncio.gather(all_of_it(), writes(0), writes(1))
    assert (await rebuilt(other, Scope(look=True))).wrong == {}
    beside = await everything(execute, store.name)
    await rebuilt(other, Scope(anew=True))
    assert await everything(execute, store.name) == beside


async def opened_so(store: Store, request: pytest.FixtureRequest, **options: Any) -> Store:
    """Another process on the same data, with these options."""
    if isinstance(store, SqliteStore):
        return await open_sqlite(store.path, **options)
    assert isinstance(store, PostgresStore)
    url = request.getfixturevalue("postgres_url")
    return await open_postgres(url, schema=store._pool._schema, **options)


async def test_words_are_made_anew_beside_one_that_kept_none(
    store: Store, execute: Execute, request: pytest.FixtureRequest
) -> None:
    """From the first step of it on, who was started without full text writes words, too."""
    doors = [Door(store, BASE)]
    for n in range(700):
        await update(doors[0], WHO, "Patient", f"w{n}", patient(f"Before{n}", id=f"w{n}"))
    plain = await opened_so(store, request, full_text=False)
    doors.append(Door(plain, BASE))
    await update(doors[0], WHO, "Patient", "w0", patient("Silent", id="w0"))
    assert (await store.learn(), store.full_text, plain.full_text)[1:] == (False, False)
    with pytest.raises(Invalid, match="keeps no full text"):
        await store.search(asking(TextClause("content", ("silent",))))
    migrated: list[Store] = []

    async def writes(door: Door, first: int) -> None:
        n = first
        while not migrated:
            await update(door, WHO, "Patient", f"w{n % 700}", patient(f"Meanwhile{n}", id=f"w{n % 700}"))
            await update(door, WHO, "Patient", f"n{n}", patient(f"New{n}", id=f"n{n}"))
            n += 97

    async def migrates() -> None:
        migrated.append(await opened_so(store, request, migrate=True))

    await asyncio.gather(writes(doors[0], 0), writes(doors[1], 50), migrates())
    await update(doors[1], WHO, "Patient", "w1", patient("Afterwards", id="w1"))
    for one in (store, plain, *migrated):
        await one.learn()
        assert one.full_text
        assert ids(await one.search(asking(TextClause("content", ("afterwards",))))) == ["w1"]
    before = await everything(execute, store.name)
    await rebuilt(store)
    assert await everything(execute, store.name) == before
    for one in (plain, *migrated):
        await one.close()


@pytest.mark.parametrize("defining", [False, True])
async def test_what_is_written_between_looking_and_locking_is_looked_at_again(
    store: Store, other: Store, execute: Execute, defining: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(store)
    door = Door(other, BASE)
    await update(door, WHO, "Patient", "raced", with_tribe("x", id="raced", name=[{"suffix": ["Jr"]}]))
    await other.learn()
    module: Any = {"sqlite": sqlite_compare, "postgresql": postgres_compare}[store.name]
    monkeypatch.setattr(module, "AT_ONCE", 1000)
    looked = module.Comparison.batch
    written: list[bool] = []

    async def write() -> None:
        if defining:  # a parameter, whose rows are all there before the lock is taken
            body = definition("suffix", id="sp", expression="Patient.name.suffix", type="string")
            await update(door, WHO, "SearchParameter", "sp", body)
            await through(door)
            return
        more = {"gender": "other", "contact": [{"name": {"text": "Aunt"}}]}
        await update(door, WHO, "Patient", "raced", with_tribe("y", id="raced", **more))

    def and_then(self: Any, *place: int) -> Any:
        found = looked(self, *place)
        if not written and len(found.alive) > 0:
            written.append(True)
            asyncio.run_coroutine_threadsafe(write(), loop).result()
        return found

    async def and_then_(self: Any, *place: int) -> Any:
        found = await looked(self, *place)
        if not written and len(found.alive) > 0:
            written.append(True)
            await write()
        return found

    loop = asyncio.get_running_loop()
    await spoil(execute, store.name, random.Random(4))
    names = "identity" if store.name == "sqlite" else "resource"
    ((rid,),) = await execute(f"SELECT rid FROM {names} WHERE id = 'raced'")
    await execute("INSERT INTO token (param, value, rid) SELECT param, value + 1, rid FROM token WHERE rid = ?", rid)
    await execute("UPDATE resource SET shape = 0 WHERE rid = ? OR method = 3", rid)
    monkeypatch.setattr(module.Comparison, "batch", and_then if store.name == "sqlite" else and_then_)
    await rebuilt(store)
    assert written
    monkeypatch.undo()
    await through(Door(store, BASE))
    assert (await rebuilt(store, Scope(look=True))).wrong == {}
