"""Bytes written by hand from the Bluetooth SIG's tables, as open stacks repeat them; two frames were captured."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from hilum.phd.crc import Check
from hilum.phd.gatt import (
    battery,
    blood_pressure,
    body_composition,
    cgm_control,
    continuous_glucose,
    current_time,
    device_information,
    glucose,
    glucose_context,
    heart_rate,
    pulse_oximeter,
    record_access,
    thermometer,
    weight_scale,
)
from hilum.phd.gatt.current_time import CurrentTime, coincidence
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.malformed import Malformed
from hilum.phd.number import Special
from hilum.phd.reading import Clock, Stamp

GUIDE = DateTime(2016, 5, 23, 17, 52, 17)
"""The PHD guide, "Generating the Reported Time Stamp Identifier", example 2."""
STARTED = DateTime(2026, 3, 28, 10, 31, 42)


def hexed(text: str) -> bytes:
    return bytes.fromhex(text)


VECTORS = {
    "e0 07 05 17 11 34 11": GUIDE,
    "e0 07 05 17 11 34 11 01 80 03": CurrentTime(GUIDE, 1, 128, current_time.Adjusted(3)),
    "64": battery.BatteryLevel(100),
    # sequence 7, ten minutes before the base time, 0.0189 mol/L of the finger's capillary plasma, strip and time wrong
    "1f 07 00 e0 07 05 17 11 34 11 f6 ff bd c0 12 10 08": glucose.Measurement(
        7,
        GUIDE,
        -10,
        glucose.Concentration(
            Decimal("0.0189"), glucose.Unit.MOL_PER_L, glucose.Sample.CAPILLARY_PLASMA, glucose.Location.FINGER
        ),
        glucose.Annunciation.STRIP_TYPE | glucose.Annunciation.TIME_FAULT,
        context=True,
    ),
    # sequence 7: 60 g at lunch, after it, by oneself under stress, 15 minutes at 40 %, 2.5 ml of rapid acting, 6.7 %
    "7f 07 00 02 3c d0 02 41 84 03 28 01 19 c0 43 f0": glucose_context.Context(
        7,
        (glucose_context.Carbohydrate.LUNCH, Decimal("0.060")),
        glucose_context.Meal.POSTPRANDIAL,
        (glucose_context.Tester.SELF, glucose_context.Health.STRESS),
        (900, 40),
        (glucose_context.Medication.RAPID_ACTING, Decimal("0.0025"), glucose_context.MedicationUnit.L),
        Decimal("6.7"),
    ),
    "ff 07": glucose.Feature(0x7FF),
    "01 01": record_access.Request(record_access.Procedure.REPORT, record_access.Operator.ALL),
    "01 03 01 2a 00": record_access.Request(record_access.Procedure.REPORT, record_access.Operator.FROM, (42,)),
    "04 04 01 01 00 09 00": record_access.Request(
        record_access.Procedure.COUNT, record_access.Operator.BETWEEN, (1, 9)
    ),
    "02 02 02 e0 07 05 17 11 34 11": record_access.Request(
        record_access.Procedure.DELETE, record_access.Operator.UP_TO, (GUIDE,)
    ),
    "05 00 11 00": record_access.Count(17),
    "06 00 01 06": record_access.Outcome(1, record_access.Result.NO_RECORDS),
    # 120, 80, 93 mmHg, at the time, pulse 72, user 1, irregular pulse above its range
    "1e 78 00 50 00 5d 00 e0 07 05 17 11 34 11 48 00 01 0c 00": blood_pressure.Measurement(
        Decimal(120),
        Decimal(80),
        Decimal(93),
        blood_pressure.Unit.MMHG,
        GUIDE,
        Decimal(72),
        1,
        blood_pressure.State.IRREGULAR_PULSE | blood_pressure.State.PULSE_TOO_FAST,
    ),
    "01 a0 f0 6b f0 ff 07": blood_pressure.Measurement(
        Decimal("16.0"), Decimal("10.7"), Special.NAN, blood_pressure.Unit.KILOPASCAL
    ),
    # 37.6 °C in the mouth
    "06 78 01 00 ff e0 07 05 17 11 34 11 06": thermometer.Measurement(
        Decimal("37.6"), thermometer.Unit.CELSIUS, GUIDE, thermometer.Site.MOUTH
    ),
    "01 da 03 00 ff": thermometer.Measurement(Decimal("98.6"), thermometer.Unit.FAHRENHEIT),
    # 70.000 kg, at the time, user 2, 22.9 kg/m², 1.750 m
    "0e b0 36 e0 07 05 17 11 34 11 02 e5 00 d6 06": weight_scale.Measurement(
        Decimal("70.000"), weight_scale.System.SI, GUIDE, 2, (Decimal("22.9"), Decimal("1.750"))
    ),
    "01 48 3c": weight_scale.Measurement(Decimal("154.32"), weight_scale.System.IMPERIAL),
    "00 ff ff": weight_scale.Measurement(Special.NAN, weight_scale.System.SI),
    "00 0c e1 00 b0 36 d6 06": body_composition.Measurement(
        Decimal("22.5"), weight_scale.System.SI, weight=Decimal("70.000"), height=Decimal("1.750")
    ),
    # 97 %, 61 a minute, at the time, fully qualified out of storage, low perfusion, 2.5 %, clock not set
    "1f 61 00 3d 00 e0 07 05 17 11 34 11 00 03 20 00 00 19 f0": pulse_oximeter.SpotCheck(
        pulse_oximeter.Pair(Decimal(97), Decimal(61)),
        GUIDE,
        pulse_oximeter.State.FULLY_QUALIFIED | pulse_oximeter.State.FROM_STORAGE,
        pulse_oximeter.Sensor.LOW_PERFUSION,
        Decimal("2.5"),
        time_fault=True,
    ),
    "03 61 00 3d 00 62 00 3e 00 60 00 3c 00": pulse_oximeter.Continuous(
        *(pulse_oximeter.Pair(Decimal(97 + n), Decimal(61 + n)) for n in (0, 1, -1))
    ),
    "83 00 e0 ff ff ff 00": pulse_oximeter.Features(
        pulse_oximeter.Support.STATE | pulse_oximeter.Support.SENSOR | pulse_oximeter.Support.MULTIPLE_BONDS,
        pulse_oximeter.State(0xFFE0),
        pulse_oximeter.Sensor(0x00FFFF),
    ),
    # 300 a minute with contact, 5 kJ, two intervals
    "1f 2c 01 05 00 00 04 fe 03": heart_rate.Measurement(300, contact=True, energy=5, intervals=(1024, 1022)),
    "00 3c": heart_rate.Measurement(60),
    "01": heart_rate.BodySensorLocation(heart_rate.Location.CHEST),
    "c3 77 ad de ee ab ed fe": device_information.SystemId(hexed("feedabeedead77c3")),
    "02 5e 04 40 00 00 03": device_information.PnpId(device_information.Vendors.USB, 0x045E, 0x0040, 0x0300),
    "03 41 42 00 43 00": device_information.Udi("AB", "C"),
    # Continua 6.0, certified as a pulse oximeter (0x4004) and a thermometer (0x4008), regulated
    "00 02 00 14 02 01 00 0a 06 00 00 02 00 04 40 04 40 08 02 02 00 02 00 00": (
        device_information.Certifications((6, 0), (0x4004, 0x4008), regulated=True)
    ),
}


@pytest.mark.parametrize(("sent", "said"), VECTORS.items(), ids=VECTORS.keys())
def test_a_characteristic_says_what_its_table_says(sent: str, said: Any) -> None:
    data = hexed(sent)
    decode = record_access.decode if isinstance(said, _RECORD_ACCESS) else type(said).decode
    assert repr(decode(data)) == repr(said)
    assert said.encode() == data


_RECORD_ACCESS = (record_access.Request, record_access.Count, record_access.Outcome)


def test_a_glucose_of_two_decimals_keeps_them() -> None:
    sent = hexed("02 01 00 e0 07 05 17 11 34 11 b6 b3 11")
    found = glucose.Measurement.decode(sent).concentration
    assert found is not None
    assert str(found.value) == "0.00950"


def test_a_captured_session_start() -> None:
    found = continuous_glucose.SessionStart.decode(hexed("ea07031c0a1f2a80ff0873"), Check.TOP_BIT_FIRST)
    assert found == continuous_glucose.SessionStart(STARTED)


def test_a_captured_cgm_measurement() -> None:
    sent = hexed("0ec3f900f40b000074e00a00e0f1")
    assert continuous_glucose.Measurement.decode(sent, Check.TOP_BIT_FIRST) == (
        continuous_glucose.Measurement(Decimal(249), 3060, trend=Decimal("1.16"), quality=Decimal(10)),
    )


def test_two_cgm_records_in_one_notification() -> None:
    """The second with all three octets of status: status, calibration and temperature, warning."""
    sent = hexed("06 00 6e 00 05 0009 e0 70 00 0a 00 02 08 80")
    assert continuous_glucose.Measurement.decode(sent) == (
        continuous_glucose.Measurement(Decimal(110), 5),
        continuous_glucose.Measurement(
            Decimal(112),
            10,
            continuous_glucose.Annunciation.BATTERY_LOW
            | continuous_glucose.Annunciation.CALIBRATION_REQUIRED
            | continuous_glucose.Annunciation.RESULT_TOO_HIGH,
        ),
    )


def test_a_cgm_feature_without_e2e_crc_ends_with_ffff() -> None:
    found = continuous_glucose.Feature.decode(hexed("00 80 01 59 ff ff"))
    assert found == continuous_glucose.Feature(continuous_glucose.Can.TREND | continuous_glucose.Can.QUALITY)
    with pytest.raises(Malformed):
        continuous_glucose.Feature.decode(hexed("00 80 01 59 ff fe"))


def test_a_cgm_feature_tells_which_bit_goes_first() -> None:
    for check in Check:
        feature = continuous_glucose.Feature(continuous_glucose.Can.E2E_CRC, check=check)
        assert continuous_glucose.Feature.decode(feature.encode()).check is check


def test_cgm_commands() -> None:
    op = cgm_control.Op
    assert cgm_control.Control(op.START_SESSION).encode() == hexed("1a")
    assert cgm_control.Control(op.SET_INTERVAL, 5).encode() == hexed("01 05")
    assert cgm_control.Control.decode(hexed("09 b4 00")) == cgm_control.Control(op.SAID_PATIENT_HIGH, Decimal(180))
    answer = cgm_control.Control.decode(hexed("1c 1a 04"))
    assert answer.operand == cgm_control.Outcome(op.START_SESSION, cgm_control.Result.NOT_COMPLETED)
    with pytest.raises(Malformed):
        cgm_control.Control(op.START_SESSION, 5).encode()


REFUSED = {
    "a reserved flag": (glucose.Measurement, "20 01 00 e0 07 05 17 11 34 11", 0),
    "a reserved extended flag": (glucose_context.Context, "80 07 00 01", 3),
    "a reserved sample": (glucose.Measurement, "02 01 00 e0 07 05 17 11 34 11 b6 b3 1b", 12),
    "a reserved location": (glucose.Measurement, "02 01 00 e0 07 05 17 11 34 11 b6 b3 61", 12),
    "a reserved meal": (glucose_context.Context, "02 07 00 06", 3),
    "a month of none": (DateTime, "e0 07 0d 17 11 34 11", 2),
    "30 February": (DateTime, "e0 07 02 1e 11 34 11", 3),
    "25 o'clock in a measurement": (thermometer.Measurement, "02 78 01 00 ff e0 07 05 17 19 34 11", 9),
    "a year before the calendar": (DateTime, "01 00 05 17 11 34 11", 0),
    "a reserved pulse rate range": (blood_pressure.Measurement, "10 78 00 50 00 5d 00 18 00", 7),
    "a reserved site": (thermometer.Measurement, "04 78 01 00 ff 0a", 5),
    "a flag of no pulse oximeter": (pulse_oximeter.Continuous, "20 61 00 3d 00", 0),
    "a battery of 101 %": (battery.BatteryLevel, "65", 0),
    "an eighth day of the week": (CurrentTime, "e0 07 05 17 11 34 11 08 00 00", 7),
    "an RR interval that is cut": (heart_rate.Measurement, "10 3c 00 04 fe", 4),
    "RR intervals that are not there": (heart_rate.Measurement, "10 3c", 2),
    "a record that says it has no bytes": (continuous_glucose.Measurement, "06 00 6e 00 05 00 00", 6),
    "a record longer than what came": (continuous_glucose.Measurement, "07 00 6e 00 05 00", 0),
    "a record longer than its flags": (continuous_glucose.Measurement, "07 00 6e 00 05 00 00", 6),
    "text that has no end": (device_information.Udi, "01 41 42", 3),
    "a list longer than its length": (device_information.Certifications, "00 00 00 01", 2),
}


@pytest.mark.parametrize(("kind", "sent", "at"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_read_is_refused_where_it_is(kind: Any, sent: str, at: int) -> None:
    with pytest.raises(Malformed) as refused:
        kind.decode(hexed(sent))
    assert refused.value.at == at


def test_a_changed_record_is_refused_by_its_e2e_crc() -> None:
    record = bytearray(continuous_glucose.Measurement(Decimal(110), 5).encode(Check.LOW_BIT_FIRST))
    record[2] ^= 1
    with pytest.raises(Malformed, match="E2E-CRC"):
        continuous_glucose.Measurement.decode(bytes(record), Check.LOW_BIT_FIRST)


def test_a_value_that_does_not_fit_is_refused() -> None:
    for value in (
        weight_scale.Measurement(Decimal("70.001"), weight_scale.System.SI),
        weight_scale.Measurement(Decimal("400"), weight_scale.System.SI),
        weight_scale.Measurement(Decimal("1E+40"), weight_scale.System.SI),
        weight_scale.Measurement(Special.NRES, weight_scale.System.SI),
        heart_rate.Measurement(70_000),
        thermometer.Measurement(Decimal("37.60000001"), thermometer.Unit.CELSIUS),
        device_information.Certifications(devices=(0x4004,)),
        device_information.Certifications((6, 256)),
        device_information.Udi("A\0B"),
    ):
        with pytest.raises(Malformed):
            value.encode()


def test_parts_of_a_date_may_be_unknown() -> None:
    found = DateTime.decode(hexed("e0 07 00 00 11 34 11"))
    assert found == DateTime(2016, 0, 0, 17, 52, 17)
    assert found.known is None
    assert found.reported == "20160000T175217.00"
    assert found.encode() == hexed("e0 07 00 00 11 34 11")


AT = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)


def test_a_coincidence_has_the_device_s_time_to_the_part_of_a_second() -> None:
    stamp = Stamp(Clock.ABSOLUTE, "20160523T175217.50", datetime(2016, 5, 23, 17, 52, 17, 500_000))
    assert coincidence(CurrentTime(GUIDE, 1, 128), AT).device == stamp


def test_a_coincidence_of_a_date_time_has_no_hundredths() -> None:
    assert coincidence(GUIDE, AT).device == Stamp(
        Clock.ABSOLUTE, "20160523T175217.00", datetime(2016, 5, 23, 17, 52, 17)
    )


@pytest.mark.parametrize("told", [None, DateTime(0, 0, 0, 17, 52, 17), CurrentTime(DateTime(2016, 0, 1, 0, 0, 0))])
def test_a_device_that_does_not_tell_its_date_has_a_time_fault(told: CurrentTime | DateTime | None) -> None:
    assert coincidence(told, AT).device is None


def test_a_device_that_says_that_its_clock_is_wrong_has_a_time_fault() -> None:
    assert coincidence(GUIDE, AT, fault=True).device is None
