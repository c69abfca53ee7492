"""The headers of a Binary's content by itself: it may be anything, and comes from this origin, so that nothing of it
may run as a page of ours. https://hl7.org/fhir/R4/binary.html#security

To an app it comes as what it says it is, for saving. A browser that opens it by a ticket is shown what can't run
anything, the rest is for saving, too.
"""

from __future__ import annotations

import mimetypes
import re
from typing import Final

from hilum.rest.message import NO_STORE
from hilum.web.fields import Header

SHOWN: Final = {
    "application/pdf": (b"application/pdf", "pdf"),
    "image/png": (b"image/png", "png"),
    "image/jpeg": (b"image/jpeg", "jpg"),
    "image/gif": (b"image/gif", "gif"),
    "image/webp": (b"image/webp", "webp"),
    "text/plain": (b"text/plain; charset=utf-8", "txt"),
}
"""Media type -> content type of the answer, and the end of the file's name."""
ANY: Final = "application/octet-stream"
_SANDBOX: Final = b"default-src 'none'; sandbox; frame-ancestors 'self'"
_PDF: Final = b"frame-ancestors 'self'"
"""Chromium's own reader of PDF works in no sandbox; it runs nothing as a page of this origin."""
_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA: Final = re.compile(rf'({_WORD}/{_WORD})(?:[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|"[ !#-\[\]-~]*"))*', re.ASCII)
"""https://www.rfc-editor.org/rfc/rfc9110#section-8.3.1"""
_TYPES: Final = mimetypes.MimeTypes()
_END: Final = re.compile(r"\.[a-z0-9]{1,8}", re.ASCII)


def media_type(content_type: object) -> str:
    """The contentType of a Binary as it may stand in a header: anything else than a media type is unknown content."""
    return content_type if isinstance(content_type, str) and _MEDIA.fullmatch(content_type) else ANY


def kind(media: str) -> str:
    """A media type without its parameters, in lower case."""
    return media.partition(";")[0].strip().lower()


def headers(content_type: object, id: str, *, shown: bool) -> list[Header]:
    """Those of the content of the Binary with this id. `shown`: a browser opens it by a ticket."""
    media = media_type(content_type)
    content, end, way = media.encode(), _TYPES.guess_extension(kind(media)) or "", "attachment"
    if shown:
        content, end = SHOWN.get(kind(media), (ANY.encode(), ""))
        way, end = ("inline", f".{end}") if end else ("attachment", "")
    name = id + (end if _END.fullmatch(end) else "")
    return [
        (b"content-type", content),
        NO_STORE,
        (b"content-disposition", f'{way}; filename="{name}"'.encode()),
        (b"content-security-policy", _PDF if shown and end == ".pdf" else _SANDBOX),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
