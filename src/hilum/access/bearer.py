"""What a request shows of whose it is: a bearer token, and the key of a client that has one of its own.

https://www.rfc-editor.org/rfc/rfc6750#section-2.1 (in the Authorization header only, never in a URL or a form).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from hilum.access.policy import Principal
from hilum.problems import Unauthenticated
from hilum.web.fields import Header


class NotHeld(Unauthenticated):
    """A token that this server signed, and that does not count: it ended, was revoked, or came without what belongs to
    it. `who`: whose it is by its claims, for the audit.
    """

    def __init__(self, diagnostics: str, who: Principal) -> None:
        super().__init__(diagnostics)
        self.who = who


def bearer(headers: Mapping[bytes, bytes]) -> str:
    """The token in the Authorization header. Raises Unauthenticated when there is none."""
    header = headers.get(b"authorization")
    if header is None:
        raise Unauthenticated("This needs a token: send it as 'Authorization: Bearer ...'. `hilum token` makes one.")
    scheme, _, token = header.partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise Unauthenticated("The Authorization header must be 'Bearer' and a token.")
    return token.strip().decode("latin-1")


def challenge(headers: Mapping[bytes, bytes]) -> Header:
    """What goes with a 401: the error only where a bearer token came, since who sent none, or something else, does not
    know yet that one is needed. https://www.rfc-editor.org/rfc/rfc6750#section-3.1
    """
    came = headers.get(b"authorization", b"").partition(b" ")[0].lower() == b"bearer"
    return b"www-authenticate", b'Bearer realm="hilum"' + (b', error="invalid_token"' if came else b"")


def require_key(who: Principal, headers: Mapping[bytes, bytes]) -> None:
    """Raises NotHeld unless the client's own key comes beside the token, where it must (`Principal.api_key`)."""
    if who.api_key and not hmac.compare_digest(sha256(headers.get(b"x-api-key", b"")).digest(), who.api_key):
        raise NotHeld("This client must send its own key, too, in the header X-API-Key.", who)
