"""Every route there is, asked by people who may see nothing of a record: none of it is in any answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hilum.access.granting import of_scopes
from hilum.access.keys import load_or_create
from hilum.access.policy import EVERYTHING, Policy, Principal
from hilum.access.signed import Signed
from hilum.fhir import json
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.oauth.scopes import parse
from hilum.rest import router
from hilum.rest.links import Links
from hilum.rest.message import Request, Response
from hilum.rest.router import Route, Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.sqlite import open_sqlite

BASE = "http://hilum.test/fhir"
MARK = "Verborgen"
SECRET = {"resourceType": "Patient", "id": "a", "name": [{"family": MARK}], "meta": {"tag": [{"code": MARK}]}}
FHIR, FORM = b"application/fhir+json", b"application/x-www-form-urlencoded"
SEARCH = "name=verborgen"
OF_THEM = {"subject": {"reference": "Patient/a"}, "meta": {"tag": [{"code": MARK}]}}
ACTIVE = {"status": "active"}
CONCEPT = {"code": "x", "display": MARK}
MAPPED = {"code": "x", "target": [CONCEPT | {"equivalence": "equal"}]}
MORE: tuple[dict[str, Any], ...] = (
    {"resourceType": "Patient", "id": "b"},
    {
        "resourceType": "Composition",
        "id": "a",
        "status": "final",
        "type": {"text": MARK},
        "date": "2026",
        "title": "x",
        "author": [{"reference": "Patient/a"}],
    }
    | OF_THEM,
    {"resourceType": "Observation", "id": "a", "status": "final", "code": {"text": MARK}} | OF_THEM,
    {"resourceType": "Encounter", "id": "a", "status": "planned", "class": {"code": MARK}} | OF_THEM,
    {"resourceType": "CodeSystem", "id": "a", "url": "urn:a", "content": "complete", "concept": [CONCEPT]} | ACTIVE,
    {"resourceType": "ValueSet", "id": "a", "url": "urn:a", "compose": {"include": [{"system": "urn:a"}]}} | ACTIVE,
    {"resourceType": "ConceptMap", "id": "a", "group": [{"source": "urn:a", "element": [MAPPED]}]} | ACTIVE,
    {"resourceType": "Binary", "id": "a", "contentType": "text/plain", "securityContext": OF_THEM["subject"]},
)
"""What there is besides."""
META = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}
UPLOAD = {"resourceType": "Parameters", "parameter": [{"name": "contentType", "valueCode": "text/plain"}]}
GRAPH = '{Patient(id: "a") {name {family}} PatientList {name {family}}}'


def bundle(kind: str) -> dict[str, Any]:
    requests = ({"method": "GET", "url": url} for url in ("Patient/a", f"Patient?{SEARCH}", "Patient/a/_history"))
    return {"resourceType": "Bundle", "type": kind, "entry": [{"request": one} for one in requests]}


# What is asked of each interaction: the query, the type of the body and the body.
ASKED: dict[str, tuple[str, bytes, Any]] = {
    "capabilities": ("", b"", None),
    "read": ("", b"", None),
    "vread": ("", b"", None),
    "update": (SEARCH, FHIR, SECRET | {"active": True}),
    "patch": (SEARCH, b"application/json-patch+json", [{"op": "test", "path": "/name/0/family", "value": MARK}]),
    "delete": (SEARCH, b"", None),
    "history-instance": ("", b"", None),
    "history-type": ("", b"", None),
    "history-system": ("", b"", None),
    "create": ("", FHIR, {"resourceType": "Patient"}),
    "search-type": (SEARCH, FORM, None),
    "search-compartment": ("", FORM, None),
    "search-system": ("_type=Patient", FORM, None),
    "transaction": ("", FHIR, bundle("transaction")),
    "batch": ("", FHIR, bundle("batch")),
    "$everything": ("", b"", None),
    "$convert-data": ("", b"", None),
    "$diff": ("from=Patient/b&to=Patient/a", b"", None),
    "$lastn": ("subject=Patient/a", FORM, None),
    "$document": ("id=a", FORM, None),
    "$meta": ("", b"", None),
    "$validate": ("", FHIR, SECRET),
    "$meta-add": ("", FHIR, META),
    "$meta-delete": ("", FHIR, META),
    "$graphql": ("", b"application/graphql", GRAPH),
    "$expand": ("url=urn:a", FORM, None),
    "$validate-code": ("url=urn:a&code=x", FORM, None),
    "$lookup": ("system=urn:a&code=x", FORM, None),
    "$subsumes": ("system=urn:a&codeA=x&codeB=x", FORM, None),
    "$translate": ("system=urn:a&code=x", FORM, None),
    "$closure": ("name=a", FORM, None),
    "$download-link": ("", b"", None),
    "$upload-link": ("", FHIR, UPLOAD),
    "$versions": ("", FORM, None),
}
THERE = [route for route in ROUTES if not route.reserved]
ANSWERS = frozenset(("capabilities", "$versions", "batch", "$graphql"))
"""What answers 200 to everybody: what the server can do, or what says within what was refused."""

SHARED = ("ValueSet/", "CodeSystem/")
"""What who is bound to a patient may read by its name: docs/adr/0008-shared-types-by-name.md."""

STRANGER = Principal("nobody", "test", "", Policy(()), 1 << 62)
NEIGHBOUR = Principal("b", "test", "", of_scopes(parse("patient/*.cruds"), "b"), 1 << 62, patient="b")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    store = await open_sqlite(str(tmp_path / "store.db"))
    door = Door(store, BASE)
    owner = Principal("owner", "test", "", EVERYTHING, 1 << 62)
    for body in (SECRET, *MORE):
        await update(door, owner, body["resourceType"], body["id"], body)
    signed = Signed(load_or_create(tmp_path, "sandbox"), store.ledger, None, owner)
    yield Service(door, Links(bytes(32)), Router(ROUTES), signed=signed)
    await store.close()


async def answer(service: Service, route: Route, who: Principal) -> Response:
    types = iter(("Patient", "*"))
    named = {"[id]": "a", "[vid]": "1"}
    path = tuple(
        next(types) if part == "[type]" else named.get(part, part) for part in route.pattern.split("/") if part
    )
    query, kind, content = ASKED[route.interaction]
    if route.interaction == "$document" and route.level == "instance":
        query = ""
    if route.interaction == "$diff" and route.level == "instance":
        query = "fromVersion=1"
    if route.level == "instance":
        query = query.removeprefix("url=urn:a").removeprefix("&")
    graph = "{name {family}}" if route.level == "instance" else GRAPH
    content = graph if content == GRAPH else content
    body = b""
    if route.method in ("POST", "PUT", "PATCH"):
        if kind == FORM:
            body, query = query.encode(), ""
        elif content is not None:
            body = content.encode() if isinstance(content, str) else json.encode(content)
    elif route.interaction == "$graphql":
        query = "query=" + graph.replace(" ", "%20")
    if route.method in ("PUT", "PATCH", "DELETE") and not route.criteria:
        query = ""
    headers = {b"authorization": b"Bearer x"} | ({b"content-type": kind} if body else {})
    if route.interaction == "create":
        headers[b"if-none-exist"] = SEARCH.encode()
    return await router.answer(service, Request(route.method, path, query, headers, body, who))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.pattern} {route.interaction}")
async def test_no_route_shows_what_its_asker_may_not_see(service: Service, route: Route) -> None:
    for who in (STRANGER, NEIGHBOUR):
        found = await answer(service, route, who)
        shared = who is NEIGHBOUR and route.pattern.startswith(SHARED)
        assert shared or MARK.encode() not in found.body
        assert who is NEIGHBOUR or route.interaction in ANSWERS or found.status in (403, 501)
        kept = await service.door.store.read("Patient", "a")
        assert kept is not None
        assert kept.version == 1


@pytest.mark.parametrize("route", THERE, ids=lambda route: f"{route.method} {route.pattern} {route.interaction}")
async def test_who_may_see_it_is_asked_the_same(service: Service, route: Route) -> None:
    """The questions above are ones that would show it."""
    found = await answer(service, route, Principal("owner", "test", "", EVERYTHING, 1 << 62))
    assert found.status < 300, found.body
    silent = ("capabilities", "delete", "update", "create", "patch", "$validate", "$subsumes", "$closure")
    silent += ("$download-link", "$upload-link", "$versions")
    same = route.interaction == "$diff" and route.level == "instance"  # of a version with itself
    assert same or route.interaction in silent or MARK.encode() in found.body


def test_only_the_capabilities_are_open() -> None:
    assert [route.interaction for route in ROUTES if route.open] == ["capabilities"]
