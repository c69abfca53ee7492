"""The standard configurations: what a device measures that names one by its number, and need not say.

Number, objects and maps of 400, 401, 700, 1500 and 1700 as signove/antidote has them (src/specializations, dbb2742),
of 800 as conqlima/Antidote (34d6914), both 2026-11-23; the specializations are ISO/IEEE 11073-10404 (oximeter), -10407
(blood pressure), -10408 (thermometer), -10415 (scale) and -10417 (glucometer). 800's value is a FLOAT of
4 bytes, which conqlima's map gives as 2. An agent of any other standard configuration is asked to say what it means.
"""

from __future__ import annotations

from typing import Final

from hilum.phd.ieee20601.attributes import Attributes, Mapped, Structure, write
from hilum.phd.ieee20601.codes import Attribute, Class
from hilum.phd.ieee20601.events import Configuration, Object

_SCADA: Final = 2 << 16
_A: Final = Attribute
STANDARD_MOST: Final = 0x3FFF
EXTENDED: Final = range(0x4000, 0x8000)
"""Numbers that a maker gives; what they mean, the device says."""

SPOT: Final = _SCADA | 19516
"""MDC_MODALITY_SPOT."""
STORED: Final = 0xF040
"""Metric-Spec-Small: intermittent, stored, updated and measured aperiodically, sent by the agent."""
LIVE: Final = 0x4040
"""Stored, sent by the agent."""


def numeric(handle: int, type: int, spec: int, unit: int, *map: tuple[int, int], **more: object) -> Object:
    """A numeric object. `type`: 32 bits. `map`: its Attribute-Value-Map."""
    attributes: Attributes = {
        _A.ID_TYPE: type,
        _A.METRIC_SPEC_SMALL: spec,
        **{_A[name]: value for name, value in more.items()},
        _A.UNIT_CODE: unit,
        _A.ATTRIBUTE_VAL_MAP: tuple(Mapped(*one) for one in map),
    }
    return Object(Class.NUMERIC, handle, write(attributes))


_STAMPED: Final = (_A.TIME_STAMP_ABS, 8)
_BASIC: Final = (_A.NU_VAL_OBS_BASIC, 2)
_SIMPLE: Final = (_A.NU_VAL_OBS_SIMP, 4)
_PERCENT, _PER_MINUTE, _MMHG, _KG, _CELSIUS, _MG_DL = 544, 2720, 3872, 1731, 6048, 2130
_SATURATION, _PULSE, _PRESSURE, _PULSE_RATE = 19384, 18458, 18948, 18474
_TEMPERATURE, _MASS, _GLUCOSE = 19292, 57664, 29112


def _spot(handle: int, type: int, unit: int) -> Object:
    plain = numeric(handle, type, LIVE, unit, _BASIC, _STAMPED)
    return Object(plain.kind, handle, plain.attributes + write({_A.SUPPLEMENTAL_TYPES: (SPOT,)}))


STANDARD: Final[dict[int, Configuration]] = {
    one.id: one
    for one in (
        Configuration(
            400,
            (
                numeric(1, _SCADA | _SATURATION, LIVE, _PERCENT, _BASIC),
                numeric(10, _SCADA | _PULSE, LIVE, _PER_MINUTE, _BASIC),
            ),
        ),
        Configuration(401, (_spot(1, _SCADA | _SATURATION, _PERCENT), _spot(10, _SCADA | _PULSE, _PER_MINUTE))),
        Configuration(
            700,
            (
                numeric(
                    1,
                    _SCADA | _PRESSURE,
                    STORED,
                    _MMHG,
                    (_A.NU_CMPD_VAL_OBS_BASIC, 10),
                    _STAMPED,
                    METRIC_STRUCT_SMALL=Structure(3, 3),
                    ID_PHYSIO_LIST=(18949, 18950, 18951),
                ),
                numeric(2, _SCADA | _PULSE_RATE, STORED, _PER_MINUTE, _BASIC, _STAMPED),
            ),
        ),
        Configuration(800, (numeric(1, _SCADA | _TEMPERATURE, STORED, _CELSIUS, _SIMPLE, _STAMPED),)),
        Configuration(1500, (numeric(1, _SCADA | _MASS, STORED, _KG, _SIMPLE, _STAMPED),)),
        Configuration(1700, (numeric(1, _SCADA | _GLUCOSE, STORED, _MG_DL, _BASIC, _STAMPED),)),
    )
}
"""Number -> what it means."""
