"""What each service of the SIG is subscribed to, and what comes of it. All decoding is `hilum.phd.gatt`'s."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final, TypeVar

from hilum.agent.sources.ble.transport import Link, Rejected
from hilum.phd.crc import Check
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
from hilum.phd.gatt.date_time import DateTime
from hilum.phd.gatt.glucose_context import Context
from hilum.phd.malformed import Malformed
from hilum.phd.number import Special
from hilum.phd.reading import Reading

Value = TypeVar("Value")
_NOBODY: Final = 255
"""User ID: one that the device doesn't know."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one value of a characteristic comes to. `fault`: it says that the device's clock is wrong."""

    readings: tuple[Reading, ...]
    person: int | None = None
    fault: bool = False

    @property
    def record(self) -> int | None:
        """What the device numbers it by."""
        return self.readings[0].record if self.readings else None


class Profile:
    """A service of one connection.

    `MEASURES`: characteristics that are heard. `ESTIMATES`: those that say how far a measurement is, heard if asked
    for. `QUIET`: seconds without a word after which nothing is awaited; 0: all that it has is got by asking.
    `NUMBERED`: whether a stored record has a number that never changes.
    """

    SERVICE: ClassVar[int]
    SPECIALIZATION: ClassVar[int]
    MEASURES: ClassVar[tuple[int, ...]]
    ESTIMATES: ClassVar[tuple[int, ...]] = ()
    QUIET: ClassVar[float] = 30
    NUMBERED: ClassVar[bool] = False

    async def prepare(self, link: Link, now: Callable[[], datetime]) -> None:
        """Read what is needed to understand the rest. Raises Malformed, and what `Link` does."""

    @property
    def stores(self) -> bool:
        """Whether stored records are to be asked for, where there is a control point for it."""
        return False

    def clock(self) -> DateTime | None:
        """What the service itself tells of the device's clock now."""
        return None

    def hear(self, characteristic: int, data: bytes) -> tuple[Said, ...]:
        """What it comes to, all that can be said by now. Raises Malformed."""
        raise NotImplementedError

    def rest(self) -> tuple[Said, ...]:
        """What waited for more that did not come, though the device says that it has sent all."""
        return ()

    async def _read(self, link: Link, number: int, decode: Callable[[bytes], Value]) -> Value | None:
        place = (self.SERVICE, number)
        if place not in link.places:
            return None
        try:
            return decode(await link.read(place))
        except Rejected:
            return None


class BloodPressure(Profile):
    """Blood Pressure Service: what is stored is indicated as soon as somebody subscribes."""

    SERVICE, SPECIALIZATION = 0x1810, 528391
    MEASURES, ESTIMATES = (blood_pressure.Measurement.UUID,), (blood_pressure.CUFF_UUID,)
    _feature: blood_pressure.Feature | None = None

    async def prepare(self, link: Link, now: Callable[[], datetime]) -> None:
        """Its features."""
        self._feature = await self._read(link, blood_pressure.FEATURE_UUID, blood_pressure.Feature.decode)

    def hear(self, characteristic: int, data: bytes) -> tuple[Said, ...]:
        """Of who of its users."""
        found = blood_pressure.Measurement.decode(data)
        if characteristic == blood_pressure.CUFF_UUID:
            return (Said(blood_pressure.intermediate(found), _person(found.user)),)
        return (Said(blood_pressure.readings(found, self._feature), _person(found.user)),)


class Thermometer(Profile):
    """Health Thermometer Service."""

    SERVICE, SPECIALIZATION = 0x1809, 528392
    MEASURES, ESTIMATES = (thermometer.Measurement.UUID,), (thermometer.INTERMEDIATE_UUID,)
    _site: thermometer.TemperatureType | None = None

    async def prepare(self, link: Link, now: Callable[[], datetime]) -> None:
        """Where it measures, if always at the same place."""
        self._site = await self._read(link, thermometer.TemperatureType.UUID, thermometer.TemperatureType.decode)

    def hear(self, characteristic: int, data: bytes) -> tuple[Said, ...]:
        """A temperature, or an early estimate of it."""
        early = characteristic == thermometer.INTERMEDIATE_UUID
        found = thermometer.Measurement.decode(data)
        return (Said(thermometer.readings(found, self._site, intermediate=early)),)


