"""Binaries over HTTP, on both stores: content by itself and as a resource, in ranges, and streamed both ways."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.journeys.binaries import PDF, client, files, running
from tests.journeys.conftest import diagnostics
from tests.journeys.server import FHIR_JSON, Server

__all__ = ["client", "running"]

MEGABYTE = 1 << 20
BIG = (5120 if os.environ.get("HILUM_FULL") else 256) * MEGABYTE
FLAT = 64 * MEGABYTE
"""How much more memory a server may have used after a big content than before it."""


def posted(client: httpx.Client, content: Any, headers: dict[str, str] | None = None) -> str:
    answer = client.post("Binary", content=content, headers=headers or PDF)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_content_comes_and_goes_as_it_is(running: Server, client: httpx.Client) -> None:
    before = files(running)
    for size in (0, 1, 1000, 256 * 1024, 256 * 1024 + 1, 3 * MEGABYTE + 1):
        content = os.urandom(size)
        context = {"x-security-context": "Patient/p"}
        made = client.post("Binary", content=content, headers=PDF | context)
        assert made.status_code == 201, made.text
        large = size > 256 * 1024
        assert ("data" in made.json()) is (size > 0 and not large)
        at = f"Binary/{made.json()['id']}"
        for accept in ("*/*", "application/pdf", "application/*", ""):
            got = client.get(at, headers={"accept": accept})
            assert (got.status_code, got.content) == (200, content), accept
        assert got.headers["content-type"] == "application/pdf"
        assert got.headers["etag"] == '"1"'
        assert got.headers["x-security-context"] == "Patient/p"
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["cache-control"] == "no-store"
        assert got.headers["repr-digest"] == digest(content)
        head = client.head(at)
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))
        resource = client.get(at, headers={"accept": "application/fhir+json"})
        assert resource.headers["etag"] == 'W/"1"'
        assert base64.b64decode(resource.json().get("data", "")) == content
        assert resource.json() == {
            **{name: value for name, value in made.json().items() if name != "meta"},
            "meta": {name: value for name, value in made.json()["meta"].items() if name != "tag"},
            **({"data": base64.b64encode(content).decode()} if size else {}),
        }
        assert client.get(at, params={"_format": "json"}).json() == resource.json()
        pretty = client.get(at, params={"_format": "json", "_pretty": "true"})
        assert pretty.json() == resource.json()
        assert pretty.text.startswith('{\n  "resourceType"')
    assert len(files(running) - before) == 2
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files(running))


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def test_what_is_asked_for_in_another_form_is_406(client: httpx.Client) -> None:
    at = f"Binary/{posted(client, b'%PDF')}"
    for accept in ("text/plain", "application/pdf;q=0"):
        answer = client.get(at, headers={"accept": accept})
        assert answer.status_code == 406, accept
        assert "application/pdf" in diagnostics(answer)
    assert client.get(at, params={"_format": "application/pdf"}).content == b"%PDF"
    assert client.get(at, params={"_format": "text/plain"}).status_code == 406
    assert client.get(at, params={"_elements": "contentType"}).json()["contentType"] == "application/pdf"


def test_pretty_changes_nothing_of_the_content(client: httpx.Client) -> None:
    for content, type_ in ((b"%PDF", "application/pdf"), (b'{"a":1}', "application/fhir+json; charset=utf-8")):
        made = client.post("Binary", content=content, headers={"content-type": type_})
        at = f"Binary/{made.json()['id']}"
        for path in (at, f"{at}/_history/1"):
            answer = client.get(path, params={"_pretty": "true"})
            assert (answer.status_code, answer.content) == (200, content), answer.text
        assert client.get(at, params={"_pretty": "true", "_format": "json"}).text.startswith("{\n")


def test_json_is_content_unless_it_is_a_binary(client: httpx.Client) -> None:
    patient = b'{"resourceType":"Patient","active":true}'
    made = client.post("Binary", content=patient, headers=FHIR_JSON)
    assert made.status_code == 201, made.text
    assert made.json()["contentType"] == "application/fhir+json"
    at = f"Binary/{made.json()['id']}"
    assert client.get(at).content == patient
    assert client.get(at, headers={"accept": "application/fhir+json"}).json()["resourceType"] == "Binary"
    array = client.post("Binary", content=b"[1, 2]", headers={"content-type": "application/json"})
    assert client.get(f"Binary/{array.json()['id']}", headers={"accept": "application/json"}).content == b"[1, 2]"
    resource = {"resourceType": "Binary", "contentType": "text/plain", "data": "aGk="}
    assert client.post("Binary", json=resource, headers=FHIR_JSON).json()["contentType"] == "text/plain"
    assert client.post("Binary", content=b"{", headers=FHIR_JSON).status_code == 400
    in_xml = {"content-type": "application/fhir+xml"}
    assert client.post("Binary", content=b"hi", headers=in_xml).status_code == 400
    patient = b'<Patient xmlns="http://hl7.org/fhir"><active value="true"/></Patient>'
    made = client.post("Binary", content=patient, headers=in_xml | {"accept": "application/fhir+json"})
    assert made.json()["contentType"] == "application/fhir+xml"
    assert client.get(f"Binary/{made.json()['id']}").content == patient
    older = b'{"resourceType":"Patient","active":true}'
    made = client.post("Binary", content=older, headers={"content-type": "application/fhir+json; fhirVersion=3.0"})
    assert client.get(f"Binary/{made.headers['location'].split('/')[-3]}", headers={"accept": "*/*"}).content == older
    document = b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>"
    made = client.post("Binary", content=document, headers={"content-type": "application/xml"})
    assert made.json()["contentType"] == "application/xml"
    assert client.get(f"Binary/{made.json()['id']}").content == document


def test_a_binary_in_xml_is_the_same_one(client: httpx.Client) -> None:
    for size in (10, 400_000):
        content = os.urandom(size)
        data = base64.b64encode(content).decode()
        sent = (
            '<Binary xmlns="http://hl7.org/fhir"><contentType value="text/plain"/>'
            f'<securityContext><reference value="Patient/p"/></securityContext><data value="{data}"/></Binary>'
        )
        made = client.post("Binary", content=sent, headers={"content-type": "application/fhir+xml"})
        assert made.status_code == 201, made.text
        id = made.headers["location"].split("/")[-3]
        assert client.get(f"Binary/{id}").content == content
        for params in ({}, {"_pretty": "true"}):
            got = client.get(f"Binary/{id}", headers={"accept": "application/fhir+xml"}, params=params)
            assert got.headers["content-type"] == "application/fhir+xml; charset=utf-8"
            assert ElementTree.fromstring(got.content)[-1].attrib == {"value": data}
        again = client.put(f"Binary/{id}", content=got.content, headers={"content-type": "application/fhir+xml"})
        assert again.headers["etag"] == 'W/"1"', "nothing has changed"


def test_fhir_3_shows_small_content_in_the_resource_and_large_by_itself(client: httpx.Client) -> None:
    older = {"accept": "application/fhir+json; fhirVersion=3.0"}
    small, large = posted(client, b"%PDF"), posted(client, bytes(400_000))
    assert client.get(f"Binary/{small}", headers=older).json()["content"] == base64.b64encode(b"%PDF").decode()
    assert client.get(f"Binary/{large}", headers=older).status_code == 406
    assert client.get(f"Binary/{large}").content == bytes(400_000)


def test_versions_have_their_content_and_conditions_hold(client: httpx.Client) -> None:
    one, two = os.urandom(400_000), os.urandom(500_000)
    id = posted(client, one)
    at = f"Binary/{id}"
    assert client.put(at, content=two, headers=PDF | {"if-match": '"2"'}).status_code == 412
    put = client.put(at, content=two, headers=PDF | {"if-match": 'W/"1"'})
    assert (put.status_code, put.headers["etag"]) == (200, 'W/"2"')
    assert client.put(at, content=two, headers=PDF).headers["etag"] == 'W/"2"', "the same again"
    for version, content in ((1, one), (2, two)):
        got = client.get(f"{at}/_history/{version}")
        assert (got.content, got.headers["etag"]) == (content, f'"{version}"')
        as_json = client.get(f"{at}/_history/{version}", headers={"accept": "application/fhir+json"})
        assert base64.b64decode(as_json.json()["data"]) == content
    for known in ('"2"', 'W/"2"', '"1", "2"', "*"):
        assert client.get(at, headers={"if-none-match": known}).status_code == 304
    assert client.get(at, headers={"if-none-match": '"1"'}).content == two
    assert client.get(at, headers={"if-match": '"1"'}).status_code == 412
    assert client.get(at, headers={"if-match": '"2"'}).content == two
    new = client.put("Binary/chosen", content=one, headers=PDF | {"if-none-match": "*"})
    assert new.status_code == 201
    assert client.put("Binary/chosen", content=one, headers=PDF | {"if-none-match": "*"}).status_code == 412
    assert client.delete(at).status_code == 204
    assert client.get(at).status_code == 410
    assert client.get(f"{at}/_history/1").content == one


def test_parts_shown_elsewhere_say_that_they_are_parts(client: httpx.Client) -> None:
    content = os.urandom(400_000)
    id = posted(client, content)
    found = client.get("Binary", params={"_id": id}).json()["entry"][0]["resource"]
    history = client.get(f"Binary/{id}/_history").json()["entry"][0]["resource"]
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": f"Binary/{id}"}}],
    }
    entry = client.post("", json=bundle, headers=FHIR_JSON).json()["entry"][0]["resource"]
    transaction = client.post("", json=bundle | {"type": "transaction"}, headers=FHIR_JSON).json()["entry"][0]
    for part in (found, history, entry, transaction["resource"]):
        assert "data" not in part
        assert [tag["code"] for tag in part["meta"]["tag"]] == ["SUBSETTED"]
    refused = client.put(f"Binary/{id}", json=found, headers=FHIR_JSON)
    assert refused.status_code == 422
    assert "SUBSETTED" in diagnostics(refused)
    assert client.get(f"Binary/{id}").content == content
    graph = client.get(f"Binary/{id}/$graphql", params={"query": "{contentType data}"}).json()
    assert graph["data"]["contentType"] == "application/pdf"
    assert not graph["data"].get("data")


def test_what_is_not_what_its_digest_says_is_refused_and_not_kept(running: Server, client: httpx.Client) -> None:
    content, before = os.urandom(400_000), files(running)
    for header in ("content-digest", "repr-digest"):
        assert posted(client, content, PDF | {header: digest(content)})
        for wrong in (content[:-1], content[:10]):
            answer = client.post("Binary", content=wrong, headers=PDF | {header: digest(content)})
            assert answer.status_code == 400
            assert "changed on the way" in diagnostics(answer)
    body = json.dumps({"resourceType": "Binary", "contentType": "a/b", "data": "aGk="}).encode()
    right = client.post("Binary", content=body, headers=FHIR_JSON | {"content-digest": digest(body)})
    wrong = client.post("Binary", content=body, headers=FHIR_JSON | {"content-digest": digest(b"")})
    assert (right.status_code, wrong.status_code) == (201, 400)
    assert len(files(running) - before) == 2


def test_content_without_a_type_is_refused_and_told_that_any_type_does(client: httpx.Client) -> None:
    for headers in ({}, {"content-type": ""}):
        for method, path in (("POST", "Binary"), ("PUT", "Binary/untyped")):
            refused = client.request(method, path, content=b"hello", headers=headers)
            assert refused.status_code == 415
            assert "such as application/pdf" in diagnostics(refused)


def test_headers_can_t_be_smuggled_through_content_types(client: httpx.Client) -> None:
    body = {"resourceType": "Binary", "contentType": "text/html\nset-cookie: a=b", "data": "aGk="}
    made = client.post("Binary", json=body, headers=FHIR_JSON)
    if made.status_code == 201:
        got = client.get(f"Binary/{made.json()['id']}")
        assert got.headers["content-type"] == "application/octet-stream"
        assert "set-cookie" not in got.headers
    context = {"securityContext": {"reference": "Patient/p\r\nset-cookie: a=b"}}
    made = client.post("Binary", json=body | {"contentType": "text/plain"} | context, headers=FHIR_JSON)
    if made.status_code == 201:
        assert "set-cookie" not in client.get(f"Binary/{made.json()['id']}").headers


# --- ranges -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both_sizes(server: Server) -> list[tuple[str, bytes]]:
    """Small and large content on one server: (path, content)."""
    found = []
    with server.client() as one:
        for size in (1000, 3 * MEGABYTE + 5):
            content = os.urandom(size)
            found.append((f"Binary/{posted(one, content)}", content))
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_range_is_the_slice_that_it_names(
    server: Server, fhir: httpx.Client, both_sizes: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    at, content = data.draw(st.sampled_from(both_sizes))
    size = len(content)
    start = data.draw(st.integers(0, size + 10))
    stop = data.draw(st.one_of(st.none(), st.integers(start, size + 10)))
    suffix = data.draw(st.booleans())
    header = f"bytes=-{start}" if suffix else f"bytes={start}-{'' if stop is None else stop}"
    meant = content[max(0, size - start) :] if suffix else content[start : size if stop is None else stop + 1]
    if suffix and start == 0:
        meant = b""
    got = fhir.get(at, headers={"range": header, "if-range": '"1"'})
    if not meant:
        assert got.status_code == 416
        assert got.headers["content-range"] == f"bytes */{size}"
        return
    assert (got.status_code, got.content) == (206, meant)
    first = max(0, size - start) if suffix else start
    assert got.headers["content-range"] == f"bytes {first}-{first + len(meant) - 1}/{size}"
    assert got.headers["repr-digest"] == digest(content)


def test_several_ranges_come_in_parts(fhir: httpx.Client, both_sizes: list[tuple[str, bytes]]) -> None:
    for at, content in both_sizes:
        got = fhir.get(at, headers={"range": "bytes=0-9, 100-199, -7"})
        assert got.status_code == 206
        kind, _, boundary = got.headers["content-type"].partition("; boundary=")
        assert kind == "multipart/byteranges"
        assert int(got.headers["content-length"]) == len(got.content)
        parts = got.content.split(f"--{boundary}".encode())
        assert parts[0] == b""
        assert parts[-1] == b"--\r\n"
        bodies = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts[1:-1]]
        assert bodies == [content[:10], content[100:200], content[-7:]]


def test_a_range_holds_for_the_version_that_it_was_begun_with(fhir: httpx.Client) -> None:
    id = posted(fhir, b"0123456789")
    part = {"range": "bytes=2-3"}
    assert fhir.get(f"Binary/{id}", headers=part | {"if-range": '"1"'}).content == b"23"
    for other in ('"2"', 'W/"1"', fhir.get(f"Binary/{id}").headers["last-modified"]):
        assert fhir.get(f"Binary/{id}", headers=part | {"if-range": other}).content == b"0123456789"
    as_json = fhir.get(f"Binary/{id}", headers=part | {"accept": "application/fhir+json"})
    assert as_json.status_code == 200
    assert fhir.head(f"Binary/{id}", headers=part).status_code == 200


# --- big ones ---------------------------------------------------------------------------------------------------------


class Content:
    """Big content, made on the way: every megabyte is another."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._block = os.urandom(MEGABYTE)
        self.digest = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, self.size, MEGABYTE):
            piece = at.to_bytes(8, "big") + self._block[8 : min(MEGABYTE, self.size - at)]
            self.digest.update(piece)
            yield piece


