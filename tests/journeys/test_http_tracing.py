"""OpenTelemetry: spans reach the collector, and hold no URL, id or token."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from tests.journeys.server import FHIR_JSON, Server

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra hilum[otel] is not installed")


def test_spans_are_sent_to_the_collector(start: Callable[..., Server]) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    collector = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    running = start("--otel-endpoint", f"http://127.0.0.1:{collector.server_port}")
    trace = "0af7651916cd43dd8448eb211c80319c"
    with running.client() as client:
        body = {"resourceType": "Patient", "name": [{"family": "Secretname"}]}
        made = client.post("Patient", json=body, headers=FHIR_JSON).json()["id"]
        client.get(f"Patient/{made}?_elements=name", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    running.stop()
    collector.shutdown()
    sent = b"".join(content for path, content in received if path == "/v1/traces")
    assert b"fhir.interaction" in sent
    assert b"create" in sent
    assert b"Patient" in sent
    assert bytes.fromhex(trace) in sent
    for hidden in (made.encode(), b"Secretname", b"_elements", running.token().split(".")[0].encode()):
        assert hidden not in sent
