"""Drives a plan on a SQLite connection. See `hilum.store.plan.dialect.Steps`."""

from __future__ import annotations

from typing import TypeVar

import apsw

from hilum.store.plan.dialect import Steps
from hilum.store.plan.thresholds import too_long
from hilum.store.sql import MOST_VALUES
from hilum.store.sqlite.connection import rows

T = TypeVar("T")


def run(db: apsw.Connection, steps: Steps[T]) -> T:
    """What the plan comes to. Raises Busy, Unprocessable; apsw.InterruptError when its patience ends."""
    try:
        part = next(steps)
        while True:
            if len(part.values) > MOST_VALUES:
                raise too_long(part)
            part = steps.send(rows(db, part.sql, part.values))
    except StopIteration as stop:
        found: T = stop.value
        return found


def at_once(db: apsw.Connection, steps: Steps[T]) -> T:
    """The same, all of it in one snapshot of the database."""
    db.execute("BEGIN")
    try:
        return run(db, steps)
    finally:
        while db.in_transaction:
            # SQLite counts the steps of a kept statement over its whole life: now and then a COMMIT reaches the
            # progress handler, and is interrupted when the patience of the search has ended. Then it is said again.
            try:
                db.execute("COMMIT")
            except apsw.InterruptError:
                continue
