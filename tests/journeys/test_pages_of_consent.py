"""An app is allowed to see a record, in a real browser: from its start to what it reads, by staff and by patients."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from tests.journeys.browsing import DESKTOP, browser, looked_at, needs_chromium, watched
from tests.journeys.cli import hilum
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_pages_of_sign_in import PASSWORD

__all__ = ["browser"]

pytestmark = needs_chromium

SCOPES = "openid fhirUser offline_access launch/patient launch/encounter patient/*.cruds user/*.cruds"


class App:
    """An app on the web: `back` holds what came back to its redirect."""

    def __init__(self, server: Server, *place: str) -> None:
        self.server, self.back = server, dict[str, str]()
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if urlsplit(self.path).path != "/back":  # a browser looks for an icon, too
                    self.send_error(404)
                    return
                app.back = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(b"<h1>Back in the app</h1>")

            def log_message(self, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.redirect = f"http://127.0.0.1:{self._http.server_port}/back"
        done = hilum("clients", "add", "Growth Chart", "--redirect", self.redirect, "--scopes", SCOPES, "--contact",
                     "Sprout Ltd", "--data", server.data, *place)  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.id = done.stdout.split()[0]

    def start(self, tab: Any, scope: str) -> None:
        self.verifier = secrets.token_urlsafe(40)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        said = httpx.get(f"{self.server.base}/.well-known/smart-configuration").json()
        self.token_url = said["token_endpoint"]
        asked = {"response_type": "code", "client_id": self.id, "redirect_uri": self.redirect, "scope": scope,
                 "state": "s", "aud": self.server.base, "code_challenge": challenge,
                 "code_challenge_method": "S256"}  # fmt: skip
        self.back = {}
        tab.goto(f"{said['authorization_endpoint']}?{urlencode(asked)}")

    def tokens(self, tab: Any) -> dict[str, Any]:
        tab.get_by_text("Back in the app").wait_for()
        form = {"grant_type": "authorization_code", "code": self.back["code"], "redirect_uri": self.redirect,
                "code_verifier": self.verifier, "client_id": self.id}  # fmt: skip
        answer = httpx.post(self.token_url, data=form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def stop(self) -> None:
        self._http.shutdown()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("consent")
    running = Server(folder)
    patient = {"resourceType": "Patient", "name": [{"family": "Stone", "given": ["Ada"]}], "birthDate": "1980-12-31"}
    with running.client() as fhir:
        for id, given in (("p1", "Ada"), ("p2", "Ben")):
            body = patient | {"id": id, "name": [{"family": "Stone", "given": [given]}]}
            assert fhir.put(f"Patient/{id}", json=body, headers=FHIR_JSON).status_code == 201
        for id, code in (("o1", "laboratory"), ("o2", "vital-signs")):
            coding = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": code}
            body = {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": code},
                    "category": [{"coding": [coding]}], "subject": {"reference": "Patient/p1"}}  # fmt: skip
            assert fhir.put(f"Observation/{id}", json=body, headers=FHIR_JSON).status_code == 201
        for id, day in (("e1", "2026-01-05"), ("e2", "2026-02-05")):
            body = {"resourceType": "Encounter", "id": id, "status": "finished", "type": [{"text": "Check-up"}],
                    "class": {"code": "AMB"}, "period": {"start": day},
                    "subject": {"reference": "Patient/p1"}}  # fmt: skip
            assert fhir.put(f"Encounter/{id}", json=body, headers=FHIR_JSON).status_code == 201
    kept = folder / "password"
    kept.write_text(PASSWORD)
    for name, *more in (("kim.doe", "--role", "practitioner"),
                        ("ada.stone", "--role", "patient", "--patient", "p1"),
                        ("par.ent", "--role", "patient", "--patient", "p1", "--patient", "p2")):  # fmt: skip
        done = hilum("users", "add", name, *more, "--password-file", kept, "--data", running.data)
        assert done.returncode == 0, done.stderr
    yield running
    running.stop()


@pytest.fixture
def app(served: Server) -> Iterator[App]:
    started = App(served)
    yield started
    started.stop()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab without script, in which nothing is blocked by a page's policy."""
    with watched(browser, java_script_enabled=False) as page:
        yield page


def sign_in(tab: Any, name: str) -> None:
    tab.fill("#username", name)
    tab.fill("#password", PASSWORD)
    with tab.expect_navigation():
        tab.keyboard.press("Enter")


