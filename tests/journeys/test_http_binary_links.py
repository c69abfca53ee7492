"""Signed links to Binaries: what they open, what they don't, and when they end."""

from __future__ import annotations

import base64
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.journeys.binaries import PDF, client, running
from tests.journeys.conftest import diagnostics
from tests.journeys.server import FHIR_JSON, Server

__all__ = ["client", "running"]

CONTENT = os.urandom(500_000)


@pytest.fixture
def made(client: httpx.Client) -> str:
    """The id of a Binary about a patient."""
    client.put("Patient/p", json={"resourceType": "Patient", "id": "p"}, headers=FHIR_JSON)
    answer = client.post("Binary", content=CONTENT, headers=PDF | {"x-security-context": "Patient/p"})
    return str(answer.json()["id"])


def asked(**values: Any) -> dict[str, Any]:
    some = [{"name": name, **value} for name, value in values.items()]
    return {"resourceType": "Parameters"} | ({"parameter": some} if some else {})


def link(client: httpx.Client, path: str, **values: Any) -> str:
    answer = client.post(path, json=asked(**values), headers=FHIR_JSON)
    assert answer.status_code == 200, answer.text
    (url,) = [one["valueUrl"] for one in answer.json()["parameter"] if one["name"] == "url"]
    return str(url)


def upload_link(client: httpx.Client, **more: Any) -> str:
    about = {"contentType": {"valueCode": "application/pdf"}, "securityContext": reference("Patient/p")}
    return link(client, "Binary/$upload-link", **(about | more))


def reference(to: str) -> dict[str, Any]:
    return {"valueReference": {"reference": to}}


def test_a_download_link_opens_that_version_in_any_part_without_a_token(client: httpx.Client, made: str) -> None:
    url = link(client, f"Binary/{made}/$download-link")
    client.put(f"Binary/{made}", content=b"another", headers=PDF | {"x-security-context": "Patient/p"})
    for _ in range(2):
        got = httpx.get(url)
        assert (got.status_code, got.content, got.headers["content-type"]) == (200, CONTENT, "application/pdf")
    assert got.headers["content-disposition"].startswith("attachment;")
    assert httpx.get(url, headers={"range": "bytes=7-9"}).content == CONTENT[7:10]
    assert httpx.get(url, headers={"accept": "application/fhir+json"}).content == CONTENT
    assert httpx.head(url).headers["content-length"] == str(len(CONTENT))
    assert httpx.get(link(client, f"Binary/{made}/$download-link", version={"valueString": "2"})).content == b"another"


