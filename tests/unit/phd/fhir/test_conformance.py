"""Whatever a device reports: what is made of it conforms to R4, to the guide's profiles and to R4's vital signs."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.phd.fhir.guide import EXAMPLES, asn1, needs_examples, needs_guide, whole, wrong
from tests.unit.phd.fhir.making import (
    AT,
    BPM,
    CUFF,
    DEGC,
    FAHR,
    IDENTIFIED,
    KPA,
    MG_DL,
    MMHG,
    PERCENT,
    PULSE,
    TEMPERATURE,
    glucose,
    made,
    pressure,
    reading,
    stamp,
)

from hilum.fhir import json as fhir_json
from hilum.phd import nomenclature
from hilum.phd.number import Special
from hilum.phd.reading import Bits, Clock, Coded, Coincidence, Device, Quantity, Reading, Samples, Stamp, Status

RELATIVE = Stamp(Clock.RELATIVE, "108000", ticks=108000)
READINGS = {
    "glucose": glucose(),
    "glucose in mg/dL": glucose("340", MG_DL, accuracy=Decimal("5")),
    "glucose of a test": glucose(status=Status.TEST_DATA | Status.DEMO_DATA),
    "an early estimate": glucose(status=Status.EARLY_INDICATION | Status.QUESTIONABLE),
    "no number": reading(Quantity(Special.NAN, PERCENT), 150320),
    "blood pressure": pressure(),
    "blood pressure in kPa": pressure(KPA, Decimal("15.5"), Decimal("9.5")),
    "blood pressure without a diastolic": pressure(MMHG, Decimal(116), Special.NAN),
    "mean blood pressure only": pressure(MMHG),
    "temperature": reading(Quantity(Decimal("37.6"), DEGC), TEMPERATURE),
    "temperature in Fahrenheit": reading(Quantity(Decimal("99.7"), FAHR), TEMPERATURE),
    "pulse": reading(Quantity(Decimal("48.0"), BPM), PULSE, supplemental=(150588,)),
    "oxygen": reading(Quantity(Decimal("99"), PERCENT), 150456, supplemental=(150588, 150580)),
    "weight": reading(Quantity(Decimal("72.55"), 263875), 188736),
    "weight in pounds": reading(Quantity(Decimal("160.0"), 263904), 188736),
    "height": reading(Quantity(Decimal("175"), 263441), 188740),
    "height in metres": reading(Quantity(Decimal("1.75"), 263424), 188740),
    "body mass index": reading(Quantity(Decimal("23.7"), 264096), 188752),
    "respiration": reading(Quantity(Decimal("14"), 264928), 151562),
    "meal": reading(Coded(8417872), 8417864, of=(0,)),
    "steps of a session": reading(Quantity(Decimal("4000"), 268800), 8454247, lasting=Decimal("1800")),
    "bits": reading(Bits(0x2138, 16), 150604),
    "states": reading(Bits(0x2180, 16), 8418512),
    "no bits": reading(Bits(0, 16), 150604),
    "samples": reading(Samples((123, 110, 97), 262656, Decimal("2.0"), Decimal("3.0"), Decimal("-3.4")), 150452),
    "samples of no scale": reading(Samples((1,), 262656, Decimal(2), Special.NRES, Decimal(0)), 150452),
    "text": reading("Test Strip Buckled\0", 8452096),
    "a type of tomorrow": reading(Quantity(Decimal("1.50"), PERCENT), 8454999),
    "no stamp": glucose(stamp=None),
    "ticks": reading(Quantity(Decimal("48"), BPM), PULSE, stamp=RELATIVE),
    "many ticks": glucose(stamp=Stamp(Clock.HIGH_RESOLUTION, "9", ticks=9)),
}


@needs_guide
@pytest.mark.parametrize("what", READINGS)
def test_what_is_made_conforms(what: str) -> None:
    assert wrong(made(glucose("5.0"), READINGS[what], battery=80)) == []


@needs_guide
@pytest.mark.parametrize("status", [one for one in Status if one.name])
@pytest.mark.parametrize("what", ["glucose", "blood pressure", "meal", "bits", "samples", "text", "pulse"])
def test_it_does_whatever_its_status_says(what: str, status: Status) -> None:
    one = READINGS[what]
    assert wrong(made(Reading(one.type, one.value, one.stamp, status))) == []


@needs_guide
@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    "device",
    [
        None,
        stamp(AT),
        Stamp(Clock.BASE_OFFSET, "3750942005.0.-300", AT),
        RELATIVE,
        Stamp(Clock.HIGH_RESOLUTION, "5", ticks=5),
    ],
)
def test_so_does_what_the_clock_of_the_device_said(device: Stamp | None, ours: bool) -> None:
    assert wrong(made(glucose(), coincidence=Coincidence(AT, device, ours=ours))) == []


@needs_guide
@pytest.mark.parametrize(
    "device",
    [
        CUFF,
        Device(),
        Device(transport="bluetooth", address="F4:5E:AB:A8:08:32", name="Meter\0\0"),
        Device(manufacturer="A", model="B", serial="C", udi="(01)00844588003288"),
        Device(transport="usb", address="0043.F90D", certified=(16401,), regulated=True, accuracy=1000, part="7"),
        Device(system_id="00601900010E9234", transport="zigbee", address="36ED9AEEDEAD77C3", regulated=False),
    ],
)
def test_so_does_every_device(device: Device) -> None:
    assert wrong(made(glucose(), device=device, patient=IDENTIFIED)) == []


@needs_guide
def test_a_unit_that_ucum_does_not_have_goes_by_its_code_as_the_text_says_and_against_the_profile() -> None:
    body = made(reading(Quantity(Decimal(3092), 268992), 147240))
    assert {path for path, _ in wrong(body)} == {"Observation.value.system"}


@needs_guide
def test_vital_signs_derive_from_the_clock_as_the_guide_asks_and_against_a_profile_of_r4() -> None:
    found = {path.rpartition(".resource.")[2] for path, _ in whole(made(pressure(), glucose()))}
    assert found == {"derivedFrom[0]"}


@needs_guide
def test_the_table_of_bits_is_the_code_system_of_the_guide() -> None:
    ours = {
        f"{code}.{bit}": (one.name, "event" if one.cleared is None else "state")
        for code in {int(code.split(".")[0]) for code in asn1()}
        for bit, one in nomenclature.bits(code).items()
    }
    assert ours == {code: (name, kind) for code, (name, kind, _) in asn1().items()}


@needs_guide
@needs_examples
def test_the_examples_of_the_guide_do_not_conform_where_they_are_not_golden() -> None:
    bad = {path.name.split("-")[0] for path in EXAMPLES.glob("*.json") if wrong(fhir_json.parse(path.read_bytes()))}
    assert bad == {"bloodPress", "bundle", "spotnumeric", "nonin"}
