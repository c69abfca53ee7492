"""Scripts of what hilum's store has now: written for a video, and written again to see whether that one still holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from hilum.interactions.door import Door
from hilum.problems import Invalid, NotFound, TooLarge
from hilum.video.making import Writing
from hilum.video.order import Order
from hilum.video.outdated import Outdated, compared, unwritten
from hilum.video.script import Refused, Script
from hilum.video.sources import sources
from hilum.video.templates import Template


class Author:
    """Of one store. `clock`: seconds since 1970."""

    def __init__(self, door: Door, writing: Writing, clock: Callable[[], float]) -> None:
        self._door, self._writing, self._clock = door, writing, clock

    def template(self, order: Order) -> Template:
        """That of a video. Raises Refused where it is gone, or not sound any more."""
        try:
            return self._writing.templates().named(order.template)
        except Invalid as gone:
            raise Refused("template-unknown", str(gone)) from None

    async def write(self, order: Order) -> Script:
        """The script of a video, of the record as it is now. Raises Refused, NotFound, TooLarge, Busy."""
        template = self.template(order)
        about = await sources(self._door, order.patient)
        now = datetime.fromtimestamp(self._clock(), UTC)
        return await asyncio.to_thread(self._writing.write, template, order.language, about, now)

    async def outdated(self, order: Order, script: Script) -> Outdated | None:
        """Why a script of this video is not to be told any more; None: it would be the same now. Raises Busy."""
        try:
            return compared(script, await self.write(order))
        except Refused as refused:
            return unwritten(refused)
        except (NotFound, TooLarge) as problem:
            return unwritten(Refused("unusable", str(problem)))
