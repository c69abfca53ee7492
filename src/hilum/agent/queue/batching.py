"""What is sent next: of each device one batch at a time, in the order in which its readings came."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import Any, Final
from uuid import uuid4

from hilum.agent.batch import Batch
from hilum.phd.kept import read, read_reading
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Taken

BYTES: Final = 1024 * 1024
"""Of readings, as they are kept, in one batch."""
LONGEST_WAIT: Final = 3600.0
"""Seconds. A time to try again that is later was made by a clock that was wrong."""

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Next:
    """What to do next. `batch`: to be sent now. Else `due`: when to ask again, None: when something was put."""

    batch: Batch | None = None
    row: int = 0
    """Of the batch's device."""
    due: float | None = None


def next_(db: sqlite3.Connection, busy: Collection[int], after: int, now: float, most: int) -> Next:
    """The batch of a device that is not `busy`; devices take turns, beginning with the one after the row `after`."""
    rows = [row for (row,) in db.execute("SELECT id FROM device ORDER BY id <= ?, id", (after,)) if row not in busy]
    due: float | None = None
    for row in rows:
        while (head := _head(db, row, most, now)) is not None:
            id, again = head
            if now < again <= now + LONGEST_WAIT:
                due = again if due is None else min(due, again)
                break
            try:
                return Next(whole(db, id), row)
            except Malformed as problem:
                db.execute("UPDATE batch SET dead = 1, why = ? WHERE id = ?", (str(problem), id))
    return Next(due=due)


def _head(db: sqlite3.Connection, device: int, most: int, now: float) -> tuple[str, float] | None:
    """The first batch of a device: the one that waits, or else a new one."""
    waits = "SELECT id, again FROM batch WHERE device = ? AND dead = 0 ORDER BY taken, part LIMIT 1"
    found = db.execute(waits, (device,)).fetchone()
    if found is not None:
        return str(found[0]), float(found[1])
    free = """SELECT reading.taken, reading.part, reading.position, length(body), person FROM reading
        JOIN taken ON taken.id = reading.taken WHERE reading.device = ? AND batch IS NULL
        ORDER BY reading.taken, part, position"""
    chosen: list[Row] = []
    size = 0
    found = db.execute(free, (device,))
    for (_, _, person), unit in groupby(found, key=itemgetter(0, 1, 4)):
        rows = list(unit)
        more = sum(row[3] for row in rows)
        if chosen and (person != chosen[0][4] or len(chosen) + len(rows) > most or size + more > BYTES):
            break
        chosen += rows
        size += more
    found.close()
    return (form(db, device, chosen[0][4], [row[:3] for row in chosen], now), 0.0) if chosen else None


def form(db: sqlite3.Connection, device: int, person: int | None, rows: Sequence[Row], now: float) -> str:
    """A batch of these readings (taken, part, position): its id."""
    id = uuid4().urn
    new = "INSERT INTO batch (id, device, person, taken, part, formed) VALUES (?, ?, ?, ?, ?, ?)"
    db.execute(new, (id, device, person, rows[0][0], rows[0][1], now))
    its = "UPDATE reading SET batch = ? WHERE taken = ? AND position = ?"
    db.executemany(its, [(id, taken, position) for taken, _, position in rows])
    charges = "UPDATE taken SET charged = ? WHERE id = ? AND charged IS NULL"
    db.executemany(charges, [(id, taken) for taken in sorted({row[0] for row in rows})])
    return id


def whole(db: sqlite3.Connection, id: str) -> Batch:
    """A batch with its readings. Raises Malformed: what is kept is not whole, or of a later version."""
    its = """SELECT key, person, tries FROM batch JOIN device ON device.id = batch.device WHERE batch.id = ?"""
    ((key, person, tries),) = db.execute(its, (id,)).fetchall()
    rows = db.execute(
        """SELECT taken.id, context, charged, position, body FROM reading JOIN taken ON taken.id = reading.taken
        WHERE batch = ? ORDER BY taken.id, position""",
        (id,),
    )
    taken = tuple(_taken(context, charged == id, list(of)) for (_, context, charged), of in groupby(rows, _BY_TAKEN))
    made = dict(db.execute("SELECT entry, reference FROM made WHERE batch = ?", (id,)))
    return Batch(id, key, person, taken, tries, made)


_BY_TAKEN: Final = itemgetter(0, 1, 2)


def _taken(context: str, charged: bool, rows: Sequence[Row]) -> Taken:
    """One that holds these readings alone: what they refer to is counted anew, and one batch tells the battery."""
    taken = read(context)
    places = {row[3]: place for place, row in enumerate(rows)}
    readings = [read_reading(row[4]) for row in rows]
    readings = [replace(one, of=tuple(places[of] for of in one.of if of in places)) for one in readings]
    return replace(taken, readings=tuple(readings), battery=taken.battery if charged else None)
