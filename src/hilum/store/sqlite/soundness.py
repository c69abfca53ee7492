"""Whether a SQLite store is whole: at a glance when it is opened, from end to end for `hilum check`.

https://www.sqlite.org/pragma.html#pragma_quick_check, https://www.sqlite.org/howtocorrupt.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from hilum.fhir import json
from hilum.problems import Damaged, Problem
from hilum.search.catalogue import EMPTY, READY
from hilum.search.index import index
from hilum.search.references import paired
from hilum.search.rows import NO_ROWS
from hilum.store import keys, migrations
from hilum.store.sqlite import ident, parameters
from hilum.store.sqlite.connection import DAMAGE
from hilum.store.sqlite.history import rid_of
from hilum.store.sqlite.tables import COLUMNS, Dictionaries, IndexTables, numbers

MOST: Final = 20
"""Faults that are told of one step."""
SAMPLE: Final = 500
"""About how many resources are indexed anew, to see whether their rows are there."""
_BODIES: Final = 2000


class Step(NamedTuple):
    """How far an examination has come, and the faults that this step found. No fault quotes what is stored."""

    done: int
    all: int
    faults: tuple[str, ...] = ()


class _Body(msgspec.Struct):
    resource_type: str = msgspec.field(name="resourceType")
    id: str


def glance(db: apsw.Connection) -> None:
    """Look at the first and the last row of every table: a few pages of each, however large it is.

    SQLite itself looks at the header and the length of the file. Raises apsw.Error for what is damaged.
    """
    for name in _tables(db):
        order = ", ".join(_key(db, name)) or "rowid"
        down = ", ".join(f"{column} DESC" for column in order.split(", "))
        for way in (order, down):
            db.execute(f"SELECT * FROM {name} ORDER BY {way} LIMIT 1").fetchall()


def examine(path: str, *, full: bool = False) -> Iterator[Step]:
    """Read the store at `path` from end to end, as it is at one moment, while others may use it.

    `full`: also compare every index of SQLite with its table (PRAGMA integrity_check), which takes several times as
    long. Raises apsw.Error for what is so damaged that it can't be opened.
    """
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        db.set_busy_timeout(30_000)
        db.execute("PRAGMA mmap_size=2147418112")
        db.execute("BEGIN")
        tables = _tables(db)
        resources = int(db.execute("SELECT count(*) FROM log").get or 0)
        all_ = len(tables) + 2 + resources // _BODIES
        done = 0
        for name in tables:
            done += 1
            yield Step(done, all_, _pages(db, name, full))
        for faults in _bodies(db):
            done += 1
            yield Step(min(done, all_ - 2), all_, faults)
        yield Step(all_ - 1, all_, _guarded(_figures, db))
        yield Step(all_, all_, _guarded(_former, db) + _guarded(_rows, db) if _newest(db) else ())
    finally:
        db.close()


def _newest(db: apsw.Connection) -> bool:
    """Whether the index is laid out as this hilum knows it; of an older store `hilum migrate` makes it anew."""
    try:
        found = db.execute("SELECT value FROM meta WHERE key = 'schema'").get
    except DAMAGE:  # it is told of, as a table
        return False
    return str(found) == str(len(migrations.steps("sqlite")))


def _guarded(work: Any, db: apsw.Connection) -> tuple[str, ...]:
    try:
        return tuple(work(db))[:MOST]
    except (*DAMAGE, Damaged) as error:
        return (f"{work.__name__[1:]}: {type(error).__name__}",)


def _tables(db: apsw.Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]


def _key(db: apsw.Connection, table: str) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,))]


def _pages(db: apsw.Connection, table: str, full: bool) -> tuple[str, ...]:
    """SQLite's own words about the pages of one table."""
    pragma = "integrity_check" if full else "quick_check"
    try:
        said = [str(line) for (line,) in db.execute(f"PRAGMA {pragma}({table})")]
    except DAMAGE as error:
        return (f"{table}: {type(error).__name__}",)
    return () if said == ["ok"] else tuple(f"{table}: {line.splitlines()[-1][:120]}" for line in said[:MOST])


def _bodies(db: apsw.Connection) -> Iterator[tuple[str, ...]]:
    """Every body must be a resource of the type that its key names: SQLite has no checksums of what it keeps."""
    head = msgspec.json.Decoder(_Body).decode
    faults: list[str] = []
    sql = "SELECT rid, body FROM resource UNION ALL SELECT l.rid, o.body FROM old o JOIN log l ON l.seq = o.seq"
    try:
        for number, (rid, body) in enumerate(db.execute(sql), 1):
            try:
                sound = head(body).resource_type == ident.type_of(rid)
            except (msgspec.DecodeError, UnicodeDecodeError, TypeError, IndexError):
                sound = False
            if not sound:
                faults.append(f"body of rid {rid}: not the resource that it should be")
            if number % _BODIES == 0:
                yield tuple(faults[:MOST])
                faults.clear()
    except DAMAGE as error:
        faults.append(f"bodies: {type(error).__name__}")
    yield tuple(faults[:MOST])


