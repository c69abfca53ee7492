"""What comes in and what goes out, whether over HTTP or as an entry of a batch. https://hl7.org/fhir/R4/http.html"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hilum.access.policy import Principal
from hilum.access.signed import Link
from hilum.fhir.resource import Resource
from hilum.rest.media import Form
from hilum.rest.presentation import PLAIN, Presentation
from hilum.web.body import Incoming
from hilum.web.fields import Header

FHIR_JSON: Header = (b"content-type", b"application/fhir+json; charset=utf-8")
NO_STORE: Header = (b"cache-control", b"no-store")
"""Health data stays out of every cache, the browser's on a shared ward computer among them."""
VARY: Header = (b"vary", b"Accept")
"""On every answer over HTTP that is a resource: it may be asked for in other formats."""
NO_SNIFF: Header = (b"x-content-type-options", b"nosniff")
"""On every answer over HTTP: a narrative must not be run as a page by a browser that guesses types."""


ENTRY: Final = "entry"
TICKET: Final = "ticket"
LINK: Final = "link"
"""How a request came that is none of its own over HTTP, or one without a token in its head: `Request.way`."""


@dataclass(slots=True)
class Request:
    """One interaction asked for.

    `path`: the decoded segments below the base, `("Patient", "17")`. `query`: the raw query string. `headers`: names in
    lower case. `body`: all of it, at most the byte limit; an entry of a batch has its `resource`, parsed, instead.
    `bytes_of_resource`: how long that was, where it is known to be long.
    `parameters`: the decoded query without the general parameters, which are in `shown`; filled in by the router, and
    so is `interaction`, for the log.
    `incoming`: the body, where it is the content of a Binary and not read yet. `way`: how the request came, "" for
    most. `asked`: what the audit is told was asked, where the query string says less. Nothing else changes while a
    request is answered, so that it can be answered again.
    `original`: body and Content-Type of what is sent as a Binary, as it came, where it came in another form.
    `link`: by which it came, if by one.
    `sent`: how its body came; by the time it is answered it is FHIR 4.0 in JSON. `form`: how the answer is to be
    written, filled in by the router; None until then.
    """

    method: str
    path: tuple[str, ...]
    query: str
    headers: Mapping[bytes, bytes]
    body: bytes
    who: Principal
    parameters: list[tuple[str, str]] = field(default_factory=list)
    interaction: str = ""
    shown: Presentation = PLAIN
    resource: dict[str, Any] | None = None
    bytes_of_resource: int = 0
    asked: str | None = None
    sent: Form | None = None
    form: Form | None = None
    incoming: Incoming | None = None
    way: str = ""
    link: Link | None = None
    original: tuple[bytes, str] | None = None

    @property
    def size(self) -> int:
        """The bytes of what is written, as they came."""
        return len(self.body) or self.bytes_of_resource

    def header(self, name: bytes) -> str | None:
        """A header's value, or None. Bytes above 127 become U+00xx, as HTTP has always read them."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()


@dataclass(slots=True)
class Response:
    """Status, headers (content-length is added at the edge) and body.

    `version`: the version that was read or written, where it is one. For the audit: `shown`, the seqs of what else the
    body discloses; `recorded`: a commit has its own row; `ticket`: what to wait for before it is sent.
    `stream`: in place of the body, what makes it piece by piece, `length` bytes in all; -1: nobody knows how many.
    """

    status: int
    headers: list[Header]
    body: bytes = b""
    version: Resource | None = None
    shown: tuple[int, ...] = ()
    recorded: bool = False
    ticket: int = 0
    stream: Callable[[], AsyncIterator[bytes]] | None = None
    length: int = 0

    @property
    def size(self) -> int:
        """The bytes of the body."""
        return len(self.body) if self.stream is None else max(self.length, 0)

    def header(self, name: bytes) -> str | None:
        """The first header of that name (lower case), or None."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)


def seqs(resources: Sequence[Resource]) -> tuple[int, ...]:
    """What an answer that holds these resources discloses: for `Response.shown`."""
    return tuple([one.last_updated for one in resources])
