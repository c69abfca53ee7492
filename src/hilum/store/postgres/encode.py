"""Writes as the arrays that the function apply() takes: pure, but for the rids and shapes that it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.search.prose import LONGEST, content, narrative, read
from hilum.search.rows import NO_ROWS, Rows
from hilum.store import keys
from hilum.store.interface import Write
from hilum.store.keyed import Keys
from hilum.store.postgres.names import METHOD_NUMBER, Name
from hilum.store.postgres.tables import KINDS, TABLES, Rids, strings, targets, tokens, writable

MOST_WORDS = 1_000_000
"""A tsvector holds a megabyte of different words; those that come after it can't be found."""


class RowColumns:
    """Index rows to be added or taken away: for each of TABLES the numbers of its rows, one after the other."""

    __slots__ = ("folded", "numbers", "whole")

    def __init__(self) -> None:
        self.numbers: list[list[int | float]] = [[] for _ in TABLES]
        self.folded: list[str] = []
        self.whole: list[str | None] = []

    def arguments(self) -> list[str]:
        """`rows` of add_rows() and take_rows(); empty where there is nothing at all."""
        if not any(self.numbers):
            return []
        return ["{" + ",".join(map(str, one)) + "}" if one else "" for one in self.numbers]


@dataclass(slots=True)
class Columns:
    """The arrays of apply(), from w_fresh to content."""

    fresh: list[int] = field(default_factory=list)
    rid: list[int] = field(default_factory=list)
    type: list[int] = field(default_factory=list)
    id: list[str] = field(default_factory=list)
    version: list[int] = field(default_factory=list)
    method: list[int] = field(default_factory=list)
    shape: list[int] = field(default_factory=list)
    compartments: list[str | None] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    head: list[bytes | None] = field(default_factory=list)
    tail: list[bytes | None] = field(default_factory=list)
    narrative: list[str | None] = field(default_factory=list)
    content: list[str | None] = field(default_factory=list)
    added: RowColumns = field(default_factory=RowColumns)
    removed: RowColumns = field(default_factory=RowColumns)

    def arguments(self) -> list[Any]:
        """All of them, in order; those of numbers as text."""
        return [
            literal(self.fresh),
            literal(self.rid),
            literal(self.type),
            self.id,
            literal(self.version),
            literal(self.method),
            literal(self.shape),
            self.compartments,
            self.labels,
            self.head,
            self.tail,
            self.added.arguments(),
            self.removed.arguments(),
            self.added.folded,
            self.added.whole,
            self.removed.folded,
            self.narrative,
            self.content,
        ]


def literal(numbers: Sequence[int | float]) -> str:
    """An array of numbers (or booleans) as PostgreSQL writes it: the driver takes twice as long for a list."""
    return "{" + ",".join(map(str, numbers)) + "}" if numbers else "{}"


def named(writes: Sequence[Write]) -> dict[Name, None]:
    """Every name that the rows of the writes, or of the versions before them, refer to, in that order.

    Those that nobody used before get their numbers in it, and the default order of searches is that of the numbers.
    """
    found: dict[Name, None] = {}
    for write in writes:
        found.update(dict.fromkeys(targets(write.rows)))
        if write.old is not NO_ROWS:
            found.update(dict.fromkeys(targets(write.old)))
    return found


def encode(
    writes: Sequence[Write],
    rids: dict[Name, int],
    fresh: set[Name],
    shapes: Sequence[int],
    of: Keys,
    *,
    full_text: bool,
) -> Columns:
    """The arrays. `rids` has every name written or referred to; `fresh` are those that become rows now.

    `shapes`: one for each write. Raises UnknownSystem.
    """
    out = Columns()
    for write, shape in zip(writes, shapes, strict=True):
        name = (write.type, write.id)
        rid = rids[name]
        _version(out, write, rid, rids, name in fresh, shape)
        if write.rows is not write.old:
            add(out.added, out.removed, rid, write.rows, write.old, rids, of)
        if full_text:
            texts = texts_of(write.draft.body) if write.draft else (None, None)
            out.narrative.append(texts[0])
            out.content.append(texts[1])
    return out


def _version(out: Columns, write: Write, rid: int, rids: dict[Name, int], fresh: bool, shape: int) -> None:
    # A deletion stays visible in history to those who saw what it deleted.
    seen = write.rows if write.draft else write.old
    out.fresh.append(fresh)
    out.rid.append(rid)
    out.type.append(TYPE_NUMBER[write.type])
    out.id.append(write.id)
    out.version.append(write.version)
    out.method.append(METHOD_NUMBER[write.method])
    out.shape.append(shape if write.draft else 0)
    out.compartments.append(_array([rids[owner] for owner in seen.compartments]))
    out.labels.append(_array([keys.label(system, code) for system, code in seen.labels]))
    head, tail = write.draft.around(write.version) if write.draft else (None, None)
    out.head.append(head)
    out.tail.append(tail)


def _array(values: Sequence[int]) -> str | None:
    return literal(values) if values else None


def add(added: RowColumns, removed: RowColumns, rid: int, new: Rows, old: Rows, rids: Rids, of: Keys) -> None:
    """What only the new version says is added, what only the old one said is taken away. Raises UnknownSystem."""
    # What an update leaves as it was may be one and the same tuple in both.
    if new.tokens is not old.tokens or new.uris is not old.uris or new.terms is not old.terms:
        was = tokens(old, of) if old is not NO_ROWS else {}
        _differing(added.numbers[0], removed.numbers[0], rid, tokens(new, of), was)
    if new.strings is not old.strings:
        _strings(added, removed, rid, new, old, of)
    for place, name, flatten in KINDS:
        after, before = getattr(new, name), getattr(old, name)
        if after is before or not (after or before):
            continue
        now, then = dict.fromkeys(flatten(after, rids, of)), dict.fromkeys(flatten(before, rids, of))
        _differing(added.numbers[place], removed.numbers[place], rid, now, then)


def _differing(added: list[Any], removed: list[Any], rid: int, now: dict[Any, None], was: dict[Any, None]) -> None:
    if not was:
        for flat in now:
            added += flat
            added.append(rid)
        return
    for flat in now:
        if flat not in was:
            added += flat
            added.append(rid)
    for flat in was:
        if flat not in now:
            removed += flat
            removed.append(rid)


def _strings(added: RowColumns, removed: RowColumns, rid: int, new: Rows, old: Rows, of: Keys) -> None:
    now, was = strings(new, of), strings(old, of) if old.strings else {}
    for (param, exact, folded), whole in now.items():
        if (param, exact, folded) not in was:
            added.numbers[1] += (param, exact, rid)
            added.folded.append(folded)
            added.whole.append(whole)
    for param, exact, folded in was:
        if (param, exact, folded) not in now:
            removed.numbers[1] += (param, exact, rid)
            removed.folded.append(folded)


def words(raw: bytes) -> tuple[str, str]:
    """The different words of the narrative, and of everything, of a resource's JSON."""
    return texts_of(read(raw))


def texts_of(body: dict[str, Any]) -> tuple[str, str]:
    """The same of what was read already."""
    return _different(narrative(body)), _different(content(body))


def _different(text: str) -> str:
    found = dict.fromkeys([word[:LONGEST] for word in writable(text).split()])
    if len(text) > MOST_WORDS // 4:
        room = MOST_WORDS
        for word in list(found):
            room -= len(word.encode()) + 1
            if room < 0:
                del found[word]
    return " ".join(found)
