"""Codes and the small pieces of FHIR that every demo resource is made of. https://hl7.org/fhir/R4/datatypes.html"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
LANGUAGE = "urn:ietf:bcp:47"
HL7 = "http://terminology.hl7.org/CodeSystem/"
US_CORE = "http://hl7.org/fhir/us/core/"

TOWN = "https://saguaro-bend.example/"
"""Everything that needs a URL of its own; `.example` can never be a real host (RFC 2606)."""

ZONE = timezone(timedelta(hours=-7), "America/Phoenix")
"""The town's clock: Mountain Standard Time all year round, as in most of Arizona."""


class Concept(NamedTuple):
    """One code and its display, and the plain words a patient would use (`text`), where they differ."""

    system: str
    code: str
    display: str
    text: str = ""

    @property
    def words(self) -> str:
        """What people call it."""
        return self.text or self.display

    def coding(self) -> dict[str, Any]:
        """As a Coding."""
        return {"system": self.system, "code": self.code, "display": self.display}

    def concept(self) -> dict[str, Any]:
        """As a CodeableConcept."""
        return {"coding": [self.coding()], "text": self.words}


def snomed(code: str, display: str, text: str = "") -> Concept:
    """A SNOMED CT concept; `display` is its preferred term."""
    return Concept(SNOMED, code, display, text)


def loinc(code: str, display: str, text: str = "") -> Concept:
    """A LOINC term; `display` is its long common name."""
    return Concept(LOINC, code, display, text)


def hl7(system: str, code: str, display: str) -> Concept:
    """A code of one of HL7's own code systems, named by the last part of its URL."""
    return Concept(HL7 + system, code, display)


HTEST = hl7("v3-ActReason", "HTEST", "test health data")
"""Marks invented data, so that it can never be taken for a real record. https://hl7.org/fhir/R4/testing.html"""


def resource(type: str, id: str, /, **elements: Any) -> dict[str, Any]:
    """A resource labelled as test data; elements that are None are left out, and `class_` is written `class`."""
    body: dict[str, Any] = {"resourceType": type, "id": id, "meta": {"security": [HTEST.coding()]}}
    body.update((name.rstrip("_"), value) for name, value in elements.items() if value is not None)
    return body


def reference(target: str, display: str = "") -> dict[str, Any]:
    """A Reference to `Type/id`."""
    return {"reference": target, "display": display} if display else {"reference": target}


def quantity(value: Decimal | int, unit: str, code: str) -> dict[str, Any]:
    """A Quantity with a UCUM code."""
    return {"value": value, "unit": unit, "system": UCUM, "code": code}


def rounded(value: float, digits: int) -> Decimal | int:
    """The number as it would be written down: `37.6`, `120`. The digits are part of the value in FHIR."""
    return int(f"{value:.0f}") if digits == 0 else Decimal(f"{value:.{digits}f}")


def when(moment: datetime) -> str:
    """A dateTime or instant in the town's zone: `2024-03-05T09:30:00-07:00`."""
    return moment.isoformat(timespec="seconds")


def day(value: date) -> str:
    """A date, whatever time of day comes with it."""
    return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"


def age(birth: date, on: date) -> int:
    """Whole years."""
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))
