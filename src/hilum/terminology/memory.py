"""Code systems in memory: for a store that keeps nothing, and for R4's own. See `concepts.Concepts`."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hilum.terminology.concepts import IMPORTED, LINGERS, Head, Posting, Row, System
from hilum.terminology.rows import Plan, Source


@dataclass(slots=True)
class _Kept:
    head: Head
    state: str = "loading"
    at: float = 0.0
    rows: dict[int, Row] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    posted: dict[int, dict[str, bytes]] = field(default_factory=dict)
    keys: dict[int, list[str]] = field(default_factory=dict)


class MemoryConcepts:
    """No method waits for anything. `changed`: a number that grows with each change of definitions elsewhere."""

    def __init__(self, changed: Callable[[], int] = lambda: 0) -> None:
        self._kept: dict[int, _Kept] = {}
        self._next = 1
        self._changes = 0
        self._changed = changed
        self._closures: dict[str, list[str]] = {}

    async def generation(self) -> int:
        """Of what is here and elsewhere: both only grow."""
        return self._changes + self._changed()

    async def systems(self, url: str | None = None) -> list[System]:
        """What is whole."""
        return self.loaded(url)

    def loaded(self, url: str | None = None) -> list[System]:
        """The same, and no wait."""
        return [
            System(number, one.head)
            for number, one in sorted(self._kept.items(), reverse=True)
            if one.state == "ready" and url in (None, one.head.url)
        ]

    async def begin(self, head: Head) -> int:
        """A number of its own."""
        number, self._next = self._next, self._next + 1
        self._kept[number] = _Kept(head)
        return number

    async def add(self, number: int, rows: Sequence[Row]) -> None:
        """By number and by code."""
        one = self._kept[number]
        one.rows.update((row.n, row) for row in rows)
        one.codes.update((row.code, row.n) for row in rows)

    async def post(self, number: int, postings: Sequence[Posting]) -> None:
        """By kind and key."""
        one = self._kept[number]
        for posting in postings:
            one.posted.setdefault(posting.kind, {})[posting.key] = posting.value
        one.keys.clear()

    async def finish(self, number: int) -> bool:
        """In place of what it replaces."""
        new = self._kept[number]
        others = [(n, one) for n, one in self._kept.items() if one.state == "ready" and replaces(new.head, one.head)]
        if any(one.head.seq > new.head.seq for _, one in others):
            del self._kept[number]
            return False
        for _, one in others:
            one.state, one.at = "gone", time.monotonic()
        new.state = "ready"
        self._changes += 1
        return True

    async def retire(self, number: int) -> bool:
        """Not found any more."""
        one = self._kept.get(number)
        if one is None or one.state != "ready":
            return False
        one.state, one.at = "gone", time.monotonic()
        self._changes += 1
        return True

    async def sweep(self) -> int:
        """Take away what is gone."""
        late = time.monotonic() - LINGERS
        gone = [number for number, one in self._kept.items() if one.state == "gone" and one.at < late]
        for number in gone:
            del self._kept[number]
        return len(gone)

    async def at(self, number: int, some: Sequence[int]) -> list[Row]:
        """By number."""
        one = self._kept.get(number)
        return [] if one is None else [one.rows[n] for n in some if n in one.rows]

    async def of(self, number: int, codes: Sequence[str]) -> list[Row]:
        """By code."""
        one = self._kept.get(number)
        return [] if one is None else [one.rows[one.codes[code]] for code in codes if code in one.codes]

    async def postings(self, number: int, kind: int, low: str, high: str | None = None) -> list[tuple[str, bytes]]:
        """By key."""
        one = self._kept.get(number)
        posted = {} if one is None else one.posted.get(kind, {})
        if high is None or one is None:
            return [(low, posted[low])] if low in posted else []
        keys = one.keys.get(kind)
        if keys is None:
            keys = one.keys[kind] = sorted(posted)
        found = []
        for at in range(bisect_left(keys, low), len(keys)):
            if keys[at] > high:
                break
            found.append((keys[at], posted[keys[at]]))
        return found

    async def closure(self, name: str) -> list[tuple[int, str]] | None:
        """The steps so far."""
        steps = self._closures.get(name)
        return None if steps is None else list(enumerate(steps, 1))

    async def closures(self, start: str, most: int) -> list[str]:
        """By name."""
        return sorted(name for name in self._closures if name.startswith(start))[:most]

    async def extend(self, name: str, after: int, step: str | None) -> bool:
        """One more."""
        if step is None:
            self._closures[name] = []
            return True
        steps = self._closures.get(name)
        if steps is None or len(steps) != after:
            return False
        steps.append(step)
        return True

    def put(self, head: Head, source: Source, *, folds: bool = False) -> int:
        """Load a code system at once."""
        plan = Plan(source, folds=folds)
        number, self._next = self._next, self._next + 1
        one = self._kept[number] = _Kept(head._replace(size=plan.size), "ready")
        for row in plan.rows():
            one.rows[row.n] = row
            one.codes[row.code] = row.n
        for posting in plan.postings():
            one.posted.setdefault(posting.kind, {})[posting.key] = posting.value
        return number


def replaces(new: Head, old: Head) -> bool:
    """Whether what is loaded as `new` takes the place of `old`: a version of the same resource, or the same import."""
    if new.source != old.source:
        return False
    return new.source != IMPORTED or (new.url, new.version) == (old.url, old.version)
