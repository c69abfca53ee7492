"""Small valid bodies."""

from __future__ import annotations

from typing import Any

from hilum.fhir.resource import Resource

Body = dict[str, Any]
MRN = "http://hospital.example/mrn"


def patient(mrn: str | None = None, **more: Any) -> Body:
    body: Body = {"resourceType": "Patient"}
    if mrn is not None:
        body["identifier"] = [{"system": MRN, "value": mrn}]
    return body | more


def observation(subject: str, **more: Any) -> Body:
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": code,
        "subject": {"reference": subject},
    } | more


def content(resource: Resource) -> Body:
    """The stored body without id and meta: what the client said."""
    return {key: value for key, value in resource.body.items() if key not in ("id", "meta")}
