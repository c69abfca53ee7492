"""The identifier of a measurement, by the guide's algorithm: the same from every gateway, another of another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.phd.fhir.making import (
    AT,
    BATCH,
    CUFF,
    GATEWAY,
    IDENTIFIED,
    MMHG,
    MMOL_L,
    PATIENT,
    PERCENT,
    STAMP,
    SYNCED,
    entries,
    glucose,
    pressure,
    reading,
    stamp,
    taken,
)

from hilum.phd.fhir import bundle, identifier
from hilum.phd.fhir.devices import octets
from hilum.phd.number import Special, sfloat
from hilum.phd.reading import Bits, Coded, Compound, Device, Quantity, Reading, Samples, Status

BEFORE = "71-10-00-FE-FF-5F-49-B0-sisansarah"
TIME = "20181111113810.00"


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (glucose("18.9"), f"160184-18.9-mmol/L-{TIME}"),
        (glucose("18.90"), f"160184-18.90-mmol/L-{TIME}"),
        (glucose(supplemental=(150588, 8417872)), f"160184-18.9-mmol/L-{TIME}-150588-8417872"),
        (glucose(status=Status.INVALID), f"160184-error-mmol/L-{TIME}"),
        (reading(Quantity(Special.NAN, PERCENT), 150320), f"150320-not-a-number-%-{TIME}"),
        (reading(Quantity(Decimal(3092), 268992), 147240), f"147240-3092-268992-{TIME}"),
        (pressure(), f"150020-116-71-86-mm[Hg]-{TIME}"),
        (pressure(MMHG, Decimal(116), Special.NRES), f"150020-116-error-mm[Hg]-{TIME}"),
        (
            reading(Compound(((1, Quantity(Decimal("1.0"), MMOL_L)), (2, Quantity(Decimal(2), PERCENT)))), 3),
            f"3-1.0-mmol/L-2-%-{TIME}",
        ),
        (reading(Coded(8417872), 8417864), f"8417864-8417872-{TIME}"),
        (reading(Bits(0x2138, 16), 150604), f"150604-8504-{TIME}"),
        (reading("Test Strip Buckled\0", 8452096), f"8452096-Test Strip Buckled-{TIME}"),
        (
            reading(Samples((123, 110), 262656, Decimal("2.0"), Decimal(3), Decimal(0)), 150452),
            f"150452-2.0-1-123-1-{TIME}",
        ),
        (reading(Samples((), 262656, Decimal(2), Decimal(3), Decimal(0)), 150452), f"150452-error-1-{TIME}"),
    ],
)
def test_it_is_what_it_is_made_of_with_dashes_between(one: Reading, expected: str) -> None:
    assert identifier(one, CUFF, PATIENT) == f"{BEFORE}-{expected}"


def test_a_patient_without_a_logical_id_goes_by_value_and_system() -> None:
    expected = f"71-10-00-FE-FF-5F-49-B0-sisansarahId-urn:oid:1.2.3.4.5.6.7.8.10-160184-18.9-mmol/L-{TIME}"
    assert identifier(glucose(), CUFF, IDENTIFIED) == expected


def test_what_has_no_time_stamp_has_none() -> None:
    assert identifier(glucose(stamp=None), CUFF, PATIENT) is None


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (Device(transport="bluetooth", address="f4:5e:ab:a8:08:32"), "F4-5E-AB-A8-08-32"),
        (Device(system_id="00601900010e9234"), "00-60-19-00-01-0E-92-34"),
        (Device(manufacturer="A", model="B\0", serial="C"), "A/B/C"),
        (Device(transport="usb", address="0043.F90D"), "0043.F90D"),
    ],
)
def test_a_device_goes_by_what_tells_it_from_others(device: Device, expected: str) -> None:
    assert identifier(glucose(), device, PATIENT) == f"{expected}-sisansarah-160184-18.9-mmol/L-{TIME}"


@given(st.binary(min_size=8, max_size=8), st.sampled_from(["-", ":", "", " "]))
def test_an_address_is_the_same_however_it_is_written(raw: bytes, between: str) -> None:
    text = between.join(f"{one:02x}" for one in raw)
    assert octets(text) == octets(text.upper()) == raw.hex("-").upper()


VALUES = st.integers(0, 0xFFFF).map(sfloat)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)).map(lambda time: stamp(time.replace(microsecond=0)))
READINGS = st.builds(
    Reading,
    st.sampled_from([160184, 150456, 188736]),
    st.builds(Quantity, VALUES, st.sampled_from([MMOL_L, PERCENT])),
    TIMES,
)


@given(READINGS, st.timedeltas(timedelta(minutes=-10), timedelta(minutes=10)), st.uuids())
def test_two_gateways_give_a_measurement_the_same(one: Reading, skew: timedelta, id: object) -> None:
    other = replace(GATEWAY, system_id="EC-DE-3D-4E-58-53-2D-32")
    at = AT + skew
    first = bundle(taken(one), GATEWAY, PATIENT, BATCH)
    second = bundle(taken(one, coincidence=replace(SYNCED, at=at)), other, PATIENT, f"urn:uuid:{id}")
    told = [[each["request"].get("ifNoneExist") for each in body["entry"]][-1] for body in (first, second)]
    assert told[0] == told[1] is not None
    made = [entries(body, "PhdNumericObservation")[0] for body in (first, second)]
    assert made[0]["identifier"] == made[1]["identifier"]


@given(READINGS, READINGS)
def test_different_measurements_have_different_ones(one: Reading, other: Reading) -> None:
    def same(value: object) -> str:
        absent = {Special.RESERVED: Special.NRES}
        return repr(absent.get(value, value) if isinstance(value, Special) else value)

    assert isinstance(one.value, Quantity)
    assert isinstance(other.value, Quantity)
    alike = (one.type, one.stamp, one.value.unit, same(one.value.value)) == (
        other.type,
        other.stamp,
        other.value.unit,
        same(other.value.value),
    )
    assert (identifier(one, CUFF, PATIENT) == identifier(other, CUFF, PATIENT)) is alike


@pytest.mark.parametrize(
    "change",
    [
        {"type": 160188},
        {"value": Quantity(Decimal("18.90"), MMOL_L)},
        {"value": Quantity(Decimal("18.9"), PERCENT)},
        {"stamp": replace(STAMP, reported="20181111113811.00")},
        {"supplemental": (1,)},
    ],
)
def test_whatever_differs_is_in_it(change: dict[str, Any]) -> None:
    assert identifier(replace(glucose(), **change), CUFF, PATIENT) != identifier(glucose(), CUFF, PATIENT)
