"""Whatever comes: never a 5xx, always JSON. Seeded; HILUM_FUZZ=2000 runs more cases."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.journeys.server import FHIR_JSON, Server

CASES = settings(
    max_examples=int(os.environ.get("HILUM_FUZZ", "150")),
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
METHOD = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
SEGMENT = (
    st.sampled_from(["Patient", "Observation", "Binary", "1", "_history", "_search", "$everything", "*", "metadata"])
    | TEXT
)
NAME = st.sampled_from(
    [
        "_id",
        "_lastUpdated",
        "_count",
        "_cursor",
        "_since",
        "_at",
        "_type",
        "_summary",
        "_elements",
        "_format",
        "_pretty",
        "_sort",
        "_total",
        "family",
        "birthdate",
        "identifier",
        "gender",
        "name:exact",
        "general-practitioner",
        "organization:missing",
        "_multiple",
        "_profile",
        "_tag",
    ]
)
VALUE = (
    st.sampled_from(["", "1", "-1", "true", "a|b", "|", ",", "\\", "Patient/1", "2020", "gt2020-01", "count", "json"])
    | TEXT
)
URL = st.builds(
    lambda path, query: "/".join(path) + "?" + "&".join(f"{n}={v}" for n, v in query),
    st.lists(SEGMENT, max_size=4),
    st.lists(st.tuples(NAME | TEXT, VALUE), max_size=3),
)
HEADER_NAMES = [
    *("accept", "prefer", "if-match", "if-none-match", "if-modified-since", "if-none-exist", "content-type"),
    "x-request-id",
]
HEADER_VALUES = [
    *("", "*", '"1"', 'W/"1"', "return=minimal", "handling=lenient", "identifier=a|b", "name", "x;q=z;;="),
    *("application/fhir+json", "application/json-patch+json", "application/x-www-form-urlencoded"),
    "Sun, 22 Nov 2026 00:00:00 GMT",
]
HEADERS = st.dictionaries(st.sampled_from(HEADER_NAMES), st.sampled_from(HEADER_VALUES), max_size=3)
BODY = st.sampled_from(
    [b"", b"{}", b"[]", b"null", b'{"resourceType":"Patient","id":"1"}', b"a=b", b'[{"op":"remove"}]']
)
REQUEST = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("method", "url", "ifMatch", "ifNoneMatch", "ifNoneExist", "ifModifiedSince"), JSON | URL | METHOD
    ),
)
RESOURCE = JSON | st.fixed_dictionaries(
    {"resourceType": st.sampled_from(["Patient", "Binary", "Parameters", "Bundle"]) | JSON},
    optional={
        "id": JSON | st.just("1"),
        "contentType": JSON,
        "data": JSON,
        "parameter": JSON,
        "name": JSON,
        "meta": JSON,
    },
)
ENTRY = JSON | st.fixed_dictionaries({}, optional={"request": JSON | REQUEST, "resource": RESOURCE, "fullUrl": JSON})
GOOD_ENTRY = st.fixed_dictionaries(
    {"request": st.fixed_dictionaries({"method": METHOD, "url": URL})}, optional={"resource": RESOURCE}
)


def judged(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.request.method != "HEAD" and answer.content:
        body = answer.json()
        assert answer.status_code < 400 or body["resourceType"] == "OperationOutcome"
        for entry in body.get("entry", ()):
            assert "200" <= entry.get("response", {}).get("status", "200") < "500", answer.text


@pytest.fixture(scope="module")
def client(server: Server) -> Any:
    with server.client() as opened:
        yield opened


@CASES
@given(METHOD, URL, HEADERS, BODY)
def test_requests(client: httpx.Client, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
    path, _, query = url.partition("?")
    where = f"{quote(path)}?{quote(query, safe='=&')}"
    judged(client.request(method, where, headers=headers, content=body))


@CASES
@given(st.sampled_from(["batch", "transaction"]), JSON | st.lists(ENTRY | GOOD_ENTRY, max_size=4))
def test_bundles(client: httpx.Client, kind: str, entries: Any) -> None:
    content = json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}).encode()
    judged(client.post("", content=content, headers=FHIR_JSON))


@CASES
@given(RESOURCE, st.sampled_from(["Patient", "Patient/1", "Patient?_id=1", "Patient/1/$everything"]), METHOD)
def test_resources(client: httpx.Client, resource: Any, url: str, method: str) -> None:
    judged(client.request(method, url, content=json.dumps(resource).encode(), headers=FHIR_JSON))
    judged(
        client.patch(
            url, content=json.dumps(resource).encode(), headers={"content-type": "application/json-patch+json"}
        )
    )
