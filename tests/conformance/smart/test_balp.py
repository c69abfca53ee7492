"""What an access leaves behind, in the patterns of IHE's Basic Audit Log Patterns, read by an auditor over HTTP.

https://profiles.ihe.net/ITI/BALP/content.html
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from tests.conformance.smart.backend import claims_of, service
from tests.conformance.smart.ground import App, Ground
from tests.conformance.smart.people import ADA, AUDITOR, KIM
from tests.journeys.server import FHIR_JSON

DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
PROFILES: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"
TOKEN: Final = f"{PROFILES}IHE.BasicAudit.OAUTHaccessTokenUse.Comprehensive"
REQUEST: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
LATEST_SECONDS: Final = 20


@dataclass(frozen=True)
class Pattern:
    """The fixed values of a profile: `PatientRead.fsh` and its neighbours. `agents`: codes of client, server, user."""

    subtype: str
    action: str
    agents: tuple[str, str, str]
    query: bool = False


PATTERNS: Final[Mapping[str, Pattern]] = {
    "Create": Pattern("create", "C", ("110153", "110152", "AUT")),
    "Read": Pattern("read", "R", ("110152", "110153", "IRCP")),
    "Update": Pattern("update", "U", ("110153", "110152", "AUT")),
    "Delete": Pattern("delete", "D", ("110150", "custodian", "AUT")),
    "Query": Pattern("search-type", "E", ("110153", "110152", "IRCP"), query=True),
}


@dataclass(frozen=True)
class Ear:
    """Who may read the log."""

    fhir: httpx.Client

    def event(self, request: str, type: str = "rest") -> dict[str, Any]:
        """The event of the request with this id; what was read comes to the store after some seconds."""
        ends = time.monotonic() + LATEST_SECONDS
        while time.monotonic() < ends:
            answer = self.fhir.get("AuditEvent", params={"type": type, "_count": 200, "_sort": "-date"})
            assert answer.status_code == 200, answer.text
            for entry in answer.json().get("entry", []):
                if request in requests_of(entry["resource"]):
                    return dict(entry["resource"])
            time.sleep(0.5)
        raise AssertionError(f"no event of request {request}")


def requests_of(event: dict[str, Any]) -> list[str]:
    wanted = {"system": REQUEST, "code": "XrequestId"}
    return [one["what"]["identifier"]["value"] for one in event["entity"] if one.get("type") == wanted]


@pytest.fixture(scope="module")
def ear(ground: Ground) -> Iterator[Ear]:
    with ground.server.client("system/AuditEvent.rs") as fhir:
        yield Ear(fhir)


@pytest.fixture(scope="module")
def answer(ground: Ground, app: App) -> dict[str, Any]:
    return ground.tokens(app, "openid fhirUser user/*.cruds", KIM)


@pytest.fixture(scope="module")
def fhir(ground: Ground, answer: dict[str, Any]) -> Iterator[httpx.Client]:
    with ground.fhir(answer) as client:
        yield client


def observation(of: str | None) -> dict[str, Any]:
    subject = {"subject": {"reference": f"Patient/{of}"}} if of else {}
    return {"resourceType": "Observation", "status": "final", "code": {"text": "heard"}} | subject


def _written(fhir: httpx.Client, kind: str, of: str | None) -> httpx.Response:
    made = fhir.post("Observation", json=observation(of), headers=FHIR_JSON)
    path = f"Observation/{made.json()['id']}"
    if kind == "Create":
        return made
    if kind == "Update":
        return fhir.put(path, json=made.json() | {"status": "amended"}, headers=FHIR_JSON)
    return fhir.delete(path)


WAYS: Final[Mapping[str, Callable[[httpx.Client, str | None], httpx.Response]]] = {
    "Create": lambda fhir, of: _written(fhir, "Create", of),
    "Update": lambda fhir, of: _written(fhir, "Update", of),
    "Delete": lambda fhir, of: _written(fhir, "Delete", of),
    "Read": lambda fhir, of: fhir.get("Observation/o1" if of else "Practitioner/kim"),
    "Query": lambda fhir, of: fhir.get("Observation?patient=p1&code:text=obs" if of else "Organization?name=Lake"),
}


@pytest.fixture(scope="module")
def done(fhir: httpx.Client) -> dict[tuple[str, str | None], httpx.Response]:
    """All accesses at once, since what was read comes to the store with a delay."""
    return {(kind, of): way(fhir, of) for kind, way in WAYS.items() for of in ("p1", None)}


@pytest.mark.parametrize("of", ["p1", None], ids=["of a patient", "of nobody"])
@pytest.mark.parametrize("kind", PATTERNS)
def test_balp_an_access_leaves_an_event_of_its_pattern(
    ground: Ground, app: App, ear: Ear, done: dict[tuple[str, str | None], httpx.Response], kind: str, of: str | None
) -> None:
    one, pattern = done[kind, of], PATTERNS[kind]
    assert one.is_success, one.text
    event = ear.event(one.headers["x-request-id"])
    assert f"{PROFILES}IHE.BasicAudit.{'Patient' if of else ''}{kind}" in event["meta"]["profile"]
    assert (event["type"]["code"], event["action"], event["outcome"]) == ("rest", pattern.action, "0")
    assert event["subtype"][0] == {"system": "http://hl7.org/fhir/restful-interaction", "code": pattern.subtype}
    agents = {one["type"]["coding"][0]["code"]: one for one in event["agent"]}
    client, server, user = (agents[code] for code in pattern.agents)
    assert client["who"]["identifier"]["value"] == app.id
    assert client["network"]["address"] not in ("", "unknown")
    assert server["who"]["identifier"]["value"] == ground.origin
    assert (user["requestor"], server["requestor"]) == (True, False)
    assert user["who"] == {
        "reference": "Practitioner/kim",
        "identifier": {"system": ground.origin, "value": ground.users[KIM]},
    }
    assert user["role"] == [{"text": "practitioner"}]
    patients = [one["what"]["reference"] for one in event["entity"] if one.get("role", {}).get("code") == "1"]
    assert patients == ([f"Patient/{of}"] if of else [])
    about = [one for one in event["entity"] if one.get("role", {}).get("code") == ("24" if pattern.query else "4")]
    assert len(about) == 1
    if pattern.query:
        asked = base64.b64decode(about[0]["query"]).decode()
        assert asked == ("Observation?patient=p1&code:text=obs" if of else "Organization?name=Lake")


def test_balp_a_use_of_a_token_names_its_id_and_its_consent(
    ear: Ear, fhir: httpx.Client, answer: dict[str, Any]
) -> None:
    event = ear.event(fhir.get("Observation/o2").headers["x-request-id"])
    claims = claims_of(answer["access_token"])
    assert TOKEN in event["meta"]["profile"]
    (user,) = [one for one in event["agent"] if one["requestor"]]
    assert user["policy"] == [f"urn:ietf:params:oauth:jti:{claims['jti']}"]
    assert f"Consent/{claims['grant']}" in [one["what"].get("reference") for one in event["entity"]]


def test_balp_a_service_is_its_own_requestor(ground: Ground, ear: Ear) -> None:
    nightly = service(ground)
    token = nightly.token()
    with ground.fhir(token) as fhir:
        event = ear.event(fhir.get("Patient/p2").headers["x-request-id"])
    (client,) = [one for one in event["agent"] if one["requestor"]]
    assert client["who"]["identifier"]["value"] == nightly.id
    assert client["policy"] == [f"urn:ietf:params:oauth:jti:{claims_of(token)['jti']}"]


def test_balp_a_query_by_post_is_told_as_one_by_get(ear: Ear, fhir: httpx.Client) -> None:
    done = fhir.post("Observation/_search", data={"patient": "p1", "code:text": "posted"})
    event = ear.event(done.headers["x-request-id"])
    assert f"{PROFILES}IHE.BasicAudit.PatientQuery" in event["meta"]["profile"]
    (query,) = [one for one in event["entity"] if "query" in one]
    assert base64.b64decode(query["query"]).decode() == "Observation?patient=p1&code%3Atext=posted"


def test_balp_what_was_refused_is_told_too_and_claims_no_profile_of_success(ground: Ground, app: App, ear: Ear) -> None:
    narrow = ground.tokens(app, "launch/patient patient/Patient.rs", ADA)
    with ground.fhir(narrow) as fhir:
        requests = {path: fhir.get(path) for path in ("Observation/o1", "Patient/p2")}
    assert {path: one.status_code for path, one in requests.items()} == {"Observation/o1": 403, "Patient/p2": 404}
    for path, done in requests.items():
        event = ear.event(done.headers["x-request-id"])
        assert event["outcome"] == "4", path
        assert "profile" not in event["meta"]
        assert [one["who"]["reference"] for one in event["agent"] if one["requestor"]] == ["Patient/p1"] or (
            [one["who"]["identifier"]["value"] for one in event["agent"] if one["requestor"]] == [ground.users[ADA]]
        )


def test_balp_the_making_of_a_token_is_an_event_of_its_own(ground: Ground, ear: Ear) -> None:
    nightly = service(ground)
    jti = claims_of(nightly.token())["jti"]
    ends = time.monotonic() + LATEST_SECONDS
    found: list[dict[str, Any]] = []
    while not found and time.monotonic() < ends:
        entries = ear.fhir.get("AuditEvent", params={"type": f"{DCM}|110114", "_count": 200, "_sort": "-date"}).json()
        found = [one["resource"] for one in entries.get("entry", []) if nightly.id in str(one["resource"]["agent"])]
        time.sleep(0.2)
    (event,) = found
    assert event["meta"]["profile"] == [f"{PROFILES}IHE.IUA.71"]
    assert {"system": "urn:ihe:event-type-code", "code": "ITI-71"} in event["subtype"]
    told = base64.b64decode(next(one["query"] for one in event["entity"] if "query" in one)).decode()
    assert jti in told


def test_balp_events_are_for_auditors_and_nobody_writes_them(ground: Ground, app: App, ear: Ear) -> None:
    with ground.fhir(ground.tokens(app, "user/*.cruds", KIM)) as practitioner:
        assert practitioner.get("AuditEvent").status_code == 403
    with ground.fhir(ground.tokens(app, "launch/patient patient/*.cruds", ADA)) as patient:
        assert patient.get("AuditEvent").json()["total"] == 0, "those of others would be in the record; none are"
    with ground.fhir(ground.tokens(app, "user/AuditEvent.rs", AUDITOR)) as auditor:
        found = auditor.get("AuditEvent", params={"_count": 1}).json()["entry"][0]["resource"]
        assert auditor.get(f"AuditEvent/{found['id']}").json()["id"] == found["id"]
        assert auditor.get("Patient/p1").status_code == 403
    with ground.server.client() as everything:
        path = f"AuditEvent/{found['id']}"
        assert everything.delete(path).status_code == 405
        assert everything.put(path, json=found, headers=FHIR_JSON).status_code == 405
