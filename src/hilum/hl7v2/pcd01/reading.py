"""An ORU^R01^ORU_R01 as an upload: every part that isn't as IHE PCD-01 has it is refused, with where and why.

What other senders leave out is let pass where nothing has to be guessed: an OBX-14 that OBR-7 stands for, an MDS of
which only the metric's OBX-18 tells, codes of MDC beside codes of others. Facets of others are left to the original.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from hilum.hl7v2.message import NULL, Message, Segment
from hilum.hl7v2.pcd01 import codes, line
from hilum.hl7v2.pcd01.upload import Gateway, Identifier, Upload, from_hex
from hilum.hl7v2.pcd01.values import (
    as_bits,
    as_bits_text,
    as_code,
    as_decimal,
    as_number,
    as_numbers,
    is_absent,
    special_of,
    status_of,
    unscaled,
)
from hilum.hl7v2.refused import Condition, Place, Refused
from hilum.hl7v2.times import MINUTE, dtm
from hilum.phd.number import Number
from hilum.phd.reading import (
    NO_SYSTEM_ID,
    Clock,
    Coded,
    Coincidence,
    Compound,
    Device,
    Quantity,
    Reading,
    Samples,
    Stamp,
    Status,
    Taken,
    Value,
)

Position = tuple[int, int, int, int, int]

_POSITION: Final = re.compile(r"\d{1,9}(?:\.\d{1,9}){0,4}", re.ASCII)
_INTEGER: Final = re.compile(r"-?\d{1,30}", re.ASCII)
_TYPES: Final = {"NM", "ST", "TX", "CWE", "CE", "CNE", "DTM", "TS", "DT", "NA", ""}
"""Table 0125, as far as PCD-01 uses it."""


def read(message: Message) -> Upload:
    """The upload of a message. Raises Refused."""
    header = message["MSH"]
    sent = _header(header)
    patient, rows = _ordered(message)
    sorted_rows = _Sorted(rows)
    gateway = _gateway(header, sorted_rows.of(0))
    taken = tuple(_taken(sorted_rows.of(mds), sent) for mds in sorted_rows.numbers if mds)
    return Upload(message.control_id, sent, patient, gateway, taken, header[11], header[6])


def _header(header: Segment) -> datetime:
    for number in (7, 9, 10, 11, 12):
        if is_absent(header, number):
            raise Refused(Condition.REQUIRED_FIELD, "it is required", Place("MSH", 1, number))
    if header[12] != codes.VERSION:
        raise Refused(Condition.UNSUPPORTED_VERSION, f"expected {codes.VERSION}", Place("MSH", 1, 12))
    if header[9, 1] != "ORU" or header[9, 3] not in ("ORU_R01", ""):
        raise Refused(Condition.UNSUPPORTED_MESSAGE, "expected ORU^R01^ORU_R01", Place("MSH", 1, 9))
    if header[9, 2] != "R01":
        raise Refused(Condition.UNSUPPORTED_EVENT, "expected R01", Place("MSH", 1, 9, 1, 2))
    if header[11] not in ("P", "T", "D"):
        raise Refused(Condition.UNSUPPORTED_PROCESSING, "expected P, T or D", Place("MSH", 1, 11))
    sent = dtm(header[7], Place("MSH", 1, 7))
    if sent.time.tzinfo is None or sent.precision < MINUTE:
        raise Refused(Condition.DATA_TYPE, "expected a time to the second with its offset", Place("MSH", 1, 7))
    return sent.time


@dataclass(slots=True, eq=False)
class _Row:
    """One OBX, looked at once."""

    segment: Segment
    number: int
    position: Position
    code: int
    begun: Segment
    facets: dict[int, _Row] = field(default_factory=dict)

    def place(self, field: int, component: int | None = None) -> Place:
        return Place("OBX", self.number, field, None if component is None else 1, component)

    @property
    def type(self) -> str:
        return self.segment[2]

    @property
    def text(self) -> str:
        text = self.segment.text(5)
        return "" if text == NULL else text

    @property
    def absent(self) -> bool:
        return is_absent(self.segment, 5)

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(repetition[0][0] for repetition in self.segment.field(8))

    def time(self, number: int) -> datetime | None:
        return _time(self.segment, number, self.place(number))

    def integer(self) -> int:
        if not _INTEGER.fullmatch(self.text):
            raise Refused(Condition.DATA_TYPE, "expected a whole number", self.place(5))
        return int(self.text)


def _ordered(message: Message) -> tuple[tuple[Identifier, ...], list[_Row]]:
    patient: tuple[Identifier, ...] | None = None
    begun: Segment | None = None
    rows, seen, counts = list[_Row](), set[Position](), dict[str, int]()
    for segment in message.segments:
        number = counts[segment.name] = counts.get(segment.name, 0) + 1
        place = Place(segment.name, number)
        match segment.name:
            case "PID":
                if patient is not None:
                    raise Refused(Condition.SEGMENT_SEQUENCE, "expected one patient", place)
                patient = _patient(segment)
            case "OBR":
                if patient is None:
                    raise Refused(Condition.SEGMENT_SEQUENCE, "expected PID before it", place)
                begun = segment
                seen.clear()
            case "OBX":
                if begun is None:
                    raise Refused(Condition.SEGMENT_SEQUENCE, "expected OBR before it", place)
                row = _row(segment, number, begun)
                if row.position in seen:
                    raise Refused(Condition.DUPLICATE_KEY, "its OBX-4 stands before, under the same OBR", row.place(4))
                seen.add(row.position)
                rows.append(row)
    if patient is None:
        raise Refused(Condition.SEGMENT_SEQUENCE, "expected a patient", Place("PID"))
    if begun is None:
        raise Refused(Condition.SEGMENT_SEQUENCE, "expected an order", Place("OBR"))
    return patient, rows


def _patient(segment: Segment) -> tuple[Identifier, ...]:
    found = []
    for one in segment.field(3):
        texts = [component[0] for component in one]
        if texts[0] in ("", NULL):
            continue
        namespace, universal, kind = (*(one[3] if len(one) > 3 else ()), "", "", "")[:3]
        found.append(Identifier(texts[0], namespace, universal, kind, texts[4] if len(texts) > 4 else ""))
    if not found:
        raise Refused(Condition.REQUIRED_FIELD, "expected an identifier of the patient", Place("PID", 1, 3))
    return tuple(found)


def _row(segment: Segment, number: int, begun: Segment) -> _Row:
    place = Place("OBX", number)
    if is_absent(segment, 3):
        raise Refused(Condition.REQUIRED_FIELD, "expected what was observed", Place("OBX", number, 3))
    code = as_code(segment.field(3)[0], Place("OBX", number, 3))
    if segment[4] == "":
        raise Refused(Condition.REQUIRED_FIELD, "expected MDS.VMD.channel.metric.facet", Place("OBX", number, 4))
    if not _POSITION.fullmatch(segment[4]):
        raise Refused(Condition.DATA_TYPE, "expected MDS.VMD.channel.metric.facet", Place("OBX", number, 4))
    if segment[2] not in _TYPES:
        raise Refused(Condition.TABLE_VALUE, "a type of value that PCD-01 does not have", Place("OBX", number, 2))
    if segment[2] == "" and not is_absent(segment, 5):
        raise Refused(Condition.REQUIRED_FIELD, "a value, and no type of it", Place("OBX", number, 2))
    if segment[11] and segment[11].upper() not in codes.RESULTS:
        raise Refused(Condition.TABLE_VALUE, "a status that is not of a new result", Place("OBX", place.sequence, 11))
    numbers = [int(part) for part in segment[4].split(".")]
    mds, vmd, channel, metric, facet = (*numbers, 0, 0, 0, 0)[:5]
    return _Row(segment, number, (mds, vmd, channel, metric, facet), code, begun)


class _Sorted:
    """Rows by their MDS, facets with what they are of."""

    def __init__(self, rows: list[_Row]) -> None:
        self.numbers: dict[int, list[_Row]] = {}
        latest: dict[Position, _Row] = {}
        for row in rows:
            *metric, facet = row.position
            if facet:
                of = latest.get((metric[0], metric[1], metric[2], metric[3], 0))
                if of is None:
                    raise Refused(Condition.SEGMENT_SEQUENCE, "a facet of nothing that stands before it", row.place(4))
                of.facets.setdefault(row.code, row)
            else:
                latest[row.position] = row
                self.numbers.setdefault(row.position[0], []).append(row)

    def of(self, mds: int) -> list[_Row]:
        return self.numbers.get(mds, [])


def _gateway(header: Segment, rows: list[_Row]) -> Gateway:
    system_id = from_hex(header[3, 2])
    synchronization = accuracy = None
    for row in rows:
        if row.position[3] == 0:
            system_id = _identified(row.segment).get("system_id", system_id)
        elif row.code == codes.SYNCHRONIZATION:
            synchronization = _coded(row)
        elif row.code == codes.ACCURACY:
            accuracy = _whole(row)
    if system_id is None:
        raise Refused(Condition.REQUIRED_FIELD, "expected the gateway's EUI-64", Place("MSH", 1, 3, 1, 2))
    return Gateway(system_id, header[3], synchronization, accuracy)


def _taken(rows: list[_Row], sent: datetime) -> Taken:
    mds = next((row for row in rows if row.position[1:] == (0, 0, 0, 0)), None)
    attributes = {row.code: row for row in rows if _says(row)}
    received = None if mds is None else mds.time(14)
    told = received is not None
    if received is None or received.tzinfo is None:
        received = sent
    coincidence = next(
        (_coincidence(row, codes.CLOCKS[code]) for code, row in attributes.items() if code in codes.CLOCKS), None
    )
    measured = [row for row in rows if row is not mds and not _says(row)]
    readings = tuple(_readings(measured, coincidence, told))
    battery = _whole(attributes[codes.BATTERY]) if codes.BATTERY in attributes else None
    return Taken(_device(mds, rows, attributes), received, readings, coincidence, battery)


def _device(mds: _Row | None, rows: list[_Row], attributes: dict[int, _Row]) -> Device:
    source = mds or next((row for row in rows if row.segment.field(18)), None)
    if source is None:
        raise Refused(Condition.REQUIRED_FIELD, "expected the device that it is of", rows[0].place(18))
    texts = {name: attributes[code].text for code, name in codes.TEXTS.items() if code in attributes}
    specializations: tuple[tuple[int, int], ...] = ()
    if (listed := attributes.get(codes.SPECIALIZATIONS)) is not None:
        specializations = tuple(_specialization(listed, parts) for parts in listed.segment.field(5))
    elif mds is not None and mds.code in codes.PROFILES:
        specializations = ((mds.code, 0),)
    certified = attributes.get(codes.CERTIFIED)
    regulation = attributes.get(codes.REGULATION)
    synchronization = attributes.get(codes.SYNCHRONIZATION)
    accuracy = attributes.get(codes.ACCURACY)
    return Device(
        **{"system_id": NO_SYSTEM_ID, **_identified(source.segment), **texts},
        specializations=specializations,
        certified=() if certified is None else tuple(map(int, as_numbers(certified.segment, certified.place(5)))),
        regulated=None if regulation is None else regulation.segment[5] == "0",
        synchronization=None if synchronization is None else _coded(synchronization),
        accuracy=None if accuracy is None else _whole(accuracy),
    )


def _specialization(row: _Row, parts: tuple[tuple[str, ...], ...]) -> tuple[int, int]:
    version = parts[8][0] if len(parts) > 8 else ""
    return as_code(parts, row.place(5)), int(version) if _INTEGER.fullmatch(version) else 0


def _identified(segment: Segment) -> dict[str, str]:
    """OBX-18, EI: of IHE `id^^id^EUI-64`, of Continua `id^EUI-64`."""
    found: dict[str, str] = {}
    for repetition in segment.field(18):
        texts = [*(component[0] for component in repetition), "", "", ""]
        if texts[3] == "L":
            found |= {"address": texts[0], "transport": texts[1]}
        elif texts[3] == "UDI":
            found["udi"] = texts[0]
        elif (eui := from_hex(texts[2] or texts[0])) is not None:
            found["system_id"] = eui
        elif texts[0]:
            found.setdefault("serial", texts[0])
    return found


def _coincidence(row: _Row, clock: Clock) -> Coincidence | None:
    at, ours = row.time(14), True
    if at is None:
        at, ours = row.time(19), False
    if at is None or at.tzinfo is None:
        raise Refused(Condition.REQUIRED_FIELD, "expected the gateway's time, with its offset", row.place(14))
    stamp = None
    if codes.STAMPS[clock] in row.facets or any(code in row.facets for code in codes.STAMPS.values()):
        stamp = _facet_stamp(row)
    elif not row.absent and clock in line.MICROSECONDS:
        ticks = int(as_decimal(row.text, row.place(5))) // line.MICROSECONDS[clock]
        stamp = Stamp(clock, line.reported(clock, None, ticks), None, ticks)
    elif not row.absent:
        time = _time(row.segment, 5, row.place(5))
        if time is None or (clock is Clock.BASE_OFFSET) != (time.tzinfo is not None):
            told = "with" if clock is Clock.BASE_OFFSET else "without"
            raise Refused(Condition.DATA_TYPE, f"expected the device's time, {told} an offset", row.place(5))
        stamp = Stamp(clock, line.reported(clock, time, None), time)
    instance = row.facets.get(codes.INSTANCE)
    return Coincidence(at, stamp, clock, ours, "" if instance is None else instance.text)


def _readings(rows: list[_Row], coincidence: Coincidence | None, told: bool) -> Iterator[Reading]:
    """What was measured, in the order of the rows."""
    parts: dict[tuple[int, ...], list[_Row]] = {}
    containers = {row.position[:3] for row in rows if _contains(row)}
    for row in rows:
        if row.position[3] and row.position[:3] in containers:
            parts.setdefault(row.position[:3], []).append(row)
    order = [row for row in rows if _contains(row) or (row.position[3] and row.position[:3] not in containers)]
    at = {row.position: index for index, row in enumerate(order)}
    for row in order:
        below = parts.get(row.position[:3], []) if _contains(row) else []
        value = _compound(below) if _contains(row) else _value(row)
        yield _reading(row, value, below, coincidence, told, at)


def _says(row: _Row) -> bool:
    """Whether it says something of its MDS."""
    return row.position[1:3] == (0, 0) and row.position[3] > 0 and row.code in codes.ATTRIBUTES


def _contains(row: _Row) -> bool:
    return row.position[3] == 0 and row.type == "" and row.code not in codes.OBJECTS and row.code not in codes.PROFILES


def _compound(rows: list[_Row]) -> Compound:
    parts = []
    for row in rows:
        if row.type != "NM":
            raise Refused(Condition.DATA_TYPE, "expected a number in a measurement of several", row.place(2))
        parts.append((row.code, _quantity(row)))
    return Compound(tuple(parts))


def _reading(
    row: _Row, value: Value, below: list[_Row], coincidence: Coincidence | None, told: bool, at: dict[Position, int]
) -> Reading:
    facets = row.facets
    stamp: Stamp | None = None
    if any(code in facets for code in codes.STAMPS.values()):
        stamp = _facet_stamp(row)
    else:
        times = [row.time(14), *(part.time(14) for part in below)]
        time = next((one for one in times if one is not None), None)
        if time is None and not told:
            time = _time(row.begun, 7, Place("OBR", 1, 7))
        stamp = None if time is None else line.recovered(time, coincidence)
    absent = isinstance(value, Quantity) and not isinstance(value.value, Decimal)
    status = status_of(row.flags, absent)
    if (exact := facets.get(codes.STATUS)) is not None:
        found = as_bits(exact.segment.field(5))
        if found is None or found.size != 16:
            raise Refused(Condition.DATA_TYPE, "expected bits of a status, 0 to 15", exact.place(5))
        status = Status(found.value)
    supplemental = facets.get(codes.SUPPLEMENTAL)
    source = facets.get(codes.SOURCE)
    record = facets.get(codes.INSTANCE)
    return Reading(
        row.code,
        value,
        stamp,
        status,
        _number(facets.get(codes.LASTING)),
        ()
        if supplemental is None
        else tuple(as_code(parts, supplemental.place(5)) for parts in supplemental.segment.field(5)),
        _number(facets.get(codes.NUMBER_ACCURACY)),
        ()
        if source is None
        else tuple(_source(source, parts[0][0], at, at[row.position]) for parts in source.segment.field(5)),
        None if record is None else record.integer(),
    )


def _value(row: _Row) -> Value:
    match row.type:
        case "NM":
            return _quantity(row)
        case "ST" | "TX":
            return row.text
        case "NA":
            return _samples(row)
        case "CWE" | "CE" | "CNE":
            if (exact := row.facets.get(codes.BITS)) is not None:
                return as_bits_text(exact.segment.field(5), exact.place(5))
            found = as_bits(row.segment.field(5))
            return Coded(_coded(row)) if found is None else found
        case "":
            raise Refused(Condition.REQUIRED_FIELD, "a metric, and no type of its value", row.place(2))
        case _:
            raise Refused(Condition.DATA_TYPE, "a measurement that is a time", row.place(2))


def _quantity(row: _Row) -> Quantity:
    unit = _unit(row)
    if not row.absent:
        return Quantity(as_decimal(row.text, row.place(5)), unit)
    special = row.facets.get(codes.SPECIAL)
    if special is not None:
        return Quantity(as_number(special.text, special.place(5)), unit)
    if row.segment[11].upper() != "X" and not row.flags:
        raise Refused(
            Condition.REQUIRED_FIELD, "expected a number, or in OBX-8 and OBX-11 why there is none", row.place(5)
        )
    return Quantity(special_of(row.flags), unit)


def _unit(row: _Row) -> int:
    if is_absent(row.segment, 6):
        raise Refused(Condition.REQUIRED_FIELD, "expected the unit of a number", row.place(6))
    return as_code(row.segment.field(6)[0], row.place(6))


def _samples(row: _Row) -> Samples:
    period, scaling = row.facets.get(codes.PERIOD), row.facets.get(codes.SCALE)
    if period is None:
        raise Refused(Condition.REQUIRED_FIELD, "expected the period of samples as a facet", row.place(5))
    numbers = as_numbers(row.segment, row.place(5))
    if scaling is not None:
        scale, origin = (*as_numbers(scaling.segment, scaling.place(5)), Decimal(0), Decimal(0))[:2]
    else:
        scale = Decimal(1).scaleb(min((int(number.as_tuple().exponent) for number in numbers), default=0))
        origin = Decimal(0)
    if not scale:
        raise Refused(Condition.DATA_TYPE, "a scale of 0", row.place(5))
    raw = unscaled(numbers, scale, origin, row.place(5))
    return Samples(raw, _unit(row), as_number(period.text, period.place(5)), scale, origin)


def _facet_stamp(row: _Row) -> Stamp:
    clock, found = next((clock, row.facets[code]) for clock, code in codes.STAMPS.items() if code in row.facets)
    texts = [repetition[0][0] for repetition in found.segment.field(5)]
    reported, told = (*texts, "", "")[:2]
    if not told:
        return Stamp(clock, reported)
    if clock in line.MICROSECONDS:
        if not _INTEGER.fullmatch(told):
            raise Refused(Condition.DATA_TYPE, "expected ticks", found.place(5))
        return Stamp(clock, reported, None, int(told))
    try:
        time = datetime.fromisoformat(told)
    except ValueError:
        raise Refused(Condition.DATA_TYPE, "expected a time by ISO 8601", found.place(5)) from None
    if (clock is Clock.BASE_OFFSET) != (time.tzinfo is not None):
        raise Refused(Condition.DATA_TYPE, "expected an offset of a base offset clock, and of no other", found.place(5))
    return Stamp(clock, reported, time)


def _source(row: _Row, text: str, at: dict[Position, int], before: int) -> int:
    if _POSITION.fullmatch(text):
        numbers = [int(part) for part in text.split(".")]
        mds, vmd, channel, metric, facet = (*numbers, 0, 0, 0, 0)[:5]
        index = at.get((mds, vmd, channel, metric, facet))
        if index is not None and index < before:
            return index
    raise Refused(Condition.UNKNOWN_KEY, "expected OBX-4 of a measurement before it", row.place(5))


def _coded(row: _Row) -> int:
    if row.absent:
        raise Refused(Condition.REQUIRED_FIELD, "expected a code", row.place(5))
    return as_code(row.segment.field(5)[0], row.place(5))


def _number(row: _Row | None) -> Number | None:
    return None if row is None else as_number(row.text, row.place(5))


def _whole(row: _Row) -> int:
    found = as_decimal(row.text, row.place(5))
    if found != found.to_integral_value():
        raise Refused(Condition.DATA_TYPE, "expected a whole number", row.place(5))
    return int(found)


def _time(segment: Segment, number: int, at: Place) -> datetime | None:
    if is_absent(segment, number):
        return None
    found = dtm(segment[number], at)
    if found.precision < MINUTE:
        raise Refused(Condition.DATA_TYPE, "expected a time to the minute or better", at)
    return found.time
