"""What the trail keeps of one access, and how many of them become the payload of a frame.

Both are arrays of MessagePack (https://msgpack.org): the order of fields is the format, and new ones go to the end.
Text is kept as it was sent; nothing here is the content of a resource, but ids of patients may be.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from hilum.access.policy import Principal

LONGEST_QUERY: Final = 4096
"""Characters of a query that are kept; of a longer one those and the SHA-256 of all of it."""


class Who(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Who asked: once in a file, before the first of its entries. `number` counts from 0 within the file.

    `token`: the id (jti), never the token. `grant`: the id of the Consent that it stands on.
    """

    number: int
    agent: str
    client: str
    token: str
    grant: str = ""
    user: str = ""
    fhir_user: str = ""
    roles: tuple[str, ...] = ()
    patient: str = ""


def introduced(number: int, who: Principal) -> Who:
    """A Principal, as it is introduced to a file."""
    return Who(number, who.agent, who.client, who.token, who.grant, who.user, who.fhir_user, who.roles, who.patient)


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One interaction and what came of it. `at`: microseconds since 1970. `who`: the number of a Who.

    `request`: X-Request-Id. `interaction`: FHIR's code, `$name` of an operation, or a security event (`EVENTS`).
    `type`, `id`, `version`: what it was about; empty and 0 where it was about no one resource. `query`: as sent, of a
    security event what there is to tell, as JSON. `shown`: seqs of the versions that the answer disclosed.
    """

    at: int
    who: int
    address: str
    request: str
    interaction: str
    type: str
    id: str
    version: int
    status: int
    query: str
    shown: tuple[int, ...] = ()


class Frame(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is flushed together: the people that come up for the first time in this file, and the entries."""

    people: list[Who]
    entries: list[Entry]


encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Frame).decode


def decode(payload: bytes) -> Frame:
    """The frame of a payload. Raises msgspec.DecodeError."""
    return _decode(payload)


def shortened(query: str) -> str:
    """A query that is too long to be kept whole."""
    return f"{query[:LONGEST_QUERY]}... sha256:{sha256(query.encode()).hexdigest()}"


EVENTS: Final = {
    "sign-in": "User Authentication",
    "sign-in-failed": "User Authentication",
    "second-factor": "User Authentication",
    "sign-out": "User Authentication",
    "launch": "User Authentication",
    "authorize": "Security Alert",
    "authorize-denied": "Security Alert",
    "token": "User Authentication",
    "token-refused": "User Authentication",
    "refresh": "User Authentication",
    "reuse": "Security Alert",
    "revoke": "Security Alert",
    "introspect": "User Authentication",
    "ticket": "User Authentication",
    "register": "Security Alert",
    "client": "Security Alert",
    "user": "Security Alert",
    "role": "Security Alert",
    "consent": "Security Alert",
    "key": "Security Alert",
    "ehr": "Security Alert",
    "ehr-sign-in": "User Authentication",
    "ehr-sign-in-failed": "User Authentication",
    "setting": "Security Alert",
    "destination": "Security Alert",
    "device": "Security Alert",
    "admin": "Security Alert",
    "deliver": "Export",
    "video-edit": "Security Alert",
    "video-decide": "Security Alert",
    "video-link": "Security Alert",
    "video-watch": "Export",
    "audit-export": "Audit Log Used",
    "audit-prune": "Audit Log Used",
    "audit-verify": "Audit Log Used",
}
"""Security events -> the DICOM event that each is. https://dicom.nema.org/medical/dicom/current/output/chtml/part15/sect_A.5.3.html"""
