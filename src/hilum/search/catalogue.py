"""Which custom search parameters a store has, how far each of them is, and what a new definition changes.

A definition takes effect in this order, which is why no resource is ever missed:

1. It is committed, with a greater `generation`, in the same transaction as its SearchParameter.
2. From then on a store refuses every commit whose rows were made for another generation (interactions build it anew):
   whatever is written is indexed by it, whichever process writes.
3. What was there before is indexed from the bodies, in small steps that note how far they came.
4. It is `ready`, and only then is anything searched by it.

A parameter that goes is unknown at once, and new rows of it are no longer made; those that there are go in small steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from hilum.fhir.definitions import SearchParameter
from hilum.problems import Conflict, Issue, Unprocessable
from hilum.search.custom import judge, own_numbers, types_of
from hilum.search.parameters import R4, Registry

BUILDING: Final = "building"
READY: Final = "ready"
FAILED: Final = "failed"
REMOVING: Final = "removing"
REMOVED: Final = "removed"
GONE: Final = "gone"
"""The states. `removed`: its rows are away, and its Task has to be told so; `gone`: nothing is left to be known."""

_UNCLEAR: Final = (BUILDING, FAILED, REMOVING)
"""In these there may be rows left of what is to be cleared."""
CLEARING: Final = -1
"""The cursor while old rows of the numbers are deleted: what a parameter of the same numbers left behind."""


@dataclass(frozen=True, slots=True)
class Defined:
    """One definition and how far it is.

    `id`: of the SearchParameter. `clear`: numbers whose rows are (or were) to be deleted. `types`: resource types that
    are walked. `cursor`: the last rid that was done, or CLEARING. `done` of `total` resources. `task`: id of the Task.
    """

    id: str
    definition: SearchParameter
    state: str
    clear: tuple[int, ...] = ()
    types: tuple[str, ...] = ()
    cursor: int = CLEARING
    done: int = 0
    total: int = 0
    task: str = ""

    @property
    def indexed(self) -> bool:
        """Whether rows of it are made of what is written."""
        return self.state in (BUILDING, READY, FAILED)

    @property
    def pending(self) -> bool:
        """Whether there is something left to do in the background."""
        return self.state in (BUILDING, REMOVING)


@dataclass(frozen=True)
class Catalogue:
    """All of them, as a process knows them. `generation` grows with every change."""

    generation: int = 0
    defined: tuple[Defined, ...] = ()

    @cached_property
    def registry(self) -> Registry:
        """By which resources are indexed."""
        return _registry(one for one in self.defined if one.indexed)

    @cached_property
    def searchable(self) -> Registry:
        """By which they can be searched: what is complete."""
        waiting = {
            (base, one.definition.code): _waiting(one) for one in self._unready() for base in one.definition.base
        }
        if not waiting and not any(one.state == READY for one in self.defined):
            return R4
        return Registry([one.definition for one in self.defined if one.state == READY], waiting)

    @cached_property
    def codes(self) -> frozenset[str]:
        """The codes of all of them."""
        return frozenset(one.definition.code for one in self.defined)

    def numbers(self, one: Defined) -> dict[str, tuple[int, ...]]:
        """Resource type -> the numbers, beyond R4's, that a parameter has rows under."""
        return own_numbers(one.definition, self.registry) if one.indexed else {}

    def of(self, id: str) -> Defined | None:
        """The definition of that SearchParameter."""
        return next((one for one in self.defined if one.id == id), None)

    def _unready(self) -> list[Defined]:
        return [one for one in self.defined if one.state in (BUILDING, FAILED)]


EMPTY: Final = Catalogue()


def _registry(some: Iterable[Defined]) -> Registry:
    found = [one.definition for one in some]
    return Registry(found) if found else R4


def _waiting(one: Defined) -> str:
    if one.state == FAILED:
        return (
            f"The search parameter {one.definition.code!r} could not be indexed: see Task/{one.task}. "
            f"`hilum reindex --parameter {one.definition.code}` tries again."
        )
    return f"The search parameter {one.definition.code!r} is being indexed; Task/{one.task} shows how far it is."


Wanted = Mapping[str, tuple[SearchParameter, str] | None]
"""Id of a SearchParameter -> what it is to mean, and what it is derived from; None: nothing (any more)."""


def changes(catalogue: Catalogue, wanted: Wanted, new_id: Callable[[], str]) -> tuple[Defined, ...]:
    """What a store has to note of SearchParameters that are about to be written: nothing when nothing changes.

    Raises Unprocessable with all that is wrong with them, and Conflict when a composite would lose a component.
    """
    was = {one.id: one for one in catalogue.defined if one.indexed}
    now = {id: one.definition for id, one in was.items() if id not in wanted}
    now |= {id: found[0] for id, found in wanted.items() if found is not None}
    changed = {id for id in wanted if now.get(id) != (was[id].definition if id in was else None)}
    if not changed:
        return ()
    registry = Registry(now[id] for id in sorted(now))
    issues: list[Issue] = []
    for id in sorted(changed):
        if (found := wanted[id]) is not None:
            others = (one for other, one in now.items() if other != id)
            issues += judge(*found, others, registry)
    if issues:
        raise Unprocessable(issues=tuple(issues))
    _keep_components(was, now)
    held = {id: _all_numbers(one, registry) for id, one in now.items()}
    ready = {n for id, one in was.items() if one.state == READY and id not in changed for n in held[id]}
    used = {n for numbers in held.values() for n in numbers}
    found_changes = []
    for id in sorted(changed):
        before = catalogue.of(id)
        definition = now.get(id)
        left = set(before.clear) if before is not None and before.state in _UNCLEAR else set()
        types = set(before.types) if left and before is not None else set()
        if id in was:
            left |= _all_numbers(was[id].definition, catalogue.registry)
            types |= set(types_of(was[id].definition))
        if definition is None:
            state, clear = REMOVING, left - used
            definition = was[id].definition
            if not clear:
                found_changes.append(replace(was[id], state=GONE))
                continue
        else:
            elsewhere = {n for other, numbers in held.items() if other != id for n in numbers}
            clear = (held[id] | left) - elsewhere
            state = BUILDING
            types |= set(types_of(definition))
            if held[id] <= ready and not clear:
                state, types = READY, set()
        task = "" if state == READY else new_id()
        found_changes.append(Defined(id, definition, state, tuple(sorted(clear)), tuple(sorted(types)), task=task))
    found_changes += [
        replace(one, clear=tuple(n for n in one.clear if n not in used))
        for one in catalogue.defined
        if one.state == REMOVING and one.id not in changed and used.intersection(one.clear)
    ]
    # What goes before its old rows are cleared leaves that to those who share its numbers.
    unclear = {n for id in changed if id in was and was[id].state == BUILDING for n in was[id].clear} - ready
    found_changes += [
        replace(one, clear=tuple(sorted({*one.clear, *(held[id] & unclear)})), cursor=CLEARING, done=0)
        for id, one in was.items()
        if one.state == BUILDING and id not in changed and held[id] & unclear
    ]
    return tuple(found_changes)


def _all_numbers(definition: SearchParameter, registry: Registry) -> set[int]:
    return {n for numbers in own_numbers(definition, registry).values() for n in numbers}


def _keep_components(was: Mapping[str, Defined], now: Mapping[str, SearchParameter]) -> None:
    there = {one.url for one in now.values()}
    for id, one in now.items():
        for component in one.component:
            lost = component.definition not in there and any(
                gone.definition.url == component.definition for gone in was.values()
            )
            if lost:
                raise Conflict(f"SearchParameter/{id} is a composite of it. Delete or retire that first.")
