"""What comes to pages and to the authorization server, and what goes out: forms, OAuth's JSON, pages, headers.

https://www.rfc-editor.org/rfc/rfc6749#section-5.1 (no-store)
https://www.rfc-editor.org/rfc/rfc9700#section-4.16 (frames)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from hilum.fhir import json as bytes_of
from hilum.oauth.errors import OAuthError
from hilum.web import uri
from hilum.web.fields import Header

Headers = Mapping[bytes, bytes]

FORM: Final = b"application/x-www-form-urlencoded"
JSON: Final[Header] = (b"content-type", b"application/json")
HTML: Final[Header] = (b"content-type", b"text/html; charset=utf-8")
NO_STORE: Final[Header] = (b"cache-control", b"no-store")
NO_CACHE: Final[Header] = (b"pragma", b"no-cache")
NO_SNIFF: Final[Header] = (b"x-content-type-options", b"nosniff")
ANY_ORIGIN: Final[Header] = (b"access-control-allow-origin", b"*")

_PAGE: Final[tuple[Header, ...]] = (
    HTML,
    NO_STORE,
    NO_SNIFF,
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),  # a URL of a flow, or one with a code, is nobody else's
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


class Form:
    """The parameters of a query or a form, in order. One without a value counts as not given (RFC 6749, 3.1)."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self.pairs = [pair for pair in pairs if pair[1]]

    def get(self, name: str, default: str = "") -> str:
        """The value of what may be given once. Raises OAuthError invalid_request when it is given more often."""
        found = self.all(name)
        if len(found) > 1:
            raise OAuthError("invalid_request", f"The parameter {name} is given more than once.")
        return found[0] if found else default

    def all(self, name: str) -> list[str]:
        """All values of what may be given several times: check boxes."""
        return [value for given, value in self.pairs if given == name]

    def once(self) -> dict[str, str]:
        """Every parameter by its name. Raises OAuthError invalid_request when one is given more than once."""
        found = dict(self.pairs)
        if len(found) != len(self.pairs):
            raise OAuthError("invalid_request", "A parameter is given more than once.")
        return found

    def __contains__(self, name: str) -> bool:
        return any(given == name for given, _ in self.pairs)


def parsed(text: bytes, where: str) -> Form:
    """A query string, or a form, which may hold texts of several lines. Raises Malformed when escapes are broken."""
    lines = where == "form"
    pairs = []
    for part in text.decode("latin-1").replace("+", " ").split("&"):
        name, _, value = part.partition("=")
        pairs.append((uri.decode(name, where), uri.decode(value, where, lines=lines)))
    return Form(pairs)


async def _nothing() -> bytes:
    return b""


@dataclass
class Asked:
    """A request. `path`: decoded, `/auth/token`. `headers`: names in lower case. `address`: of who asks, for limits.
    `more`: takes in a large body, where the route has one (`Route.most`).
    """

    method: str
    path: str
    raw_query: bytes = b""
    headers: Headers = field(default_factory=dict)
    body: bytes = b""
    address: str = ""
    more: Callable[[], Awaitable[bytes]] = field(default=_nothing, repr=False)

    @cached_property
    def query(self) -> Form:
        """The query's parameters. Raises Malformed."""
        return parsed(self.raw_query, "query string")

    @cached_property
    def form(self) -> Form:
        """The body's parameters. Raises Malformed, and OAuthError invalid_request when it is no form."""
        if self.headers.get(b"content-type", b"").split(b";")[0].strip().lower() != FORM:
            raise OAuthError("invalid_request", f"The body must be a form: send it as {FORM.decode()}.")
        return parsed(self.body, "form")

    def header(self, name: bytes) -> str:
        """A header's value, or an empty text."""
        return self.headers.get(name, b"").decode("latin-1").strip()


@dataclass(slots=True)
class Answer:
    """Status, headers (the content length is added where it is sent) and body.

    `stream`: in place of the body, what makes it piece by piece, `length` bytes in all.
    """

    status: int
    headers: list[Header]
    body: bytes = b""
    stream: Callable[[], AsyncIterator[bytes]] | None = None
    length: int = 0

    def header(self, name: bytes) -> str | None:
        """The first header of that name (lower case), or None."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)


def json(value: Mapping[str, Any], status: int = 200, headers: Sequence[Header] = ()) -> Answer:
    """An answer of OAuth: JSON that nobody keeps."""
    return Answer(status, [JSON, NO_STORE, NO_CACHE, NO_SNIFF, *headers], bytes_of.encode(dict(value)))


def refused(problem: OAuthError, headers: Sequence[Header] = ()) -> Answer:
    """An error of OAuth (RFC 6749, 5.2)."""
    again: list[Header] = []
    if problem.retry_after is not None:
        again = [(b"retry-after", b"%d" % problem.retry_after)]
    return json(problem.fields(), problem.status, [*again, *headers])


def document(value: Mapping[str, Any], seconds: int) -> Answer:
    """A public document that may be kept so many seconds, and read by pages of every origin."""
    headers = [
        JSON,
        NO_SNIFF,
        (b"cache-control", b"public, max-age=%d" % seconds),
        (b"access-control-allow-origin", b"*"),
    ]
    return Answer(200, headers, bytes_of.encode(dict(value)))


def page(
    html: str, status: int = 200, *, targets: Sequence[str] = (), script: bool = False, media: bool = False
) -> Answer:
    """A page of ours. `targets`: where its forms may lead beside this server (sources of CSP: `https:`, `myapp:`).
    `script`: it runs one of our scripts. `media`: it plays what is ours.

    Chromium and Safari hold the whole chain of redirects after a form to `form-action`, so that a page of a flow names
    where its app lives. https://www.w3.org/TR/CSP3/#directive-form-action
    """
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
        "form-action " + " ".join(("'self'", *targets))
    )
    if script:
        policy += "; script-src 'self'; connect-src 'self'"
    if media:
        policy += "; media-src 'self'"
    return Answer(status, [*_PAGE, (b"content-security-policy", policy.encode())], html.encode())


def see_other(url: str, headers: Sequence[Header] = ()) -> Answer:
    """303: go there, with GET. https://www.rfc-editor.org/rfc/rfc9700#section-4.12"""
    return Answer(303, [(b"location", url.encode()), NO_STORE, (b"referrer-policy", b"no-referrer"), *headers])
