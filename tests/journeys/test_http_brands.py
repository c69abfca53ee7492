"""Brands over HTTP, on both stores, of two processes: written as FHIR, published at /brands, said by discovery."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
from tests.journeys.both import flags
from tests.journeys.cli import postgres_database
from tests.journeys.server import FHIR_JSON, Server
from tests.unit.smart.apps.test_brands import brand, endpoint

__all__ = ["flags", "postgres_database"]

ANYWHERE = {"origin": "https://anywhere.example"}


def until(running: Server, holds: Callable[[dict[str, Any]], bool]) -> httpx.Response:
    """The bundle once every process has learned of it: a few answers in a row say so."""
    ends, agreed = time.monotonic() + 10, 0
    while agreed < 8:
        answer = httpx.get(running.url + "/brands", headers=ANYWHERE)  # a new connection: perhaps another process
        assert answer.status_code == 200, answer.text
        agreed = agreed + 1 if holds(answer.json()) else 0
        assert time.monotonic() < ends, answer.text
    return answer


def ids(bundle: dict[str, Any]) -> list[str]:
    return [one["resource"]["id"] for one in bundle["entry"]]


def test_brands_are_published_as_they_are_written(start: Callable[..., Server], flags: tuple[str, ...]) -> None:
    running = start(*flags, "--workers", "2", "--organization", "Lake Clinic")
    first = until(running, lambda bundle: ids(bundle) == ["this-server", "this-server"])
    assert first.json()["entry"][0]["resource"]["name"] == "Lake Clinic"
    assert first.headers["access-control-allow-origin"] == "*"
    assert first.headers["etag"].startswith('W/"')
    with running.client() as fhir:
        for body in (endpoint("e1"), endpoint("e2"), brand("root", "e1"),
                     brand("child", "e2", partOf={"reference": "Organization/root"})):  # fmt: skip
            answer = fhir.put(f"{body['resourceType']}/{body['id']}", json=body, headers=FHIR_JSON)
            assert answer.status_code == 201, answer.text
        written = answer.json()["meta"]["lastUpdated"]
        second = until(running, lambda bundle: ids(bundle) == ["root", "child", "e1", "e2"])
        assert second.json()["timestamp"] == written
        tags = {httpx.get(running.url + "/brands").headers["etag"] for _ in range(12)}
        assert tags == {second.headers["etag"]}
        known = {"if-none-match": second.headers["etag"]}
        assert httpx.get(running.url + "/brands", headers=known).status_code == 304
        assert httpx.get(running.url + "/brands", headers={"if-none-match": first.headers["etag"]}).status_code == 200
        said = httpx.get(running.base + "/.well-known/smart-configuration").json()
        assert said["user_access_brand_bundle"] == running.url + "/brands"
        assert said["user_access_brand_identifier"] == {
            "system": "urn:ietf:rfc:3986", "value": "https://root.example.org",
        }  # fmt: skip
        assert fhir.delete("Organization/child").status_code == 204
    third = until(running, lambda bundle: ids(bundle) == ["root", "e1"])
    assert third.json()["timestamp"] > written
    asked = httpx.options(
        running.url + "/brands",
        headers=ANYWHERE | {"access-control-request-method": "GET", "access-control-request-headers": "if-none-match"},
    )
    assert asked.status_code == 204
    assert "if-none-match" in asked.headers["access-control-allow-headers"]
