"""What others may not change: what the package of a guide has brought, and profiles that are required of a type.

A guide is there as it was published, or not at all: docs/adr/0011-guides-are-resources.md. Judged where all commits
pass, for whatever way a write comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from hilum.fhir.resource import Resource
from hilum.guides import naming
from hilum.guides.package import DEFINITIONS
from hilum.interactions.door import Door
from hilum.interactions.shelf import Entry, Name, Structures, packed, required
from hilum.problems import Conflict
from hilum.store.interface import Write

_MARK: Final = naming.PACKAGE.encode()
_AT_ONCE: Final = 64


async def refuse_of_packages(door: Door, writes: Sequence[Write]) -> None:
    """Raises Conflict where one of the writes changes or deletes what a guide that is loaded has brought; Busy."""
    names = [(write.type, write.id) for write in writes if write.type in DEFINITIONS and write.version > 1]
    listed: dict[str, frozenset[str]] = {}
    for begin in range(0, len(names), _AT_ONCE):
        for one in await asyncio.gather(*(door.store.read(*name) for name in names[begin : begin + _AT_ONCE])):
            label = _label(one)
            if one is None or not label:
                continue
            if label not in listed:
                listed[label] = brought(await door.store.read("ImplementationGuide", naming.record_of(label)), label)
            if f"{one.type}/{one.id}" in listed[label]:
                raise Conflict(
                    f"{one.type}/{one.id} came with the guide {label}, and stays as that has it. `hilum ig remove "
                    f"{label}` takes out all that came with it; to have another {one.type}, write one with an id and "
                    "a url of its own."
                )


def _label(one: Resource | None) -> str:
    return naming.label_of(one.body) if one is not None and not one.deleted and _MARK in one.raw else ""


def brought(record: Resource | None, label: str) -> frozenset[str]:
    """What the record of a package says that it has brought, the record among it, as `Type/id`; empty without one.

    The tag alone does not say so: copies of a package's resources had it, too, before it was left out of them.
    """
    if record is None or record.deleted or naming.label_of(record.body) != label:
        return frozenset()
    return frozenset((*naming.listed(record.body), f"{record.type}/{record.id}"))


async def refuse_unknown(door: Door, writes: Sequence[Write]) -> None:
    """Raises Conflict where after these writes a profile that is required could not be checked any more; Busy.

    All of its type would be refused, and nobody would be told why at once.
    """
    changed = [write for write in writes if write.type == "StructureDefinition"]
    needed = [(type, url) for type, urls in (await required(door.store)).items() for url in urls] if changed else []
    if not needed:
        return
    before = await door.shelf.definitions(door.store, fresh=True)
    after = await asyncio.to_thread(_after, before, changed)
    for type, url in needed:
        if _fits(before, type, url) and not _fits(after, type, url):
            raise Conflict(
                f"The profile {url} is required of {type}, and would not be there any more. Take the requirement back "
                f"first: `hilum ig require {type} '{url}' --remove`."
            )


def _after(before: Structures, writes: Sequence[Write]) -> Structures:
    entries: dict[Name, Entry] = dict(before.entries)
    newest = max((one.seq for one in entries.values()), default=0) + 1
    for write in writes:
        entries.pop((write.type, write.id), None)
        entry = write.draft and packed(write.type, write.id, newest, write.draft.stamp(write.version, 0))
        if entry:
            entries[write.type, write.id] = entry
    return Structures(entries)


def _fits(structures: Structures, type: str, url: str) -> bool:
    body = structures.structure(url)
    return body is not None and body.get("type") == type
