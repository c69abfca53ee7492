"""What a request shows of whose it is: a bearer token, and the key of a client that has one of its own.

https://www.rfc-editor.org/rfc/rfc6750#section-2.1 (in the Authorization header only, never in a URL or a form).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from hilum.problems import Unauthenticated


def bearer(headers: Mapping[bytes, bytes]) -> str:
    """The token in the Authorization header. Raises Unauthenticated when there is none."""
    header = headers.get(b"authorization")
    if header is None:
        raise Unauthenticated("This needs a token: send it as 'Authorization: Bearer ...'. `hilum token` makes one.")
    scheme, _, token = header.partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise Unauthenticated("The Authorization header must be 'Bearer' and a token.")
    return token.strip().decode("latin-1")


def require_key(expected: bytes, headers: Mapping[bytes, bytes]) -> None:
    """Raises Unauthenticated unless the client's own key comes beside the user's token. `expected`: its SHA-256; where
    that is empty, none must come.
    """
    if expected and not hmac.compare_digest(sha256(headers.get(b"x-api-key", b"")).digest(), expected):
        raise Unauthenticated("This client must send its own key, too, in the header X-API-Key.")
