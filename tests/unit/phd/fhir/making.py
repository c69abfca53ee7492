"""Devices and readings for tests: as a cuff, a meter and a thermometer report them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from hilum.phd.fhir import Patient, bundle
from hilum.phd.reading import (
    Clock,
    Coincidence,
    Compound,
    Device,
    Quantity,
    Reading,
    Stamp,
    Taken,
)

EST = timezone(timedelta(hours=-5))
AT = datetime(2018, 11, 11, 12, 0, 5, tzinfo=EST)
BATCH = "urn:uuid:0195a3c2-7f1e-7c3a-9d2b-1f2e3d4c5b6a"

CUFF = Device(
    system_id="71-10-00-FE-FF-5F-49-B0",
    transport="bluetooth",
    address="B0-49-5F-00-10-71",
    manufacturer="OMRONHEALTHCARE",
    model="HEM-9200T",
    serial="20150200002A",
    firmware="C.00.7AJ-02",
    software="0000000000000101",
    hardware="0000000000000100",
    specializations=((528391, 1),),
)
GATEWAY = Device(
    system_id="EC-DE-3D-4E-58-53-2D-31",
    transport="ethernet",
    address="3D-4E-58-53-2D-35",
    manufacturer="hilum",
    model="agent",
    software="1.0",
    synchronization=532226,
)
PATIENT = Patient(id="sisansarah")
IDENTIFIED = Patient(system="urn:oid:1.2.3.4.5.6.7.8.10", value="sisansarahId")

MG_DL, MMOL_L, MMHG, KPA, DEGC, FAHR, PERCENT, BPM = 264274, 266866, 266016, 265987, 268192, 266560, 262688, 264864
GLUCOSE, PRESSURE, TEMPERATURE, PULSE = 160184, 150020, 150364, 149530


def stamp(time: datetime) -> Stamp:
    """A time by a wall clock."""
    return Stamp(Clock.ABSOLUTE, time.strftime("%Y%m%d%H%M%S.00"), time.replace(tzinfo=None))


STAMP = stamp(datetime(2018, 11, 11, 11, 38, 10))
SYNCED = Coincidence(AT, stamp(datetime(2018, 11, 11, 12, 0, 0)))


def reading(value: Any, type_: int = GLUCOSE, **more: Any) -> Reading:
    return Reading(type_, value, **({"stamp": STAMP} | more))


def glucose(value: str = "18.9", unit: int = MMOL_L, **more: Any) -> Reading:
    return reading(Quantity(Decimal(value), unit), **more)


def pressure(unit: int = MMHG, *values: Any, **more: Any) -> Reading:
    numbers = values or (Decimal(116), Decimal(71), Decimal(86))
    parts = zip((150021, 150022, 150023), numbers, strict=False)
    return reading(Compound(tuple((code, Quantity(one, unit)) for code, one in parts)), PRESSURE, **more)


def taken(*readings: Reading, device: Device = CUFF, coincidence: Coincidence | None = SYNCED, **more: Any) -> Taken:
    return Taken(device, AT, readings, coincidence, **more)


def made(*readings: Reading, patient: Patient = PATIENT, **more: Any) -> dict[str, Any]:
    """The Bundle of a batch of one."""
    return bundle(taken(*readings, **more), GATEWAY, patient, BATCH)


def entries(body: dict[str, Any], profile: str) -> list[dict[str, Any]]:
    """The resources of that profile."""
    return [one["resource"] for one in body["entry"] if one["resource"]["meta"]["profile"][0].endswith("/" + profile)]
