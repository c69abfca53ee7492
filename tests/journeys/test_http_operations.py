"""What operators see: health, readiness, metrics, logs, request ids, shutdown."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_http_history import link


def test_health_and_readiness(server: Server) -> None:
    assert httpx.get(server.url + "/health").json() == {"status": "ok"}
    ready = httpx.get(server.url + "/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    assert httpx.post(server.url + "/health").status_code == 405
    missing = httpx.get(server.url + "/nothing/here")
    assert missing.status_code == 404
    assert "/fhir" in diagnostics(missing)


def test_metrics_count_requests_by_interaction_and_class(fhir: httpx.Client, server: Server, create: Create) -> None:
    id_ = create()["id"]

    def figure(text: str, name: str) -> float:
        found = re.search(rf"^{re.escape(name)}.*\}} ([0-9.e+-]+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def counted() -> tuple[float, float, float]:
        text = httpx.get(server.url + "/metrics").text
        return (
            figure(text, 'hilum_requests_total{interaction="read",status="2xx"'),
            figure(text, 'hilum_requests_total{interaction="read",status="4xx"'),
            figure(text, "hilum_commit_writes_count{"),
        )

    before = counted()
    fhir.get(f"Patient/{id_}")
    fhir.get("Patient/never-was")
    create()
    assert [after - first for after, first in zip(counted(), before, strict=True)] == [1, 1, 1]
    text = httpx.get(server.url + "/metrics").text
    assert "hilum_request_seconds_bucket" in text
    assert "hilum_requests_in_flight" in text
    assert id_ not in text


def test_metrics_are_for_this_machine_unless_opened_or_closed(start: Callable[..., Server], server: Server) -> None:
    proxied = {"x-forwarded-for": "203.0.113.9"}
    assert httpx.get(server.url + "/metrics", headers=proxied).status_code == 403
    assert httpx.get(start("--metrics", "open").url + "/metrics", headers=proxied).status_code == 200
    assert httpx.get(start("--metrics", "off").url + "/metrics").status_code == 403


@pytest.mark.parametrize("sent", ["abc-123", "A.b_c"])
def test_a_harmless_request_id_is_echoed(server: Server, sent: str) -> None:
    assert httpx.get(server.url + "/health", headers={"x-request-id": sent}).headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", ["a b", "x" * 65, 'x"}', "<script>", ""])
def test_other_request_ids_are_replaced(server: Server, sent: str) -> None:
    ids = [httpx.get(server.url + "/health", headers={"x-request-id": sent}).headers["x-request-id"] for _ in range(2)]
    assert sent not in ids
    assert ids[0] != ids[1]


def test_each_request_leaves_one_event_with_its_id(fhir: httpx.Client, server: Server, create: Create) -> None:
    id_ = create()["id"]
    fhir.get(f"Patient/{id_}", headers={"x-request-id": "find-me-1"})
    ends = time.monotonic() + 5
    found: list[dict[str, Any]] = []
    while not found and time.monotonic() < ends:
        found = [event for event in server.events if event.get("id") == "find-me-1"]
    event = found[0]
    assert {key: event[key] for key in ("level", "event", "method", "interaction", "type", "status")} == {
        "level": "info",
        "event": "request",
        "method": "GET",
        "interaction": "read",
        "type": "Patient",
        "status": 200,
    }
    assert event["bytes"] > 100
    assert event["ms"] > 0


def test_the_answer_to_a_browser_elsewhere_is_not_shared(server: Server) -> None:
    """But for discovery and metadata, which are nobody's."""
    answer = httpx.get(server.base + "/Patient", headers={"origin": "https://elsewhere.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_requests_under_way_finish_when_the_server_is_told_to_stop(start: Callable[..., Server]) -> None:
    running = start()
    entries = [
        {
            "resource": {"resourceType": "Patient", "birthDate": "1990-01-01"},
            "request": {"method": "POST", "url": "Patient"},
        }
        for _ in range(3000)
    ]
    answers: list[httpx.Response] = []

    def send() -> None:
        with running.client() as client:
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            answers.append(client.post("", json=bundle, headers=FHIR_JSON))

    sending = threading.Thread(target=send)
    sending.start()
    ends = time.monotonic() + 10
    while "hilum_requests_in_flight" in (text := httpx.get(running.url + "/metrics").text) and time.monotonic() < ends:
        if re.search(r"hilum_requests_in_flight\{.*\} 2\.0", text):
            break
    assert running.stop() == 0
    sending.join(30)
    assert answers[0].status_code == 200
    assert len(answers[0].json()["entry"]) == 3000
    assert [event["event"] for event in running.events if event["event"] in ("started", "stopped")] == [
        "started",
        "stopped",
    ]


def test_paging_links_hold_after_a_restart(start: Callable[..., Server], tmp_path: Any) -> None:
    first = Server(tmp_path)
    with first.client() as client:
        for _ in range(3):
            client.post("Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON)
        following = link(client.get("Patient?_count=2").json(), "next")
    first.stop()
    assert following is not None
    second = Server(tmp_path)
    with second.client() as client:
        assert len(client.get(following.replace(first.base, second.base)).json()["entry"]) == 1
    second.stop()


def test_production_is_shown_on_every_page_and_in_metadata(start: Callable[..., Server]) -> None:
    running = start("--env", "production")
    for path in ("/", "/browse/Patient", "/browse/Patient/1"):
        assert '<span class="environment production"' in httpx.get(running.url + path).text
    assert "production" in httpx.get(running.base + "/metadata").json()["implementation"]["description"]


def test_a_defect_of_ours_is_a_500_with_a_reference_and_no_detail(server: Server) -> None:
    """Asked of the router itself: over HTTP there is no known way to bring one about."""
    from hilum.rest.router import defect

    try:
        raise KeyError("Secretname")
    except KeyError as error:
        answer = defect(error)
    assert answer.status == 500
    assert b"Secretname" not in answer.body
    assert b"KeyError" not in answer.body
    assert re.search(rb"Reference for the operator: [0-9a-f]{12}", answer.body)
