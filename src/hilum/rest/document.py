"""A Binary as what it holds, for a browser that opens it by a ticket. https://hl7.org/fhir/R4/binary.html#rest

It may be anything, and comes from this origin: only what can't run anything is shown, the rest is for saving.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from hilum.fhir import json
from hilum.rest.message import NO_STORE, Response

SHOWN: Final = {
    "application/pdf": (b"application/pdf", "pdf"),
    "image/png": (b"image/png", "png"),
    "image/jpeg": (b"image/jpeg", "jpg"),
    "image/gif": (b"image/gif", "gif"),
    "image/webp": (b"image/webp", "webp"),
    "text/plain": (b"text/plain; charset=utf-8", "txt"),
}
"""Media type -> content type of the answer, and the end of the file's name."""
_SANDBOX: Final = b"default-src 'none'; sandbox; frame-ancestors 'self'"
_PDF: Final = b"frame-ancestors 'self'"
"""Chromium's own reader of PDF works in no sandbox; it runs nothing as a page of this origin."""


def native(response: Response) -> Response:
    """What a read of a Binary answers, with its data as the body; another answer as it is."""
    if response.status != 200 or response.version is None:
        return response
    body = json.parse(response.body)
    try:
        data = base64.b64decode(str(body["data"]), validate=True)
    except (KeyError, binascii.Error):
        return response
    media = str(body.get("contentType", "")).partition(";")[0].strip().lower()
    content, end = SHOWN.get(media, (b"application/octet-stream", ""))
    way, name = "inline" if end else "attachment", response.version.id + (f".{end}" if end else "")
    response.headers = [
        (b"content-type", content),
        NO_STORE,
        (b"content-disposition", f'{way}; filename="{name}"'.encode()),
        (b"content-security-policy", _PDF if end == "pdf" else _SANDBOX),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
    response.body = data
    return response
