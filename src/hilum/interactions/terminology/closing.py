"""Closure tables: which of the concepts that a client has sent so far are under which.

https://hl7.org/fhir/R4/conceptmap-operation-closure.html

A table is a name and steps, each what one call added: concepts and the pairs that came of them. The version of a table
is the number of its steps. When a code system is another one by then, the table must be begun anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hilum.interactions.terminology.knowledge import Codes
from hilum.problems import Busy, Invalid, NotFound, Unprocessable
from hilum.store.interface import Store
from hilum.terminology import bits
from hilum.terminology.concepts import Body

MOST: Final = 10_000
"""Concepts of a table."""
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


async def begun(store: Store, name: str) -> Body:
    """A new, empty table, in place of any of this name."""
    _check(name)
    await store.concepts.extend(name, 0, None)
    return _map(name, 0, ())


async def since(store: Store, name: str, version: str) -> Body:
    """All that was added after a version."""
    steps = await _steps(store, name)
    if not _VERSION.fullmatch(version) or int(version) > len(steps):
        raise Invalid("version must be one that this table has given.")
    return _map(name, len(steps), [pair for step in steps[int(version) :] for pair in step.pairs])


async def extended(store: Store, codes: Codes, name: str, concepts: Sequence[Coded]) -> Body:
    """Add concepts; the pairs that come of them. Raises NotFound for a name without a table, and for unknown codes."""
    for _ in range(_TRIES):
        steps = await _steps(store, name)
        had = {one for step in steps for one in step.concepts}
        new = [one for one in dict.fromkeys(concepts) if one not in had]
        if len(had) + len(new) > MOST:
            raise Unprocessable(f"A closure table has up to {MOST:,} concepts.")
        if not new:
            return _map(name, len(steps), ())
        systems, pairs = await _pairs(codes, had, new)
        before = {system for one in steps for system in one.systems}
        if any(url == other and number != now for url, number in before for other, now in systems):
            raise Unprocessable("The closure table must be reinitialized: the code system has changed since.")
        step = Step(tuple(new), pairs, systems)
        if await store.concepts.extend(name, len(steps), msgspec.json.encode(step).decode()):
            return _map(name, len(steps) + 1, step.pairs)
    raise Busy("Others are adding to the same closure table. Try again.")


async def _pairs(
    codes: Codes, had: set[Coded], new: Sequence[Coded]
) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[Coded, Coded], ...]]:
    """The code systems, and each new one with those over and under it, among all."""
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
    return tuple(systems), tuple(sorted(found))


async def _steps(store: Store, name: str) -> list[Step]:
    _check(name)
    found = await store.concepts.closure(name)
    if found is None:
        raise NotFound("There is no closure table of this name: begin one by a call with the name alone.")
    return [msgspec.json.decode(step, type=Step) for _, step in found]


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid("name must be up to 200 letters, digits, and - . _ ~ : /")


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
