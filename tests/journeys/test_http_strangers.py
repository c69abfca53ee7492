"""What nobody has signed for yet: heads, bodies that dawdle, and what is no HTTP at all."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.journeys.server import FHIR_JSON, Server

from hilum.app.files import RESERVED
from hilum.app.protocol import SPARE

Answer = tuple[int, dict[bytes, bytes], dict[str, Any]]


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits a second for heads and bodies."""
    running = Server(tmp_path_factory.mktemp("hasty"), "--head-seconds", "1", "--body-seconds", "1")
    yield running
    running.stop()


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def rest(connection: socket.socket) -> bytes:
    """All that still comes until the server closes."""
    found = b""
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            found += part
    return found


def answers(raw: bytes) -> list[Answer]:
    """The answers in what came, one after the other."""
    found: list[Answer] = []
    while raw:
        head, _, raw = raw.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines)
        size = int(headers[b"content-length"])
        found.append((int(status.split()[1]), headers, json.loads(raw[:size])))
        raw = raw[size:]
    return found


def refused(raw: bytes, status: int) -> str:
    """The text of the one OperationOutcome that came, whose connection is closed."""
    ((found, headers, body),) = answers(raw)
    assert found == status, body
    assert headers[b"connection"] == b"close"
    assert headers[b"content-type"] == b"application/fhir+json; charset=utf-8"
    assert body["resourceType"] == "OperationOutcome"
    return str(body["issue"][0]["diagnostics"])


def alive(server: Server) -> bool:
    return server.process.poll() is None and httpx.get(server.url + "/health").status_code == 200


# --- heads ------------------------------------------------------------------------------------------------------------

