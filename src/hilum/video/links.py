"""Links that lead a patient to a video: a secret in an address, with an end, that can be revoked at any time.

A link is 256 random bits, of which the ledger has the digest (kind VIDEO_LINK). It opens nothing by itself: who follows
it proves who they are, by the birth date or by a sign-in, a few times at most. What proves it then is another secret,
of an hour, that the browser has as a cookie.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from msgspec.structs import replace

from hilum.oauth.keeping import Ledger
from hilum.oauth.ledger import REVOKED, VIDEO_LINK, Put, Record, Row, digest, read, write
from hilum.problems import Busy, NotFound

PATH: Final = "/v"
"""Where the pages of links are: `/v/{token}`."""
MOST_TRIES: Final = 5
"""Wrong proofs of one link; after that it leads nowhere."""
SHORTEST: Final = 60
LONGEST: Final = 90 * 86_400
DEFAULT: Final = 7 * 86_400
"""Seconds that a link holds."""
WATCHING_SECONDS: Final = 3600
"""How long a proof holds."""
_BYTES: Final = 32
_ID: Final = 24
_RACES: Final = 20
_MICRO: Final = 1_000_000

Proof = Literal["birth-date", "sign-in"]
PROOFS: Final[dict[str, Proof]] = {"birth-date": "birth-date", "sign-in": "sign-in"}


class Link(Record, frozen=True, omit_defaults=True):
    """A link. `video`: the id. `proof`: how who follows it proves who they are. `by`: who has made it, and when, in
    microseconds since 1970. `tries`: how many proofs were wrong. `watched`: how many were right. `language`: of the
    video, since who follows it is spoken to before anything is proven.
    """

    video: str
    proof: Proof
    by: str
    made: int
    tries: int = 0
    watched: int = 0
    language: str = ""


class Proven(Record, frozen=True, omit_defaults=True):
    """That somebody has proven who they are. `link`: the digest of that, hex."""

    link: str
    video: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A link as it is. `id`: names it, and opens nothing; `expires`: microseconds since 1970. `open`: it leads to the
    video; or where that is `outdated`, to a page that says so.
    """

    id: str
    link: Link
    expires: int
    revoked: bool
    open: bool
    outdated: bool = False


class Links:
    """Those of one store."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._ledger, self._clock = ledger, clock

    async def make(self, video: str, proof: Proof, by: str, seconds: int, language: str = "") -> tuple[str, Standing]:
        """A new one: its token, which nobody can read again, and how it is. Raises Busy."""
        token = secrets.token_urlsafe(_BYTES)
        now = int(self._clock() * _MICRO)
        expires = now + seconds * _MICRO
        link = Link(video, proof, by, now, language=language)
        await self._ledger.add(Put(VIDEO_LINK, digest(token), write(link), expires, owner=_owner(video)))
        return token, Standing(_id(digest(token)), link, expires, revoked=False, open=True)

    async def of(self, video: str) -> list[Standing]:
        """Those of a video that have not expired. Raises Busy."""
        return [_standing(row) for row in await self._rows(video)]

    async def get(self, video: str, id: str) -> Standing:
        """One of them. Raises NotFound, Busy."""
        return _standing(await self._named(video, id))

    async def revoke(self, video: str, id: str) -> Standing:
        """It leads nowhere from now on, and who has proven something by it watches no more. Raises NotFound, Busy."""
        row = await self._named(video, id)
        await self._ledger.end(VIDEO_LINK, key=row.key)
        await self._ledger.end(VIDEO_LINK, owner=_proofs(row.key))
        return await self.get(video, id)

    async def revoke_all(self, video: str) -> None:
        """The same of all of a video. Raises Busy."""
        for row in await self._rows(video):
            await self.revoke(video, _id(row.key))

    async def follow(self, token: str) -> Standing:
        """The link of a token. Raises NotFound: it never was, has expired, was revoked, or has had too many tries."""
        row = await self._ledger.get(VIDEO_LINK, digest(token))
        if row is None or not row.owner.startswith(_LINKS) or not _standing(row).open:
            raise _nowhere()
        return _standing(row)

    async def attempt(self, token: str) -> Standing:
        """Count that a proof is tried, before it is looked at: of several at once each counts. Raises NotFound."""
        return await self._counted(token, 1, 0)

    async def proven(self, token: str) -> str:
        """The proof was right: the secret by which its bearer watches for an hour. Raises NotFound, Busy."""
        standing = await self._counted(token, -1, 1)
        proof = secrets.token_urlsafe(_BYTES)
        end = min(int((self._clock() + WATCHING_SECONDS) * _MICRO), standing.expires)
        value = write(Proven(digest(token).hex(), standing.link.video))
        await self._ledger.add(Put(VIDEO_LINK, digest(proof), value, end, owner=_proofs(digest(token))))
        return proof

    async def watched(self, proof: str) -> Standing:
        """The link by which somebody has proven who they are. Raises NotFound, Busy."""
        row = await self._ledger.get(VIDEO_LINK, digest(proof))
        if row is None or row.state == REVOKED or not row.owner.startswith(_PROOFS):
            raise _nowhere()
        link = await self._ledger.get(VIDEO_LINK, bytes.fromhex(read(row, Proven).link))
        if link is None or link.state == REVOKED:
            raise _nowhere()
        return _standing(link)

    async def left(self, proof: str) -> None:
        """Its bearer watches no more. Raises Busy."""
        row = await self._ledger.get(VIDEO_LINK, digest(proof))
        if row is not None and row.owner.startswith(_PROOFS):
            await self._ledger.end(VIDEO_LINK, key=row.key)

    async def _counted(self, token: str, tries: int, watched: int) -> Standing:
        for _ in range(_RACES):
            row = await self._ledger.get(VIDEO_LINK, digest(token))
            if row is None or row.state == REVOKED or not row.owner.startswith(_LINKS):
                raise _nowhere()
            link = read(row, Link)
            if tries > 0 and link.tries >= MOST_TRIES:
                raise _nowhere()
            new = replace(link, tries=max(0, link.tries + tries), watched=link.watched + watched)
            put = Put(VIDEO_LINK, row.key, write(new), row.expires, owner=row.owner)
            if await self._ledger.replace(put, row.version):
                return Standing(_id(row.key), new, row.expires, revoked=False, open=True)
        raise Busy("Too many at once follow this link. Try again in a moment.")

    async def _rows(self, video: str) -> list[Row]:
        found: list[Row] = []
        after = b""
        while rows := await self._ledger.of(VIDEO_LINK, owner=_owner(video), after=after):
            found += rows
            after = rows[-1].key
        return found

    async def _named(self, video: str, id: str) -> Row:
        for row in await self._rows(video):
            if _id(row.key) == id:
                return row
        raise NotFound("The video has no such link, or it has expired.")


_LINKS: Final = b"video:"
_PROOFS: Final = b"proof:"


def _owner(video: str) -> bytes:
    return _LINKS + video.encode()


def _proofs(link: bytes) -> bytes:
    return _PROOFS + link


def id_of(token: str) -> str:
    """What names the link of this token, and opens nothing."""
    return _id(digest(token))


def _id(key: bytes) -> str:
    return key.hex()[:_ID]


def _standing(row: Row) -> Standing:
    link = read(row, Link)
    revoked = row.state == REVOKED
    return Standing(_id(row.key), link, row.expires, revoked, open=not revoked and link.tries < MOST_TRIES)


def _nowhere() -> NotFound:
    """One answer to all, so that nobody learns what a link was."""
    return NotFound("This link leads nowhere (any more). Ask who gave it to you for a new one.")
