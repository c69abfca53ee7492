"""Bad input: 4xx with an OperationOutcome that names it, the server alive, nothing half written."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server

MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def nothing_half_written(fhir: httpx.Client, server: Server) -> Iterator[None]:
    before = fhir.get("_history?_count=1").json().get("total")
    yield
    assert server.process.poll() is None
    assert httpx.get(server.url + "/ready").status_code == 200
    assert fhir.get("_history?_count=1").json().get("total") == before


BODIES = {
    "not JSON": (b"<Patient/>", "not valid JSON"),
    "nothing": (b"", "The body is empty"),
    "cut short": (b'{"resourceType":"Patient"', "not valid JSON"),
    "trailing": (b'{"resourceType":"Patient"} x', "not valid JSON"),
    "not UTF-8": (b'{"resourceType":"Patient","name":[{"family":"\xff\xfe"}]}', "not valid JSON"),
    "a lone surrogate": (b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}', ""),
    "a control character": (b'{"resourceType":"Patient","name":[{"family":"a\x00b"}]}', "not valid JSON"),
    "an escaped control character": (b'{"resourceType":"Patient","name":[{"family":"a\\u0000b"}]}', "family"),
    "10,000 levels of arrays": (b'{"resourceType":"Patient","name":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "deep"),
    "10,000 levels of objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "deep"),
    "10,000 levels, never closed": (b'{"resourceType":"Patient","name":' + b"[" * 10_000, ""),
    "an array": (b"[]", "one JSON object"),
    "a string": (b'"Patient"', "one JSON object"),
    "a property twice": (b'{"resourceType":"Patient","gender":"male","gender":"female"}', "gender"),
    "a property twice, deep": (b'{"resourceType":"Patient","name":[{"family":"a","family":"b"}]}', "family"),
    "no type": (b'{"gender":"male"}', "resourceType"),
    "another type": (b'{"resourceType":"Observation"}', "resourceType"),
    "an unknown type": (b'{"resourceType":"Pateint"}', "resourceType"),
    "an unknown property": (b'{"resourceType":"Patient","nmae":[]}', "nmae"),
    "a wrong JSON type": (b'{"resourceType":"Patient","active":"yes"}', "active"),
    "an impossible date": (b'{"resourceType":"Patient","birthDate":"2023-02-30"}', "birthDate"),
    "NaN": (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', "not valid JSON"),
    "an endless number": (b'{"resourceType":"Patient","multipleBirthInteger":1' + b"0" * 5000 + b"}", ""),
    "a number beyond all measure": (b'{"resourceType":"Observation","valueQuantity":{"value":1e999999999999}}', ""),
}


def said(answer: httpx.Response) -> str:
    body = answer.json()
    return diagnostics(answer) + " ".join(e for issue in body["issue"] for e in issue.get("expression", ()))


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_400_and_says_why(fhir: httpx.Client, name: str) -> None:
    content, expected = BODIES[name]
    answer = fhir.post("Patient", content=content, headers=FHIR_JSON)
    assert answer.status_code == 400, answer.text
    assert expected in said(answer)
    assert fhir.post("", content=content, headers=FHIR_JSON).status_code == 400


@pytest.fixture(scope="module")
def deep(create: Create) -> str:
    return f"Patient/{create()['id']}"


@pytest.mark.parametrize("levels", [300, 450, 600, 10_000])
def test_a_deep_patch_is_refused(fhir: httpx.Client, deep: str, levels: int) -> None:
    value = '{"url":"urn:a","extension":[' * levels + '{"url":"urn:a"}' + "]}" * levels
    content = f'[{{"op":"add","path":"/extension","value":[{value}]}}]'
    headers = {"content-type": "application/json-patch+json"}
    assert fhir.patch(deep, content=content, headers=headers).status_code in (400, 422)
    steps = (
        '{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"value","valueExtension":%s}]}]}'
    )
    assert bad(fhir.patch(deep, content=steps % value, headers=FHIR_JSON))


def test_ids_that_do_not_agree(fhir: httpx.Client) -> None:
    body = {"resourceType": "Patient", "id": "other"}
    assert "id" in said(bad(fhir.put("Patient/one", json=body, headers=FHIR_JSON)))
    assert "id" in said(bad(fhir.put("Patient/one", json={"resourceType": "Patient"}, headers=FHIR_JSON)))
    wrong = {"resourceType": "Patient", "id": "not_an_id"}
    assert "id" in said(bad(fhir.put("Patient/not_an_id", json=wrong, headers=FHIR_JSON)))


def bad(answer: httpx.Response) -> httpx.Response:
    assert answer.status_code == 400, answer.text
    return answer


@pytest.mark.parametrize(
    "content_type",
    [
        "application/fhir+turtle",
        "application/fhir+xml; charset=utf-16",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/fhir+json; charset=latin-1",
        "application/fhir+json; fhirVersion=1.0",
        "nonsense",
        "",
    ],
)
def test_other_media_types_are_415(fhir: httpx.Client, content_type: str) -> None:
    answer = fhir.post("Patient", content=b"{}", headers={"content-type": content_type})
    assert answer.status_code == 415
    assert "Content-Type" in said(answer) or "charset" in said(answer) or "fhirVersion" in said(answer)


def test_a_body_without_a_media_type_is_415(fhir: httpx.Client) -> None:
    answer = fhir.post("Patient", content=b'{"resourceType":"Patient"}')
    assert answer.status_code == 415
    assert "application/fhir+json" in said(answer)
    patch = fhir.patch("Patient/1", content=b"<diff/>", headers={"content-type": "application/merge-patch+json"})
    assert patch.status_code == 415
    assert "json-patch" in said(patch)


def test_percent_encoding_that_is_broken(fhir: httpx.Client, server: Server) -> None:
    for path in (
        "/fhir/Patient/%zz",
        "/fhir/Patient/%ff",
        "/fhir/Patient/%00",
        "/fhir/Patient?family=%c3%28",
        "/fhir/%",
    ):
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", path, headers={"authorization": fhir.headers["authorization"]})
        answer = connection.getresponse()
        assert answer.status == 400, path
        assert b"OperationOutcome" in answer.read()


def test_numbers_in_headers_that_are_none(fhir: httpx.Client, create: Create) -> None:
    assert fhir.get("Patient/x", headers={"if-none-match": "\x7f"}).status_code in (400, 404)
    answer = fhir.put(
        "Patient/y1", json={"resourceType": "Patient", "id": "y1"}, headers=FHIR_JSON | {"if-match": '""'}
    )
    assert answer.status_code in (400, 412)


# --- too large --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes bodies of at most a megabyte."""
    running = Server(tmp_path_factory.mktemp("small"), "--max-body-bytes", str(MEGABYTE))
    yield running
    running.stop()


