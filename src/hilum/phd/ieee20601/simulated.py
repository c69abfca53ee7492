"""A device of each standard configuration, to try a gateway with. Makers, models and serial numbers are made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hilum.phd.ieee20601 import attributes, clocks
from hilum.phd.ieee20601.agent import Agent, Measured
from hilum.phd.ieee20601.attributes import Attributes, Model, Specialization, Specification
from hilum.phd.ieee20601.codes import Attribute, Product
from hilum.phd.ieee20601.configurations import STANDARD
from hilum.phd.malformed import Malformed
from hilum.phd.number import Number
from hilum.phd.reading import Clock, Compound, Quantity, Reading, Value

_A: Final = Attribute
_PREFIX: Final = bytes.fromhex("FEEDABEEDE")
"""Of the system ids: not of any maker."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`specialization`: MDC_DEV_SPEC_PROFILE_…"""

    configuration: int
    specialization: int
    model: str


KINDS: Final[dict[str, Kind]] = {
    "oximeter": Kind(400, 4100, "Simulated Oximeter"),
    "oximeter-spot": Kind(401, 4100, "Simulated Spot Oximeter"),
    "blood-pressure": Kind(700, 4103, "Simulated Blood Pressure Monitor"),
    "thermometer": Kind(800, 4104, "Simulated Thermometer"),
    "scale": Kind(1500, 4111, "Simulated Scale"),
    "glucometer": Kind(1700, 4113, "Simulated Glucometer"),
}
"""Name -> what it is."""


def device(name: str, number: int = 1, skew: timedelta = timedelta(), asks: bool = False) -> Agent:
    """The device number `number` (of 24 bits) of a kind. `skew`, `asks`: as of `Agent`."""
    kind = KINDS[name]
    about: Attributes = {
        _A.ID_MODEL: Model("hilum", kind.model),
        _A.SYS_TYPE_SPEC_LIST: (Specialization(kind.specialization, 1),),
        _A.ID_PROD_SPECN: (
            Specification(Product.SERIAL, 0, f"SIM-{number:08}"),
            Specification(Product.FIRMWARE, 0, "1.0"),
        ),
    }
    system_id = _PREFIX + number.to_bytes(3, "big")
    return Agent(system_id, STANDARD[kind.configuration], about, skew=skew, asks=asks)


def measured(agent: Agent, at: datetime, *values: Number | Sequence[Number]) -> tuple[Measured, ...]:
    """What an agent measured at `at`, stamped by its clock: a number, or the parts of a compound, of each object.

    In the object's unit; a stamp only where the object has a place for one.
    """
    objects = agent.configuration.objects
    if len(values) != len(objects):
        raise Malformed(f"{len(values)} values for {len(objects)} objects")
    found = []
    for one, value in zip(objects, values, strict=True):
        known = attributes.read(one.attributes)
        stamps = {entry.id for entry in known[_A.ATTRIBUTE_VAL_MAP]} & set(clocks.STAMPS.values())
        stamp = clocks.stamp(agent.clock or Clock.ABSOLUTE, agent.time(at)) if stamps else None
        type_: int = known[_A.ID_TYPE]
        supplemental = tuple(known.get(_A.SUPPLEMENTAL_TYPES, ()))
        reading = Reading(type_, _value(known, type_, value), stamp, supplemental=supplemental)
        found.append(Measured(one.handle, reading))
    return tuple(found)


def _value(known: Attributes, type_: int, value: Number | Sequence[Number]) -> Value:
    unit = 4 << 16 | int(known[_A.UNIT_CODE])
    if not isinstance(value, Sequence):
        return Quantity(value, unit)
    codes = known.get(_A.ID_PHYSIO_LIST, ())
    parts = zip(codes, value, strict=True)
    return Compound(tuple((type_ >> 16 << 16 | code, Quantity(part, unit)) for code, part in parts))
