"""Commits, and what they define: a SearchParameter that is written takes effect with the commit that writes it.

https://hl7.org/fhir/R4/searchparameter.html. See `hilum.search.catalogue` for the order in which it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from hilum.fhir import json
from hilum.fhir.definitions import SearchParameter
from hilum.fhir.resource import Resource, draft
from hilum.interactions import granting, owning
from hilum.interactions.door import Door
from hilum.interactions.ids import uuid7
from hilum.interactions.retrying import retrying
from hilum.interactions.shelf import KINDS
from hilum.oauth.ledger import Put
from hilum.search import catalogue as states
from hilum.search.catalogue import Catalogue, Defined, changes
from hilum.search.custom import definition, judge, kin
from hilum.search.index import index
from hilum.search.parameters import Registry
from hilum.store.blobs.references import reference
from hilum.store.interface import Audit, Commit, Precondition, Write

STATUS: Final = {
    states.BUILDING: "in-progress",
    states.REMOVING: "in-progress",
    states.READY: "completed",
    states.REMOVED: "completed",
    states.FAILED: "failed",
}
"""State of a parameter -> status of its Task. https://hl7.org/fhir/R4/valueset-task-status.html"""


async def commit(
    door: Door,
    catalogue: Catalogue,
    writes: tuple[Write, ...],
    audit: Audit,
    preconditions: tuple[Precondition, ...] = (),
    *,
    defined: tuple[Defined, ...] | None = None,
    puts: tuple[Put, ...] = (),
    packaged: bool = False,
) -> tuple[Resource, ...]:
    """Commit writes that were indexed by `catalogue`; their versions. A new search parameter gets its Task with it.

    `defined`: what becomes of search parameters, where somebody has found that out (`searchable`). `puts`: records
    that are new with it. `packaged`: the writes are those of a guide's package.

    Raises what `Store.commit` raises, Unprocessable for a SearchParameter that can't be used or a grant's Consent that
    can't be so (`granting`), and Conflict for a SearchParameter that others need and for what others may not change
    (`owning`).
    """
    if not packaged:
        await owning.refuse_of_packages(door, writes)
    await owning.refuse_unknown(door, writes)
    if defined is None:
        defined = ()
        if any(write.type == "SearchParameter" for write in writes):
            defined = await asyncio.to_thread(_defined, catalogue, writes)
    tasks = [_requested(one, catalogue) for one in defined if one.task and one.pending and not one.done]
    for one in defined:
        before = catalogue.of(one.id)
        if before is not None and (before.task != one.task or one.state == states.GONE):
            tasks += await _ended(door, catalogue, before)
    revokes = await granting.revoked(door, writes, audit)
    puts += tuple(reference(write.id, write.version, write.blob) for write in writes if write.blob is not None)
    made = await door.store.commit(
        Commit((*writes, *tasks), audit, preconditions, catalogue.generation, defined, revokes, puts)
    )
    if any(write.type in KINDS for write in writes):  # whoever used it before the answer would still be refused
        door.shelf.forget()
    return tuple(made[: len(writes)])


def _defined(catalogue: Catalogue, writes: Sequence[Write]) -> tuple[Defined, ...]:
    wanted: dict[str, tuple[SearchParameter, str] | None] = {}
    for write in writes:
        if write.type == "SearchParameter":
            body = None if write.draft is None else json.stored(write.draft.stamp(write.version, 0))
            meant = None if body is None else definition(body)
            wanted[write.id] = None if body is None or meant is None else (meant, kin(body))
    return changes(catalogue, wanted, uuid7)


