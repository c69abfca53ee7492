"""FHIR read and vread. https://hl7.org/fhir/R4/http.html#read https://hl7.org/fhir/R4/http.html#vread"""

from __future__ import annotations

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions import auditing
from hilum.interactions.door import Door
from hilum.interactions.permit import absent, permits, seen
from hilum.problems import Gone, NotFound


async def read(door: Door, who: Principal, type: str, id: str) -> Resource:
    """The current version. Raises NotFound (absent, or hidden from this principal), Gone (deleted), Forbidden."""
    allowed = permits(who, type, "r")
    if type == auditing.TYPE and (own := await auditing.read(door, who, id)) is not None:
        return own
    resource = await seen(door, who, allowed, type, id)
    if resource is None:
        raise absent(type, id)
    if not resource.raw:
        raise Gone(f"{type}/{resource.id} was deleted; its history still has the versions before.")
    return resource


async def vread(door: Door, who: Principal, type: str, id: str, version: str) -> Resource:
    """One version, judged by the compartments it was committed in. Raises NotFound, Gone (the deletion), Forbidden."""
    allowed = permits(who, type, "r")
    if type == auditing.TYPE and version == "1" and (own := await auditing.read(door, who, id)) is not None:
        return own
    resource = await seen(door, who, allowed, type, id, int(version)) if _is_version(version) else None
    if resource is None:
        raise NotFound(f"{type}/{id[:64]} has no such version.")
    if resource.deleted:
        raise Gone(f"Version {resource.version} of {type}/{resource.id} is its deletion.")
    return resource


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= 15
