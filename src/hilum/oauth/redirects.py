"""Redirect URIs: what may be registered, what equals it, and how an answer is put on one.

https://www.rfc-editor.org/rfc/rfc9700#section-2.1, https://www.rfc-editor.org/rfc/rfc8252#section-7
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

LONGEST: Final = 2048
LOOPBACK: Final = frozenset(("127.0.0.1", "[::1]", "localhost"))
"""Hosts to which plain http may go: it doesn't leave the machine."""

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?\[\]@!$&'()+,;=%]+")
"""Characters of RFC 3986 but `#` (RFC 6749, 3.1.2) and `*`, which would be taken for a pattern."""
_AUTHORITY: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?")
_PRIVATE: Final = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
"""Schemes of native apps: a domain name reversed. Without a full stop it may be anybody's, or start something else than
an app (RFC 8252, 7.1 and 8.4).
"""
_LOOPBACK_URI: Final = re.compile(r"(?P<before>http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?(?P<after>/.*)?")


def refusal(uri: str) -> str | None:
    """Why this can't be registered as a redirect URI, in words for who asked; None when it can."""
    if len(uri) > LONGEST:
        return f"A redirect URI may have {LONGEST} characters."
    if not _URI.fullmatch(uri):
        return (
            "A redirect URI must be absolute, without a fragment, a wildcard, spaces or characters that need escapes."
        )
    scheme, _, rest = uri.partition(":")
    if scheme in ("http", "https"):
        return _web_refusal(scheme, uri)
    if not _PRIVATE.fullmatch(scheme):
        return (
            "A redirect URI must be https, http to this machine, or a native app's own scheme such as org.example.app."
        )
    return (
        None
        if rest.strip("/") or rest == "/"
        else "A redirect URI needs something after its scheme, such as /callback."
    )


def _web_refusal(scheme: str, uri: str) -> str | None:
    authority = urlsplit(uri).netloc
    found = _AUTHORITY.fullmatch(authority)
    if found is None or not uri.startswith(f"{scheme}://{authority}"):
        return "A redirect URI needs a host, without user name or password."
    if found["port"] and not 0 < int(found["port"]) < 1 << 16:
        return "The port of a redirect URI is no port."
    if scheme == "http" and found["host"] not in LOOPBACK:
        return "A redirect URI must be https, but to 127.0.0.1, [::1] or localhost."
    path = urlsplit(uri).path
    if any(segment in (".", "..") for segment in path.lower().replace("%2e", ".").split("/")):
        return "A redirect URI must not hold the path segments '.' and '..'."
    return None


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Whether it equals a registered one, byte by byte; but a native app's http://127.0.0.1 or [::1] may use any port
    (RFC 8252, 7.3).
    """
    known = tuple(registered)
    if uri in known:
        return True
    port_free = _without_port(uri)
    return port_free is not None and any(port_free == _without_port(item) for item in known)


def _without_port(uri: str) -> tuple[str, str] | None:
    found = _LOOPBACK_URI.fullmatch(uri)
    if found is None or refusal(uri) is not None:
        return None
    return found["before"], found["after"] or ""


def origin(uri: str) -> str | None:
    """The origin of a web page that answers there (RFC 6454, 4): None of a native app's scheme."""
    scheme, _, _ = uri.partition(":")
    if scheme not in ("http", "https"):
        return None
    authority = urlsplit(uri).netloc.lower()
    return f"{scheme}://{authority.removesuffix(':443' if scheme == 'https' else ':80')}"


def answer(uri: str, parameters: Mapping[str, str]) -> str:
    """Where to send the browser: the parameters come after those that the URI has (RFC 6749, 3.1.2)."""
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(parameters)}"
