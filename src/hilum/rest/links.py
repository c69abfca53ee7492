"""Paging links that a client can neither read nor forge. https://hl7.org/fhir/R4/http.html#paging

A cursor is the keyset position of the page before, sealed for one request: its tag is an HMAC over path, parameters and
position, and the position is masked by a key stream of that tag (the SIV construction of RFC 5297 with HMAC and SHAKE).
The position is a stable integer: unmasked, it would tell how many resources there are that the asker may not see.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

from hilum.problems import Malformed
from hilum.rest import uri

CURSOR = "_cursor"
_TAG = 16
_POSITION = 8


class Links:
    """Seals and opens cursors with one key (32 bytes or more, the same in every worker and after a restart)."""

    def __init__(self, key: bytes) -> None:
        self._tag_key = hashlib.sha256(b"hilum paging tag" + key).digest()
        self._mask_key = hashlib.sha256(b"hilum paging mask" + key).digest()

    def seal(self, path: tuple[str, ...], parameters: list[tuple[str, str]], position: int) -> str:
        """The cursor for the page after `position` of the request with this path and these parameters."""
        plain = position.to_bytes(_POSITION, "big", signed=True)
        tag = self._tag(path, parameters, plain)
        return urlsafe_b64encode(tag + self._mask(tag, plain)).decode()

    def open(self, path: tuple[str, ...], parameters: list[tuple[str, str]], cursor: str) -> int:
        """The position in a cursor. Raises Malformed when it was not made for this path and these parameters."""
        try:
            sealed = urlsafe_b64decode(cursor.encode())
        except ValueError:
            sealed = b""
        tag, masked = sealed[:_TAG], sealed[_TAG:]
        plain = self._mask(tag, masked)
        if len(masked) != _POSITION or not hmac.compare_digest(tag, self._tag(path, parameters, plain)):
            raise Malformed(f"The {CURSOR} does not belong to this request: follow the links of a Bundle unchanged.")
        return int.from_bytes(plain, "big", signed=True)

    def _tag(self, path: tuple[str, ...], parameters: list[tuple[str, str]], plain: bytes) -> bytes:
        context = "/".join(path) + "?" + uri.encode(parameters)
        return hmac.digest(self._tag_key, plain + context.encode(), "sha256")[:_TAG]

    def _mask(self, tag: bytes, text: bytes) -> bytes:
        stream = hashlib.shake_256(self._mask_key + tag).digest(len(text))
        return bytes(a ^ b for a, b in zip(text, stream, strict=True))
