"""Allergies, or that there are none known. https://hl7.org/fhir/R4/allergyintolerance.html"""

from __future__ import annotations

from typing import Any, NamedTuple

from hilum.demo.chart import Chart
from hilum.demo.codes import Concept, day, hl7, snomed
from hilum.demo.town import practitioner


class Allergy(NamedTuple):
    """An allergy: category (AllergyIntolerance.category), how grave, and what it does."""

    code: Concept
    category: str
    criticality: str
    reaction: Concept
    severity: str


_RASH = snomed("271807003", "Eruption of skin", "Rash")
_HIVES = snomed("126485001", "Urticaria", "Hives")
_SNEEZING = snomed("76067001", "Sneezing")
_BREATHLESS = snomed("267036007", "Dyspnea", "Short of breath")
_ANAPHYLAXIS = snomed("39579001", "Anaphylaxis")

ALLERGIES = {
    "penicillin": Allergy(snomed("91936005", "Allergy to penicillin"), "medication", "high", _HIVES, "moderate"),
    "peanut": Allergy(snomed("91935009", "Allergy to peanut"), "food", "high", _ANAPHYLAXIS, "severe"),
    "dust": Allergy(snomed("232350006", "House dust mite allergy"), "environment", "low", _SNEEZING, "mild"),
    "grass": Allergy(snomed("418689008", "Allergy to grass pollen"), "environment", "low", _SNEEZING, "mild"),
    "mould": Allergy(snomed("419474003", "Allergy to mould"), "environment", "low", _BREATHLESS, "mild"),
    "shellfish": Allergy(snomed("300913006", "Shellfish allergy"), "food", "high", _HIVES, "moderate"),
    "bee": Allergy(snomed("424213003", "Allergy to bee venom"), "environment", "high", _ANAPHYLAXIS, "severe"),
    "latex": Allergy(snomed("300916003", "Latex allergy"), "environment", "low", _RASH, "mild"),
}
_NONE_KNOWN = snomed("716186003", "No known allergy")
_ACTIVE = hl7("allergyintolerance-clinical", "active", "Active")
_CONFIRMED = hl7("allergyintolerance-verification", "confirmed", "Confirmed")


def allergies(chart: Chart) -> None:
    """Write each allergy, or the statement that there is none."""
    if not chart.life.allergies:
        _write(chart, _NONE_KNOWN)
    for key in chart.life.allergies:
        allergy = ALLERGIES[key]
        _write(
            chart,
            allergy.code,
            type="allergy",
            category=[allergy.category],
            criticality=allergy.criticality,
            reaction=[{"manifestation": [allergy.reaction.concept()], "severity": allergy.severity}],
        )


def _write(chart: Chart, code: Concept, /, **details: Any) -> None:
    """Recorded at the first visit, when patients are asked."""
    visit = chart.life.visits[0]
    chart.add(
        "AllergyIntolerance",
        clinicalStatus=_ACTIVE.concept(),
        verificationStatus=_CONFIRMED.concept(),
        code=code.concept(),
        patient=chart.subject,
        encounter=chart.encounter(visit),
        recordedDate=day(visit.day),
        recorder=practitioner(visit.practitioner),
        **details,
    )
