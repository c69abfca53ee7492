"""The administrators' pages, in a real browser, without script, by keyboard, on a phone: from an app to the audit.

HILUM_JOURNEYS_STORE=postgresql runs the same on PostgreSQL.
"""

from __future__ import annotations

import base64
import os
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.journeys.browsing import DESKTOP, PHONE, browser, follow, looked_at, needs_chromium, watched
from tests.journeys.cli import database, hilum
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_pages_of_consent import App
from tests.journeys.test_pages_of_sign_in import PASSWORD

__all__ = ["browser"]

pytestmark = needs_chromium


def logo() -> str:
    """A PNG of 8 by 8 pixels, all of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = (b"\x00" + b"\x1f\x8f\x5f" * 8) * 8
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    raw += chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(raw).decode()


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    """Options that name the store, where it is not the usual one."""
    if os.environ.get("HILUM_JOURNEYS_STORE") != "postgresql":
        yield ()
        return
    with database(request.getfixturevalue("postgres_url")) as url:
        yield "--store", url


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, place: tuple[str, ...]) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("admin")
    running = Server(folder, *place, "--organization", "Lake Clinic")
    with running.client() as fhir:
        patient = {"resourceType": "Patient", "id": "p1", "name": [{"family": "Stone", "given": ["Ada"]}]}
        assert fhir.put("Patient/p1", json=patient, headers=FHIR_JSON).status_code == 201
    kept = folder / "password"
    kept.write_text(PASSWORD)
    for name, *more in (("ann.admin", "--role", "admin", "--display", "Ann Admin"),
                        ("olga", "--role", "auditor"),
                        ("ada.stone", "--role", "patient", "--patient", "p1")):  # fmt: skip
        done = hilum("users", "add", name, *more, "--password-file", kept, "--data", running.data, *place)
        assert done.returncode == 0, done.stderr
    yield running
    running.stop()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab without script, in which nothing is blocked by a page's policy, and nothing asked of elsewhere."""
    with watched(browser, "http://127.0.0.1", "data:", java_script_enabled=False) as page:
        yield page


def sign_in(tab: Any, served: Server, name: str, password: str = PASSWORD, path: str = "/admin") -> None:
    tab.goto(served.url + path)
    tab.fill("#username", name)
    tab.fill("#password", password)
    with tab.expect_navigation():
        tab.keyboard.press("Enter")


def test_an_administrator_adds_an_app_and_a_person_by_keyboard(tab: Any, served: Server) -> None:
    sign_in(tab, served, "ann.admin")
    assert tab.inner_text("h1") == "Administration"
    tab.click("header nav >> text=Admin")
    tab.click(".tabs >> text=Apps")
    tab.click("text=Add an app")
    tab.fill("#name", "Sprout <b>")
    tab.fill("#scopes", "system/*.rs")
    tab.check("input[value=private_key_jwt]")
    tab.fill("#jwks", "no keys")
    tab.focus("#name")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    assert "The keys are no JWK Set" in tab.inner_text("[role=alert]")
    assert tab.input_value("#name") == "Sprout <b>"
    tab.fill("#jwks", "")
    tab.fill("#redirects", "https://app.example.org/back")
    tab.fill("#scopes", "launch/patient patient/*.rs")
    tab.check("input[value=client_secret_basic]")
    tab.click("button:text-is('Add it')")
    id, secret = tab.locator(".shown").all_inner_texts()
    answer = httpx.post(f"{served.url}/auth/introspect", data={"token": "x"}, auth=(id, secret))
    assert answer.status_code != 401, answer.text
    tab.click(".tabs >> text=People")
    tab.click("text=Add a person")
    tab.focus("#name")
    tab.keyboard.type("new.nurse")
    for _ in range(20):
        tab.keyboard.press("Tab")
        if tab.locator("input[value=practitioner]:focus").count():
            break
    tab.keyboard.press("Space")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    name, password = tab.locator(".shown").all_inner_texts()
    assert name == "new.nurse"
    tab.context.clear_cookies()
    sign_in(tab, served, name, password, "/auth/account")
    assert tab.inner_text("h1") == "Choose a password"
    tab.context.clear_cookies()
    sign_in(tab, served, "ann.admin", path="/admin/users?q=ann")
    tab.click("td >> text=ann.admin")
    tab.click("summary:has-text('Shut out')")
    tab.click("button:has-text('Shut out Ann Admin')")
    assert "is the last one who may do as much" in tab.inner_text("[role=alert]")


