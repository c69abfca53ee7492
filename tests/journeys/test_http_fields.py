"""Header fields, methods and modes as HTTP and FHIR have them. https://www.rfc-editor.org/rfc/rfc9110"""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx
import pytest
from tests.journeys.conftest import Create, diagnostics
from tests.journeys.server import FHIR_JSON, Server

from hilum.validation import validate

MINIMAL = "return=minimal"


def exchanged(server: Server, request: bytes) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the answer to these very bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while block := connection.recv(65536):
            answer += block
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def said(server: Server, request: bytes) -> tuple[int, str]:
    status, body = exchanged(server, request)
    assert body["resourceType"] == "OperationOutcome"
    return status, body["issue"][0]["diagnostics"]


def test_if_match_may_name_several_versions(fhir: httpx.Client, create: Create) -> None:
    made = create()
    url = f"Patient/{made['id']}"
    refused = fhir.put(url, json=made | {"active": True}, headers=FHIR_JSON | {"if-match": 'W/"8", W/"9"'})
    assert refused.status_code == 412
    assert "one of those" in diagnostics(refused)
    done = fhir.put(url, json=made | {"active": True}, headers=FHIR_JSON | {"if-match": 'W/"9", W/"1"'})
    assert (done.status_code, done.headers["etag"]) == (200, 'W/"2"')
    two_fields = [*FHIR_JSON.items(), ("if-match", 'W/"9"'), ("if-match", 'W/"2"')]
    assert fhir.put(url, json=made | {"active": False}, headers=two_fields).headers["etag"] == 'W/"3"'


@pytest.mark.parametrize(
    ("prefer", "empty"),
    [
        ([f"{MINIMAL}, return=representation"], True),
        (["return=representation, return=minimal"], False),
        ([MINIMAL, "return=representation"], True),
        (["return=representation", MINIMAL], False),
    ],
)
def test_of_two_preferences_the_first_counts(fhir: httpx.Client, prefer: list[str], empty: bool) -> None:
    headers = [*FHIR_JSON.items(), *(("prefer", one) for one in prefer)]
    made = fhir.post("Patient", json={"resourceType": "Patient"}, headers=headers)
    assert (made.status_code, made.content == b"") == (201, empty)


def test_a_host_is_needed_once(server: Server) -> None:
    assert said(server, b"GET /fhir/metadata HTTP/1.1\r\nconnection: close\r\n\r\n") == (
        400,
        "A request in HTTP/1.1 needs a Host header.",
    )
    two = b"GET /fhir/metadata HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n"
    assert said(server, two) == (400, "The header host may be given once.")
    old = exchanged(server, b"GET /fhir/metadata?_elements=kind HTTP/1.0\r\n\r\n")
    assert (old[0], old[1]["resourceType"]) == (200, "CapabilityStatement")


def test_a_transfer_coding_that_is_not_known_is_501(server: Server) -> None:
    head = b"POST /fhir/Patient HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: gzip, chunked\r\n\r\n"
    status, text = said(server, head + b"3\r\nabc\r\n0\r\n\r\n")
    assert (status, "Transfer-Encoding" in text) == (501, True)


def test_two_headers_that_make_a_create_conditional_are_refused(fhir: httpx.Client) -> None:
    headers = [*FHIR_JSON.items(), ("if-none-exist", "identifier=a"), ("if-none-exist", "identifier=b")]
    refused = fhir.post("Patient", json={"resourceType": "Patient"}, headers=headers)
    assert (refused.status_code, diagnostics(refused)) == (400, "The header if-none-exist may be given once.")


@pytest.mark.parametrize("method", ["FOO", "get", "VERSION-3"])
def test_a_method_that_does_not_exist_is_named(server: Server, method: str) -> None:
    status, text = said(server, f"{method} /fhir/Patient HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    assert (status, text) == (
        501,
        f"The method {method} is not known here; GET, HEAD, POST, PUT, PATCH and DELETE are.",
    )


def test_a_method_of_others_is_not_allowed(fhir: httpx.Client) -> None:
    refused = fhir.request("PROPFIND", "Patient")
    assert (refused.status_code, "PROPFIND" in diagnostics(refused)) == (405, True)


@pytest.mark.parametrize(
    "request_",
    [
        b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n",
    ],
)
def test_other_protocols_leave_no_advice_to_install_something(server: Server, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request_)
        connection.settimeout(5)
        assert connection.recv(12).startswith(b"HTTP/1.1 ")
    assert "WebSocket library" not in server.log


def test_metadata_has_the_modes_of_fhir(fhir: httpx.Client, server: Server) -> None:
    full = fhir.get("metadata").json()
    assert fhir.get("metadata?mode=full").json() == full
    assert fhir.get("metadata?mode=normative").json() == full
    terminology = fhir.get("metadata?mode=terminology").json()
    assert [i.diagnostics for i in validate(terminology) if i.severity == "error"] == []
    assert {name: terminology[name] for name in ("resourceType", "kind", "status", "version", "date")} == {
        "resourceType": "TerminologyCapabilities",
        "kind": "instance",
        "status": "active",
        "version": full["software"]["version"],
        "date": full["date"],
    }
    assert {"uri": "http://unitsofmeasure.org", "subsumption": False} in terminology["codeSystem"]
    assert (terminology["codeSearch"], terminology["expansion"]["paging"]) == ("explicit", True)
    refused = fhir.get("metadata?mode=everything")
    assert (refused.status_code, diagnostics(refused)) == (400, "mode must be one of full, normative, terminology.")


def test_history_says_created_of_what_was_created_anew(fhir: httpx.Client) -> None:
    patient = {"resourceType": "Patient", "id": "made-anew"}
    assert fhir.put("Patient/made-anew", json=patient, headers=FHIR_JSON).status_code == 201
    assert fhir.put("Patient/made-anew", json=patient | {"active": True}, headers=FHIR_JSON).status_code == 200
    assert fhir.delete("Patient/made-anew").status_code == 204
    assert fhir.put("Patient/made-anew", json=patient, headers=FHIR_JSON).status_code == 201
    expected = ["201", "204", "200", "201"]
    history = fhir.get("Patient/made-anew/_history").json()
    assert [entry["response"]["status"] for entry in history["entry"]] == expected
    alone = fhir.get("Patient/made-anew/_history?_count=1").json()  # the version before is on the next page
    assert [entry["response"]["status"] for entry in alone["entry"]] == ["201"]
    of_all = [e for e in fhir.get("Patient/_history").json()["entry"] if e["fullUrl"].endswith("/made-anew")]
    assert [entry["response"]["status"] for entry in of_all] == expected


def test_an_empty_body_and_half_a_character_are_called_that(fhir: httpx.Client) -> None:
    assert diagnostics(fhir.post("Patient", content=b"", headers=FHIR_JSON)).startswith("The body is empty")
    half = fhir.post("Patient", content=b'{"resourceType":"Patient","language":"\\ud800"}', headers=FHIR_JSON)
    assert (half.status_code, "a lone surrogate at byte 38" in diagnostics(half)) == (400, True)


def test_a_patch_that_leaves_an_empty_list_is_told_what_to_do(fhir: httpx.Client, create: Create) -> None:
    url = f"Patient/{create(name=[{'family': 'Ngo'}])['id']}"
    patch = {"content-type": "application/json-patch+json"}
    refused = fhir.patch(url, json=[{"op": "remove", "path": "/name/0"}], headers=patch)
    assert (refused.status_code, "remove the whole list" in diagnostics(refused)) == (400, True)
    assert fhir.patch(url, json=[{"op": "remove", "path": "/name"}], headers=patch).status_code == 200
