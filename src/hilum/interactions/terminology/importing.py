"""Code systems into the tables, and the resources that say that they are there.

A large code system is a CodeSystem without concepts, `content` complete (or fragment, or example, where it says so) and
`count` how many; its concepts are in the tables alone. It is seen when all of it is there: the tables first, then the
resource. Imported again, it takes the place of the one before at once, for whoever asks next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID, uuid5

from hilum.access.policy import Principal
from hilum.guides.naming import label_of
from hilum.interactions.build import checked
from hilum.interactions.delete import delete
from hilum.interactions.door import Door, Written
from hilum.interactions.terminology.knowledge import codes, load
from hilum.interactions.update import update
from hilum.problems import Invalid
from hilum.terminology.concepts import IMPORTED, Head
from hilum.terminology.resource import Resource, head
from hilum.terminology.rows import Plan, Source

Body = dict[str, Any]

LARGE: Final = 2000
"""Concepts from which on a CodeSystem is stored without them."""
_NAMESPACE: Final = UUID("5f0b7c0e-6f5e-4a57-9d3c-0b1f6b6a6f11")
Tick = Callable[[int], None]


async def imported(door: Door, who: Principal, about: Body, source: Source, tick: Tick) -> tuple[Written, int]:
    """A code system of which `about` says everything but the concepts. All of it, or nothing."""
    plan = await asyncio.to_thread(Plan, source, folds=about.get("caseSensitive") is False, tick=tick)
    made = Head(str(about["url"]), str(about.get("version", "")), IMPORTED, 0, plan.size, {})
    body = {"resourceType": "CodeSystem", "status": "active", "content": "complete", **about}
    if body["content"] == "complete" or "count" not in body:  # of a part it may say how many the whole has
        body["count"] = plan.size
    body["id"] = await _id(door, body)
    await checked(door, "CodeSystem", body)
    number = await load(door.store.concepts, made._replace(about=head(body, "", 0, 0).about), plan)
    try:
        return await update(door, who, "CodeSystem", body["id"], body), plan.size
    except BaseException:
        if not await _stands(door, made):
            await door.store.concepts.retire(number)
        raise


async def _stands(door: Door, made: Head) -> bool:
    """Whether a resource says already that it is there."""
    known = await codes(door.store, door.base, door.codes)
    return any(str(one.body.get("version", "")) == made.version for one in await known.systems(made.url))


async def stored(door: Door, who: Principal, body: Body, tick: Tick) -> tuple[Written, int]:
    """A CodeSystem, ValueSet, ConceptMap or NamingSystem; a large code system goes into the tables alone."""
    body = dict(body)
    if body["resourceType"] == "CodeSystem" and body.get("concept") and body.get("content") != "supplement":
        source = Resource(body)
        if (size := source.size) > LARGE:
            if "url" not in body:
                raise Invalid("A large CodeSystem needs a url.")
            about = {name: value for name, value in body.items() if name not in ("concept", "text", "meta")}
            return await imported(door, who, about, source, tick)
        tick(size)
    body.pop("meta", None)
    body["id"] = await _id(door, body)
    return await update(door, who, body["resourceType"], body["id"], body), 0


async def removed(door: Door, who: Principal, url: str, version: str | None) -> list[str]:
    """Take code systems of this url (and version) away, resources and concepts; their versions.

    What a guide brought stays with it. Raises Conflict where there is nothing else.
    """
    known = await codes(door.store, door.base, door.codes)
    gone: list[str] = []
    meant = [one for one in await known.systems(url) if version in (None, str(one.body.get("version", "")))]
    for resource in [one for one in meant if not label_of(one.body)] or meant:
        await delete(door, who, "CodeSystem", resource.id)
        gone.append(str(resource.body.get("version", "")))
    for system in await door.store.concepts.systems(url):
        if version in (None, system.head.version):
            await door.store.concepts.retire(system.number)
            gone.append(system.head.version)
    return sorted(set(gone))


async def _id(door: Door, body: Body) -> str:
    """That of the resource with this url and version, where there is one; its own; else one that follows from them.

    What a guide brought is not meant: that stays as the guide has it, and this one lies beside it.
    """
    url, version = body.get("url"), str(body.get("version", ""))
    if url:
        known = await codes(door.store, door.base, door.codes)
        for one in await known.resources(body["resourceType"], url):
            if str(one.get("version", "")) == version and not label_of(one):
                return str(one["id"])
    own = body.get("id")
    if isinstance(own, str):
        there = await door.store.read(body["resourceType"], own)
        if there is None or there.deleted:
            return own
    return str(uuid5(_NAMESPACE, f"{body['resourceType']} {url} {version}" if url else repr(sorted(body))))