class Scale(Profile):
    """Weight Scale Service."""

    SERVICE, SPECIALIZATION = 0x181D, 528399
    MEASURES = (weight_scale.Measurement.UUID,)

    def hear(self, characteristic: int, data: bytes) -> tuple[Said, ...]:
        """Weight, height and body mass index."""
        found = weight_scale.Measurement.decode(data)
        return (Said(weight_scale.readings(found), _person(found.user)),)


class BodyComposition(Profile):
    """Body Composition Service: one that is too long for a packet comes in two.

    The second comes once the first was confirmed, and so each is kept for itself, before that. Both together say what
    the whole one would: what a packet has not, and what both have, is said once.
    """

    SERVICE, SPECIALIZATION = 0x181B, 528404
    MEASURES = (body_composition.Measurement.UUID,)
    _first: body_composition.Measurement | None = None

    def hear(self, characteristic: int, data: bytes) -> tuple[Said, ...]:
        """One, or a half of one."""
        found = body_composition.Measurement.decode(data)
        if not found.partial:
            self._first = None
            return (Said(body_composition.readings(found), _person(found.user)),)
        first, self._first = self._first, found if self._first is None else None
        if first is None:
            return (Said(_known(found, ()), _person(found.user)),)
        body_composition.whole(first, found)
        person = first.user if found.user is None else found.user
        timed = replace(found, time=found.time or first.time)
        return (Said(_known(timed, _known(first, ())), _person(person)),)


