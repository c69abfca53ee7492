"""What became of a batch."""

from __future__ import annotations

import random
import sqlite3
from itertools import groupby
from operator import itemgetter
from typing import Final

from hilum.agent.batch import Fate, Held, Later, Refused, Stopped, Stored
from hilum.agent.queue.batching import LONGEST_WAIT, form

RECEIPTS: Final = 100
"""That are kept, to be shown."""
_FIRST, _SLOWEST = 2.0, 300.0
"""Seconds to the second try, and between two at last."""
_STOPPED, _STOPPED_SLOWEST = 60.0, 900.0
"""The same where a person has to do something."""


def settle(db: sqlite3.Connection, id: str, fate: Fate, now: float, chance: random.Random) -> None:
    """Note the fate of a batch. One that was dropped meanwhile stays dropped."""
    found = db.execute("SELECT tries FROM batch WHERE id = ?", (id,)).fetchone()
    if found is None:
        return
    tries = found[0] + 1
    match fate:
        case Stored(receipt):
            _delivered(db, id, receipt, "", now)
        case Held(receipt, why):
            _delivered(db, id, receipt, why, now)
        case Later(why, after):
            wait = max(waited(tries, _FIRST, _SLOWEST, chance), min(after or 0.0, LONGEST_WAIT))
            _again(db, id, tries, now + wait, False, why)
        case Stopped(why):
            _again(db, id, tries, now + waited(tries, _STOPPED, _STOPPED_SLOWEST, chance), True, why)
        case Refused(why):
            _refused(db, id, tries, why, now)


def waited(tries: int, first: float, slowest: float, chance: random.Random) -> float:
    """Seconds until the next try: twice as long each time, up to a bound, and by chance up to half of it less, so that
    agents that lost the same connection do not come back at the same moment.
    """
    return float(min(slowest, first * 2.0 ** min(tries - 1, 20))) * chance.uniform(0.5, 1.0)


def _again(db: sqlite3.Connection, id: str, tries: int, again: float, stopped: bool, why: str) -> None:
    row = "UPDATE batch SET tries = ?, again = ?, stopped = ?, why = ? WHERE id = ?"
    db.execute(row, (tries, again, stopped, why, id))


def _delivered(db: sqlite3.Connection, id: str, receipt: str, held: str, now: float) -> None:
    row = """INSERT INTO receipt (batch, device, at, readings, receipt, held)
        SELECT id, device, :now, (SELECT count(*) FROM reading WHERE batch = :id), :receipt, :held
        FROM batch WHERE id = :id"""
    db.execute(row, {"id": id, "now": now, "receipt": receipt, "held": held})
    db.execute("DELETE FROM receipt WHERE id <= (SELECT max(id) FROM receipt) - ?", (RECEIPTS,))
    forget(db, id)


def forget(db: sqlite3.Connection, id: str) -> None:
    """Delete a batch and its readings. Their digests stay: what the device sends again is not queued again."""
    taken = db.execute("SELECT DISTINCT taken FROM reading WHERE batch = ?", (id,)).fetchall()
    db.execute("DELETE FROM reading WHERE batch = ?", (id,))
    db.execute("DELETE FROM batch WHERE id = ?", (id,))
    empty = "DELETE FROM taken WHERE id = ? AND NOT EXISTS (SELECT 1 FROM reading WHERE taken = taken.id)"
    db.executemany(empty, taken)


def _refused(db: sqlite3.Connection, id: str, tries: int, why: str, now: float) -> None:
    """Two halves of it, each a batch of its own; or a dead letter, where nothing can be parted."""
    rows = db.execute(
        "SELECT taken, part, position FROM reading WHERE batch = ? ORDER BY taken, part, position", (id,)
    ).fetchall()
    units = [list(unit) for _, unit in groupby(rows, itemgetter(0, 1))]
    if len(units) < 2:
        db.execute("UPDATE batch SET dead = 1, tries = ?, stopped = 0, why = ? WHERE id = ?", (tries, why, id))
        return
    ((device, person),) = db.execute("SELECT device, person FROM batch WHERE id = ?", (id,)).fetchall()
    free = "UPDATE taken SET charged = NULL WHERE id = ? AND charged = ?"
    db.executemany(free, [(taken, id) for taken in sorted({row[0] for row in rows})])
    for half in (units[: len(units) // 2], units[len(units) // 2 :]):
        new = form(db, device, person, [row for unit in half for row in unit], now)
        db.execute("UPDATE batch SET why = ? WHERE id = ?", (why, new))
    db.execute("DELETE FROM batch WHERE id = ?", (id,))
