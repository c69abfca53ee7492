"""A Binary as what it holds: what can run nothing is shown, the rest is saved."""

from __future__ import annotations

import base64

import pytest

from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.rest.document import native
from hilum.rest.message import FHIR_JSON, Response


def answer(**content: str) -> Response:
    raw = json.encode({"resourceType": "Binary", "id": "b1", **content})
    return Response(200, [FHIR_JSON], raw, Resource("Binary", "b1", 1, 1, raw))


def held(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("media", "content", "name", "sandbox"),
    [
        ("application/pdf", "application/pdf", 'inline; filename="b1.pdf"', False),
        ("image/png", "image/png", 'inline; filename="b1.png"', True),
        ("Text/Plain; charset=latin-1", "text/plain; charset=utf-8", 'inline; filename="b1.txt"', True),
        ("text/html", "application/octet-stream", 'attachment; filename="b1"', True),
        ("image/svg+xml", "application/octet-stream", 'attachment; filename="b1"', True),
        ("application/xhtml+xml", "application/octet-stream", 'attachment; filename="b1"', True),
        ("text/javascript", "application/octet-stream", 'attachment; filename="b1"', True),
        ("", "application/octet-stream", 'attachment; filename="b1"', True),
        ("a\r\nset-cookie: x=y", "application/octet-stream", 'attachment; filename="b1"', True),
    ],
)
def test_what_a_browser_gets(media: str, content: str, name: str, sandbox: bool) -> None:
    found = native(answer(contentType=media, data=held(b"<script>")))
    assert (found.status, found.body) == (200, b"<script>")
    assert found.header(b"content-type") == content
    assert found.header(b"content-disposition") == name
    assert found.header(b"cache-control") == "no-store"
    assert found.header(b"referrer-policy") == "no-referrer"
    assert ("sandbox" in (found.header(b"content-security-policy") or "")) is sandbox
    assert b"set-cookie" not in [key for key, _ in found.headers]


def test_other_answers_are_as_they_are() -> None:
    for same in (answer(contentType="text/plain"), answer(data="not base64!"), Response(404, [FHIR_JSON], b"{}")):
        body, headers = same.body, list(same.headers)
        assert native(same) is same
        assert (same.body, same.headers) == (body, headers)
