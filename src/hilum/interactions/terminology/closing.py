"""Closure tables: which of the concepts that a client has sent so far are under which.

https://hl7.org/fhir/R4/conceptmap-operation-closure.html

A table is a client's name and steps, each what one call added: concepts and the pairs that came of them. The version of
a table is the number of its steps. When a code system is another one by then, the table must be begun anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from hilum.interactions.build import apart
from hilum.interactions.terminology.knowledge import Codes
from hilum.problems import Busy, Invalid, Issue, NotFound, Unprocessable
from hilum.store.interface import Store
from hilum.terminology import bits
from hilum.terminology.concepts import Body

MOST: Final = 10_000
"""Concepts of a table."""
MOST_TABLES: Final = 100
"""Of a client."""
MOST_PAIRS: Final = 200_000
MOST_BYTES: Final = 32 << 20
"""Pairs of a table; and what its steps take as they are kept."""
_TRIES: Final = 8
_VERSION: Final = re.compile(r"[0-9]{1,9}")
_NAME: Final = re.compile(r"[A-Za-z0-9\-._~:/]{1,200}")
Coded = tuple[str, str]


class Step(msgspec.Struct, frozen=True, array_like=True):
    """What one call added: concepts, and pairs of which the first is under the second; by which code systems, as they
    were (url, number).
    """

    concepts: tuple[Coded, ...]
    pairs: tuple[tuple[Coded, Coded], ...]
    systems: tuple[tuple[str, int], ...]


async def begun(store: Store, client: str, name: str) -> Body:
    """A new, empty table, in place of any of this name. Raises Unprocessable where the client has too many."""
    key = _key(client, name)
    there = await store.concepts.closures(_key(client, ""), MOST_TABLES)
    if key not in there and len(there) >= MOST_TABLES:
        raise _costly(
            f"There are {MOST_TABLES} closure tables of this client already: begin one of these anew.", "name"
        )
    await store.concepts.extend(key, 0, None)
    return _map(name, 0, ())


async def since(store: Store, client: str, name: str, version: str) -> Body:
    """All that was added after a version."""
    steps, _ = await _steps(store, _key(client, name))
    if not _VERSION.fullmatch(version) or int(version) > len(steps):
        raise Invalid("version must be one that this table has given.", expression="version")
    return _map(name, len(steps), [pair for step in steps[int(version) :] for pair in step.pairs])


async def extended(store: Store, codes: Codes, client: str, name: str, concepts: Sequence[Coded]) -> Body:
    """Add concepts; the pairs that come of them. Raises NotFound for a name without a table, and for unknown codes."""
    key = _key(client, name)
    for _ in range(_TRIES):
        steps, size = await _steps(store, key)
        had = {one for step in steps for one in step.concepts}
        new = [one for one in dict.fromkeys(concepts) if one not in had]
        if len(had) + len(new) > MOST:
            raise _costly(f"A closure table has up to {MOST:,} concepts; this one has {len(had):,}.", "concept")
        if not new:
            return _map(name, len(steps), ())
        systems, pairs = await _pairs(codes, had, new, MOST_PAIRS - sum(len(one.pairs) for one in steps))
        before = {system for one in steps for system in one.systems}
        if any(url == other and number != now for url, number in before for other, now in systems):
            raise Unprocessable("The closure table must be reinitialized: the code system has changed since.")
        step = msgspec.json.encode(Step(tuple(new), pairs, systems))
        if size + len(step) > MOST_BYTES:
            raise _costly(f"A closure table takes up to {MOST_BYTES >> 20} MiB: begin another one.", "concept")
        if await store.concepts.extend(key, len(steps), step.decode()):
            return _map(name, len(steps) + 1, pairs)
    raise Busy("Others are adding to the same closure table. Try again.")


async def _pairs(
    codes: Codes, had: set[Coded], new: Sequence[Coded], most: int
) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[Coded, Coded], ...]]:
    """The code systems, and each new one with those over and under it, among all. Raises Unprocessable for too many."""
    found: set[tuple[Coded, Coded]] = set()
    systems: list[tuple[str, int]] = []
    everything = [*had, *new]
    for system in dict.fromkeys(system for system, _ in new):
        held = await codes.system(system)
        if held is None:
            raise NotFound(f"The code system {system[:200]!r} is not known here.")
        systems.append((system, held.system.number))
        all = await held.of([code for other, code in everything if other == system])
        missing = [code for other, code in new if other == system and code not in all]
        if missing:
            raise NotFound(f"The code system {system[:200]} has no code {missing[0][:64]!r}.")
        by = {row.n: code for code, row in all.items()}
        ours = bits.of(by)
        for other, code in new:
            if other != system:
                continue
            row = all[code]
            under = bits.union((row.under,)) & ours
            found.update(((system, by[n]), (system, code)) for n in bits.each(under) if n != row.n)
            found.update(((system, code), (system, by[n])) for n in bits.numbers(row.over) if n in by and n != row.n)
            if len(found) > most:
                raise _costly(f"A closure table has up to {MOST_PAIRS:,} pairs: begin another one.", "concept")
    return tuple(systems), tuple(sorted(found))


async def _steps(store: Store, key: str) -> tuple[list[Step], int]:
    """What was added so far, and what it takes."""
    found = await store.concepts.closure(key)
    if found is None:
        raise NotFound("There is no closure table of this name: begin one by a call with the name alone.")
    size = sum(len(step) for _, step in found)
    return await apart(size, _decoded, [step for _, step in found]), size


def _decoded(steps: list[str]) -> list[Step]:
    return [msgspec.json.decode(step, type=Step) for step in steps]


def _key(client: str, name: str) -> str:
    """By which the store knows it: of a client's id no '/' is left, so that no client's table is another's."""
    if name and not _NAME.fullmatch(name):
        raise Invalid("name must be up to 200 letters, digits, and - . _ ~ : /", expression="name")
    return f"{quote(client, safe='')}/{name}"


def _costly(text: str, place: str) -> Unprocessable:
    return Unprocessable(issues=(Issue("error", "too-costly", text, place),))


def _map(name: str, version: int, pairs: Sequence[tuple[Coded, Coded]]) -> Body:
    groups: dict[str, dict[str, list[Any]]] = {}
    for (system, code), (_, over) in pairs:
        # "the source concept is subsumed by the target": https://hl7.org/fhir/R4/terminology-service.html#closure
        groups.setdefault(system, {}).setdefault(code, []).append({"code": over, "equivalence": "subsumes"})
    body: Body = {
        "resourceType": "ConceptMap",
        "version": str(version),
        "name": name,
        "status": "active",
        "experimental": False,
    }
    if groups:
        body["group"] = [
            {
                "source": system,
                "target": system,
                "element": [{"code": code, "target": targets} for code, targets in elements.items()],
            }
            for system, elements in groups.items()
        ]
    return body