def test_a_link_tells_nothing_and_opens_nothing_else(client: httpx.Client, made: str, running: Server) -> None:
    url = link(client, f"Binary/{made}/$download-link")
    path, _, text = url.partition("?link=")
    raw = base64.urlsafe_b64decode(text[4:] + "=" * (-len(text[4:]) % 4))
    for secret in (b"Patient", b"Binary", b"token", made.encode(), b"download", b"eyJ"):
        assert secret not in raw
    base = running.base
    other = client.post("Binary", content=b"other", headers=PDF).json()["id"]
    wrong = [
        f"{base}/Binary/{made}?link={text}",
        f"{base}/Binary/{made}/_history/2?link={text}",
        f"{base}/Binary/{other}/_history/1?link={text}",
        f"{base}/Binary?link={text}",
        f"{base}/Patient/p?link={text}",
        f"{base}/?link={text}",
        f"{url}&_format=json",
        f"{path}?link=hlk_",
        f"{path}?link=hlk_AAAA",
        f"{path}?link={text[:-1]}",
        f"{path}?link=hlk_{'A' * 100_00}",
    ]
    places = range(4, len(text), len(text) // 20)
    wrong += [f"{path}?link={text[:at]}{'A' if text[at] != 'A' else 'B'}{text[at + 1 :]}" for at in places]
    for one in wrong:
        assert httpx.get(one).status_code == 401, one
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert httpx.request(method, url, content=b"x", headers=PDF).status_code == 401
    assert httpx.post(f"{base}/Binary?link={text}", content=b"x", headers=PDF).status_code == 401
    assert httpx.get(url).status_code == 200


def test_an_upload_link_takes_one_binary_once(client: httpx.Client, made: str) -> None:
    url = upload_link(client)
    sent = httpx.post(url, content=CONTENT, headers=PDF | {"x-security-context": "Patient/other"})
    assert (sent.status_code, sent.content) == (201, b"")
    id = sent.headers["location"].split("/")[-3]
    found = client.get(f"Binary/{id}", headers={"accept": "application/fhir+json"}).json()
    assert (found["contentType"], found["securityContext"]) == ("application/pdf", {"reference": "Patient/p"})
    assert base64.b64decode(found["data"]) == CONTENT
    again = httpx.post(url, content=CONTENT, headers=PDF)
    assert again.status_code == 401
    assert "once" in diagnostics(again)
    for other in (httpx.get, httpx.head):
        assert other(url).status_code == 401


def test_of_many_at_once_one_upload_is_made(client: httpx.Client, made: str) -> None:
    url, before = upload_link(client), client.get("Binary", params={"_summary": "count"}).json()["total"]
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(lambda n: httpx.post(url, content=bytes([n]) * 300_000, headers=PDF), range(8)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {401, 503}, "503 while the first is under way"
    assert client.get("Binary", params={"_summary": "count"}).json()["total"] == before + 1


def test_what_fails_by_a_link_may_be_tried_again_within_what_it_says(client: httpx.Client, made: str) -> None:
    url = upload_link(client, maxSize={"valuePositiveInt": 1000})
    assert httpx.post(url, content=bytes(1001), headers=PDF).status_code == 413
    assert httpx.post(url, content=iter([bytes(600), bytes(600)]), headers=PDF).status_code == 413
    assert httpx.post(url, content=b"<p>", headers={"content-type": "text/html"}).status_code == 415
    resource = {"resourceType": "Binary", "contentType": "text/html", "data": "aGk="}
    assert httpx.post(url, json=resource, headers=FHIR_JSON).status_code == 415
    wrong = {"content-digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"}
    assert httpx.post(url, content=bytes(1000), headers=PDF | wrong).status_code == 400
    assert httpx.post(url, content=bytes(1000)).status_code == 201
    assert httpx.post(url, content=bytes(1000)).status_code == 401


def test_by_a_link_for_json_a_resource_is_content_too(client: httpx.Client, made: str) -> None:
    for media in ("application/fhir+json", "application/json", "application/fhir+xml"):
        url = upload_link(client, contentType={"valueCode": media})
        body = b'{"resourceType":"Binary","contentType":"text/html","securityContext":{"reference":"Patient/other"}}'
        sent = httpx.post(url, content=body, headers={"content-type": media})
        assert sent.status_code == 201, sent.text
        id = sent.headers["location"].split("/")[-3]
        found = client.get(f"Binary/{id}", params={"_format": "json"}).json()
        assert (found["contentType"], found["securityContext"]) == (media, {"reference": "Patient/p"})
        assert base64.b64decode(found["data"]) == body


def test_a_link_ends(client: httpx.Client, made: str, running: Server) -> None:
    url = link(client, f"Binary/{made}/$download-link", seconds={"valuePositiveInt": 1})
    time.sleep(1.2)
    assert httpx.get(url).status_code == 401
    long = client.post(
        f"Binary/{made}/$download-link", json=asked(seconds={"valuePositiveInt": 601}), headers=FHIR_JSON
    )
    assert long.status_code == 400
    assert "--link-seconds" in diagnostics(long)


def test_a_link_is_made_by_who_may_and_serves_as_they_might(client: httpx.Client, made: str, running: Server) -> None:
    def may(scope: str, path: str, **values: Any) -> int:
        with running.client(scope, patient="p") as one:
            return one.post(path, json=asked(**values), headers=FHIR_JSON).status_code

    down, up = f"Binary/{made}/$download-link", "Binary/$upload-link"
    about = {"contentType": {"valueCode": "application/pdf"}}
    assert may("patient/Binary.r patient/Patient.r", down) == 200
    assert may("patient/Binary.r", down) == 404
    assert may("patient/Binary.c patient/Patient.r", down) == 403
    assert may("patient/Binary.c patient/Patient.r", up, **about) == 403
    assert may("patient/Binary.c patient/Patient.r", up, **about, securityContext=reference("Patient/p")) == 200
    assert may("patient/Binary.c patient/Patient.r", up, **about, securityContext=reference("Patient/q")) == 403
    assert may("patient/Binary.r patient/Patient.r", up, **about, securityContext=reference("Patient/p")) == 403
    assert httpx.post(f"{running.base}/{down}").status_code == 401
    with running.client("patient/Binary.r patient/Patient.r", patient="p") as theirs:
        url = link(theirs, down)
    assert httpx.get(url).content == CONTENT
    client.delete("Patient/p")
    assert httpx.get(url).status_code == 404, "who made it may not read it any more"


def test_a_link_is_audited_as_who_made_it(client: httpx.Client, made: str, running: Server) -> None:
    url = link(client, f"Binary/{made}/$download-link")
    httpx.get(url)
    httpx.post(upload_link(client), content=b"x", headers=PDF)
    events = [event for event in running.events if event.get("event") == "request"]
    by_links = [event for event in events if event["interaction"] in ("vread", "create") and event["type"] == "Binary"]
    assert {event["client"] for event in by_links} == {"hilum-cli"}
    assert url.partition("link=")[2] not in running.log
    with running.client("system/*.cruds system/AuditEvent.rs") as auditor:
        for _ in range(100):
            found = auditor.get("AuditEvent", params={"entity": f"Binary/{made}", "_count": "50"}).json()
            if any("vread" in str(entry) for entry in found.get("entry", [])):
                break
            time.sleep(0.1)
        assert any("vread" in str(entry) for entry in found["entry"])
        assert url.partition("link=")[2] not in str(found)
