"""What a device reported: one shape, whatever it came over. HL7's PHD guide, "Generic Model".

A source (Bluetooth LE, 11073-20601, MQTT, a folder) makes `Taken`; the agent's queue keeps it; `hilum.phd.fhir` and
`hilum.hl7v2.pcd01` write it for the far side, and the gateway reads it back. Nothing here was corrected, converted or
completed: times are the device's, numbers have the digits that it sent, units are its MDC units.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntFlag
from typing import Final

from hilum.phd.number import Number

MDC: Final = "urn:iso:std:iso:11073:10101"
NO_SYSTEM_ID: Final = "00-00-00-00-00-00-00-00"
"""Of a device that has none, as most of Bluetooth LE: its transport address tells it from others."""


class Clock(Enum):
    """How a device tells the time -> the MDC code of its coincident time stamp."""

    ABSOLUTE = 67975
    BASE_OFFSET = 68226
    RELATIVE = 67983
    HIGH_RESOLUTION = 68072


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time by the device's clock.

    `reported`: as the PHD guide writes it into identifiers ("Generating the Reported Time Stamp Identifier").
    `time`: of ABSOLUTE without an offset, of BASE_OFFSET with the device's. `ticks`: of RELATIVE in eighths of a
    millisecond, of HIGH_RESOLUTION in microseconds. The one that the clock does not have is None.
    """

    clock: Clock
    reported: str
    time: datetime | None = None
    ticks: int | None = None


@dataclass(frozen=True, slots=True)
class Coincidence:
    """What the device's clock said when the gateway's said `at` (with an offset to UTC).

    `device`: None is a time fault: it stamps what it measures and does not tell its time, or says that it is wrong.
    `ours`: whether the gateway's clock is the better synchronized one, as it is for every device on the market.
    `serial`: which connection this was of, since what is sent of one refers to one Observation.
    """

    at: datetime
    device: Stamp | None
    clock: Clock = Clock.ABSOLUTE
    ours: bool = True
    serial: str = ""


class Status(IntFlag):
    """Measurement-Status of 11073-20601: bit 0 is the highest of 16."""

    INVALID = 1 << 15
    QUESTIONABLE = 1 << 14
    NOT_AVAILABLE = 1 << 13
    CALIBRATION_ONGOING = 1 << 12
    TEST_DATA = 1 << 11
    DEMO_DATA = 1 << 10
    VALIDATED_DATA = 1 << 7
    EARLY_INDICATION = 1 << 6
    MEASUREMENT_ONGOING = 1 << 5
    EXCEEDS_BOUNDARIES = 1 << 1
    ANNUNCIATION_INHIBITED = 1


NOTHING: Final = Status(0)


@dataclass(frozen=True, slots=True)
class Quantity:
    """`unit`: of partition 4 (dimensions), all 32 bits: 262144 + the term code."""

    value: Number
    unit: int


@dataclass(frozen=True, slots=True)
class Compound:
    """Several numbers that are one measurement, as systolic, diastolic and mean: (code, quantity) each."""

    parts: tuple[tuple[int, Quantity], ...]


@dataclass(frozen=True, slots=True)
class Coded:
    """One of some codes."""

    code: int


@dataclass(frozen=True, slots=True)
class Bits:
    """Events and states, `size` (16 or 32); bit 0 is the highest. `supported`: those that the device can set."""

    value: int
    size: int
    supported: int | None = None


@dataclass(frozen=True, slots=True)
class Samples:
    """Equidistant samples. `period`: milliseconds between two. `scale`, `origin`: of a raw sample to the unit."""

    raw: tuple[int, ...]
    unit: int
    period: Number
    scale: Number
    origin: Number


Value = Quantity | Compound | Coded | Bits | Samples | str


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric measurement.

    `type`: MDC, 32 bits: partition * 65536 + term code. `lasting`: seconds (Measurement-Active-Period), from the stamp
    on. `supplemental`: MDC codes that say more of it. `accuracy`: in its unit. `of`: positions, in the same `Taken`, of
    readings before it that it belongs to (Source-Handle-Reference). `record`: what the device numbers it by.
    """

    type: int
    value: Value
    stamp: Stamp | None = None
    status: Status = NOTHING
    lasting: Number | None = None
    supplemental: tuple[int, ...] = ()
    accuracy: Number | None = None
    of: tuple[int, ...] = ()
    record: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A personal health device. Texts are as it sent them.

    `system_id`: EUI-64, "FE-ED-AB-EE-DE-AD-77-C3". `transport`: "bluetooth", "zigbee", "usb" or "". `address`: there.
    `specializations`: (MDC code, version). `certified`: Continua's codes of what it is certified for.
    `regulated`: whether it says that it is a regulated medical device; None: it does not say.
    """

    system_id: str = NO_SYSTEM_ID
    transport: str = ""
    address: str = ""
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    part: str = ""
    hardware: str = ""
    firmware: str = ""
    software: str = ""
    protocol: str = ""
    udi: str = ""
    specializations: tuple[tuple[int, int], ...] = ()
    certified: tuple[int, ...] = ()
    regulated: bool | None = None
    synchronization: int | None = None
    """How it sets its clock: MDC code of Mds-Time-Info."""
    accuracy: int | None = None
    """Of its clock: microseconds."""

    @property
    def key(self) -> str:
        """What tells it from all others: its EUI-64, or else its address, or else maker, model and serial number."""
        if self.system_id != NO_SYSTEM_ID:
            return self.system_id
        if self.address:
            return f"{self.transport}:{self.address}"
        return "/".join((self.manufacturer, self.model, self.serial))


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a device at once. `received`: when, by the gateway's clock, with an offset to UTC."""

    device: Device
    received: datetime
    readings: tuple[Reading, ...]
    coincidence: Coincidence | None = None
    battery: int | None = None
    """Per cent."""
    person: int | None = None
    """Which of its users, as it numbers them. None: it doesn't tell them apart."""
