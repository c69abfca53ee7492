"""The npm `fhirclient`, unchanged, in Chromium: the app of examples/smart_app launches, reads, refreshes, is stopped.

https://docs.smarthealthit.org/client-js/
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.apps import NODE, PASSWORD, ROOT, Pages, launched, needs_node, people, record, registered
from tests.journeys.browsing import browser, needs_chromium, watched
from tests.journeys.server import Server
from tests.journeys.test_smart_backend import new_key, public

__all__ = ["browser"]

pytestmark = [needs_chromium, needs_node("fhirclient")]

SCOPE = "openid fhirUser offline_access launch/patient patient/Patient.rs patient/Observation.rs"
REGISTERED = SCOPE + " launch launch/encounter online_access patient/Observation.cruds"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("npm-fhirclient")
    running = Server(folder)
    record(running)
    people(running, folder)
    yield running
    running.stop()


class App:
    """The example, registered; `settings` are those of its config.js."""

    def __init__(self, server: Server, *way: object, **settings: Any) -> None:
        self.server = server
        self.pages = Pages(ROOT / "examples" / "smart_app", NODE / "node_modules" / "fhirclient" / "build")
        self.id = registered(
            server, "Vitals", "--redirect", self.pages.url + "/index.html", "--launch", self.pages.url + "/launch.html",
            "--scopes", REGISTERED, "--contact", "Sprout Ltd", *way,
        )["client_id"]  # fmt: skip
        self.configured(**settings)

    def configured(self, **settings: Any) -> None:
        said = {"clientId": self.id, "iss": self.server.base, "scope": SCOPE} | settings
        self.pages.texts["config.js"] = f"const APP = {json.dumps(said)};"

    def start(self, tab: Any, query: str = "") -> None:
        tab.goto(f"{self.pages.url}/launch.html{query}")
        tab.wait_for_url(f"{self.server.url}/auth/flow/**")

    def shown(self, tab: Any) -> list[str]:
        """The lines about what was observed."""
        tab.wait_for_selector("section:not([hidden])")
        return [str(line) for line in tab.locator("#observations li").all_inner_texts()]


@pytest.fixture
def app(served: Server) -> Iterator[App]:
    made = App(served)
    yield made
    made.pages.stop()


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab in which no script fails and no policy of a page blocks anything."""
    with watched(browser) as page:
        page.set_default_timeout(20_000)
        yield page


def by_mouse(tab: Any, name: str) -> None:
    tab.fill("#username", name)
    tab.fill("#password", PASSWORD)
    tab.click("button:text-is('Sign in')")


def state(tab: Any) -> dict[str, Any]:
    """What the client keeps."""
    return dict(tab.evaluate("client.state"))


ALL = ["Sodium: 140 mmol/L", "Height: 171 cm", "Weight: 70.5 kg"]


def test_g10_AUT_PAT_standalone_a_patient_launches_allows_and_sees(tab: Any, app: App) -> None:
    app.start(tab)
    by_mouse(tab, "ada.stone")
    tab.click("button:text-is('Allow')")
    assert app.shown(tab) == ALL
    assert (tab.inner_text("#name"), tab.inner_text("#user")) == ("Ada Stone", "Patient/ada")
    said = state(tab)["tokenResponse"]
    assert set(said["scope"].split()) == set(SCOPE.split())
    assert (said["patient"], said["token_type"], said["expires_in"]) == ("ada", "Bearer", 3600)
    assert "code=" not in tab.url


def test_another_record_is_not_to_be_had_by_the_client(tab: Any, app: App) -> None:
    app.start(tab)
    by_mouse(tab, "ada.stone")
    tab.click("button:text-is('Allow')")
    app.shown(tab)
    asked = "(url) => client.request(url).then((found) => found.total, (error) => error.status)"
    for url, told in (("Patient?_summary=count", 1), ("Patient/ben", 404), ("Condition?_summary=count", 403)):
        assert tab.evaluate(asked, url) == told


