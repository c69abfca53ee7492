"""Videos as people and pages see them: asked for, looked at, decided about, and given to the patient by links.

`Videos` is what the API, the pages and the commands stand on:

| of it | for | what it does |
|---|---|---|
| `ask`, `may_ask`, `places` | staff, apps | a new video: its Task; who may, and from where |
| `cancel` | staff, apps | nothing more is done of it |
| `list`, `get`, `events` | all | how videos are, and again as they change |
| `script`, `file` | all | what is told, with where it came from; video, captions, transcript, poster |
| `outdated` | staff | whether the record has changed since |
| `deciding` | staff | other words, then a new draft; a decision, with who made it |
| `giving` | staff | links that lead the patient to it |
| `watching` | the patient | a link, a proof, and the hour after it |
| `hearing` | services | that there is something new of a job |

What a token may do: `hilum.video.allowed`. All may raise Busy.
"""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from hilum.access.policy import Principal
from hilum.access.repeated import Key, Repeated
from hilum.feed.feed import Feed
from hilum.fhir.resource import instant
from hilum.fhir.task import CANCELLED, FINAL, TASK
from hilum.interactions import search as searching
from hilum.interactions.create import create
from hilum.interactions.ids import uuid7
from hilum.interactions.permit import permits
from hilum.interactions.update import update
from hilum.problems import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed, parse_query
from hilum.store.interface import Page
from hilum.video import allowed, shelf, shown, sources
from hilum.video.deciding import Deciding
from hilum.video.files import BINARY, DOCUMENTS, SUPERSEDED, File
from hilum.video.giving import Giving
from hilum.video.hearing import Hearing
from hilum.video.making import Gather, Renderers, Writing
from hilum.video.order import APPROVED, AWAITING, Order
from hilum.video.outdated import Outdated
from hilum.video.script import Script
from hilum.video.seeing import Seeing
from hilum.video.shelf import Reel, digest
from hilum.video.templates import Templates
from hilum.video.told import Told, of_document, told, video_of
from hilum.video.watching import Watching
from hilum.video.wish import Wish, judged
from hilum.web import uri

LOOK_SECONDS: Final = 0.5
"""Between two looks at a video that somebody watches being made."""
MOST_LISTED: Final = 100
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


class Videos:
    """Those of one store. `accepted`: called when there is something new to do, so that nobody waits for the next look.

    `clock`: seconds since 1970.
    """

    def __init__(
        self,
        seeing: Seeing,
        writing: Writing,
        renderers: Renderers,
        gather: Gather,
        feed: Feed,
        repeated: Repeated,
        deciding: Deciding,
        giving: Giving,
        watching: Watching,
        hearing: Hearing,
        accepted: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._seeing, self._writing, self._renderers, self._gather = seeing, writing, renderers, gather
        self._feed, self._repeated, self._accepted, self._clock = feed, repeated, accepted, clock
        self.deciding, self.giving, self.watching, self.hearing = deciding, giving, watching, hearing

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
            recipe = self._writing.templates().named(wish.template).recipe
            wish = replace(wish, whom=await self._gather.judge(who, wish.ehr, recipe, wish.whom))
        else:
            patient = await sources.whom(self._seeing.door, who, wish.patient)
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
            far=self._renderers[wish.renderer].at_once > 0,
            ehr=wish.ehr,
            patient=patient,
            sealed="" if wish.whom is None else self._seeing.shelf.sealed(id, wish.whom),
        )
        once = [shelf.new(id, order)]
        if key is not None:
            once.append(await self._repeated.new(key, id, self._clock()))
        try:
            made = await create(self._seeing.door, who, TASK, shown.asked(order), id=id, once=once)
        except Conflict:  # the same came twice at the same time, and the other one was first
            if key is None or (first := await self._repeated.first(key, self._clock())) is None:
                raise
            return await self.get(who, first)
        self._accepted()
        return told(made.resource)

    async def cancel(self, who: Principal, id: str) -> Told:
        """Nothing more is done of it, and what is held is deleted. Raises Conflict where it is over, and as `get`."""
        while True:
            task, one = await self._seeing.seen(who, id)
            if task.type != TASK:
                raise Forbidden("The token does not allow to update this Task.")
            if one.status in CANCELLED:
                return one
            if one.status in FINAL:
                raise Conflict(f"The video is {one.step} already: there is nothing left to cancel.")
            body = task.body | {"status": "cancelled"}
            try:
                written = await update(self._seeing.door, who, TASK, id, body, f'W/"{task.version}"')
            except PreconditionFailed:
                continue
            self._accepted()
            return told(written.resource)

    # --- looked at ----------------------------------------------------------------------------------------------------

    async def get(self, who: Principal, id: str) -> Told:
        """How a video is. Raises NotFound (there is none, or none that this token may see), Gone, Forbidden."""
        return await self._seeing.get(who, id)

    async def look(self, who: Principal, id: str) -> Told:
        """The same, for who looks again and again: nothing is audited. Raises as `get`."""
        return (await self._seeing.seen(who, id))[1]

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
        await self._seeing.trail.flushed(
            self._seeing.trail.note(who, "search-type", type, "", 0, 200, uri.encode(pairs), disclosed)
        )
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
        found, _ = await self._seeing.seen(who, id)
        permits(who, BINARY, "r")
        reel = await self._seeing.reel(id)
        if not reel.order.draft:
            raise NotFound("The script is not written yet.")
        await self._seeing.told_still(who, reel)
        await self._seeing.noted(who, found)
        script = self._seeing.shelf.script(reel)
        return Written(script, digest(script))

    async def file(self, who: Principal, id: str, name: str) -> File:
        """One of `hilum.video.order.FILES`. Raises NotFound (there is none yet), and as `script`."""
        await self._seeing.seen(who, id)
        reel = await self._seeing.reel(id)
        permits(who, BINARY, "r")
        await self._seeing.told_still(who, reel)
        file = await self._seeing.files.file(id, await self._drafted(reel), name)
        await self._seeing.noted(who, file.resource)
        return file

    def chunks(self, file: File, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The content of a file, or a part of it. Raises Spoiled, Busy."""
        return self._seeing.files.chunks(file, start, stop)

    async def held(self, id: str) -> bool:
        """Whether anything is kept of it beside its Task."""
        return await self._seeing.shelf.get(id) is not None

    async def outdated(self, who: Principal, id: str) -> Outdated | None:
        """What the record says otherwise than the script, where that awaits approval or is given out; None: nothing.

        Raises as `get`.
        """
        await self._seeing.seen(who, id)
        reel = await self._seeing.shelf.get(id)
        if reel is None or reel.order.step not in (AWAITING, APPROVED):
            return None
        return await self._seeing.author.outdated(reel.order, self._seeing.shelf.script(reel))

    # --- what they stand on -------------------------------------------------------------------------------------------

    async def _drafted(self, reel: Reel) -> int:
        """The number of the newest rendering that is kept. Raises NotFound."""
        for draft in (reel.order.draft, reel.order.draft - 1):
            if draft > 0 and await self._seeing.files.document(reel.id, draft) is not None:
                return draft
        raise NotFound("The video is not rendered yet.")

    async def _searched(self, who: Principal, type: str, pairs: builtins.list[tuple[str, str]]) -> Page:
        def understood(registry: Registry) -> Parsed:
            return parse_query(type, pairs, base=self._seeing.door.base, registry=registry)

        return await searching.search(
            self._seeing.door, who, await searching.understood(self._seeing.door, pairs, understood)
        )

    def _now(self) -> int:
        return int(self._clock() * _MICRO)
