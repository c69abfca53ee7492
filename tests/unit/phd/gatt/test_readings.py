"""What was measured, said as 11073 says it: codes, units, digits, times, and what belongs to what."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from hilum.phd import codes
from hilum.phd.gatt import (
    blood_pressure,
    body_composition,
    continuous_glucose,
    device_information,
    glucose,
    glucose_context,
    heart_rate,
    pulse_oximeter,
    thermometer,
    weight_scale,
)
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.reporting import events, joined, shifted
from hilum.phd.malformed import Malformed
from hilum.phd.number import Number, Special, sfloat
from hilum.phd.reading import Bits, Clock, Coded, Compound, Device, Quantity, Reading, Stamp, Status

TIME = DateTime(2016, 5, 23, 17, 52, 17)
AT = Stamp(Clock.ABSOLUTE, "20160523T175217.00", datetime(2016, 5, 23, 17, 52, 17))


def after(minutes: int, hour: int, minute: int) -> Stamp:
    return Stamp(Clock.ABSOLUTE, f"20160523T{hour:02}{minute:02}17.00", datetime(2016, 5, 23, hour, minute, 17))


@pytest.mark.parametrize(
    ("raw", "places", "said"),
    [
        (0xC0BD, 3, "18.9"),  # 0.0189 mol/L, an exponent of -4
        (0xB760, 3, "18.88"),  # 0.01888 mol/L
        (0xB05F, 5, "95"),  # 0.00095 kg/L, an exponent of -5
        (0xA3B6, 5, "95.0"),  # 0.000950 kg/L
        (0xC009, 5, "90"),  # 0.0009 kg/L
        (0x0000, 5, "0"),
    ],
)
def test_a_unit_moves_the_point_and_keeps_the_digits(raw: int, places: int, said: str) -> None:
    assert str(shifted(sfloat(raw), places)) == said


@pytest.mark.parametrize("special", Special)
def test_what_is_no_number_stays_what_it_is(special: Special) -> None:
    assert shifted(special, 3) is special


def test_bits_are_counted_from_the_other_end() -> None:
    """The PHD guide: 0001 1000 0000 0000 is bits 3 and 4."""
    assert events(0b11000, 16, range(16)) == 0b0001_1000_0000_0000


def concentration(
    value: Number = Decimal("0.0189"), unit: glucose.Unit = glucose.Unit.MOL_PER_L
) -> glucose.Concentration:
    return glucose.Concentration(value, unit, glucose.Sample.CAPILLARY_WHOLE_BLOOD, glucose.Location.FINGER)


def test_glucose_of_18_9_mmol_per_litre_and_all_that_belongs_to_it() -> None:
    measurement = glucose.Measurement(
        7, TIME, 10, concentration(), glucose.Annunciation.STRIP_TYPE | glucose.Annunciation.TIME_FAULT, context=True
    )
    context = glucose_context.Context(
        7,
        (glucose_context.Carbohydrate.LUNCH, Decimal("0.060")),
        glucose_context.Meal.POSTPRANDIAL,
        (glucose_context.Tester.SELF, glucose_context.Health.STRESS),
        (900, 40),
        (glucose_context.Medication.RAPID_ACTING, Decimal("0.0025"), glucose_context.MedicationUnit.L),
        Decimal("6.7"),
    )
    feature = glucose.Feature.STRIP_TYPE | glucose.Feature.RESULT_HIGH_LOW | glucose.Feature.TIME_FAULT
    at, of = after(10, 18, 2), (0,)
    assert glucose.readings([measurement], [context], feature) == (
        Reading(160184, Quantity(Decimal("18.9"), 266866), at, record=7),
        Reading(8417844, Coded(8417848), at, of=of, record=7),
        Reading(8417752, Bits(0x0800, 16, 0x0E00), at, of=of),
        Reading(8417772, Quantity(Decimal("60"), 263872), at, of=of, record=7),
        Reading(8417864, Coded(8417872), at, of=of, record=7),
        Reading(8417884, Coded(8417888), at, of=of, record=7),
        Reading(8417820, Coded(8417836), at, of=of, record=7),
        Reading(8417760, Quantity(Decimal(40), 262688), at, lasting=Decimal(900), of=of, record=7),
        Reading(8417800, Quantity(Decimal("2.5"), 263762), at, of=of, record=7),
        Reading(160220, Quantity(Decimal("6.7"), 262688), at, of=of, record=7),
    )
    assert measurement.time_fault


def test_the_bits_of_a_glucose_meter_are_those_of_the_guide() -> None:
    """8417752.0 is the low battery, .10 the general fault; the time fault is the clock's, and no event."""
    every = glucose.Annunciation(0xFFFF)
    (status,) = glucose.readings([glucose.Measurement(1, TIME, annunciation=every)])
    assert status.value == Bits(0xFFE0, 16)


