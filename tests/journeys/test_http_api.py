"""The broker's API over real HTTP: hilum's own tokens, its documentation in a browser, an order from request to end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.journeys.browsing import SHOTS, browser, needs_chromium, watched
from tests.journeys.cli import hilum
from tests.journeys.conftest import diagnostics
from tests.journeys.server import Server, free_port
from tests.journeys.test_http_audit import codes, found, of, references

__all__ = ["browser"]

SCOPE = "system/Endpoint.cruds system/Task.cruds"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An EHR, and hilum in one: a client of itself, with one patient whose record number is known."""
    running = Server(tmp_path_factory.mktemp("api"))
    where = ("--data", running.data)
    assert hilum("keys", "new", "--use", "ehr", "--alg", "ES384", *where).returncode == 0
    jwks = f"{running.url}/broker/jwks/sandbox.json"
    made = hilum("clients", "add", "Broker", "--jwks-url", jwks, "--scopes", "system/*.rs", *where)
    add(running, made.stdout.strip())
    with running.client() as fhir:
        for body in (
            {"resourceType": "Patient", "id": "ada", "identifier": [{"system": "urn:mrn", "value": "4711"}]},
            {
                "resourceType": "Encounter", "id": "visit", "status": "finished", "class": {"code": "AMB"},
                "subject": {"reference": "Patient/ada"},
            },
        ):  # fmt: skip
            assert fhir.put(f"{body['resourceType']}/{body['id']}", json=body).status_code == 201
    yield running
    running.stop()


def add(server: Server, client: str) -> None:
    with asking(server) as api:
        made = api.post("ehrs", json={
            "name": "self", "vendor": "plain", "base": server.base, "client_id": client, "mrn_system": "urn:mrn",
            "alg": "ES384", "system_scopes": "system/*.rs", "recipes": ["demographics", "visits"],
        })  # fmt: skip
        assert made.status_code == 201, made.text


def asking(server: Server, scope: str | None = SCOPE, **options: Any) -> httpx.Client:
    client = server.client(scope, **options)
    client.base_url = httpx.URL(server.url + "/api/v1/")
    return client


def ordered(api: httpx.Client, recipe: str = "demographics", mrn: str = "4711") -> str:
    made = api.post("gather", json={"patient": {"mrn": mrn}, "ehr": "self", "recipe": recipe})
    assert made.status_code == 202, made.text
    assert made.headers["location"] == str(api.base_url) + "gather/" + made.json()["id"]
    return str(made.json()["id"])


def watched_to_its_end(api: httpx.Client, id: str) -> list[dict[str, Any]]:
    """What the events of an order tell."""
    with api.stream("GET", f"gather/{id}/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "content-length" not in answer.headers
        return [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line.startswith("data: ")]


def test_a_patient_is_gathered_by_the_record_number_while_the_client_watches(served: Server) -> None:
    with asking(served) as api:
        id = ordered(api, "visits")
        *seen, last, end = watched_to_its_end(api, id)
        assert end == {"status": "completed"}
        assert seen[0]["status"] in ("requested", "in-progress")
        assert (last["step"], last["failed"], last["refused"]) == ("stored", [], [])
        assert {"Patient": 1, "Encounter": 1}.items() <= {one["type"]: one["count"] for one in last["came"]}.items()
        assert api.get(f"gather/{id}").json() == last
    with served.client() as fhir:
        copy = fhir.get(last["patient"]).json()
        assert copy["identifier"][0]["value"] == "4711"
        assert copy["id"] != "ada"


def test_who_is_not_there_is_told_as_a_reason_that_names_nobody(served: Server) -> None:
    with asking(served) as api:
        *_, last, end = watched_to_its_end(api, ordered(api, mrn="0815"))
        assert (end, last["reason"]["code"]) == ({"status": "failed"}, "absent")
        assert "0815" not in json.dumps(last)


def test_an_order_is_the_task_that_fhir_shows(served: Server) -> None:
    with asking(served) as api:
        id = ordered(api)
        watched_to_its_end(api, id)
        order = api.get(f"gather/{id}")
        task = api.get(order.json()["task"]).json()
        assert task["code"]["coding"] == [{"system": "urn:hilum:gather", "code": "gather"}]
        assert api.get(f"gather/{id}", headers={"accept": "application/fhir+json"}).json() == task
        assert (order.headers["cache-control"], order.headers["x-content-type-options"]) == ("no-store", "nosniff")
        assert [one["id"] for one in api.get("gather?count=1").json()["orders"]] == [id]


@pytest.fixture
def waiting(start: Any) -> Server:
    """A server whose orders wait for an EHR that is not there."""
    running: Server = start("--grace-seconds", "60")
    with asking(running) as api:
        made = api.post("ehrs", json={
            "name": "self", "vendor": "plain", "base": f"http://127.0.0.1:{free_port()}", "client_id": "nobody",
            "mrn_system": "urn:mrn", "system_scopes": "system/*.rs", "recipes": ["demographics"],
        })  # fmt: skip
        assert made.status_code == 201, made.text
    return running


def test_an_order_that_is_cancelled_by_fhir_ends_its_stream(waiting: Server) -> None:
    with asking(waiting) as api:
        id = ordered(api)
        seen: list[dict[str, Any]] = []
        with api.stream("GET", f"gather/{id}/events") as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    seen.append(json.loads(line.removeprefix("data: ")))
                    if seen[-1].get("step") == "waiting":
                        cancelled(api, seen[-1]["task"])
        assert (seen[-1], seen[-2]["step"]) == ({"status": "cancelled"}, "cancelled")
        last = str(api.get(f"gather/{id}").json()["version"])
        assert api.get(f"gather/{id}/events", headers={"last-event-id": last}).status_code == 204


def cancelled(api: httpx.Client, place: str) -> None:
    answer = None
    while answer is None or answer.status_code == 412:
        task = api.get(place)
        changed = task.json() | {"status": "cancelled"}
        answer = api.put(place, json=changed, headers={"if-match": task.headers["etag"]})
    assert answer.status_code == 200, answer.text


def test_a_server_that_is_stopped_does_not_wait_for_who_watches(waiting: Server) -> None:
    with asking(waiting) as api, api.stream("GET", f"gather/{ordered(api)}/events") as answer:
        assert next(answer.iter_lines())
        assert waiting.stop() == 0  # which gives up after half the time that requests have to end


def test_a_connection_is_checked_step_by_step(served: Server, waiting: Server) -> None:
    with asking(served) as api:
        tried = api.post("ehrs/self/check").json()
        assert (tried["works"], {one["state"] for one in tried["steps"]}) == (True, {"works"}), tried
    with asking(waiting) as api:
        tried = api.post("ehrs/self/check").json()
        assert (tried["works"], [(one["step"], one["state"]) for one in tried["steps"]]) == (
            False, [("discovery", "fails")],
        )  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "patient", "status"), [(None, None, 401), ("patient/*.cruds", "ada", 403), ("system/Task.rs", None, 403)]
)
def test_who_may_not_order_is_told_so(served: Server, scope: str | None, patient: str | None, status: int) -> None:
    with asking(served, scope, **({"patient": patient} if patient else {})) as api:
        answer = api.post("gather", json={"patient": {"mrn": "MRN-4711"}, "ehr": "self", "recipe": "demographics"})
        assert answer.status_code == status
        assert "4711" not in diagnostics(answer)


