"""A workbench on disk: what the files of a release say of one concept comes together here, however they are sorted.

A `rows.Source`. The file is temporary, and gone when the bench is closed.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from hilum.problems import Invalid
from hilum.terminology.concepts import Designation, Entry, Property

_LAYOUT: Final = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
CREATE TABLE concept(
    n INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, display TEXT NOT NULL, rank INTEGER NOT NULL,
    definition TEXT NOT NULL, inactive INTEGER NOT NULL, abstract INTEGER NOT NULL);
CREATE TABLE designation(n INTEGER NOT NULL, value TEXT NOT NULL, language TEXT NOT NULL, use TEXT NOT NULL);
CREATE TABLE property(n INTEGER NOT NULL, code TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL);
CREATE TABLE parent(n INTEGER NOT NULL, code TEXT NOT NULL);
CREATE TABLE chosen(id TEXT PRIMARY KEY, rank INTEGER NOT NULL) WITHOUT ROWID;
"""
_TOGETHER: Final = 5000
_BEST: Final = 1 << 30
_SQL: Final = {
    "concept": (
        "INSERT INTO concept (code, display, rank, definition, inactive, abstract) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (code) DO NOTHING"
    ),
    "display": "UPDATE concept SET display = ?1, rank = ?2 WHERE code = ?3 AND rank > ?2",
    "active": "UPDATE concept SET inactive = 0 WHERE code = ?",
    "definition": "UPDATE concept SET definition = ?1 WHERE code = ?2",
    "designation": "INSERT INTO designation SELECT n, ?2, ?3, ?4 FROM concept WHERE code = ?1",
    "property": "INSERT INTO property SELECT n, ?2, ?3, ?4 FROM concept WHERE code = ?1",
    "parent": "INSERT INTO parent SELECT n, ?2 FROM concept WHERE code = ?1 AND code <> ?2",
    "chosen": "INSERT INTO chosen VALUES (?, ?) ON CONFLICT DO UPDATE SET rank = min(rank, excluded.rank)",
}
"""What is said of a concept that the release does not have is passed over."""


class Bench:
    """Written by the readers of releases, in any order once the concepts are there; then read as a source."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.NamedTemporaryFile(prefix="hilum-terms-", dir=folder)  # noqa: SIM115
        self._db = sqlite3.connect(self._file.name, isolation_level=None, check_same_thread=False)
        self._db.executescript(_LAYOUT)
        self._db.execute("BEGIN")
        self._waiting: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _SQL}

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._file.close()

    def concept(
        self, code: str, display: str = "", *, rank: int = _BEST, definition: str = "", inactive: bool = False,
        abstract: bool = False, where: str = "", again: bool = True,
    ) -> None:  # fmt: skip
        """A concept; the first that is said of a code counts. `rank`: how good the display is, the lowest wins."""
        if not code:
            raise Invalid(f"{where}: there is no code.")
        if not again and self.has(code):
            raise Invalid(f"{where}: the code {code[:64]!r} is defined twice.")
        self._put("concept", (code, display, rank, definition, inactive, abstract))

    def has(self, code: str) -> bool:
        """Whether there is such a concept so far."""
        self._flush("concept")
        return self._db.execute("SELECT 1 FROM concept WHERE code = ?", (code,)).fetchone() is not None

    def display(self, code: str, display: str, rank: int) -> None:
        """A better display, if it is."""
        self._put("display", (display, rank, code))

    def active(self, code: str) -> None:
        """It is not inactive after all."""
        self._put("active", (code,))

    def definition(self, code: str, text: str) -> None:
        """What the concept means."""
        self._put("definition", (text, code))

    def designation(self, code: str, value: str, language: str = "", use: tuple[str, str, str] | None = None) -> None:
        """Another name; `use` as (system, code, display)."""
        coding = dict(zip(("system", "code", "display"), use, strict=True)) if use else None
        self._put("designation", (code, value, language, json.dumps(coding) if coding else ""))

    def property(self, code: str, name: str, kind: str, value: Any) -> None:
        """What the code system says of it."""
        self._put("property", (code, name, kind, json.dumps(value)))

    def parent(self, code: str, parent: str) -> None:
        """What it is under."""
        self._put("parent", (code, parent))

    def choose(self, id: str, rank: int) -> None:
        """Note how good something is, such as a description in a language."""
        self._put("chosen", (id, rank))

    def chosen(self, id: str) -> int | None:
        """What was noted."""
        found = self._db.execute("SELECT rank FROM chosen WHERE id = ?", (id,)).fetchone()
        return None if found is None else int(found[0])

    def done(self) -> None:
        """All was written."""
        for name in _SQL:
            self._flush(name)
        for table in ("designation", "property", "parent"):
            self._db.execute(f"CREATE INDEX {table}_n ON {table}(n)")

    def settle(self) -> None:
        """What was said so far can be asked for."""
        for name in _SQL:
            self._flush(name)

    def _put(self, name: str, row: tuple[Any, ...]) -> None:
        waiting = self._waiting[name]
        waiting.append(row)
        if len(waiting) >= _TOGETHER:
            self._flush(name)

    def _flush(self, name: str) -> None:
        if name != "concept" and self._waiting["concept"]:
            self._flush("concept")
        waiting = self._waiting[name]
        if waiting:
            self._db.executemany(_SQL[name], waiting)
            waiting.clear()

    # --- as a source ----------------------------------------------------------------------------------------------

    def edges(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each code and its parents."""
        parents = _grouped(self._db.execute("SELECT DISTINCT n, code FROM parent ORDER BY n, code"))
        for n, code in self._db.execute("SELECT n, code FROM concept ORDER BY n"):
            yield code, tuple(one[0] for one in parents(n))

    def entries(self) -> Iterator[Entry]:
        """Each concept."""
        names = _grouped(self._db.execute("SELECT n, value, language, use FROM designation ORDER BY n, rowid"))
        said = _grouped(self._db.execute("SELECT DISTINCT n, code, kind, value FROM property ORDER BY n"))
        for n, code, display, _, definition, inactive, abstract in self._db.execute("SELECT * FROM concept ORDER BY n"):
            yield Entry(
                code,
                display,
                definition,
                tuple(Designation(v, language, json.loads(use) if use else None) for v, language, use in names(n)),
                tuple(Property(name, kind, json.loads(value)) for name, kind, value in said(n)),
                bool(inactive),
                bool(abstract),
            )


def _grouped(rows: Iterator[tuple[Any, ...]]) -> Callable[[int], list[tuple[Any, ...]]]:
    """The rows of a number, without it; numbers are asked for in the order of the rows."""
    ahead = next(rows, None)

    def of(n: int) -> list[tuple[Any, ...]]:
        nonlocal ahead
        found = []
        while ahead is not None and ahead[0] <= n:
            if ahead[0] == n:
                found.append(ahead[1:])
            ahead = next(rows, None)
        return found

    return of
