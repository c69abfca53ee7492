"""Logical ids as SQLite keeps them, and stable integers (rids) back to logical ids."""

from __future__ import annotations

import re
from binascii import unhexlify

from hilum.fhir import json
from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.store.keys import TYPE_SHIFT

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch

_HEX = "0123456789abcdef"
_HYPHENS = frozenset((8, 13, 18, 23))

METHODS = ("", "POST", "PUT", "DELETE", "PATCH")
METHOD_NUMBER = {name: number for number, name in enumerate(METHODS)}
DELETED = METHOD_NUMBER["DELETE"]


def key(id: str) -> str | bytes:
    """A lower-case UUID as its 16 bytes, any other id as it is."""
    return unhexlify(id.replace("-", "")) if len(id) == 36 and _UUID(id) else id


def uuid(key: bytes) -> str:
    """The id of a key of 16 bytes."""
    text = key.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def least_uuid(text: str) -> bytes | None:
    """The key of the first UUID that is not before a text, by code points; None: there is none."""
    digits = ""
    for place, letter in enumerate(text[:36]):
        if place in _HYPHENS:
            if letter == "-":
                continue
            if letter < "-":
                break
        elif letter in _HEX:
            digits += letter
            continue
        elif later := [one for one in _HEX if one > letter]:
            digits += later[0]
            break
        return _after(digits)
    else:
        if len(text) > 36:
            return _after(digits)
    return unhexlify(digits.ljust(32, "0"))


def _after(digits: str) -> bytes | None:
    """The first key that does not begin with these digits and is not before those that do."""
    number = (int("0" + digits, 16) + 1) << 4 * (32 - len(digits))
    return number.to_bytes(16, "big") if number < 1 << 128 else None


def stub(type: str, id: str) -> bytes:
    """What is kept of a resource that has no body: a deletion, or one that is only referred to."""
    return b'{"resourceType":%b,"id":%b}' % (json.encode(type), json.encode(id))


def type_of(rid: int) -> str:
    """The resource type that a rid carries."""
    return TYPES[(rid >> TYPE_SHIFT) - 1]


def id_of(type: str, body: bytes) -> str:
    """The logical id out of stored bytes, which always begin `{"resourceType":"<type>","id":"<id>"`."""
    start = len(type) + 25
    return body[start : body.index(b'"', start)].decode()


def type_number(type: str) -> int:
    """The number of a resource type (1…146)."""
    return TYPE_NUMBER[type]