def test_staff_write_through_the_client_from_a_page_of_another_origin(tab: Any, app: App) -> None:
    app.configured(scope="openid launch/patient patient/Patient.rs patient/Observation.cruds")
    app.start(tab)
    by_mouse(tab, "kim.doe")
    tab.fill("#q", "stone ben")
    tab.click("text=Search")
    tab.check("input[value=ben]")
    tab.click("text=Open this record")
    tab.click("button:text-is('Allow')")
    assert app.shown(tab) == []
    seen = {"resourceType": "Observation", "status": "final", "code": {"text": "Pulse"},
            "subject": {"reference": "Patient/ben"}, "valueString": "60"}  # fmt: skip
    made = tab.evaluate("(body) => client.create(body)", seen)
    tab.click("#again")
    tab.get_by_text("Pulse: 60").wait_for()
    changed = tab.evaluate("(body) => client.update(body)", made | {"valueString": "61"})
    assert changed["meta"]["versionId"] == "2"
    tab.evaluate("(id) => client.delete(`Observation/${id}`)", made["id"])
    tab.click("#again")
    tab.wait_for_function("document.querySelectorAll('#observations li').length === 0")
    other = "(body) => client.create(body).then(() => 201, (error) => error.status)"
    assert tab.evaluate(other, seen | {"subject": {"reference": "Patient/ada"}}) in (403, 404, 422)


def test_refresh_gives_a_new_token_and_the_old_refresh_token_is_used_up(tab: Any, app: App) -> None:
    app.start(tab)
    by_mouse(tab, "ada.stone")
    tab.click("button:text-is('Allow')")
    app.shown(tab)
    first = state(tab)["tokenResponse"]
    tab.evaluate("client.refresh()")
    second = state(tab)["tokenResponse"]
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    tab.evaluate("client.state.expiresAt = 0")  # the client refreshes by itself before it asks
    tab.click("#again")
    tab.wait_for_function(f"client.state.tokenResponse.refresh_token !== {json.dumps(second['refresh_token'])}")
    assert app.shown(tab) == ALL
    assert tab.inner_text("#problem") == ""


def test_online_access_ends_with_the_sign_in(tab: Any, app: App) -> None:
    app.configured(scope=SCOPE.replace("offline", "online"))
    app.start(tab)
    by_mouse(tab, "ada.stone")
    tab.click("button:text-is('Allow')")
    app.shown(tab)
    tab.evaluate("client.refresh()")
    person = tab.context.new_page()
    person.goto(app.server.url + "/auth/account")
    person.click("button:text-is('Sign out')")
    person.get_by_text("Sign in to").wait_for()
    refused = tab.evaluate("client.refresh().then(() => '', (error) => error.message)")
    assert "invalid_grant" in refused


def test_who_says_no_is_back_in_the_app_which_says_so(tab: Any, app: App) -> None:
    app.start(tab)
    by_mouse(tab, "ada.stone")
    tab.click("text=Do not allow")
    tab.wait_for_url(app.pages.url + "/**")
    tab.get_by_text("access_denied").wait_for()


def test_who_does_not_want_to_sign_in_is_back_in_the_app(tab: Any, app: App) -> None:
    app.start(tab)
    tab.click("text=Cancel and go back to Vitals")
    tab.get_by_text("access_denied").wait_for()


def test_what_is_unticked_the_app_does_not_get(tab: Any, app: App) -> None:
    app.start(tab)
    by_mouse(tab, "ada.stone")
    for box in tab.locator("input[type=checkbox]").all():
        value = box.get_attribute("value")
        if value == "stay" or ("Observation" in value and "vital-signs" not in value):
            box.uncheck()
    tab.click("button:text-is('Allow')")
    assert app.shown(tab) == ALL[1:]
    assert "refresh_token" not in state(tab)["tokenResponse"]


