"""Make src/hilum/versions/stu3.json.gz: what STU3 (3.0.2) consists of, as far as hilum converts it.

Run by hand, with fhir.resources of PyPI installed, whose models are generated from HL7's STU3 definitions (CC0):
`python scripts/compile_stu3.py`. Only facts are taken over: names, order, types, cardinalities and reference targets.
"""

from __future__ import annotations

import gzip
import importlib
import json
import re
import typing
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parents[1] / "src" / "hilum" / "versions" / "stu3.json.gz"

_RESOURCES = """
Account AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic Binary Bundle CapabilityStatement CarePlan
CareTeam Communication Composition Condition Consent Coverage DetectedIssue Device DeviceMetric DiagnosticReport
DocumentManifest DocumentReference Encounter Endpoint EpisodeOfCare FamilyMemberHistory Flag Goal Group
HealthcareService ImagingStudy Immunization Linkage List Location Media Medication MedicationAdministration
MedicationDispense MedicationRequest MedicationStatement MessageHeader NutritionOrder Observation OperationOutcome
Organization Parameters Patient Person Practitioner PractitionerRole Procedure Provenance Questionnaire
QuestionnaireResponse RelatedPerson RiskAssessment Schedule Slot Specimen Subscription Substance SupplyDelivery Task
ValueSet CodeSystem
"""
RESOURCES = _RESOURCES.split()


def model(name: str) -> Any:
    """The class of a resource, a datatype or a backbone element."""
    types = importlib.import_module("fhir.resources.STU3.fhirtypes")
    return getattr(types, f"{name}Type").get_model_klass()


def name_of(annotation: Any) -> tuple[str, bool]:
    """The FHIR type in an annotation, and whether it is a list."""
    many = False
    while typing.get_origin(annotation) is not None:
        origin, args = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            marker = type(args[1]).__name__
            return marker[0].lower() + marker[1:], many
        args = tuple(one for one in args if one is not type(None))
        many = many or origin is list
        annotation = args[0]
    text = getattr(annotation, "__name__", str(annotation))
    return re.sub(r"Type$", "", text), many


PRIMITIVE = {
    "str": "string",
    "bool": "boolean",
    "int": "integer",
    "datetime": "dateTime",
    "encodedBytes": "base64Binary",
}


def elements(name: str) -> tuple[list[dict[str, Any]], set[str]]:
    """The elements of a type in order, and the types that they have."""
    cls = model(name)
    fields = {field.alias or key: field for key, field in cls.model_fields.items()}
    found: dict[str, dict[str, Any]] = {}
    used: set[str] = set()
    for alias in cls.elements_sequence():
        field = fields[alias]
        extra = field.json_schema_extra or {}
        type_, many = name_of(field.annotation)
        type_ = PRIMITIVE.get(type_, type_)
        choice = extra.get("one_of_many")
        element = found.setdefault(choice or alias, {"name": choice or alias})
        if choice:
            element["choice"] = True
            type_ = alias[len(choice) :]
            type_ = type_[0].lower() + type_[1:] if type_[0].lower() + type_[1:] in LOWER else type_
        if type_ not in element.setdefault("types", []):
            element["types"].append(type_)
        used.add(type_)
        if many:
            element["max"] = "*"
        if extra.get("element_required") or extra.get("one_of_many_required") or field.is_required():
            element["min"] = 1
        if extra.get("enum_reference_types"):
            element["targets"] = sorted(set(extra["enum_reference_types"]) | set(element.get("targets", ())))
    return list(found.values()), used


_LOWER = """
base64Binary boolean code date dateTime decimal id instant integer markdown oid positiveInt string time unsignedInt uri
uuid xhtml
"""
LOWER = set(_LOWER.split())


def main() -> None:
    """Write the file."""
    types: dict[str, Any] = {}
    waiting = [*RESOURCES, "Element"]
    while waiting:
        name = waiting.pop()
        if name in types or name in LOWER or name == "Resource":
            continue
        own, used = elements(name)
        types[name] = own
        waiting += sorted(used)
    text = json.dumps({"version": "3.0.2", "resources": sorted(RESOURCES), "types": dict(sorted(types.items()))})
    OUT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(len(types), "types", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