def _figures(db: apsw.Connection) -> Iterator[str]:
    """What is counted as it is written, counted again: tally, clock and the numbers of versions."""
    alive = dict(
        db.execute(
            f"SELECT rid >> {keys.TYPE_SHIFT}, count(*) FROM resource WHERE version > 0 AND method <> ? GROUP BY 1",
            (ident.DELETED,),
        )
    )
    tally = dict(db.execute("SELECT type, n FROM tally WHERE n <> 0"))
    if alive != tally:
        yield f"tally: {sum(tally.values()):,} resources counted, {sum(alive.values()):,} there"
    clock = db.execute("SELECT seq, number FROM clock").fetchall()
    if len(clock) != 1:
        yield "clock: not one row"
        return
    (seq, n), mask = clock[0], (1 << keys.TYPE_SHIFT) - 1
    newest = db.execute("SELECT coalesce(max(seq), 0) FROM log").get
    largest = db.execute("SELECT coalesce(max(rid & ?), 0) FROM identity", (mask,)).get
    if seq < newest or n < largest:
        yield "clock: behind what is in the store"
    wrong = db.execute(
        "SELECT count(*) FROM resource r WHERE version <> (SELECT count(*) FROM log l WHERE l.rid = r.rid)"
    ).get
    if wrong:
        yield f"log: {wrong:,} resources have not as many versions as their number says"


def _former(db: apsw.Connection) -> Iterator[str]:
    """Numbers that were given up must be nobody's, and nothing in the index may be of one."""
    wrong = db.execute(
        "SELECT count(*) FROM former f WHERE EXISTS (SELECT 1 FROM resource r WHERE r.rid = f.was) "
        "OR NOT EXISTS (SELECT 1 FROM resource r WHERE r.rid = f.rid AND r.version > 0)"
    ).get
    if wrong:
        yield f"former: {wrong:,} numbers are not what they were given up for"
    for table, column in (("reference", "target"), ("compartment", "owner")):
        if lost := db.execute(f"SELECT count(*) FROM {table} WHERE {column} IN (SELECT was FROM former)").get:
            yield f"{table}: {lost:,} rows are of numbers that were given up, so that searches don't find them"
    pairs = paired(parameters.known(db, EMPTY).registry)
    lost = db.execute(
        "SELECT count(*) FROM composite WHERE param IN (SELECT value FROM json_each(?)) "
        "AND unit = 0 AND low IN (SELECT was FROM former)",
        ("[" + ",".join(map(str, (*pairs.beside, *pairs.alone))) + "]",),
    ).get
    if lost:
        yield f"composite: {lost:,} rows are of numbers that were given up, so that searches don't find them"


def _rows(db: apsw.Connection) -> Iterator[str]:
    """Index a sample of the resources anew: each row must be in its table, and its words in a dictionary.

    What a migration has not indexed yet (reindex.py) is left out, and so are custom parameters on their way.
    """
    step = max(1, int(db.execute("SELECT coalesce(sum(n), 0) FROM tally").get) // SAMPLE)
    sql = (
        "SELECT rid, params, body FROM resource LEFT JOIN shape ON id = shape "
        "WHERE version > 0 AND method <> ? AND rid % ? = 0 "
        f"AND NOT EXISTS (SELECT 1 FROM reindex p WHERE p.type = rid >> {keys.TYPE_SHIFT} AND p.done < rid)"
    )
    catalogue = parameters.known(db, EMPTY)
    registry = catalogue.registry
    unready = [one for one in catalogue.defined if one.state != READY]
    unsettled = {n for one in unready for n in one.clear}
    unsettled |= {n for one in unready for some in catalogue.numbers(one).values() for n in some}
    sample: list[Any] = db.execute(sql, (ident.DELETED, step)).fetchall()
    for rid, shape, body in sample:
        type = ident.type_of(rid)
        try:
            rows = index(type, json.parse(body), ident.id_of(type, body), registry)
        except Problem:  # told of already, as a body
            continue
        said = json.stored(b'{"is":%b}' % (shape or "null").encode())["is"]
        if said is None or set(said) - unsettled != set(numbers(rows)) - unsettled:
            yield f"shape: that of rid {rid} is another one, so that searches for what is missing go wrong"
        tables = IndexTables(lambda type, id: rid_of(db, type, id) or -1, Dictionaries(db, learn=False))
        tables.replace(rid, rows, NO_ROWS)
        told: set[str] = set()
        for table, flat in tables.added():
            where = " AND ".join(f"{column} IS ?" for column in COLUMNS[table])
            if (
                flat[0] not in unsettled
                and table not in told
                and db.execute(f"SELECT 1 FROM {table} WHERE {where}", flat).get is None
            ):
                told.add(table)
                yield f"{table}: a row of rid {rid} is missing, so that searches don't find it"
