"""Writing through the door, in this process: the same interactions, checks and audit as over HTTP."""

from __future__ import annotations

from typing import Any

from hilum.access.policy import EVERYTHING, Principal
from hilum.app.blobs import place
from hilum.app.data import served_at
from hilum.app.settings import Settings
from hilum.cli.loading.loader import Exists, Outcome, Transact
from hilum.cli.loading.units import Unit, creates, derived_id
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry
from hilum.interactions.transaction import transaction
from hilum.problems import Malformed
from hilum.store.interface import Store

OWNER = Principal("owner", "hilum-load", "", EVERYTHING, 1 << 62)
"""Who owns the data directory: what a load does is audited under this name."""

_CONDITIONS = {
    "ifMatch": "if_match",
    "ifNoneExist": "if_none_exist",
    "ifNoneMatch": "if_none_match",
    "ifModifiedSince": "if_modified_since",
}


def transact(store: Store, settings: Settings) -> Transact:
    """Units to commits on this store."""
    door = Door(
        store,
        served_at(settings),
        settings.integrity,
        settings.check_claimed_profiles,
        blobs=place(settings),
        large=settings.blob_bytes,
    )

    async def write(unit: Unit) -> list[Outcome]:
        numbered = zip(unit.numbers, unit.entries, strict=True)
        entries = [entry for number, raw in numbered if (entry := entry_of(raw, number, unit.digest)) is not None]
        outcomes = await transaction(door, OWNER, entries)
        return [
            Outcome(o.resource.type, o.resource.id, "created" if o.created else "updated" if o.changed else "unchanged")
            for o in outcomes
            if o.resource is not None
        ]

    return write


def exists(store: Store) -> Exists:
    """Whether a resource is, or was, in this store."""

    async def known(type: str, id: str) -> bool:
        return await store.read(type, id) is not None

    return known


def entry_of(raw: dict[str, Any], number: int, digest: bytes) -> Entry | None:
    """A Bundle.entry as what the door takes; None for one that only reads. Raises Malformed.

    With the `digest` of its file, what it creates gets an id that follows from its place there.
    """
    request = raw.get("request")
    if not isinstance(request, dict) or not all(isinstance(request.get(key), str) for key in ("method", "url")):
        raise Malformed("The entry has no request with method and url.", expression=f"Bundle.entry[{number}].request")
    if request["method"] in ("GET", "HEAD"):
        return None
    full_url, resource = raw.get("fullUrl"), raw.get("resource")
    if not isinstance(full_url, str | None) or not isinstance(resource, dict | None):
        raise Malformed("fullUrl must be a string and resource an object.", expression=f"Bundle.entry[{number}]")
    conditions: dict[str, Any] = {}
    for key, name in _CONDITIONS.items():
        if key in request:
            if not isinstance(request[key], str):
                raise Malformed(f"{key} must be a string.", expression=f"Bundle.entry[{number}].request.{key}")
            conditions[name] = request[key]
    new_id = derived_id(digest, number) if digest and creates(raw) else None
    return Entry(request["method"], request["url"], resource, full_url, index=number, new_id=new_id, **conditions)