def test_memory_stays_flat_however_big_it_is(running: Server, client: httpx.Client) -> None:
    if "postgresql" in running.store[1] and not os.environ.get("HILUM_FULL"):  # type: ignore[attr-defined]
        pytest.skip("the content takes the same way on both stores; HILUM_FULL=1 sends it on this one, too")
    posted(client, os.urandom(300_000))
    before = running.memory()
    content = Content(BIG)
    slow = {"timeout": 1800.0}
    made = client.post("Binary", content=iter(content), headers=PDF, **slow)  # type: ignore[arg-type]
    assert made.status_code == 201, made.text
    id = made.json()["id"]
    for accept in ("*/*", "application/fhir+json"):
        got = hashlib.sha256()
        with client.stream("GET", f"Binary/{id}", headers={"accept": accept}, **slow) as answer:  # type: ignore[arg-type]
            assert answer.status_code == 200
            rest = b"" if accept == "*/*" else None
            for chunk in answer.iter_bytes(MEGABYTE):
                if accept == "*/*":
                    got.update(chunk)
                    continue
                text = chunk if rest is not None else chunk.partition(b'"data":"')[2]
                text = (rest or b"") + text.removesuffix(b'"}')
                cut = len(text) - len(text) % 4
                got.update(base64.b64decode(text[:cut]))
                rest = text[cut:]
            assert rest == b""
        assert got.digest() == content.digest.digest(), accept
    assert running.memory() - before < FLAT
    assert client.get("Binary").status_code == 200
    assert running.memory() - before < FLAT


