"""$validate: what it answers, and to whom."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hilum.access.granting import of_scopes
from hilum.access.policy import EVERYTHING, Principal
from hilum.fhir import json
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.oauth.scopes import parse
from hilum.rest import router
from hilum.rest.links import Links
from hilum.rest.message import Request
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.sqlite import open_sqlite

OWNER = Principal("owner", "test", "j", EVERYTHING, 1 << 62)
FHIR = b"application/fhir+json"
Found = tuple[int, list[tuple[str, str | None]]]
DIV = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
GOOD = {"resourceType": "Patient", "text": DIV, "active": True}
ALL_OK: Found = (200, [("information", None)])
VITAL = "http://hl7.org/fhir/StructureDefinition/vitalsigns"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    store = await open_sqlite(str(tmp_path / "store.db"))
    door = Door(store, "http://hilum.test/fhir", integrity=True)
    yield Service(door, Links(bytes(32)), Router(ROUTES))
    await store.close()


async def ask(
    service: Service, path: str, body: Any = None, query: str = "", who: Principal = OWNER, method: str = "POST"
) -> Found:
    """Status, and severity and place of each issue."""
    sent = b"" if body is None else json.encode(body)
    request = Request(method, tuple(path.split("/")), query, {b"content-type": FHIR}, sent, who)
    answer = await router.answer(service, request)
    outcome = json.parse(answer.body)
    assert outcome["resourceType"] == "OperationOutcome"
    return answer.status, [(issue["severity"], (issue.get("expression") or [None])[0]) for issue in outcome["issue"]]


def wrapped(resource: dict[str, Any] | None, **more: str) -> dict[str, Any]:
    kinds = {"mode": "valueCode", "profile": "valueUri"}
    listed: list[dict[str, Any]] = [{"name": name, kinds[name]: value} for name, value in more.items()]
    if resource is not None:
        listed.append({"name": "resource", "resource": resource})
    return {"resourceType": "Parameters", "parameter": listed}


async def test_nothing_found_is_said(service: Service) -> None:
    assert await ask(service, "Patient/$validate", GOOD) == ALL_OK
    assert await ask(service, "Patient/$validate", wrapped(GOOD, mode="create")) == ALL_OK


async def test_errors_and_warnings_are_an_answer_of_200(service: Service) -> None:
    body = {"resourceType": "Patient", "gender": "mail", "contact": [{"gender": "male"}]}
    assert await ask(service, "Patient/$validate", body) == (
        200,
        [("error", "Patient.gender"), ("error", "Patient.contact[0]"), ("warning", "Patient")],
    )


@pytest.mark.parametrize(
    ("type_", "said", "place"),
    [
        ("Observation", {"code": {"coding": [1]}}, "Observation.code.coding[0]"),
        ("Patient", {"managingOrganization": "x"}, "Patient.managingOrganization"),
        ("Patient", {"identifier": [1]}, "Patient.identifier[0]"),
        ("Media", {"content": 1}, "Media.content"),
        ("CodeSystem", {"concept": [{"code": {}}]}, "CodeSystem.concept[0].code"),
        ("SearchParameter", {"base": [[]], "expression": "x"}, "SearchParameter.base[0]"),
        ("Patient", {"maritalStatus": True, "meta": {"profile": [VITAL]}}, "Patient.maritalStatus"),
    ],
)
async def test_json_of_another_type_is_a_finding(
    service: Service, type_: str, said: dict[str, Any], place: str
) -> None:
    status, found = await ask(service, f"{type_}/$validate", {"resourceType": type_, **said})
    assert (status, ("error", place) in found) == (200, True)


async def test_another_type_and_another_id_are_findings(service: Service) -> None:
    assert await ask(service, "Observation/$validate", GOOD) == (200, [("error", "Observation.resourceType")])
    asked = wrapped({**GOOD, "id": "b"}, mode="update")
    assert await ask(service, "Patient/a/$validate", asked) == (200, [("error", "Patient.id")])
    assert await ask(service, "Patient/a/$validate", wrapped(GOOD, mode="update")) == (200, [("error", "Patient.id")])


async def test_parameters_are_validated_themselves_where_none_is_one_of_the_operation(service: Service) -> None:
    body = {"resourceType": "Parameters", "parameter": [{"name": "limit", "valueInteger": 1}]}
    assert await ask(service, "Parameters/$validate", body) == ALL_OK
    assert await ask(service, "Parameters/a/$validate", {**body, "id": "a"}) == ALL_OK
    assert await ask(service, "Parameters/$validate", {"resourceType": "Parameters"}) == ALL_OK
    broken = {"resourceType": "Parameters", "parameter": [{"name": "limit"}]}
    for sent in (broken, wrapped(broken)):
        assert await ask(service, "Parameters/$validate", sent) == (200, [("error", "Parameters.parameter[0]")])
    assert await ask(service, "Patient/$validate", body) == (400, [("error", "Parameters.parameter[0].name")])


async def test_codes_are_looked_up(service: Service) -> None:
    system = {
        "url": "http://example.org/codes",
        "status": "active",
        "content": "complete",
        "concept": [{"code": "known"}],
    }
    await update(service.door, OWNER, "CodeSystem", "c", {"resourceType": "CodeSystem", "id": "c", **system})
    coding = {"system": "http://example.org/codes", "code": "nonsense"}
    found = await ask(service, "Patient/$validate", {**GOOD, "meta": {"tag": [coding]}})
    assert found == (200, [("error", "Patient.meta.tag[0].code")])
    assert await ask(service, "Patient/$validate", {**GOOD, "meta": {"tag": [{**coding, "code": "known"}]}}) == ALL_OK


async def test_a_profile_is_asked_for_or_claimed(service: Service) -> None:
    body = {"resourceType": "Observation", "text": DIV, "status": "final", "code": {"text": "x"}}
    assert await ask(service, "Observation/$validate", body) == ALL_OK
    named = await ask(service, "Observation/$validate", body, f"profile={VITAL}")
    claimed = await ask(service, "Observation/$validate", {**body, "meta": {"profile": [VITAL]}})
    meant = await ask(service, "Observation/$validate", wrapped(body, mode="profile", profile=VITAL))
    assert named[0] == claimed[0] == meant[0] == 200
    assert ("error", "Observation") in named[1]
    assert sorted(map(str, named[1])) == sorted(map(str, claimed[1])) == sorted(map(str, meant[1]))


async def test_a_value_set_of_a_profile_is_asked_for_beside_that_of_r4(service: Service) -> None:
    value_set = {"resourceType": "ValueSet", "id": "v", "url": "http://example.org/v", "status": "active"}
    include = [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "concept": [{"code": "M"}]}]
    element = {
        "id": "Patient.maritalStatus",
        "path": "Patient.maritalStatus",
        "binding": {"strength": "extensible", "valueSet": value_set["url"]},
    }
    profile = {
        "resourceType": "StructureDefinition",
        "id": "p",
        "url": "http://example.org/p",
        "name": "P",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
        "differential": {"element": [element]},
    }
    for body in (value_set | {"compose": {"include": include}}, profile):
        await update(service.door, OWNER, str(body["resourceType"]), str(body["id"]), body)
    place = "Patient.maritalStatus"
    for system, code, count in ((include[0]["system"], "M", 0), (include[0]["system"], "S", 1), ("urn:x", "S", 2)):
        coding = {"system": system, "code": code}
        body = GOOD | {"maritalStatus": {"coding": [coding]}, "meta": {"profile": [profile["url"]]}}
        status, issues = await ask(service, "Patient/$validate", body)
        assert (status, issues.count(("warning", place))) == (200, count)


async def test_what_is_stored_is_validated_by_get_and_without_a_resource(service: Service) -> None:
    await update(service.door, OWNER, "Patient", "a", {"resourceType": "Patient", "id": "a"})
    warned: Found = (200, [("warning", "Patient")])
    assert await ask(service, "Patient/a/$validate", method="GET") == warned
    assert await ask(service, "Patient/a/$validate") == warned
    assert (await ask(service, "Patient/b/$validate", method="GET"))[0] == 404


async def test_delete_tells_whether_it_would_be_refused(service: Service) -> None:
    await update(service.door, OWNER, "Patient", "a", {"resourceType": "Patient", "id": "a"})
    asked = wrapped(None, mode="delete")
    assert await ask(service, "Patient/a/$validate", asked) == ALL_OK
    about = {"resourceType": "Basic", "id": "x", "code": {"text": "x"}, "subject": {"reference": "Patient/a"}}
    await update(service.door, OWNER, "Basic", "x", about)
    assert await ask(service, "Patient/a/$validate", asked) == (200, [("error", None)])
    assert (await ask(service, "Patient/b/$validate", asked))[0] == 404
    assert (await ask(service, "Patient/$validate", asked))[0] == 400
    assert (await service.door.store.read("Patient", "a")) is not None


@pytest.mark.parametrize(
    ("body", "query"),
    [
        (None, ""),
        (GOOD, "mode=destroy"),
        (GOOD, "mode=profile"),
        (GOOD, "nonsense=1"),
        ({"resourceType": "Parameters", "parameter": [{"name": "resource", "valueString": "x"}]}, ""),
    ],
)
async def test_a_request_that_says_nothing_to_validate_is_bad(service: Service, body: Any, query: str) -> None:
    assert (await ask(service, "Patient/$validate", body, query))[0] == 400


@pytest.mark.parametrize(
    ("scope", "mode", "status"),
    [
        ("system/Patient.c", "create", 200),
        ("system/Patient.r", "create", 403),
        ("system/Patient.r", "", 200),
        ("system/Observation.cruds", "", 403),
        ("system/Patient.c", "update", 403),
        ("system/Patient.cru", "delete", 403),
        ("system/Patient.s", "", 403),
    ],
)
async def test_the_token_must_allow_what_is_asked_about(service: Service, scope: str, mode: str, status: int) -> None:
    who = Principal("agent", "client", "jti", of_scopes(parse(scope), None), 1 << 62)
    await update(service.door, OWNER, "Patient", "a", {**GOOD, "id": "a"})
    query = f"mode={mode}" if mode else ""
    assert (await ask(service, "Patient/a/$validate", {**GOOD, "id": "a"}, query, who))[0] == status


async def test_what_a_token_may_not_read_is_not_validated_for_it(service: Service) -> None:
    await update(service.door, OWNER, "Patient", "a", {**GOOD, "id": "a"})
    who = Principal("agent", "client", "jti", of_scopes(parse("patient/Patient.cruds"), "b"), 1 << 62)
    assert (await ask(service, "Patient/a/$validate", None, "", who, "GET"))[0] == 404
    assert (await ask(service, "Patient/a/$validate", None, "mode=delete", who))[0] == 404
