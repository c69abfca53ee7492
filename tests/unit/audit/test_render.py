"""Every kind of event, rendered, against the constraints of IHE's Basic Audit Log Patterns.

The tables say what the FSH of https://profiles.ihe.net/ITI/BALP/ (1.1.4) says of each profile.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any, NamedTuple

import pytest
from tests.errors import errors

from hilum.access.policy import EVERYTHING, Principal
from hilum.audit.context import ORIGIN, Origin
from hilum.audit.entry import EVENTS, Entry, Who
from hilum.audit.event import Event, ReadId, WriteId, asked, detail, id_of, read, written
from hilum.audit.render import DCM, PATTERNS, PROFILES, render
from hilum.store.segments import Version, WriteAudited

BASE = "https://fhir.example.org/fhir"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
REST = "http://hl7.org/fhir/restful-interaction"
BALP = "https://profiles.ihe.net/ITI/BALP/CodeSystem/"


class Basic(NamedTuple):
    """type rest, outcome 0, recorded; exactly one subtype of these; one client and one server agent of these types."""

    subtypes: frozenset[str]
    action: str
    client: tuple[str, str]
    server: tuple[str, str]
    users: frozenset[tuple[str, str]]
    query: bool = False


SOURCE, DESTINATION, APPLICATION = (DCM, "110153"), (DCM, "110152"), (DCM, "110150")
SOURCES = frozenset((PARTICIPATION, code) for code in ("AUT", "INF", "CST"))
RECIPIENT = frozenset({(PARTICIPATION, "IRCP")})
CUSTODIAN = ("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "custodian")
BASICS = {
    "Read": Basic(frozenset({"read", "vread"}), "R", DESTINATION, SOURCE, RECIPIENT),
    "Query": Basic(
        frozenset({"search", "search-type", "search-system"}), "E", SOURCE, DESTINATION, RECIPIENT, query=True
    ),
    "Create": Basic(frozenset({"create"}), "C", SOURCE, DESTINATION, SOURCES),
    "Update": Basic(frozenset({"update", "patch"}), "U", SOURCE, DESTINATION, SOURCES),
    "Delete": Basic(frozenset({"delete"}), "D", APPLICATION, CUSTODIAN, SOURCES),
}


def codes(concept: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["system"], one["code"]) for one in concept["coding"]}


def slice_of(agents: list[dict[str, Any]], wanted: tuple[str, str]) -> list[dict[str, Any]]:
    return [one for one in agents if wanted in codes(one["type"])]


def of_type(event: dict[str, Any], code: str) -> list[dict[str, Any]]:
    system = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
    return [one for one in event.get("entity", []) if one["type"] == {"system": system, "code": code}]


def clients(event: dict[str, Any]) -> str:
    """The client that all agents speak of which are one."""
    found = {
        one["who"]["identifier"]["value"]
        for one in event["agent"]
        if one["who"]["identifier"].get("system") == "https://fhir.example.org/clients"
    }
    assert len(found) == 1
    return str(found.pop())


def holds_basic(event: dict[str, Any], name: str) -> None:
    about_patient, name = name.startswith("Patient"), name.removeprefix("Patient")
    rules = BASICS[name]
    assert event["type"] == {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"}
    assert len([one for one in event["subtype"] if one["system"] == REST and one["code"] in rules.subtypes]) == 1
    assert (event["action"], event["outcome"]) == (rules.action, "0")
    assert event["recorded"]
    for wanted, value in ((rules.client, clients(event)), (rules.server, "https://fhir.example.org")):
        (agent,) = slice_of(event["agent"], wanted)
        assert agent["who"]["identifier"]["value"] == value
        assert agent["network"] and "media" not in agent
    users = [one for one in event["agent"] for user in rules.users if user in codes(one["type"])]
    assert len(users) <= 1
    for user in users:
        assert user["who"] and user["requestor"] is True
        assert not {"media", "network"} & user.keys()
    objects = of_type(event, "2")
    assert len(objects) == 1
    role = objects[0]["role"]
    assert role["system"] == "http://terminology.hl7.org/CodeSystem/object-role"
    if rules.query:
        assert role["code"] == "24"
        assert objects[0]["query"]
        assert not {"what", "lifecycle", "detail"} & objects[0].keys()
    else:
        assert role["code"] in ("4", "3", "20")
        assert objects[0]["what"]
    transactions = [one for one in event["entity"] if one["type"]["system"] == f"{BALP}BasicAuditEntityType"]
    assert len(transactions) <= 1
    for one in transactions:
        assert one["type"]["code"] == "XrequestId" and one["what"]["identifier"]["value"]
    if about_patient:
        (patient,) = of_type(event, "1")
        assert patient["role"] == {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1"}
        assert patient["what"]["reference"].startswith("Patient/")


def holds_oauth(event: dict[str, Any]) -> None:
    (client,) = slice_of(event["agent"], APPLICATION)
    assert client["who"]["identifier"]["value"] and "media" not in client
    users = slice_of(event["agent"], (PARTICIPATION, "IRCP"))
    assert len(users) <= 1
    for user in users:
        assert user["who"]["identifier"] and user["requestor"] is True
        assert len(user["policy"]) == 1 and user["policy"][0].startswith("urn:ietf:params:oauth:jti:")
        assert not {"media", "network"} & user.keys()


def holds_get_token(event: dict[str, Any]) -> None:
    assert event["type"] == {"system": DCM, "code": "110114"}
    assert event["subtype"] == [{"system": "urn:ihe:event-type-code", "code": "ITI-71"}]
    assert (event["action"], event["outcome"]) == ("E", "0")
    wanted = [APPLICATION, (f"{BALP}UserAgentTypes", "AuthzOauthService"), (PARTICIPATION, "IRCP")]
    found = [len(slice_of(event["agent"], one)) for one in wanted]
    assert found[:2] == [1, 1] and found[2] <= 1 and sum(found) == len(event["agent"])
    for agent in event["agent"][:2]:
        assert agent["who"] and agent["network"] and "media" not in agent
    for user in slice_of(event["agent"], wanted[2]):
        assert user["requestor"] is True and not {"altId", "media", "network"} & user.keys()
    (request,) = event["entity"]
    assert request["type"]["code"] == "2" and request["role"]["code"] == "24" and request["query"]
    assert "what" not in request


CHECKS = {
    **{
        f"IHE.BasicAudit.{patient}{name}": (lambda event, name=f"{patient}{name}": holds_basic(event, name))
        for name in BASICS
        for patient in ("", "Patient")
    },
    "IHE.BasicAudit.OAUTHaccessTokenUse.Comprehensive": holds_oauth,
    "IHE.IUA.71": holds_get_token,
}

PERSON = Who(0, "ada", "app-1", "jti-1", "grant-1", "user-1", "Practitioner/5", ("practitioner",))
PATIENT = Who(0, "pat", "app-1", "jti-1", "grant-1", "user-2", "Patient/17", ("patient",), "17")
SERVICE = Who(0, "etl", "etl", "jti-2")
NOBODY = Who(0, "nobody", "anonymous", "")
INTERACTIONS = (*PATTERNS, "$everything", "$graphql", "unauthenticated", "")


def event(interaction: str, who: Who, status: int = 200, patients: tuple[str, ...] = (), **more: Any) -> Event:
    about = {"type": "Observation", "about": "5", "version": 2, "query": "code=1&_count=2", "address": "203.0.113.9"}
    if interaction.startswith(("search", "history-type", "history-system", "batch", "transaction")):
        about |= {"about": "", "version": 0}
    return Event(
        "r-1-0000000000000001-0", 1_700_000_000_000_000, who, request="req-1", interaction=interaction, status=status,
        patients=patients, **(about | more),
    )  # fmt: skip


@pytest.mark.parametrize("who", [PERSON, PATIENT, SERVICE, NOBODY], ids=lambda one: one.agent)
@pytest.mark.parametrize("patients", [(), ("17",), ("17", "18")], ids=len)
@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("interaction", [*INTERACTIONS, *EVENTS])
def test_an_event_conforms_to_what_it_claims_and_to_r4(
    interaction: str, status: int, patients: tuple[str, ...], who: Who
) -> None:
    found = render(event(interaction, who, status, patients), BASE)
    assert errors(found) == []
    for profile in found["meta"].get("profile", ()):
        CHECKS[profile.removeprefix(PROFILES)](found)
    requestors = [one for one in found["agent"] if one["requestor"]]
    assert len(requestors) == 1


@pytest.mark.parametrize(
    ("interaction", "patients", "claims"),
    [
        ("read", ("17",), "PatientRead"),
        ("vread", (), "Read"),
        ("search-type", ("17",), "PatientQuery"),
        ("search-type", ("17", "18"), "Query"),
        ("create", ("17",), "PatientCreate"),
        ("patch", ("17",), "PatientUpdate"),
        ("delete", ("17",), "PatientDelete"),
    ],
)
def test_what_succeeds_claims_the_profile_of_its_kind(interaction: str, patients: tuple[str, ...], claims: str) -> None:
    found = render(event(interaction, PERSON, patients=patients), BASE)["meta"]["profile"]
    assert found == [
        f"{PROFILES}IHE.BasicAudit.{claims}",
        f"{PROFILES}IHE.BasicAudit.OAUTHaccessTokenUse.Comprehensive",
    ]


def test_what_fails_claims_nothing_and_says_so() -> None:
    found = render(event("read", PERSON, 403), BASE)
    assert "profile" not in found["meta"]
    assert (found["outcome"], found["outcomeDesc"]) == ("4", "HTTP status 403")
    assert render(event("read", PERSON, 503), BASE)["outcome"] == "8"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("patient=17", ("17",)),
        ("patient=Patient/17&code=1", ("17",)),
        ("patient=Patient%2F17,18&patient=17", ("17", "18")),
        ("subject=https://fhir.example.org/fhir/Patient/17", ("17",)),
        ("subject:Patient=17", ("17",)),
        ("subject=17", ()),
        ("subject=Group/17", ()),
        ("patient:missing=true", ()),
        ("patient.name=17", ()),
        ("code=patient", ()),
        ("", ()),
    ],
)
def test_a_search_is_of_the_patients_that_it_asks_for_though_nothing_was_found(
    query: str, found: tuple[str, ...]
) -> None:
    entry = Entry(1, 1, "192.0.2.1", "r", "search-type", "Observation", "", 0, 200, query)
    assert asked(entry) == found
    told = render(read(ReadId(1, b"12345678", 0), PERSON, entry, ()), BASE)
    kind = "PatientQuery" if len(found) == 1 else "Query"
    assert told["meta"]["profile"][0] == f"{PROFILES}IHE.BasicAudit.{kind}"
    assert [one["what"]["reference"] for one in of_type(told, "1")] == [f"Patient/{id}" for id in found]


def test_a_read_is_not_taken_for_a_search() -> None:
    assert asked(Entry(1, 1, "192.0.2.1", "r", "read", "Patient", "17", 0, 200, "patient=18")) == ()


def test_a_search_within_a_patient_s_token_is_about_that_patient_even_if_nothing_was_found() -> None:
    found = render(event("search-type", PATIENT), BASE)
    assert found["meta"]["profile"][0] == f"{PROFILES}IHE.BasicAudit.PatientQuery"
    assert [one["what"]["reference"] for one in of_type(found, "1")] == ["Patient/17"]


@pytest.mark.parametrize(
    ("interaction", "more", "asked"),
    [
        ("search-type", {}, "Observation?code=1&_count=2"),
        ("search-system", {"type": ""}, "?code=1&_count=2"),
        ("search-compartment", {"type": "Patient", "about": "17", "query": "Observation?code=1"},
         "Patient/17/Observation?code=1"),
        ("history-instance", {"query": ""}, "Observation/5/_history"),
        ("$everything", {"type": "Patient", "about": "17", "query": "_count=2"}, "Patient/17/$everything?_count=2"),
        ("$graphql", {"type": "", "about": "", "query": "{Patient(id:1){id}}"}, "$graphql?{Patient(id:1){id}}"),
    ],
)  # fmt: skip
def test_the_query_is_told_as_it_was_sent(interaction: str, more: dict[str, Any], asked: str) -> None:
    (entity,) = of_type(render(event(interaction, SERVICE, **more), BASE), "2")
    assert b64decode(entity["query"]).decode() == asked


def test_the_description_of_a_query_has_names_and_no_values() -> None:
    (entity,) = of_type(render(event("search-type", SERVICE, query="name=Ada&birthdate=1815-12-10"), BASE), "2")
    assert entity["description"] == "name, birthdate"


def test_a_read_tells_the_version_the_user_the_token_and_the_consent() -> None:
    found = render(event("read", PATIENT, patients=("17",)), BASE)
    assert [one["what"]["reference"] for one in found["entity"] if "reference" in one["what"]] == [
        "Observation/5/_history/2",
        "Patient/17",
        "Consent/grant-1",
    ]
    user = found["agent"][-1]
    assert user["who"] == {
        "identifier": {"system": "https://fhir.example.org", "value": "user-2"},
        "reference": "Patient/17",
    }
    assert (user["name"], user["role"]) == ("pat", [{"text": "patient"}])
    assert user["policy"] == ["urn:ietf:params:oauth:jti:jti-1"]


def test_what_is_no_id_is_not_made_a_reference() -> None:
    found = render(event("read", PERSON, 404, about="5<script>"), BASE)
    assert found["entity"][0]["what"] == {"identifier": {"value": "5<script>"}}


def test_a_write_tells_what_its_row_and_its_detail_say() -> None:
    who = Principal(
        "ada", "app-1", "jti-1", EVERYTHING, 1, grant="grant-1", user="user-1", fhir_user="Practitioner/5",
        roles=("practitioner",),
    )  # fmt: skip
    ORIGIN.set(Origin("req-1", "203.0.113.9"))
    row = WriteAudited(7, 2, b"12345678", "ada", "app-1", "transaction", "jti-1", detail(who), b"")
    found = written(row, 1, Version(8, "Observation", "5", 3, "PUT"), ("17",))
    assert found == Event(
        "w-7-1", 8, PERSON, "203.0.113.9", "req-1", "update", "Observation", "5", 3, 200, "", ("17",), "transaction"
    )
    assert [one["code"] for one in render(found, BASE)["subtype"]] == ["update", "transaction"]


def test_ids_are_read_as_they_are_written_and_others_are_not_ours() -> None:
    for one in (ReadId(1 << 50, b"12345678", 300), WriteId(1 << 50, 7)):
        assert id_of(str(one)) == one
        assert len(str(one)) <= 64
    for text in ("r-1", "w-1", "17", "r-1-12345678-0", "w-xyz-0", "R-1-0000000000000001-0"):
        assert id_of(text) is None