def test_glucose_in_mg_per_decilitre() -> None:
    measurement = glucose.Measurement(1, TIME, concentration=concentration(Decimal("0.00095"), glucose.Unit.KG_PER_L))
    found = glucose.readings([measurement])[0]
    assert found.value == Quantity(Decimal(95), 264274)
    assert found.stamp == AT


def test_glucose_that_is_no_number_is_reported_as_that() -> None:
    found = glucose.readings([glucose.Measurement(1, TIME, concentration=concentration(Special.POSITIVE_INFINITY))])
    assert found[0].value == Quantity(Special.POSITIVE_INFINITY, codes.DIM_MILLI_MOLE_PER_L)


def test_each_context_belongs_to_the_measurement_with_its_number() -> None:
    measurements = [glucose.Measurement(n, TIME, concentration=concentration()) for n in (1, 2)]
    contexts = [
        glucose_context.Context(2, meal=glucose_context.Meal.FASTING),
        glucose_context.Context(3, meal=glucose_context.Meal.CASUAL),
    ]
    found = glucose.readings(measurements, contexts)
    assert [(one.type, one.of) for one in found] == [
        (codes.CONC_GLU_CAPILLARY_WHOLEBLOOD, ()),
        (codes.CTXT_GLU_SAMPLELOCATION, (0,)),
        (codes.CONC_GLU_CAPILLARY_WHOLEBLOOD, ()),
        (codes.CTXT_GLU_SAMPLELOCATION, (2,)),
        (codes.CTXT_GLU_MEAL, (2,)),
    ]
    assert glucose.alone(measurements, contexts) == (contexts[1],)


def test_an_exercise_longer_than_its_field_lasted_longer_than_can_be_said() -> None:
    measurement = glucose.Measurement(1, TIME)
    (found,) = glucose.readings([measurement], [glucose_context.Context(1, exercise=(0xFFFF, 120))])
    assert found.lasting is Special.POSITIVE_INFINITY


@pytest.mark.parametrize("offset", [0x7FFF, -0x8000])
def test_an_offset_that_its_field_cannot_tell_leaves_the_time_unknown(offset: int) -> None:
    assert glucose.Measurement(1, TIME, offset).stamp == Stamp(Clock.ABSOLUTE, "20160523T175217.00")


def test_a_time_with_an_unknown_date_is_no_time() -> None:
    found = glucose.Measurement(1, DateTime(2016, 0, 0, 17, 52, 17), 10).stamp
    assert found == Stamp(Clock.ABSOLUTE, "20160000T175217.00")


def test_an_offset_beyond_the_calendar_is_no_time() -> None:
    assert glucose.Measurement(1, DateTime(9999, 12, 31, 23, 59, 0), 10).stamp.time is None


def test_a_blood_pressure_is_one_compound() -> None:
    measurement = blood_pressure.Measurement(
        Decimal(120),
        Decimal(80),
        Special.NAN,
        blood_pressure.Unit.MMHG,
        TIME,
        Decimal(72),
        1,
        blood_pressure.State.IRREGULAR_PULSE,
    )
    feature = blood_pressure.Feature.IRREGULAR_PULSE | blood_pressure.Feature.PULSE_RANGE
    parts = (
        (150021, Quantity(Decimal(120), 266016)),
        (150022, Quantity(Decimal(80), 266016)),
        (150023, Quantity(Special.NAN, 266016)),
    )
    assert blood_pressure.readings(measurement, feature) == (
        Reading(150020, Compound(parts), AT),
        Reading(149546, Quantity(Decimal(72), 264864), AT),
        Reading(8410608, Bits(8192, 16, 0x3800), AT, of=(0,)),  # 8410608-8192: of a Continua bundle out of Denmark
    )


def test_the_cuff_is_nobody_s_blood_pressure() -> None:
    sent = blood_pressure.Measurement(Decimal("20.5"), Special.NAN, Special.NAN, blood_pressure.Unit.KILOPASCAL)
    ongoing = Status.MEASUREMENT_ONGOING
    assert blood_pressure.intermediate(sent) == (Reading(150300, Quantity(Decimal("20.5"), 265987), None, ongoing),)


