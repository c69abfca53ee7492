"""Paths and query strings, decoded strictly. https://www.rfc-editor.org/rfc/rfc3986#section-2.1"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from hilum.problems import Malformed

_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLAIN = re.compile(r"[A-Za-z0-9\-._~!$'()*,;:@/?|]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHORT: Final = 300
_LINES: Final = {ord("\n"): None, ord("\r"): None, ord("\t"): None}
_OF_LINES: Final = frozenset(("query", "variables"))
"""The parameters of $graphql are texts of several lines."""

_LOCAL: Final = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@?%][A-Za-z0-9\-._~!$&'()*+,;=:@?%/]*)?")
_LONGEST_LOCAL: Final = 2048

_SAFE = "-._~!$'()*,;:@/?|"
"""Left readable in links that hilum writes; `|` is not in RFC 3986, but browsers and FHIR clients all take it."""


def decode(text: str, where: str, *, lines: bool = False) -> str:
    """Percent-decoded text. Raises Malformed when an escape is broken, not UTF-8, or a control character."""
    if "%" not in text and text.isascii():
        found = text
    else:
        if _BROKEN.search(text):
            raise Malformed(f"The {where} holds a '%' that is not followed by two hexadecimal digits.")
        try:
            found = unquote_to_bytes(text.encode("latin-1")).decode()
        except UnicodeError:
            raise Malformed(f"The {where} is not UTF-8 once its percent-encoding is undone.") from None
    if not found.isprintable() and _CONTROL.search(found.translate(_LINES) if lines else found):
        raise Malformed(f"The {where} holds a control character.")
    return found


def path(raw: bytes) -> tuple[str, ...]:
    """The segments of a raw path below the base: b"/Patient/17" -> ("Patient", "17"); a trailing slash is forgiven."""
    text = raw.decode("latin-1")[1:].removesuffix("/")
    if not text:
        return ()
    if "%" not in text and text.isascii() and text.isprintable():
        return tuple(text.split("/"))
    return tuple(decode(segment, "path") for segment in text.split("/"))


def is_local(path: str) -> bool:
    """Whether a link to this path, with its query, stays on this server, whoever made it: `//host` does not."""
    return len(path) <= _LONGEST_LOCAL and _LOCAL.fullmatch(path) is not None


def pairs(query: str, where: str = "query string") -> list[tuple[str, str]]:
    """The parameters of a query string or form, in order. Raises Malformed."""
    found = []
    for part in query.replace("+", " ").split("&"):
        if part:
            name, _, value = part.partition("=")
            if part.isascii() and "%" not in part and part.isprintable():
                found.append((name, value))
            elif len(part) <= _SHORT:
                found.append(_known(part, where))
            else:
                found.append(_pair(part, where))
    return found


def _pair(part: str, where: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    name = decode(name, where)
    return name, decode(value, where, lines=name in _OF_LINES)


_known = lru_cache(maxsize=1024)(_pair)  # the same codes come again and again


def encode(parameters: list[tuple[str, str]]) -> str:
    """Parameters as a query string, with no more escapes than needed."""
    if _PLAIN.fullmatch("".join([text for pair in parameters for text in pair])):
        return "&".join([f"{name}={value}" for name, value in parameters])
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in parameters])


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quote(text, safe=_SAFE)
