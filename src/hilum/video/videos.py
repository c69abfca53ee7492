"""Videos as people and pages see them: asked for, looked at, edited, decided about, and given to the patient by links.

`Videos` is what the API, the pages and the commands stand on:

| method | for | what it does |
|---|---|---|
| `ask`, `may_ask`, `places` | staff, apps | a new video: its Task; who may, and from where |
| `list`, `get`, `events` | all | how videos are, and again as they change |
| `script`, `file` | all | what is told, with where it came from; video, captions, transcript, poster |
| `edit`, `approve`, `reject` | staff | other words, then a new draft; a decision, with who made it |
| `outdated` | staff | whether the record has changed since |
| `cancel` | staff, apps | nothing more is done of it |
| `link`, `links`, `revoke` | staff | what leads the patient to it |
| `follow`, `prove`, `prove_as`, `watch`, `watched_file` | the patient | a link, a proof, and the hour after it |

What a token may do: `hilum.video.allowed`. All may raise Busy.
"""

from __future__ import annotations

import asyncio
import builtins
import dataclasses
import hmac
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from hilum.access.policy import Principal
from hilum.access.repeated import Key, Repeated
from hilum.access.roles import Roles
from hilum.audit.recording import SILENT, Trail
from hilum.feed.feed import Feed
from hilum.feed.working import lease_of
from hilum.fhir.resource import Resource, instant
from hilum.fhir.task import CANCELLED, FINAL, TASK
from hilum.fhirpath.references import local
from hilum.interactions import granting
from hilum.interactions import search as searching
from hilum.interactions.create import create
from hilum.interactions.door import Door
from hilum.interactions.ids import uuid7
from hilum.interactions.permit import permits
from hilum.interactions.read import read
from hilum.interactions.update import update
from hilum.oauth.lease import Lapsed, Leases
from hilum.oauth.ledger import Lost
from hilum.problems import Busy, Conflict, Forbidden, Invalid, NotFound, PreconditionFailed, Problem
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed, parse_query
from hilum.store.interface import Page
from hilum.video import allowed, shelf, shown, sources
from hilum.video.author import Author
from hilum.video.executing import Executing
from hilum.video.files import BINARY, DOCUMENTS, SUPERSEDED, File, Files
from hilum.video.links import DEFAULT, LONGEST, PATH, SHORTEST, Links, Proof, Standing
from hilum.video.making import Gather, Renderers, Writing
from hilum.video.order import (
    APPROVE,
    APPROVED,
    AWAITING,
    DECIDING,
    REJECT,
    RENDERING,
    SCRIPT,
    Decision,
    Order,
    changed,
    document_of,
)
from hilum.video.outdated import Outdated, OutOfDate
from hilum.video.renderer import Shape
from hilum.video.script import Refused, Script
from hilum.video.shelf import KIND, Reel, Shelf, digest
from hilum.video.templates import Templates
from hilum.video.told import Told, of_document, told, video_of
from hilum.video.wish import Wish, judged
from hilum.web import log, uri

LOOK_SECONDS: Final = 0.5
"""Between two looks at a video that somebody watches being made."""
MOST_LISTED: Final = 100
_TRIES: Final = 40
_TRY_SECONDS: Final = 0.25
_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of videos, the last changed first. `before`: what the next page is asked by; "" at the end."""

    videos: tuple[Told, ...]
    before: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A script and its digest, which names it in an edit and in an approval."""

    script: Script
    digest: str


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


