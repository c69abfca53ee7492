"""Approved videos given to the patient: links that staff make, look at and revoke."""

from __future__ import annotations

import dataclasses

from hilum.access.policy import Principal
from hilum.fhir.resource import instant
from hilum.problems import Conflict, Invalid, Problem
from hilum.video.links import DEFAULT, LONGEST, PATH, SHORTEST, Links, Proof, Standing
from hilum.video.order import APPROVED
from hilum.video.seeing import Seeing
from hilum.video.shelf import Reel
from hilum.video.told import Told


class Giving:
    """Of the videos of one store."""

    def __init__(self, seeing: Seeing, links: Links) -> None:
        self._seeing, self._links = seeing, links

    async def link(
        self, who: Principal, id: str, expires_in: int = DEFAULT, proof: Proof = "birth-date"
    ) -> tuple[str, Standing]:
        """A new link to an approved video: its address, which nobody can read again, and how it is.

        Raises Conflict (it is not approved, or outdated), Invalid (expires_in, proof), NotFound, Forbidden.
        """
        reel, _ = await self._approved(who, id)
        if not SHORTEST <= expires_in <= LONGEST:
            text = f"A link holds from {SHORTEST} seconds to {LONGEST // 86_400} days."
            raise Invalid(text, expression="expires_in")
        if proof == "birth-date" and not await self._seeing.birth_date(reel):
            text = "The record has no full birth date that could prove who follows the link: use the proof sign-in."
            raise Invalid(text, expression="proof")
        if await self._seeing.withdrawn(reel):
            raise Conflict("The document of this video is withdrawn: no link was made. Ask for a new video.")
        await self._seeing.up_to_date(reel, "No link was made: ask for a new video.")
        token, standing = await self._links.make(id, proof, who.agent, expires_in, reel.order.language)
        try:
            about = {"link": standing.id, "expires": instant(standing.expires), "proof": proof}
            await self._seeing.trail.certain(who, "video-link", 200, self._seeing.about(reel) | about)
        except Problem:
            await self._links.revoke(id, standing.id)
            raise
        return f"{self._seeing.origin}{PATH}/{token}", standing

    async def links(self, who: Principal, id: str) -> list[Standing]:
        """Those that have not expired. Raises NotFound, Conflict (it is not approved), Forbidden."""
        _, one = await self._approved(who, id)
        return [_marked(link, one) for link in await self._links.of(id)]

    async def link_of(self, who: Principal, id: str, link: str) -> Standing:
        """One of them. Raises NotFound, Conflict, Forbidden."""
        _, one = await self._approved(who, id)
        return _marked(await self._links.get(id, link), one)

    async def revoke(self, who: Principal, id: str, link: str) -> Standing:
        """It leads nowhere from now on. Raises NotFound, Conflict, Forbidden."""
        reel, one = await self._approved(who, id)
        standing = await self._links.revoke(id, link)
        await self._seeing.trail.certain(who, "video-link", 200, self._seeing.about(reel) | {"revoked": link})
        return _marked(standing, one)

    async def _approved(self, who: Principal, id: str) -> tuple[Reel, Told]:
        reel, one = await self._seeing.decides(who, id)
        if reel.order.step != APPROVED:
            raise Conflict("Links lead to videos that are approved, and this one is not.")
        return reel, one


def _marked(standing: Standing, one: Told) -> Standing:
    return dataclasses.replace(standing, outdated=one.outdated is not None)