def fhir(app: App, token: str) -> httpx.Client:
    return httpx.Client(base_url=app.server.base + "/", headers={"authorization": f"Bearer {token}"})


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return sorted(one["resource"]["id"] for one in answer.json().get("entry", []))


def test_a_patient_allows_an_app_to_read_the_record(tab: Any, app: App) -> None:
    app.start(tab, "openid fhirUser offline_access launch/patient patient/*.rs")
    sign_in(tab, "ada.stone")
    assert tab.inner_text("h1") == "Allow Growth Chart to use your health record?"
    tab.click("button:text-is('Allow')")
    found = app.tokens(tab)
    assert found["patient"] == "p1"
    assert {"refresh_token", "id_token"} <= found.keys()
    with fhir(app, found["access_token"]) as client:
        assert ids(client.get("Observation")) == ["o1", "o2"]
        assert ids(client.get("Patient")) == ["p1"]
        assert client.get("Patient/p2").status_code == 404
        tab.goto(app.server.url + "/my/apps")
        for one in ("Stop access", "Stop access"):
            tab.click(f"text={one}")
        tab.get_by_text("Stopped.").wait_for()
        assert client.get("Observation").status_code == 401


def test_a_patient_allows_lab_results_only_and_no_lasting_access(tab: Any, app: App) -> None:
    app.start(tab, "offline_access launch/patient patient/Patient.rs patient/Observation.rs patient/Condition.rs")
    sign_in(tab, "ada.stone")
    for box in tab.locator("input[type=checkbox]").all():
        if box.get_attribute("value") != "patient/Patient.rs" and "|laboratory" not in box.get_attribute("value"):
            box.uncheck()
    tab.click("button:text-is('Allow')")
    found = app.tokens(tab)
    assert "refresh_token" not in found
    assert "patient/Condition" not in found["scope"]
    with fhir(app, found["access_token"]) as client:
        assert ids(client.get("Observation")) == ["o1"]
        assert client.get("Observation/o2").status_code == 404
        assert client.get("Condition").status_code == 403


def test_who_does_not_allow_it_is_back_in_the_app(tab: Any, app: App) -> None:
    app.start(tab, "launch/patient patient/*.rs")
    sign_in(tab, "ada.stone")
    tab.click("text=Do not allow")
    tab.get_by_text("Back in the app").wait_for()
    assert (app.back["error"], app.back["state"]) == ("access_denied", "s")


def test_staff_find_a_patient_and_a_visit_by_keyboard(tab: Any, app: App) -> None:
    app.start(tab, "launch/patient launch/encounter patient/*.rs")
    sign_in(tab, "kim.doe")
    tab.focus("#q")
    tab.keyboard.type("stone ada")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    assert tab.inner_text("legend") == "1 found"
    tab.focus("input[name=patient]")
    tab.keyboard.press("Space")
    with tab.expect_navigation():
        tab.keyboard.press("Enter")
    tab.check("input[value=e2]")
    tab.click("text=Go on")
    assert "Ada Stone's health record" in tab.inner_text("h1")
    tab.click("button:text-is('Allow')")
    found = app.tokens(tab)
    assert (found["patient"], found["encounter"]) == ("p1", "e2")


def test_the_pages_fit_phones_and_can_be_read(browser: Any, app: App) -> None:
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    app.start(tab, SCOPES.replace("user/*.cruds", ""))
    sign_in(tab, "kim.doe")
    looked_at(tab, "find")
    tab.fill("#q", "stone")
    tab.keyboard.press("Enter")
    tab.get_by_text("2 found").wait_for()
    looked_at(tab, "find-found")
    tab.check("input[value=p1]")
    tab.click("text=Open this record")
    tab.get_by_text("Which visit is it about?").wait_for()
    looked_at(tab, "encounter")
    tab.check("input[value=e1]")
    tab.click("text=Go on")
    tab.get_by_text("Do not allow").wait_for()
    looked_at(tab, "consent-staff")
    context.clear_cookies()
    app.start(tab, "openid fhirUser offline_access launch/patient patient/*.rs")
    sign_in(tab, "par.ent")
    looked_at(tab, "own")
    tab.check("input[value=p2]")
    tab.click("text=Go on")
    tab.get_by_text("Do not allow").wait_for()
    looked_at(tab, "consent-patient")
    tab.click("button:text-is('Allow')")
    app.tokens(tab)
    tab.goto(app.server.url + "/my/apps")
    looked_at(tab, "my-apps")
    tab.click("text=Stop access")
    tab.get_by_text("Stop Growth Chart?").wait_for()
    looked_at(tab, "stop")
    context.close()
