"""What people go through on the way to an app: sign-in, second factor, picker, consent; by hand and by key.

Everything from the app's own page back to it. Pictures are kept in .cache/pages for people to look at; that text can be
read, fields have labels, nothing is wider than the screen and what is pressed is large enough is judged here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from tests.journeys.apps import NODE, PASSWORD, ROOT, Pages, needs_node, people, record, registered
from tests.journeys.browsing import DESKTOP, PHONE, browser, looked_at, needs_chromium
from tests.journeys.cli import hilum
from tests.journeys.server import Server

__all__ = ["browser"]

pytestmark = [needs_chromium, needs_node("fhirclient")]

SCOPE = "openid fhirUser offline_access launch/patient patient/*.rs"
SMALL = """() => [...document.querySelectorAll('button, a.button, input:not([type=hidden]), summary')]
  .filter((e) => e.checkVisibility()).map((e) => [e, (e.closest('label') || e).getBoundingClientRect()])
  .filter(([e, box]) => box.height < 24 || box.width < 24).map(([e]) => e.outerHTML)"""
"""What is smaller than 24 by 24 pixels (WCAG 2.2, 2.5.8)."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("client-pages")
    running = Server(folder, "--organization", "Lake Clinic")
    record(running)
    people(running, folder)
    kept = folder / "password-of-all"
    for name in ("by.hand.wide", "by.hand.small", "by.key.wide", "by.key.small"):
        done = hilum("users", "add", name, "--role", "practitioner", "--display", "Kim Doe", "--stands-for",
                     "Practitioner/dr", "--password-file", kept, "--data", running.data)  # fmt: skip
        assert done.returncode == 0, done.stderr
    yield running
    running.stop()


@pytest.fixture(scope="module")
def app(served: Server) -> Iterator[Pages]:
    pages = Pages(ROOT / "examples" / "smart_app", NODE / "node_modules" / "fhirclient" / "build")
    id = registered(served, "Vitals", "--redirect", pages.url + "/index.html", "--scopes", SCOPE, "--contact",
                    "Sprout Ltd")["client_id"]  # fmt: skip
    pages.texts["config.js"] = f'const APP = {{clientId: "{id}", iss: "{served.base}", scope: "{SCOPE}"}};'
    yield pages
    pages.stop()


class Hand:
    """Somebody with a mouse, or a finger."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab

    def enter(self, place: str, text: str) -> None:
        self.tab.click(place)
        self.tab.keyboard.type(text)

    def choose(self, place: str) -> None:
        self.tab.click(place)

    def press(self, place: str) -> None:
        self.tab.click(place)


class Keys(Hand):
    """Somebody without one: Tab, arrows, Space and Enter."""

    def reach(self, place: str) -> None:
        wanted = self.tab.locator(place)
        for _ in range(90):
            if any(one.evaluate("e => e === document.activeElement") for one in wanted.all()):
                shown = self.tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert shown == "solid", f"the focus on {place} is not seen"
                return
            self.tab.keyboard.press("Tab")
        raise AssertionError(f"{place} is not reached by the Tab key")

    def enter(self, place: str, text: str) -> None:
        self.reach(place)
        self.tab.keyboard.type(text)

    def choose(self, place: str) -> None:
        group = self.tab.locator(place).get_attribute("name")
        self.reach(f"input[name={group}]")
        self.tab.keyboard.press("Space")
        for _ in range(20):
            if self.tab.locator(place).is_checked():
                return
            self.tab.keyboard.press("ArrowDown")
        raise AssertionError(f"{place} can't be chosen by keys")

    def press(self, place: str) -> None:
        self.reach(place)
        self.tab.keyboard.press("Enter")


def enrolled(tab: Any, served: Server, name: str) -> pyotp.TOTP:
    """The second factor of a user who signs in by password first."""
    tab.goto(served.url + "/auth/account/totp")
    tab.fill("#username", name)
    tab.fill("#password", PASSWORD)
    tab.keyboard.press("Enter")
    made = pyotp.TOTP(tab.inner_text(".secret").replace(" ", ""))
    tab.fill("#code", made.now())
    tab.keyboard.press("Enter")
    tab.click("text=I have kept them")
    tab.click("button:text-is('Sign out')")
    tab.get_by_text("Sign in to").wait_for()
    return made


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["wide", "small"])
@pytest.mark.parametrize("way", [Hand, Keys], ids=["hand", "key"])
def test_staff_get_from_an_app_to_a_record_in_it(
    browser: Any, served: Server, app: Pages, way: type[Hand], size: dict[str, int], request: pytest.FixtureRequest
) -> None:
    name = f"by.{request.node.callspec.id.replace('-', '.')}"
    context = browser.new_context(viewport=size, has_touch=size is PHONE)
    tab = context.new_page()
    tab.set_default_timeout(20_000)
    code = enrolled(tab, served, name)
    person = way(tab)

    def page(title: str, ready: str) -> None:
        tab.wait_for_selector(ready)
        tab.wait_for_load_state()
        assert tab.evaluate(SMALL) == []
        if way is Hand and size is DESKTOP:
            looked_at(tab, f"flow-{title}")

    tab.goto(f"{app.url}/launch.html")
    page("sign-in", "#username")
    assert f"({app.url.removeprefix('http://')}) asks to see health records" in tab.inner_text("main")
    person.enter("#username", name)
    person.enter("#password", PASSWORD)
    person.press("button:text-is('Sign in')")
    page("second-factor", "#code")
    person.enter("#code", code.at(time.time() + 30))  # a code is used once, and one was used to set it up
    person.press("button:text-is('Go on')")
    page("picker", "#q")
    person.enter("#q", "stone")
    person.press("button:text-is('Search')")
    page("picker-found", "input[name=patient]")
    assert tab.locator(".choices b").all_inner_texts() == ["Ada Stone", "Ben Stone"]
    person.choose("input[value=ben]")
    person.press("button:text-is('Open this record')")
    page("consent", "button:text-is('Allow')")
    assert "Ben Stone's health record" in tab.inner_text("h1")
    person.press("button:text-is('Allow')")
    tab.wait_for_selector("section:not([hidden])")
    assert tab.inner_text("#name") == "Ben Stone"
    tab.goto(served.url + "/my/apps")
    page("my-apps", "text=Stop access")
    context.close()


def test_a_patient_sees_what_is_asked_and_chooses(browser: Any, served: Server, app: Pages) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True)
    tab = context.new_page()
    tab.goto(f"{app.url}/launch.html")
    tab.fill("#username", "ada.stone")
    tab.fill("#password", PASSWORD)
    tab.tap("button:text-is('Sign in')")
    tab.wait_for_selector("button:text-is('Allow')")
    looked_at(tab, "flow-consent-patient")
    tab.set_viewport_size(PHONE)
    results = tab.locator("details", has_text="Test results")
    assert not results.get_by_label("Lab results").is_visible()
    results.locator("summary").tap()
    looked_at(tab, "flow-consent-patient-open")
    tab.set_viewport_size(PHONE)
    results.get_by_label("Lab results").uncheck()
    tab.tap("button:text-is('Allow')")
    tab.wait_for_selector("section:not([hidden])")
    assert tab.locator("#observations li").all_inner_texts() == ["Height: 171 cm", "Weight: 70.5 kg"]
    context.close()
