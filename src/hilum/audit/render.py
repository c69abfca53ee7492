"""Events as AuditEvents, in the patterns of IHE's Basic Audit Log Patterns. https://profiles.ihe.net/ITI/BALP/content.html

An event claims a profile only where it conforms to it: those of BALP are of what succeeded, and PatientQuery is of one
patient. What a search of several patients' records showed is one event, too, that names them all.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from hilum.audit.entry import EVENTS
from hilum.audit.event import Event
from hilum.audit.noise import NOBODY
from hilum.fhir.resource import instant

Json = dict[str, Any]

PROFILES: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"
DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
REST: Final = "http://hl7.org/fhir/restful-interaction"
TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
ENTITY: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
CUSTODIAN: Final = ("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian")
APPLICATION: Final = (DCM, "110150")
SOURCE: Final = (DCM, "110153")
DESTINATION: Final = (DCM, "110152")
RECIPIENT: Final = (PARTICIPATION, "IRCP")
AUTHOR: Final = (PARTICIPATION, "AUT")
AUTHORIZER: Final = (f"{PROFILES.removesuffix('StructureDefinition/')}CodeSystem/UserAgentTypes", "AuthzOauthService")
REQUEST_ID: Final = (f"{PROFILES.removesuffix('StructureDefinition/')}CodeSystem/BasicAuditEntityType", "XrequestId")
OWN: Final = "urn:hilum:audit-event"
"""The system of the codes of security events that nobody else has a code for (`EVENTS`)."""

Code = tuple[str, str]


class Pattern(NamedTuple):
    """How an interaction is told: its subtype and action, BALP's profile for it ("": it has none), who is which agent.

    `query`: what was asked is told, else the one resource.
    """

    subtype: str
    action: str
    profile: str
    client: Code
    server: Code
    user: Code
    query: bool = False


PATTERNS: Final = {
    # Data flows from the server to the client; but parameters of a search the other way, as DICOM has it.
    "read": Pattern("read", "R", "Read", DESTINATION, SOURCE, RECIPIENT),
    "vread": Pattern("vread", "R", "Read", DESTINATION, SOURCE, RECIPIENT),
    "search-type": Pattern("search-type", "E", "Query", SOURCE, DESTINATION, RECIPIENT, query=True),
    "search-system": Pattern("search-system", "E", "Query", SOURCE, DESTINATION, RECIPIENT, query=True),
    "search-compartment": Pattern("search", "E", "Query", SOURCE, DESTINATION, RECIPIENT, query=True),
    "create": Pattern("create", "C", "Create", SOURCE, DESTINATION, AUTHOR),
    "update": Pattern("update", "U", "Update", SOURCE, DESTINATION, AUTHOR),
    "patch": Pattern("patch", "U", "Update", SOURCE, DESTINATION, AUTHOR),
    "delete": Pattern("delete", "D", "Delete", APPLICATION, CUSTODIAN, AUTHOR),
    "history-instance": Pattern("history-instance", "R", "", DESTINATION, SOURCE, RECIPIENT, query=True),
    "history-type": Pattern("history-type", "R", "", DESTINATION, SOURCE, RECIPIENT, query=True),
    "history-system": Pattern("history-system", "R", "", DESTINATION, SOURCE, RECIPIENT, query=True),
    "capabilities": Pattern("capabilities", "R", "", DESTINATION, SOURCE, RECIPIENT),
    "batch": Pattern("batch", "E", "", SOURCE, DESTINATION, AUTHOR),
    "transaction": Pattern("transaction", "E", "", SOURCE, DESTINATION, AUTHOR),
}
_OPERATION: Final = Pattern("operation", "E", "", SOURCE, DESTINATION, RECIPIENT, query=True)
_UNKNOWN: Final = _OPERATION._replace(query=False)
"""Refused before it was clear what was asked."""
_PATHS: Final = {"history-instance": "/_history", "history-type": "/_history", "history-system": "_history"}

DICOM: Final = {
    "User Authentication": "110114",
    "Security Alert": "110113",
    "Audit Log Used": "110101",
    "Export": "110106",
}
SUBTYPES: Final = {
    "sign-in": "110122",
    "sign-in-failed": "110122",
    "ehr-sign-in": "110122",
    "ehr-sign-in-failed": "110122",
    "second-factor": "110122",
    "sign-out": "110123",
    "client": "110129",
    "key": "110129",
    "setting": "110129",
    "destination": "110129",
    "device": "110129",
    "register": "110129",
    "user": "110137",
    "role": "110136",
}
"""Security events -> the code that DICOM has for their kind, beside hilum's own."""
_GET_TOKEN: Final = frozenset(("token", "refresh"))
_NAME: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def render(event: Event, base: str) -> Json:
    """The AuditEvent. `base`: of the FHIR API, `https://fhir.example.org/fhir`."""
    body: Json = {
        "resourceType": "AuditEvent",
        "id": event.id,
        "meta": {"versionId": "1", "lastUpdated": instant(event.at)},
    }
    described = _security(event, base) if event.interaction in EVENTS else _interaction(event, base)
    if profiles := described.pop("profiles"):
        body["meta"]["profile"] = [PROFILES + name for name in profiles]
    body.update(described)
    return body


