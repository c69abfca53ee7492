"""What a person is shown of the queue, and what they may do with it: no value that was measured, unless asked for."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from hilum.agent.queue import settling
from hilum.agent.queue.batching import whole
from hilum.phd.kept import write
from hilum.phd.malformed import Malformed

_SEPARATELY: Final = "not yet in a batch"


class Kept(msgspec.Struct, frozen=True):
    """A batch. `state`: waiting, stopped (somebody has to do something) or dead. Times: seconds since 1970."""

    id: str
    device: str
    person: int | None
    readings: int
    state: str
    tries: int
    formed: float
    again: float
    why: str
    shown: tuple[str, ...] = ()


class Seen(msgspec.Struct, frozen=True):
    """A device. `waiting`: its readings in the queue, dead letters not among them."""

    key: str
    name: str
    at: float
    battery: int | None
    waiting: int


class Receipted(msgspec.Struct, frozen=True):
    """What the far side answered. `held`: why it waits there, or ""."""

    batch: str
    device: str
    at: float
    readings: int
    receipt: str
    held: str


class Unread(msgspec.Struct, frozen=True):
    """Bytes that say nothing. `data`: in hexadecimal digits, where it was asked for."""

    id: int
    source: str
    device: str
    at: float
    times: int
    bytes: int
    why: str
    data: str = ""


class Standing(msgspec.Struct, frozen=True):
    """The queue in numbers. `stopped`: what the far side said that takes nothing. `trying`: why batches wait.
    `ailing`: sources that will never work, and why.
    """

    waiting: int = 0
    dead: int = 0
    malformed: int = 0
    bytes: int = 0
    stopped: tuple[str, ...] = ()
    trying: tuple[str, ...] = ()
    ailing: tuple[tuple[str, str], ...] = ()
    devices: tuple[Seen, ...] = ()
    last: Receipted | None = None


def standing(db: sqlite3.Connection) -> Standing:
    """As it is now."""
    states = "SELECT coalesce(dead, 0), count(*) FROM reading LEFT JOIN batch ON batch.id = reading.batch GROUP BY 1"
    counted = dict(db.execute(states).fetchall())
    (malformed,) = db.execute("SELECT count(*) FROM malformed").fetchone()
    why = "SELECT DISTINCT why FROM batch WHERE dead = 0 AND tries > 0 AND stopped = ? AND why <> '' ORDER BY why"
    stopped, trying = (tuple(text for (text,) in db.execute(why, (value,))) for value in (1, 0))
    devices = db.execute(
        """SELECT key, name, at, battery, (SELECT count(*) FROM reading LEFT JOIN batch ON batch.id = reading.batch
            WHERE reading.device = device.id AND coalesce(dead, 0) = 0) FROM device ORDER BY at DESC"""
    )
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    ailing = tuple(db.execute("SELECT source, why FROM ailing ORDER BY source").fetchall())
    last = next(iter(receipts(db, 1)), None)
    seen = tuple(Seen(*row) for row in devices)
    return Standing(
        counted.get(0, 0), counted.get(1, 0), malformed, (pages - free) * size, stopped, trying, ailing, seen, last
    )


def receipts(db: sqlite3.Connection, most: int) -> list[Receipted]:
    """The last first."""
    rows = db.execute(
        """SELECT batch, key, receipt.at, readings, receipt, held FROM receipt
        JOIN device ON device.id = receipt.device ORDER BY receipt.id DESC LIMIT ?""",
        (most,),
    )
    return [Receipted(*row) for row in rows]


def batches(db: sqlite3.Connection, *, show: bool = False) -> list[Kept]:
    """All, in order of what is sent; then readings that are in none yet, by device."""
    formed = """SELECT batch.id, key, person, (SELECT count(*) FROM reading WHERE batch = batch.id),
            CASE WHEN dead THEN 'dead' WHEN stopped THEN 'stopped' ELSE 'waiting' END, tries, formed, again, why
        FROM batch JOIN device ON device.id = batch.device ORDER BY taken, part"""
    found = [Kept(*row) for row in db.execute(formed)]
    if show:
        found = [msgspec.structs.replace(one, shown=_shown(db, one.id)) for one in found]
    free = """SELECT key, person, count(*) FROM reading JOIN taken ON taken.id = taken JOIN device
        ON device.id = reading.device WHERE batch IS NULL GROUP BY key, person ORDER BY min(taken.id)"""
    return found + [
        Kept("", key, person, many, "waiting", 0, 0, 0, _SEPARATELY) for key, person, many in db.execute(free)
    ]


def _shown(db: sqlite3.Connection, id: str) -> tuple[str, ...]:
    try:
        return tuple(write(reading) for taken in whole(db, id).taken for reading in taken.readings)
    except Malformed as problem:
        return (str(problem),)


def unread(db: sqlite3.Connection, *, show: bool = False) -> list[Unread]:
    """The last first."""
    rows = db.execute(
        """SELECT id, source, device, at, times, length(data), why, iif(?, hex(data), '')
        FROM malformed ORDER BY id DESC""",
        (show,),
    )
    return [Unread(*row) for row in rows]


def retry(db: sqlite3.Connection, ids: Sequence[str] | None = None) -> int:
    """Have these batches tried at once, dead ones too; None: all. How many there were."""
    row = "UPDATE batch SET dead = 0, tries = 0, again = 0, stopped = 0"
    if ids is None:
        return db.execute(row).rowcount
    return sum(db.execute(f"{row} WHERE id = ?", (id,)).rowcount for id in ids)


def drop(db: sqlite3.Connection, ids: Sequence[str]) -> int:
    """Delete these batches and what was measured. How many there were."""
    there = [id for id in ids if db.execute("SELECT 1 FROM batch WHERE id = ?", (id,)).fetchone()]
    for id in there:
        settling.forget(db, id)
    return len(there)


def dead(db: sqlite3.Connection) -> list[str]:
    """Ids of dead letters."""
    return [id for (id,) in db.execute("SELECT id FROM batch WHERE dead = 1 ORDER BY taken, part")]
