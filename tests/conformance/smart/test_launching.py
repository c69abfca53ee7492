"""EHR launch, from the page on which staff open an app to what the app is told.

https://hl7.org/fhir/smart-app-launch/app-launch.html#launch-app-ehr-launch
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.conformance.smart.ground import App, Ground, error
from tests.conformance.smart.people import ADA, KIM
from tests.conformance.smart.visitor import Page

LAUNCH = "https://app.example.org/launch"
SCOPE = "launch openid fhirUser offline_access patient/*.rs"


@pytest.fixture(scope="module")
def chart(ground: Ground) -> App:
    """An app that can be opened from a record."""
    return ground.app(name="Launched", launches=(LAUNCH, f"{LAUNCH}/other"))


def opened(ground: Ground, app: App, user: str = KIM, *, patient: str = "p1", url: str = LAUNCH, **more: str) -> Page:
    """Where the browser is when the app was chosen on the page of a record."""
    visitor = ground.seated(user)
    page = visitor.sign_in(f"/launch/{patient}")
    if "openid" not in page.url:
        page = visitor.get(f"/launch/{patient}")
    assert page.status == 200, page.text
    (form,) = [one for one in page.forms if ("patient", patient) in one.fields]
    return visitor.submit(form, untick=None, app=f"{app.id} {url}", **more)


def told(ground: Ground, app: App, user: str = KIM, **more: str) -> dict[str, Any]:
    """The token response of an app that was opened on the page."""
    launch = opened(ground, app, user, **more).back["launch"]
    return ground.tokens(app, SCOPE, user, launch=launch)


def test_smart22_18_352_g10_AUT_PAT_2_an_app_is_opened_at_its_registered_url(ground: Ground, chart: App) -> None:
    for url in (LAUNCH, f"{LAUNCH}/other"):
        page = opened(ground, chart, url=url)
        assert urlsplit(page.url)._replace(query="").geturl() == url
        assert page.back.keys() == {"iss", "launch"}
        assert page.back["iss"] == ground.base
        assert httpx.get(f"{page.back['iss']}/.well-known/smart-configuration").status_code == 200
    found = ground.tokens(chart, SCOPE, KIM, launch=page.back["launch"])
    assert found["patient"] == "p1"
    with ground.fhir(found) as client:
        assert [client.get(f"Patient/{id}").status_code for id in ("p1", "p2")] == [200, 404]


@pytest.mark.parametrize(
    "url", ["https://app.example.org/launch/", "https://evil.example.org/launch", f"{LAUNCH}?x=1", "", "{callback}"]
)
def test_smart22_18_no_other_url_is_opened(ground: Ground, chart: App, url: str) -> None:
    page = opened(ground, chart, url=url.format(callback=chart.redirect))
    assert (page.status, page.left) == (422, False)
    assert "be opened from here any more" in page.text
    unknown = opened(ground, App("nobody-knows"))
    assert (unknown.status, unknown.left) == (422, False)


def test_smart22_18_an_app_without_a_launch_url_is_not_offered(ground: Ground, chart: App, app: App) -> None:
    page = ground.seated(KIM).sign_in("/launch/p1")
    assert f"{chart.id} {LAUNCH}" in page.text
    assert app.id not in page.text
    with_none = opened(ground, app)
    assert (with_none.status, with_none.left) == (422, False)


def test_smart22_361_362_171_patient_and_visit_are_those_that_were_chosen(ground: Ground, chart: App) -> None:
    found = told(ground, chart, encounter="e2")
    assert (found["patient"], found["encounter"]) == ("p1", "e2")
    assert (told(ground, chart, patient="p2")["patient"], "encounter" in told(ground, chart)) == ("p2", False)
    foreign = opened(ground, chart, encounter="e9")
    assert (foreign.status, "not one of this patient" in foreign.text) == (422, True)


def test_smart22_173_176_359_every_launch_tells_of_a_banner_and_a_tenant(ground: Ground, chart: App) -> None:
    assert "context-banner" in ground.said["capabilities"]
    first, second = told(ground, chart), told(ground, chart, patient="p2")
    assert first["need_patient_banner"] is True  # no page of hilum's stands around the app
    assert isinstance(first["tenant"], str)
    assert first["tenant"] == second["tenant"] != ""


def test_smart22_175_360_the_style_is_where_the_launch_says(ground: Ground, chart: App) -> None:
    assert "context-style" in ground.said["capabilities"]
    url = told(ground, chart)["smart_style_url"]
    answer = httpx.get(url, headers={"origin": "https://elsewhere.example.org"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["access-control-allow-origin"] == "*"
    style = answer.json()
    assert {"color_background", "color_text", "font_family_body", "dim_font_size"} <= style.keys()
    assert all(isinstance(value, str) for value in style.values())
    other = httpx.get(url + "x")  # the version is part of the URL: another style has another one
    assert other.status_code == 404


def test_smart22_174_an_intent_arrives(ground: Ground, chart: App) -> None:
    assert told(ground, chart, intent="order-review")["intent"] == "order-review"
    assert "intent" not in told(ground, chart)


@pytest.mark.parametrize(
    "about",
    [
        [{"reference": "MedicationRequest/mr1"}],
        [{"canonical": "http://example.org/Questionnaire/1|2", "type": "Questionnaire"}],
        [{"identifier": {"system": "urn:example:order", "value": "7"}, "type": "ServiceRequest"}],
        [{"reference": "Observation/o1", "role": "https://example.org/roles#shown"}, {"reference": "Observation/o2"}],
        [{"reference": "Encounter/e1", "role": "https://example.org/roles#before"}],
        [{"reference": "Observation/o1", "role": "launch"}],
    ],
    ids=lambda about: json.dumps(about)[:60],
)
def test_smart22_172_177_178_188_what_an_app_is_opened_with_arrives(
    ground: Ground, chart: App, about: list[dict[str, Any]]
) -> None:
    assert told(ground, chart, also=json.dumps(about))["fhirContext"] == about


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ([{"reference": "Patient/p2"}], "Patient has its own place"),  # 177
        ([{"reference": "Patient/p2", "role": "launch"}], "Patient has its own place"),
        ([{"reference": "Encounter/e1"}], "Encounter has its own place"),
        ([{"identifier": {"value": "7"}, "type": "Patient"}], "Patient has its own place"),
        ([{"type": "Observation"}], "needs a reference, a canonical or an identifier"),  # 178
        ([{"role": "https://example.org/roles#shown"}], "needs a reference, a canonical or an identifier"),
        ([{}], "needs a reference, a canonical or an identifier"),
        ([{"reference": "Observation/o1", "role": "shown"}], "role must be an absolute URI"),  # 188
        ([{"reference": "Observation/o1", "role": "/roles#shown"}], "role must be an absolute URI"),
        ([{"reference": "Observation/o1", "role": ""}], "role must be a text"),
        ([{"reference": "Observation/o1"}, "Observation/o2"], "must be an object"),  # 172
    ],
    ids=lambda value: str(value)[:60],
)
def test_smart22_172_177_178_188_nothing_else_is_taken(ground: Ground, chart: App, about: list[Any], why: str) -> None:
    page = opened(ground, chart, also=json.dumps(about))
    assert (page.status, page.left) == (422, False)
    assert why in page.text


def test_a_launch_is_one_apps_and_one_users_and_good_once(ground: Ground, chart: App) -> None:
    launch = opened(ground, chart).back["launch"]
    other = ground.app(launches=(LAUNCH,))
    assert ground.authorize(other, SCOPE, KIM, launch=launch).back["error"] == "invalid_request"
    signed_in = ground.visitor(ADA)
    signed_in.sign_in()
    for visitor, status in ((ground.visitor(ADA), 422), (signed_in, 403)):
        page = ground.authorize(chart, SCOPE, visitor, launch=launch)
        assert (page.status, "started for somebody else" in page.text) == (status, True)
    assert ground.tokens(chart, SCOPE, KIM, launch=launch)["patient"] == "p1"
    assert ground.authorize(chart, SCOPE, KIM, launch=launch).back["error"] == "invalid_request"
    assert ground.authorize(chart, SCOPE, KIM, launch="made up").back["error"] == "invalid_request"
    assert error(ground.exchange(chart, launch)) == (400, "invalid_grant")


def test_smart22_352_a_patient_opens_an_app_on_the_own_record(ground: Ground, chart: App) -> None:
    assert told(ground, chart, ADA)["patient"] == "p1"
    visitor = ground.seated(ADA)
    assert visitor.get("/launch/p2").status == 404