def test_whom_an_order_is_about_stands_in_no_log_and_in_no_task(served: Server) -> None:
    with asking(served) as api:
        made = api.post("gather", json={"patient": {"mrn": "MRN-0815"}, "ehr": "self", "recipe": "demographics"})
        api.post("gather", json={"patient": {"mrn": "MRN-0815", "id": "MRN-0815"}, "ehr": "self", "recipe": "x"})
        assert "0815" not in api.get(made.json()["task"]).text
    time.sleep(0.1)  # the log is written behind the answer
    assert "0815" not in served.log


def test_the_description_is_for_everybody_and_from_every_page(served: Server) -> None:
    answer = httpx.get(f"{served.url}/api/openapi.json", headers={"origin": "https://elsewhere.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert answer.json()["paths"]["/api/v1/gather"]["post"]["responses"]["202"]


@needs_chromium
def test_the_documentation_is_shown_and_asks_with_the_token_that_is_typed_in(served: Server, browser: Any) -> None:
    with watched(browser, served.url, "data:") as tab:
        tab.goto(f"{served.url}/api/docs")
        tab.wait_for_selector("#operations-Gathering-gather")
        tab.click("button.authorize")
        tab.fill("#auth-bearer-value, .auth-container input", served.token(SCOPE))
        tab.click(".auth-btn-wrapper button.authorize")
        tab.click(".auth-btn-wrapper button.btn-done")
        tab.click("[id$='-list_recipes'] .opblock-summary-control")
        tab.click("button.try-out__btn")
        tab.click("button.execute")
        tab.wait_for_selector(".live-responses-table")
        assert "demographics" in tab.inner_text(".live-responses-table tbody")
        SHOTS.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=SHOTS / "api-docs.png", full_page=True)


def test_what_was_done_by_the_api_is_in_the_audit(served: Server) -> None:
    with asking(served) as api:
        id = ordered(api)
        watched_to_its_end(api, id)
        api.get(f"gather/{id}", headers={"x-request-id": "looked"})
        api.get("gather/nobody", headers={"x-request-id": "missed"})
    looked, missed = (of(served, name)[0] for name in ("looked", "missed"))
    version = references(looked)[0].rpartition("/")[2]
    assert (codes(looked), references(looked)) == (["read"], [f"Task/{id}/_history/{version}"])
    assert (codes(missed), missed["outcome"]) == (["api-get_order"], "4")
    events = found(served)
    assert [one["outcome"] for one in events if "ehr" in codes(one)] == ["0"]  # it was added once
    assert "4711" not in json.dumps([looked, missed])
