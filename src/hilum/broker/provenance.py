"""Where copies come from, as a Provenance. https://hl7.org/fhir/R4/provenance.html"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from hilum.broker.connection import Connection
from hilum.fhir.resource import instant
from hilum.fhirpath.references import local

GRANTS: Final = {
    "client_credentials": "https://www.rfc-editor.org/rfc/rfc6749#section-4.4",
    "authorization_code": "https://www.rfc-editor.org/rfc/rfc6749#section-4.1",
}
"""What the EHR has granted access by: nobody was present, or a person was."""
BASED_ON: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Provenance.basedOn"
"""R5's element, as R4 says that it is carried: https://hl7.org/fhir/R4/versions.html#extensions"""
_URI: Final = "urn:ietf:rfc:3986"
_PARTICIPANT: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


@dataclass(frozen=True, slots=True)
class Authority:
    """Under which grant it was gathered, on whose behalf (a reference here, `Practitioner/7`, or a name), and by which
    order (`Task/17`).
    """

    grant: Literal["client_credentials", "authorization_code"]
    behalf: str = ""
    order: str = ""


def provenance(
    targets: Sequence[str], connection: Connection, recipe: str, authority: Authority, base: str, now: int
) -> dict[str, Any]:
    """That of one gather. `targets`: the versions that it has made, the patient first. `base`: hilum's own; `now`:
    microseconds since 1970.
    """
    agent: dict[str, Any] = {
        "type": {"coding": [{"system": _PARTICIPANT, "code": "assembler", "display": "Assembler"}]},
        "who": {"type": "Device", "identifier": {"system": _URI, "value": base}, "display": "hilum"},
    }
    if local(authority.behalf):
        agent["onBehalfOf"] = {"reference": authority.behalf}
    elif authority.behalf:
        agent["onBehalfOf"] = {"identifier": {"value": authority.behalf}, "display": authority.behalf}
    source = {
        "type": "Endpoint",
        "identifier": {"system": _URI, "value": connection.base},
        "display": connection.title or connection.name,
    }
    body: dict[str, Any] = {
        "resourceType": "Provenance",
        "target": [{"reference": one} for one in targets],
        "recorded": instant(now),
        "policy": [GRANTS[authority.grant]],
        "activity": {"text": f"Gathered by the recipe {recipe}"},
        "agent": [agent],
        "entity": [{"role": "source", "what": source}],
    }
    if authority.order:
        body["extension"] = [{"url": BASED_ON, "valueReference": {"reference": authority.order}}]
    return body