def test_a_temperature_of_37_6_in_the_mouth() -> None:
    measurement = thermometer.Measurement(Decimal("37.6"), thermometer.Unit.CELSIUS, TIME, thermometer.Site.MOUTH)
    assert thermometer.readings(measurement) == (Reading(188424, Quantity(Decimal("37.6"), 268192), AT),)


def test_a_temperature_s_site_may_be_the_thermometer_s() -> None:
    measurement = thermometer.Measurement(Decimal("98.6"), thermometer.Unit.FAHRENHEIT)
    ear = thermometer.TemperatureType(thermometer.Site.EARDRUM)
    value = Quantity(Decimal("98.6"), 266560)
    assert thermometer.readings(measurement, ear) == (Reading(150392, value),)
    assert thermometer.readings(measurement) == (Reading(150364, value),)


def test_an_intermediate_temperature_is_an_early_indication() -> None:
    measurement = thermometer.Measurement(Decimal("36.0"), thermometer.Unit.CELSIUS)
    assert thermometer.readings(measurement, intermediate=True)[0].status is Status.EARLY_INDICATION


def test_a_weight_and_the_index_that_was_made_of_it() -> None:
    measurement = weight_scale.Measurement(
        Decimal("70.000"), weight_scale.System.SI, TIME, 2, (Decimal("22.9"), Decimal("1.750"))
    )
    assert weight_scale.readings(measurement) == (
        Reading(188736, Quantity(Decimal("70.000"), 263875), AT),
        Reading(188740, Quantity(Decimal("175.0"), 263441), AT),
        Reading(188752, Quantity(Decimal("22.9"), 264096), AT, of=(0, 1)),
    )


def test_a_weight_in_pounds_stays_in_pounds() -> None:
    measurement = weight_scale.Measurement(
        Decimal("154.32"), weight_scale.System.IMPERIAL, bmi=(Decimal("22.9"), Decimal("68.9"))
    )
    found = weight_scale.readings(measurement)
    assert [one.value for one in found[:2]] == [Quantity(Decimal("154.32"), 263904), Quantity(Decimal("68.9"), 263520)]


def test_resolutions_of_scales() -> None:
    scale = weight_scale.Feature(7 << 3 | 3 << 7)
    assert (scale.mass_resolution, scale.height_resolution) == (Decimal("0.005"), Decimal("0.001"))
    body = body_composition.Feature(1 << 11 | 0 << 15)
    assert (body.mass_resolution, body.height_resolution) == (Decimal("0.5"), None)


HALVES = (
    body_composition.Measurement(
        Decimal("22.5"), weight_scale.System.SI, TIME, muscle_mass=Decimal("30.000"), partial=True
    ),
    body_composition.Measurement(Special.NAN, weight_scale.System.SI, weight=Decimal("70.000"), partial=True),
)


def test_a_body_composition_in_two_packets_is_one() -> None:
    found = body_composition.readings(body_composition.whole(*HALVES))
    assert found == (
        Reading(188748, Quantity(Decimal("22.5"), 262688), AT),
        Reading(188776, Quantity(Decimal("30.000"), 263875), AT),
        Reading(188736, Quantity(Decimal("70.000"), 263875), AT),
    )


def test_half_a_body_composition_is_none() -> None:
    with pytest.raises(Malformed):
        body_composition.readings(HALVES[0])
    with pytest.raises(Malformed):
        body_composition.whole(HALVES[0], body_composition.Measurement(Decimal(1), weight_scale.System.SI))


def test_packets_that_contradict_each_other_are_not_one() -> None:
    other = body_composition.Measurement(Decimal("22.6"), weight_scale.System.SI, partial=True)
    with pytest.raises(Malformed, match="fat"):
        body_composition.whole(HALVES[0], other)


def test_a_spot_check() -> None:
    measurement = pulse_oximeter.SpotCheck(
        pulse_oximeter.Pair(Decimal(97), Special.NAN),
        TIME,
        pulse_oximeter.State.QUESTIONABLE | pulse_oximeter.State.FROM_STORAGE,
        pulse_oximeter.Sensor.DISPLACED | pulse_oximeter.Sensor(1 << 20),
        Decimal("2.5"),
    )
    status, spot = Status.QUESTIONABLE, (150588,)
    assert pulse_oximeter.readings(measurement) == (
        Reading(150456, Quantity(Decimal(97), 262688), AT, status, supplemental=spot),
        Reading(149530, Quantity(Special.NAN, 264864), AT, status, supplemental=spot),
        Reading(150320, Quantity(Decimal("2.5"), 262688), AT, status),
        Reading(150604, Bits(0x2000, 16), AT, of=(0, 1)),
    )


