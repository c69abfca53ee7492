"""The broker's API over real HTTP: hilum's own tokens, its documentation in a browser, an order from request to end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.journeys.browsing import SHOTS, browser, needs_chromium, watched
from tests.journeys.conftest import diagnostics
from tests.journeys.server import Server

__all__ = ["browser"]

SCOPE = "system/Endpoint.cruds system/Task.cruds"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("api"))
    with asking(running) as api:
        made = api.post("ehrs", json={
            "name": "self", "vendor": "plain", "base": running.base, "client_id": "nobody", "mrn_system": "urn:mrn",
            "system_scopes": "system/*.rs", "recipes": ["demographics"],
        })  # fmt: skip
        assert made.status_code == 201, made.text
    yield running
    running.stop()


def asking(server: Server, scope: str | None = SCOPE, **options: Any) -> httpx.Client:
    client = server.client(scope, **options)
    client.base_url = httpx.URL(server.url + "/api/v1/")
    return client


def ordered(api: httpx.Client) -> str:
    made = api.post("gather", json={"patient": {"mrn": "4711"}, "ehr": "self", "recipe": "demographics"})
    assert made.status_code == 202, made.text
    assert made.headers["location"] == str(api.base_url) + "gather/" + made.json()["id"]
    return str(made.json()["id"])


def test_an_order_is_the_task_that_fhir_shows(served: Server) -> None:
    with asking(served) as api:
        id = ordered(api)
        order = api.get(f"gather/{id}")
        task = api.get(order.json()["task"])
        assert task.json()["code"]["coding"] == [{"system": "urn:hilum:gather", "code": "gather"}]
        assert api.get(f"gather/{id}", headers={"accept": "application/fhir+json"}).json()["id"] == id
        assert (order.headers["cache-control"], order.headers["x-content-type-options"]) == ("no-store", "nosniff")
        cancelled = api.delete(f"gather/{id}")
        assert cancelled.json()["status"] == "cancelled"
        assert api.get(order.json()["task"]).json()["status"] == "cancelled"


def test_an_order_that_is_cancelled_by_fhir_ends_its_stream(served: Server) -> None:
    with asking(served) as api:
        id = ordered(api)
        seen: list[str] = []
        with api.stream("GET", f"gather/{id}/events") as answer:
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert "content-length" not in answer.headers
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    seen.append(line.removeprefix("event: "))
                if seen == ["order"] and line.startswith("data: "):
                    place = json.loads(line.removeprefix("data: "))["task"]
                    task = api.get(place).json()
                    assert api.put(place, json=task | {"status": "cancelled"}).status_code == 200
        assert (seen[0], seen[-1]) == ("order", "end")
        last = str(api.get(f"gather/{id}").json()["version"])
        assert api.get(f"gather/{id}/events", headers={"last-event-id": last}).status_code == 204


def test_a_server_that_is_stopped_does_not_wait_for_who_watches(start: Any) -> None:
    running = start("--grace-seconds", "60")
    with asking(running) as api:
        api.post("ehrs", json={
            "name": "self", "vendor": "plain", "base": running.base, "client_id": "nobody", "mrn_system": "urn:mrn",
            "system_scopes": "system/*.rs", "recipes": ["demographics"],
        })  # fmt: skip
        with api.stream("GET", f"gather/{ordered(api)}/events") as answer:
            lines = answer.iter_lines()
            assert next(lines)
            assert running.stop() == 0  # which waits half as long as that


def test_what_the_registry_says_is_checked_against_the_ehr_itself(served: Server) -> None:
    with asking(served) as api:
        found = api.post("ehrs/self/check").json()
        steps = {one["step"]: (one["state"], one["side"]) for one in found["steps"]}
        assert (found["works"], steps["discovery"]) == (False, ("works", ""))  # hilum is no client of its own yet
        assert {"fails"} < {state for state, _ in steps.values()}


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
