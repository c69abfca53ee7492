"""An upload as ORU^R01^ORU_R01, laid out as Continua's examples are (H.812 Observation Upload, DG2016).

OBX-4 is MDS.VMD.channel.metric.facet: the gateway is MDS 0, each device one from 1 on. What says something of a device
and what was measured alone are metrics of channel 0; a measurement of several numbers is a channel of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from hilum.hl7v2.message import Field, Message, Segment, built, components
from hilum.hl7v2.pcd01 import codes, line
from hilum.hl7v2.pcd01.upload import Gateway, Identifier, Upload, to_hex
from hilum.hl7v2.pcd01.values import (
    Names,
    as_bits,
    bits,
    bits_text,
    coded,
    flags,
    plain,
    scaled,
    several,
    special_of,
    status_of,
)
from hilum.hl7v2.refused import Condition, Place, Refused
from hilum.hl7v2.times import exact
from hilum.phd.number import Number, Special
from hilum.phd.reading import (
    NO_SYSTEM_ID,
    Bits,
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
)


def write(upload: Upload, names: Names = lambda code: "") -> Message:
    """The message. `names`: MDC code -> its reference id, "" where it isn't known; nothing depends on it.

    Raises Refused: a gateway without EUI-64, no patient, or a value that HL7 has no way to say.
    """
    if not upload.patient:
        raise Refused(Condition.REQUIRED_FIELD, "a message is of a patient", Place("PID", 1, 3))
    rows = _Rows(names)
    gateway = _eui(upload.gateway.system_id, Place("MSH", 1, 3))
    segments = [_msh(upload, gateway), _pid(upload.patient)]
    for number, taken in enumerate(upload.taken, 1):
        if number == 1:
            _gateway(rows, upload.gateway, gateway)
        times = _device(rows, taken, number)
        segments.append(_obr(upload, gateway, number, times or [taken.received]))
        segments += rows.taken()
    return built(*segments)


class _Rows:
    """OBX segments, numbered through the message."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._count, self._rows = 0, list[Segment]()

    def taken(self) -> list[Segment]:
        rows, self._rows = self._rows, []
        return rows

    def add(
        self,
        type: str,
        code: int,
        position: str,
        value: str | Field = "",
        *,
        unit: int | None = None,
        flags: Field = (),
        status: str = "R",
        time: datetime | None = None,
        device: Field = (),
        analysed: datetime | None = None,
    ) -> None:
        self._count += 1
        fields: list[str | Field] = [
            str(self._count),
            type,
            coded(code, self.names),
            position,
            value,
            "" if unit is None else coded(unit, self.names),
            "",
            flags,
            "",
            "",
            status,
            "",
            "",
            "" if time is None else str(exact(time)),
            "",
            "",
            "",
            device,
            "" if analysed is None else str(exact(analysed)),
        ]
        while not fields[-1]:
            fields.pop()
        self._rows.append(Segment.of("OBX", *fields))

    def number(self, code: int, position: str, number: Number, unit: int | None = None) -> None:
        """An attribute that is a number, or the word for what it is instead."""
        if isinstance(number, Special):
            self.add("ST", code, position, number.value)
        else:
            self.add("NM", code, position, plain(number), unit=unit)


def _msh(upload: Upload, gateway: str) -> Segment:
    return Segment.of(
        "MSH",
        components(upload.gateway.name, gateway, "EUI-64"),
        "",
        "",
        upload.receiver,
        str(exact(upload.sent)),
        "",
        components("ORU", "R01", "ORU_R01"),
        upload.control_id,
        upload.processing,
        codes.VERSION,
        "",
        "",
        "NE",
        "AL",
        "",
        "UNICODE UTF-8",
        "",
        "",
        components(*codes.PROFILE),
    )


def _pid(patient: Sequence[Identifier]) -> Segment:
    # PID-5 is required, and a gateway knows no name: unspecified (table 0200, U).
    return Segment.of("PID", "", "", tuple(_cx(one)[0] for one in patient), "", components(*[""] * 6, "U"))


def _cx(one: Identifier) -> Field:
    authority = [one.namespace, one.universal, one.universal_type]
    while authority[1:] and not authority[-1]:
        authority.pop()
    parts: list[tuple[str, ...]] = [(one.value,), ("",), ("",), tuple(authority), (one.type,)]
    while len(parts) > 1 and not any(parts[-1]):
        parts.pop()
    return (tuple(parts),)


def _obr(upload: Upload, gateway: str, number: int, times: Sequence[datetime]) -> Segment:
    order = components(f"{upload.control_id}.{number}", upload.gateway.name, gateway, "EUI-64")
    return Segment.of(
        "OBR",
        str(number),
        order,
        order,
        components(*codes.MONITORING),
        "",
        "",
        str(exact(min(times))),
        str(exact(max(times))),
    )


def _gateway(rows: _Rows, gateway: Gateway, eui: str) -> None:
    rows.add("", codes.MDS_GATEWAY, "0", status="X", device=components(eui, "", eui, "EUI-64"))
    _clock(rows, "0.0.0", 0, gateway.synchronization, gateway.accuracy)


