"""Apps are launched from the pages, in a real browser: on a record, for a Task, on one's own. Brands are written."""

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
from tests.journeys.browsing import DESKTOP, browser, follow, looked_at, needs_chromium, watched
from tests.journeys.cli import hilum
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_pages_of_consent import sign_in
from tests.journeys.test_pages_of_sign_in import PASSWORD

__all__ = ["browser"]

pytestmark = needs_chromium

SCOPES = "openid fhirUser launch launch/patient offline_access patient/*.cruds user/*.cruds"
CODES = "http://hl7.org/fhir/smart-app-launch/CodeSystem/smart-codes"


class App:
    """An app that a browser opens at its launch URL: it asks at once, and `back` holds what came back."""

    def __init__(self, server: Server, *flags: str) -> None:
        self.server, self.back, self.launched = server, dict[str, str](), dict[str, str]()
        self.verifier = secrets.token_urlsafe(40)
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                given = {name: values[0] for name, values in parse_qs(parts.query).items()}
                if parts.path == "/launch" and "launch" in given:
                    app.launched = given
                    self.send_response(302)
                    self.send_header("location", app.asks(given))
                    self.end_headers()
                    return
                if parts.path not in ("/back", "/launch"):  # a browser looks for an icon, too
                    self.send_error(404)
                    return
                app.back = given
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(b"<h1>In the app</h1>")

            def log_message(self, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        done = hilum("clients", "add", "Growth Chart", "--redirect", f"{self.url}/back", "--launch",
                     f"{self.url}/launch", "--scopes", SCOPES, "--contact", "Sprout Ltd", "--data", server.data,
                     *flags)  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.id = done.stdout.split()[0]

    def asks(self, given: dict[str, str]) -> str:
        said = httpx.get(given["iss"] + "/.well-known/smart-configuration").json()
        self.token_url = said["token_endpoint"]
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {"response_type": "code", "client_id": self.id, "redirect_uri": f"{self.url}/back", "state": "s",
                 "scope": "launch openid fhirUser patient/*.rs", "aud": given["iss"], "launch": given["launch"],
                 "code_challenge": challenge, "code_challenge_method": "S256"}  # fmt: skip
        return f"{said['authorization_endpoint']}?{urlencode(asked)}"

    def tokens(self, tab: Any) -> dict[str, Any]:
        tab.get_by_text("In the app").wait_for()
        form = {"grant_type": "authorization_code", "code": self.back["code"], "redirect_uri": f"{self.url}/back",
                "code_verifier": self.verifier, "client_id": self.id}  # fmt: skip
        answer = httpx.post(self.token_url, data=form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def stop(self) -> None:
        self._http.shutdown()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("launch")
    running = Server(folder, "--organization", "Lake Clinic", "--tenant", "lake")
    records = [("Patient/p1", {"name": [{"family": "Stone", "given": ["Ada"]}], "birthDate": "1980-12-31"}),
               ("Patient/p2", {"name": [{"family": "Stone", "given": ["Ben"]}]}),
               ("Observation/o1", {"status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/p1"}}),
               ("Encounter/e1", {"status": "finished", "class": {"code": "AMB"}, "type": [{"text": "Check-up"}],
                                 "period": {"start": "2026-01-05"},
                                 "subject": {"reference": "Patient/p1"}})]  # fmt: skip
    with running.client() as fhir:
        for name, rest in records:
            type, _, id = name.partition("/")
            answer = fhir.put(name, json={"resourceType": type, "id": id, **rest}, headers=FHIR_JSON)
            assert answer.status_code == 201, answer.text
    kept = folder / "password"
    kept.write_text(PASSWORD)
    for name, *more in (("kim.doe", "--role", "practitioner"),
                        ("ada.stone", "--role", "patient", "--patient", "p1"),
                        ("ann.admin", "--role", "admin")):  # fmt: skip
        done = hilum("users", "add", name, *more, "--password-file", kept, "--data", running.data)
        assert done.returncode == 0, done.stderr
    yield running
    running.stop()


@pytest.fixture
def app(served: Server) -> Iterator[App]:
    started = App(served, "--trusted")
    yield started
    done = hilum("clients", "revoke", started.id, "--data", served.data)
    assert done.returncode == 0, done.stderr
    started.stop()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab without script, in which nothing is blocked by a page's policy."""
    with watched(browser, java_script_enabled=False) as page:
        yield page


def task(app: App, id: str, code: str, served: Server) -> None:
    inputs = [("smartonfhir-application", {"valueUrl": f"{app.url}/launch"})]
    if code == "launch-app-ehr":
        inputs.append(("smartonfhir-appcontext", {"valueString": '{"field1":"value"}'}))
    body = {"resourceType": "Task", "id": id, "status": "requested", "intent": "proposal",
            "description": "Plot the growth of the last year",
            "code": {"coding": [{"system": CODES, "code": code}]},
            "for": {"reference": f"{served.base}/Patient/p1"}, "encounter": {"reference": "Encounter/e1"},
            "input": [{"type": {"coding": [{"system": CODES, "code": name}]}, **value}
                      for name, value in inputs]}  # fmt: skip
    with served.client() as fhir:
        assert fhir.put(f"Task/{id}", json=body, headers=FHIR_JSON).status_code == 201


def test_staff_launch_an_app_on_a_record_that_they_find(tab: Any, served: Server, app: App) -> None:
    tab.goto(served.url + "/launch")
    sign_in(tab, "kim.doe")
    tab.fill("#q", "stone ada")
    tab.click("text=Search")
    tab.click("text=Open record")
    assert tab.inner_text("h1") == "Ada Stone"
    tab.click("summary:has-text('one visit')")
    tab.check("input[value=e1]")
    tab.click("summary:has-text('Tell the app more')")
    tab.fill("#intent", "growth-chart")
    tab.fill("#also", "ImagingStudy/7")
    tab.click("button:text-is('Launch')")
    found = app.tokens(tab)  # an administrator trusts the app: staff are not asked again
    assert (found["patient"], found["encounter"], found["intent"]) == ("p1", "e1", "growth-chart")
    assert found["fhirContext"] == [{"reference": "ImagingStudy/7"}]
    assert (found["need_patient_banner"], found["tenant"]) == (True, "lake")
    style = httpx.get(found["smart_style_url"], headers={"origin": "https://anywhere.example"})
    assert style.headers["access-control-allow-origin"] == "*"
    assert style.json()["color_highlight"].startswith("#")
    headers = {"authorization": f"Bearer {found['access_token']}"}
    with httpx.Client(base_url=served.base, headers=headers) as fhir:
        assert fhir.get("/Observation/o1").status_code == 200
        assert fhir.get("/Encounter/e1").status_code == 200
        assert fhir.get("/Patient/p2").status_code == 404


def test_a_patient_launches_an_app_on_the_own_record_and_is_asked(tab: Any, served: Server, app: App) -> None:
    tab.goto(served.url + "/launch")
    sign_in(tab, "ada.stone")
    assert tab.inner_text("h1") == "Ada Stone"
    tab.click("button:text-is('Launch')")
    assert tab.inner_text("h1") == "Allow Growth Chart to use your health record?"
    tab.click("button:text-is('Allow')")
    assert app.tokens(tab)["patient"] == "p1"


def test_a_task_launches_its_app(tab: Any, served: Server, app: App) -> None:
    task(app, f"ehr-{app.id}", "launch-app-ehr", served)
    task(app, f"alone-{app.id}", "launch-app-standalone", served)
    tab.goto(served.url + "/launch/p1")
    sign_in(tab, "kim.doe")
    tab.click(f"form:has(input[value=ehr-{app.id}]) button")
    found = app.tokens(tab)
    assert (found["patient"], found["encounter"], found["appContext"]) == ("p1", "e1", '{"field1":"value"}')
    tab.goto(served.url + "/launch/p1")
    assert tab.get_by_text("Launch again").count() == 1
    tab.click(f"form:has(input[value=alone-{app.id}]) button")
    tab.get_by_text("In the app").wait_for()
    assert tab.url == f"{app.url}/launch"
    with served.client() as fhir:
        for id in ("ehr", "alone"):
            assert fhir.get(f"Task/{id}-{app.id}").json()["status"] == "in-progress"


def test_enter_in_a_field_launches_nothing(tab: Any, served: Server, app: App) -> None:
    tab.goto(served.url + "/launch/p1")
    sign_in(tab, "kim.doe")
    tab.click("summary:has-text('Tell the app more')")
    tab.fill("#intent", "growth-chart")
    tab.keyboard.press("Enter")
    tab.wait_for_timeout(300)
    assert (tab.url, app.launched) == (served.url + "/launch/p1", {})


def test_an_administrator_writes_the_brand(browser: Any, served: Server) -> None:
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    tab.goto(served.url + "/admin/brand")
    sign_in(tab, "ann.admin")
    looked_at(tab, "brand-none")
    follow(tab, "text=Write your brand")
    looked_at(tab, "brand-new")
    tab.fill("#website", "not a website")
    tab.click("text=Keep and publish")
    tab.get_by_text("Website: the website must be an https URL").wait_for()
    looked_at(tab, "brand-wrong")
    tab.fill("#website", "https://lake.example.org")
    tab.fill("#identifiers", "urn:ietf:rfc:3986|https://lake.example.org")
    tab.check("input[value=prov]")
    tab.click("text=Keep and publish")
    tab.get_by_text("The changes are kept, and published.").wait_for()
    looked_at(tab, "brand")
    follow(tab, "text=Change >> nth=1")
    looked_at(tab, "brand-endpoint")
    context.close()
    said = httpx.get(f"{served.base}/.well-known/smart-configuration").json()
    while said["user_access_brand_identifier"]["value"] != "https://lake.example.org":  # known within a second
        said = httpx.get(f"{served.base}/.well-known/smart-configuration").json()
    bundle = httpx.get(said["user_access_brand_bundle"], headers={"origin": "https://anywhere.example"})
    assert bundle.headers["access-control-allow-origin"] == "*"
    organization, endpoint = (one["resource"] for one in bundle.json()["entry"])
    assert (organization["name"], endpoint["address"]) == ("Lake Clinic", served.base)
    again = httpx.get(said["user_access_brand_bundle"], headers={"if-none-match": bundle.headers["etag"]})
    assert again.status_code == 304


def test_the_pages_fit_phones_and_can_be_read(browser: Any, served: Server, app: App) -> None:
    task(app, f"shown-{app.id}", "launch-app-ehr", served)
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    tab.goto(served.url + "/launch")
    sign_in(tab, "kim.doe")
    looked_at(tab, "launch")
    tab.fill("#q", "stone")
    tab.click("text=Search")
    tab.get_by_text("2 found").wait_for()
    tab.click("summary")
    looked_at(tab, "launch-found")
    tab.goto(served.url + "/launch/p1")
    tab.click("summary:has-text('one visit')")
    tab.click("summary:has-text('Tell the app more')")
    tab.fill("#also", "Patient/p1")
    looked_at(tab, "launch-record")
    tab.click("button:text-is('Launch') >> nth=-1")
    tab.get_by_text("has its own place in a launch").wait_for()
    looked_at(tab, "launch-wrong")
    context.clear_cookies()
    tab.goto(served.url + "/launch")
    sign_in(tab, "ada.stone")
    looked_at(tab, "launch-own")
    context.close()
