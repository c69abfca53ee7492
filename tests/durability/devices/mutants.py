"""Faults seeded into agent and gateway, so that the check is seen to fail: each breaks one promise of theirs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import uuid4


def deleted_before_the_answer() -> None:
    """The queue forgets a batch when it is sent, not when it has arrived."""
    from hilum.agent.batch import Batch, Stored
    from hilum.agent.running import Sending

    send = Sending._send

    async def forgetful(self: Sending, batch: Batch, row: int) -> None:
        await self._queue.settle(batch, Stored(""))
        await send(self, batch, row)

    Sending._send = forgetful  # type: ignore[method-assign]


def told_before_it_is_kept() -> None:
    """A device is told that its readings were taken, and they are written two seconds later."""
    from hilum.agent.queue.durable import Queue
    from hilum.phd.reading import Taken

    take, tasks = Queue.take, set[asyncio.Task[None]]()

    async def later(self: Queue, taken: Taken) -> None:
        await asyncio.sleep(2)
        await take(self, taken)

    async def told(self: Queue, taken: Taken) -> None:
        task = asyncio.create_task(later(self, taken))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    Queue.take = told  # type: ignore[method-assign]


def another_name_each_time() -> None:
    """A batch is a new one whenever it is sent."""
    from hilum.agent.batch import Batch, Fate
    from hilum.agent.sending.gateway import Gateway

    send = Gateway.send

    async def renamed(self: Gateway, batch: Batch) -> Fate:
        return await send(self, replace(batch, id=uuid4().urn))

    Gateway.send = renamed  # type: ignore[method-assign]


def without_receipts() -> None:
    """The gateway knows no bundle again."""
    from hilum.devices import receipts

    receipts.key = lambda *_: os.urandom(32)


AGENT: Final[dict[str, Callable[[], None]]] = {
    one.__name__: one for one in (deleted_before_the_answer, told_before_it_is_kept, another_name_each_time)
}
"""In the process of the agent."""
GATEWAY: Final[dict[str, Callable[[], None]]] = {without_receipts.__name__: without_receipts}
"""In that of the server."""
CAUGHT: Final = {
    "deleted_before_the_answer": "lost",
    "told_before_it_is_kept": "lost",
    "another_name_each_time": "doubled",
    "without_receipts": "doubled",
}
"""A fault -> what is found of it."""
