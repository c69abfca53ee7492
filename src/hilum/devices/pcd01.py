"""An upload of PCD-01 as the bundle that an agent with FHIR would have sent: the same resources, the same identifiers.

PID-3 names the patient: CX-4 says who assigned it, and its universal id becomes the system, as HL7's mapping has it
(https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-datatype-cx-to-identifier.html). An authority that has only a name
in its own place gets a system of this server's, so that who runs it can say which Patient has such an identifier.

A UUID of type PI (patient internal identifier) that nobody assigned is a Patient's logical id here, as agents write it
that were told one. No other text is: a number without an authority is anybody's.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from hilum.hl7v2.pcd01 import Identifier, Upload
from hilum.phd.fhir import Patient, bundle
from hilum.phd.fhir.concepts import Body
from hilum.phd.reading import Device

PERSON: Final = "/devices/person"
"""Below the origin: the system of identifiers that only say which user of which device it is."""
AUTHORITY: Final = "/devices/authority"
"""Below the origin: the system of identifiers whose authority has no universal id; its name follows."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SCHEMES: Final = ("http://", "https://", "urn:")
_PREFIXES: Final = {"ISO": "urn:oid:", "UUID": "urn:uuid:", "GUID": "urn:uuid:", "URI": ""}
"""HD.3, table 0301 -> what stands before HD.2 in a URI."""


def transaction(upload: Upload, origin: str, id: str) -> Body:
    """The bundle. `origin`: of this server. `id`: a urn:uuid, the same for the same message."""
    gateway = Device(
        upload.gateway.system_id,
        name=upload.gateway.name,
        synchronization=upload.gateway.synchronization,
        accuracy=upload.gateway.accuracy,
    )
    found = patients(upload, origin)
    made = bundle(upload.taken, gateway, found[0], id)
    for entry in made["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            entry["resource"]["identifier"] = [one for each in found for one in each.body()["identifier"]]
    return made


def patients(upload: Upload, origin: str) -> tuple[Patient, ...]:
    """The identifiers of the one patient; first the one that identifiers of measurements are made with: that of a
    device's user, or else the first.
    """
    own = [one.value for one in upload.patient if _is_own(one)]
    if own and len(upload.patient) == 1:
        return (Patient(id=own[0]),)
    made = dict.fromkeys(
        Patient(system=system(one, origin), value=one.value, type=one.type or "MR") for one in upload.patient
    )
    return tuple(sorted(made, key=lambda one: one.system != origin + PERSON))


def _is_own(one: Identifier) -> bool:
    return one.type == "PI" and not (one.universal or one.namespace) and _UUID.fullmatch(one.value) is not None


def system(identifier: Identifier, origin: str) -> str:
    """The URI of who assigned an identifier."""
    for text in (identifier.universal, identifier.namespace):
        if text.startswith(_SCHEMES):
            return text
    prefix = _PREFIXES.get(identifier.universal_type)
    if identifier.universal and prefix is not None:
        universal = identifier.universal
        return prefix + (universal.lower() if prefix == "urn:uuid:" else universal)
    name = identifier.namespace or identifier.universal
    return origin + AUTHORITY + (f"/{quote(name, safe='')}" if name else "")
