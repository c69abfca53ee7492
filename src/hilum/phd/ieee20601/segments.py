"""Measurements that an agent stored: PM-stores and their segments. ISO/IEEE 11073-20601, 6.3.7, 6.3.8 and 8.9.3.4.

Asked which segments there are, asked for one, the agent sends its entries in events; each is confirmed by a copy of
its description with `CONFIRMED` set, which lets the agent go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Any, Final

from hilum.phd.ieee20601 import clocks
from hilum.phd.ieee20601.apdu import AVAS, Ava
from hilum.phd.ieee20601.attributes import Attributes, ElementStatics, EntryMap, read, read_mapped, write_mapped
from hilum.phd.ieee20601.codes import Attribute
from hilum.phd.ieee20601.mder import ANY, U16, U32, Form, Reader, Writer, many, record
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Clock, Stamp

ALL: Final = bytes.fromhex("0001 0002 0000")
"""SegmSelection: all segments."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`number`: its instance."""

    number: int
    attributes: tuple[Ava, ...]


@dataclass(frozen=True, slots=True)
class Transfer:
    """What came of asking for a segment: 0 it will come, 1 there is none, 2 later, 3 it is empty, 512 other."""

    number: int
    result: int


class Status(IntFlag):
    """Of some entries, bit 0 the highest of 16."""

    FIRST = 0x8000
    LAST = 0x4000
    AGENT_ABORT = 0x0800
    CONFIRMED = 0x0080
    MANAGER_ABORT = 0x0008


@dataclass(frozen=True, slots=True)
class Described:
    """Some entries of a segment: `count` from `index` on."""

    number: int
    index: int
    count: int
    status: int


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of a segment, one after another."""

    described: Described
    data: bytes


SEGMENTS: Final = many(record(Segment, U16, AVAS))
TRANSFER: Final[Form[Transfer]] = record(Transfer, U16, U16)
DESCRIBED: Final[Form[Described]] = record(Described, U16, U32, U32, U16)
ENTRIES: Final[Form[Entries]] = record(Entries, DESCRIBED, ANY)

_HEADERS: Final[tuple[tuple[int, Clock, Form[Any]], ...]] = (
    (0x8000, Clock.ABSOLUTE, clocks.ABSOLUTE),
    (0x4000, Clock.RELATIVE, clocks.RELATIVE),
    (0x2000, Clock.HIGH_RESOLUTION, clocks.HIGH_RESOLUTION),
    (0x1000, Clock.BASE_OFFSET, clocks.BASE_OFFSET),
)
"""Bit of an entry's header -> the time that stands there, in this order. The last: since 2014."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object's part of an entry. Its stamp is among its attributes, where the entry has one."""

    handle: int
    kind: int
    attributes: Attributes


def read_entries(data: bytes, count: int, map: EntryMap, statics: tuple[ElementStatics, ...]) -> list[list[Stored]]:
    """The entries of an event, each of one or more objects. Raises Malformed."""
    reader = Reader(data, "SEGMENT_DATA")
    if count > reader.left:
        raise Malformed(f"SEGMENT_DATA: {count} entries in {reader.left} bytes")
    shared = {(one.kind, one.type): read(one.attributes) for one in statics}
    found = [_entry(reader, map, shared) for _ in range(count)]
    reader.end()
    return found


def _entry(reader: Reader, map: EntryMap, shared: dict[tuple[int, int], Attributes]) -> list[Stored]:
    stamps: Attributes = {}
    for bit, clock, form in _HEADERS:
        if map.header & bit:
            stamps[clocks.STAMPS[clock]] = form.read(reader)
    return [
        Stored(
            element.handle,
            element.kind,
            {
                Attribute.ID_TYPE: element.type,
                **shared.get((element.kind, element.type), {}),
                **stamps,
                **read_mapped(element.map, reader),
            },
        )
        for element in map.elements
    ]


def write_entry(map: EntryMap, stamps: dict[Clock, Stamp], values: tuple[Attributes, ...]) -> bytes:
    """The bytes of an entry: its times, and then what each element's map says."""
    writer = Writer()
    for bit, clock, form in _HEADERS:
        if map.header & bit:
            form.write(writer, stamps[clock])
    for element, value in zip(map.elements, values, strict=True):
        writer.data += write_mapped(element.map, value)
    return bytes(writer.data)
