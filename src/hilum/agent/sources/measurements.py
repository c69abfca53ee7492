"""A measurement as JSON that any program can write: device, what it is, value, unit and time.

    {"device": "FE-ED-AB-EE-DE-AD-77-C3",
     "measurements": [
       {"type": "glucose", "value": 18.9, "unit": "mmol/L", "time": "2026-11-24T07:30:00+01:00"},
       {"type": "blood-pressure", "value": {"systolic": 120, "diastolic": 80}, "unit": "mm[Hg]",
        "time": "2026-11-24T07:31:00+01:00"}]}

Digits are kept as they are written. A time is needed: by it what comes twice is known, and what comes late is placed.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec

from hilum.phd import nomenclature
from hilum.phd.ieee20601 import clocks
from hilum.phd.malformed import Malformed
from hilum.phd.number import to_float32
from hilum.phd.reading import NO_SYSTEM_ID, Compound, Device, Quantity, Reading, Stamp, Taken, Value

_BLOOD_PRESSURE: Final = 150020
NAMES: Final = {
    "blood-pressure": _BLOOD_PRESSURE,
    "body-fat": 188748,
    "body-height": 188740,
    "body-mass-index": 188752,
    "body-temperature": 150364,
    "body-weight": 188736,
    "glucose": 160364,
    "glucose-capillary": 160184,
    "glucose-interstitial": 160212,
    "glucose-plasma": 160368,
    "hba1c": 160220,
    "heart-rate": 147842,
    "oxygen-saturation": 150456,
    "respiratory-rate": 151562,
}
"""Name -> MDC. Where several codes have one LOINC code, this is the one that claims no more than it says."""
PARTS: Final = {"systolic": 150021, "diastolic": 150022, "mean": 150023}
_NEEDED: Final = {"systolic", "diastolic"}
_CODE: Final = re.compile(r"mdc:(\d{1,10})", re.ASCII)
_LOINC: Final = re.compile(r"loinc:(\d{1,7}-\d)", re.ASCII)
_EUI_64: Final = re.compile("[0-9A-F]{2}(?:-[0-9A-F]{2}){7}")
_CODES: Final = 1 << 32
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    system_id: str = NO_SYSTEM_ID
    transport: Literal["", "bluetooth", "ethernet", "zigbee", "usb"] = ""
    address: str = ""
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    hardware: str = ""
    firmware: str = ""
    software: str = ""


class _Measurement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: _Text
    value: Decimal | dict[Literal["systolic", "diastolic", "mean"], Decimal]
    unit: _Text
    time: datetime


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device: str | _Device
    measurements: Annotated[list[_Measurement], msgspec.Meta(min_length=1, max_length=10_000)]
    received: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    person: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    battery: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None


def read(data: bytes, at: datetime) -> Taken:
    """What it says. `at`: when it came, which counts where it says nothing of that. Raises Malformed."""
    try:
        said = msgspec.json.decode(data, type=_Said)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed(f"a measurement as JSON: {error}") from None
    readings = tuple(_reading(one, f"measurements[{at}]") for at, one in enumerate(said.measurements))
    return Taken(_device(said.device), said.received or at, readings, None, said.battery, said.person)


def _device(said: str | _Device) -> Device:
    if isinstance(said, str):
        said = _Device(system_id=said)
        if said.system_id.upper() == NO_SYSTEM_ID:
            raise Malformed("device: an EUI-64 of zeros is of no device")
    system_id = said.system_id.upper()
    if not _EUI_64.fullmatch(system_id):
        raise Malformed("device: expected an EUI-64 such as FE-ED-AB-EE-DE-AD-77-C3, or an object")
    if system_id == NO_SYSTEM_ID and bool(said.address) != bool(said.transport):
        raise Malformed("device: an address and its transport go together")
    if system_id == NO_SYSTEM_ID and not said.address and not (said.manufacturer and said.model and said.serial):
        raise Malformed("device: expected system_id, or transport and address, or manufacturer, model and serial")
    return Device(**{**msgspec.structs.asdict(said), "system_id": system_id})


def _reading(one: _Measurement, place: str) -> Reading:
    unit = nomenclature.unit_of(one.unit)
    if unit is None:
        raise Malformed(f"{place}: a unit of UCUM that devices do not have")
    type_ = _type(one, place)
    return Reading(type_, _value(one, type_, unit, place), _stamp(one.time, place))


def _type(one: _Measurement, place: str) -> int:
    if found := _CODE.fullmatch(one.type):
        code = int(found[1])
        if 0 < code < _CODES:
            return code
    elif found := _LOINC.fullmatch(one.type):
        for code in NAMES.values():
            if found[1] in (nomenclature.vital_sign(code, one.unit), nomenclature.loinc(code, one.unit)):
                return code
        raise Malformed(f"{place}: a LOINC code that is not known here, or not in this unit")
    elif one.type in NAMES:
        return NAMES[one.type]
    raise Malformed(f"{place}: expected mdc:NUMBER, loinc:CODE or one of {', '.join(NAMES)} as type")


def _value(one: _Measurement, type_: int, unit: int, place: str) -> Value:
    if isinstance(one.value, Decimal):
        if type_ == _BLOOD_PRESSURE:
            raise Malformed(f"{place}: a blood pressure has a systolic and a diastolic value")
        return Quantity(_number(one.value, place), unit)
    if type_ != _BLOOD_PRESSURE or not one.value.keys() >= _NEEDED:
        raise Malformed(f"{place}: several values: expected systolic and diastolic of a blood pressure")
    parts = ((code, one.value[name]) for name, code in PARTS.items() if name in one.value)
    return Compound(tuple((code, Quantity(_number(number, place), unit)) for code, number in parts))


def _number(number: Decimal, place: str) -> Decimal:
    """As it is, if a device could have sent it: a program's 37.60000000000001 was never measured."""
    try:
        to_float32(number)
    except Malformed:
        raise Malformed(f"{place}: expected a number of at most 7 digits, as a device has") from None
    return number


def _stamp(time: datetime, place: str) -> Stamp:
    """With an offset to UTC it is a base offset clock's, without one a wall clock's."""
    try:
        return clocks.absolute(time) if time.tzinfo is None else clocks.base_offset(time)
    except (Malformed, OverflowError):
        raise Malformed(f"{place}: a time out of the calendar") from None
