"""Observations by the kind of their value, value by value as the guide has them, and beside the guide's examples."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.phd.fhir.guide import EXAMPLES, needs_examples
from tests.unit.phd.fhir.making import (
    AT,
    BPM,
    DEGC,
    EST,
    FAHR,
    KPA,
    MG_DL,
    MMHG,
    PERCENT,
    PULSE,
    SYNCED,
    TEMPERATURE,
    glucose,
    pressure,
    reading,
    stamp,
)

from hilum.fhir import json as fhir_json
from hilum.phd.fhir import Links, coincident_time_stamp, observation
from hilum.phd.number import Special, sfloat
from hilum.phd.reading import (
    MDC,
    Bits,
    Clock,
    Coded,
    Coincidence,
    Compound,
    Quantity,
    Reading,
    Samples,
    Stamp,
    Status,
)
from hilum.phd.times import effective

LINKS = Links("Patient/p", "Device/d", "Device/g", ("Observation/c",))
UCUM, LOINC = "http://unitsofmeasure.org", "http://loinc.org"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


def made(one: Reading) -> dict[str, Any]:
    return observation(one, effective(one, AT, SYNCED), LINKS)


def codes(concept: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["system"], one["code"]) for one in concept["coding"]]


def reason(body: dict[str, Any]) -> str:
    ((system, code),) = codes(body["dataAbsentReason"])
    assert system == ABSENT
    return code


def test_a_glucose_measurement() -> None:
    assert observation(glucose("18.9"), effective(glucose(), AT, SYNCED), LINKS, "x") == {
        "resourceType": "Observation",
        "meta": {"profile": ["http://hl7.org/fhir/uv/phd/StructureDefinition/PhdNumericObservation"]},
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice",
                "valueReference": {"reference": "Device/g"},
            }
        ],
        "identifier": [{"value": "x"}],
        "status": "final",
        "code": {
            "coding": [{"system": MDC, "code": "160184"}, {"system": LOINC, "code": "14743-9"}],
            "text": "MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD: Glucose in capillary whole blood",
        },
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2018-11-11T11:38:15-05:00",
        "valueQuantity": {"value": Decimal("18.9"), "unit": "mmol/L", "system": UCUM, "code": "mmol/L"},
        "device": {"reference": "Device/d"},
        "derivedFrom": [{"reference": "Observation/c"}],
    }


@pytest.mark.parametrize(("raw", "text"), [(0xF014, b"2.0"), (0xE0C8, b"2.00"), (0x2002, b"200"), (0xF0BD, b"18.9")])
def test_a_value_has_the_digits_of_the_device(raw: int, text: bytes) -> None:
    body = made(reading(Quantity(sfloat(raw), MG_DL)))
    assert b'"value":' + text + b"," in fhir_json.encode(body)


@pytest.mark.parametrize(
    ("unit", "type_", "code", "loinc"),
    [
        (DEGC, TEMPERATURE, "Cel", "8310-5"),
        (FAHR, TEMPERATURE, "[degF]", "8310-5"),
        (BPM, PULSE, "/min", "8867-4"),
        (PERCENT, 150456, "%", "2708-6"),
        (263904, 188736, "[lb_av]", "29463-7"),
        (263875, 188736, "kg", "29463-7"),
    ],
)
def test_a_vital_sign_stays_in_its_unit(unit: int, type_: int, code: str, loinc: str) -> None:
    body = made(reading(Quantity(Decimal("99.7"), unit), type_))
    assert body["valueQuantity"]["value"] == Decimal("99.7")
    assert (body["valueQuantity"]["code"], codes(body["code"])) == (code, [(MDC, str(type_)), (LOINC, loinc)])
    assert body["category"][0]["coding"][0]["code"] == "vital-signs"


def test_a_blood_pressure_is_a_panel() -> None:
    body = made(pressure())
    assert codes(body["code"]) == [(MDC, "150020"), (LOINC, "85354-9")]
    assert "valueQuantity" not in body
    assert [codes(one["code"])[1][1] for one in body["component"]] == ["8480-6", "8462-4", "8478-0"]
    assert [one["valueQuantity"]["value"] for one in body["component"]] == [116, 71, 86]
    assert {one["valueQuantity"]["code"] for one in body["component"]} == {"mm[Hg]"}


@pytest.mark.parametrize(
    "one",
    [
        pressure(KPA, Decimal("15.5"), Decimal("9.5")),
        pressure(MMHG, Decimal(116)),
        reading(Compound(((150021, Quantity(Decimal(1), MMHG)),) * 2), 150020),
        reading(Quantity(Decimal(116), MMHG), 150021),
    ],
    ids=["kPa", "no diastolic", "twice systolic", "no panel"],
)
def test_what_the_profile_of_a_blood_pressure_would_refuse_is_none(one: Reading) -> None:
    body = made(one)
    assert "category" not in body
    assert len(body["code"]["coding"]) == 1


def test_a_part_that_failed_says_why() -> None:
    systolic, diastolic = made(pressure(MMHG, Decimal(116), Special.POSITIVE_INFINITY))["component"]
    assert "dataAbsentReason" not in systolic
    assert reason(diastolic) == "positive-infinity"


@pytest.mark.parametrize(
    ("special", "code"),
    [
        (Special.NAN, "not-a-number"),
        (Special.POSITIVE_INFINITY, "positive-infinity"),
        (Special.NEGATIVE_INFINITY, "negative-infinity"),
        (Special.NRES, "error"),
        (Special.RESERVED, "error"),
    ],
)
def test_what_is_no_number_says_why(special: Special, code: str) -> None:
    body = made(reading(Quantity(special, MG_DL)))
    assert (reason(body), "valueQuantity" in body) == (code, False)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.INVALID, "error"),
        (Status.NOT_AVAILABLE, "not-performed"),
        (Status.MEASUREMENT_ONGOING, "temp-unknown"),
        (Status.INVALID | Status.MEASUREMENT_ONGOING, "error"),
    ],
)
def test_what_its_status_says_is_no_value_has_none(status: Status, code: str) -> None:
    for one in (glucose(status=status), reading(Coded(1), status=status), reading(Bits(1, 16), status=status)):
        body = made(one)
        assert reason(body) == code
        assert not [name for name in body if name.startswith("value") or name == "component"]
    panel = made(pressure(status=status))
    assert {reason(one) for one in (panel, *panel["component"])} == {code}


def test_a_text_without_a_value_says_why_in_its_place() -> None:
    body = made(reading("x", 8452096, status=Status.INVALID))
    assert body["_valueString"]["extension"][0]["valueCode"] == "error"
    assert "dataAbsentReason" not in body
    assert made(reading("\0", 8452096))["_valueString"]["extension"][0]["valueCode"] == "unknown"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.QUESTIONABLE, "questionable"),
        (Status.CALIBRATION_ONGOING, "calibration-ongoing"),
        (Status.VALIDATED_DATA, "validated-data"),
        (Status.EARLY_INDICATION, "early-indication"),
        (Status.EXCEEDS_BOUNDARIES, "in-alarm"),
        (Status.ANNUNCIATION_INHIBITED, "alarm-inhibited"),
    ],
)
def test_a_status_may_say_more_of_a_value(status: Status, code: str) -> None:
    body = made(glucose(status=status))
    assert codes(body["interpretation"][0]) == [("http://hl7.org/fhir/uv/pocd/CodeSystem/measurement-status", code)]
    assert "valueQuantity" in body


@pytest.mark.parametrize("status", [Status.TEST_DATA, Status.DEMO_DATA, Status.TEST_DATA | Status.DEMO_DATA])
def test_a_measurement_that_was_made_to_try_the_device_is_labelled(status: Status) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
    assert made(glucose(status=status))["meta"]["security"] == [label]
    assert "security" not in made(glucose())["meta"]


def test_an_early_estimate_is_preliminary() -> None:
    told = [made(glucose(status=one))["status"] for one in (Status.EARLY_INDICATION, Status.MEASUREMENT_ONGOING)]
    assert told == ["preliminary", "preliminary"]
    assert made(glucose(status=Status.TEST_DATA))["status"] == "final"


def test_supplemental_types_and_accuracy_are_components() -> None:
    supplemental, accuracy = made(glucose("340", MG_DL, supplemental=(150588,), accuracy=Decimal("5.0")))["component"]
    assert codes(supplemental["code"]) == [(MDC, "68193")]
    assert codes(supplemental["valueCodeableConcept"]) == [(MDC, "150588")]
    assert codes(accuracy["code"]) == [(MDC, "67914")]
    assert accuracy["valueQuantity"] == {"value": Decimal("5.0"), "unit": "mg/dL", "system": UCUM, "code": "mg/dL"}
    assert "component" not in made(glucose(accuracy=Special.NAN))


def test_events_are_told_when_set_states_always_and_what_is_not_defined_never() -> None:
    def told(value: Bits, type_: int) -> list[tuple[str, str]]:
        return [
            (one["code"]["coding"][0]["code"], one["valueCodeableConcept"]["coding"][0]["code"])
            for one in made(reading(value, type_)).get("component", ())
        ]

    assert told(Bits(0b0010_0001_0011_1000, 16), 150604) == [(f"150604.{n}", "Y") for n in (2, 7, 10, 11, 12)]
    assert told(Bits(0, 16), 150604) == []
    assert told(Bits(0x8000, 16), 67925) == [("67925.0", "Y"), ("67925.1", "N"), ("67925.10", "N")]
    assert told(Bits(0x8000, 16, supported=0xC000), 67925) == [("67925.0", "Y"), ("67925.1", "N")]
    assert told(Bits(0x1100_0000, 32), 8418060) == [("8418060.3", "Y"), ("8418060.7", "Y")]
    assert told(Bits(0x0F00, 16), 150605) == []
    assert told(Bits(0x4001, 16), 8999999) == [("8999999.1", "Y"), ("8999999.15", "Y")]


def test_samples_are_as_they_came_with_their_scale() -> None:
    one = reading(Samples((123, -110, 97), 262656, Decimal("2.0"), Decimal("3.0"), Decimal("-3.4")), 150452)
    assert made(one)["valueSampledData"] == {
        "origin": {"value": Decimal("-3.4"), "unit": "1", "system": UCUM, "code": "1"},
        "period": Decimal("2.0"),
        "factor": Decimal("3.0"),
        "dimensions": 1,
        "data": "123 -110 97",
    }


def test_a_unit_that_nobody_knows_yet_goes_by_its_code() -> None:
    body = made(reading(Quantity(Decimal("1.50"), 269999), 8454999))
    assert body["valueQuantity"] == {"value": Decimal("1.50"), "system": MDC, "code": "269999"}
    assert body["code"] == {"coding": [{"system": MDC, "code": "8454999"}]}


def test_what_lasted_has_a_period() -> None:
    body = made(reading(Quantity(Decimal(4000), 268800), 8454247, lasting=Decimal(1800)))
    assert body["effectivePeriod"] == {"start": "2018-11-11T11:38:15-05:00", "end": "2018-11-11T12:08:15-05:00"}
    assert "effectiveDateTime" not in body


# --- the clock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    ("device", "code", "value"),
    [
        (SYNCED.device, "67975", {"valueDateTime": "2018-11-11T12:00:00-05:00"}),
        (Stamp(Clock.BASE_OFFSET, "x", AT.astimezone(EST)), "68226", {"valueDateTime": "2018-11-11T12:00:05-05:00"}),
        (Stamp(Clock.RELATIVE, "8", ticks=8), "67983", 1000),
        (Stamp(Clock.HIGH_RESOLUTION, "8", ticks=8), "68072", 8),
        (None, "67975", None),
    ],
)
def test_what_the_clock_said(device: Stamp | None, code: str, value: Any, ours: bool) -> None:
    body = coincident_time_stamp(Coincidence(AT, device, ours=ours), LINKS)
    assert codes(body["code"]) == [(MDC, code)]
    told = {name: body[name] for name in body if name.startswith("value")}
    if isinstance(value, int):
        value = {"valueQuantity": {"value": value, "unit": "us", "system": UCUM, "code": "us"}}
    assert told == (value or {})
    assert (reason(body) == "unknown") if device is None else "dataAbsentReason" not in body
    wall = device is not None and device.time is not None
    assert ("effectiveDateTime" in body) is (ours or not wall)
    assert (body["status"], "identifier" in body) == ("final", False)


# --- beside the guide's examples -------------------------------------------------------------------------------------


ELEVEN = stamp(AT.replace(hour=11, minute=38, second=10))
NOT_GOLDEN = {"id", "text", "identifier", "effectiveDateTime", "derivedFrom", "subject", "device", "extension"}


def plain(value: Any) -> Any:
    """Without texts, which are ours, and units as people write them, which the examples do not have."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if name not in ("text", "unit")}
    return [plain(one) for one in value] if isinstance(value, list) else value


