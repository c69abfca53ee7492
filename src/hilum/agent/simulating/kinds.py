"""A peripheral of each profile, with what it measured over some days. Makers, models and persons are made up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from bumble.link import LocalLink

from hilum.agent.simulating.peripheral import Peripheral, Trait, Traits
from hilum.agent.simulating.records import Record, Records
from hilum.agent.sources.ble import about, profiles
from hilum.phd import crc
from hilum.phd.gatt import (
    blood_pressure,
    body_composition,
    continuous_glucose,
    glucose,
    heart_rate,
    pulse_oximeter,
    thermometer,
    weight_scale,
)
from hilum.phd.gatt import device_information as information
from hilum.phd.gatt.battery import BatteryLevel
from hilum.phd.gatt.current_time import CurrentTime
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.device_information import SystemId
from hilum.phd.gatt.glucose_context import Context, Meal
from hilum.phd.number import Special

_PREFIX: Final = bytes.fromhex("FEEDABEEDF")
"""Of the system ids: not of any maker."""
_NONE: Final[frozenset[int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a peripheral is to be like.

    `number`: of measurements, over the last `days` until `now`. `unit`: which device of its kind it is. `skew`: what
    its clock is ahead of ours. `malformed`: positions of measurements that come mutilated. `breaks_after`: so
    many records it goes out of reach, once. `encrypted`: it asks to be paired with. `pause`: seconds between two of a
    stream.
    """

    now: Callable[[], datetime]
    number: int = 12
    days: int = 7
    unit: int = 1
    skew: timedelta = timedelta()
    malformed: frozenset[int] = _NONE
    breaks_after: int | None = None
    encrypted: bool = False
    pause: float = 0.0

    def clock(self) -> DateTime:
        """What the device's clock says now."""
        return DateTime.of(self.now() + self.skew)

    def moments(self) -> list[DateTime]:
        """When it measured, by its clock: the last a minute ago."""
        last = self.now() + self.skew - timedelta(minutes=1)
        step = timedelta(days=self.days) / max(1, self.number)
        return [DateTime.of(last - step * back) for back in reversed(range(self.number))]

    def mutilated(self, values: Sequence[bytes]) -> list[bytes]:
        """Without its last byte, where a measurement is malformed."""
        return [value[:-1] if at in self.malformed else value for at, value in enumerate(values)]


@dataclass(frozen=True, slots=True)
class Kind:
    """`services`: that it advertises. `build`: what it has beside what all have. `hangs_up`: as of `Peripheral`."""

    model: str
    services: tuple[int, ...]
    build: Callable[[Plan, Peripheral], Traits]
    hangs_up: bool = False


def peripheral(kind: str, link: LocalLink, plan: Plan) -> Peripheral:
    """Of a kind of `KINDS`, not yet switched on."""
    found, at = KINDS[kind], list(KINDS).index(kind) + 1
    one = Peripheral(
        link,
        f"C0:DE:{at:02X}:00:{plan.unit >> 8:02X}:{plan.unit & 0xFF:02X}",
        found.model,
        advertised=found.services,
        hangs_up=found.hangs_up,
        encrypted=plan.encrypted,
        pause=plan.pause,
    )
    system = SystemId(_PREFIX + bytes((at,)) + plan.unit.to_bytes(2, "big"))
    texts = {
        information.MANUFACTURER: "hilum",
        information.MODEL: found.model,
        information.SERIAL: f"SIM-{at:02}-{plan.unit:05}",
        information.FIRMWARE: "1.0",
    }
    one.have({(about.INFORMATION, number): _fixed(text.encode()) for number, text in texts.items()})
    one.have({(about.INFORMATION, SystemId.UUID): _fixed(system.encode())})
    one.have({(about.BATTERY, BatteryLevel.UUID): _fixed(BatteryLevel(83).encode())})
    one.have({(about.CURRENT_TIME, CurrentTime.UUID): Trait(lambda: CurrentTime(plan.clock()).encode())})
    one.have(found.build(plan, one))
    return one


def _fixed(data: bytes) -> Trait:
    return Trait(lambda: data)


def _each(values: Sequence[str], number: int) -> list[Decimal]:
    return [Decimal(values[at % len(values)]) for at in range(number)]


_GLUCOSE: Final = ("5.4", "18.9", "7.8", "6.1", "9.3", "4.7", "6.6", "8.2")
"""mmol/L."""
_MEALS: Final = (Meal.FASTING, Meal.POSTPRANDIAL, Meal.PREPRANDIAL)


