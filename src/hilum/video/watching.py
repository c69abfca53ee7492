"""A link followed by the patient: a proof of who it is, and the hour after it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from hilum.access.policy import Principal
from hilum.interactions import granting
from hilum.problems import NotFound
from hilum.video import allowed
from hilum.video.files import File
from hilum.video.links import Links, Standing
from hilum.video.order import APPROVED, SCRIPT
from hilum.video.renderer import Shape
from hilum.video.script import Script
from hilum.video.seeing import Seeing
from hilum.video.shelf import Reel


@dataclass(frozen=True, slots=True)
class Watched:
    """What somebody who has proven who they are may watch, read and hear. `link`: the id of that by which."""

    link: str
    video: str
    script: Script
    seconds: float
    spoken: bool
    media_type: str
    shape: Shape


class Watching:
    """The videos of one store, by their links."""

    def __init__(self, seeing: Seeing, links: Links) -> None:
        self._seeing, self._links = seeing, links

    async def follow(self, token: str) -> Standing:
        """The link that somebody has followed: how they are to prove who they are, and nothing of the patient.

        Raises NotFound: it leads nowhere (any more).
        """
        return await self._links.follow(token)

    async def prove(self, token: str, birth_date: str) -> str | None:
        """The secret by which its bearer watches for an hour; None: it is not the birth date (`YYYY-MM-DD`), which
        counts. Raises NotFound: the link leads nowhere (any more).
        """
        standing = await self._links.follow(token)
        if standing.link.proof != "birth-date":
            return None
        await self._links.attempt(token)
        reel = await self._seeing.reel(standing.link.video)
        expected = await self._seeing.birth_date(reel)
        given = birth_date.strip().encode()
        right = bool(expected) and hmac.compare_digest(given, expected.encode())
        return await self._proven(token, standing, reel, granting.server(), right=right)

    async def prove_as(self, token: str, who: Principal) -> str | None:
        """The same for who has signed in here, and may read the patient's documents: the patient, or who cares for
        them. None: it is somebody else. Raises NotFound.
        """
        standing = await self._links.follow(token)
        await self._links.attempt(token)
        reel = await self._seeing.reel(standing.link.video)
        right = allowed.covers(who, "r", reel.id, reel.order.patient)
        return await self._proven(token, standing, reel, who, right=right)

    async def watch(self, proof: str) -> Watched:
        """What the bearer of this secret may watch. Raises NotFound (the hour is over, or the link is revoked),
        OutOfDate (the record has changed since).
        """
        standing = await self._links.watched(proof)
        reel = await self._seeing.reel(standing.link.video)
        if reel.order.step != APPROVED or await self._seeing.withdrawn(reel):
            raise NotFound("This video is not given out (any more).")
        order = reel.order
        script = await self._seeing.current(reel, granting.server(), link=standing.id)
        file = await self._seeing.files.file(reel.id, order.draft, "video")
        return Watched(
            standing.id,
            reel.id,
            script,
            order.seconds,
            order.spoken,
            file.media_type,
            order.shape,
        )

    async def watched_file(self, proof: str, name: str) -> File:
        """One of `hilum.video.order.FILES` but the script. Raises as `watch`."""
        watched = await self.watch(proof)
        if name == SCRIPT:
            raise NotFound("The video has no such file.")
        reel = await self._seeing.reel(watched.video)
        return await self._seeing.files.file(reel.id, reel.order.draft, name)

    async def leave(self, proof: str) -> None:
        """The bearer of this secret watches no more. Raises Busy."""
        await self._links.left(proof)

    async def _proven(self, token: str, standing: Standing, reel: Reel, who: Principal, *, right: bool) -> str | None:
        about = self._seeing.about(reel) | {"link": standing.id}
        if not right or reel.order.step != APPROVED:
            await self._seeing.trail.certain(who, "video-watch", 403, about)
            return None
        await self._seeing.trail.certain(who, "video-watch", 200, about)
        return await self._links.proven(token)