def test_averages_of_a_pulse_oximeter_are_told_apart() -> None:
    pair = pulse_oximeter.Pair(Decimal(97), Decimal(61))
    found = pulse_oximeter.readings(pulse_oximeter.Continuous(pair, pair, pair))
    assert [one.supplemental for one in found] == [(), (), (150580,), (150580,), (150584,), (150584,)]


def test_test_and_demonstration_data_say_so() -> None:
    state = pulse_oximeter.State.TESTING | pulse_oximeter.State.DEMONSTRATION
    pair = pulse_oximeter.Pair(Decimal(97), Decimal(61))
    assert pulse_oximeter.readings(pulse_oximeter.SpotCheck(pair, state=state))[0].status == (
        Status.TEST_DATA | Status.DEMO_DATA
    )


def test_a_heart_rate_and_the_beats_it_is_of() -> None:
    measurement = heart_rate.Measurement(60, contact=False, energy=5, intervals=(1024, 1022))
    assert heart_rate.readings(measurement) == (
        Reading(147842, Quantity(Decimal(60), 264864)),
        Reading(147240, Quantity(Decimal(1000), 264338)),
        Reading(147240, Quantity(Decimal("998.046875"), 264338)),
        Reading(8454263, Quantity(Decimal(5), 266115)),
        Reading(8410584, Bits(0x8000, 16, 0x8000), of=(0,)),
    )


def test_cgm_records_lie_after_the_start_of_their_session() -> None:
    start = continuous_glucose.SessionStart(TIME, 4, 0)
    can = continuous_glucose.Can.TREND | continuous_glucose.Can.RATE_ALERTS | continuous_glucose.Can.BATTERY_LOW
    feature = continuous_glucose.Feature(can)
    status = continuous_glucose.Annunciation.BATTERY_LOW | continuous_glucose.Annunciation.RATE_OF_DECREASE
    records = [
        continuous_glucose.Measurement(Decimal(110), 0),
        continuous_glucose.Measurement(Decimal(112), 5, status, Decimal("0.4")),
    ]
    at, of = after(5, 17, 57), (2,)
    assert continuous_glucose.readings(records, start, feature) == (
        Reading(160212, Quantity(Decimal(110), 264274), AT, record=0),
        Reading(8417844, Coded(8417849), AT, of=(0,), record=0),
        Reading(160212, Quantity(Decimal(112), 264274), at, record=5),
        Reading(8417844, Coded(8417849), at, of=of, record=5),
        Reading(8418008, Quantity(Decimal("0.4"), 266868), at, of=of, record=5),
        Reading(8418060, Bits(1 << 15, 32, 1 << 31 | 1 << 15 | 1 << 14), at, of=of),
        Reading(8408608, Bits(1 << 6, 32, 1 << 15 | 1 << 6), at, of=of),
    )


def test_all_events_of_a_cgm_are_those_of_the_guide() -> None:
    every = continuous_glucose.Annunciation(0xFFFFFF)
    found = continuous_glucose.readings([continuous_glucose.Measurement(Decimal(110), 0, every)])
    bits = {one.type: one.value.value for one in found if isinstance(one.value, Bits)}
    of = {type: {bit for bit in range(32) if value >> 31 - bit & 1} for type, value in bits.items()}
    assert of == {codes.CGM_DEV_STAT: {0, 2, 3, 4, *range(7, 20)}, codes.PHD_DM_DEV_STAT: {5, 16, 25}}


def test_groups_of_readings_are_joined_with_what_belongs_to_what() -> None:
    one = (Reading(1, Coded(1)), Reading(2, Coded(1), of=(0,)))
    assert [reading.of for reading in joined(one, one)] == [(), (0,), (), (2,)]


def test_a_device_says_who_it_is() -> None:
    texts = {device_information.MANUFACTURER: device_information.text(b"Maker\0\0"), device_information.MODEL: "M1"}
    found = device_information.device(
        texts,
        address="00-1C-05-FF-E8-74",
        system=device_information.SystemId(bytes.fromhex("feedabeedead77c3")),
        udi=device_information.Udi("(01)123"),
        certifications=device_information.Certifications((6, 0), (0x4004,), regulated=True),
    )
    assert found == Device(
        system_id="FE-ED-AB-EE-DE-AD-77-C3",
        transport="bluetooth",
        address="00-1C-05-FF-E8-74",
        manufacturer="Maker",
        model="M1",
        udi="(01)123",
        certified=(0x4004,),
        regulated=True,
    )


def test_a_name_that_is_no_utf_8_is_refused() -> None:
    with pytest.raises(Malformed):
        device_information.text(b"Mak\xe9r")
