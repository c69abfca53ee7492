"""What answers without a token, over all routes that there are: what is listed here, and nothing else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from hilum.access import opened
from hilum.access.keys import load_or_create
from hilum.access.tokens import Minter
from hilum.api import pages
from hilum.api.application import OPENAPI
from hilum.app.application import Application
from hilum.app.described import application
from hilum.app.settings import Settings
from hilum.broker.pages.pages import ROUTES as BROKER
from hilum.console.pages import ROUTES as SHELLS
from hilum.devices.pages.pages import ROUTES as DEVICES
from hilum.rest.routes import ROUTES as FHIR
from hilum.smart.smart import ROUTES as SMART
from hilum.video.pages.pages import ROUTES as VIDEOS

HERE = "http://127.0.0.1:8080"

OPEN = frozenset((
    "GET /fhir/metadata",
    # Discovery and public keys.
    "GET /fhir/.well-known/smart-configuration",
    "GET /.well-known/openid-configuration",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/jwks.json",
    "GET /broker/jwks/sandbox.json",
    # What people see before they are signed in, and where they sign in.
    "GET /auth/static/{name}",
    "GET /auth/style.json",
    "GET /brands",
    "GET /auth/sign-in",
    "POST /auth/sign-in",
    "POST /auth/sign-out",
    "GET /auth/outside/{provider}",
    "GET /auth/outside/{provider}/back",
    "POST /auth/sign-in/second",
    "GET /auth/authorize",
    "POST /auth/authorize",
    "GET /auth/flow/{id}",
    "POST /auth/flow/{id}/{step}",
    # Where apps prove who they are in the request itself: refused without that, as OAuth says (400 or 401).
    "POST /auth/token",
    "POST /auth/introspect",
    "POST /auth/revoke",
    "POST /auth/register",
    # For a browser that is signed in, by its cookie, to a page of ours.
    "POST /auth/console-token",
    # What teaches the broker's API, and holds no data.
    "GET /api/openapi.json",
    "GET /api/docs",
    "GET /api/docs/{name}",
    # To an EHR's sign-in and back, and what a browser that has signed in there may see and do.
    "GET /connect",
    "GET /connect/{ehr}",
    "GET /callback/{ehr}",
    "GET /gather",
    "POST /gather",
    "GET /gather/{ehr}",
    "POST /gather/{ehr}",
    "GET /gather/{ehr}/{order}",
    "POST /gather/{ehr}/{order}",
    "GET /launch?iss=x",
    "GET /launch/{ehr}?iss=x",
    # What a link leads a patient to: nothing before it is proven who follows it.
    "GET /v/{token}",
    "POST /v/{token}",
    "POST /v/{token}/leave",
    "GET /v/{token}/{name}",
    "GET /devices/static/{name}",
    "GET /videos/static/{name}",
    # Health, counts of requests (from this machine), and shells of pages without data.
    "GET /health",
    "GET /ready",
    "GET /metrics",
    "GET /",
    "GET /browse/Patient",
    "GET /browse/Patient/x",
    "GET /browse/Patient/x/_history/1",
))  # fmt: skip
REFUSES = frozenset(f"POST /auth/{name}" for name in ("token", "introspect", "revoke", "register", "console-token"))
BESIDE = ("/health", "/ready", "/metrics", "/api/v1/counts", "/broker/jwks/sandbox.json")
TYPES = ("Patient", "ValueSet", "AuditEvent", "Consent", "Binary")
PLACES = {"[type]": "Observation", "[id]": "x", "[vid]": "1"}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Application]:
    application = Application(Settings(data=tmp_path, log_level="error"))
    await application.start()
    yield application
    await application.stop()


@pytest.fixture
async def asking(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
        yield client


def fhir() -> list[tuple[str, str]]:
    """Method and path of every route of the FHIR API, on several types."""
    found = []
    for route in FHIR:
        for type in TYPES:
            segments = route.pattern.split("/")
            filled = [type if at == 0 and one == "[type]" else PLACES.get(one, one) for at, one in enumerate(segments)]
            found.append((route.method, "/fhir/" + "/".join(filled) if route.pattern else "/fhir"))
    return sorted(set(found))


def beside() -> list[tuple[str, str]]:
    """Method and pattern of every route beside it."""
    shells = ["/" + re.sub(r"^/", "", pattern.pattern) for pattern, _ in SHELLS]
    assert len(shells) == 4, "a new page: add its address to the list below and to OPEN"
    pages = ["/", "/browse/Patient", "/browse/Patient/x", "/browse/Patient/x/_history/1"]
    routes = [(route.method, route.pattern) for route in (*SMART, *VIDEOS, *DEVICES)] + broker()
    return routes + [("GET", path) for path in (*BESIDE, *pages)]


def broker() -> list[tuple[str, str]]:
    """Those of the broker: an EHR launches it at addresses that are the authorization server's else."""
    return [
        (route.method, route.pattern + ("?iss=x" if route.pattern.startswith("/launch") else "")) for route in BROKER
    ]


def api() -> list[tuple[str, str]]:
    """Method and path of every route of the broker's API, and of what teaches it."""
    paths = application().openapi()["paths"]
    described = [(method.upper(), path) for path, operations in paths.items() for method in operations]
    return [*described, ("GET", OPENAPI), *(("GET", str(getattr(route, "path", ""))) for route in pages.router.routes)]


def closed(answer: httpx.Response) -> bool:
    """Refused for want of a token, or sent to sign in."""
    return answer.status_code == 401 or (
        answer.status_code == 303 and answer.headers["location"].startswith("/auth/sign-in")
    )


