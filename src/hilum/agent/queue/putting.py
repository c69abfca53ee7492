"""From a source into the file."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Final

from hilum.agent.queue.units import digest, parts
from hilum.phd.kept import write
from hilum.phd.reading import Device, Taken

SEEN: Final = 500_000
"""Digests that are kept: some 40 MB."""
MALFORMED: Final = 1000
MALFORMED_BYTES: Final = 4 * 1024 * 1024
LONGEST: Final = 64 * 1024
"""What is kept of bytes that say nothing: the first of them, where they are more."""


@dataclass(frozen=True, slots=True)
class Put:
    """What was new: readings. `again`: those that had been taken before."""

    readings: int
    again: int


def put(db: sqlite3.Connection, taken: Taken, now: float) -> Put:
    """Keep what is new of it. Readings that stay together stay so: one that was taken before goes again, to the same
    identifier, beside one of its own that is new.
    """
    device = contact(db, taken.device, taken.battery, now)
    units: defaultdict[int, list[int]] = defaultdict(list)
    for position, part in enumerate(parts(taken.readings)):
        units[part].append(position)
    fresh: list[tuple[int, int]] = []
    for part, positions in units.items():
        known = [_known(db, digest(taken, taken.readings[position])) for position in positions]
        if not all(known):
            fresh += [(part, position) for position in positions]
    if fresh:
        context = write(replace(taken, readings=()))
        row = "INSERT INTO taken (device, person, context) VALUES (?, ?, ?) RETURNING id"
        ((id,),) = db.execute(row, (device, taken.person, context)).fetchall()
        db.executemany(
            "INSERT INTO reading (taken, position, part, device, body) VALUES (?, ?, ?, ?, ?)",
            [(id, position, part, device, write(taken.readings[position])) for part, position in fresh],
        )
        db.execute("DELETE FROM seen WHERE id <= (SELECT max(id) FROM seen) - ?", (SEEN,))
    return Put(len(fresh), len(taken.readings) - len(fresh))


def _known(db: sqlite3.Connection, digest: bytes | None) -> bool:
    """Whether it had been seen; from now on it has."""
    if digest is None:
        return False
    return db.execute("INSERT OR IGNORE INTO seen (digest) VALUES (?)", (digest,)).rowcount == 0


def contact(db: sqlite3.Connection, device: Device, battery: int | None, now: float) -> int:
    """A device was here: its row."""
    name = device.name or " ".join(filter(None, (device.manufacturer, device.model)))
    row = """INSERT INTO device (key, name, at, battery) VALUES (?, ?, ?, ?)
        ON CONFLICT (key) DO UPDATE SET at = excluded.at, battery = coalesce(excluded.battery, battery),
            name = CASE WHEN excluded.name = '' THEN name ELSE excluded.name END
        RETURNING id"""
    ((id,),) = db.execute(row, (device.key, name, now, battery)).fetchall()
    return int(id)


def refuse(db: sqlite3.Connection, source: str, device: str, data: bytes, why: str, now: float) -> None:
    """Keep bytes that say nothing. What a device sends over and over stands there once, with how often."""
    data = data[:LONGEST]
    again = """UPDATE malformed SET times = times + 1, at = ?
        WHERE id = (SELECT max(id) FROM malformed WHERE source = ? AND device = ?) AND data = ? AND why = ?"""
    if db.execute(again, (now, source, device, data, why)).rowcount:
        return
    row = "INSERT INTO malformed (source, device, at, times, why, data) VALUES (?, ?, ?, 1, ?, ?)"
    db.execute(row, (source, device, now, why, data))
    db.execute("DELETE FROM malformed WHERE id <= (SELECT max(id) FROM malformed) - ?", (MALFORMED,))
    db.execute(
        """DELETE FROM malformed WHERE id <= (SELECT max(id) FROM
            (SELECT id, sum(length(data)) OVER (ORDER BY id DESC) AS bytes FROM malformed) WHERE bytes > ?)""",
        (MALFORMED_BYTES,),
    )
