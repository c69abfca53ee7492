"""The authorization server as it is wired: what answers where, what pages of other origins may read, `--auth off`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from hilum.access.keys import load_or_create
from hilum.access.tokens import Minter
from hilum.app import cors
from hilum.app.application import Application
from hilum.app.settings import Settings
from hilum.oauth.ledger import Client
from hilum.smart.apps import clients

HERE = "http://127.0.0.1:8080"
PAGE = "https://app.example.org"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Application]:
    application = Application(Settings(data=tmp_path, log_level="error"))
    await application.start()
    client = Client("App", "none", "patient/*.rs", redirects=(f"{PAGE}/cb",))
    assert application._store is not None
    assert application._authorizing is not None
    await clients.add(application._store.ledger, client, "app")
    await application._authorizing._watch.look()
    yield application
    await application.stop()


@pytest.fixture
async def asking(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
        yield client


def allowed(answer: httpx.Response) -> str | None:
    assert "access-control-allow-credentials" not in answer.headers
    return answer.headers.get("access-control-allow-origin")


FOR_ALL = (
    "/fhir/metadata",
    "/fhir/.well-known/smart-configuration",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/jwks.json",
)


@pytest.mark.parametrize("path", FOR_ALL)
async def test_smart22_16_every_page_may_read_discovery_and_metadata(asking: httpx.AsyncClient, path: str) -> None:
    answer = await asking.get(path, headers={"origin": "https://anybody.example"})
    assert (answer.status_code, allowed(answer)) == (200, "*")
    answer = await asking.options(path, headers={"origin": "https://anybody.example"} | PREFLIGHT)
    assert (answer.status_code, allowed(answer), answer.content) == (204, "*", b"")


@pytest.mark.parametrize("path", ["/auth/token", "/auth/introspect", "/auth/revoke", "/fhir/Patient", "/fhir"])
async def test_smart22_17_pages_of_registered_apps_may_read_tokens_and_FHIR(
    asking: httpx.AsyncClient, path: str
) -> None:
    for origin, expected in (
        (PAGE, PAGE),
        ("https://evil.example", None),
        (PAGE + ".evil.example", None),
        ("null", None),
    ):
        answer = await asking.post(path, headers={"origin": origin})
        assert allowed(answer) == expected
        assert "Origin" in answer.headers["vary"].split(", ")
        asked = await asking.options(path, headers={"origin": origin} | PREFLIGHT)
        assert (asked.status_code, allowed(asked), asked.headers["vary"]) == (204, expected, "Origin")
        assert ("access-control-allow-headers" in asked.headers) is (expected is not None)


async def test_the_page_of_an_app_registered_a_moment_ago_by_another_process_is_answered(
    asking: httpx.AsyncClient, app: Application
) -> None:
    assert app._store is not None
    for number in range(3):
        page = f"https://new{number}.example.org"
        await clients.add(app._store.ledger, Client("New", "none", "patient/*.rs", redirects=(f"{page}/cb",)))
        answer = await asking.post("/auth/token", headers={"origin": page})
        assert allowed(answer) == page
        await clients.add(app._store.ledger, Client("New", "none", "patient/*.rs", redirects=(f"{page}.net/cb",)))
        asked = await asking.options("/fhir/Patient", headers={"origin": page + ".net"} | PREFLIGHT)
        assert allowed(asked) == page + ".net"


async def test_a_stranger_is_looked_for_once_in_a_second(
    asking: httpx.AsyncClient, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert app._authorizing is not None
    now, looks = [1000.0], list[float]()

    async def learn() -> None:
        looks.append(now[0])

    monkeypatch.setattr(cors, "monotonic", lambda: now[0])
    monkeypatch.setattr(app._authorizing.cors, "_learn", learn)
    for seconds in (0, 0.5, 0.4, 0.2):
        now[0] += seconds
        for origin in ("https://evil.example", "null", "capacitor://localhost"):
            assert allowed(await asking.post("/fhir/Patient", headers={"origin": origin})) is None
    assert looks == [1000.0, 1001.1]


async def test_own_pages_and_what_no_page_of_an_app_asks_for_wait_for_no_look(
    asking: httpx.AsyncClient, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert app._authorizing is not None
    monkeypatch.setattr(app._authorizing.cors, "_learn", None)  # to call it would fail
    await asking.post("/fhir/Patient", headers={"origin": HERE, "sec-fetch-site": "same-origin"})
    await asking.post("/fhir/Patient", headers={"origin": PAGE})
    await asking.get("/fhir/metadata", headers={"origin": "https://evil.example"})
    await asking.get("/auth/sign-in", headers={"origin": "https://evil.example"})


@pytest.mark.parametrize("path", ["/auth/authorize", "/auth/sign-in", "/auth/flow/x", "/auth/register", "/", "/health"])
async def test_pages_of_ours_are_read_by_no_other_page(asking: httpx.AsyncClient, path: str) -> None:
    assert allowed(await asking.get(path, headers={"origin": PAGE})) is None


async def test_without_an_origin_nothing_is_said_about_it(asking: httpx.AsyncClient) -> None:
    answer = await asking.get("/fhir/metadata")
    assert allowed(answer) is None
    assert answer.headers["vary"] == "Accept"


async def test_errors_have_the_form_of_where_they_happen(asking: httpx.AsyncClient) -> None:
    page = await asking.get("/auth/nothing")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    oauth = await asking.get("/auth/token")
    assert (oauth.status_code, oauth.json()["error"]) == (405, "invalid_request")
    fhir = await asking.get("/fhir/Patient")
    assert (fhir.status_code, fhir.json()["resourceType"]) == (401, "OperationOutcome")
    assert fhir.headers["www-authenticate"] == 'Bearer realm="hilum"'


async def test_tokens_of_hilum_token_hold(asking: httpx.AsyncClient, app: Application) -> None:
    key = load_or_create(app.settings.data, "sandbox")
    token = Minter(key, app.settings.fhir_base).mint("system/*.rs")
    answer = await asking.get("/fhir/Patient", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200


async def test_a_token_in_a_URL_is_refused_and_not_kept(asking: httpx.AsyncClient, app: Application) -> None:
    key = load_or_create(app.settings.data, "sandbox")
    token = Minter(key, app.settings.fhir_base).mint("system/*.rs")
    for headers in ({}, {"authorization": f"Bearer {token}"}):
        answer = await asking.get(f"/fhir/Patient?access_token={token}", headers=headers)
        assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")
        assert token not in answer.text
    oauth = await asking.post(f"/auth/introspect?access_token={token}", data={"token": token})
    assert (oauth.status_code, oauth.json()["error"]) == (400, "invalid_request")
    stored = b"".join(file.read_bytes() for file in app.settings.data.rglob("*") if file.is_file())
    assert token.rpartition(".")[2].encode() not in stored


async def test_with_auth_off_there_is_no_authorization_server(tmp_path: Path) -> None:
    application = Application(Settings(data=tmp_path, auth="off", log_level="error"))
    await application.start()
    try:
        transport = httpx.ASGITransport(application)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            for path in ("/fhir/.well-known/smart-configuration", "/.well-known/jwks.json", "/auth/authorize"):
                assert (await client.get(path)).status_code == 404
            assert (await client.get("/fhir/Patient")).status_code == 200
    finally:
        await application.stop()


async def test_the_capability_statement_says_where_tokens_are(asking: httpx.AsyncClient) -> None:
    security = (await asking.get("/fhir/metadata")).json()["rest"][0]["security"]
    (extension,) = security["extension"][:1]
    assert extension["url"] == "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    said = {one["url"]: one["valueUri"] for one in extension["extension"]}
    assert (said["token"], said["authorize"]) == (f"{HERE}/auth/token", f"{HERE}/auth/authorize")