def test_access_that_is_stopped_at_my_apps_ends_at_once(tab: Any, app: App) -> None:
    app.start(tab)
    by_mouse(tab, "ada.stone")
    tab.click("button:text-is('Allow')")
    app.shown(tab)
    person = tab.context.new_page()
    person.goto(app.server.url + "/my/apps")
    mine = person.locator("li", has_text="Vitals").first  # the last that was allowed
    mine.get_by_text("Stop access").click()
    person.click("button:text-is('Stop access')")
    person.get_by_text("Stopped.").wait_for()
    tab.click("#again")
    tab.wait_for_function("document.querySelector('#problem').textContent !== ''")
    assert "refresh_token" not in state(tab)["tokenResponse"]  # it has tried, and forgot it


def test_g10_AUT_PAT_ehr_launch_a_record_is_opened_for_the_app(tab: Any, app: App) -> None:
    launch = launched(app.server, app.id, "kim.doe", patient="ada", encounter="e2", need_patient_banner=False,
                      intent="reconcile-medications", tenant="north")  # fmt: skip
    app.configured(scope=SCOPE.replace("launch/patient", "launch"))
    app.start(tab, f"?iss={app.server.base}&launch={launch}")
    by_mouse(tab, "kim.doe")
    assert "Ada Stone's health record" in tab.inner_text("h1")
    tab.click("button:text-is('Allow')")
    assert app.shown(tab) == ALL
    said = state(tab)["tokenResponse"]
    context = {name: said[name] for name in ("patient", "encounter", "need_patient_banner", "intent", "tenant")}
    assert context == {
        "patient": "ada", "encounter": "e2", "need_patient_banner": False, "intent": "reconcile-medications",
        "tenant": "north",
    }  # fmt: skip
    assert tab.inner_text("#user") == "Practitioner/dr"
    tab.goto(f"{app.pages.url}/launch.html?iss={app.server.base}&launch={launch}")  # a launch is used once
    tab.get_by_text("launch").first.wait_for()
    assert tab.url.startswith(app.pages.url)


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_g10_AUT_PAT_a_confidential_app_signs_with_its_own_key(
    tab: Any, served: Server, tmp_path: Path, algorithm: str
) -> None:
    key = new_key(algorithm)
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [public(key)]}))
    app = App(served, "--jwks", file, clientPrivateJwk=key | {"key_ops": ["sign"]})
    app.start(tab)
    by_mouse(tab, "ada.stone")
    tab.click("button:text-is('Allow')")
    assert app.shown(tab) == ALL
    app.configured(clientPrivateJwk=new_key(algorithm) | {"key_ops": ["sign"]})  # another key of the same name
    tab.goto(f"{app.pages.url}/launch.html")
    tab.click("button:text-is('Allow')")
    tab.get_by_text("invalid_client").wait_for()
    app.pages.stop()


def test_a_confidential_app_with_a_secret_signs_in_and_refreshes(tab: Any, served: Server) -> None:
    app = App(served)
    said = registered(served, "Vitals with a secret", "--redirect", app.pages.url + "/index.html", "--scopes",
                      REGISTERED, "--secret")  # fmt: skip
    app.configured(clientId=said["client_id"], clientSecret=said["client_secret"])
    app.start(tab)
    by_mouse(tab, "ada.stone")
    tab.click("button:text-is('Allow')")
    assert app.shown(tab) == ALL
    first = state(tab)["tokenResponse"]["access_token"]
    tab.click("#refresh")
    tab.wait_for_function(f"client.state.tokenResponse.access_token !== {json.dumps(first)}")
    assert tab.inner_text("#problem") == ""
    app.pages.stop()


def test_staff_launch_the_app_from_the_record_on_the_page_for_it(tab: Any, app: App) -> None:
    tab.goto(app.server.url + "/launch")
    by_mouse(tab, "kim.doe")
    tab.fill("#q", "stone ada")
    tab.click("text=Search")
    tab.click("text=Open record")
    tab.locator("li", has_text=app.pages.url).get_by_text("Launch", exact=True).click()
    tab.click("button:text-is('Allow')")
    assert app.shown(tab) == ALL
    assert tab.inner_text("#name") == "Ada Stone"
    said = state(tab)["tokenResponse"]
    assert (said["patient"], said["need_patient_banner"]) == ("ada", True)
    assert tab.evaluate("fetch(client.state.tokenResponse.smart_style_url).then((found) => found.status)") == 200