# --- what happened ----------------------------------------------------------------------------------------------------


def _interaction(event: Event, base: str) -> Json:
    pattern = PATTERNS.get(event.interaction, _OPERATION if event.interaction[:1] == "$" else _UNKNOWN)
    subtypes = [_coding(REST, pattern.subtype)]
    if event.interaction[:1] == "$":
        subtypes.append(_coding(OWN, event.interaction))
    elif pattern is _UNKNOWN:
        subtypes = [_coding(OWN, event.interaction or "unknown")]
    if event.within in PATTERNS:
        subtypes.append(_coding(REST, event.within))
    patients = event.patients or ((event.who.patient,) if pattern.query and event.who.patient else ())
    entities = [_asked(event, pattern)] if pattern.query else [_about(event)] if event.type else []
    entities += [_patient(id) for id in patients]
    if event.request:
        entities.append({"what": {"identifier": {"value": event.request}}, "type": _coding(*REQUEST_ID)})
    if event.who.grant:
        consent = _coding("http://hl7.org/fhir/resource-types", "Consent")
        entities.append({"what": {"reference": f"Consent/{event.who.grant}"}, "type": consent})
    return {
        "profiles": _profiles(event, pattern, patients),
        "type": _coding(TYPES, "rest"),
        "subtype": subtypes,
        "action": pattern.action,
        "recorded": instant(event.at),
        **_outcome(event.status),
        "agent": _agents(event, pattern, base),
        "source": _source(base, "4"),
        "entity": entities,
    }


def _security(event: Event, base: str) -> Json:
    """Sign-ins, tokens, changes of who may do what. https://profiles.ihe.net/ITI/IUA/ (ITI-71)"""
    name = event.interaction
    token = name in _GET_TOKEN
    subtypes = [_coding(DCM, SUBTYPES[name])] if name in SUBTYPES else []
    subtypes.append(_coding("urn:ihe:event-type-code", "ITI-71") if token else _coding(OWN, name))
    pattern = Pattern(name, "E", "", APPLICATION, AUTHORIZER, RECIPIENT, query=True)
    entities = [{"type": _coding(ENTITY, "2"), "role": _coding(ROLE, "24"), "query": _base64(event.query or "{}")}]
    if not token:
        entities += [_patient(id) for id in event.patients]
    return {
        "profiles": ["IHE.IUA.71"] if token and event.status < 400 else [],
        "type": _coding(DCM, DICOM[EVENTS[name]]),
        "subtype": subtypes,
        "action": "E",
        "recorded": instant(event.at),
        **_outcome(event.status),
        "agent": _agents(event, pattern, base),
        "source": _source(base, "6"),
        "entity": entities,
    }


def _profiles(event: Event, pattern: Pattern, patients: tuple[str, ...]) -> list[str]:
    if event.status >= 400:
        return []
    found: list[str] = []
    if pattern.profile:
        found.append(f"IHE.BasicAudit.{'Patient' if len(patients) == 1 else ''}{pattern.profile}")
    if event.who.token:
        found.append("IHE.BasicAudit.OAUTHaccessTokenUse.Comprehensive")
    return found