def searchable(
    catalogue: Catalogue, wanted: Mapping[str, tuple[SearchParameter, str]], gone: Mapping[str, None]
) -> tuple[tuple[Defined, ...], dict[str, str]]:
    """What is to be noted of those of many definitions that can be used, by their ids, and why the others can't be.

    `wanted` as `Wanted` has it. What is there already under the same code or url, of R4 or of another, stays; "" is
    said of those that it serves: another version of the same.
    """
    there = {one.id: one.definition for one in catalogue.defined if one.indexed and one.id not in {*wanted, *gone}}
    accepted: dict[str, tuple[SearchParameter, str]] = {}
    refused: dict[str, str] = {}
    for id, (one, derived) in sorted(wanted.items(), key=lambda item: (item[1][0].type == "composite", item[0])):
        if any((other.url, other.code) == (one.url, one.code) for other in there.values()):
            refused[id] = ""
            continue
        wrong = judge(one, derived, there.values(), Registry([*there.values(), one]))
        if wrong:
            refused[id] = wrong[0].diagnostics
        else:
            there[id], accepted[id] = one, (one, derived)
    # One that was used, and now is not fit to be, goes.
    past = {id: None for id in refused if (known := catalogue.of(id)) is not None and known.indexed}
    return changes(catalogue, {**accepted, **gone, **past}, uuid7), refused


def _requested(one: Defined, catalogue: Catalogue) -> Write:
    body = task(one, "requested")
    return Write("POST", "Task", one.task, 1, draft(body, one.task), index("Task", body, one.task, catalogue.registry))


async def _ended(door: Door, catalogue: Catalogue, one: Defined) -> list[Write]:
    """The last word of the Task of what is defined anew, or gone, before it was said."""
    current = await door.store.read("Task", one.task) if one.task else None
    if current is None or current.deleted or current.body.get("status") not in ("requested", "in-progress"):
        return []
    cancelled = {"status": "cancelled", "statusReason": {"text": "The search parameter was changed."}}
    body = current.body | cancelled if one.pending else task(one)
    old, rows = (index("Task", each, one.task, catalogue.registry) for each in (current.body, body))
    return [Write("PUT", "Task", one.task, current.version + 1, draft(body, one.task), rows, old)]


def task(one: Defined, status: str | None = None) -> dict[str, Any]:
    """The Task that tells how far a parameter is. https://hl7.org/fhir/R4/task.html

    Its focus is logical (the url), so that it does not stand in the way of deleting the SearchParameter. Outputs count
    resources.
    """
    indexed = one.state not in (states.REMOVING, states.REMOVED)
    counts = (("resources done", one.done), ("resources in all", max(one.total, one.done)))
    body: dict[str, Any] = {
        "resourceType": "Task",
        "id": one.task,
        "status": status or STATUS[one.state],
        "intent": "order",
        "code": {"text": f"{'index' if indexed else 'remove'} a search parameter"},
        "description": f"{'Index' if indexed else 'Remove'} the search parameter {one.definition.code} of "
        f"{', '.join(one.definition.base)}",
        "focus": {
            "type": "SearchParameter",
            "identifier": {"system": "urn:ietf:rfc:3986", "value": one.definition.url},
        },
        "output": [{"type": {"text": name}, "valueUnsignedInt": number} for name, number in counts],
    }
    if one.state == states.FAILED:
        body["statusReason"] = {"text": "A resource could not be indexed; `hilum check` finds it."}
    return body


async def tell(door: Door, one: Defined, audit: Audit) -> bool:
    """Bring the Task of a parameter up to date; True when it says the last word. Raises Busy.

    With the Task of a parameter that is removed the last of it goes.
    """
    return await retrying(lambda: _told(door, one, audit))


async def _told(door: Door, one: Defined, audit: Audit) -> bool:
    catalogue = door.store.catalogue
    final = not one.pending
    known = catalogue.of(one.id)
    if known is None or known.task != one.task:  # it was defined anew, or another process has said the last word
        return True
    gone = (replace(one, state=states.GONE),) if one.state == states.REMOVED else ()
    current = await door.store.read("Task", one.task) if one.task else None
    writes: tuple[Write, ...] = ()
    if current is not None and not current.deleted:
        body = task(one)
        if any(body.get(key) != current.body.get(key) for key in ("status", "output")):
            old = index("Task", current.body, current.id, catalogue.registry)
            rows = index("Task", body, current.id, catalogue.registry)
            version = current.version + 1
            writes = (Write("PUT", "Task", current.id, version, draft(body, current.id), rows, old),)
    if writes or gone:
        await door.store.commit(Commit(writes, audit, (), catalogue.generation, gone))
    return final
