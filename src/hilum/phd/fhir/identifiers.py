"""The identifier of a measurement, by which it is created once. HL7's PHD guide, "PHD Observation Identifier".

Device, patient, type, value, units, time stamp and supplemental types, with a dash between them: the same whichever
gateway sends it, since it has the device's time stamp and not the time that the gateway makes of it.
"""

from __future__ import annotations

from hilum.phd.fhir.absences import reason
from hilum.phd.fhir.concepts import clean, digits, units
from hilum.phd.fhir.devices import telling
from hilum.phd.fhir.patients import Patient
from hilum.phd.reading import Bits, Coded, Compound, Device, Quantity, Reading, Samples


def identifier(reading: Reading, device: Device, patient: Patient) -> str | None:
    """None of a measurement without a time stamp: it is a new one."""
    if reading.stamp is None:
        return None
    parts = [telling(device).value, patient.told, str(reading.type), *_value(reading), reading.stamp.reported]
    return "-".join([*parts, *map(str, reading.supplemental)])


def _value(reading: Reading) -> list[str]:
    """The value, or why there is none; then the units, of what has units."""
    value, absent = reading.value, reason(reading)
    if isinstance(value, Quantity):
        return [absent or digits(value.value), units(value.unit)]
    if isinstance(value, Compound):
        told = [(absent or digits(one.value), units(one.unit)) for _, one in value.parts]
        if len({unit for _, unit in told}) > 1:
            return [text for pair in told for text in pair]
        return [number for number, _ in told] + [unit for _, unit in told[:1]]
    if isinstance(value, Coded):
        return [absent or str(value.code)]
    if isinstance(value, Bits):
        return [str(value.value)]
    if isinstance(value, Samples):
        return [absent or f"{digits(value.period)}-1-{value.raw[0]}", units(value.unit)]
    return [absent or clean(value)]
