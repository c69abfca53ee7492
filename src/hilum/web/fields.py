"""The header fields of a request as one mapping, where that takes more than `dict`.

https://www.rfc-editor.org/rfc/rfc9110#section-5.3, https://www.rfc-editor.org/rfc/rfc9112#section-3.2
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from hilum.problems import Malformed, UnknownCoding

Header = tuple[bytes, bytes]

_ONCE: Final = frozenset(
    {b"host", b"authorization", b"content-type", b"content-length", b"if-none-exist", b"if-modified-since"}
)
"""Fields that are no lists: of two of them nobody can say which is meant."""


def ordinary(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> bool:
    """Whether `headers`, a dict of the scope's, is all there is to say: of nearly every request."""
    return b"host" in headers and b"transfer-encoding" not in headers and len(headers) == len(scope["headers"])


def taken(scope: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Names in lower case to values; a list that came as several fields is one.

    Raises Malformed without Host or with two fields where one is meant, UnknownCoding for a transfer coding that is not
    `chunked`.
    """
    found = _joined(scope["headers"])
    if b"host" not in found and scope.get("http_version", "1.1") == "1.1":
        raise Malformed("A request in HTTP/1.1 needs a Host header.")
    coding = found.get(b"transfer-encoding", b"chunked").strip().lower()
    if coding not in (b"chunked", b"identity"):
        raise UnknownCoding("hilum reads no Transfer-Encoding but chunked: send the body as it is.")
    return found


def _joined(fields: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        if name not in found:
            found[name] = value
        elif name in _ONCE:
            raise Malformed(f"The header {name.decode('latin-1')} may be given once.")
        else:
            found[name] += b", " + value
    return found