def test_who_may_not_write_it_is_told_before_it_is_taken_in(running: Server) -> None:
    before = files(running)
    for scope, headers, status in (
        ("system/Binary.r", {}, 403),
        ("patient/Binary.c patient/Patient.r", {"x-security-context": "Patient/p"}, 403),
        ("system/Binary.cu", {"content-length": str(6 * 1024**3)}, 413),
        ("system/Binary.cu", {"content-encoding": "gzip"}, 415),
    ):
        token = running.token(scope, **({"patient": "p"} if "patient/" in scope else {}))
        given = {
            "content-type": "application/pdf",
            "content-length": str(MEGABYTE * 100),
            "authorization": f"Bearer {token}",
            "host": "x",
            "expect": "100-continue",
        } | headers
        with socket.create_connection(("127.0.0.1", running.port), timeout=20) as line:
            head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
            line.sendall(f"POST /fhir/Binary HTTP/1.1\r\n{head}\r\n".encode())
            assert line.recv(4096).startswith(f"HTTP/1.1 {status} ".encode()), (scope, headers)
    assert files(running) == before


def test_an_upload_that_breaks_off_leaves_nothing(running: Server, client: httpx.Client) -> None:
    token, before = running.token(), files(running)
    total = client.get("Binary", params={"_summary": "count"}).json()["total"]
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as line:
        line.sendall(
            b"POST /fhir/Binary HTTP/1.1\r\nhost: x\r\ncontent-type: application/pdf\r\ncontent-length: 10000000\r\n"
            b"authorization: Bearer " + token.encode() + b"\r\n\r\n" + bytes(3 * MEGABYTE)
        )
        until(lambda: len(files(running) - before) == 1)
    until(lambda: files(running) == before)
    assert client.get("Binary", params={"_summary": "count"}).json()["total"] == total


