"""The route table can't lie: every row is called over HTTP, and the CapabilityStatement says the same."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server

from hilum.fhir.definitions import TYPES
from hilum.rest.operations.operation import HL7
from hilum.rest.router import Route
from hilum.rest.routes import ROUTES
from hilum.search.parameters import parameters
from hilum.validation import validate

JSON_PATCH = {"content-type": "application/json-patch+json"}
EMPTY = {
    "transaction": {"resourceType": "Bundle", "type": "transaction"},
    "batch": {"resourceType": "Bundle", "type": "batch"},
}

META = {"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}
INPUTS: dict[str, list[dict[str, Any]]] = {
    "$meta-add": [META],
    "$meta-delete": [META],
    "$validate": [{"name": "resource", "resource": {"resourceType": "Patient"}}],
    "$upload-link": [{"name": "contentType", "valueCode": "text/plain"}],
}
"""What goes into operations by POST."""
GENDER = "http://hl7.org/fhir/administrative-gender"
ASKED: dict[str, dict[str, str]] = {
    "ValueSet/$expand": {"url": "http://hl7.org/fhir/ValueSet/administrative-gender"},
    "ValueSet/$validate-code": {"url": "http://hl7.org/fhir/ValueSet/administrative-gender", "code": "male"},
    "CodeSystem/$validate-code": {"url": GENDER, "code": "male"},
    "$validate-code": {"code": "x"},
    "CodeSystem/$lookup": {"system": GENDER, "code": "male"},
    "$lookup": {"code": "x"},
    "CodeSystem/$subsumes": {"system": GENDER, "codeA": "male", "codeB": "female"},
    "$subsumes": {"codeA": "x", "codeB": "x"},
    "$translate": {"system": GENDER, "code": "male"},
    "$closure": {"name": "routes"},
}
"""What operations on codes are asked, by their path or by their name."""
OTHERS: dict[str, dict[str, Any]] = {
    "Binary": {"contentType": "text/plain", "data": "YQ=="},
    "Encounter": {"status": "planned", "class": {"code": "AMB"}},
    "ValueSet": {"status": "active", "compose": {"include": [{"system": "urn:x", "concept": [{"code": "x"}]}]}},
    "CodeSystem": {"status": "active", "url": "urn:routes", "content": "complete", "concept": [{"code": "x"}]},
    "ConceptMap": {"status": "active"},
    "Composition": {
        "status": "final",
        "type": {"text": "x"},
        "date": "2026",
        "title": "x",
        "author": [{"reference": "#a"}],
        "contained": [{"resourceType": "Practitioner", "id": "a"}],
    },
}
"""Other types that have operations of their own."""


def call(fhir: httpx.Client, create: Create, route: Route) -> httpx.Response:
    """A request that the row should answer with a success."""
    patient = create("Patient", active=True)
    if (type_ := route.pattern.partition("/")[0]) in OTHERS:
        patient = create(type_, **OTHERS[type_])
    path = route.pattern.replace("[type]/[id]/[type]", f"Patient/{patient['id']}/Observation")
    path = path.replace("[type]", "Patient").replace("[id]", patient["id"]).replace("[vid]", "1")
    if route.criteria and route.method != "POST":
        path += f"?_id={patient['id']}"
    if route.interaction in EMPTY:
        return fhir.post("", json=EMPTY[route.interaction], headers=FHIR_JSON)
    if route.interaction == "$everything" and route.method == "POST":
        return fhir.post(path, json={"resourceType": "Parameters"}, headers=FHIR_JSON)
    if route.interaction == "$graphql":
        asked = {"query": "{__typename}"}
        return fhir.post(path, json=asked) if route.method == "POST" else fhir.get(path, params=asked)
    if route.interaction == "$diff":
        path += (
            "?fromVersion=1"
            if route.level == "instance"
            else f"?from=Patient/{patient['id']}&to=Patient/{patient['id']}"
        )
    if route.interaction == "$document" and route.level == "type":
        path += f"?id={patient['id']}"
    if route.interaction == "$lastn":
        path += "?subject=Patient/a"
    asked = ASKED.get(route.pattern, ASKED.get(route.interaction))
    if asked is not None:
        return fhir.post(path, data=asked) if route.method == "POST" else fhir.get(path, params=asked)
    if route.operation:
        given = INPUTS.get(route.interaction, [])
        if route.method == "POST" and given:
            return fhir.post(path, json={"resourceType": "Parameters", "parameter": given}, headers=FHIR_JSON)
        return fhir.request(route.method, path)
    if route.pattern.endswith("_search"):
        return fhir.post(path, data={"_count": "1"})
    match route.method:
        case "POST":
            return fhir.post(path, json={"resourceType": "Patient"}, headers=FHIR_JSON)
        case "PUT":
            return fhir.put(path, json={"resourceType": "Patient", "id": patient["id"]}, headers=FHIR_JSON)
        case "PATCH":
            steps = [{"op": "replace", "path": "/active", "value": False}]
            return fhir.patch(path, json=steps, headers=JSON_PATCH)
        case "DELETE":
            return fhir.delete(path)
    return fhir.get(path)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern} {route.interaction}")
def test_every_declared_route_answers(route: Route, fhir: httpx.Client, create: Create, server: Server) -> None:
    answer = call(fhir, create, route)
    if route.reserved:
        assert answer.status_code == 501
        return
    assert answer.status_code == (204 if route.method == "DELETE" else 201 if route.interaction == "create" else 200)
    with server.client(None) as stranger:
        assert call(stranger, create, route).status_code == (200 if route.open else 401)


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if r.method == "GET" and not r.reserved], ids=lambda route: route.pattern
)
def test_head_is_get_without_the_body(route: Route, fhir: httpx.Client, create: Create) -> None:
    answer = call(fhir, create, route)
    head = fhir.head(answer.request.url)
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == str(len(fhir.get(answer.request.url).content))


def test_the_capability_statement_lists_what_the_route_table_has(fhir: httpx.Client, server: Server) -> None:
    answer = fhir.get("metadata")
    statement = answer.json()
    assert [i.diagnostics for i in validate(statement) if i.severity == "error"] == []
    assert statement["implementation"]["url"] == server.base
    rest = statement["rest"][0]
    interactions = {r.interaction for r in ROUTES if not r.operation}
    declared = interactions - {"capabilities", "search-compartment"}
    listed = {i["code"] for i in rest["interaction"]} | {i["code"] for r in rest["resource"] for i in r["interaction"]}
    assert listed == declared
    assert [r["type"] for r in rest["resource"]] == list(TYPES)
    for resource in rest["resource"]:
        assert [p["name"] for p in resource["searchParam"]] == [p.code for p in parameters(resource["type"])]
    patient = next(r for r in rest["resource"] if r["type"] == "Patient")
    graphql = {"name": "graphql", "definition": "http://hl7.org/fhir/OperationDefinition/Resource-graphql"}
    assert graphql in rest["operation"]
    assert {"name": "everything", "definition": f"{HL7}Patient-everything"} in patient["operation"]
    observation = next(r for r in rest["resource"] if r["type"] == "Observation")
    assert graphql in observation["operation"]
    assert "everything" not in {one["name"] for one in observation["operation"]}


def test_every_operation_that_is_listed_is_defined(fhir: httpx.Client, server: Server) -> None:
    rest = fhir.get("metadata").json()["rest"][0]
    read: dict[str, Any] = {}
    for resource in [{"type": None, "operation": rest["operation"]}, *rest["resource"]]:
        for one in resource["operation"]:
            url = one["definition"].replace(HL7, f"{server.base}/OperationDefinition/hilum-")
            if url not in read:
                read[url] = fhir.get(url).json()
            found = read[url]
            assert found["code"] == one["name"]
            assert one["definition"] in (found["url"], found.get("base"))
            assert found["system"] or resource["type"] is not None
            assert (
                resource["type"] is None or found["resource"] == ["Resource"] or resource["type"] in found["resource"]
            )
    assert fhir.get("OperationDefinition/hilum-no-such").status_code == 404
    assert fhir.get("$convert-data").status_code == 501
    assert "interchange" in diagnostics(fhir.post("$convert-data", json={}, headers=FHIR_JSON))


def test_the_capability_statement_has_an_etag_and_parts(fhir: httpx.Client) -> None:
    whole = fhir.get("metadata")
    tag = whole.headers["etag"]
    assert re.fullmatch(r'W/"[0-9a-f]{16}"', tag)
    assert fhir.get("metadata", headers={"if-none-match": tag}).status_code == 304
    part = fhir.get("metadata", params={"_elements": "software"}).json()
    assert part["software"]["name"] == "hilum"
    assert "rest" not in part
    assert len(fhir.get("metadata", params={"_summary": "true"}).content) < len(whole.content)


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "Patiënt/1", 404, "Patiënt"),
        ("GET", "Pateint/1", 404, "Pateint"),
        ("GET", "Patient/1/$frobnicate", 404, "$frobnicate"),
        ("GET", "Observation/1/$everything", 404, "$everything"),
        ("GET", "Patient/1/2/3/4", 404, "Patient/1/2/3/4"),
        ("GET", "nothing", 404, "nothing"),
        ("GET", "Organization/1/Observation", 404, "Organization"),
        ("POST", "Patient/1", 405, "POST"),
        ("DELETE", "metadata", 405, "DELETE"),
        ("PUT", "", 405, "PUT"),
        ("PROPFIND", "Patient/1", 405, "PROPFIND"),
        ("OPTIONS", "Patient", 405, "OPTIONS"),
    ],
)
def test_what_is_not_in_the_table_is_named(fhir: httpx.Client, method: str, path: str, status: int, said: str) -> None:
    answer = fhir.request(method, path)
    assert answer.status_code == status
    assert said in diagnostics(answer)


def test_405_lists_the_methods_that_there_are(fhir: httpx.Client) -> None:
    assert fhir.post("Patient/1").headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT"
    assert fhir.put("Patient/1/_history").headers["allow"] == "GET, HEAD"
