"""A measurement as an Observation, by the profile of its kind of value. HL7's PHD guide, "BaseObservationProfile"."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from hilum.phd import nomenclature
from hilum.phd.fhir import absences
from hilum.phd.fhir.concepts import (
    ASN1,
    PROFILE,
    SPECIAL,
    Body,
    absent,
    absent_element,
    clean,
    concept,
    mdc,
    quantity,
    ucum,
    units,
    yes_no,
)
from hilum.phd.number import Special
from hilum.phd.reading import Bits, Clock, Coded, Coincidence, Compound, Quantity, Reading, Samples
from hilum.phd.times import TICK, Effective, aware, fixed, microseconds, written

_GATEWAY: Final = "http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice"
_CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"


@dataclass(frozen=True, slots=True)
class Links:
    """References: whose it is, what measured it, what sends it, and the Observations that it came of."""

    patient: str
    device: str
    gateway: str
    derived_from: tuple[str, ...] = ()


def observation(reading: Reading, effective: Effective, links: Links, identifier: str | None = None) -> Body:
    """A measurement. `identifier`: by which it is created once."""
    profile, value, components = _told(reading)
    components = components + _supplemental(reading) + _ticks(reading) + _accuracy(reading)
    interpretations = absences.interpretations(reading)
    loinc, vital = _loinc(reading)
    body = _started(profile, links)
    if absences.is_test(reading):
        body["meta"]["security"] = [absences.label()]
    return body | {
        **({"identifier": [{"value": identifier}]} if identifier is not None else {}),
        "status": absences.state(reading),
        **({"category": [concept(_CATEGORIES, "vital-signs", "Vital Signs")]} if vital else {}),
        "code": mdc(reading.type, loinc),
        "subject": {"reference": links.patient},
        **_effective(effective),
        **value,
        **({"interpretation": interpretations} if interpretations else {}),
        "device": {"reference": links.device},
        **({"derivedFrom": [{"reference": one} for one in links.derived_from]} if links.derived_from else {}),
        **({"component": components} if components else {}),
    }


def coincident_time_stamp(coincidence: Coincidence, links: Links) -> Body:
    """What the device's clock said when the gateway's said that: one for each connection."""
    at, device = fixed(coincidence.at), coincidence.device
    value: Body
    if device is None:
        value = {"dataAbsentReason": absent("unknown")}
    elif device.clock in TICK:
        value = {"valueQuantity": ucum(microseconds(device), "us")}
    else:
        value = {"valueDateTime": written(aware(device, at))}
    return _started("PhdCoincidentTimeStampObservation", links) | {
        "status": "final",
        "code": mdc((device.clock if device is not None else coincidence.clock).value),
        "subject": {"reference": links.patient},
        **({"effectiveDateTime": written(at)} if coincidence.ours or device is None or device.clock in TICK else {}),
        **value,
        "device": {"reference": links.device},
    }


def _started(profile: str, links: Links) -> Body:
    return {
        "resourceType": "Observation",
        "meta": {"profile": [PROFILE + profile]},
        "extension": [{"url": _GATEWAY, "valueReference": {"reference": links.gateway}}],
    }


def _effective(effective: Effective) -> Body:
    start = written(effective.start)
    if effective.end is None:
        return {"effectiveDateTime": start}
    return {"effectivePeriod": {"start": start, "end": written(effective.end)}}


def _told(reading: Reading) -> tuple[str, Body, list[Body]]:
    """The profile, the value or why there is none, and the components that are the value."""
    value, why = reading.value, absences.reason(reading)
    reason = {"dataAbsentReason": absent(why)} if why is not None else None
    if isinstance(value, Quantity):
        return "PhdNumericObservation", reason or {"valueQuantity": _quantity(value)}, []
    if isinstance(value, Compound):
        parts = [_part(code, one, why) for code, one in value.parts]
        return "PhdCompoundNumericObservation", reason or {}, parts
    if isinstance(value, Coded):
        return "PhdCodedEnumerationObservation", reason or {"valueCodeableConcept": mdc(value.code)}, []
    if isinstance(value, Bits):
        return "PhdBitsEnumerationObservation", reason or {}, [] if reason else _bits(reading.type, value)
    if isinstance(value, Samples):
        return "PhdRtsaObservation", reason or {"valueSampledData": _samples(value)}, []
    text = {"valueString": clean(value)} if why is None else {"_valueString": absent_element(why)}
    return "PhdStringEnumerationObservation", text, []


def _quantity(value: Quantity) -> Body:
    return quantity(_number(value.value), value.unit)


def _number(value: Decimal | Special) -> Decimal:
    """Of a number that is known to be one."""
    if isinstance(value, Special):
        raise TypeError(f"{value.value} is no number")
    return value


def _part(code: int, one: Quantity, why: str | None) -> Body:
    """Of a panel. Where the whole has no value each part says why: R4's blood pressure has both parts in any case."""
    if why is None and isinstance(one.value, Special):
        why = SPECIAL[one.value]
    value = {"dataAbsentReason": absent(why)} if why is not None else {"valueQuantity": _quantity(one)}
    return {"code": mdc(code, nomenclature.part(code, units(one.unit)))} | value


