"""The attributes of the standard's objects: what the bytes of each say. ISO/IEEE 11073-20601, 6.3 and annex A."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from hilum.phd.ieee20601 import clocks
from hilum.phd.ieee20601.apdu import AVAS, Ava
from hilum.phd.ieee20601.codes import Attribute
from hilum.phd.ieee20601.mder import (
    ANY,
    FLOAT,
    SFLOAT,
    TEXT,
    TYPE,
    U8,
    U16,
    U32,
    Form,
    Reader,
    Writer,
    many,
    record,
    uint,
    within,
)
from hilum.phd.malformed import Malformed
from hilum.phd.number import Number


@dataclass(frozen=True, slots=True)
class Model:
    """System-Model."""

    manufacturer: str
    number: str


@dataclass(frozen=True, slots=True)
class Specification:
    """An entry of Production-Specification."""

    kind: int
    component: int
    text: str


@dataclass(frozen=True, slots=True)
class Specialization:
    """`type`: a term code of partition 8 (MDC_DEV_SPEC_PROFILE_…)."""

    type: int
    version: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """Of Reg-Cert-Data-List: what an authority (`body`: 2 is Continua) says of it, in its own structure."""

    body: int
    structure: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Battery:
    """Time that remains. `unit`: minutes, hours or days, as MDC codes them."""

    value: Number
    unit: int


@dataclass(frozen=True, slots=True)
class Observed:
    """Nu-Observed-Value: all of it in one."""

    metric: int
    status: int
    unit: int
    value: Number


@dataclass(frozen=True, slots=True)
class Coding:
    """Of Enum-Observed-Value: a code, a text, or bits: `choice` says which."""

    choice: int
    value: int | str


@dataclass(frozen=True, slots=True)
class Enumerated:
    """Enum-Observed-Value."""

    metric: int
    status: int
    value: Coding


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sa-Specification. `significant`: bits of a sample; 255: all of them, with a sign."""

    count: int
    size: int
    significant: int
    flags: int


SIGNED: Final = 255


@dataclass(frozen=True, slots=True)
class Scale:
    """Scale-and-Range-Specification: what the lowest and the highest sample stand for."""

    lower: Number
    upper: Number
    lower_sample: int
    upper_sample: int


@dataclass(frozen=True, slots=True)
class Mapped:
    """An entry of an Attribute-Value-Map: which attribute follows, in how many bytes."""

    id: int
    size: int


