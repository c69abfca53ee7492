"""A person signs in at another hilum, in a real browser, and has hilum gather there and send on: pages as pictures."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from tests.journeys.apps import PASSWORD, launched, people, record, registered
from tests.journeys.browsing import browser, follow, looked_at, needs_chromium, watched
from tests.journeys.cli import hilum
from tests.journeys.server import Server

__all__ = ["browser"]

SCOPES = "openid fhirUser offline_access patient/Patient.rs patient/Observation.rs patient/Encounter.rs"
RECIPE = """title = "What a video for a patient needs: a name, visits and results"

[[ask]]
type = "Encounter"
search = "patient={patient}"

[[ask]]
type = "Observation"
search = "patient={patient}"

[[ask]]
type = "Condition"
search = "patient={patient}"

[payload.fields]
first_name = { from = "Patient", path = "name.given.first()" }
"""


class Studio(ThreadingHTTPServer):
    """What makes videos. `status`: of its answers."""

    def __init__(self) -> None:
        self.status, self.got = 200, list[dict[str, Any]]()
        super().__init__(("127.0.0.1", 0), _Taking)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Studio)
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


@dataclass
class Both:
    """hilum, the EHR that it is connected to as `lake`, its id there, and what it sends to."""

    app: Server
    ehr: Server
    client: str
    studio: Studio = field(default_factory=Studio)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    ehr = Server(tmp_path_factory.mktemp("ehr"))
    record(ehr)
    people(ehr, tmp_path_factory.getbasetemp())
    app = Server(tmp_path_factory.mktemp("app"), "--organization", "Lakeside Videos")
    scopes, back = f"launch launch/patient {SCOPES}", f"{app.url}/callback/lake"
    client = registered(
        ehr, "Lakeside Videos", "--public", "--redirect", back, "--launch", f"{app.url}/launch", "--scopes", scopes
    )
    found = Both(app, ehr, client["client_id"])
    (app.data / "recipes").mkdir()
    (app.data / "recipes" / "video.toml").write_text(RECIPE)
    wish = ("--base", ehr.base, "--client-id", found.client, "--public", "--user-scopes", SCOPES)
    _done("ehr", "add", "lake", *wish, "--title", "Lake Hospital", "--recipe", "video", "--data", app.data)
    _done("destination", "add", "studio", f"http://127.0.0.1:{found.studio.server_port}/in", "--data", app.data)
    password = tmp_path_factory.getbasetemp() / "password-of-all"
    _done("users", "add", "ann.admin", "--role", "admin", "--password-file", password, "--data", app.data)
    yield found
    found.studio.shutdown()
    app.stop()
    ehr.stop()


def _done(*words: object) -> None:
    done = hilum(*words)
    assert done.returncode == 0, done.stderr


def signs_in(tab: Any, name: str) -> None:
    """At the EHR, up to hilum's own page."""
    tab.fill("#username", name)
    tab.fill("#password", PASSWORD)
    follow(tab, "main button")
    for _ in range(3):
        if "/gather/" in tab.url:
            return
        follow(tab, "main button >> nth=0")
    assert "/gather/" in tab.url, tab.url


def over(tab: Any) -> None:
    """Once it is done, as the page says by itself."""
    tab.wait_for_selector("meta[http-equiv=refresh]", state="detached", timeout=60_000)


@needs_chromium
def test_a_patient_has_it_gathered_and_sent(both: Both, browser: Any) -> None:
    both.studio.status = 200
    with watched(browser) as tab:
        tab.goto(f"{both.app.url}/gather")
        assert "Nobody is signed in" in tab.inner_text("h1")
        looked_at(tab, "broker-nobody")
        follow(tab, "text=Sign in at an EHR")
        assert tab.inner_text("h1") == "Where do you want to sign in?"
        looked_at(tab, "broker-connect")
        follow(tab, "[aria-label='Sign in at Lake Hospital']")
        signs_in(tab, "ada.stone")
        assert tab.inner_text("h1") == "You are signed in at Lake Hospital sandbox"
        looked_at(tab, "broker-choose")
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.className") == "skip"
        tab.focus("input[name=deliver_to]")  # by the keyboard alone
        for key in ("ArrowDown", "Tab"):
            tab.keyboard.press(key)
        assert tab.evaluate("document.activeElement.innerText") == "Gather now"
        with tab.expect_navigation():
            tab.keyboard.press("Enter")
        assert tab.inner_text("h1") == "What a video for a patient needs: a name, visits and results"
        over(tab)
        looked_at(tab, "broker-sent")
        assert tab.inner_text("[role=status]") == "Sent, but not all of it came."
        rows = [one.inner_text().split("\t") for one in tab.locator("tbody tr").all()]
        assert [row[:2] for row in rows] == [
            ["Personal details", "1"], ["Visits and stays", "2"], ["Measurements and results", "3"],
            ["Diagnoses and problems", "0"],
        ]  # fmt: skip
        assert [one["data"] for one in both.studio.got] == [{"first_name": "Ada"}]
        follow(tab, "text=Back to Lake Hospital")
        looked_at(tab, "broker-list")
        assert tab.locator(".rows li").count() == 1
        order = tab.get_attribute(".rows a", "href")
        follow(tab, "text=Sign out here")
        assert "Nobody is signed in" in tab.inner_text("h1")
        tab.goto(both.app.url + order)
        assert "Nobody is signed in at this EHR in this browser" in tab.inner_text("main")
        looked_at(tab, "broker-error")


