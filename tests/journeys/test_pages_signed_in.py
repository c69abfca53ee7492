"""The pages at `/` for who is signed in: nothing is pasted, what the person may see is shown, a document opens."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.browsing import CONTRAST, DESKTOP, PHONE, browser, follow, needs_chromium, watched
from tests.journeys.cli import hilum
from tests.journeys.server import FHIR_JSON, Server

__all__ = ["browser"]

pytestmark = needs_chromium

PASSWORD = "four green tractors sing"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("signed-in"))
    yield running
    running.stop()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab in which nothing may go wrong; a browser tells of refusals by itself."""
    with watched(browser, "http://127.0.0.1") as page:
        yield page


def person(served: Server, folder: Path, name: str, *more: str) -> None:
    kept = folder / "password"
    kept.write_text(PASSWORD + "\n")
    done = hilum("users", "add", name, "--password-file", kept, "--display", name.title(), *more, "--data", served.data)
    assert done.returncode == 0, done.stderr


def patient(served: Server, family: str) -> str:
    with served.client() as client:
        made = client.post("Patient", json={"resourceType": "Patient", "name": [{"family": family}]}, headers=FHIR_JSON)
    return str(made.json()["id"])


def through_the_form(tab: Any, name: str) -> None:
    tab.fill("#username", name)
    tab.fill("#password", PASSWORD)
    with tab.expect_navigation():
        tab.keyboard.press("Enter")


def asked(tab: Any) -> list[tuple[str, str, dict[str, str]]]:
    """What the page asks from now on: method, path, headers."""
    found: list[tuple[str, str, dict[str, str]]] = []
    tab.on("request", lambda one: found.append((one.method, one.url, one.headers)))
    return found


def test_who_signs_in_sees_the_pages_without_pasting(tab: Any, served: Server, tmp_path: Path) -> None:
    person(served, tmp_path, "kim", "--role", "practitioner")
    id = patient(served, "Signed")
    ended = served.token(minutes=0.001)  # it lasts a second, and signing in longer
    tab.goto(served.url + "/browse/Patient")
    tab.wait_for_selector("#sign-in", state="visible")
    assert tab.context.cookies() == []
    requests = asked(tab)
    tab.click("#account")
    through_the_form(tab, "kim")
    assert tab.url == served.url + "/browse/Patient"
    tab.wait_for_selector("#rows tr")
    assert tab.locator("#sign-in").is_hidden()
    assert tab.locator("#session").is_hidden()
    assert tab.locator("#signed-in").inner_text() == "Signed in as Kim"
    tab.click("#rows a:has-text('Signed')")
    tab.wait_for_selector("#json .key")
    assert tab.locator("h1").text_content() == "Patient: Signed"
    tab.goto(served.url + "/")
    tab.wait_for_selector("#types li")
    given = [one for one in requests if one[1].endswith("/auth/console-token")]
    assert [(method, headers["x-csrf"]) for method, _, headers in given] == [("POST", "1")], "once for the tab"
    assert all("ey" not in url.partition("?")[2] for _, url, _ in requests)
    cookies = {one["name"]: (one["httpOnly"], one["sameSite"]) for one in tab.context.cookies()}
    assert cookies == {"hilum": (True, "Lax"), "hilum-known": (True, "Lax")}
    token = tab.evaluate("sessionStorage.getItem('hilum token')")
    assert token not in tab.content()
    assert tab.evaluate("Object.keys(localStorage).length") == 0
    ratio, where = tab.evaluate(CONTRAST)
    assert ratio >= 4.5, where
    tab.set_viewport_size(PHONE)
    assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    tab.set_viewport_size(DESKTOP)
    for stale in ("x.y.z", ended):  # what has ended is asked for anew
        tab.evaluate("token => sessionStorage.setItem('hilum token', token)", stale)
        tab.goto(f"{served.url}/browse/Patient/{id}")
        tab.wait_for_selector("#json .key")
    follow(tab, "#name")
    with tab.expect_navigation():  # who goes elsewhere at once stops the form from being sent
        tab.get_by_role("button", name="Sign out", exact=True).click()
    tab.goto(served.url + "/")
    tab.wait_for_selector("#sign-in", state="visible")
    assert tab.locator("#data").is_hidden()
    assert tab.locator("#signed-in").is_hidden()
    assert tab.evaluate("Object.keys(sessionStorage).length") == 0


def test_a_patient_sees_their_own_record_and_pasting_stays(tab: Any, served: Server, tmp_path: Path) -> None:
    own, other = patient(served, "Own"), patient(served, "Other")
    person(served, tmp_path, "pat", "--role", "patient", "--patient", own)
    tab.goto(served.url + "/auth/sign-in?next=/browse/Patient")
    through_the_form(tab, "pat")
    tab.wait_for_selector("#rows tr")
    assert tab.locator("#rows tr").count() == 1
    tab.goto(f"{served.url}/browse/Patient/{other}")
    tab.wait_for_selector("#problem", state="visible")
    assert "Other" not in tab.content()
    tab.context.clear_cookies()
    tab.evaluate("sessionStorage.clear()")
    tab.goto(f"{served.url}/browse/Patient/{other}")
    tab.wait_for_selector("#sign-in", state="visible")
    tab.fill("#token", served.token())
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#json .key")
    assert tab.locator("#session").inner_text().startswith("Token in use")
    assert tab.locator("#signed-in").is_hidden()


def test_a_document_opens_in_the_browser_by_a_ticket(tab: Any, served: Server, tmp_path: Path) -> None:
    person(served, tmp_path, "doc", "--role", "practitioner")
    held = base64.b64encode(b"<script>document.title='owned'</script>").decode()
    with served.client() as client:
        ids = [
            client.post("Binary", content=json.dumps({"resourceType": "Binary", "contentType": media, "data": held}),
                        headers=FHIR_JSON).json()["id"]
            for media in ("text/plain", "text/html")
        ]  # fmt: skip
    tab.goto(f"{served.url}/auth/sign-in?next=/browse/Binary/{ids[0]}")
    through_the_form(tab, "doc")
    tab.wait_for_selector("#json .key")
    with tab.expect_navigation():
        tab.get_by_role("button", name="Open the document").click()
    assert f"/fhir/Binary/{ids[0]}?ticket=hti_" in tab.url
    assert "owned" in tab.locator("pre").inner_text()
    assert tab.title() != "owned"
    assert tab.reload().status == 401, "once"
    tab.goto(f"{served.url}/browse/Binary/{ids[1]}")
    tab.wait_for_selector("#json .key")
    with tab.expect_download() as saved:
        tab.get_by_role("button", name="Open the document").click()
    assert Path(saved.value.path()).read_bytes() == base64.b64decode(held)
