"""Index rows made anew from the bodies, in steps that survive a kill: after a migration, or for more parameters.

Each step is one transaction and notes how far it came, so that it goes on there, and others write in between: what they
write is indexed by themselves, and found here as it then is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import apsw

from hilum.fhir import json
from hilum.fhir.definitions import TYPES
from hilum.search.index import index
from hilum.search.rows import NO_ROWS
from hilum.store import keys
from hilum.store.sqlite import ident
from hilum.store.sqlite.connection import row, rows, writing
from hilum.store.sqlite.fulltext import FullText
from hilum.store.sqlite.identities import Identities
from hilum.store.sqlite.tables import Dictionaries, IndexTables, numbers

STEP: Final = 500
"""How many resources one transaction indexes."""


def pending(db: apsw.Connection) -> int:
    """How many resource types are not wholly indexed."""
    return int(row(db, "SELECT count(*) FROM reindex")[0])


def run(db: apsw.Connection, *, full_text: bool = True, step: int = STEP) -> Iterator[int]:
    """Index what is pending; yields how many resources each step did."""
    while pending(db):
        yield _step(db, full_text, step)


def _step(db: apsw.Connection, full_text: bool, step: int) -> int:
    with writing(db):
        found = row(db, "SELECT type, done FROM reindex ORDER BY type LIMIT 1")
        return _resources(db, found[0], found[1], full_text, step) if found else 0


def _resources(db: apsw.Connection, type: int, done: int, full_text: bool, step: int) -> int:
    low, high = keys.type_range(type)
    found = rows(
        db,
        "SELECT rid, body FROM resource WHERE rid > ? AND rid <= ? AND shape > 0 ORDER BY rid LIMIT ?",
        (max(done, low), high, step),
    )
    if not found:
        db.execute("DELETE FROM reindex WHERE type = ?", (type,))
        return 0
    identities = Identities(db)
    identities.begin(row(db, "SELECT number FROM clock")[0])
    known = Dictionaries(db)
    tables = IndexTables(identities.rid, known)
    words = FullText(db) if full_text else None
    for rid, body in found:
        name = TYPES[type - 1]
        made = index(name, json.stored(body), ident.id_of(name, body))
        tables.replace(rid, made, NO_ROWS)
        db.execute("UPDATE resource SET shape = ? WHERE rid = ?", (known.shape(type, numbers(made)), rid))
        if words is not None:
            words.replace(rid, body, was=True)
    tables.write(db)
    if words is not None:
        words.write()
    db.execute("UPDATE clock SET number = ?", (identities.n,))
    db.execute("UPDATE reindex SET done = ? WHERE type = ?", (found[-1][0], type))
    return len(found)