@needs_chromium
def test_staff_opens_it_from_the_ehr_and_what_can_not_be_sent_is_told(both: Both, browser: Any) -> None:
    both.studio.status = 400
    context = launched(both.ehr, both.client, "kim.doe", patient="ada")
    with watched(browser) as tab:
        tab.goto(f"{both.app.url}/launch?iss={both.ehr.base}&launch={context}")
        signs_in(tab, "kim.doe")
        tab.check("input[value=studio]")
        follow(tab, "text=Gather now")
        over(tab)
        looked_at(tab, "broker-dead")
        assert "could not be sent" in tab.inner_text("[role=status]")
        order = tab.url
        with watched(browser) as other:  # another browser, that is signed in, too
            other.goto(f"{both.app.url}/connect/lake")
            signs_in(other, "ada.stone")
            assert other.locator(".rows li").count() == 0
            other.goto(order)
            assert "There is no such order of this sign-in" in other.inner_text("main")
        follow_up(both, browser)


def follow_up(both: Both, browser: Any) -> None:
    """An administrator signs the other browser out of the EHR, tries it, and has the dead letter sent again."""
    with watched(browser) as tab:
        tab.goto(f"{both.app.url}/admin/ehrs")
        tab.fill("#username", "ann.admin")
        tab.fill("#password", PASSWORD)
        follow(tab, "main button")
        assert "Lake Hospital" in tab.inner_text("tbody")
        looked_at(tab, "admin-ehrs")
        people = tab.locator("tbody tr", has_text="/Practitioner/"), tab.locator("tbody tr", has_text="/Patient/")
        assert [one.count() for one in people] == [1, 1]
        people[1].locator("button").click()
        tab.wait_for_selector(".done")
        assert (tab.inner_text(".done"), [one.count() for one in people]) == ("It is signed out.", [1, 0])
        follow(tab, "tbody button")
        assert tab.inner_text("[role=status]") == "What was tried works. Not tried: launch, read; see what to do."
        looked_at(tab, "admin-ehr")
        follow(tab, ".tabs >> text=Orders")
        assert "HTTP 400" in tab.inner_text("tbody")
        looked_at(tab, "admin-orders")
        both.studio.status, before = 200, len(both.studio.got)
        follow(tab, "tbody button")
        assert tab.inner_text(".done") == "It is being sent again."
        ends = time.monotonic() + 60
        while len(both.studio.got) == before and time.monotonic() < ends:
            time.sleep(0.1)
        assert both.studio.got[-1] == both.studio.got[-2]
        tab.goto(f"{both.app.url}/admin/orders")
        looked_at(tab, "admin-orders-none")
        assert tab.locator("tbody").count() == 0


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}],
)
def test_a_form_of_another_page_does_nothing(both: Both, headers: dict[str, str]) -> None:
    for path in ("/gather", "/gather/lake", "/gather/lake/x"):
        answer = httpx.post(both.app.url + path, data={"recipe": "video"}, headers=headers)
        assert (answer.status_code, "was not sent from a page of this server" in answer.text) == (403, True)
    mixed = {"origin": both.app.url, "sec-fetch-site": "cross-site"}
    assert httpx.post(f"{both.app.url}/gather", headers=mixed).status_code == 403


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/launch?iss=https://evil.example/fhir&launch=x", 403, "No EHR that calls itself as iss says"),
        ("/launch/lake?iss=", 400, "has the parameters iss and launch"),
        ("/connect/river", 404, "There is no EHR"),
        ("/callback/lake?state=x&code=y", 403, "was not begun in this browser"),
        ("/gather/lake", 403, "Nobody is signed in at this EHR"),
        ("/gather/lake/x/y", 404, "There is no such page"),
    ],
)
def test_what_goes_wrong_is_a_page_in_words(both: Both, path: str, status: int, says: str) -> None:
    answer = httpx.get(both.app.url + path)
    assert (answer.status_code, says in answer.text) == (status, True), answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_the_page_for_staff_stays_where_it_is(both: Both) -> None:
    for path in ("/launch", "/launch/ada", "/launch?x=iss=1"):
        answer = httpx.get(both.app.url + path)
        assert (answer.status_code, answer.headers["location"][:13]) == (303, "/auth/sign-in")


def test_sign_ins_are_audited_and_no_code_or_state_is(both: Both) -> None:
    assert httpx.get(f"{both.app.url}/callback/lake?state=st4te&code=c0de").status_code == 403
    asked = "subtype=urn:hilum:audit-event|ehr-sign-in-failed"
    with both.app.client("system/AuditEvent.rs") as fhir:
        ends = time.monotonic() + 60
        while not (found := fhir.get(f"AuditEvent?{asked}").json()).get("entry") and time.monotonic() < ends:
            time.sleep(0.2)
    (event, *_) = (one["resource"] for one in found["entry"])
    (about,) = (json.loads(b64decode(one["query"])) for one in event["entity"] if "query" in one)
    assert about == {"ehr": "lake", "environment": "sandbox", "kind": "strange"}
    assert not any(one in json.dumps(event) + both.app.log for one in ("st4te", "c0de"))
