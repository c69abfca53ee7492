"""Signing in, in a real browser: by keyboard, without script, on a phone, with a code, with a passkey."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from tests.journeys.browsing import DESKTOP, browser, follow, looked_at, needs_chromium, watched
from tests.journeys.cli import hilum
from tests.journeys.server import Server
from tests.unit.smart.login import SECRET, Login

__all__ = ["browser"]

pytestmark = needs_chromium
PASSWORD = "four green tractors sing"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server at a name, since passkeys need one."""
    running = Server(tmp_path_factory.mktemp("sign-in"), "--host", "localhost")
    running.url = f"http://localhost:{running.port}"
    yield running
    running.stop()


@pytest.fixture
def add(served: Server, tmp_path: Path) -> Any:
    """Adds a user, whose password is PASSWORD."""
    kept = tmp_path / "password"
    kept.write_text(PASSWORD + "\n")

    def one(name: str, *more: str) -> None:
        done = hilum("users", "add", name, "--role", "practitioner", "--display", "Kim Doe", "--password-file", kept,
                     "--data", served.data, *more)  # fmt: skip
        assert done.returncode == 0, done.stderr

    return one


@pytest.fixture
def tab(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A tab in which nothing may go wrong: no error, nothing blocked by the page's policy, no request to elsewhere."""
    with watched(browser, "http://localhost", "data:", **getattr(request, "param", {})) as page:
        yield page


def sign_in(tab: Any, served: Server, name: str, password: str = PASSWORD) -> None:
    tab.goto(served.url + "/auth/account")
    tab.fill("#username", name)
    tab.fill("#password", password)
    with tab.expect_navigation():
        tab.keyboard.press("Enter")


@pytest.mark.parametrize("tab", [{"java_script_enabled": False}], indirect=True)
def test_everything_but_passkeys_works_without_script(tab: Any, served: Server, add: Any) -> None:
    add("noscript")
    sign_in(tab, served, "noscript", "wrong password")
    assert "is not right" in tab.inner_text("[role=alert]")
    assert tab.input_value("#username") == "noscript"
    assert not tab.get_by_text("Use a passkey").is_visible()
    sign_in(tab, served, "noscript")
    assert tab.inner_text("h1") == "Your account"
    tab.click("text=Set it up")
    secret = tab.inner_text(".secret").replace(" ", "")
    tab.fill("#code", pyotp.TOTP(secret).now())
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    assert tab.locator(".codes li").count() == 10
    tab.click("text=I have kept them")
    assert "10 recovery codes are left" in tab.inner_text("main")
    tab.click("text=Sign out >> nth=0")
    tab.get_by_text("Sign in to").wait_for()


def test_a_person_signs_in_by_keyboard_alone(tab: Any, served: Server, add: Any) -> None:
    add("keyboard")
    tab.goto(served.url + "/auth/account")

    def reach(id: str) -> None:
        for _ in range(10):
            tab.keyboard.press("Tab")
            if tab.evaluate("document.activeElement.id") == id:
                outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline == "solid", "the focus is seen"
                return
        raise AssertionError(f"#{id} is not reached by the Tab key")

    reach("username")
    tab.keyboard.type("keyboard")
    reach("password")
    tab.keyboard.type(PASSWORD)
    tab.keyboard.press("Enter")
    tab.get_by_text("Your account").first.wait_for()
    cookie = next(one for one in tab.context.cookies() if one["name"] == "hilum")
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
    assert tab.evaluate("document.cookie") == ""


def test_the_pages_fit_phones_and_can_be_read(tab: Any, served: Server, add: Any) -> None:
    add("looks")
    tab.goto(served.url + "/auth/sign-in")
    looked_at(tab, "sign-in")
    sign_in(tab, served, "looks", "wrong password")
    looked_at(tab, "sign-in-wrong")
    sign_in(tab, served, "looks")
    looked_at(tab, "account")
    for name, path in (("password", "password"), ("app", "totp"), ("passkey", "passkeys")):
        tab.goto(f"{served.url}/auth/account/{path}")
        looked_at(tab, name)
    tab.goto(served.url + "/auth/account/totp")
    tab.fill("#code", pyotp.TOTP(tab.inner_text(".secret").replace(" ", "")).now())
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".codes")
    looked_at(tab, "recovery-codes")
    tab.goto(served.url + "/auth/account")
    looked_at(tab, "account-with-app")
    tab.click("text=Sign out >> nth=0")
    sign_in(tab, served, "looks")
    tab.wait_for_selector("#code")
    looked_at(tab, "code")


