"""Cookies: the one that was asked for, out of a header, and a header that sets one.

https://www.rfc-editor.org/rfc/rfc6265, https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis,
https://datatracker.ietf.org/doc/html/draft-cutler-httpbis-partitioned-cookies
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hilum.web.fields import Header

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[!#$%&'()*+\-./0-9:<=>?@A-Z\[\]^_`a-z{|}~]*")
_HOST_ONLY: Final = "__Host-"


def name(plain: str, *, secure: bool) -> str:
    """What a cookie is called: over https with the prefix that no other host, path or plain connection can set."""
    return _HOST_ONLY + plain if secure else plain


def read(headers: Mapping[bytes, bytes], wanted: str) -> str | None:
    """The value of a cookie of the request (4.2.1). None when it isn't there, and when it is there with two values: one
    of them is somebody else's, and it can't be told which.
    """
    header = headers.get(b"cookie")
    if header is None:
        return None
    found: set[str] = set()
    for part in re.split(rb"[;,]", header):  # HTTP/2 splits the field, and it was joined by commas
        key, equals, value = part.strip(b" \t").partition(b"=")
        if equals and key == wanted.encode():
            found.add(value.strip(b' \t"').decode("latin-1"))
    return found.pop() if len(found) == 1 else None


def written(
    name: str,
    value: str,
    *,
    secure: bool,
    seconds: int | None = None,
    path: str = "/",
    same_site: str = "Lax",
    framed: bool = False,
) -> Header:
    """A Set-Cookie header that scripts can't read (4.1). `seconds`: how long it lasts; None: until the browser closes.
    `framed`: it is set and sent in a frame of another site's page, too, of each such site another one; over https only.

    Raises ValueError for names and values that are no tokens of a cookie.
    """
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or (name.startswith(_HOST_ONLY) and path != "/"):
        raise ValueError(name)
    framed = framed and secure
    said = [f"{name}={value}", f"Path={path}", "HttpOnly", f"SameSite={'None' if framed else same_site}"]
    if secure:
        said.append("Secure")
    if framed:
        said.append("Partitioned")
    if seconds is not None:
        said.append(f"Max-Age={seconds}")
    return b"set-cookie", "; ".join(said).encode()


def cleared(name: str, *, secure: bool, path: str = "/") -> Header:
    """A Set-Cookie header that takes the cookie away."""
    return written(name, "", secure=secure, seconds=0, path=path)