async def told(asking: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    return await asking.request(method, re.sub(r"\{\w+\}", "x", path))


async def test_no_route_answers_without_a_token_but_those_that_are_listed(asking: httpx.AsyncClient) -> None:
    answered = set()
    for method, path in [*fhir(), *beside(), *api()]:
        answer = await told(asking, method, path)
        if not closed(answer) or f"{method} {path}" in REFUSES:
            answered.add(f"{method} {path}")
    assert answered == OPEN


async def test_the_table_of_what_is_beside_is_whole(app: Application) -> None:
    assert app._site is not None
    assert tuple(app._site._routes) == BESIDE


async def test_who_is_signed_in_nowhere_gets_nothing_from_the_broker(asking: httpx.AsyncClient) -> None:
    answered = {f"{method} {path}": (await told(asking, method, path)).status_code for method, path in broker()}
    assert answered.pop("GET /gather") == 200  # says that nobody is
    assert answered.pop("GET /connect") == 200  # lists where anybody may sign in
    assert set(answered.values()) == {400, 403, 404}


async def test_who_has_no_link_gets_nothing_of_a_video(asking: httpx.AsyncClient) -> None:
    routes = [(route.method, route.pattern) for route in VIDEOS if route.pattern.startswith("/v/")]
    answered = {f"{method} {path}": (await told(asking, method, path)).status_code for method, path in routes}
    assert answered == {
        "GET /v/{token}": 404, "POST /v/{token}": 404, "POST /v/{token}/sign-in": 303, "POST /v/{token}/leave": 303,
        "GET /v/{token}/{name}": 404,
    }  # fmt: skip


async def test_apps_that_prove_nothing_get_nothing(asking: httpx.AsyncClient) -> None:
    for one in sorted(REFUSES):
        method, path = one.split()
        answer = await told(asking, method, path)
        assert answer.status_code in (400, 401, 403), one
        assert set(answer.json()) == {"error", "error_description"}


@pytest.mark.parametrize("header", ["Bearer x.y.z", "Basic dTpw", ""])
async def test_nor_with_one_that_does_not_hold(asking: httpx.AsyncClient, header: str) -> None:
    for method, path in fhir():
        if path != "/fhir/metadata":
            answer = await asking.request(method, path, headers={"authorization": header})
            assert answer.status_code in (401, 429), (method, path)


async def test_of_what_was_opened_read_and_search_answer_and_no_more(
    app: Application, asking: httpx.AsyncClient
) -> None:
    assert app._store is not None
    assert app._authorizing is not None
    await opened.change(app._store.ledger, opened=("ValueSet",))
    await app._authorizing._watch.look()
    answered = {}
    for method, path in fhir():
        answer = await told(asking, method, path)
        if not closed(answer):
            answered[f"{method} {path}"] = answer.status_code
    assert answered == {
        "GET /fhir/metadata": 200,
        "GET /fhir/ValueSet": 200,
        "POST /fhir/ValueSet/_search": 200,
        "GET /fhir/ValueSet/x": 404,
    }
    bad = await asking.get("/fhir/ValueSet", headers={"authorization": "Bearer x.y.z"})
    assert bad.status_code == 401
    said = (await asking.get("/fhir/metadata")).json()["rest"][0]["security"]["description"]
    assert "read and search of ValueSet" in said
    await opened.change(app._store.ledger, closed=("ValueSet",))
    await app._authorizing._watch.look()
    assert closed(await asking.get("/fhir/ValueSet"))
    assert "ValueSet" not in (await asking.get("/fhir/metadata")).json()["rest"][0]["security"]["description"]


async def test_what_is_open_tells_nothing_of_what_is_closed(app: Application, asking: httpx.AsyncClient) -> None:
    key = load_or_create(app.settings.data, "sandbox")
    token = Minter(key, app.settings.fhir_base).mint("system/*.cruds")
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    for body in (
        {"resourceType": "Organization", "id": "o1", "name": "Lake"},
        {"resourceType": "Location", "id": "l1", "managingOrganization": {"reference": "Organization/o1"}},
        {"resourceType": "Patient", "id": "p1", "name": [{"family": "Secret"}],
         "managingOrganization": {"reference": "Organization/o1"}},
    ):  # fmt: skip
        put = await asking.put(f"/fhir/{body['resourceType']}/{body['id']}", json=body, headers=headers)
        assert put.status_code == 201, put.text
    assert app._store is not None
    assert app._authorizing is not None
    await opened.change(app._store.ledger, opened=("Organization",))
    await app._authorizing._watch.look()
    listed = await asking.get("/fhir/Organization")
    assert [entry["resource"]["id"] for entry in listed.json()["entry"]] == ["o1"]
    for query in (
        "_has:Patient:organization:family=Secret",
        "_has:Location:organization:_id=l1",
        "name=Lake&_revinclude=Patient:organization&_revinclude=Location:organization",
        "name=Lake&_revinclude=*",
        "_list=x",
    ):
        answers = [await asking.get(f"/fhir/Organization?{query}")]
        form = {"content-type": "application/x-www-form-urlencoded"}
        answers.append(await asking.post("/fhir/Organization/_search", content=query, headers=form))
        for answer in answers:
            found = [entry["resource"]["resourceType"] for entry in answer.json().get("entry", ())]
            assert answer.status_code in (200, 403), (query, answer.text)
            assert found in ([], ["Organization"]), query
            assert "Secret" not in answer.text
            assert not found or "_has" not in query, query
    for path in ("/Organization/o1/$graphql?query={name}", "/Location?organization.name=Lake", "/Patient/p1",
                 "?_type=Organization"):  # fmt: skip
        assert (await asking.get(f"/fhir{path}")).status_code == 401, path
