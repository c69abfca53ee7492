"""A video, made step by step: whatever is done is written before the next thing begins (docs/adr/0017-videos.md).

Who executes holds the lease. Each step reads the record and ends in one write in its place; killed in between, the next
process does the step again. What is kept has ids made of the video's own, so that it is kept once.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from hilum.feed.tried import tried
from hilum.interactions.door import Door
from hilum.interactions.tasks import Stopped, Tasks
from hilum.oauth.ledger import Lost
from hilum.problems import Busy, Problem
from hilum.video import shown
from hilum.video.author import Author
from hilum.video.files import Files
from hilum.video.making import Gather, Renderers, Writing
from hilum.video.order import (
    APPROVE,
    APPROVED,
    ASKED,
    AWAITING,
    DECIDING,
    GATHERING,
    LEFT,
    RENDERING,
    SETTLED,
    WRITING,
    Decision,
    Failure,
    Order,
    changed,
    gather_of,
)
from hilum.video.renderer import Job, Renderer, UnderWay, Unrendered, Wanted
from hilum.video.script import Refused
from hilum.video.shelf import Reel, Shelf, digest
from hilum.web import log

TRIES: Final = (10, 60, 300, 1200, 3600)
"""Seconds after which a step is tried again; after that the video has failed."""
LOOK_SECONDS: Final = 1.0
"""Between two looks at an order to gather that is waited for."""
PROGRESS_SECONDS: Final = 2.0
"""So often, at most, a Task tells how far rendering is: each time is a version of it."""
FULL_SECONDS: Final = 5.0
"""After which one is tried again that waits until a renderer elsewhere has done with others."""
UNAPPROVED: Final = "none"
"""`approval` of a template whose videos go out by themselves."""
_MICRO: Final = 1_000_000

Next = Reel | float
"""The video as it is after a step; or when it goes on, in seconds since 1970."""
Step = Callable[[Reel], Awaitable[Next]]


class Executing:
    """What one process needs to make videos. `folder`: where renderers work; what is in it is deleted when a video is
    kept, or comes to nothing. `clock`: seconds since 1970.
    """

    def __init__(
        self,
        door: Door,
        shelf: Shelf,
        writing: Writing,
        renderers: Renderers,
        gather: Gather,
        folder: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._door, self._shelf, self._tasks, self._files = door, shelf, Tasks(door), Files(door)
        self._writing, self._renderers, self._gather = writing, renderers, gather
        self._author, self._folder, self._clock = Author(door, writing, clock), folder, clock
        self._steps: Mapping[str, Step] = {
            ASKED: self._begin,
            GATHERING: self._wait,
            WRITING: partial(self._tried, self._write),
            RENDERING: self._in_turn,
            DECIDING: partial(self._tried, self._decide),
        }

    async def wanted(self, id: str) -> bool:
        """Whether nobody has cancelled it. What was decided already nobody can cancel any more. Raises Busy."""
        reel = await self._shelf.get(id)
        return (reel is not None and reel.order.decision is not None) or await self._tasks.wanted(id)

    async def run(self, id: str) -> float | None:
        """Go on with a video as far as it goes now. When to go on again; None: there is nothing left to be done.

        Raises Lost (somebody else goes on with it), Busy.
        """
        reel = await self._shelf.get(id)
        if reel is None:
            return None
        try:
            if not await self.wanted(id):
                raise Stopped
            if reel.order.again > self._now():
                return reel.order.again / _MICRO
            while step := self._steps.get(reel.order.step):
                found = await (self._given_up(reel) if _hopeless(reel.order) else step(reel))
                if isinstance(found, float):
                    return found
                reel = found
            await self._show(reel)
        except Stopped:
            await self._stopped(id)
            return None
        if reel.order.step == SETTLED:
            await self._cleared(reel)
            await self._shelf.forget(reel)
        return None

    async def resumed(self, id: str, order: Order) -> None:
        """Tell of one that rested that it is gone on with, before anybody does. Raises Busy."""

        def change(body: dict[str, Any]) -> dict[str, Any]:
            return shown.shown(body, id, order) if body.get("status") == shown.ON_HOLD else body

        with suppress(Stopped):
            await self._tasks.tell(id, change)

    async def _stopped(self, id: str) -> None:
        """Somebody has cancelled it: what is held is deleted."""
        reel = await self._shelf.get(id)
        if reel is not None:
            if reel.order.ehr:
                await self._gather.cancel(gather_of(id))
            renderer = self._renderers.get(reel.order.renderer)
            if reel.order.held and renderer is not None:
                await renderer.cancel(reel.order.held)
            await self._cleared(reel)
            await self._tasks.tell_stopped(id, shown.ended_by_others)
            await self._shelf.forget(reel)
            log.info("video cancelled", video=id)

    async def _cleared(self, reel: Reel) -> None:
        """Of one that comes to nothing no file stays."""
        await self._files.delete(reel.id, reel.order.draft)
        await self._swept(reel.id, reel.order.draft)

    async def _swept(self, id: str, draft: int) -> None:
        for number in range(1, draft + 1):
            await asyncio.to_thread(shutil.rmtree, self._place(id, number), ignore_errors=True)

    # --- asked, gathering ---------------------------------------------------------------------------------------------

    async def _begin(self, reel: Reel) -> Next:
        if not reel.order.ehr:
            return await self._put(reel, step=WRITING, tries=0)
        return await self._tried(self._give, reel)

    async def _give(self, reel: Reel) -> Next:
        order = reel.order
        await self._show(reel, shown.GATHERING)
        try:
            template = self._author.template(order)
            whom = self._shelf.whom(reel)
            await self._gather.give(gather_of(reel.id), order.by, order.ehr, template.recipe, whom)
        except Refused as refused:
            return await self._failed(reel, Failure(refused.code, refused.text, refused.element))
        except Busy:
            raise
        except Problem as problem:
            return await self._failed(reel, Failure("gather", str(problem)))
        return await self._put(reel, step=GATHERING, tries=0)

    async def _wait(self, reel: Reel) -> Next:
        await self._show(reel, shown.GATHERING)
        found = await self._gather.look(gather_of(reel.id))
        if not found.over:
            return self._clock() + LOOK_SECONDS
        if found.failure is not None:
            return await self._failed(reel, found.failure)
        return await self._put(reel, step=WRITING, patient=found.patient, sealed="", tries=0)

    # --- writing ------------------------------------------------------------------------------------------------------

    async def _write(self, reel: Reel) -> Next:
        order = reel.order
        await self._show(reel, shown.WRITING)
        try:
            script = await self._author.write(order)
        except Refused as refused:
            return await self._failed(reel, Failure(refused.code, refused.text, refused.element))
        except Busy:
            raise
        except Problem as problem:
            return await self._failed(reel, Failure("unusable", str(problem)))
        except Exception as error:
            return await self._not_yet(reel, _defect(error), True)
        sealed = self._shelf.sealed(reel.id, script)
        return await self._put(reel, step=RENDERING, sealed=sealed, draft=1, tries=0)

    # --- rendering ----------------------------------------------------------------------------------------------------

    async def _in_turn(self, reel: Reel) -> Next:
        """Render it, unless who renders elsewhere has as many jobs as he has to work on at the same time."""
        order = reel.order
        renderer = self._renderers.get(order.renderer)
        if renderer is not None and not order.held and await self._full(renderer):
            await self._show(reel, shown.REQUESTED)
            return self._clock() + FULL_SECONDS
        return await self._tried(self._render, reel)

    async def _full(self, renderer: Renderer, more: int = 0) -> bool:
        """Whether there is no room for one more, or where it is already there, for so many `more`."""
        most = renderer.at_once
        return bool(most) and await self._shelf.ordered(renderer.name, most + 1) >= most + more

    async def _render(self, reel: Reel) -> Next:
        order, script = reel.order, self._shelf.script(reel)
        await self._show(reel, shown.RENDERING, order.part or None)
        if await self._files.document(reel.id, order.draft) is None:
            renderer = self._renderers.get(order.renderer)
            try:
                if renderer is None:
                    raise Unrendered("no-renderer", f"There is no renderer {order.renderer!r} any more.")
                wanted = Wanted(script, order.shape, order.codec, order.narrated)
                await asyncio.to_thread(renderer.fit, wanted)
                place = self._place(reel.id, order.draft)
                await asyncio.to_thread(place.mkdir, mode=0o700, parents=True, exist_ok=True)
                async with self._progress(reel) as part:

                    async def hold(text: str, name: str = "") -> None:
                        nonlocal reel
                        first = bool(text) and not reel.order.held
                        reel = await self._put(reel, held=text, job=name)
                        if first and await self._full(renderer, 1):  # another process was as fast
                            reel = await self._put(reel, **LEFT)
                            raise _Full

                    job = Job(f"{reel.id}-{order.draft}", wanted, place, part.append, order.held, hold)
                    made = await renderer.render(job)
                if isinstance(made, UnderWay):
                    return await self._under_way(reel, made)
                reel = await self._put(reel, seconds=made.seconds, spoken=made.narrated, in_step=made.in_step)
                await self._files.keep(reel.id, reel.order, script, made, self._now())
            except Unrendered as unmade:
                failure = Failure(unmade.code, unmade.text, side=unmade.side)
                return await self._not_yet(reel, failure, unmade.again, unmade.wait)
            except _Full:
                await self._put(reel, tries=order.tries - 1)
                return self._clock() + FULL_SECONDS
            except (Busy, Lost, Stopped):
                raise
            except Problem as problem:
                return await self._not_yet(reel, Failure("unkept", str(problem)), False)
            except Exception as error:
                return await self._not_yet(reel, _defect(error), True)
        await self._swept(reel.id, reel.order.draft)
        template = self._writing.templates().get(order.template)
        if template is not None and template.approval == UNAPPROVED:
            try:
                outdated = await self._author.outdated(order, script)
            except Busy:
                raise
            except Exception as error:
                return await self._not_yet(reel, _defect(error), True)
            if outdated is not None:
                return await self._failed(reel, Failure("outdated", outdated.text, outdated.element))
            decision = Decision(APPROVE, "template", self._now(), digest=digest(script), template=True)
            return await self._put(reel, step=DECIDING, decision=decision, tries=0, **LEFT)
        return await self._put(reel, step=AWAITING, tries=0, **LEFT)

    async def _under_way(self, reel: Reel, found: UnderWay) -> float:
        """Nobody waits for it here: when to look again."""
        order = msgspec.structs.replace(reel.order, tries=0)
        if shown.percent(found.part) != shown.percent(order.part):
            order = changed(order, self._now(), part=found.part)
        reel = await self._shelf.put(reel, order)
        await self._show(reel, shown.RENDERING, order.part or None)
        return self._clock() + found.seconds

    @asynccontextmanager
    async def _progress(self, reel: Reel) -> AsyncIterator[list[float]]:
        """Tells the Task how far it is, now and then. The last of the list is how far."""
        parts = [reel.order.part]

        async def tell() -> None:
            told = shown.percent(reel.order.part) if reel.order.far else -1
            while True:
                part = parts[-1]
                parts[:] = [part]
                if shown.percent(part) != told:
                    told = shown.percent(part)
                    with suppress(Stopped, Busy):  # the next step meets the same, and heeds it
                        await self._show(reel, shown.RENDERING, part, self._now())
                await asyncio.sleep(PROGRESS_SECONDS)

        task = asyncio.create_task(tell())
        try:
            yield parts
        finally:
            task.cancel()
            await asyncio.wait({task})

    def _place(self, id: str, draft: int) -> Path:
        return self._folder / f"{id}-{draft}"

    # --- deciding -----------------------------------------------------------------------------------------------------

    async def _decide(self, reel: Reel) -> Next:
        decision = reel.order.decision
        assert decision is not None
        if decision.verdict != APPROVE:
            return await self._put(reel, step=SETTLED, sealed="", tries=0)
        try:
            await self._files.approve(reel.id, reel.order, self._shelf.script(reel))
        except Busy:
            raise
        except Problem as problem:
            return await self._not_yet(reel, Failure("unkept", str(problem)), True)
        return await self._put(reel, step=APPROVED, tries=0)

    # --- what all steps do --------------------------------------------------------------------------------------------

    async def _show(self, reel: Reel, doing: str = "", part: float | None = None, at: int = 0) -> None:
        """Tell how the video is now; what is told already makes no version. Raises Stopped, Busy."""

        def change(body: dict[str, Any]) -> dict[str, Any]:
            return shown.shown(body, reel.id, reel.order, doing, part, at)

        if reel.order.decision is not None:  # nobody can cancel that any more, and a rejected one is cancelled by this
            await self._tasks.tell_stopped(reel.id, change)
        else:
            await self._tasks.tell(reel.id, change)

    async def _tried(self, step: Step, reel: Reel) -> Next:
        async def count(one: Reel, tries: int) -> Reel:  # that is no news, for the Task to tell of
            return await self._shelf.put(one, msgspec.structs.replace(one.order, tries=tries))

        return await tried(step, reel, count, self._shelf.get)

    async def _given_up(self, reel: Reel) -> Reel:
        text = f"hilum was ended {reel.order.tries} times while it was at this step: {reel.order.step}."
        return await self._failed(reel, Failure("given-up", text))

    async def _failed(self, reel: Reel, failure: Failure) -> Reel:
        log.warning("video", video=reel.id, step=reel.order.step, code=failure.code, side=failure.side)
        return await self._put(reel, step=SETTLED, sealed="", decision=None, failure=failure)

    async def _not_yet(self, reel: Reel, failure: Failure, again: bool, least: float = 0.0) -> Next:
        """Try it later, `least` seconds from now, or let it fail: then nothing is held any longer."""
        if not again or reel.order.tries > len(TRIES):
            return await self._failed(reel, failure)
        log.warning("video", video=reel.id, step=reel.order.step, code=failure.code, side=failure.side)
        wait = self._clock() + max(TRIES[reel.order.tries - 1], least)
        reel = await self._put(reel, again=int(wait * _MICRO))
        await self._show(reel, shown.WAITING)
        return wait

    async def _put(self, reel: Reel, **news: Any) -> Reel:
        return await self._shelf.put(reel, changed(reel.order, self._now(), **news))

    def _now(self) -> int:
        return int(self._clock() * _MICRO)


class _Full(Exception):
    """A renderer elsewhere has enough to do without this."""


def _hopeless(order: Order) -> bool:
    """Whether a step was begun as often as it may be, and never ended."""
    return order.tries > len(TRIES)


def _defect(error: Exception) -> Failure:
    """An error that nobody foresaw: its name alone, since its text may hold anything."""
    return Failure("defect", f"hilum met an error that it did not foresee ({type(error).__name__}).")