def _clock(rows: _Rows, channel: str, at: int, synchronization: int | None, accuracy: int | None) -> int:
    if synchronization is not None:
        at += 1
        rows.add("CWE", codes.SYNCHRONIZATION, f"{channel}.{at}", coded(synchronization, rows.names))
    if accuracy is not None:
        at += 1
        rows.number(codes.ACCURACY, f"{channel}.{at}", Decimal(accuracy), codes.MICROSECONDS)
    return at


def _device(rows: _Rows, taken: Taken, mds: int) -> list[datetime]:
    """The rows of a device and of what it measured; when, as far as OBX-14 has an offset."""
    device, channel = taken.device, f"{mds}.0.0"
    kind = device.specializations[0][0] if device.specializations else codes.MDS_SIMPLE
    rows.add("", kind, str(mds), status="X", time=taken.received, device=_identified(device))
    at = 0
    if device.specializations:
        at += 1
        listed = tuple(coded(code, rows.names, str(version))[0] for code, version in device.specializations)
        rows.add("CWE", codes.SPECIALIZATIONS, f"{channel}.{at}", listed)
    for code, field in codes.TEXTS.items():
        if text := getattr(device, field):
            at += 1
            rows.add("ST", code, f"{channel}.{at}", text)
    if device.certified:
        at += 1
        rows.add("NA", codes.CERTIFIED, f"{channel}.{at}", several(device.certified))
    if device.regulated is not None:
        at += 1
        unregulated = "0" if device.regulated else "1"
        rows.add("CWE", codes.REGULATION, f"{channel}.{at}", components(unregulated, "unregulated-device(0)"))
    at = _clock(rows, channel, at, device.synchronization, device.accuracy)
    if taken.battery is not None:
        at += 1
        rows.number(codes.BATTERY, f"{channel}.{at}", Decimal(taken.battery), codes.PERCENT)
    coincidence = None
    if taken.coincidence is not None:
        at += 1
        coincidence = _coincidence(rows, taken.coincidence, f"{channel}.{at}")
    times, positions, compounds = list[datetime](), list[str](), 0
    for reading in taken.readings:
        if isinstance(reading.value, Compound):
            compounds += 1
            position = f"{mds}.0.{compounds}"
        else:
            at += 1
            position = f"{channel}.{at}"
        time = _reading(rows, reading, position, coincidence, positions)
        positions.append(position)
        if time is not None and time.tzinfo is not None:
            times.append(time)
    return times


def _identified(device: Device) -> Field:
    """OBX-18: its EUI-64, its transport and address, its UDI."""
    found: list[tuple[tuple[str, ...], ...]] = []
    if device.system_id != NO_SYSTEM_ID:
        eui = _eui(device.system_id, Place("OBX", 1, 18))
        found += components(eui, "", eui, "EUI-64")
    if device.transport or device.address:
        found += components(device.address, device.transport, device.address, "L")
    if device.udi:
        found += components(device.udi, "", device.udi, "UDI")
    return tuple(found)


def _coincidence(rows: _Rows, one: Coincidence, position: str) -> Coincidence:
    """Its rows; and itself, as it will be read."""
    at = exact(one.at).time
    clock, stamp = one.clock, one.device
    time, analysed = (at, None) if one.ours else (None, at)
    read = None
    if stamp is None:
        rows.add(
            "DTM" if clock in (Clock.ABSOLUTE, Clock.BASE_OFFSET) else "NM",
            clock.value,
            position,
            status="X",
            time=time,
            analysed=analysed,
        )
    elif stamp.time is not None:
        shown = exact(stamp.time)
        rows.add("DTM", codes.TIMES[clock], position, str(shown), time=time, analysed=analysed)
        read = Stamp(clock, line.reported(clock, shown.time, None), shown.time)
    else:
        ticks = 0 if stamp.ticks is None else stamp.ticks
        passed = plain(Decimal(ticks * line.MICROSECONDS.get(clock, 1)))
        rows.add("NM", codes.TIMES[clock], position, passed, unit=codes.MICROSECONDS, time=time, analysed=analysed)
        read = Stamp(clock, line.reported(clock, None, ticks), None, ticks)
    facets = _Facets(rows, position)
    if stamp is not None and (read is None or not line.same(read, stamp)):
        facets.stamp(stamp)
    if one.serial:
        facets.add("ST", codes.INSTANCE, one.serial)
    return replace(one, at=at)


class _Facets:
    """What is said of one row, below it."""

    def __init__(self, rows: _Rows, position: str) -> None:
        self._rows, self._at, self.names = rows, 0, rows.names
        self._position = position if position.count(".") == 3 else f"{position}.0"

    def _next(self) -> str:
        self._at += 1
        return f"{self._position}.{self._at}"

    def add(self, type: str, code: int, value: str | Field) -> None:
        self._rows.add(type, code, self._next(), value)

    def number(self, code: int, number: Number, unit: int | None = None) -> None:
        self._rows.number(code, self._next(), number, unit)

    def stamp(self, stamp: Stamp) -> None:
        told = stamp.time.isoformat() if stamp.time is not None else "" if stamp.ticks is None else str(stamp.ticks)
        self.add("ST", codes.STAMPS[stamp.clock], (((stamp.reported,),), ((told,),)))