def _bits(type_: int, value: Bits) -> list[Body]:
    """Events that occurred, and states whether or not they are: of the bits that are defined and can be set."""
    known = nomenclature.bits(type_)
    made = []
    for bit in range(value.size):
        mask = 1 << (value.size - 1 - bit)
        is_set, told = bool(value.value & mask), known.get(bit)
        if (known and told is None) or (value.supported is not None and not value.supported & mask):
            continue
        text = "" if told is None else told.set if is_set else told.cleared
        if not is_set and not text:
            continue
        code = concept(ASN1, f"{type_}.{bit}", told.name if told is not None else "")
        made.append({"code": code, "valueCodeableConcept": yes_no(is_set, text or "")})
    return made


def _samples(value: Samples) -> Body:
    return {
        "origin": quantity(_number(value.origin), value.unit),
        "period": _number(value.period),
        "factor": _number(value.scale),
        "dimensions": 1,
        "data": " ".join(map(str, value.raw)),
    }


def _supplemental(reading: Reading) -> list[Body]:
    return [
        {"code": mdc(nomenclature.SUPPLEMENTAL_TYPES), "valueCodeableConcept": mdc(code)}
        for code in reading.supplemental
    ]


def _ticks(reading: Reading) -> list[Body]:
    """What the device counted, so that the time that was made of it can be checked.

    Of high resolution only: the guide's profile takes 67985, that of the other clock, from a value set without it. What
    such a device counted follows from the coincident time stamp.
    """
    stamp = reading.stamp
    if stamp is None or stamp.clock is not Clock.HIGH_RESOLUTION:
        return []
    return [{"code": mdc(nomenclature.HIGH_RESOLUTION_STAMP), "valueQuantity": ucum(microseconds(stamp), "us")}]


def _accuracy(reading: Reading) -> list[Body]:
    """In the unit of the measurement; left out where that is none, or several."""
    found = _units(reading)
    if not isinstance(reading.accuracy, Decimal) or len(found) != 1:
        return []
    return [{"code": mdc(nomenclature.NUMERIC_ACCURACY), "valueQuantity": quantity(reading.accuracy, found.pop())}]


def _units(reading: Reading) -> set[int]:
    if isinstance(reading.value, Quantity | Samples):
        return {reading.value.unit}
    return {one.unit for _, one in reading.value.parts} if isinstance(reading.value, Compound) else set()


def _loinc(reading: Reading) -> tuple[str | None, bool]:
    """LOINC's code, and whether it makes a vital sign of it. A panel is one with all parts that R4 asks for."""
    value = reading.value
    found = {units(one) for one in _units(reading)}
    if len(found) != 1 or isinstance(value, Samples):
        return None, False
    unit = found.pop()
    vital = nomenclature.vital_sign(reading.type, unit)
    if isinstance(value, Compound):
        codes = [code for code, _ in value.parts]
        if not nomenclature.needed() <= set(codes) or len(set(codes)) != len(codes):
            vital = None
        return vital, vital is not None
    return vital or nomenclature.loinc(reading.type, unit), vital is not None
