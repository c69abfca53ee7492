"""Forms with files: multipart/form-data. https://www.rfc-editor.org/rfc/rfc7578

Only what browsers send: parts with a name, perhaps a file name, one after another. A few parts at most.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from hilum.problems import Malformed
from hilum.web.message import Form

MOST_PARTS: Final = 16
LONGEST_HEAD: Final = 2048
"""Bytes before the content of a part: looking for a name takes the square of them."""

_BOUNDARY: Final = re.compile(r'multipart/form-data\s*;.*?boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME: Final = re.compile(rb'content-disposition:\s*form-data\s*;(?:.*?;)?\s*name="([^"\r\n]{1,100})"', re.IGNORECASE)
_FILE: Final = re.compile(rb'content-disposition:[^\r\n]*;\s*filename="', re.IGNORECASE)


class Parts(NamedTuple):
    """The fields, and the files by the name of their field."""

    form: Form
    files: dict[str, bytes]


def parsed(content_type: str, body: bytes) -> Parts:
    """What a form holds. Raises Malformed."""
    found = _BOUNDARY.match(content_type)
    if found is None:
        raise Malformed("The body must be a form with a file: multipart/form-data.")
    boundary = b"--" + (found[1] or found[2]).encode("latin-1")
    pairs: list[tuple[str, str]] = []
    files: dict[str, bytes] = {}
    pieces = (b"\r\n" + body).split(b"\r\n" + boundary, MOST_PARTS + 1)
    if len(pieces) < 2 or pieces[-1][:2] != b"--":
        raise Malformed("The form is not whole, or has more fields than it can have.")
    for piece in pieces[1:-1]:
        head, between, content = piece.partition(b"\r\n\r\n")
        name = _NAME.search(head) if between and len(head) <= LONGEST_HEAD else None
        if name is None:
            raise Malformed("A part of the form has no name.")
        try:
            if _FILE.search(head):
                files[name[1].decode()] = content
            else:
                pairs.append((name[1].decode(), content.decode()))
        except UnicodeDecodeError:
            raise Malformed("A field of the form is not UTF-8.") from None
    return Parts(Form(pairs), files)
