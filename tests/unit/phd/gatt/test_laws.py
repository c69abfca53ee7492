"""What holds of every characteristic: nothing is lost there and back, and nothing that is cut off or odd is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, IntFlag
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.malformed import Malformed
from hilum.phd.number import float32, sfloat

octet, word = st.integers(0, 0xFF), st.integers(0, 0xFFFF)
sfloats, floats = word.map(sfloat), st.integers(0, 0xFFFFFFFF).map(float32)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


def bits(kind: type[IntFlag], size: int) -> st.SearchStrategy[Any]:
    """Reserved ones too."""
    return st.integers(0, (1 << size) - 1).map(kind)


def one_of(kind: type[Enum]) -> st.SearchStrategy[Any]:
    return st.sampled_from(list(kind))


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def steps(step: str, top: int = 0xFFFF) -> st.SearchStrategy[Decimal]:
    return st.integers(0, top).map(lambda raw: raw * Decimal(step))


known = st.datetimes(min_value=datetime(1582, 1, 1), max_value=datetime(9999, 12, 31)).map(DateTime.of)
partly = st.builds(
    lambda time, year, month, day: DateTime(
        time.year if year else 0, time.month if month else 0, time.day if day else 0, *(time.hour, time.minute, 0)
    ),
    known,
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
times = known | partly


def scale(system: weight_scale.System) -> st.SearchStrategy[Any]:
    mass, length = str(system.value.mass), str(system.value.length)
    return st.builds(
        weight_scale.Measurement,
        steps(mass, 0xFFFE) | st.just(sfloat(0x07FF)),
        st.just(system),
        some(times),
        some(octet),
        some(st.tuples(steps("0.1"), steps(length))),
    )


def composition(system: weight_scale.System) -> st.SearchStrategy[Any]:
    mass, length = some(steps(str(system.value.mass))), some(steps(str(system.value.length)))
    tenth = some(steps("0.1"))
    return st.builds(
        body_composition.Measurement,
        steps("0.1", 0xFFFE) | st.just(sfloat(0x07FF)),
        st.just(system),
        some(times),
        some(octet),
        some(word.map(Decimal)),
        tenth,
        mass,
        mass,
        mass,
        mass,
        tenth,
        mass,
        length,
        st.booleans(),
    )


def requests() -> st.SearchStrategy[Any]:
    procedures = st.sampled_from([record_access.Procedure(n) for n in (1, 2, 3, 4)])
    none = st.sampled_from([record_access.Operator(n) for n in (0, 1, 5, 6)])
    one = st.sampled_from([record_access.Operator(n) for n in (2, 3)])
    two = st.just(record_access.Operator.BETWEEN)
    return (
        st.builds(record_access.Request, procedures, none)
        | st.builds(record_access.Request, procedures, one, st.tuples(word) | st.tuples(times))
        | st.builds(record_access.Request, procedures, two, st.tuples(word, word) | st.tuples(times, times))
    )


def controls() -> st.SearchStrategy[Any]:
    calibrations = st.builds(
        cgm_control.Calibration,
        sfloats,
        word,
        one_of(glucose.Sample),
        one_of(glucose.Location),
        word,
        word,
        bits(cgm_control.CalibrationStatus, 8),
    )
    outcomes = st.builds(cgm_control.Outcome, octet, one_of(cgm_control.Result))
    op = cgm_control.Op
    levels = [one for one in op if 7 <= one <= 24 and not one.name.startswith("GET")]
    bare = [one for one in op if one > 6 and one.name.startswith("GET")]
    bare += [op.GET_INTERVAL, op.RESET_DEVICE_ALERT, op.START_SESSION, op.STOP_SESSION]
    return (
        st.builds(cgm_control.Control, st.sampled_from([op.SET_INTERVAL, op.SAID_INTERVAL]), octet)
        | st.builds(cgm_control.Control, st.just(op.GET_CALIBRATION), word)
        | st.builds(cgm_control.Control, st.sampled_from([op.SET_CALIBRATION, op.SAID_CALIBRATION]), calibrations)
        | st.builds(cgm_control.Control, st.sampled_from(levels), sfloats)
        | st.builds(cgm_control.Control, st.sampled_from(bare))
        | st.builds(cgm_control.Control, st.just(op.RESPONSE), outcomes)
    )


pairs = st.builds(pulse_oximeter.Pair, sfloats, sfloats)
states, sensors = bits(pulse_oximeter.State, 16), bits(pulse_oximeter.Sensor, 24)
certified = st.builds(
    device_information.Certifications,
    st.tuples(octet, octet),
    st.lists(word, max_size=5).map(tuple),
    some(st.booleans()),
    st.lists(
        st.builds(device_information.Certification, st.sampled_from([0, 1, 3, 255]), octet, st.binary(max_size=6)),
        max_size=3,
    ).map(tuple),
) | st.builds(device_information.Certifications, regulated=some(st.booleans()))
pulse_states = bits(blood_pressure.State, 16).filter(lambda state: int(state) & 0x18 != 0x18)
pressures = st.builds(
    blood_pressure.Measurement,
    sfloats,
    sfloats,
    sfloats,
    one_of(blood_pressure.Unit),
    some(times),
    some(sfloats),
    some(octet),
    some(pulse_states),
)
measured = st.builds(
    glucose.Measurement,
    word,
    times,
    some(st.integers(-0x8000, 0x7FFF)),
    some(
        st.builds(
            glucose.Concentration,
            sfloats,
            one_of(glucose.Unit),
            one_of(glucose.Sample),
            one_of(glucose.Location),
        )
    ),
    some(bits(glucose.Annunciation, 16)),
    st.booleans(),
)
contexts = st.builds(
    glucose_context.Context,
    word,
    some(st.tuples(one_of(glucose_context.Carbohydrate), sfloats)),
    some(one_of(glucose_context.Meal)),
    some(st.tuples(one_of(glucose_context.Tester), one_of(glucose_context.Health))),
    some(st.tuples(word, octet)),
    some(st.tuples(one_of(glucose_context.Medication), sfloats, one_of(glucose_context.MedicationUnit))),
    some(sfloats),
)
records = st.builds(
    continuous_glucose.Measurement,
    sfloats,
    word,
    bits(continuous_glucose.Annunciation, 24),
    some(sfloats),
    some(sfloats),
)
statuses = st.builds(continuous_glucose.SensorStatus, word, bits(continuous_glucose.Annunciation, 24))
starts = st.builds(
    continuous_glucose.SessionStart, times, some(st.integers(-48, 56)), some(st.sampled_from([0, 2, 4, 8]))
)
runs = st.builds(continuous_glucose.SessionRunTime, word)


def can(check: Check | None) -> st.SearchStrategy[Any]:
    """The bit of E2E-CRC is as `check` is."""
    bit = int(continuous_glucose.Can.E2E_CRC)
    return st.builds(
        continuous_glucose.Feature,
        st.integers(0, 0xFFFFFF).map(lambda raw: continuous_glucose.Can(raw & ~bit | (bit if check else 0))),
        one_of(glucose.Sample),
        one_of(glucose.Location),
        st.just(check),
    )


def features() -> st.SearchStrategy[Any]:
    def of(raw: int, state: Any, sensor: Any) -> pulse_oximeter.Features:
        support = raw & ~3 | (state is not None) | (sensor is not None) << 1
        return pulse_oximeter.Features(pulse_oximeter.Support(support), state, sensor)

    return st.builds(of, word, some(states), some(sensors))


@dataclass(frozen=True)
class Law:
    values: st.SearchStrategy[Any]
    decode: Callable[[bytes], Any]
    encode: Callable[[Any], bytes] = lambda value: value.encode()
    whole: bool = True
    """Whether a part of it is never another of its kind."""


LAWS = (
    {
        "Date Time": Law(times, DateTime.decode),
        "Current Time": Law(
            st.builds(current_time.CurrentTime, times, st.integers(0, 7), octet, bits(current_time.Adjusted, 8)),
            current_time.CurrentTime.decode,
        ),
        "Battery Level": Law(st.builds(battery.BatteryLevel, st.integers(0, 100)), battery.BatteryLevel.decode),
        "Glucose Measurement": Law(measured, glucose.Measurement.decode),
        "Glucose Measurement Context": Law(contexts, glucose_context.Context.decode),
        "Glucose Feature": Law(bits(glucose.Feature, 16), glucose.Feature.decode),
        "Record Access: request": Law(requests(), record_access.decode),
        "Record Access: count": Law(st.builds(record_access.Count, word), record_access.decode),
        "Record Access: outcome": Law(
            st.builds(record_access.Outcome, octet, one_of(record_access.Result)), record_access.decode
        ),
        "Blood Pressure Measurement": Law(pressures, blood_pressure.Measurement.decode),
        "Blood Pressure Feature": Law(bits(blood_pressure.Feature, 16), blood_pressure.Feature.decode),
        "Temperature Measurement": Law(
            st.builds(
                thermometer.Measurement, floats, one_of(thermometer.Unit), some(times), some(one_of(thermometer.Site))
            ),
            thermometer.Measurement.decode,
        ),
        "Temperature Type": Law(
            st.builds(thermometer.TemperatureType, one_of(thermometer.Site)), thermometer.TemperatureType.decode
        ),
        "Measurement Interval": Law(
            st.builds(thermometer.MeasurementInterval, word), thermometer.MeasurementInterval.decode
        ),
        "Weight Measurement": Law(
            st.one_of(*(scale(system) for system in weight_scale.System)), weight_scale.Measurement.decode
        ),
        "Weight Scale Feature": Law(bits(weight_scale.Feature, 32), weight_scale.Feature.decode),
        "Body Composition Measurement": Law(
            st.one_of(*(composition(system) for system in weight_scale.System)), body_composition.Measurement.decode
        ),
        "Body Composition Feature": Law(bits(body_composition.Feature, 32), body_composition.Feature.decode),
        "PLX Spot-Check": Law(
            st.builds(
                pulse_oximeter.SpotCheck,
                pairs,
                some(times),
                some(states),
                some(sensors),
                some(sfloats),
                st.booleans(),
            ),
            pulse_oximeter.SpotCheck.decode,
        ),
        "PLX Continuous": Law(
            st.builds(
                pulse_oximeter.Continuous,
                pairs,
                some(pairs),
                some(pairs),
                some(states),
                some(sensors),
                some(sfloats),
            ),
            pulse_oximeter.Continuous.decode,
        ),
        "PLX Features": Law(features(), pulse_oximeter.Features.decode),
        "Heart Rate Measurement": Law(
            st.builds(
                heart_rate.Measurement, word, some(st.booleans()), some(word), st.lists(word, max_size=4).map(tuple)
            ),
            heart_rate.Measurement.decode,
            whole=False,
        ),
        "Body Sensor Location": Law(
            st.builds(heart_rate.BodySensorLocation, one_of(heart_rate.Location)), heart_rate.BodySensorLocation.decode
        ),
        "System ID": Law(
            st.builds(device_information.SystemId, st.binary(min_size=8, max_size=8)),
            device_information.SystemId.decode,
        ),
        "PnP ID": Law(
            st.builds(device_information.PnpId, one_of(device_information.Vendors), word, word, word),
            device_information.PnpId.decode,
        ),
        "UDI for Medical Devices": Law(
            st.builds(device_information.Udi, some(texts), some(texts), some(texts), some(texts)),
            device_information.Udi.decode,
        ),
        "Certification Data List": Law(certified, device_information.Certifications.decode),
    }
    | {
        f"{name}, {'no E2E-CRC' if check is None else check.name}": Law(
            values,
            lambda data, kind=kind, check=check: kind.decode(data, check),
            lambda value, check=check: value.encode(check),
        )
        for check in (None, *Check)
        for name, values, kind in (
            ("CGM Status", statuses, continuous_glucose.SensorStatus),
            ("CGM Session Start Time", starts, continuous_glucose.SessionStart),
            ("CGM Session Run Time", runs, continuous_glucose.SessionRunTime),
            ("CGM Specific Ops", controls(), cgm_control.Control),
        )
    }
    | {
        f"CGM Measurement, {'no E2E-CRC' if check is None else check.name}": Law(
            st.tuples(records),
            lambda data, check=check: continuous_glucose.Measurement.decode(data, check),
            lambda value, check=check: value[0].encode(check),
        )
        for check in (None, *Check)
    }
    | {
        f"CGM Feature, {'no E2E-CRC' if check is None else check.name}": Law(
            can(check), continuous_glucose.Feature.decode
        )
        for check in (None, *Check)
    }
)
few = settings(max_examples=25, deadline=None)
"""Each: there are fifty laws with four tests each, in seconds."""
named = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())


@named
@few
@given(data=st.data())
def test_what_was_encoded_is_decoded_the_same(law: Law, data: st.DataObject) -> None:
    value = data.draw(law.values)
    found = law.decode(law.encode(value))
    assert found == value
    assert repr(found) == repr(value)  # to the digit: 2.0 is not 2


@named
@few
@given(data=st.data())
def test_what_is_cut_off_is_refused(law: Law, data: st.DataObject) -> None:
    encoded = law.encode(data.draw(law.values))
    for size in range(len(encoded)) if law.whole else (0, 1):
        with pytest.raises(Malformed):
            law.decode(encoded[:size])


@named
@few
@given(data=st.data(), more=st.binary(min_size=1, max_size=1))
def test_what_is_too_long_is_refused(law: Law, data: st.DataObject, more: bytes) -> None:
    encoded = law.encode(data.draw(law.values))
    with pytest.raises(Malformed):
        law.decode(encoded + more)


@named
@few
@given(data=st.data(), any=st.binary(max_size=40))
def test_bytes_whatever_are_read_or_refused_with_a_reason(law: Law, data: st.DataObject, any: bytes) -> None:
    """Also such as are nearly right: an octet of a right value is another."""
    near = bytearray(law.encode(data.draw(law.values)))
    if near:
        near[data.draw(st.integers(0, len(near) - 1))] = data.draw(octet)
    for candidate in (any, bytes(near)):
        try:
            law.decode(candidate)
        except Malformed as error:
            assert error.reason
            assert error.at is None or 0 <= error.at <= len(candidate)


@given(st.lists(records, min_size=1, max_size=4), st.sampled_from([None, *Check]))
def test_records_of_one_notification_are_read_one_after_the_other(
    sent: list[continuous_glucose.Measurement], check: Check | None
) -> None:
    notified = b"".join(record.encode(check) for record in sent)
    assert continuous_glucose.Measurement.decode(notified, check) == tuple(sent)