def until(fact: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_who_goes_away_while_it_is_sent_stops_it(running: Server, client: httpx.Client) -> None:
    id = posted(client, bytes(40 * MEGABYTE))
    opened = running.open_files()
    for _ in range(5):
        with running.client() as other, other.stream("GET", f"Binary/{id}") as answer:
            next(answer.iter_bytes(1000))
    until(lambda: running.open_files() <= opened)


def test_damaged_content_is_never_sent_whole(running: Server, client: httpx.Client) -> None:
    before = files(running)
    small, big = posted(client, os.urandom(400_000)), posted(client, os.urandom(5 * MEGABYTE))
    damaged = files(running) - before
    for path in damaged:
        content = bytearray(path.read_bytes())
        content[1000] ^= 1
        path.write_bytes(content)
    assert client.get(f"Binary/{small}").status_code == 500
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(f"Binary/{big}")
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-1])
    for id in (small, big):
        answer = client.get(f"Binary/{id}")
        assert answer.status_code == 500
        assert "damaged or missing" in diagnostics(answer)
        assert client.get(f"Binary/{id}", headers={"range": "bytes=0-9"}).status_code == 500
    assert httpx.get(running.url + "/ready").json()["status"] == "ready"


def test_a_server_with_another_folder_does_not_start(running: Server, client: httpx.Client, tmp_path: Path) -> None:
    posted(client, os.urandom(400_000))
    store = running.store  # type: ignore[attr-defined]
    (tmp_path / "data").mkdir(mode=0o700)
    for name in ("environment", "signing-key.sandbox.json"):
        shutil.copy(running.data / name, tmp_path / "data" / name)
    with pytest.raises(AssertionError, match="--blobs"):
        Server(tmp_path, *store)
    other = Server(tmp_path, *store, "--blobs", str(running.data / "blobs"))
    assert httpx.get(other.url + "/health").status_code == 200
    other.stop()
