"""When care was given, by the dates that a resource can be searched by: `start` and `end` of $everything.

https://hl7.org/fhir/R4/patient-operation-everything.html: "the date range relates to care dates, not record currency
dates". What has none is of any time: who the patient is, what they are insured by.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from hilum.fhir.resource import Resource
from hilum.search.dates import MAX_DATE
from hilum.search.index import index
from hilum.search.parameters import table

CARE: Final[dict[str, tuple[str, ...]]] = {
    "Account": ("period",),
    "Basic": ("created",),
    "ChargeItem": ("occurrence",),
    "Claim": ("created",),
    "ClaimResponse": ("created",),
    "Communication": ("sent", "received"),
    "CommunicationRequest": ("occurrence", "authored"),
    "Composition": ("date", "period"),
    "Condition": ("onset-date", "abatement-date", "recorded-date"),
    "Consent": ("date", "period"),
    "CoverageEligibilityRequest": ("created",),
    "CoverageEligibilityResponse": ("created",),
    "DetectedIssue": ("identified",),
    "DeviceRequest": ("event-date", "authored-on"),
    "DiagnosticReport": ("date", "issued"),
    "DocumentManifest": ("created",),
    "DocumentReference": ("date", "period"),
    "ExplanationOfBenefit": ("created",),
    "Goal": ("start-date", "target-date"),
    "ImagingStudy": ("started",),
    "MeasureReport": ("period",),
    "Media": ("created",),
    "MedicationAdministration": ("effective-time",),
    "MedicationDispense": ("whenprepared", "whenhandedover"),
    "MedicationRequest": ("date", "authoredon"),
    "MedicationStatement": ("effective",),
    "NutritionOrder": ("datetime",),
    "Provenance": ("when",),
    "QuestionnaireResponse": ("authored",),
    "RequestGroup": ("authored",),
    "ServiceRequest": ("occurrence", "authored"),
    "Specimen": ("collected",),
    "VisionPrescription": ("datewritten",),
}
"""Resource type -> the search parameters that say when the care was; for all others it is `date`, if they have it."""

ENDS: Final[dict[str, str]] = {"Condition": "abatement-date", "Goal": "target-date"}
"""Resource type -> the search parameter that says when it was over: as long as none says so, it goes on. A chronic
illness must not drop out of a record because it began long ago."""


def given(resource: Resource, start: int, end: int) -> bool:
    """Whether the care that the resource tells of was, in part at least, between `start` and `end` (microseconds).

    A resource with several dates, such as onset and abatement, covers the time between them; one that has begun and
    has no end (`ENDS`) goes on. One without any date is given at all times.
    """
    numbers = _numbers(resource.type)
    if not numbers:
        return True
    found = [row for row in index(resource.type, resource.body, resource.id).dates if row.parameter in numbers]
    if not found:
        return True
    last = max(row.high for row in found)
    if resource.type in ENDS:
        over = table(resource.type)[ENDS[resource.type]].numbers
        last = last if any(row.parameter in over for row in found) else MAX_DATE
    return min(row.low for row in found) <= end and last >= start


@cache
def _numbers(type: str) -> frozenset[int]:
    known = table(type)
    codes = CARE.get(type, ("date",))
    dates = (known[code] for code in codes if code in known and known[code].type == "date")
    return frozenset(number for parameter in dates for number in parameter.numbers)
