"""Attributes of a metric object -> a Reading, and back. HL7's PHD guide, "DIM to FHIR", "Obtain Observation Code".

What an object is stands in its configuration, what it measured in a report: together they are one reading.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any, Final

from hilum.phd.ieee20601.attributes import BITS, OBJECT, SIGNED, Attributes, Enumerated, Observed, Sampling, Scale
from hilum.phd.ieee20601.clocks import STAMPS
from hilum.phd.ieee20601.codes import Attribute
from hilum.phd.malformed import Malformed
from hilum.phd.reading import Bits, Coded, Compound, Quantity, Reading, Samples, Stamp, Status, Value

_A: Final = Attribute
_DIMENSIONS: Final = 4 << 16
_PRECISE: Final = Context(prec=28)

LASTING: Final = frozenset(
    {
        _A.ID_TYPE, _A.ID_PHYSIO, _A.ID_PHYSIO_LIST, _A.METRIC_ID_PART, _A.METRIC_SPEC_SMALL, _A.METRIC_STRUCT_SMALL,
        _A.ENUM_OBS_VAL_PART, _A.UNIT_CODE, _A.ATTRIBUTE_VAL_MAP, _A.NU_ACCUR_MSMT, _A.SA_SPECN, _A.SCALE_SPECN_I8,
        _A.SCALE_SPECN_I16, _A.SCALE_SPECN_I32, _A.TIME_PD_SAMP, _A.SUPPLEMENTAL_TYPES, _A.SOURCE_HANDLE_REF,
        _A.SOURCE_HANDLE_REF_LIST, _A.SCAN_HANDLE_ATTR_VAL_MAP, _A.SCAN_HANDLE_LIST,
    }
)  # fmt: skip
"""What a report says of an object that holds until it says otherwise; the rest is of one measurement."""


def reading(attributes: Attributes) -> Reading | None:
    """None: no value was observed. Raises Malformed: a value that lacks what tells what it is."""
    for code, take in _VALUES.items():
        if code in attributes:
            return _reading(attributes, code, take(attributes, attributes[code]))
    return None


def sources(attributes: Attributes) -> tuple[int, ...]:
    """Handles that the measurement was made of."""
    if _A.SOURCE_HANDLE_REF_LIST in attributes:
        return tuple(attributes[_A.SOURCE_HANDLE_REF_LIST])
    return (attributes[_A.SOURCE_HANDLE_REF],) if _A.SOURCE_HANDLE_REF in attributes else ()


def _reading(attributes: Attributes, code: int, value: Value) -> Reading:
    observed = attributes[code]
    status, type_ = Status(attributes.get(_A.MSMT_STAT, 0)), _type(attributes)
    for one in observed if code == _A.NU_CMPD_VAL_OBS else (observed,):
        if isinstance(one, Observed | Enumerated):
            status |= Status(one.status)
    if isinstance(observed, Observed | Enumerated):
        type_ = type_ >> 16 << 16 | observed.metric
    return Reading(
        type=type_,
        value=value,
        stamp=_stamp(attributes),
        status=status,
        lasting=attributes.get(_A.TIME_PD_MSMT_ACTIVE),
        supplemental=tuple(attributes.get(_A.SUPPLEMENTAL_TYPES, ())),
        accuracy=attributes.get(_A.NU_ACCUR_MSMT),
    )


def _type(attributes: Attributes) -> int:
    whole: int = _needed(attributes, _A.ID_TYPE)
    if _A.ID_PHYSIO not in attributes:
        return whole
    partition: int = attributes.get(_A.METRIC_ID_PART, whole >> 16)
    return partition << 16 | int(attributes[_A.ID_PHYSIO])


def _stamp(attributes: Attributes) -> Stamp | None:
    found: Stamp | None = next((attributes[code] for code in STAMPS.values() if code in attributes), None)
    return found


def _needed(attributes: Attributes, code: Attribute) -> Any:
    if code not in attributes:
        raise Malformed(f"a measurement without {code.name}")
    return attributes[code]


def _unit(attributes: Attributes) -> int:
    return _DIMENSIONS | int(_needed(attributes, _A.UNIT_CODE))


def _quantity(attributes: Attributes, value: Any) -> Value:
    return Quantity(value, _unit(attributes))


def _observed(_: Attributes, value: Observed) -> Value:
    return Quantity(value.value, _DIMENSIONS | value.unit)


def _compound(attributes: Attributes, values: Sequence[Any]) -> Value:
    codes = _needed(attributes, _A.ID_PHYSIO_LIST)
    if len(codes) != len(values):
        raise Malformed(f"a compound of {len(values)} numbers for {len(codes)} codes")
    base, unit = _partition(attributes), _unit(attributes)
    return Compound(tuple((base | code, Quantity(value, unit)) for code, value in zip(codes, values, strict=True)))


def _partition(attributes: Attributes) -> int:
    whole: int = _needed(attributes, _A.ID_TYPE)
    partition: int = attributes.get(_A.METRIC_ID_PART, whole >> 16)
    return partition << 16


def _compound_observed(attributes: Attributes, values: Sequence[Observed]) -> Value:
    base = _partition(attributes)
    return Compound(tuple((base | one.metric, Quantity(one.value, _DIMENSIONS | one.unit)) for one in values))


def _coded(attributes: Attributes, value: int) -> Value:
    partition: int = attributes.get(_A.ENUM_OBS_VAL_PART, _needed(attributes, _A.ID_TYPE) >> 16)
    return Coded(partition << 16 | value)


def _enumerated(attributes: Attributes, value: Enumerated) -> Value:
    found: Any = value.value.value
    if value.value.choice == OBJECT:
        return _coded(attributes, found)
    return Bits(found, 32) if value.value.choice == BITS else str(found)


def _samples(attributes: Attributes, data: bytes) -> Value:
    sampling: Sampling = _needed(attributes, _A.SA_SPECN)
    if sampling.size not in _SCALES:
        raise Malformed(f"samples of {sampling.size} bits, expected 8, 16 or 32")
    size, signed = sampling.size // 8, sampling.significant == SIGNED
    if len(data) % size or len(data) // size != sampling.count:
        raise Malformed(f"{len(data)} bytes of samples, expected {sampling.count} of {size}")
    raw = [int.from_bytes(data[i : i + size], "big", signed=signed) for i in range(0, len(data), size)]
    if sampling.significant < sampling.size:
        raw = [sample & (1 << sampling.significant) - 1 for sample in raw]
    scale, origin = _scaled(attributes.get(_SCALES[sampling.size]), sampling.size, signed)
    period = Decimal(_needed(attributes, _A.TIME_PD_SAMP)) / 8
    return Samples(tuple(raw), _unit(attributes), period, scale, origin)


_SCALES: Final = {8: _A.SCALE_SPECN_I8, 16: _A.SCALE_SPECN_I16, 32: _A.SCALE_SPECN_I32}


def _scaled(found: Scale | None, bits: int, signed: bool) -> tuple[Decimal, Decimal]:
    """s = (A-B)/(I-J), b = (BI-AJ)/(I-J): "RTSA Observation Profile". Without a scale, samples are what they are."""
    if found is None:
        return Decimal(1), Decimal(0)
    if not isinstance(found.upper, Decimal) or not isinstance(found.lower, Decimal):
        raise Malformed("samples whose range is no number")
    upper, lower = (_sign(one, bits) if signed else one for one in (found.upper_sample, found.lower_sample))
    if upper == lower:
        raise Malformed("samples whose range is empty")
    high, low, wide = found.upper, found.lower, Decimal(upper - lower)
    scale = _PRECISE.divide(_PRECISE.subtract(high, low), wide)
    products = _PRECISE.multiply(low, Decimal(upper)), _PRECISE.multiply(high, Decimal(lower))
    origin = _PRECISE.divide(_PRECISE.subtract(*products), wide)
    return _plain(scale), _plain(origin)


def _sign(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def _plain(value: Decimal) -> Decimal:
    return value.normalize() if value else Decimal(0)


_Take = Callable[[Attributes, Any], Value]
_VALUES: Final[dict[int, _Take]] = {
    _A.NU_VAL_OBS_BASIC: _quantity,
    _A.NU_VAL_OBS_SIMP: _quantity,
    _A.NU_VAL_OBS: _observed,
    _A.NU_CMPD_VAL_OBS_BASIC: _compound,
    _A.NU_CMPD_VAL_OBS_SIMP: _compound,
    _A.NU_CMPD_VAL_OBS: _compound_observed,
    _A.ENUM_OBS_VAL_SIMP_OID: _coded,
    _A.ENUM_OBS_VAL_SIMP_STR: lambda _, value: str(value),
    _A.ENUM_OBS_VAL_SIMP_BIT_STR: lambda _, value: Bits(value, 32),
    _A.ENUM_OBS_VAL_BASIC_BIT_STR: lambda _, value: Bits(value, 16),
    _A.VAL_ENUM_OBS: _enumerated,
    _A.SIMP_SA_OBS_VAL: _samples,
}
"""The attribute that a value is observed in -> the value."""


def observed(attributes: Attributes, measured: Reading) -> Attributes:
    """What an agent reports of a reading, for an object of these attributes: all that may stand in its map.

    Raises Malformed: a value of another kind than the object's.
    """
    values = {entry.id for entry in attributes.get(_A.ATTRIBUTE_VAL_MAP, ())} & set(_VALUES)
    code = min(values, default=_usual(measured.value))
    found: Attributes = {code: _given(code, attributes, measured)}
    if measured.stamp is not None:
        found[STAMPS[measured.stamp.clock]] = measured.stamp
    found[_A.MSMT_STAT] = int(measured.status)
    return found


def extra(attributes: Attributes, measured: Reading) -> Attributes:
    """What a variable report says besides: what the reading has and the object has not."""
    found: Attributes = {}
    if measured.lasting is not None:
        found[_A.TIME_PD_MSMT_ACTIVE] = measured.lasting
    if measured.accuracy is not None and attributes.get(_A.NU_ACCUR_MSMT) != measured.accuracy:
        found[_A.NU_ACCUR_MSMT] = measured.accuracy
    if measured.supplemental != tuple(attributes.get(_A.SUPPLEMENTAL_TYPES, ())):
        found[_A.SUPPLEMENTAL_TYPES] = measured.supplemental
    return found


def _usual(value: Value) -> Attribute:
    if isinstance(value, Bits):
        return _A.ENUM_OBS_VAL_BASIC_BIT_STR if value.size == 16 else _A.ENUM_OBS_VAL_SIMP_BIT_STR
    kinds: dict[type, Attribute] = {
        Quantity: _A.NU_VAL_OBS_SIMP,
        Compound: _A.NU_CMPD_VAL_OBS_SIMP,
        Coded: _A.ENUM_OBS_VAL_SIMP_OID,
        Samples: _A.SIMP_SA_OBS_VAL,
        str: _A.ENUM_OBS_VAL_SIMP_STR,
    }
    return kinds[type(value)]


def _given(code: int, attributes: Attributes, measured: Reading) -> Any:
    match measured.value:
        case Quantity(value, unit) if code == _A.NU_VAL_OBS:
            return Observed(measured.type & 0xFFFF, int(measured.status), unit & 0xFFFF, value)
        case Quantity(value, unit) if code in (_A.NU_VAL_OBS_BASIC, _A.NU_VAL_OBS_SIMP):
            if unit != _unit(attributes):
                raise Malformed("a quantity in another unit than its object's")
            return value
        case Compound(parts) if code in (_A.NU_CMPD_VAL_OBS_BASIC, _A.NU_CMPD_VAL_OBS_SIMP):
            return tuple(quantity.value for _, quantity in parts)
        case Coded(value) if code == _A.ENUM_OBS_VAL_SIMP_OID:
            return value & 0xFFFF
        case Bits(value) if code in (_A.ENUM_OBS_VAL_SIMP_BIT_STR, _A.ENUM_OBS_VAL_BASIC_BIT_STR):
            return value
        case str(value) if code == _A.ENUM_OBS_VAL_SIMP_STR:
            return value
        case Samples(raw) if code == _A.SIMP_SA_OBS_VAL:
            sampling: Sampling = _needed(attributes, _A.SA_SPECN)
            size = sampling.size // 8
            return b"".join((one & (1 << sampling.size) - 1).to_bytes(size, "big") for one in raw)
        case _:
            raise Malformed("a value of another kind than its object's")


Found = tuple[int, Reading, tuple[int, ...]]
"""A reading: the handle of its object, itself, and the handles that it was made of."""


def ordered(found: Sequence[Found]) -> tuple[Reading, ...]:
    """Readings, each after those that it was made of.

    A handle is the last reading of it before, or else the first after. One that isn't there is left off.
    """
    by_handle: dict[int, list[int]] = {}
    for index, (handle, _, _) in enumerate(found):
        by_handle.setdefault(handle, []).append(index)
    made_of = [
        [one for source in made if (one := _nearest(by_handle.get(source, []), index)) is not None]
        for index, (_, _, made) in enumerate(found)
    ]
    order: list[int] = []
    begun: set[int] = set()
    for index in range(len(found)):
        waiting = [(index, False)]
        while waiting:
            one, placed = waiting.pop()
            if placed:
                order.append(one)
            elif one not in begun:
                begun.add(one)
                waiting.append((one, True))
                waiting += [(target, False) for target in reversed(made_of[one])]
    positions = {index: position for position, index in enumerate(order)}
    return tuple(
        replace(
            found[index][1],
            of=tuple(positions[one] for one in made_of[index] if positions[one] < positions[index]),
        )
        for index in order
    )


def _nearest(places: list[int], index: int) -> int | None:
    before = bisect_left(places, index)
    after = bisect_right(places, index)
    return places[before - 1] if before else places[after] if after < len(places) else None