def test_a_password_that_was_printed_is_changed_at_the_first_sign_in(tab: Any, served: Server) -> None:
    done = hilum("users", "add", "pat", "--role", "patient", "--patient", "p1", "--to-come",
                 "--data", served.data, "--json")  # fmt: skip
    sign_in(tab, served, "pat", json.loads(done.stdout)["password"])
    looked_at(tab, "new-password")
    tab.fill("#new", "seven brown kettles hum")
    tab.fill("#again", "seven brown kettles hum")
    tab.keyboard.press("Enter")
    tab.get_by_text("Your account").first.wait_for()
    assert "Patient/p1" in tab.inner_text("main")


def test_a_passkey_is_made_and_signs_in(tab: Any, served: Server, add: Any) -> None:
    add("key.holder")
    devtools = tab.context.new_cdp_session(tab)
    devtools.send("WebAuthn.enable")
    device = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
              "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": device})
    sign_in(tab, served, "key.holder")
    tab.click("text=Add one")
    tab.fill("#label", "My phone")
    tab.click("button:has-text('Add a passkey')")
    tab.get_by_text("The passkey is kept.").wait_for()
    assert "My phone" in tab.inner_text("main")
    tab.click("text=Sign out >> nth=0")
    for _ in range(2):
        tab.click("button:has-text('Use a passkey')")
        tab.get_by_text("Your account").first.wait_for()
        assert "Kim Doe" in tab.inner_text("main")
        tab.click("text=Sign out >> nth=0")
    devtools.send("WebAuthn.disable")
    hilum("users", "reset", "key.holder", "--second-factor", "--data", served.data)


def test_who_is_shut_out_is_out_of_a_running_server(tab: Any, served: Server, add: Any) -> None:
    add("shut.out")
    sign_in(tab, served, "shut.out")
    tab.get_by_text("Your account").first.wait_for()
    hilum("users", "disable", "shut.out", "--data", served.data)
    tab.goto(served.url + "/auth/account")
    assert tab.inner_text("h1").startswith("Sign in to")


def test_neither_names_nor_passwords_nor_cookies_are_in_the_log(tab: Any, served: Server, add: Any) -> None:
    add("log.reader")
    sign_in(tab, served, "log.reader", "wrong password")
    sign_in(tab, served, "log.reader")
    tab.get_by_text("Your account").first.wait_for()
    cookie = next(one["value"] for one in tab.context.cookies() if one["name"] == "hilum")
    for secret in ("log.reader", "wrong password", PASSWORD, cookie):
        assert not re.search(re.escape(secret), served.log)


@pytest.fixture
def provider() -> Iterator[Login]:
    """An OpenID provider in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    login = Login()
    asyncio.run_coroutine_threadsafe(login.__aenter__(), loop).result(10)
    yield login
    asyncio.run_coroutine_threadsafe(login.__aexit__(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_an_account_elsewhere_is_connected_and_signs_in(
    browser: Any, provider: Login, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("outside")
    data = folder / "data"
    data.mkdir(mode=0o700)
    (data / "work.secret").write_text(SECRET)
    (data / "providers.toml").write_text(
        f'[work]\ntitle = "Clinic login"\nissuer = "{provider.issuer}"\nclient_id = "hilum"\n'
        'client_secret_file = "work.secret"\n'
    )
    server = Server(folder, "--host", "localhost")
    server.url = f"http://localhost:{server.port}"
    kept = folder / "password"
    kept.write_text(PASSWORD)
    hilum("users", "add", "kim.doe", "--role", "practitioner", "--password-file", kept, "--data", data)
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    blocked: list[str] = []
    tab.on("console", lambda message: blocked.append(message.text) if message.type == "error" else None)
    sign_in(tab, server, "kim.doe")
    tab.click("text=Connect Clinic login")
    tab.get_by_text("Disconnect Clinic login").wait_for()
    looked_at(tab, "account-connected")
    follow(tab, "text=Sign out >> nth=0")
    looked_at(tab, "sign-in-with-provider")
    tab.click("text=Sign in with Clinic login")
    tab.get_by_text("Your account").first.wait_for()
    assert blocked == []
    context.close()
    server.stop()