@needs_examples
@pytest.mark.parametrize(
    ("name", "one", "errata"),
    [
        ("bits-1.0.0.40", reading(Bits(0x2138, 16), 150604), ()),
        ("bloodPress-1.0.1", pressure(), ("55284-4", "85354-9")),
        ("glucose-1.0.0.4", reading(Coded(8417872), 8417864), ()),
        ("nan-1.0.0.42", reading(Quantity(Special.NAN, PERCENT), 150320), ()),
        (
            "rtsa-1234",
            reading(
                Samples((123, 110, 97, 99, 112, 118), 262656, Decimal("2.0"), Decimal("3.0"), Decimal("-3.4")), 150452
            ),
            (),
        ),
        (
            "spotnumeric-1.0.0.3",
            reading(Quantity(Decimal("48.0"), BPM), PULSE, supplemental=(150588,)),
            ("{beat}/min", "/min"),
        ),
        ("stringenum-1234", reading("Test Strip Buckled", 8452096), ()),
    ],
)
def test_it_is_the_example_of_the_guide_but_for_its_errata(name: str, one: Reading, errata: tuple[str, ...]) -> None:
    raw = (EXAMPLES / f"{name}.json").read_text("utf-8")
    example = plain(fhir_json.parse((raw.replace(*errata) if errata else raw).encode()))
    ours = plain(made(one))
    if name.startswith("bloodPress"):  # it has no LOINC code of the mean blood pressure
        ours["component"][2]["code"]["coding"].pop()
    assert {key: ours[key] for key in ours if key not in NOT_GOLDEN} == {
        key: example[key] for key in example if key not in NOT_GOLDEN
    }


@needs_examples
def test_the_clock_is_that_of_the_examples() -> None:
    for name, device in (("coin-1234", -5), ("coin-fault20", None)):
        example = plain(fhir_json.parse((EXAMPLES / f"{name}.json").read_bytes()))
        at = AT.fromisoformat(example["effectiveDateTime"])
        said = None if device is None else stamp(at + timedelta(seconds=device))
        ours = plain(coincident_time_stamp(Coincidence(at, said), replace(LINKS, derived_from=())))
        left = NOT_GOLDEN - {"effectiveDateTime"}
        assert {key: ours[key] for key in ours if key not in left} == {
            key: example[key] for key in example if key not in left
        }
