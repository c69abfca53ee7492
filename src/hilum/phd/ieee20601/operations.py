"""DATA APDUs: an operation, its result, its error, its rejection. ISO/IEEE 11073-20601, 7.3 and A.10."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hilum.phd.ieee20601.apdu import AVA, AVAS, Ava, Prst
from hilum.phd.ieee20601.codes import NO_TIME
from hilum.phd.ieee20601.mder import ANY, U16, U32, Form, Reader, Writer, many, record
from hilum.phd.malformed import Malformed


@dataclass(frozen=True, slots=True)
class EventReport:
    """ROIV: the agent tells, and waits for no answer. `time`: of its relative clock."""

    handle: int
    event: int
    info: bytes
    time: int = NO_TIME


@dataclass(frozen=True, slots=True)
class ConfirmedEventReport:
    """ROIV: the agent tells, and keeps it until it is answered."""

    handle: int
    event: int
    info: bytes
    time: int = NO_TIME


@dataclass(frozen=True, slots=True)
class Get:
    """`attributes`: none asks for all."""

    handle: int
    attributes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """Of an attribute. `operator`: 0 replaces it, 1 adds to it, 2 takes from it, 3 sets its default."""

    operator: int
    attribute: Ava


@dataclass(frozen=True, slots=True)
class Set:
    """ROIV: to change attributes, without an answer."""

    handle: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class ConfirmedSet:
    """ROIV: to change attributes."""

    handle: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """ROIV: to do something, without an answer."""

    handle: int
    action: int
    info: bytes = b""


@dataclass(frozen=True, slots=True)
class ConfirmedAct:
    """ROIV: to do something."""

    handle: int
    action: int
    info: bytes = b""


@dataclass(frozen=True, slots=True)
class EventReported:
    """RORS: the manager has what was told."""

    handle: int
    event: int
    info: bytes = b""
    time: int = 0


@dataclass(frozen=True, slots=True)
class Got:
    """RORS: attributes that were asked for."""

    handle: int
    attributes: tuple[Ava, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """RORS: attributes as they are now."""

    handle: int
    attributes: tuple[Ava, ...]


@dataclass(frozen=True, slots=True)
class Acted:
    """RORS: it was done, and what came of it."""

    handle: int
    action: int
    info: bytes = b""


@dataclass(frozen=True, slots=True)
class Failed:
    """ROER."""

    error: int
    parameter: bytes = b""


@dataclass(frozen=True, slots=True)
class Rejected:
    """RORJ."""

    problem: int


Invoked = EventReport | ConfirmedEventReport | Get | Set | ConfirmedSet | Act | ConfirmedAct
Returned = EventReported | Got | Changed | Acted
Message = Invoked | Returned | Failed | Rejected


@dataclass(frozen=True, slots=True)
class Data:
    """`invoke`: which invocation this is, or answers."""

    invoke: int
    message: Message


def _reporting(kind: type[Any]) -> Form[Any]:
    """Of events, whose time stands before their type."""

    def read(reader: Reader) -> Any:
        handle, time, event = reader.uint(2), reader.uint(4), reader.uint(2)
        return kind(handle, event, ANY.read(reader), time)

    def write(writer: Writer, value: Any) -> None:
        for form, part in ((U16, value.handle), (U32, value.time), (U16, value.event)):
            form.write(writer, part)
        ANY.write(writer, value.info)

    return Form(read, write)


def _changing(kind: type[Any]) -> Form[Any]:
    return record(kind, U16, many(record(Change, U16, AVA)))


_FORMS: Final[dict[int, tuple[type[Message], Form[Any]]]] = {
    0x0100: (EventReport, _reporting(EventReport)),
    0x0101: (ConfirmedEventReport, _reporting(ConfirmedEventReport)),
    0x0103: (Get, record(Get, U16, many(U16))),
    0x0104: (Set, _changing(Set)),
    0x0105: (ConfirmedSet, _changing(ConfirmedSet)),
    0x0106: (Act, record(Act, U16, U16, ANY)),
    0x0107: (ConfirmedAct, record(ConfirmedAct, U16, U16, ANY)),
    0x0201: (EventReported, _reporting(EventReported)),
    0x0203: (Got, record(Got, U16, AVAS)),
    0x0205: (Changed, record(Changed, U16, AVAS)),
    0x0207: (Acted, record(Acted, U16, U16, ANY)),
    0x0300: (Failed, record(Failed, U16, ANY)),
    0x0400: (Rejected, record(Rejected, U16)),
}
_CHOICES: Final = {kind: choice for choice, (kind, _) in _FORMS.items()}


def read(data: bytes) -> Data:
    """What a PRST carries. Raises Malformed."""
    reader = Reader(data, "DATA")
    invoke, choice = reader.uint(2), reader.uint(2)
    if choice not in _FORMS:
        raise Malformed(f"DATA: unknown choice {choice:04X}", 2)
    kind, form = _FORMS[choice]
    message: Message = form.decode(ANY.read(reader), kind.__name__)
    reader.end()
    return Data(invoke, message)


def write(data: Data) -> Prst:
    """A PRST that carries it."""
    choice = _CHOICES[type(data.message)]
    writer = Writer()
    U16.write(writer, data.invoke)
    U16.write(writer, choice)
    ANY.write(writer, _FORMS[choice][1].encode(data.message))
    return Prst(bytes(writer.data))
