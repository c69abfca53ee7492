"""Codes, quantities, and why there is none. HL7's PHD guide, "FHIR's Codeable Concepts"."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from hilum.phd import nomenclature
from hilum.phd.number import Number, Special
from hilum.phd.reading import MDC

Body = dict[str, Any]

PROFILE: Final = "http://hl7.org/fhir/uv/phd/StructureDefinition/"
UCUM: Final = "http://unitsofmeasure.org"
LOINC: Final = "http://loinc.org"
ASN1: Final = "http://hl7.org/fhir/uv/phd/CodeSystem/ASN1ToHL7"
YES_NO: Final = "http://terminology.hl7.org/CodeSystem/v2-0136"
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_ABSENT_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

SPECIAL: Final = {
    Special.NAN: "not-a-number",
    Special.POSITIVE_INFINITY: "positive-infinity",
    Special.NEGATIVE_INFINITY: "negative-infinity",
    Special.NRES: "error",
    Special.RESERVED: "error",
}


def coding(system: str, code: str) -> Body:
    """A Coding. What it means stands in the text around it, as the guide has it, never in `display`."""
    return {"system": system, "code": code}


def concept(system: str, code: str, text: str = "") -> Body:
    """A CodeableConcept of one code."""
    return {"coding": [coding(system, code)]} | ({"text": text} if text else {})


def mdc(code: int, loinc: str | None = None) -> Body:
    """A code of the nomenclature, "reference identifier: text" where it is known; LOINC's of the same beside it."""
    made = concept(MDC, str(code), label(code))
    if loinc is not None:
        made["coding"].append(coding(LOINC, loinc))
    return made


def label(code: int) -> str:
    """Reference identifier and text of a code; nothing of one that is not known."""
    known = nomenclature.term(code)
    return f"{known.reference}: {known.text}" if known is not None else ""


def yes_no(told: bool, text: str = "") -> Body:
    """Whether a bit is set."""
    return concept(YES_NO, "Y" if told else "N", text)


def quantity(value: Decimal | int, unit: int) -> Body:
    """In UCUM; by its MDC code where that is all that is known of the unit."""
    known = nomenclature.unit(unit)
    if known is None:
        return {"value": value, "system": MDC, "code": str(unit)}
    return {"value": value, "unit": known.text, "system": UCUM, "code": known.ucum}


def ucum(value: Decimal | int, code: str) -> Body:
    """A Quantity in a unit of UCUM."""
    return {"value": value, "unit": code, "system": UCUM, "code": code}


def units(unit: int) -> str:
    """How a unit is written into identifiers."""
    known = nomenclature.unit(unit)
    return known.ucum if known is not None else str(unit)


def absent(reason: str) -> Body:
    """A dataAbsentReason."""
    return concept(_ABSENT, reason)


def absent_element(reason: str) -> Body:
    """Of a primitive that has no value: what stands under its name with an underscore."""
    return {"extension": [{"url": _ABSENT_EXTENSION, "valueCode": reason}]}


def digits(number: Number) -> str:
    """A number as it is written into identifiers: all its digits, no exponent. A special one by why it is none."""
    return SPECIAL[number] if isinstance(number, Special) else format(number, "f")


def clean(text: str) -> str:
    """A text that FHIR takes: devices pad theirs with zero bytes and spaces."""
    return "".join(one for one in text if (one >= " " and one != "\x7f") or one in "\t\r\n").strip()


def by_identifier(system: str, value: str) -> str:
    """The search for what has that identifier; without a system, for one without. Escaped as a token, then as a URL."""
    value = value.replace("\\", "\\\\").replace("|", "\\|").replace(",", "\\,").replace("$", "\\$")
    return "identifier=" + quote(f"{system}|{value}", safe="")
