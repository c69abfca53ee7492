"""Which pages of other origins may read which answers. https://fetch.spec.whatwg.org/#http-cors-protocol

Discovery and metadata: every page. The token endpoint, FHIR and the broker's API: pages of registered apps
(https://hl7.org/fhir/smart-app-launch/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support).
Never with credentials: a browser's cookie counts for nothing there. Pages of our own (sign-in, consent) for none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Set
from math import inf
from time import monotonic
from typing import Final

from hilum.web.fields import Header

ORIGIN: Final = b"access-control-allow-origin"
ANY: Final[Header] = (ORIGIN, b"*")
VARY: Final[Header] = (b"vary", b"Origin")

_STRANGERS: Final = 1000
_FOR_ALL: Final = frozenset(
    (
        b"/fhir/metadata",
        b"/fhir/.well-known/smart-configuration",
        b"/.well-known/openid-configuration",
        b"/.well-known/oauth-authorization-server",
        b"/.well-known/jwks.json",
        b"/brands",
        b"/auth/style.json",
        b"/api/openapi.json",
    )
)
_FOR_APPS: Final = frozenset((b"/auth/token", b"/auth/introspect", b"/auth/revoke", b"/auth/ticket", b"/fhir"))
_BELOW: Final = (b"/fhir/", b"/api/v1/")

_EXPOSED: Final[Header] = (
    b"access-control-expose-headers",
    b"etag, location, content-location, last-modified, x-request-id, retry-after, www-authenticate, "
    b"accept-ranges, content-range, content-disposition, repr-digest, x-security-context",
)
_PREFLIGHT: Final[tuple[Header, ...]] = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        b"authorization, content-type, accept, if-match, if-none-match, if-none-exist, if-modified-since, prefer, "
        b"x-request-id, x-api-key, x-security-context, content-digest, repr-digest, range, if-range, last-event-id, "
        b"idempotency-key",
    ),
    (b"access-control-max-age", b"600"),
)


class Cors:
    """`origins`: those of the pages of registered apps, as far as this process knows. `learn`: all that there are."""

    def __init__(self, origins: Callable[[], Set[str]], learn: Callable[[], Awaitable[None]]) -> None:
        self._origins = origins
        self._learn = learn
        self._strangers: dict[str, float] = {}

    async def meet(self, path: bytes, headers: Mapping[bytes, bytes]) -> None:
        """Before a page of an unknown origin is refused: its app may have been registered a moment ago, elsewhere.

        A stranger is looked for once in a second.
        """
        origin = headers[b"origin"].decode("latin-1")
        if origin in self._origins() or not origin.startswith("http") or not _for_apps(path):
            return
        if headers.get(b"sec-fetch-site") == b"same-origin" or monotonic() - self._strangers.get(origin, -inf) < 1:
            return
        asked = monotonic()
        await self._learn()
        if origin not in self._origins():
            if len(self._strangers) >= _STRANGERS:
                self._strangers.clear()
            self._strangers[origin] = asked

    def headers(self, path: bytes, origin: bytes) -> tuple[Header, ...]:
        """What an answer says to a page of this origin."""
        if path in _FOR_ALL:
            return ANY, _EXPOSED
        if not _for_apps(path):
            return ()
        if origin.decode("latin-1") in self._origins():
            return (ORIGIN, origin), VARY, _EXPOSED
        return (VARY,)

    def preflight(self, method: str, path: bytes, headers: Mapping[bytes, bytes]) -> list[Header] | None:
        """The headers of the answer (204) to a browser that asks whether it may ask; None: this is no such question."""
        if method != "OPTIONS" or b"access-control-request-method" not in headers:
            return None
        said = self.headers(path, headers[b"origin"])
        return [*said, *_PREFLIGHT] if said and said[0][0] == ORIGIN else list(said)


def _for_apps(path: bytes) -> bool:
    return path not in _FOR_ALL and (path in _FOR_APPS or path.startswith(_BELOW))
