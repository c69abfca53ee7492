"""Tasks that ask for an app to be opened. https://hl7.org/fhir/smart-app-launch/task-launch.html"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.conformance.smart.ground import App, Ground
from tests.conformance.smart.people import ADA, KIM
from tests.conformance.smart.visitor import Page
from tests.journeys.server import FHIR_JSON

SYSTEM = "http://hl7.org/fhir/smart-app-launch/CodeSystem/smart-codes"
LAUNCH = "https://tasks.example.org/launch"
CONTEXT = json.dumps({"field1": "value"})


@pytest.fixture(scope="module")
def chart(ground: Ground) -> App:
    return ground.app(name="Task Chart", launches=(LAUNCH,))


def task(ground: Ground, kind: str = "launch-app-ehr", url: str = LAUNCH, **more: Any) -> str:
    """Write one as the guide's example has it; its id."""
    body = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "proposal",
        "description": f"Look at this with {kind}",
        "code": {"coding": [{"system": SYSTEM, "code": kind}]},
        "for": {"reference": f"{ground.base}/Patient/p1"},
        "encounter": {"reference": f"{ground.base}/Encounter/e1"},
        "input": [
            {"type": {"coding": [{"system": SYSTEM, "code": "smartonfhir-application"}]}, "valueUrl": url},
            {"type": {"coding": [{"system": SYSTEM, "code": "smartonfhir-appcontext"}]}, "valueString": CONTEXT},
        ],
    } | more
    with ground.server.client() as fhir:
        made = fhir.post("Task", json={name: value for name, value in body.items() if value}, headers=FHIR_JSON)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def status(ground: Ground, id: str) -> str:
    with ground.server.client() as fhir:
        return str(fhir.get(f"Task/{id}").json()["status"])


def started(ground: Ground, id: str, user: str = KIM) -> Page:
    """Where the browser is after the button of the suggestion, which has to be there."""
    visitor = ground.seated(user)
    visitor.sign_in("/launch/p1")
    page = visitor.get("/launch/p1")
    assert page.status == 200
    (form,) = [one for one in page.forms if ("task", id) in one.fields]
    return visitor.submit(form)


def test_task_launch_of_a_record_tells_patient_visit_and_context(ground: Ground, chart: App) -> None:
    id = task(ground)
    page = started(ground, id)
    assert urlsplit(page.url)._replace(query="").geturl() == LAUNCH
    assert page.back.keys() == {"iss", "launch"}
    assert page.back["iss"] == ground.base
    answer = ground.tokens(chart, "launch patient/*.rs", KIM, launch=page.back["launch"])
    assert (answer["patient"], answer["encounter"], answer["appContext"]) == ("p1", "e1", CONTEXT)


def test_task_launch_sets_the_task_in_progress(ground: Ground, chart: App) -> None:
    id = task(ground)
    assert status(ground, id) == "requested"
    started(ground, id)
    assert status(ground, id) == "in-progress"


def test_task_launch_without_an_encounter_or_a_context_leaves_them_out(ground: Ground, chart: App) -> None:
    application = [{"type": {"coding": [{"system": SYSTEM, "code": "smartonfhir-application"}]}, "valueUrl": LAUNCH}]
    page = started(ground, task(ground, encounter=None, input=application))
    answer = ground.tokens(chart, "launch patient/*.rs", KIM, launch=page.back["launch"])
    assert answer["patient"] == "p1"
    assert not answer.keys() & {"encounter", "appContext"}


def test_task_launch_of_an_app_by_itself_leads_to_its_url(ground: Ground, chart: App) -> None:
    page = started(ground, task(ground, "launch-app-standalone"))
    assert page.url == LAUNCH


def test_task_launch_of_a_patient_is_theirs_to_start(ground: Ground, chart: App) -> None:
    page = started(ground, task(ground), ADA)
    answer = ground.tokens(chart, "launch patient/*.rs", ADA, launch=page.back["launch"])
    assert (answer["patient"], answer["appContext"]) == ("p1", CONTEXT)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"url": "https://evil.example.org/launch"}, id="another url"),
        pytest.param({"input": None}, id="no url"),
        pytest.param({"for": {"reference": "https://other.example.org/fhir/Patient/p1"}}, id="a patient elsewhere"),
        pytest.param({"encounter": {"reference": "https://other.example.org/Encounter/1"}}, id="a visit elsewhere"),
        pytest.param({"encounter": {"reference": "Encounter/e9"}}, id="another patient's visit"),
        pytest.param({"status": "completed"}, id="done"),
        pytest.param({"owner": {"reference": "Practitioner/somebody"}}, id="somebody else's"),
        pytest.param({"code": {"text": "other"}}, id="another Task"),
    ],
)
def test_task_launch_opens_nothing_that_is_no_registered_app_or_no_open_task(
    ground: Ground, chart: App, more: dict[str, Any]
) -> None:
    if more.get("owner"):
        with ground.server.client() as fhir:
            body = {"resourceType": "Practitioner", "id": "somebody"}
            assert fhir.put("Practitioner/somebody", json=body, headers=FHIR_JSON).is_success
    id = task(ground, **more)
    visitor = ground.seated(KIM)
    visitor.sign_in("/launch/p1")
    form = visitor.get("/launch/p1").forms
    (own,) = [one for one in form if ("patient", "p1") in one.fields][:1]
    done = visitor.post(own.action, [*(pair for pair in own.fields if pair[0] == "csrf"), ("task", id)])
    assert (done.status, done.left) == (422, False), done.url
    assert status(ground, id) == more.get("status", "requested")


def test_task_launch_of_another_patient_is_nobodys_business(ground: Ground, chart: App) -> None:
    """Ben's Task is not seen by Ada."""
    more: dict[str, Any] = {"for": {"reference": "Patient/p2"}, "encounter": None}
    id = task(ground, **more)
    visitor = ground.seated(ADA)
    visitor.sign_in("/launch/p1")
    page = visitor.get("/launch/p1")
    assert id not in page.text
    (own,) = [one for one in page.forms if ("patient", "p1") in one.fields][:1]
    done = visitor.post(own.action, [*(pair for pair in own.fields if pair[0] == "csrf"), ("task", id)])
    assert (done.status, done.left) == (422, False)
    assert status(ground, id) == "requested"
