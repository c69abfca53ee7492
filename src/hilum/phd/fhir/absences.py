"""What a measurement's status says of it, and why it may have no value. HL7's PHD guide, "Measurement Status"."""

from __future__ import annotations

from typing import Final

from hilum.phd.fhir.concepts import SPECIAL, Body, clean, coding, concept
from hilum.phd.number import Special
from hilum.phd.reading import Quantity, Reading, Samples, Status

_REASONS: Final = (
    (Status.INVALID, "error"),
    (Status.NOT_AVAILABLE, "not-performed"),
    (Status.MEASUREMENT_ONGOING, "temp-unknown"),
)
_INTERPRETATIONS: Final = (
    (Status.QUESTIONABLE, "questionable"),
    (Status.CALIBRATION_ONGOING, "calibration-ongoing"),
    (Status.VALIDATED_DATA, "validated-data"),
    (Status.EARLY_INDICATION, "early-indication"),
    (Status.EXCEEDS_BOUNDARIES, "in-alarm"),
    (Status.ANNUNCIATION_INHIBITED, "alarm-inhibited"),
)
_NOT_REAL: Final = Status.TEST_DATA | Status.DEMO_DATA
_PRELIMINARY: Final = Status.EARLY_INDICATION | Status.MEASUREMENT_ONGOING
_MEASUREMENT_STATUS: Final = "http://hl7.org/fhir/uv/pocd/CodeSystem/measurement-status"
_PURPOSES: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def reason(reading: Reading) -> str | None:
    """Why the whole of it has no value; its status comes before a number that is none. None: it has one."""
    for status, code in _REASONS:
        if status in reading.status:
            return code
    value = reading.value
    if isinstance(value, Quantity) and isinstance(value.value, Special):
        return SPECIAL[value.value]
    if isinstance(value, Samples):
        special = next((one for one in (value.period, value.scale, value.origin) if isinstance(one, Special)), None)
        return SPECIAL[special] if special is not None else None if value.raw else "error"
    if isinstance(value, str) and not clean(value):
        return "unknown"
    return None


def interpretations(reading: Reading) -> list[Body]:
    """What its status says of a value that it has."""
    return [concept(_MEASUREMENT_STATUS, code) for status, code in _INTERPRETATIONS if status in reading.status]


def is_test(reading: Reading) -> bool:
    """Whether it was made to try or to show the device."""
    return bool(reading.status & _NOT_REAL)


def label() -> Body:
    """The security label of what was made to try the device: test health data."""
    return coding(_PURPOSES, "HTEST")


def state(reading: Reading) -> str:
    """Observation.status."""
    return "preliminary" if reading.status & _PRELIMINARY else "final"