class Videos:
    """Those of one store. `accepted`: called when there is something new to do, so that nobody waits for the next look.

    `clock`: seconds since 1970.
    """

    def __init__(
        self,
        door: Door,
        shelf: Shelf,
        executing: Executing,
        writing: Writing,
        renderers: Renderers,
        gather: Gather,
        feed: Feed,
        leases: Leases,
        repeated: Repeated,
        roles: Roles,
        trail: Trail = SILENT,
        accepted: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._door, self._shelf, self._executing, self._writing = door, shelf, executing, writing
        self._renderers, self._gather, self._feed, self._leases = renderers, gather, feed, leases
        self._roles, self._trail, self._accepted, self._clock = roles, trail, accepted, clock
        self._repeated, self._files, self._links = repeated, Files(door), Links(shelf.ledger, clock)
        self._author = Author(door, writing, clock)

    # --- asked for ----------------------------------------------------------------------------------------------------

    def templates(self) -> Templates:
        """Those that there are now, by name."""
        return self._writing.templates()

    def renderers(self) -> builtins.list[str]:
        """Names; the first is used where none is named."""
        return [*self._renderers]

    def may_ask(self, who: Principal) -> bool:
        """Whether videos may be asked for, of those patients of whom what they tell may be read."""
        return allowed.gives_tasks(who)

    async def places(self, who: Principal) -> Mapping[str, str]:
        """The EHRs that a patient can be gathered from first, by name, and how they are called; none for who may not
        ask for the video of a patient who is anybody. Raises Busy.
        """
        try:
            allowed.to_ask(who)
        except Forbidden:
            return {}
        return await self._gather.places()

    async def ask(self, who: Principal, wish: Wish, key: Key | None = None) -> Told:
        """A new video. When this returns, no crash loses it. `key`: of all with the same one is made.

        Raises Invalid (`expression`: what of the wish), Forbidden, NotFound (the patient), Conflict (several patients),
        Unprocessable (the key was given with another wish).
        """
        permits(who, TASK, "c")
        if key is not None and (first := await self._repeated.first(key, self._clock())) is not None:
            return await self.get(who, first)
        wish = await asyncio.to_thread(judged, wish, self._writing, self._renderers)
        patient = ""
        if wish.ehr:
            allowed.to_ask(who)
            if wish.whom is None:
                raise Invalid("Say whom: the patient at the EHR, or a sign-in that has one.", expression="patient")
            recipe = self._writing.templates()[wish.template].recipe
            wish = replace(wish, whom=await self._gather.judge(who, wish.ehr, recipe, wish.whom))
        else:
            patient = await sources.whom(self._door, who, wish.patient)
            allowed.to_ask(who, patient)
        await self._feed.begin()
        id, now = uuid7(), self._now()
        order = Order(
            template=wish.template,
            language=wish.language,
            shape=wish.shape,
            codec=wish.codec,
            renderer=wish.renderer,
            by=who.agent,
            at=now,
            asked=now,
            narrated=wish.narrated,
            ehr=wish.ehr,
            patient=patient,
            sealed="" if wish.whom is None else self._shelf.sealed(id, wish.whom),
        )
        once = [shelf.new(id, order)]
        if key is not None:
            once.append(await self._repeated.new(key, id, self._clock()))
        try:
            made = await create(self._door, who, TASK, shown.asked(order), id=id, once=once)
        except Conflict:  # the same came twice at the same time, and the other one was first
            if key is None or (first := await self._repeated.first(key, self._clock())) is None:
                raise
            return await self.get(who, first)
        self._accepted()
        return told(made.resource)

    # --- looked at ----------------------------------------------------------------------------------------------------

    async def get(self, who: Principal, id: str) -> Told:
        """How a video is. Raises NotFound (there is none, or none that this token may see), Gone, Forbidden."""
        found, one = await self._seen(who, id)
        await self._noted(who, found)
        return one

    async def look(self, who: Principal, id: str) -> Told:
        """The same, for who looks again and again: nothing is audited. Raises as `get`."""
        return (await self._seen(who, id))[1]

    async def list(
        self, who: Principal, count: int = 20, before: str = "", status: str = "", patient: str = ""
    ) -> Listed:
        """The videos that this token may search; of an app that is bound to a patient, the approved ones of the record.

        `before`: an instant, `Listed.before` of the page before. `patient`: `Patient/17`. Raises Forbidden, Invalid.
        """
        type = TASK if allowed.sees_tasks(who) else DOCUMENTS
        pairs = [("_sort", "-_lastUpdated"), ("_count", str(max(1, min(count, MOST_LISTED))))]
        if type == TASK:
            pairs.append(("code", f"{shown.VIDEO}|video"))
            if status:
                pairs.append(("status", status))
        else:
            pairs += [("identifier", f"{shown.VIDEO}|"), ("status", f"current,{SUPERSEDED}")]
        if patient:
            pairs.append(("patient", patient))
        if before:
            pairs.append(("_lastUpdated", f"lt{before}"))
        page = await self._searched(who, type, pairs)
        disclosed = tuple(one.seq for one in page.resources)
        await self._trail.flushed(self._trail.note(who, "search-type", type, "", 0, 200, uri.encode(pairs), disclosed))
        following = instant(page.resources[-1].last_updated) if page.next is not None and page.resources else ""
        if type == TASK:
            all = [told(one) for one in page.resources]
            videos = [one for one in all if not one.patient or allowed.covers(who, "r", one.id, one.patient)]
        else:
            final = [one for one in page.resources if one.body.get("docStatus") == "final"]
            videos = [of_document(one, video_of(one)) for one in final]
        return Listed(tuple(videos), following)

    async def events(self, who: Principal, id: str, seconds: float = LOOK_SECONDS) -> AsyncIterator[Told]:
        """How it is, and again whenever that has changed, until nothing is done before somebody does something."""
        version = 0
        while True:
            one = await self.look(who, id)
            if one.version != version:
                version = one.version
                yield one
            if one.resting:
                return
            await asyncio.sleep(seconds)

    async def script(self, who: Principal, id: str) -> Written:
        """What is told, each sentence with where it came from. Raises NotFound (there is none yet), Forbidden,
        OutOfDate (it is given out, and the record has changed since: who works here sees it still).
        """
        found, _ = await self._seen(who, id)
        permits(who, BINARY, "r")
        reel = await self._reel(id)
        if not reel.order.draft:
            raise NotFound("The script is not written yet.")
        await self._told_still(who, reel)
        await self._noted(who, found)
        script = self._shelf.script(reel)
        return Written(script, digest(script))

    async def file(self, who: Principal, id: str, name: str) -> File:
        """One of `hilum.video.order.FILES`. Raises NotFound (there is none yet), and as `script`."""
        await self._seen(who, id)
        reel = await self._reel(id)
        permits(who, BINARY, "r")
        await self._told_still(who, reel)
        file = await self._files.file(id, await self._drafted(reel), name)
        await self._noted(who, file.resource)
        return file

    def chunks(self, file: File, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The content of a file, or a part of it. Raises Spoiled, Busy."""
        return self._files.chunks(file, start, stop)

    async def held(self, id: str) -> bool:
        """Whether anything is kept of it beside its Task."""
        return await self._shelf.get(id) is not None

    # --- decided ------------------------------------------------------------------------------------------------------

    def may_decide(self, who: Principal, one: Told) -> bool:
        """Whether this person may edit it, decide about it and give it out."""
        try:
            allowed.to_decide(who, self._roles, one.id, one.patient)
        except Forbidden:
            return False
        return True

    async def edit(self, who: Principal, id: str, changes: Mapping[str, str], if_match: str = "") -> Told:
        """Other words for sentences, by their ids: the script is rendered again as a new draft.

        `if_match`: the digest of the script that was looked at. Raises Conflict (nothing is to be approved),
        PreconditionFailed, Invalid (beyond the limits of the template), NotFound, Forbidden.
        """
        reel = await self._to_decide(who, id, if_match)
        script = self._shelf.script(reel)
        template = self._writing.templates().get(reel.order.template)
        if template is None:
            raise Conflict(f"There is no template {reel.order.template!r} any more, which says what may be edited.")
        try:
            edited = await asyncio.to_thread(self._writing.edit, script, changes, template)
        except Refused as refused:
            raise Invalid(refused.text, expression=refused.element or "script") from None
        if edited != script:
            await self._trail.certain(who, "video-edit", 200, self._about(reel) | {"script": digest(edited)})
            sealed = self._shelf.sealed(id, edited)
            news = {"step": RENDERING, "sealed": sealed, "draft": reel.order.draft + 1, "edited": who.agent, "tries": 0}
            order = changed(reel.order, self._now(), **news)
            await self._go_on(reel, order)
            await self._executing.resumed(id, order)
            self._accepted()
        return await self.get(who, id)

    async def outdated(self, who: Principal, id: str) -> Outdated | None:
        """What the record says otherwise than the script, where that awaits approval or is given out; None: nothing.

        Raises as `get`.
        """
        await self._seen(who, id)
        reel = await self._shelf.get(id)
        if reel is None or reel.order.step not in (AWAITING, APPROVED):
            return None
        return await self._author.outdated(reel.order, self._shelf.script(reel))

    async def approve(self, who: Principal, id: str, if_match: str = "") -> Told:
        """It may go out: recorded are who, when, and which script. Raises Conflict (there is nothing to approve, or it
        is outdated), PreconditionFailed, Forbidden.
        """
        return await self._decided(who, id, APPROVE, if_match)

    async def reject(self, who: Principal, id: str, if_match: str = "", reason: str = "") -> Told:
        """It may not: the draft is deleted. `reason`: for the audit. Raises Conflict, PreconditionFailed, Forbidden."""
        return await self._decided(who, id, REJECT, if_match, reason)

    async def cancel(self, who: Principal, id: str) -> Told:
        """Nothing more is done of it, and what is held is deleted. Raises Conflict where it is over, and as `get`."""
        while True:
            task, one = await self._seen(who, id)
            if task.type != TASK:
                raise Forbidden("The token does not allow to update this Task.")
            if one.status in CANCELLED:
                return one
            if one.status in FINAL:
                raise Conflict(f"The video is {one.step} already: there is nothing left to cancel.")
            body = task.body | {"status": "cancelled"}
            try:
                written = await update(self._door, who, TASK, id, body, f'W/"{task.version}"')
            except PreconditionFailed:
                continue
            self._accepted()
            return told(written.resource)

    # --- given out ----------------------------------------------------------------------------------------------------

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
        if proof == "birth-date" and not await self._birth_date(reel):
            text = "The record has no full birth date that could prove who follows the link: use the proof sign-in."
            raise Invalid(text, expression="proof")
        await self._up_to_date(reel, "No link was made: ask for a new video.")
        token, standing = await self._links.make(id, proof, who.agent, expires_in, reel.order.language)
        try:
            about = {"link": standing.id, "expires": instant(standing.expires), "proof": proof}
            await self._trail.certain(who, "video-link", 200, self._about(reel) | about)
        except Problem:
            await self._links.revoke(id, standing.id)
            raise
        return f"{self._origin}{PATH}/{token}", standing

    async def links(self, who: Principal, id: str) -> builtins.list[Standing]:
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
        await self._trail.certain(who, "video-link", 200, self._about(reel) | {"revoked": link})
        return _marked(standing, one)

    # --- watched ------------------------------------------------------------------------------------------------------

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
        reel = await self._reel(standing.link.video)
        expected = await self._birth_date(reel)
        given = birth_date.strip().encode()
        right = bool(expected) and hmac.compare_digest(given, expected.encode())
        return await self._proven(token, standing, reel, granting.server(), right=right)

    async def prove_as(self, token: str, who: Principal) -> str | None:
        """The same for who has signed in here, and may read the patient's documents: the patient, or who cares for
        them. None: it is somebody else. Raises NotFound.
        """
        standing = await self._links.follow(token)
        await self._links.attempt(token)
        reel = await self._reel(standing.link.video)
        right = allowed.covers(who, "r", reel.id, reel.order.patient)
        return await self._proven(token, standing, reel, who, right=right)

    async def watch(self, proof: str) -> Watched:
        """What the bearer of this secret may watch. Raises NotFound (the hour is over, or the link is revoked),
        OutOfDate (the record has changed since).
        """
        standing = await self._links.watched(proof)
        reel = await self._reel(standing.link.video)
        if reel.order.step != APPROVED:
            raise NotFound("This video is not given out (any more).")
        order, script = reel.order, await self._current(reel, granting.server(), link=standing.id)
        file = await self._files.file(reel.id, order.draft, "video")
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
        reel = await self._reel(watched.video)
        return await self._files.file(reel.id, reel.order.draft, name)

    async def leave(self, proof: str) -> None:
        """The bearer of this secret watches no more. Raises Busy."""
        await self._links.left(proof)

    # --- what they stand on -------------------------------------------------------------------------------------------

    @property
    def _origin(self) -> str:
        return self._door.base.removesuffix("/fhir")

    async def _seen(self, who: Principal, id: str) -> tuple[Resource, Told]:
        """The Task, or for who sees no Tasks the document of one that is approved."""
        if allowed.sees_tasks(who):
            task = await read(self._door, who, TASK, id)
            one = told(task)
            if shown.is_video(task.raw) and (not one.patient or allowed.covers(who, "r", id, one.patient)):
                return task, one
            raise _absent(id)
        permits(who, DOCUMENTS, "r")
        reel = await self._shelf.get(id)
        if reel is None or reel.order.step != APPROVED:
            raise _absent(id)
        try:
            document = await read(self._door, who, DOCUMENTS, document_of(id, reel.order))
        except NotFound:
            raise _absent(id) from None
        if document.body.get("docStatus") != "final":
            raise _absent(id)
        return document, of_document(document, id)

    async def _reel(self, id: str) -> Reel:
        reel = await self._shelf.get(id)
        if reel is None:
            raise NotFound("Nothing is kept of this video: it has failed, was rejected or cancelled.")
        return reel

    async def _drafted(self, reel: Reel) -> int:
        """The number of the newest rendering that is kept. Raises NotFound."""
        for draft in (reel.order.draft, reel.order.draft - 1):
            if draft > 0 and await self._files.document(reel.id, draft) is not None:
                return draft
        raise NotFound("The video is not rendered yet.")

    async def _noted(self, who: Principal, one: Resource) -> None:
        """Audit that it was shown: that is as safe as the server promises when this returns."""
        ticket = self._trail.note(who, "read", one.type, one.id, one.version, 200, "", (one.seq,))
        await self._trail.flushed(ticket)

    async def _searched(self, who: Principal, type: str, pairs: builtins.list[tuple[str, str]]) -> Page:
        def understood(registry: Registry) -> Parsed:
            return parse_query(type, pairs, base=self._door.base, registry=registry)

        return await searching.search(self._door, who, await searching.understood(self._door, pairs, understood))

    async def _told_still(self, who: Principal, reel: Reel) -> None:
        """Raises OutOfDate of one that is given out, for whom does not work here."""
        works = allowed.works_here(who, self._roles) and allowed.sees_tasks(who)
        if reel.order.step == APPROVED and not works:
            await self._current(reel, who)

    async def _current(self, reel: Reel, who: Principal, **about: str) -> Script:
        """The script, where it tells what the record says. Raises OutOfDate, which the audit has."""
        script = self._shelf.script(reel)
        if await self._author.outdated(reel.order, script) is None:
            return script
        await self._trail.certain(who, "video-watch", 409, self._about(reel) | about | {"refused": "outdated"})
        raise OutOfDate(script.language)

    async def _decides(self, who: Principal, id: str) -> tuple[Reel, Told]:
        """The record, where this person may decide about it, and what is told of it. Raises NotFound, Forbidden."""
        _, one = await self._seen(who, id)
        if not one.patient:
            raise Conflict("The video is not that far.")
        allowed.to_decide(who, self._roles, id, one.patient)
        reel = await self._shelf.get(id)
        if reel is None:
            raise Conflict(f"Nothing is kept of this video: it is {one.step}.")
        return reel, one

    async def _to_decide(self, who: Principal, id: str, if_match: str) -> Reel:
        reel, _ = await self._decides(who, id)
        if reel.order.step != AWAITING:
            raise Conflict("There is nothing to approve, to reject or to edit: the video is not awaiting approval.")
        if if_match and if_match != digest(self._shelf.script(reel)):
            raise PreconditionFailed("The script is another one by now. Look at it again.")
        return reel

    async def _approved(self, who: Principal, id: str) -> tuple[Reel, Told]:
        reel, one = await self._decides(who, id)
        if reel.order.step != APPROVED:
            raise Conflict("Links lead to videos that are approved, and this one is not.")
        return reel, one

    async def _up_to_date(self, reel: Reel, do: str) -> None:
        """Raises Conflict where the script tells something else than the record by now. `do`: what to do then."""
        found = await self._author.outdated(reel.order, self._shelf.script(reel))
        if found is not None:
            raise Conflict(f"{found.text} {do}", expression=found.element or None)

    async def _decided(self, who: Principal, id: str, verdict: str, if_match: str, reason: str = "") -> Told:
        reel = await self._to_decide(who, id, if_match)
        if verdict == APPROVE:
            await self._up_to_date(reel, "Nothing was approved: reject this video, and ask for a new one.")
        name = digest(self._shelf.script(reel))
        about = self._about(reel) | {"decision": verdict, "script": name} | ({"reason": reason} if reason else {})
        await self._trail.certain(who, "video-decide", 200, about)
        reference = who.fhir_user.removeprefix(f"{self._door.base}/")
        decision = Decision(verdict, who.agent, self._now(), reference if local(reference) else "", name)
        news = {"step": DECIDING, "decision": decision, "tries": 0, "outdated": None}
        await self._go_on(reel, changed(reel.order, self._now(), **news))
        await self._here(id)
        return await self.get(who, id)

    async def _go_on(self, reel: Reel, order: Order) -> None:
        """Write it for whoever goes on with it. Raises Conflict: it is another by now."""
        for _ in range(_TRIES):
            try:
                await self._shelf.go_on(reel, order)
            except Lost:  # its lease is yet held by who has just told that it awaits approval; or somebody was first
                found = await self._shelf.get(reel.id)
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

    async def _birth_date(self, reel: Reel) -> str:
        """The patient's, where it is a whole date."""
        name = local(reel.order.patient)
        found = None if name is None else await self._door.store.read(*name)
        date = "" if found is None or found.deleted else str(found.body.get("birthDate", ""))
        return date if len(date) == len("1970-01-01") else ""

    async def _proven(self, token: str, standing: Standing, reel: Reel, who: Principal, *, right: bool) -> str | None:
        about = self._about(reel) | {"link": standing.id}
        if not right or reel.order.step != APPROVED:
            await self._trail.certain(who, "video-watch", 403, about)
            return None
        await self._trail.certain(who, "video-watch", 200, about)
        return await self._links.proven(token)

    def _about(self, reel: Reel) -> dict[str, str]:
        """What the audit says of a video. The reference to the patient is the only thing in it about one."""
        return {"video": reel.id, "patient": reel.order.patient, "template": reel.order.template}

    def _now(self) -> int:
        return int(self._clock() * _MICRO)


def _marked(standing: Standing, one: Told) -> Standing:
    return dataclasses.replace(standing, outdated=one.outdated is not None)


def _absent(id: str) -> NotFound:
    return NotFound(f"There is no video {id[:64]}, or none that this token may see.")
