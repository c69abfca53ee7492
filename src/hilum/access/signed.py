"""Signed links: the content of one version of a Binary, or one upload, for who has no token, for some minutes.

A link is encrypted and authenticated as a whole (AES-256-GCM, NIST SP 800-38D) by a key that comes from the root key;
it holds the access token that it was made with. Whoever uses it is judged by that token, as its maker would be at that
moment: what was revoked, or may not be seen any more, is not to be had by a link either. A link ends no later than its
token, and serves for nothing but what it was made for.
"""

from __future__ import annotations

import hmac
import os
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hilum.access.bearer import NotHeld
from hilum.access.keys import SigningKey
from hilum.access.ledger import Ledger
from hilum.access.policy import Principal
from hilum.access.seal import secret
from hilum.oauth.ledger import LINK, Put, digest
from hilum.problems import Busy, Unauthenticated

PREFIX: Final = "hlk_"
DOWNLOAD: Final = "download"
UPLOAD: Final = "upload"
_NONCE: Final = 12
_PLACE: Final = b"hilum link to a Binary"
_LONGEST: Final = 24_000
_MICRO: Final = 1_000_000
_REFUSED: Final = "The link does not hold here: each is for one thing, for some minutes, and an upload is made once."


class Admits(Protocol):
    """An access token in, who holds it out, by the ledger (`hilum.access.verifier.Verifier`)."""

    async def admit(self, token: str) -> Principal:
        """Raises Unauthenticated, Busy."""
        ...


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a link is for. `path`: what is opened, `Binary/17/_history/2`, or where it goes, `Binary`. `ends`: seconds.

    Of an upload `media`, `context` (a reference) and `size` in bytes, which are what the link says and not who uses it.
    """

    purpose: str
    path: str
    ends: int
    token: str
    api_key: str = ""
    number: str = ""
    media: str = ""
    context: str = ""
    size: int = 0

    @property
    def spent(self) -> tuple[Put, ...]:
        """The record by which an upload uses the link up."""
        return (Put(LINK, digest(self.number), b"", self.ends * _MICRO),) if self.number else ()


class Signed:
    """Makes links and opens them. `admits` None: everybody is `anyone` (`--auth off`). `clock`: seconds since 1970."""

    def __init__(
        self,
        root: SigningKey,
        ledger: Ledger,
        admits: Admits | None,
        anyone: Principal,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._cipher = AESGCM(secret(root, "links"))
        self._ledger, self._admits, self._anyone, self._clock = ledger, admits, anyone, clock
        self._under_way: set[str] = set()

    def make(
        self,
        who: Principal,
        token: str,
        purpose: str,
        path: str,
        seconds: int,
        *,
        media: str = "",
        context: str = "",
        size: int = 0,
    ) -> tuple[str, int]:
        """The text of a link, as `who`, whose token it is; and when it ends, in seconds since 1970."""
        ends = min(int(self._clock()) + seconds, who.expires)
        number = secrets.token_urlsafe(16) if purpose == UPLOAD else ""
        link = Link(purpose, path, ends, token, who.api_key.hex(), number, media, context, size)
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._cipher.encrypt(nonce, msgspec.json.encode(link), _PLACE)
        return PREFIX + urlsafe_b64encode(sealed).decode().rstrip("="), ends

    async def use(self, text: str, purpose: str, path: str) -> tuple[Principal, Link]:
        """Who comes with this link, and what it says. Raises Unauthenticated, Busy.

        A link to upload is used up by the commit of what is uploaded (`Link.spent`), and by nothing else. Only one
        request at a time comes with it into this process, so that nobody fills the disk by one link: `let_go` ends it.
        """
        link = self._opened(text)
        if self._clock() >= link.ends:
            raise Unauthenticated(_REFUSED)
        who = self._anyone if self._admits is None else await self._admits.admit(link.token)
        if (link.purpose, link.path) != (purpose, path) or not hmac.compare_digest(link.api_key, who.api_key.hex()):
            raise NotHeld(_REFUSED, who)
        if link.number:
            if await self._ledger.get(LINK, digest(link.number)) is not None:
                raise NotHeld(_REFUSED, who)
            if link.number in self._under_way:
                raise Busy("An upload by this link is under way. If nothing comes of it, the link may be used again.")
            self._under_way.add(link.number)
        return who, link

    def let_go(self, link: Link) -> None:
        """The request that came with it is answered, or its client went away."""
        self._under_way.discard(link.number)

    def _opened(self, text: str) -> Link:
        if len(text) > _LONGEST or not text.startswith(PREFIX) or not text.isascii():
            raise Unauthenticated(_REFUSED)
        try:
            raw = urlsafe_b64decode(text[len(PREFIX) :] + "=" * (-(len(text) - len(PREFIX)) % 4))
            plain = self._cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _PLACE)
        except (InvalidTag, ValueError):
            raise Unauthenticated(_REFUSED) from None
        return msgspec.json.decode(plain, type=Link)