def test_a_consent_is_found_and_ended_and_an_auditor_sees_who_did_it(
    tab: Any, served: Server, place: tuple[str, ...]
) -> None:
    app = App(served, *place)
    try:
        app.start(tab, "offline_access launch/patient patient/*.rs")
        tab.fill("#username", "ada.stone")
        tab.fill("#password", PASSWORD)
        with tab.expect_navigation():
            tab.keyboard.press("Enter")
        tab.click("button:text-is('Allow')")
        token = app.tokens(tab)["access_token"]
    finally:
        app.stop()
    headers = {"authorization": f"Bearer {token}"}
    assert httpx.get(f"{served.base}/Patient/p1", headers=headers).status_code == 200
    tab.context.clear_cookies()
    sign_in(tab, served, "ann.admin", path="/admin/consents?patient=p1")
    assert "ada.stone" in tab.inner_text("table")
    tab.click("td >> text=Growth Chart")
    tab.click("text=End it now")
    assert "Ended." in tab.inner_text("[role=status]")
    assert httpx.get(f"{served.base}/Patient/p1", headers=headers).status_code == 401
    tab.context.clear_cookies()
    sign_in(tab, served, "olga", path="/admin/audit")
    assert tab.locator(".tabs a").all_inner_texts() == ["Audit"]
    for _ in range(20):
        tab.fill("#patient", "p1")
        tab.select_option("#interaction", "read")
        tab.click("button:text-is('Search')")
        if tab.locator("td:has-text('Consent/')").count():
            break
        tab.wait_for_timeout(1000)  # what happens comes in within five seconds
    text = tab.inner_text("table")
    assert "ada.stone" in text and "ann.admin" in text
    with tab.expect_download() as started:
        tab.click("text=Download what is found")
    lines = started.value.path().read_text().splitlines()
    assert len(lines) == tab.locator("tbody tr").count()
    tab.click("td a >> nth=0")
    assert "As FHIR" in tab.inner_text("main")
    tab.goto(served.url + "/admin/audit")
    tab.click("text=Verify all of it now")
    for _ in range(20):
        if "Whole" in tab.inner_text("main"):
            break
        tab.wait_for_timeout(500)
        tab.goto(served.url + "/admin/audit")
    assert "Verified by olga" in tab.inner_text("main")


def test_the_pages_fit_phones_and_can_be_read(browser: Any, served: Server) -> None:
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    sign_in(tab, served, "ann.admin")
    looked_at(tab, "admin")
    tab.goto(served.url + "/admin/add-client")
    tab.click("summary:has-text('Who runs it')")
    looked_at(tab, "admin-add-client")
    for name, text in (("name", "Growth Chart"), ("id", "growth"), ("scopes", "launch/patient patient/*.rs"),
                       ("redirects", "https://app.example.org/back"), ("contacts", "Sprout Ltd"),
                       ("logo", logo())):  # fmt: skip
        tab.fill(f"#{name}", text)
    tab.check("input[value=client_secret_basic]")
    follow(tab, "button:text-is('Add it')")
    looked_at(tab, "admin-secrets")
    tab.click("text=Go on")
    tab.click("summary:has-text('Shut it out')")
    looked_at(tab, "admin-client")
    assert tab.evaluate("document.querySelector('img.face').naturalWidth") == 8
    tab.goto(served.url + "/admin/clients")
    looked_at(tab, "admin-clients")
    tab.goto(served.url + "/admin/users")
    looked_at(tab, "admin-users")
    tab.click("td >> text=ada.stone")
    tab.click("summary:has-text('New password')")
    looked_at(tab, "admin-user")
    follow(tab, "text=Edit")
    looked_at(tab, "admin-edit-user")
    tab.goto(served.url + "/admin/consents?state=all")
    looked_at(tab, "admin-consents")
    if tab.locator("td a").count():
        follow(tab, "td a >> nth=0")
        looked_at(tab, "admin-consent")
    tab.goto(served.url + "/admin/audit")
    looked_at(tab, "admin-audit")
    tab.set_viewport_size(PHONE)
    at, outcome, what = (tab.locator(f"tbody tr >> nth=0 >> {one}") for one in ("td >> nth=0", ".result", ".long"))
    assert at.bounding_box()["y"] == outcome.bounding_box()["y"] < what.bounding_box()["y"]  # a few lines for an event
    tab.set_viewport_size(DESKTOP)
    tab.click("td a >> nth=0")
    tab.click("summary:has-text('As FHIR')")
    looked_at(tab, "admin-event")
    context.close()
