"""CGM Specific Ops Control Point, 0x2AAC: what a sensor is told and asked. CGM Service 1.0.2."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar, Final

from hilum.phd.crc import Check
from hilum.phd.gatt.continuous_glucose import protected, protecting
from hilum.phd.gatt.glucose import Location, Sample, sample_and_location
from hilum.phd.gatt.wire import Reader, Writer
from hilum.phd.malformed import Malformed
from hilum.phd.number import Number

_NAME: Final = "CGM Specific Ops Control Point"


class Op(IntEnum):
    """Op Code. "SAID" is what a sensor answers to "GET"."""

    SET_INTERVAL = 0x01
    GET_INTERVAL = 0x02
    SAID_INTERVAL = 0x03
    SET_CALIBRATION = 0x04
    GET_CALIBRATION = 0x05
    SAID_CALIBRATION = 0x06
    SET_PATIENT_HIGH = 0x07
    GET_PATIENT_HIGH = 0x08
    SAID_PATIENT_HIGH = 0x09
    SET_PATIENT_LOW = 0x0A
    GET_PATIENT_LOW = 0x0B
    SAID_PATIENT_LOW = 0x0C
    SET_HYPO = 0x0D
    GET_HYPO = 0x0E
    SAID_HYPO = 0x0F
    SET_HYPER = 0x10
    GET_HYPER = 0x11
    SAID_HYPER = 0x12
    SET_RATE_OF_DECREASE = 0x13
    GET_RATE_OF_DECREASE = 0x14
    SAID_RATE_OF_DECREASE = 0x15
    SET_RATE_OF_INCREASE = 0x16
    GET_RATE_OF_INCREASE = 0x17
    SAID_RATE_OF_INCREASE = 0x18
    RESET_DEVICE_ALERT = 0x19
    START_SESSION = 0x1A
    STOP_SESSION = 0x1B
    RESPONSE = 0x1C


class Result(IntEnum):
    """Response Code."""

    SUCCESS = 1
    OP_NOT_SUPPORTED = 2
    INVALID_OPERAND = 3
    NOT_COMPLETED = 4
    OUT_OF_RANGE = 5


class CalibrationStatus(IntFlag):
    """What became of a calibration. None of it: it was taken."""

    REJECTED = 1
    OUT_OF_RANGE = 1 << 1
    PENDING = 1 << 2


_TAKEN: Final = CalibrationStatus(0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """`glucose`: mg/dL. `offset`, `due`: minutes since the session began, of this one and of the next."""

    glucose: Number
    offset: int
    sample: Sample
    location: Location
    due: int = 0
    number: int = 0
    status: CalibrationStatus = _TAKEN


@dataclass(frozen=True, slots=True)
class Outcome:
    """`request`: its op code, as sent."""

    request: int
    result: Result


Operand = int | Number | Calibration | Outcome | None


@dataclass(frozen=True, slots=True)
class Control:
    """What is written or indicated.

    `operand`: of intervals the minutes (255: as fast as can be), of GET_CALIBRATION the record's number (65535: the
    last), of calibrations the record, of levels mg/dL, of rates mg/dL a minute, of RESPONSE the outcome; else None.
    """

    UUID: ClassVar[int] = 0x2AAC

    op: Op
    operand: Operand = None

    @classmethod
    def decode(cls, data: bytes, check: Check | None = None) -> Control:
        """Raises Malformed."""
        reader = Reader(protected(data, check, _NAME), _NAME)
        op = reader.code(Op)
        found = cls(op, _operand(reader, op))
        reader.end()
        return found

    def encode(self, check: Check | None = None) -> bytes:
        """Raises Malformed: among others of an operand that its op code doesn't have."""
        writer, operand = Writer().uint(self.op, 1), self.operand
        if self.op in _LEVELS and not isinstance(operand, int | Calibration | Outcome | None):
            writer.sfloat(operand)
        elif self.op in _CALIBRATIONS and isinstance(operand, Calibration):
            writer.sfloat(operand.glucose).uint(operand.offset, 2).uint(operand.location << 4 | operand.sample, 1)
            writer.uint(operand.due, 2).uint(operand.number, 2).uint(operand.status, 1)
        elif self.op in _WHOLE and isinstance(operand, int):
            writer.uint(operand, _WHOLE[self.op])
        elif self.op is Op.RESPONSE and isinstance(operand, Outcome):
            writer.uint(operand.request, 1).uint(operand.result, 1)
        elif self.op in _BARE and operand is None:
            pass
        else:
            raise Malformed(f"{_NAME}: {self.op.name} has another operand")
        return protecting(writer.done(), check)


_WHOLE: Final = {Op.SET_INTERVAL: 1, Op.SAID_INTERVAL: 1, Op.GET_CALIBRATION: 2}
_CALIBRATIONS: Final = frozenset({Op.SET_CALIBRATION, Op.SAID_CALIBRATION})
_LEVELS: Final = frozenset(op for op in Op if Op.SET_PATIENT_HIGH <= op <= Op.SAID_RATE_OF_INCREASE and op % 3 != 2)
"""From 7 to 24 they come in threes: set, get, said."""
_BARE: Final = frozenset(Op) - _WHOLE.keys() - _CALIBRATIONS - _LEVELS - {Op.RESPONSE}


def _operand(reader: Reader, op: Op) -> Operand:
    if op in _LEVELS:
        return reader.sfloat()
    if op in _CALIBRATIONS:
        glucose, offset = reader.sfloat(), reader.uint(2)
        sample, location = sample_and_location(reader)
        due, number = reader.uint(2), reader.uint(2)
        return Calibration(glucose, offset, sample, location, due, number, CalibrationStatus(reader.uint(1)))
    if op in _WHOLE:
        return reader.uint(_WHOLE[op])
    if op is Op.RESPONSE:
        return Outcome(reader.uint(1), reader.code(Result))
    return None
