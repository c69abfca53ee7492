"""Search parameters that FHIR 3.0 has by another name. https://hl7.org/fhir/STU3/searchparameter-registry.html

Only those that ask for the same: what has no parameter in FHIR 4.0, or one of another kind, has no row. No name of 4.0
is one of the names of 3.0 here for the same type, so that what is renamed stays so. (HL7's 4.0 has an `asserted-date`
on Condition, for an extension; a client of 3.0 means the element.)
"""

from __future__ import annotations

from typing import Final

NAMES: Final[dict[str, dict[str, str]]] = {
    "CarePlan": {"context": "encounter"},
    "CareTeam": {"context": "encounter"},
    "Communication": {"context": "encounter"},
    "Composition": {"class": "category"},
    "Condition": {"asserted-date": "recorded-date", "context": "encounter"},
    "DetectedIssue": {"category": "code", "date": "identified"},
    "DiagnosticReport": {"context": "encounter", "diagnosis": "conclusion", "image": "media"},
    "DocumentManifest": {"content-ref": "item"},
    "DocumentReference": {
        "class": "category",
        "indexed": "date",
        "related-ref": "related",
        "securitylabel": "security-label",
    },
    "Encounter": {"episodeofcare": "episode-of-care", "reason": "reason-code"},
    "EpisodeOfCare": {"incomingreferral": "incoming-referral"},
    "FamilyMemberHistory": {"gender": "sex"},
    "Goal": {"status": "lifecycle-status"},
    "HealthcareService": {"category": "service-category", "type": "service-type"},
    "Immunization": {"practitioner": "performer", "reason": "reason-code", "reason-not-given": "status-reason"},
    "Media": {"context": "encounter", "date": "created", "subtype": "modality"},
    "MedicationAdministration": {"prescription": "request"},
    "MedicationRequest": {"context": "encounter"},
    "Observation": {"context": "encounter"},
    "Procedure": {"context": "encounter"},
    "QuestionnaireResponse": {"context": "encounter", "parent": "part-of"},
    "Schedule": {"type": "service-type"},
    "Slot": {"slot-type": "service-type"},
    "Task": {"context": "encounter"},
}
"""Type -> name in FHIR 3.0 -> name in FHIR 4.0."""

_INCLUDES: Final = frozenset({"_include", "_revinclude"})
_NONE: Final[dict[str, str]] = {}


def renamed(type: str, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The parameters of a search on this type in the names of FHIR 4.0. Of a chain its first name."""
    return [(_name(type, name), _value(type, name, value)) for name, value in pairs]


def _name(type: str, name: str) -> str:
    if name.startswith("_has:") and name.count(":") >= 3:
        _, source, by, rest = name.split(":", 3)
        return f"_has:{source}:{_code(source, by)}:{_name(source, rest)}"
    ends = min((at for at in (name.find(":"), name.find(".")) if at >= 0), default=len(name))
    return _code(type, name[:ends]) + name[ends:]


def _value(type: str, name: str, value: str) -> str:
    if name == "_sort":
        keys = value.split(",")
        return ",".join("-" + _code(type, key[1:]) if key[:1] == "-" else _code(type, key) for key in keys)
    if name.partition(":")[0] in _INCLUDES and ":" in value:
        source, by, *target = value.split(":")
        return ":".join((source, _code(source, by), *target))
    return value


def _code(type: str, name: str) -> str:
    return NAMES.get(type, _NONE).get(name, name)