def patient_of(size: int) -> bytes:
    head, tail = b'{"resourceType":"Patient","name":[{"family":"', b'"}]}'
    return head + b"a" * (size - len(head) - len(tail)) + tail


def test_the_limit_is_exact(small: Server) -> None:
    with small.client() as client:
        assert client.post("Patient", content=patient_of(MEGABYTE), headers=FHIR_JSON).status_code == 201
        refused = client.post("Patient", content=patient_of(MEGABYTE + 1), headers=FHIR_JSON)
        assert refused.status_code == 413
        assert "1,048,576 bytes" in said(refused)
        assert refused.headers["connection"] == "close"
        assert client.get("Patient?_count=1").status_code == 200


def test_a_chunked_body_is_refused_when_it_passes_the_limit(small: Server) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(64):
            yield b"a" * 65536

    with small.client() as client:
        refused = client.post("Patient", content=parts(), headers=FHIR_JSON)
        assert refused.status_code == 413
        assert "1,048,576 bytes" in said(refused)


def test_the_limit_is_exact_without_a_declared_length(small: Server) -> None:
    def parts(size: int) -> Iterator[bytes]:
        content = patient_of(size)
        yield content[:1000]
        yield content[1000:]

    with small.client() as client:
        assert client.post("Patient", content=parts(MEGABYTE), headers=FHIR_JSON).status_code == 201
        assert client.post("Patient", content=parts(MEGABYTE + 1), headers=FHIR_JSON).status_code == 413


def raw_refusal(server: Server, head: bytes, send: Callable[[socket.socket], None]) -> bytes:
    token = server.token()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(
            b"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\ncontent-type: application/fhir+json\r\n"
            b"authorization: Bearer " + token.encode() + b"\r\n" + head + b"\r\n\r\n"
        )
        send(connection)
        answer = b""
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionError:
                return answer
            if not part:
                return answer
            answer += part


def test_memory_stays_bounded_while_a_gigabyte_is_refused(small: Server) -> None:
    before = small.memory()

    def flood(connection: socket.socket) -> None:
        block = b"10000\r\n" + b"a" * 65536 + b"\r\n"
        try:
            for _ in range(16 * 1024):
                connection.sendall(block)
        except ConnectionError:
            return

    for _ in range(3):
        answer = raw_refusal(small, b"transfer-encoding: chunked", flood)
        assert not answer or answer.startswith(b"HTTP/1.1 413 ")
    assert small.memory() - before < 32 * MEGABYTE


def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_sent(small: Server) -> None:
    for length in (b"1048577", b"99999999999999999999"):
        head = b"expect: 100-continue\r\ncontent-length: " + length
        answer = raw_refusal(small, head, lambda connection: connection.shutdown(socket.SHUT_WR))
        assert answer.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 "))
        assert b"100 Continue" not in answer


def test_a_client_that_sends_nothing_more_but_still_reads_is_answered(small: Server) -> None:
    for _ in range(20):  # the end of its side arrives before, with or after the answer is written
        with socket.create_connection(("127.0.0.1", small.port), timeout=10) as connection:
            connection.sendall(b"GET /fhir/metadata HTTP/1.1\r\nhost: x\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"}")


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(small: Server) -> None:
    with small.client() as client:
        before = client.get("Patient?_summary=count").json()["total"]
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", small.port)) as connection:
                head = f"authorization: Bearer {small.token()}\r\ncontent-type: application/fhir+json\r\n"
                connection.sendall(
                    f"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\n{head}content-length: 500\r\n\r\n".encode() + b'{"resou'
                )
        assert client.get("Patient?_summary=count").json()["total"] == before
    assert "Traceback" not in small.log
