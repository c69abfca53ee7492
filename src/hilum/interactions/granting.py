"""Consents that are grants: what a user allowed an app, which the user can read, and end by changing the status.

https://hl7.org/fhir/R4/consent.html. hilum itself writes them as an app is allowed; nobody else makes one, or makes one
say something else. One that ends takes what it stood for along, in the same commit: no crash comes between.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from hilum.access import revoking
from hilum.access.policy import EVERYTHING, Principal
from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.oauth.ledger import GRANT_REVOKED, Revoked
from hilum.problems import Unprocessable
from hilum.store.interface import Audit, Write

SYSTEM: Final = "urn:hilum:grant"
"""Of the identifier by which a Consent is a grant."""
_SYSTEM: Final = SYSTEM.encode()
ENDED: Final = frozenset(("inactive", "rejected", "entered-in-error"))
"""What a status may become. https://hl7.org/fhir/R4/valueset-consent-state-codes.html"""
HILUM: Final = "hilum"
"""The client id of the server itself; no app can have it."""
_FREE: Final = frozenset(("meta", "text", "status"))
"""What may differ where a grant is ended."""


def server(user: str = "") -> Principal:
    """hilum itself, for a user or for nobody."""
    return Principal(user or HILUM, HILUM, "", EVERYTHING, 1 << 62, user=user)


def is_grant(body: dict[str, Any]) -> bool:
    """Whether a Consent is one of these."""
    return any(one.get("system") == SYSTEM for one in body.get("identifier", []))


async def revoked(door: Door, writes: Sequence[Write], audit: Audit) -> tuple[Revoked, ...]:
    """Judge what is about to be written of Consents; the revocations that go with it.

    Raises Unprocessable where a grant would be made, or changed in more than its status.
    """
    found: list[Revoked] = []
    for write in writes:
        if write.type != "Consent":
            continue
        before = await door.store.read("Consent", write.id, write.version - 1) if write.version > 1 else None
        if not any(_SYSTEM in raw for raw in _images(before, write)):  # nearly all: not worth being parsed
            continue
        old = {} if before is None or before.deleted else before.body
        new = None if write.draft is None else json.stored(write.draft.stamp(write.version, 0))
        if not is_grant(old) and (new is None or not is_grant(new)):
            continue
        if is_grant(old) and not _is_id(write.id):  # older than hilum's grants: no record has such an id
            continue
        if audit.client != HILUM:
            _judge(old, new)
        if old and (new is None or new.get("status") in ENDED):
            found.append(revoking.revoked(GRANT_REVOKED, write.id, time.time()))
    return tuple(found)


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _images(before: Resource | None, write: Write) -> Iterator[bytes]:
    """The old and the new one, as bytes."""
    if before is not None and not before.deleted:
        yield before.raw
    if write.draft is not None:
        yield write.draft.tail


def _judge(old: dict[str, Any], new: dict[str, Any] | None) -> None:
    if not old or not is_grant(old):
        raise Unprocessable(
            f"Only hilum itself writes Consents with an identifier of {SYSTEM}: they say what an app was allowed.",
            expression="Consent.identifier",
        )
    if new is None:
        return
    if new.get("status") not in ENDED:
        raise Unprocessable(
            "What an app was allowed can only be ended: set status to inactive, or delete the Consent.",
            expression="Consent.status",
        )
    for name in sorted(old.keys() | new.keys()):
        if name not in _FREE and old.get(name) != new.get(name):
            raise Unprocessable("Of what an app was allowed only the status changes.", expression=f"Consent.{name}")
