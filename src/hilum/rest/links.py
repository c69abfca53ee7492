"""Paging links that a client can neither read nor forge. https://hl7.org/fhir/R4/http.html#paging

A cursor is the keyset position of the page before, sealed for one request of one holder (the grant that it was made
for: a renewed token follows it, nobody else's does). Its tag is a MAC over holder, path, parameters and position (keyed
BLAKE2b, https://www.rfc-editor.org/rfc/rfc7693), and the position is masked by a key stream of that tag (the SIV
construction of RFC 5297, with SHAKE).
The position holds stable integers and values: unmasked, it would tell how many resources there are that the asker may
not see. It is padded, so that its length tells nothing either.

Who searches by POST keeps names and numbers of people out of URLs, which end up in logs and histories. The next page is
fetched by GET all the same, so its cursor holds the whole search, encrypted (AES-SIV, RFC 5297). Its parameters are
compressed, and the position beside them is not: who chooses the parameters would learn from the length which guess of
the position they repeat (https://www.rfc-editor.org/rfc/rfc7457#section-2.6).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from hilum.problems import Malformed, TooLarge
from hilum.web import uri

CURSOR = "_cursor"
_FOREIGN = f"The {CURSOR} does not belong to this request: follow the links of a Bundle unchanged."
_TAG = 16
_LENGTH = 4
"""Bytes before a position, which say how long it is."""
_BLOCK = 24
"""Bytes: a tag and its position are padded to a multiple of it."""
_NONCE = 16
_SEARCH = "s."
"""What the cursor of a whole search begins with; `.` is in no other."""
_LONGEST = 48 * 1024
"""Characters of a cursor: a longer one would not get through as part of a URL."""


class Links:
    """Seals and opens cursors with one key (32 bytes or more, the same in every worker and after a restart)."""

    def __init__(self, key: bytes) -> None:
        self._tag_key = hashlib.sha256(b"hilum paging tag" + key).digest()
        self._mask_key = hashlib.sha256(b"hilum paging mask" + key).digest()
        self._search = AESSIV(hashlib.sha512(b"hilum paging search, apart" + key).digest())

    def seal(self, path: tuple[str, ...], query: str, position: str, holder: str) -> str:
        """The cursor for the page after `position` of the request with this path and query string (`uri.encode`).

        `holder`: whose request it is (`Principal.holder`).
        """
        plain = _measured(position)
        plain += bytes(-(_TAG + len(plain)) % _BLOCK)
        tag = self._tag(path, query, plain, holder)
        return urlsafe_b64encode(tag + self._mask(tag, plain)).decode()

    def open(self, path: tuple[str, ...], query: str, cursor: str, holder: str) -> str:
        """The position in a cursor. Raises Malformed when it was not made for this path, query string and holder."""
        try:
            sealed = urlsafe_b64decode(cursor.encode())
        except ValueError:
            sealed = b""
        tag, masked = sealed[:_TAG], sealed[_TAG:]
        plain = self._mask(tag, masked)
        if len(masked) < _LENGTH or not hmac.compare_digest(tag, self._tag(path, query, plain, holder)):
            raise Malformed(_FOREIGN)
        return _position(plain)[0]

    def seal_search(self, path: tuple[str, ...], parameters: list[tuple[str, str]], position: str, holder: str) -> str:
        """The cursor for the page after `position`, parameters in it. Raises TooLarge when it gets too long."""
        plain = _measured(position)
        plain += bytes(-len(plain) % _BLOCK) + zlib.compress(uri.encode(parameters).encode())
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._search.encrypt(plain, [_bound(path, holder), nonce])
        cursor = _SEARCH + urlsafe_b64encode(sealed).decode()
        if len(cursor) > _LONGEST:
            raise TooLarge(
                "There are more pages, but the search is too long for a link to them. Search for fewer values at once, "
                "or ask for all matches on one page with a higher _count."
            )
        return cursor

    @staticmethod
    def holds_search(cursor: str) -> bool:
        """Whether the parameters are in the cursor."""
        return cursor.startswith(_SEARCH)

    def open_search(self, path: tuple[str, ...], cursor: str, holder: str) -> tuple[list[tuple[str, str]], str]:
        """Parameters and position in a cursor of `seal_search`.

        Raises Malformed when it was not made for this path and holder.
        """
        try:
            sealed = urlsafe_b64decode(cursor.removeprefix(_SEARCH).encode())
            nonce = sealed[:_NONCE]
            plain = self._search.decrypt(sealed[_NONCE:], [_bound(path, holder), nonce])
        except (ValueError, InvalidTag):
            raise Malformed(_FOREIGN) from None
        position, end = _position(plain)
        return uri.pairs(zlib.decompress(plain[end + -end % _BLOCK :]).decode()), position

    def _tag(self, path: tuple[str, ...], query: str, plain: bytes, holder: str) -> bytes:
        context = _bound(path, holder) + b"?" + query.encode()
        return hashlib.blake2b(plain + context, key=self._tag_key, digest_size=_TAG).digest()

    def _mask(self, tag: bytes, text: bytes) -> bytes:
        stream = hashlib.shake_256(self._mask_key + tag).digest(len(text))
        return (int.from_bytes(text, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(text), "big")


def _bound(path: tuple[str, ...], holder: str) -> bytes:
    """For whom and where a cursor holds, so that no two of them read the same."""
    owner = holder.encode()
    return b"%d:%b%b" % (len(owner), owner, "/".join(path).encode())


def _measured(position: str) -> bytes:
    text = position.encode()
    return len(text).to_bytes(_LENGTH, "big") + text


def _position(plain: bytes) -> tuple[str, int]:
    """The position at the begin of what was sealed, and where it ends."""
    end = _LENGTH + int.from_bytes(plain[:_LENGTH], "big")
    return plain[_LENGTH:end].decode(), end