def _glucometer(plan: Plan, one: Peripheral) -> Traits:
    """In mol/L; each third with the meal that it was before or after."""
    service, measured = profiles.Glucose.SERVICE, []
    for at, (time, value) in enumerate(zip(plan.moments(), _each(_GLUCOSE, plan.number), strict=True)):
        found = glucose.Concentration(
            value.scaleb(-3), glucose.Unit.MOL_PER_L, glucose.Sample.CAPILLARY_WHOLE_BLOOD, glucose.Location.FINGER
        )
        measured.append(glucose.Measurement(at + 1, time, 0, found, context=at % 3 == 0))
    records = []
    for at, data in enumerate(plan.mutilated([one.encode() for one in measured])):
        said = [(glucose.Measurement.UUID, data)]
        if measured[at].context:
            said.append((Context.UUID, Context(at + 1, meal=_MEALS[at // 3 % len(_MEALS)]).encode()))
        records.append(Record(at + 1, tuple(said)))
    stored = Records(one, service, records, plan.breaks_after)
    return {
        (service, glucose.Measurement.UUID): Trait(notifies=True),
        (service, Context.UUID): Trait(notifies=True),
        (service, glucose.FEATURE_UUID): _fixed(glucose.Feature.RESULT_HIGH_LOW.encode()),
        **stored.traits(),
    }


_PRESSURES: Final = ((128, 82, 97), (135, 85, 102), (121, 78, 92), (142, 91, 108))


def _cuff(plan: Plan, one: Peripheral) -> Traits:
    """Stored for two users, in turn."""
    values = []
    for at, time in enumerate(plan.moments()):
        systolic, diastolic, mean = map(Decimal, _PRESSURES[at % len(_PRESSURES)])
        pulse = Decimal(66 + at % 9)
        measured = blood_pressure.Measurement(
            systolic, diastolic, mean, blood_pressure.Unit.MMHG, time, pulse, at % 2 + 1, blood_pressure.State(0)
        )
        values.append(measured.encode())
    service = profiles.BloodPressure.SERVICE
    feature = blood_pressure.Feature.BODY_MOVED | blood_pressure.Feature.IRREGULAR_PULSE
    return {
        (service, blood_pressure.Measurement.UUID): Trait(indicates=True, says=plan.mutilated(values)),
        (service, blood_pressure.FEATURE_UUID): _fixed(feature.encode()),
    }


_TEMPERATURES: Final = ("36.6", "37.6", "38.2", "36.9")


def _thermometer(plan: Plan, one: Peripheral) -> Traits:
    """In the ear."""
    values = [
        thermometer.Measurement(value, thermometer.Unit.CELSIUS, time, thermometer.Site.EAR).encode()
        for time, value in zip(plan.moments(), _each(_TEMPERATURES, plan.number), strict=True)
    ]
    service = profiles.Thermometer.SERVICE
    return {(service, thermometer.Measurement.UUID): Trait(indicates=True, says=plan.mutilated(values))}


_WEIGHTS: Final = ("74.500", "74.350", "74.620", "74.200")


def _scale(plan: Plan, one: Peripheral) -> Traits:
    """Weight and body composition of one user; the composition in two packets each."""
    system = weight_scale.System.SI
    weights, compositions = [], []
    for time, weight in zip(plan.moments(), _each(_WEIGHTS, plan.number), strict=True):
        weights.append(weight_scale.Measurement(weight, system, time, 1, (Decimal("24.3"), Decimal("1.750"))).encode())
        first = body_composition.Measurement(
            Decimal("21.4"), system, time, 1, muscle=Decimal("38.1"), impedance=Decimal("512.3"), partial=True
        )
        second = body_composition.Measurement(
            Special.NAN, system, time, 1, body_water_mass=Decimal("41.205"), weight=weight, partial=True
        )
        compositions += [first.encode(), second.encode()]
    weighs, composes = profiles.Scale.SERVICE, profiles.BodyComposition.SERVICE
    can = body_composition.Feature.TIME | body_composition.Feature.MULTIPLE_USERS
    return {
        (weighs, weight_scale.Measurement.UUID): Trait(indicates=True, says=plan.mutilated(weights)),
        (weighs, weight_scale.FEATURE_UUID): _fixed(weight_scale.Feature.BMI.encode()),
        (composes, body_composition.Measurement.UUID): Trait(indicates=True, says=compositions),
        (composes, body_composition.FEATURE_UUID): _fixed(can.encode()),
    }


_SATURATIONS: Final = ("97", "96", "98", "94")


def _oximeter(plan: Plan, one: Peripheral) -> Traits:
    """Spot-checks that it stored, and then some of now."""
    values = []
    for at, (time, saturation) in enumerate(zip(plan.moments(), _each(_SATURATIONS, plan.number), strict=True)):
        pair = pulse_oximeter.Pair(saturation, Decimal(64 + at % 11))
        spot = pulse_oximeter.SpotCheck(pair, time, pulse_oximeter.State.FROM_STORAGE)
        values.append(spot.encode())
    service = profiles.Oximeter.SERVICE
    records = [
        Record(at + 1, ((pulse_oximeter.SpotCheck.UUID, data),)) for at, data in enumerate(plan.mutilated(values))
    ]
    now = pulse_oximeter.Continuous(pulse_oximeter.Pair(Decimal(97), Decimal(71)))
    features = pulse_oximeter.Features(
        pulse_oximeter.Support.STORAGE | pulse_oximeter.Support.TIME, pulse_oximeter.State.FROM_STORAGE
    )
    return {
        (service, pulse_oximeter.SpotCheck.UUID): Trait(indicates=True),
        (service, pulse_oximeter.Continuous.UUID): Trait(notifies=True, says=[now.encode()] * 3),
        (service, pulse_oximeter.Features.UUID): _fixed(features.encode()),
        **Records(one, service, records, plan.breaks_after).traits(),
    }


def _belt(plan: Plan, one: Peripheral) -> Traits:
    """A beat each, with the interval before it."""
    values = [
        heart_rate.Measurement(68 + at % 13, contact=True, intervals=(880 + at % 7,)).encode()
        for at in range(plan.number)
    ]
    service = profiles.HeartRate.SERVICE
    location = heart_rate.BodySensorLocation(heart_rate.Location.CHEST)
    return {
        (service, heart_rate.Measurement.UUID): Trait(notifies=True, says=plan.mutilated(values)),
        (service, heart_rate.BodySensorLocation.UUID): _fixed(location.encode()),
    }


_STEP: Final = 5
"""Minutes between two values of a sensor."""


def _sensor(plan: Plan, one: Peripheral) -> Traits:
    """A session that began as long ago as its records reach, all with E2E-CRC. It does not know when until told."""
    service, check = profiles.ContinuousGlucose.SERVICE, crc.Check.LOW_BIT_FIRST
    minutes = plan.number * _STEP
    values = [
        continuous_glucose.Measurement(Decimal(104 + at % 40), at * _STEP, trend=Decimal("0.5")).encode(check)
        for at in range(plan.number)
    ]
    records = [
        Record(at * _STEP, ((continuous_glucose.Measurement.UUID, data),))
        for at, data in enumerate(plan.mutilated(values))
    ]
    can = continuous_glucose.Can.E2E_CRC | continuous_glucose.Can.TREND
    feature = continuous_glucose.Feature(can, check=check)
    status = continuous_glucose.SensorStatus(minutes, continuous_glucose.Annunciation(0))
    unknown = DateTime(0, 0, 0, 0, 0, 0)
    started = [continuous_glucose.SessionStart(unknown)]

    async def told(data: bytes) -> None:
        now = continuous_glucose.SessionStart.decode(data, check)
        if now.time.known is not None:
            started[0] = replace(now, time=DateTime.of(now.time.known - timedelta(minutes=minutes)))

    return {
        (service, continuous_glucose.Measurement.UUID): Trait(notifies=True),
        (service, continuous_glucose.Feature.UUID): _fixed(feature.encode()),
        (service, continuous_glucose.SensorStatus.UUID): _fixed(status.encode(check)),
        (service, continuous_glucose.SessionStart.UUID): Trait(lambda: started[0].encode(check), told),
        **Records(one, service, records, plan.breaks_after).traits(),
    }


KINDS: Final[dict[str, Kind]] = {
    "glucometer": Kind("Simulated Glucometer", (profiles.Glucose.SERVICE,), _glucometer),
    "blood-pressure": Kind("Simulated Cuff", (profiles.BloodPressure.SERVICE,), _cuff, hangs_up=True),
    "thermometer": Kind("Simulated Ear Probe", (profiles.Thermometer.SERVICE,), _thermometer, hangs_up=True),
    "scale": Kind("Simulated Scale", (profiles.Scale.SERVICE, profiles.BodyComposition.SERVICE), _scale, hangs_up=True),
    "oximeter": Kind("Simulated Oximeter", (profiles.Oximeter.SERVICE,), _oximeter),
    "heart-rate": Kind("Simulated Belt", (profiles.HeartRate.SERVICE,), _belt, hangs_up=True),
    "cgm": Kind("Simulated Sensor", (profiles.ContinuousGlucose.SERVICE,), _sensor),
}
"""Name -> what it is."""