TOO_LONG = {
    "one header": b"GET /health HTTP/1.1\r\nhost: x\r\nx-much: " + b"a" * 70_000 + b"\r\n\r\n",
    "many headers": b"GET /health HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
    "a URL": b"GET /health?" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", TOO_LONG)
def test_a_head_over_the_limit_is_431(server: Server, name: str) -> None:
    with connected(server) as connection:
        with suppress(ConnectionError):
            connection.sendall(TOO_LONG[name])
        assert "65,536 bytes" in refused(rest(connection), 431)
    assert alive(server)


def test_trailers_over_the_limit_are_431(server: Server) -> None:
    head = f"authorization: Bearer {server.token()}\r\ncontent-type: application/fhir+json\r\n"
    with connected(server) as connection:
        with suppress(ConnectionError):
            connection.sendall(
                f"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\n{head}transfer-encoding: chunked\r\n\r\n".encode()
                + b"2\r\n{}\r\n0\r\n"
            )
            for _ in range(100):
                connection.sendall(b"x: y\r\n" * 1000)
        assert "65,536 bytes" in refused(rest(connection), 431)
    assert alive(server)


def test_a_head_just_under_the_limit_is_taken(server: Server) -> None:
    assert httpx.get(server.url + "/health", headers={"x-much": "a" * 65_000}).status_code == 200
    assert httpx.get(server.url + "/health", headers={"x-much": "a" * 66_000}).status_code == 431


def test_memory_stays_bounded_under_a_head_that_never_ends(server: Server) -> None:
    before = server.memory()
    for _ in range(3):
        with connected(server) as connection, suppress(ConnectionError):
            connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n")
            for _ in range(2000):
                connection.sendall(b"x-more: " + b"a" * 50_000 + b"\r\n")
    assert server.memory() - before < 16 << 20
    assert alive(server)


def test_a_head_that_does_not_come_whole_is_408(hasty: Server) -> None:
    with connected(hasty) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nhost:")
        assert "too long" in refused(rest(connection), 408)


def test_a_head_that_comes_byte_by_byte_is_408(hasty: Server) -> None:
    with connected(hasty) as connection:
        with suppress(ConnectionError):
            for byte in b"GET /health HTTP/1.1\r\nhost: x\r\nx-more: " + b"a" * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        found = rest(connection)
        assert not found or refused(found, 408)


def test_a_connection_on_which_nothing_is_sent_is_closed_in_silence(hasty: Server) -> None:
    with connected(hasty) as connection:
        assert rest(connection) == b""


def test_the_second_head_of_a_connection_has_its_own_time(hasty: Server) -> None:
    with connected(hasty) as connection:
        for _ in range(3):
            connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n")
            time.sleep(0.6)
            connection.sendall(b"\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n")
        refused(rest(connection), 408)


# --- bodies -----------------------------------------------------------------------------------------------------------


def begin(server: Server, size: int) -> socket.socket:
    connection = connected(server)
    head = f"authorization: Bearer {server.token()}\r\ncontent-type: application/fhir+json\r\ncontent-length: {size}"
    connection.sendall(f"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n".encode())
    return connection


def test_a_body_that_stops_is_408(hasty: Server) -> None:
    with begin(hasty, 1000) as connection:
        connection.sendall(b'{"resourceType":')
        assert "too long" in refused(rest(connection), 408)
    assert alive(hasty)


def test_a_body_that_trickles_is_408(hasty: Server) -> None:
    with begin(hasty, 1000) as connection:
        with suppress(ConnectionError):
            for byte in b'{"resourceType":"Patient",' + b" " * 80:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        found = rest(connection)
        assert not found or refused(found, 408)


def test_a_body_that_pauses_but_goes_on_is_taken(hasty: Server) -> None:
    content = b'{"resourceType":"Patient","name":[{"family":"' + b"a" * 60_000 + b'"}]}'
    with begin(hasty, len(content)) as connection:
        for start in range(0, len(content), 12_000):
            connection.sendall(content[start : start + 12_000])
            time.sleep(0.3)
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")


# --- what is no HTTP --------------------------------------------------------------------------------------------------

NONSENSE = {
    "no request": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 64,
    "NUL in the URL": b"GET /fhir/Pat\x00ient HTTP/1.1\r\nhost: x\r\n\r\n",
    "a byte above 127 in the URL": b"GET /fhir/Pat\xffient HTTP/1.1\r\nhost: x\r\n\r\n",
    "NUL in a header": b"GET /health HTTP/1.1\r\nhost: x\r\nx: a\x00b\r\n\r\n",
    "a header without a name": b"GET /health HTTP/1.1\r\nhost: x\r\n: a\r\n\r\n",
    "two lengths": b"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "length and chunks": b"POST /fhir HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
    "a length that is none": b"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    "another protocol": b"GET /health HTTP/9.9\r\nhost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", NONSENSE)
def test_what_is_no_http_is_400_with_an_outcome(server: Server, name: str) -> None:
    with connected(server) as connection:
        connection.sendall(NONSENSE[name])
        assert "HTTP" in refused(rest(connection), 400)
    assert alive(server)


def test_a_bad_chunk_is_400_with_an_outcome(server: Server) -> None:
    head = f"authorization: Bearer {server.token()}\r\ncontent-type: application/fhir+json\r\n"
    with connected(server) as connection:
        connection.sendall(
            f"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\n{head}transfer-encoding: chunked\r\n\r\n".encode()
        )
        time.sleep(0.2)
        connection.sendall(b"zz\r\n{}\r\n")
        assert "HTTP" in refused(rest(connection), 400)
    assert alive(server)


def test_a_good_request_before_nonsense_is_answered_first(server: Server) -> None:
    with connected(server) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"FOO /\r\n\r\n")
        refused(rest(connection), 400)


def test_a_few_requests_at_once_are_answered_in_order_and_thousands_are_cut_off(server: Server) -> None:
    one = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
    with connected(server) as connection:
        connection.sendall(one * 20)
        found = b""
        while found.count(b"HTTP/1.1 200 ") < 20:
            part = connection.recv(65536)
            assert part
            found += part
    with connected(server) as connection:
        connection.sendall(one * 4000)
        assert rest(connection).count(b"HTTP/1.1 200 ") < 4000
    assert alive(server)


def test_no_upgrade_to_anything(server: Server) -> None:
    for protocol in ("websocket", "h2c"):
        headers = {
            "connection": "upgrade",
            "upgrade": protocol,
            "sec-websocket-key": "x",
            "sec-websocket-version": "13",
        }
        assert httpx.get(server.url + "/health", headers=headers).status_code == 200


# --- too many connections ---------------------------------------------------------------------------------------------


def test_one_connection_too_many_is_503_and_closed_while_the_others_work(start: Callable[..., Server]) -> None:
    small = start("--connections", "16")
    kept = [connected(small) for _ in range(16)]
    for one in kept:
        one.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n")  # a head that is not whole keeps its place
    time.sleep(0.2)
    for request in (b"", b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n", b"a" * 100_000):
        with connected(small) as late:
            late.sendall(request)
            found = rest(late)
        assert "as many connections" in refused(found, 503)
        assert answers(found)[0][1][b"retry-after"] == b"1"
    assert httpx.get(small.url + "/health").status_code == 503  # httpx sends its request and reads the answer
    for one in kept:
        one.sendall(b"\r\n")
        assert one.recv(65536).startswith(b"HTTP/1.1 200 ")
        one.close()
    for _ in range(100):
        if httpx.get(small.url + "/health").status_code == 200:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("The places were not given back.")
    assert small.stop() == 0  # the log is whole then
    assert {event["status"] for event in small.events if event["event"] == "refused"} == {503}


def test_a_flood_of_connections_takes_no_more_open_files_than_the_bound_and_a_few(
    start: Callable[..., Server],
) -> None:
    small = start("--connections", "64")
    before = small.open_files()
    flood: list[socket.socket] = []
    try:
        flood.extend(connected(small) for _ in range(900))
        time.sleep(0.5)
        assert small.open_files() - before <= 64 + SPARE + 8
    finally:
        for one in flood:
            one.close()
    for _ in range(100):
        with suppress(httpx.TransportError):
            if httpx.get(small.url + "/health").status_code == 200:
                break
        time.sleep(0.05)
    assert alive(small)


def test_the_limit_of_open_files_is_raised_for_the_connections_and_else_bounds_them(
    start: Callable[..., Server],
) -> None:
    def started(running: Server) -> tuple[int, int]:
        (event,) = [event for event in running.events if event["event"] == "started"]
        soft = Path(f"/proc/{running.process.pid}/limits").read_text().split("Max open files")[1].split()[0]
        return event["connections"], int(soft)

    assert started(start("--connections", "1000", files=(256, 2000))) == (1000, 1000 + RESERVED)
    assert started(start("--connections", "1000", files=(256, 1024))) == (1024 - RESERVED, 1024)
    assert started(start("--connections", "100", files=(1024, 1024))) == (100, 1024)


# --- before the body is read ------------------------------------------------------------------------------------------


def told(server: Server, method: str, path: str, scope: str, body: bytes = b"", **headers: str) -> int:
    """The status that a request has whose body was declared, and of which only `body` was sent."""
    token = server.token(scope, **({"patient": "p"} if scope.startswith("patient/") else {}))
    lines = {
        "host": "x",
        "authorization": f"Bearer {token}",
        "content-type": "application/fhir+json",
        "content-length": "1000",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    with connected(server) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return int(connection.recv(65536).split()[1])


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/fhir/Patient", "system/Patient.r"),
        ("POST", "/fhir/Patient", "system/Observation.c"),
        ("POST", "/fhir/Patient", "patient/Patient.rs"),
        ("PUT", "/fhir/Patient/1", "system/Patient.crds"),
        ("PUT", "/fhir/Patient?identifier=1", "system/Patient.crds"),
        ("PATCH", "/fhir/Patient/1", "system/Patient.crds"),
        ("POST", "/fhir/Patient/_search", "system/Patient.crud"),
        ("POST", "/fhir/_search", "system/*.crud"),
        ("POST", "/fhir/Patient/1/$everything", "system/Patient.cud"),
    ],
)
def test_a_token_that_may_not_is_403_before_the_body_is_read(
    server: Server, method: str, path: str, scope: str
) -> None:
    assert told(server, method, path, scope) == 403
    assert told(server, method, path, scope, b"junk") == 403


def test_what_is_not_there_is_said_before_the_body_is_read(server: Server) -> None:
    assert told(server, "POST", "/fhir/Pateint", "system/*.cruds") == 404
    assert told(server, "PUT", "/fhir/Patient/1/_history/1", "system/*.cruds") == 405


def test_a_compressed_body_is_415(server: Server) -> None:
    assert told(server, "POST", "/fhir/Patient", "system/*.cruds", content_encoding="gzip") == 415
    with server.client() as client:
        plain = client.post(
            "Patient", content=b'{"resourceType":"Patient"}', headers=FHIR_JSON | {"content-encoding": "identity"}
        )
        assert plain.status_code == 201
        for path, method in (("", "POST"), ("Patient/1", "PUT"), ("Patient/_search", "POST")):
            answer = client.request(method, path, content=b"\x1f\x8b", headers=FHIR_JSON | {"content-encoding": "br"})
            assert answer.status_code == 415
            assert "Content-Encoding" in answer.json()["issue"][0]["diagnostics"]


# --- large bodies -----------------------------------------------------------------------------------------------------


def test_bodies_over_the_budget_are_told_to_come_again(start: Callable[..., Server]) -> None:
    limited = start("--max-body-bytes", str(1 << 20), "--max-bodies-bytes", str(2 << 20))
    small, large = b'{"resourceType":"Patient"}', 1 << 20
    held = [begin(limited, large) for _ in range(3)]
    try:
        for connection in held:
            connection.sendall(b'{"resourceType":"Patient","name":[{"family":"' + b"a" * (900 << 10))
        told, _, _ = select.select(held, [], [], 60)  # now the others are read
        assert told
        with limited.client() as client:
            content = b'{"resourceType":"Patient","name":[{"family":"' + b"a" * (900 << 10) + b'"}]}'
            refused = client.post("Patient", content=content, headers=FHIR_JSON)
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            assert "large bodies" in refused.json()["issue"][0]["diagnostics"]
            assert client.post("Patient", content=small, headers=FHIR_JSON).status_code == 201
            for connection in held:
                connection.close()
            for _ in range(100):
                if client.post("Patient", content=content, headers=FHIR_JSON).status_code == 201:
                    break
                time.sleep(0.05)
            else:
                raise AssertionError("The budget was not given back.")
            for _ in range(5):
                assert client.post("Patient", content=content, headers=FHIR_JSON).status_code == 201
                assert client.post("Patient", content=content + b"x", headers=FHIR_JSON).status_code == 400
    finally:
        for connection in held:
            connection.close()


def test_one_resource_may_be_less_large_than_a_bundle(start: Callable[..., Server]) -> None:
    limited = start("--max-body-bytes", str(2 << 20), "--max-resource-bytes", str(1 << 20))
    patient = b'{"resourceType":"Patient","id":"a","name":[{"family":"' + b"a" * (1 << 20) + b'"}]}'
    entry = b'{"resource":' + patient + b',"request":{"method":"PUT","url":"Patient/a"}}'
    bundle = b'{"resourceType":"Bundle","type":"transaction","entry":[' + entry + b"]}"
    with limited.client() as client:
        refused = client.put("Patient/a", content=patient, headers=FHIR_JSON)
        assert refused.status_code == 413
        assert "--max-resource-bytes" in refused.json()["issue"][0]["diagnostics"]
        assert client.post("", content=bundle, headers=FHIR_JSON).status_code == 200
        form = {"content-type": "application/x-www-form-urlencoded"}
        assert client.post("Patient/_search", content=b"family=" + b"a" * (1 << 20), headers=form).status_code == 413


def names(count: int) -> bytes:
    return b",".join(b'{"family":"n%d"}' % number for number in range(count))


@pytest.mark.parametrize("kind", ["create", "update", "transaction", "batch"])
def test_a_large_resource_is_stored_as_a_small_one(server: Server, kind: str) -> None:
    """Over 256 kB it is parsed, judged and indexed in a thread: the answers must be the same."""
    id_ = f"large-{kind}"
    good = b'{"resourceType":"Patient","id":"%b","name":[%b]}' % (id_.encode(), names(20_000))
    bad = good.replace(b'"family":"n19999"', b'"fmaily":"n19999"')

    def send(client: httpx.Client, resource: bytes) -> httpx.Response:
        if kind == "create":
            return client.post("Patient", content=resource, headers=FHIR_JSON)
        if kind == "update":
            return client.put(f"Patient/{id_}", content=resource, headers=FHIR_JSON)
        entry = b'{"resource":%b,"request":{"method":"PUT","url":"Patient/%b"}}' % (resource, id_.encode())
        content = b'{"resourceType":"Bundle","type":"%b","entry":[%b]}' % (kind.encode(), entry)
        return client.post("", content=content, headers=FHIR_JSON)

    with server.client() as client:
        refused = send(client, bad)
        assert "name[19999]" in refused.text
        assert "fmaily" in refused.text
        assert refused.status_code == (200 if kind == "batch" else 400)
        done = send(client, good)
        assert done.status_code in (200, 201)
        stored = done.json() if kind in ("create", "update") else client.get(f"Patient/{id_}").json()
        path = f"Patient/{stored['id']}"
        assert [name["family"] for name in stored["name"]] == [f"n{number}" for number in range(20_000)]
        found = client.get("Patient", params={"family": "n12345", "_id": stored["id"]}).json()
        assert [entry["resource"]["id"] for entry in found["entry"]] == [stored["id"]]
        step = [{"op": "replace", "path": "/name/0/family", "value": "patched"}]
        patched = client.patch(path, content=json.dumps(step), headers={"content-type": "application/json-patch+json"})
        assert patched.json()["name"][:2] == [{"family": "patched"}, {"family": "n1"}]
        assert client.get(path + "?_elements=name").json()["name"] == patched.json()["name"]
        assert client.delete(path).status_code == 204