@dataclass(frozen=True, slots=True)
class HandleMap:
    """Of a scanner: what follows of one object."""

    handle: int
    map: tuple[Mapped, ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """Metric-Structure-Small: 0 simple, 1 compound, 3 compound of a fixed size."""

    kind: int
    parts: int


@dataclass(frozen=True, slots=True)
class Element:
    """Of an entry of a PM-segment: one object's part of it."""

    kind: int
    type: int
    handle: int
    map: tuple[Mapped, ...]


@dataclass(frozen=True, slots=True)
class EntryMap:
    """Pm-Segment-Entry-Map. `header`: which times begin an entry, bit 0 (absolute) the highest."""

    header: int
    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class ElementStatics:
    """Segm-Elem-Static-Attr: attributes that all entries share."""

    kind: int
    type: int
    attributes: tuple[Ava, ...]


OBJECT, TEXTUAL, BITS = 0x0001, 0x0002, 0x0010
_CODINGS: Final[dict[int, Form[Any]]] = {OBJECT: U16, TEXTUAL: TEXT, BITS: U32}


def _read_coding(reader: Reader) -> Coding:
    at, choice = reader.at, reader.uint(2)
    if choice not in _CODINGS:
        raise Malformed(f"{reader.name}: unknown choice {choice:04X}", at)
    return Coding(choice, within(_CODINGS[choice]).read(reader))


def _write_coding(writer: Writer, value: Coding) -> None:
    U16.write(writer, value.choice)
    within(_CODINGS[value.choice]).write(writer, value.value)


_CODING: Final = Form(_read_coding, _write_coding)
_OBSERVED: Final[Form[Observed]] = record(Observed, U16, U16, U16, FLOAT)
_MAP: Final = many(record(Mapped, U16, U16))
_TYPES: Final = many(TYPE)


def _scale(size: int) -> Form[Scale]:
    return record(Scale, FLOAT, FLOAT, uint(size), uint(size))


FORMS: Final[dict[int, Form[Any]]] = {
    Attribute.CONFIRM_MODE: U16,
    Attribute.CONFIRM_TIMEOUT: U32,
    Attribute.ID_HANDLE: U16,
    Attribute.ID_INSTNO: U16,
    Attribute.ID_LABEL_STRING: TEXT,
    Attribute.ID_MODEL: record(Model, TEXT, TEXT),
    Attribute.ID_PHYSIO: U16,
    Attribute.ID_PROD_SPECN: many(record(Specification, U16, U16, TEXT)),
    Attribute.ID_TYPE: TYPE,
    Attribute.METRIC_STORE_CAPAC_CNT: U32,
    Attribute.METRIC_STORE_SAMPLE_ALG: U16,
    Attribute.METRIC_STORE_USAGE_CNT: U32,
    Attribute.MSMT_STAT: U16,
    Attribute.NU_ACCUR_MSMT: FLOAT,
    Attribute.NU_CMPD_VAL_OBS: many(_OBSERVED),
    Attribute.NU_VAL_OBS: _OBSERVED,
    Attribute.NUM_SEG: U16,
    Attribute.OP_STAT: U16,
    Attribute.POWER_STAT: U16,
    Attribute.SA_SPECN: record(Sampling, U16, U8, U8, U16),
    Attribute.SCALE_SPECN_I8: _scale(1),
    Attribute.SCALE_SPECN_I16: _scale(2),
    Attribute.SCALE_SPECN_I32: _scale(4),
    Attribute.SCAN_REP_PD: U32,
    Attribute.SCAN_REP_PD_MIN: U32,
    Attribute.SEG_USAGE_CNT: U32,
    Attribute.SYS_ID: ANY,
    Attribute.SYS_TYPE: TYPE,
    Attribute.TIME_ABS: clocks.ABSOLUTE,
    Attribute.TIME_BATT_REMAIN: record(Battery, FLOAT, U16),
    Attribute.TIME_END_SEG: clocks.ABSOLUTE,
    Attribute.TIME_PD_SAMP: U32,
    Attribute.TIME_REL: clocks.RELATIVE,
    Attribute.TIME_STAMP_ABS: clocks.ABSOLUTE,
    Attribute.TIME_STAMP_REL: clocks.RELATIVE,
    Attribute.TIME_START_SEG: clocks.ABSOLUTE,
    Attribute.TX_WIND: U16,
    Attribute.UNIT_CODE: U16,
    Attribute.UNIT_LABEL_STRING: TEXT,
    Attribute.VAL_BATT_CHARGE: U16,
    Attribute.VAL_ENUM_OBS: record(Enumerated, U16, U16, _CODING),
    Attribute.TIME_REL_HI_RES: clocks.HIGH_RESOLUTION,
    Attribute.TIME_STAMP_REL_HI_RES: clocks.HIGH_RESOLUTION,
    Attribute.DEV_CONFIG_ID: U16,
    Attribute.MDS_TIME_INFO: clocks.TIME_INFO,
    Attribute.METRIC_SPEC_SMALL: U16,
    Attribute.SOURCE_HANDLE_REF: U16,
    Attribute.SIMP_SA_OBS_VAL: ANY,
    Attribute.ENUM_OBS_VAL_SIMP_OID: U16,
    Attribute.ENUM_OBS_VAL_SIMP_STR: TEXT,
    Attribute.REG_CERT_DATA_LIST: many(record(Certificate, U8, U8, ANY)),
    Attribute.NU_VAL_OBS_BASIC: SFLOAT,
    Attribute.PM_STORE_CAPAB: U16,
    Attribute.PM_SEG_MAP: record(EntryMap, U16, many(record(Element, U16, TYPE, U16, _MAP))),
    Attribute.PM_SEG_PERSON_ID: U16,
    Attribute.SEG_FIXED_DATA: ANY,
    Attribute.PM_SEG_ELEM_STAT_ATTR: many(record(ElementStatics, U16, TYPE, AVAS)),
    Attribute.SCAN_HANDLE_ATTR_VAL_MAP: many(record(HandleMap, U16, _MAP)),
    Attribute.ATTRIBUTE_VAL_MAP: _MAP,
    Attribute.NU_VAL_OBS_SIMP: FLOAT,
    Attribute.PM_STORE_LABEL_STRING: TEXT,
    Attribute.PM_SEG_LABEL_STRING: TEXT,
    Attribute.TIME_PD_MSMT_ACTIVE: FLOAT,
    Attribute.SYS_TYPE_SPEC_LIST: many(record(Specialization, U16, U16)),
    Attribute.METRIC_ID_PART: U16,
    Attribute.ENUM_OBS_VAL_PART: U16,
    Attribute.SUPPLEMENTAL_TYPES: _TYPES,
    Attribute.TIME_ABS_ADJUST: clocks.ADJUSTMENT,
    Attribute.CLEAR_TIMEOUT: U32,
    Attribute.TRANSFER_TIMEOUT: U32,
    Attribute.ENUM_OBS_VAL_SIMP_BIT_STR: U32,
    Attribute.ENUM_OBS_VAL_BASIC_BIT_STR: U16,
    Attribute.METRIC_STRUCT_SMALL: record(Structure, U8, U8),
    Attribute.NU_CMPD_VAL_OBS_SIMP: many(FLOAT),
    Attribute.NU_CMPD_VAL_OBS_BASIC: many(SFLOAT),
    Attribute.ID_PHYSIO_LIST: many(U16),
    Attribute.SCAN_HANDLE_LIST: many(U16),
    Attribute.CONTEXT_KEY: U16,
    Attribute.SOURCE_HANDLE_REF_LIST: many(U16),
    Attribute.TIME_BO: clocks.BASE_OFFSET,
    Attribute.TIME_STAMP_BO: clocks.BASE_OFFSET,
    Attribute.TIME_START_SEG_BO: clocks.BASE_OFFSET,
    Attribute.TIME_END_SEG_BO: clocks.BASE_OFFSET,
    Attribute.TICK_RES: U16,
}
"""Attribute -> its form. What is not here is of no interest to a gateway, or of a vendor: kept as bytes, not read."""

Attributes = dict[int, Any]
"""Code -> value, of an object."""


def read(attributes: tuple[Ava, ...]) -> Attributes:
    """Those that are known. Raises Malformed."""
    return {one.id: decode(one.id, one.value) for one in attributes if one.id in FORMS}


def decode(code: int, value: bytes) -> Any:
    """The value of an attribute that is known. Raises Malformed."""
    return FORMS[code].decode(value, Attribute(code).name)


def write(attributes: Attributes) -> tuple[Ava, ...]:
    """Attributes as bytes. Raises Malformed: a value is not of its attribute."""
    return tuple(Ava(code, FORMS[code].encode(value)) for code, value in attributes.items())


def read_mapped(mapped: tuple[Mapped, ...], reader: Reader) -> Attributes:
    """The values that a map announces, one after another."""
    found: Attributes = {}
    for entry in mapped:
        part = reader.take(entry.size)
        if entry.id in FORMS:
            found[entry.id] = decode(entry.id, part)
    return found


def write_mapped(mapped: tuple[Mapped, ...], values: Attributes) -> bytes:
    """Raises Malformed: a value is not of the size that the map says."""
    parts = []
    for entry in mapped:
        if entry.id not in values:
            raise Malformed(f"the map expects attribute {entry.id}")
        part = FORMS[entry.id].encode(values[entry.id])
        if len(part) != entry.size:
            raise Malformed(f"attribute {entry.id}: {len(part)} bytes, the map says {entry.size}")
        parts.append(part)
    return b"".join(parts)
