"""What a person decides about a draft: other words, then a new one; that it may go out; that it may not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from hilum.access.policy import Principal
from hilum.feed.working import lease_of
from hilum.fhirpath.references import local
from hilum.oauth.lease import Lapsed, Leases
from hilum.oauth.ledger import Lost
from hilum.problems import Busy, Conflict, Forbidden, Invalid, PreconditionFailed
from hilum.video import allowed
from hilum.video.executing import Executing
from hilum.video.making import Writing
from hilum.video.order import APPROVE, AWAITING, DECIDING, REJECT, RENDERING, Decision, Order, changed
from hilum.video.script import Refused
from hilum.video.seeing import Seeing
from hilum.video.shelf import KIND, Reel, digest
from hilum.video.told import Told
from hilum.web import log

LONGEST_REASON: Final = 1000
"""Characters."""
_TRIES: Final = 40
_TRY_SECONDS: Final = 0.25
_MICRO: Final = 1_000_000


class Deciding:
    """About the videos of one store. `accepted`: called when there is something new to do.

    `clock`: seconds since 1970.
    """

    def __init__(
        self,
        seeing: Seeing,
        writing: Writing,
        executing: Executing,
        leases: Leases,
        accepted: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._seeing, self._writing, self._executing, self._leases = seeing, writing, executing, leases
        self._accepted, self._clock = accepted, clock

    def may_decide(self, who: Principal, one: Told) -> bool:
        """Whether this person may edit it, decide about it and give it out."""
        try:
            allowed.to_decide(who, self._seeing.roles, one.id, one.patient)
        except Forbidden:
            return False
        return True

    async def edit(self, who: Principal, id: str, changes: Mapping[str, str], if_match: str = "") -> Told:
        """Other words for sentences, by their ids: the script is rendered again as a new draft.

        `if_match`: the digest of the script that was looked at. Raises Conflict (nothing is to be approved),
        PreconditionFailed, Invalid (beyond the limits of the template), NotFound, Forbidden.
        """
        reel = await self._to_decide(who, id, if_match)
        script = self._seeing.shelf.script(reel)
        try:
            template = self._writing.templates().named(reel.order.template)
        except Invalid as gone:
            raise Conflict(f"Nothing says what may be edited. {gone}") from None
        try:
            edited = await asyncio.to_thread(self._writing.edit, script, changes, template)
        except Refused as refused:
            raise Invalid(refused.text, expression=refused.element or "script") from None
        if edited != script:
            about = self._seeing.about(reel) | {"script": digest(edited)}
            await self._seeing.trail.certain(who, "video-edit", 200, about)
            sealed = self._seeing.shelf.sealed(id, edited)
            news = {"step": RENDERING, "sealed": sealed, "draft": reel.order.draft + 1, "edited": who.agent, "tries": 0}
            order = changed(reel.order, self._now(), **news)
            await self._go_on(reel, order)
            await self._executing.resumed(id, order)
            self._accepted()
        return await self._seeing.get(who, id)

    async def approve(self, who: Principal, id: str, if_match: str = "") -> Told:
        """It may go out: recorded are who, when, and which script. Raises Conflict (there is nothing to approve, or it
        is outdated), PreconditionFailed, Forbidden.
        """
        return await self._decided(who, id, APPROVE, if_match)

    async def reject(self, who: Principal, id: str, if_match: str = "", reason: str = "") -> Told:
        """It may not: the draft is deleted. `reason`: for those who work here; it stands on the Task, and in the audit.

        Raises Conflict, PreconditionFailed, Invalid (`expression`: reason), Forbidden.
        """
        text = " ".join("".join(letter if letter.isprintable() else " " for letter in reason).split())
        if len(text) > LONGEST_REASON:
            raise Invalid(f"A reason has {LONGEST_REASON} characters at most.", expression="reason")
        return await self._decided(who, id, REJECT, if_match, text)

    async def _to_decide(self, who: Principal, id: str, if_match: str) -> Reel:
        reel, _ = await self._seeing.decides(who, id)
        if reel.order.step != AWAITING:
            raise Conflict("There is nothing to approve, to reject or to edit: the video is not awaiting approval.")
        if if_match and if_match != digest(self._seeing.shelf.script(reel)):
            raise PreconditionFailed("The script is another one by now. Look at it again.")
        return reel

    async def _decided(self, who: Principal, id: str, verdict: str, if_match: str, reason: str = "") -> Told:
        reel = await self._to_decide(who, id, if_match)
        if verdict == APPROVE:
            await self._seeing.up_to_date(reel, "Nothing was approved: reject this video, and ask for a new one.")
        name = digest(self._seeing.shelf.script(reel))
        said = {"decision": verdict, "script": name} | ({"reason": reason} if reason else {})
        about = self._seeing.about(reel) | said
        await self._seeing.trail.certain(who, "video-decide", 200, about)
        reference = who.fhir_user.removeprefix(f"{self._seeing.door.base}/")
        decision = Decision(verdict, who.agent, self._now(), reference if local(reference) else "", name, reason=reason)
        news = {"step": DECIDING, "decision": decision, "tries": 0, "outdated": None}
        await self._go_on(reel, changed(reel.order, self._now(), **news))
        await self._here(id)
        return await self._seeing.get(who, id)

    async def _go_on(self, reel: Reel, order: Order) -> None:
        """Write it for whoever goes on with it. Raises Conflict: it is another by now."""
        for _ in range(_TRIES):
            try:
                await self._seeing.shelf.go_on(reel, order)
            except Lost:  # its lease is yet held by who has just told that it awaits approval; or somebody was first
                found = await self._seeing.shelf.get(reel.id)
                if found is None or found.version != reel.version:
                    raise Conflict("Somebody else has decided about this video a moment ago.") from None
                await asyncio.sleep(_TRY_SECONDS)
            else:
                return
        raise Busy("The video is being worked on. Try again in a moment.")

    async def _here(self, id: str) -> None:
        """Do at once what was decided: it has not to wait until the videos before it are rendered. A crash leaves it to
        others.
        """
        held = await self._leases.take(lease_of(KIND, id))
        if held is None:
            return
        until: float | None = 0.0
        try:
            until = await held.during(self._executing.run(id))
        except (Lapsed, Lost):
            log.info("video goes on elsewhere", video=id)
        finally:
            await (held.end() if until is None else held.lay_down(until))

    def _now(self) -> int:
        return int(self._clock() * _MICRO)
