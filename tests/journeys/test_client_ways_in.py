"""An app asks, and people sign in for it by a passkey, with a code, or at another provider.

https://www.w3.org/TR/webauthn-3/, https://openid.net/specs/openid-connect-core-1_0.html
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from tests.journeys.apps import NODE, PASSWORD, ROOT, Pages, needs_node, people, record, registered
from tests.journeys.browsing import browser, needs_chromium, watched
from tests.journeys.cli import hilum
from tests.journeys.server import Server
from tests.journeys.test_pages_of_sign_in import provider
from tests.unit.smart.login import SECRET, Login

__all__ = ["browser", "provider"]

pytestmark = [needs_chromium, needs_node("fhirclient")]

SCOPE = "openid fhirUser launch/patient patient/Patient.rs patient/Observation.rs"
DEVICE = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
          "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip


def named(folder: Path, *flags: str) -> Server:
    """A server at a name, since passkeys need one."""
    running = Server(folder, "--host", "localhost", *flags)
    running.url = f"http://localhost:{running.port}"
    running.base = running.url + "/fhir"
    return running


@pytest.fixture
def served(provider: Login, tmp_path: Path) -> Iterator[Server]:
    """Knows another provider, at which everybody is signed in."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "work.secret").write_text(SECRET)
    (data / "providers.toml").write_text(
        f'[work]\ntitle = "Clinic login"\nissuer = "{provider.issuer}"\nclient_id = "hilum"\n'
        'client_secret_file = "work.secret"\n'
    )
    running = named(tmp_path)
    record(running)
    people(running, tmp_path)
    yield running
    running.stop()


@pytest.fixture
def app(served: Server) -> Iterator[Pages]:
    pages = Pages(ROOT / "examples" / "smart_app", NODE / "node_modules" / "fhirclient" / "build")
    id = registered(served, "Vitals", "--redirect", pages.url + "/index.html", "--scopes", SCOPE)["client_id"]
    pages.texts["config.js"] = f'const APP = {{clientId: "{id}", iss: "{served.base}", scope: "{SCOPE}"}};'
    yield pages
    pages.stop()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab in which no script fails and no policy of a page blocks anything."""
    with watched(browser) as page:
        page.set_default_timeout(20_000)
        yield page


def by_password(tab: Any, name: str) -> None:
    tab.fill("#username", name)
    tab.fill("#password", PASSWORD)
    tab.click("button:text-is('Sign in')")


def signed_out(tab: Any, server: Server) -> None:
    tab.goto(server.url + "/auth/account")
    tab.click("button:text-is('Sign out')")
    tab.get_by_text("Sign in to").wait_for()


def is_in(tab: Any, app: Pages) -> None:
    """The app has the record, and knows who it is."""
    tab.click("button:text-is('Allow')")
    tab.wait_for_selector("section:not([hidden])")
    assert tab.url.startswith(app.url)
    assert (tab.inner_text("#name"), tab.inner_text("#user")) == ("Ada Stone", "Patient/ada")


def test_a_passkey_that_was_made_here_signs_in_for_an_app(tab: Any, served: Server, app: Pages) -> None:
    devtools = tab.context.new_cdp_session(tab)
    devtools.send("WebAuthn.enable")
    made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})["authenticatorId"]
    tab.goto(served.url + "/auth/account/passkeys")
    by_password(tab, "ada.stone")
    tab.fill("#label", "My phone")
    tab.click("button:has-text('Add a passkey')")
    tab.get_by_text("The passkey is kept.").wait_for()
    signed_out(tab, served)
    tab.goto(app.url + "/launch.html")
    tab.click("button:has-text('Use a passkey')")
    is_in(tab, app)
    signed_out(tab, served)
    devtools.send("WebAuthn.setUserVerified", {"authenticatorId": made, "isUserVerified": False})
    tab.goto(app.url + "/launch.html")
    tab.click("button:has-text('Use a passkey')")
    tab.get_by_text("No passkey was used.").wait_for()
    by_password(tab, "ada.stone")  # the other way in stays open
    is_in(tab, app)
    devtools.send("WebAuthn.disable")


def test_a_code_of_the_authenticator_app_is_asked_for_on_the_way_to_an_app(
    tab: Any, served: Server, app: Pages
) -> None:
    tab.goto(served.url + "/auth/account/totp")
    by_password(tab, "ada.stone")
    code = pyotp.TOTP(tab.inner_text(".secret").replace(" ", ""))
    tab.fill("#code", code.now())
    tab.click("text=Switch it on")
    recovery = tab.locator(".codes li").all_inner_texts()
    tab.click("text=I have kept them")
    signed_out(tab, served)
    tab.goto(app.url + "/launch.html")
    by_password(tab, "ada.stone")
    tab.fill("#code", "000000")
    tab.click("button:text-is('Go on')")
    tab.get_by_role("alert").wait_for()
    tab.fill("#code", code.at(time.time() + 30))
    tab.click("button:text-is('Go on')")
    is_in(tab, app)
    for again in (True, False):  # a recovery code is used once
        signed_out(tab, served)
        tab.goto(app.url + "/launch.html")
        by_password(tab, "ada.stone")
        tab.click("text=Use a recovery code")
        tab.fill("#recovery", recovery[0])
        tab.click("text=Go on with a recovery code")
        if again:
            is_in(tab, app)
        else:
            tab.get_by_role("alert").wait_for()


def test_somebody_signs_in_for_an_app_at_another_provider(tab: Any, served: Server, app: Pages) -> None:
    tab.goto(served.url + "/auth/account")
    by_password(tab, "ada.stone")
    tab.click("text=Connect Clinic login")
    tab.get_by_text("Disconnect Clinic login").wait_for()
    signed_out(tab, served)
    tab.goto(app.url + "/launch.html")
    tab.click("text=Sign in with Clinic login")
    is_in(tab, app)


def test_an_account_elsewhere_that_is_connected_to_nobody_does_not_sign_in(
    tab: Any, served: Server, app: Pages
) -> None:
    tab.goto(app.url + "/launch.html")
    tab.click("text=Sign in with Clinic login")
    tab.get_by_role("alert").wait_for()
    assert tab.url.startswith(served.url)
    assert tab.locator("#observations").count() == 0


@pytest.fixture
def production(tmp_path: Path) -> Iterator[Server]:
    running = named(tmp_path, "--env", "production")
    yield running
    running.stop()


def test_in_production_an_auditor_sets_up_a_second_factor_first(tab: Any, production: Server) -> None:
    server = production
    done = hilum("users", "add", "aud", "--role", "auditor", "--data", server.data, "--env", "production")
    assert done.returncode == 0, done.stderr
    tab.goto(server.url + "/auth/sign-in")
    tab.fill("#username", "aud")
    tab.fill("#password", done.stderr.split(": ")[-1].strip())
    tab.click("button:text-is('Sign in')")
    tab.fill("#new", PASSWORD)
    tab.fill("#again", PASSWORD)
    tab.click("text=Use this password")
    assert "second proof" in tab.inner_text("main")
    tab.goto(server.url + "/auth/account")
    assert tab.locator("#username, #code").count() == 1  # not in yet
    if tab.locator("#username").count():
        by_password(tab, "aud")
    tab.fill("#code", pyotp.TOTP(tab.inner_text(".secret").replace(" ", "")).now())
    tab.click("text=Switch it on")
    tab.click("text=I have kept them")
    tab.get_by_text("Your account").first.wait_for()
    assert tab.locator(".environment").first.inner_text() == "production"
