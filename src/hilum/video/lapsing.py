"""Videos that the record leaves behind, and those that it catches up with again: marked, so that whoever looks at one
sees it, and nobody writes scripts to show a list.

What is committed is seen by the feed: of whom it is, and what was told of it, says which videos are compared. What
nobody commits, days that go by, is found by comparing all, now and then. What is found is kept in the video's record
(`Order.outdated`); its Task says so, and the DocumentReference of one that is given out is `superseded`, each in a
version of its own (docs/adr/0017-videos.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Final

from hilum.feed.feed import PAGE, Feed
from hilum.fhir.resource import Resource
from hilum.fhir.task import TASK
from hilum.fhirpath.references import local
from hilum.interactions import granting
from hilum.interactions.door import Door
from hilum.interactions.links import references
from hilum.interactions.tasks import Stopped, Tasks
from hilum.oauth.ledger import Lost
from hilum.problems import Busy, Problem
from hilum.video import shown
from hilum.video.author import Author
from hilum.video.files import DOCUMENTS, Files
from hilum.video.order import APPROVED, AWAITING, Failure, Order, changed
from hilum.video.shelf import Shelf
from hilum.video.sources import PATIENT, TYPES, every
from hilum.video.told import OUTDATED, video_of
from hilum.web import log

NAME: Final = "videos-outdated"
"""Of the follower."""
SEEN: Final = (TASK, *TYPES)
"""What it follows: what may be told, and videos that begin to await approval."""
STANDING: Final = (AWAITING, APPROVED)
"""Steps of videos that are compared."""
POLL_SECONDS: Final = 1.0
ALL_SECONDS: Final = 3600.0
"""Between two times that all are compared."""
_AT_ONCE: Final = 50
"""References in one search."""
_MICRO: Final = 1_000_000


class Lapsing:
    """Of one process; `feed`: one of all processes follows it. `clock`: seconds since 1970."""

    def __init__(
        self, door: Door, shelf: Shelf, author: Author, feed: Feed, clock: Callable[[], float] = time.time
    ) -> None:
        self._door, self._shelf, self._author, self._feed, self._clock = door, shelf, author, feed, clock
        self._tasks, self._files, self._who = Tasks(door), Files(door), granting.server()
        self._all = 0.0
        """When all are compared again."""

    async def run(self) -> None:
        """Until it is cancelled; then another process may follow at once."""
        try:
            while True:
                more = False
                try:
                    more = await self.turn()
                except Problem as problem:
                    log.warning("videos outdated", text=str(problem))
                if not more:
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            with suppress(Problem):
                await self._feed.stop()

    async def turn(self) -> bool:
        """Look once at what was committed, and at all where it is time. Whether there was more than fits into a look.

        Raises Busy.
        """
        if await self._feed.skip(self._none):
            return False
        news = await self._feed.turn(self._found)
        if self._feed.ours and self._clock() >= self._all:
            for reel in await self._shelf.every():
                await self.compare(reel.id)
            self._all = self._clock() + ALL_SECONDS
        return news == PAGE

    async def compare(self, id: str) -> None:
        """See whether this one tells what the record says, and mark it where that is another answer than before.

        The record is written last: killed before, the same is found again. Raises Busy.
        """
        reel = await self._shelf.get(id)
        if reel is None or reel.order.step not in STANDING:
            return
        try:
            found = await self._author.outdated(reel.order, self._shelf.script(reel))
        except Busy:
            raise
        except Exception as error:  # one that can't be compared keeps no other from being so
            log.error("video not compared", video=id, error=type(error).__name__)
            return
        mark = None if found is None else Failure(OUTDATED, found.text, found.element)
        if mark == reel.order.outdated:
            return
        order = changed(reel.order, int(self._clock() * _MICRO), outdated=mark)
        await self._tell(id, order)
        with suppress(Lost):  # somebody decides about it right now, and its Task is seen after that
            await self._shelf.put(reel, order)
            log.info("video outdated" if mark else "video up to date", video=id, step=order.step)

    async def _tell(self, id: str, order: Order) -> None:
        def change(body: dict[str, Any]) -> dict[str, Any]:
            return shown.shown(body, id, order)

        with suppress(Stopped):
            await self._tasks.tell(id, change)
        if order.step == APPROVED:
            await self._files.supersede(id, order.draft, outdated=order.outdated is not None)

    # --- which --------------------------------------------------------------------------------------------------------

    async def _none(self) -> bool:
        return await self._shelf.empty()

    async def _found(self, news: Sequence[Resource]) -> None:
        ids, patients, others = set(), set(), set()
        for one in news:
            if one.type == TASK:
                if not one.deleted and shown.is_video(one.raw) and one.body.get("status") in shown.RESTING:
                    ids.add(one.id)
                continue
            others.add(f"{one.type}/{one.id}")
            if not one.deleted:
                patients.update(self._patients(one))
        video = ("code", f"{shown.VIDEO}|video")
        for some in _some(patients):
            ids |= {one.id async for one in every(self._door, self._who, TASK, [video, ("patient", some)])}
        for some in _some(others):
            ids |= {video_of(one) async for one in every(self._door, self._who, DOCUMENTS, [("related", some)])}
        for id in sorted(ids - {""}):
            await self.compare(id)

    def _patients(self, one: Resource) -> set[str]:
        """Whose it is, by all of its references: one too many is compared for nothing."""
        if one.type == PATIENT:
            return {f"{PATIENT}/{one.id}"}
        names = (local(text.removeprefix(f"{self._door.base}/")) for text in references(one.body))
        return {f"{PATIENT}/{name[1]}" for name in names if name is not None and name[0] == PATIENT}


def _some(references: Collection[str]) -> list[str]:
    """As values of searches, so many in each."""
    all = sorted(references)
    return [",".join(all[begin : begin + _AT_ONCE]) for begin in range(0, len(all), _AT_ONCE)]