def _known(half: body_composition.Measurement, said: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """The readings of a half: no fat where the other half has it, nothing that was said before."""
    found = body_composition.readings(replace(half, partial=False))
    return tuple(one for one in found[half.fat is Special.NAN :] if one not in said)


class Oximeter(Profile):
    """Pulse Oximeter Service. What it stores is asked for only if it has a time: without, nobody knows when it was."""

    SERVICE, SPECIALIZATION = 0x1822, 528388
    MEASURES = (pulse_oximeter.SpotCheck.UUID, pulse_oximeter.Continuous.UUID)
    QUIET = 60
    _features: pulse_oximeter.Features | None = None

    async def prepare(self, link: Link, now: Callable[[], datetime]) -> None:
        """Its features."""
        self._features = await self._read(link, pulse_oximeter.Features.UUID, pulse_oximeter.Features.decode)

    @property
    def stores(self) -> bool:
        """Spot-checks with a time."""
        wanted = pulse_oximeter.Support.STORAGE | pulse_oximeter.Support.TIME
        return self._features is not None and wanted in self._features.support

    def hear(self, characteristic: int, data: bytes) -> tuple[Said, ...]:
        """A spot-check or one of a stream."""
        if characteristic == pulse_oximeter.Continuous.UUID:
            return (Said(pulse_oximeter.readings(pulse_oximeter.Continuous.decode(data), self._features)),)
        spot = pulse_oximeter.SpotCheck.decode(data)
        return (Said(pulse_oximeter.readings(spot, self._features), fault=spot.time_fault),)


class HeartRate(Profile):
    """Heart Rate Service: a stream, as long as it is worn."""

    SERVICE, SPECIALIZATION = 0x180D, 528525
    MEASURES = (heart_rate.Measurement.UUID,)
    QUIET = 60

    def hear(self, characteristic: int, data: bytes) -> tuple[Said, ...]:
        """Of now."""
        return (Said(heart_rate.readings(heart_rate.Measurement.decode(data))),)


class Glucose(Profile):
    """Glucose Service: stored, and asked for. A measurement whose context is announced waits for it."""

    SERVICE, SPECIALIZATION = 0x1808, 528401
    MEASURES = (glucose.Measurement.UUID, Context.UUID)
    QUIET, NUMBERED = 0, True
    _feature: glucose.Feature | None = None

    def __init__(self) -> None:
        self._waiting: dict[int, glucose.Measurement] = {}

    @property
    def stores(self) -> bool:
        """Always: there is no other way to it."""
        return True

    async def prepare(self, link: Link, now: Callable[[], datetime]) -> None:
        """Its features."""
        self._feature = await self._read(link, glucose.FEATURE_UUID, glucose.Feature.decode)

    def hear(self, characteristic: int, data: bytes) -> tuple[Said, ...]:
        """A measurement, or the context of the one that waits for it."""
        if characteristic == Context.UUID:
            context = Context.decode(data)
            measurement = self._waiting.pop(context.sequence, None)
            if measurement is None:
                raise Malformed("Glucose Measurement Context: of a measurement that was not sent, or announced none")
            return (self._said(measurement, (context,)),)
        measurement = glucose.Measurement.decode(data)
        if measurement.context:
            self._waiting[measurement.sequence] = measurement
            return ()
        return (self._said(measurement),)

    def rest(self) -> tuple[Said, ...]:
        """Those whose context never came."""
        left, self._waiting = self._waiting.values(), {}
        return tuple(map(self._said, left))

    def _said(self, measurement: glucose.Measurement, contexts: Sequence[Context] = ()) -> Said:
        return Said(glucose.readings((measurement,), contexts, self._feature), fault=measurement.time_fault)


class ContinuousGlucose(Profile):
    """Continuous Glucose Monitoring Service: stored, and as it is measured.

    A sensor that does not know when its session began is told the time, as collectors have to; it makes the beginning
    of it. Where that is not known even then, only what is measured now is taken.
    """

    SERVICE, SPECIALIZATION = 0x181F, 528409
    MEASURES = (continuous_glucose.Measurement.UUID,)
    QUIET, NUMBERED = 900, True
    _feature: continuous_glucose.Feature | None = None
    _start: continuous_glucose.SessionStart | None = None
    _status: continuous_glucose.SensorStatus | None = None

    async def prepare(self, link: Link, now: Callable[[], datetime]) -> None:
        """Its features, how it is, and when its session began."""
        self._feature = await self._read(link, continuous_glucose.Feature.UUID, continuous_glucose.Feature.decode)
        self._start = await self._began(link)
        if self._start is None and (self.SERVICE, continuous_glucose.SessionStart.UUID) in link.places:
            said = _session_time(now())
            try:
                await link.write((self.SERVICE, said.UUID), said.encode(self._check))
            except Rejected:
                return
            self._start = await self._began(link)
        self._status = await self._read(
            link,
            continuous_glucose.SensorStatus.UUID,
            lambda data: continuous_glucose.SensorStatus.decode(data, self._check),
        )

    @property
    def stores(self) -> bool:
        """Where it is known when."""
        return self._start is not None

    @property
    def _check(self) -> Check | None:
        return None if self._feature is None else self._feature.check

    async def _began(self, link: Link) -> continuous_glucose.SessionStart | None:
        found = await self._read(
            link,
            continuous_glucose.SessionStart.UUID,
            lambda data: continuous_glucose.SessionStart.decode(data, self._check),
        )
        return None if found is None or found.time.known is None else found

    def clock(self) -> DateTime | None:
        """The beginning of the session and the minutes since: to the minute."""
        if self._start is None or self._status is None or self._start.time.known is None:
            return None
        return DateTime.of(self._start.time.known + timedelta(minutes=self._status.offset))

    def hear(self, characteristic: int, data: bytes) -> tuple[Said, ...]:
        """One or more."""
        found = continuous_glucose.Measurement.decode(data, self._check)
        return tuple(Said(continuous_glucose.readings((one,), self._start, self._feature)) for one in found)


def _session_time(now: datetime) -> continuous_glucose.SessionStart:
    """What time it is here, with the zone where it is one of whole quarters."""
    zone = now.utcoffset()
    quarters = None if zone is None or zone % timedelta(minutes=15) else zone // timedelta(minutes=15)
    saving = None if quarters is None else 0
    return continuous_glucose.SessionStart(DateTime.of(now), quarters, saving)


def _person(user: int | None) -> int | None:
    return None if user == _NOBODY else user


_ALL: Final[tuple[type[Profile], ...]] = (
    Glucose,
    ContinuousGlucose,
    BloodPressure,
    Thermometer,
    Scale,
    BodyComposition,
    Oximeter,
    HeartRate,
)
PROFILES: Final = {one.SERVICE: one for one in _ALL}
"""Service -> what is made of it."""
