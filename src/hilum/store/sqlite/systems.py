"""Numbers of systems (table `system`): each belongs to one text, for ever. See `hilum.store.keyed`."""

from __future__ import annotations

from typing import Final

import apsw

from hilum.store.keyed import NOBODY, NUMBERS, OWN, Keys, choices, exhausted, no_secret
from hilum.store.sqlite.connection import row, rows

_NUMBER: Final = "SELECT number FROM system WHERE text = ?"
_FREE: Final = """
SELECT n FROM (SELECT 1 AS n UNION ALL SELECT s.number + 1 FROM system s)
WHERE n <= ? AND NOT EXISTS (SELECT 1 FROM system k WHERE k.number = n) LIMIT 1
"""


def secret(db: apsw.Connection) -> str:
    """What the store's keys are made with. Raises Damaged."""
    found = row(db, OWN)
    if found is None:
        raise no_secret()
    return str(found[0])


class Systems:
    """A connection's view of the table, within transactions that write; what they undo is forgotten here, too.

    `learn` False: nothing is written, and what is not there has the number NOBODY.
    """

    def __init__(self, db: apsw.Connection, *, learn: bool = True) -> None:
        self._db, self._learn = db, learn
        self._new: list[str] = []
        self._full = False  # to find that out takes half a second, and it stays so
        self.keys = Keys(secret(db), self._number)

    def begin(self) -> None:
        """A transaction begins; one before that was not `durable` was undone."""
        self.forget()
        self._new.clear()

    def forget(self) -> None:
        """Something was undone: what was learned since the transaction began may be wrong."""
        self.keys.forget(self._new)

    def durable(self) -> None:
        """The transaction was flushed."""
        if self._learn:
            self._new.clear()

    def _number(self, system: str) -> int:
        self._new.append(system)  # also what is found may be of this transaction
        found = row(self._db, _NUMBER, (system,))
        number = int(found[0]) if found else self._give(system) if self._learn else NOBODY
        self.keys.numbers[system] = number
        return number

    def _give(self, system: str) -> int:
        wanted = choices(system)
        marks = ",".join("?" * len(wanted))
        taken = {n for (n,) in rows(self._db, f"SELECT number FROM system WHERE number IN ({marks})", wanted)}
        number = next((n for n in wanted if n not in taken), None)
        if number is None:
            found = None if self._full else row(self._db, _FREE, (NUMBERS,))
            if found is None:
                self._full = True
                raise exhausted()
            number = int(found[0])
        self._db.execute("INSERT INTO system VALUES (?, ?)", (number, system))
        return number
