"""What an agent reports: its configuration, and scans of its objects. ISO/IEEE 11073-20601, 6.3.2.6 and A.11.

A scan says of objects either which attribute has which value (variable), or values only, in the order that the
object's Attribute-Value-Map says (fixed), or values of several objects in the order of the scanner's map (grouped).
Each is of one person, or of several (MP); scanners send each as it comes (unbuffered) or gathered (buffered).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from hilum.phd.ieee20601.apdu import AVAS, Ava
from hilum.phd.ieee20601.codes import AGENT_INITIATED, Event
from hilum.phd.ieee20601.mder import ANY, U16, Form, Reader, Writer, many, record


@dataclass(frozen=True, slots=True)
class Object:
    """An object of a configuration. `kind`: its class."""

    kind: int
    handle: int
    attributes: tuple[Ava, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """All objects of an agent. `id`: its number, by which a manager may know it."""

    id: int
    objects: tuple[Object, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigurationResult:
    """What the manager says of a configuration."""

    id: int
    result: int


CONFIGURATION: Final[Form[Configuration]] = record(Configuration, U16, many(record(Object, U16, U16, AVAS)))
CONFIGURATION_RESULT: Final[Form[ConfigurationResult]] = record(ConfigurationResult, U16, U16)


class Layout(Enum):
    """How observations stand in a report."""

    FIXED = "fixed"
    VARIABLE = "variable"
    GROUPED = "grouped"


@dataclass(frozen=True, slots=True)
class Fixed:
    """The values of an object, as its map says."""

    handle: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Variable:
    """The attributes of an object, each with its code."""

    handle: int
    attributes: tuple[Ava, ...]


Observation = Fixed | Variable | bytes
"""bytes: grouped."""


@dataclass(frozen=True, slots=True)
class Of:
    """Observations, and whose. `person`: None where the report doesn't tell persons apart."""

    person: int | None
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """`request`: what asked for it. `number`: of reports to that."""

    of: tuple[Of, ...]
    request: int = AGENT_INITIATED
    number: int = 0


_L, _E = Layout, Event
SCANS: Final[dict[int, tuple[Layout, bool]]] = {
    _E.SCAN_REPORT_FIXED: (_L.FIXED, False),
    _E.SCAN_REPORT_VAR: (_L.VARIABLE, False),
    _E.SCAN_REPORT_MP_FIXED: (_L.FIXED, True),
    _E.SCAN_REPORT_MP_VAR: (_L.VARIABLE, True),
    _E.UNBUF_SCAN_REPORT_VAR: (_L.VARIABLE, False),
    _E.UNBUF_SCAN_REPORT_FIXED: (_L.FIXED, False),
    _E.UNBUF_SCAN_REPORT_GROUPED: (_L.GROUPED, False),
    _E.UNBUF_SCAN_REPORT_MP_VAR: (_L.VARIABLE, True),
    _E.UNBUF_SCAN_REPORT_MP_FIXED: (_L.FIXED, True),
    _E.UNBUF_SCAN_REPORT_MP_GROUPED: (_L.GROUPED, True),
    _E.BUF_SCAN_REPORT_VAR: (_L.VARIABLE, False),
    _E.BUF_SCAN_REPORT_FIXED: (_L.FIXED, False),
    _E.BUF_SCAN_REPORT_GROUPED: (_L.GROUPED, False),
    _E.BUF_SCAN_REPORT_MP_VAR: (_L.VARIABLE, True),
    _E.BUF_SCAN_REPORT_MP_FIXED: (_L.FIXED, True),
    _E.BUF_SCAN_REPORT_MP_GROUPED: (_L.GROUPED, True),
}
"""Event -> how its observations stand, and whether it tells persons apart."""

_LISTS: Final[dict[Layout, Form[Any]]] = {
    Layout.FIXED: many(record(Fixed, U16, ANY)),
    Layout.VARIABLE: many(record(Variable, U16, AVAS)),
    Layout.GROUPED: many(ANY),
}
_ALONE: Final[Form[tuple[bytes, ...]]] = Form(
    lambda reader: (ANY.read(reader),), lambda writer, value: ANY.write(writer, value[0])
)
"""Of one person, a grouped report has one observation, without a list around it."""
_PERSONS: Final[dict[Layout, Form[tuple[Of, ...]]]] = {
    layout: many(record(Of, U16, _ALONE if layout is Layout.GROUPED else form)) for layout, form in _LISTS.items()
}


def read_scan(event: int, info: bytes) -> Scan:
    """The report of a scan event. Raises Malformed."""
    layout, persons = SCANS[event]
    reader = Reader(info, Event(event).name)
    request, number = reader.uint(2), reader.uint(2)
    of = _PERSONS[layout].read(reader) if persons else (Of(None, _LISTS[layout].read(reader)),)
    reader.end()
    return Scan(of, request, number)


def write_scan(event: int, scan: Scan) -> bytes:
    """The bytes of a report, for this event."""
    layout, persons = SCANS[event]
    writer = Writer()
    U16.write(writer, scan.request)
    U16.write(writer, scan.number)
    if persons:
        _PERSONS[layout].write(writer, scan.of)
    else:
        _LISTS[layout].write(writer, scan.of[0].observations)
    return bytes(writer.data)
