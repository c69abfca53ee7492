"""Observation/$lastn: the newest of each kind. https://hl7.org/fhir/R4/observation-operation-lastn.html

All that match and may be searched are read once, page by page in the order of the index; of each kind only the newest
are kept. What is one kind is known at the end alone: "the grouping by code SHALL follow the transitive property of
equality", so that an observation with two codings makes one kind of two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.interactions.search import search
from hilum.problems import Issue, Unprocessable
from hilum.search.dates import interval, period, timing
from hilum.search.parse import Parsed

MOST_READ: Final = 200_000
"""Observations that are looked at; 100,000 take about two seconds."""
MOST_FOUND: Final = 5_000
"""Observations in the answer, which has no pages."""
MOST_BYTES: Final = 1 << 26
"""Of the answer; at most twice as many are held meanwhile, since kinds hold more than they return."""
_AT_ONCE: Final = 1000
_UNDATED: Final = -(1 << 63)
_SLACK: Final = 64
"""How many a kind may have at first before the oldest go."""

Code = tuple[str, str, str]
"""What two observations of one kind share: ("c", system, code), or ("t", "", text) where there is no code."""


class _Coding(msgspec.Struct):
    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct):
    coding: list[_Coding] = []
    text: str = ""


class _Observation(msgspec.Struct, rename="camel"):
    """What of an observation counts here."""

    code: _Concept
    effective_date_time: str | None = None
    effective_instant: str | None = None
    effective_period: dict[str, Any] | None = None
    effective_timing: dict[str, Any] | None = None


_read = msgspec.json.Decoder(_Observation).decode


@dataclass(slots=True)
class _Kind:
    """Observations that belong together, the newest of them: (when, seq, the observation); sorted out when `full`."""

    found: list[tuple[int, int, Resource]] = field(default_factory=list)
    full: int = _SLACK

    def add(self, one: tuple[int, int, Resource], most: int) -> int:
        """One more. Answers how many bytes more are held, which may be fewer."""
        self.found.append(one)
        size = len(one[2].raw)
        if len(self.found) > self.full:
            size -= self.trim(most)
            self.full = 2 * len(self.found) + _SLACK
        return size

    def trim(self, most: int) -> int:
        """The newest only, and those that are as new as the last of them: "in case of a tie both will be returned".

        Answers how many bytes were let go.
        """
        self.found.sort(key=_newest)
        if len(self.found) <= most:
            return 0
        last = self.found[most - 1][0]
        end = most
        if last != _UNDATED:
            while end < len(self.found) and self.found[end][0] == last:
                end += 1
        if end > MOST_FOUND:
            raise _too_costly(f"More than {MOST_FOUND} of one kind have the same time.")
        gone = sum(len(resource.raw) for _, _, resource in self.found[end:])
        del self.found[end:]
        return gone


def _newest(one: tuple[int, int, Resource]) -> tuple[int, int]:
    return -one[0], -one[1]


async def lastn(door: Door, who: Principal, parsed: Parsed, most: int) -> tuple[Resource, ...]:
    """The newest of each kind of what matches: by the least code of a kind, newest first.

    Raises as `search`, and Unprocessable (too costly) where there is too much to look at or to return.
    """
    kinds: dict[Code, _Kind] = {}
    linked = _Linked()
    query = replace(parsed.query, count=_AT_ONCE, total="none", sort=(), includes=())
    read = held = 0
    while True:
        page = await search(door, who, replace(parsed, query=query, kept=False))
        read += len(page.resources)
        if read > MOST_READ:
            raise _too_costly(f"More than {MOST_READ} observations match.")
        for resource in page.resources:
            codes, when = _of(resource)
            linked.join(codes)
            held += kinds.setdefault(codes[0], _Kind()).add((when, resource.seq, resource), most)
            if held > 2 * MOST_BYTES:
                held -= sum(kind.trim(most) for kind in kinds.values())
                if held > MOST_BYTES:
                    raise _too_large()
        if page.next is None:
            break
        query = replace(query, after=page.next)
    groups: dict[Code, _Kind] = {}
    for code, kind in kinds.items():
        groups.setdefault(linked.least(code), _Kind()).found += kind.found
    answer: list[Resource] = []
    for code in sorted(groups):
        held -= groups[code].trim(most)
        answer += [resource for _, _, resource in groups[code].found]
        if len(answer) > MOST_FOUND:
            raise _too_costly(f"More than {MOST_FOUND} would be returned.")
    if held > MOST_BYTES:
        raise _too_large()
    return tuple(answer)


def _of(resource: Resource) -> tuple[list[Code], int]:
    """The codes of an observation, one at least, and its time: the end of it, as `_sort=-date` has it."""
    body = _read(resource.raw)
    codes = [("c", one.system, one.code) for one in body.code.coding if one.code]
    return codes or [("t", "", body.code.text)], _when(body)


def _when(body: _Observation) -> int:
    text = body.effective_date_time or body.effective_instant
    if text is not None:
        return interval(text)[1]
    if body.effective_period is not None:
        found = period(body.effective_period)
    elif body.effective_timing is not None:
        found = timing(body.effective_timing)
    else:
        return _UNDATED
    return _UNDATED if found is None else found[1]


class _Linked:
    """Codes that stand for the same, directly or by way of others (union by the least one, with halved paths)."""

    def __init__(self) -> None:
        self._above: dict[Code, Code] = {}

    def least(self, code: Code) -> Code:
        """The least of the codes that stand for the same."""
        above = self._above
        while (next := above.setdefault(code, code)) != code:
            above[code] = above.setdefault(next, next)
            code = next
        return code

    def join(self, codes: Iterable[Code]) -> None:
        """These stand for the same."""
        first, *others = [self.least(code) for code in codes]
        for other in others:
            low, high = sorted((self.least(first), self.least(other)))
            self._above[high] = low
            first = low


def _too_large() -> Unprocessable:
    return _too_costly(f"More than {MOST_BYTES >> 20} MB would be returned.")


def _too_costly(text: str) -> Unprocessable:
    advice = f"{text} Narrow the search, by category, code or date, or ask for fewer by max."
    return Unprocessable(issues=(Issue("error", "too-costly", advice),))