def _outcome(status: int) -> Json:
    if status < 400:
        return {"outcome": "0"}
    return {"outcome": "4" if status < 500 else "8", "outcomeDesc": f"HTTP status {status}"}


# --- who --------------------------------------------------------------------------------------------------------------


def _agents(event: Event, pattern: Pattern, base: str) -> list[Json]:
    who, parts = event.who, urlsplit(base)
    origin = f"{parts.scheme}://{parts.netloc}"
    client = {"identifier": {"system": f"{origin}/clients", "value": who.client}}
    network = _network(event.address)
    user = who.user or (who.agent if who.agent not in (who.client, NOBODY) else "")
    agents: list[Json] = [
        {"type": _concept(pattern.client), "who": client, "requestor": not user, "network": network},
        {
            "type": _concept(pattern.server),
            "who": {"identifier": {"value": origin}},
            "requestor": False,
            "network": _network(parts.hostname or ""),
        },
    ]
    if who.token and pattern.client != APPLICATION:
        agents.append({"type": _concept(APPLICATION), "who": client, "requestor": False, "network": network})
    if user:
        agents.append(_user(event, user, origin, pattern))
    elif who.token:
        agents[0]["policy"] = [_jti(who.token)]
    return agents


def _user(event: Event, user: str, origin: str, pattern: Pattern) -> Json:
    who = event.who
    named: Json = {"identifier": {"system": origin, "value": user}}
    if who.fhir_user:
        named["reference"] = who.fhir_user
    found: Json = {"type": _concept(pattern.user)}
    if who.roles:
        found["role"] = [{"text": role} for role in who.roles]
    found.update(who=named, name=who.agent, requestor=True)
    if who.token:
        found["policy"] = [_jti(who.token)]
    return found


def _jti(token: str) -> str:
    return f"urn:ietf:params:oauth:jti:{token}"


def _network(address: str) -> Json:
    """https://hl7.org/fhir/R4/valueset-network-type.html: 2 an IP address, 1 the name of a machine."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return {"address": address or "unknown", "type": "1"}
    return {"address": address, "type": "2"}


def _source(base: str, kind: str) -> Json:
    parts = urlsplit(base)
    found = {"identifier": {"value": f"{parts.scheme}://{parts.netloc}"}}
    system = "http://terminology.hl7.org/CodeSystem/security-source-type"
    return {"site": parts.netloc, "observer": found, "type": [_coding(system, kind)]}


# --- what about -------------------------------------------------------------------------------------------------------


def _about(event: Event) -> Json:
    what: Json = {"identifier": {"value": event.about[:64]}} if event.about else {"type": event.type}
    if _NAME.fullmatch(event.about):
        version = f"/_history/{event.version}" if event.version else ""
        what = {"reference": f"{event.type}/{event.about}{version}"}
    return {"what": what, "type": _coding(ENTITY, "2"), "role": _coding(ROLE, "4")}


def _asked(event: Event, pattern: Pattern) -> Json:
    """What was asked, as it was sent, and the names of its parameters."""
    path = "/".join(part for part in (event.type, event.about) if part)
    if event.interaction == "search-compartment":
        path, query = f"{path}/", event.query
    else:
        path += _PATHS.get(event.interaction, "")
        if pattern is _OPERATION and event.interaction[:1] == "$":
            path = f"{path}/{event.interaction}" if path else event.interaction
        query = f"?{event.query}" if event.query else ""
    found: Json = {"type": _coding(ENTITY, "2"), "role": _coding(ROLE, "24")}
    names = dict.fromkeys(name for name, _ in parse_qsl(event.query.rpartition("?")[2], keep_blank_values=True))
    if names and event.interaction != "$graphql":
        found["description"] = ", ".join(names)
    found["query"] = _base64(path + query or "?")
    return found


def _patient(id: str) -> Json:
    return {"what": {"reference": f"Patient/{id}"}, "type": _coding(ENTITY, "1"), "role": _coding(ROLE, "1")}


def _coding(system: str, code: str) -> Json:
    return {"system": system, "code": code}


def _concept(code: Code) -> Json:
    return {"coding": [_coding(*code)]}


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()