def _reading(
    rows: _Rows, one: Reading, position: str, coincidence: Coincidence | None, positions: Sequence[str]
) -> datetime | None:
    objects = one.type in codes.OBJECTS or one.type in codes.PROFILES
    if one.type in codes.ATTRIBUTES or (isinstance(one.value, Compound) and objects):
        raise Refused(Condition.TABLE_VALUE, f"{one.type} says something of a device and is no measurement")
    time = None if one.stamp is None else line.shown(one.stamp, coincidence)
    facets = _Facets(rows, position)
    value = one.value
    unit: int | None = None
    match value:
        case Quantity():
            unit = value.unit
            _quantity(rows, one.type, position, value, one.status, time)
        case Compound():
            rows.add("", one.type, position, flags=flags(one.status, None), status="X", time=time)
            for number, (code, part) in enumerate(value.parts, 1):
                below = f"{position}.{number}"
                _quantity(rows, code, below, part, Status(0), None)
                _special(_Facets(rows, below), part)
        case Coded():
            _valued(rows, "CWE", one, position, coded(value.code, rows.names), time)
        case Bits():
            field = bits(value)
            _valued(rows, "CWE", one, position, field, time)
            if as_bits(field) != value:
                facets.add("ST", codes.BITS, bits_text(value))
        case Samples():
            unit = value.unit
            _valued(rows, "NA", one, position, several(scaled(value)), time, unit)
            facets.number(codes.PERIOD, value.period, codes.MILLISECONDS)
            facets.add("NA", codes.SCALE, several((_decimal(value.scale), _decimal(value.origin))))
        case str():
            _valued(rows, "ST", one, position, value, time)
    if isinstance(value, Quantity):
        _special(facets, value)
    _more(facets, one, unit, time, coincidence, positions)
    return time


def _more(
    facets: _Facets,
    one: Reading,
    unit: int | None,
    time: datetime | None,
    coincidence: Coincidence | None,
    positions: Sequence[str],
) -> None:
    """What OBX has no place for, or cannot say exactly."""
    if one.stamp is not None and (time is None or not line.same(line.recovered(time, coincidence), one.stamp)):
        facets.stamp(one.stamp)
    number = one.value.value if isinstance(one.value, Quantity) else None
    texts = tuple(repetition[0][0] for repetition in flags(one.status, number))
    if status_of(texts, isinstance(number, Special)) != one.status:
        facets.add("CWE", codes.STATUS, bits(Bits(int(one.status), 16)))
    if one.lasting is not None:
        facets.number(codes.LASTING, one.lasting, codes.SECONDS)
    if one.supplemental:
        facets.add("CWE", codes.SUPPLEMENTAL, tuple(coded(code, facets.names)[0] for code in one.supplemental))
    if one.accuracy is not None:
        facets.number(codes.NUMBER_ACCURACY, one.accuracy, unit)
    if any(not 0 <= index < len(positions) for index in one.of):
        raise Refused(Condition.UNKNOWN_KEY, "a reading belongs to one that isn't before it")
    if one.of:
        facets.add("ST", codes.SOURCE, tuple(((positions[index],),) for index in one.of))
    if one.record is not None:
        facets.add("ST", codes.INSTANCE, str(one.record))


def _quantity(rows: _Rows, code: int, position: str, one: Quantity, status: Status, time: datetime | None) -> None:
    absent = isinstance(one.value, Special)
    rows.add(
        "NM",
        code,
        position,
        "" if isinstance(one.value, Special) else plain(one.value),
        unit=one.unit,
        flags=flags(status, one.value),
        status="X" if absent else _result(status),
        time=time,
    )


def _special(facets: _Facets, one: Quantity) -> None:
    if not isinstance(one.value, Special):
        return
    texts = tuple(repetition[0][0] for repetition in flags(Status(0), one.value))
    if special_of(texts) is not one.value:
        facets.add("ST", codes.SPECIAL, one.value.value)


def _valued(
    rows: _Rows,
    type: str,
    one: Reading,
    position: str,
    field: str | Field,
    time: datetime | None,
    unit: int | None = None,
) -> None:
    result = _result(one.status)
    rows.add(type, one.type, position, field, unit=unit, flags=flags(one.status, None), status=result, time=time)


def _result(status: Status) -> str:
    """OBX-11: final, preliminary, or not verified."""
    return "F" if Status.VALIDATED_DATA in status else "P" if Status.EARLY_INDICATION in status else "R"


def _decimal(number: Number) -> Decimal:
    if isinstance(number, Special):
        raise Refused(Condition.DATA_TYPE, "samples need a scale other than 0 and an origin")
    return number


def _eui(system_id: str, at: Place) -> str:
    found = to_hex(system_id)
    if found is None:
        raise Refused(Condition.DATA_TYPE, "expected an EUI-64 as FE-ED-AB-EE-DE-AD-77-C3", at)
    return found
