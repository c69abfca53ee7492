"""The six APDUs, and how they follow each other in a stream. ISO/IEEE 11073-20601, 7.3 and annex A.

Each begins with two bytes that choose it and two that say how long the rest is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from hilum.phd.ieee20601.codes import (
    ASSOCIATION_1,
    MDER,
    NOMENCLATURE_1,
    PROTOCOL,
    AbortReason,
    Result,
    System,
    Version,
)
from hilum.phd.ieee20601.mder import ANY, U8, U16, U32, Form, many, record
from hilum.phd.malformed import Malformed

LARGEST: Final = 64512
"""Bytes of an APDU that a manager takes (63 kB, the standard's most for what an agent sends)."""
_HEAD: Final = 4


@dataclass(frozen=True, slots=True)
class Ava:
    """An attribute by its code, and its value as bytes."""

    id: int
    value: bytes


AVA: Final[Form[Ava]] = record(Ava, U16, ANY)
AVAS: Final = many(AVA)


@dataclass(frozen=True, slots=True)
class Association:
    """What an agent or a manager says of itself (PhdAssociationInformation).

    `requests`: data-req-mode-flags; `agent_requests`, `manager_requests`: how many at once each may start.
    """

    protocol_version: int = Version.ONE
    encoding_rules: int = MDER
    nomenclature_version: int = NOMENCLATURE_1
    functional_units: int = 0
    system_type: int = System.AGENT
    system_id: bytes = bytes(8)
    config: int = 0
    requests: int = 0
    agent_requests: int = 0
    manager_requests: int = 0
    options: tuple[Ava, ...] = ()


ASSOCIATION: Final[Form[Association]] = record(Association, U32, U16, U32, U32, U32, ANY, U16, U16, U8, U8, AVAS)


@dataclass(frozen=True, slots=True)
class Protocol:
    """A data protocol, and what is said of it: for 20601 an Association."""

    id: int
    info: bytes = b""


_PROTOCOL: Final[Form[Protocol]] = record(Protocol, U16, ANY)


@dataclass(frozen=True, slots=True)
class Aarq:
    """Association request."""

    version: int
    protocols: tuple[Protocol, ...]


@dataclass(frozen=True, slots=True)
class Aare:
    """Association response."""

    result: int
    protocol: Protocol


@dataclass(frozen=True, slots=True)
class Rlrq:
    """Release request."""

    reason: int = 0


@dataclass(frozen=True, slots=True)
class Rlre:
    """Release response."""

    reason: int = 0


@dataclass(frozen=True, slots=True)
class Abrt:
    """Abort."""

    reason: int = AbortReason.UNDEFINED


@dataclass(frozen=True, slots=True)
class Prst:
    """Presentation: the bytes of a DATA APDU."""

    data: bytes


Apdu = Aarq | Aare | Rlrq | Rlre | Abrt | Prst

_FORMS: Final[dict[int, tuple[type[Apdu], Form[Any]]]] = {
    0xE200: (Aarq, record(Aarq, U32, many(_PROTOCOL))),
    0xE300: (Aare, record(Aare, U16, _PROTOCOL)),
    0xE400: (Rlrq, record(Rlrq, U16)),
    0xE500: (Rlre, record(Rlre, U16)),
    0xE600: (Abrt, record(Abrt, U16)),
    0xE700: (Prst, record(Prst, ANY)),
}
_CHOICES: Final = {kind: choice for choice, (kind, _) in _FORMS.items()}


def read(data: bytes) -> Apdu:
    """The APDU that `data` is, all of it. Raises Malformed."""
    if len(data) < _HEAD:
        raise Malformed("APDU: expected 4 bytes at least", len(data))
    choice, length = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    if choice not in _FORMS:
        raise Malformed(f"APDU: unknown choice {choice:04X}", 0)
    if length != len(data) - _HEAD:
        raise Malformed(f"APDU: says {length} bytes and has {len(data) - _HEAD}", 2)
    kind, form = _FORMS[choice]
    found: Apdu = form.decode(data[_HEAD:], kind.__name__.upper())
    return found


def write(apdu: Apdu) -> bytes:
    """The bytes of an APDU. Raises Malformed: it is too long."""
    choice = _CHOICES[type(apdu)]
    inner = _FORMS[choice][1].encode(apdu)
    if len(inner) > 0xFFFF:
        raise Malformed("APDU: longer than its length can say")
    return choice.to_bytes(2, "big") + len(inner).to_bytes(2, "big") + inner


def accepted(result: Result, ours: Association) -> Aare:
    """The answer that lets an agent in."""
    return Aare(result, Protocol(PROTOCOL, ASSOCIATION.encode(ours)))


def rejected(result: Result) -> Aare:
    """The answer that keeps an agent out."""
    return Aare(result, Protocol(0))


def requested(ours: Association) -> Aarq:
    """The request of an agent."""
    return Aarq(ASSOCIATION_1, (Protocol(PROTOCOL, ASSOCIATION.encode(ours)),))


class Frames:
    """A stream, cut into APDUs."""

    def __init__(self) -> None:
        self._left = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Each APDU that is whole now. Raises Malformed where none can begin, or one is too large to take: nothing says
        then where the next begins, and what is held is of no use."""
        self._left += data
        while len(self._left) >= _HEAD:
            choice, length = int.from_bytes(self._left[:2], "big"), int.from_bytes(self._left[2:4], "big")
            if choice not in _FORMS:
                raise Malformed(f"APDU: unknown choice {choice:04X}", 0)
            if length + _HEAD > LARGEST:
                raise Malformed(f"APDU: {length} bytes, more than are taken", 2)
            if len(self._left) < length + _HEAD:
                return
            whole = bytes(self._left[: length + _HEAD])
            del self._left[: length + _HEAD]
            yield whole

    def clear(self) -> bytes:
        """What was held; nothing is now."""
        held = bytes(self._left)
        self._left.clear()
        return held
