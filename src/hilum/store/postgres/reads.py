"""Point reads that arrive together go to PostgreSQL together: one statement, one round trip.

A statement costs both sides more than the row that it finds (2026-11, 16 clients: a third of a read's CPU). A read
alone leaves at the end of its turn of the event loop, with the others of that turn. While a group is under way, what
arrives leaves when it is back, or after `HELD_SECONDS`, so that nobody stands behind a slow one. A read sees all that
was committed before it was asked for, as if it had gone alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, Protocol

from hilum.store.postgres import history
from hilum.store.postgres.connection import Session

HELD_SECONDS: Final = 0.002
"""The longest that a read waits for others to come back: about ten times what a group takes."""
TOGETHER: Final = 32
"""The most reads in one statement: their bodies are in memory together."""

Found = history.Found | None
"""The current version, or the deletion, and the rids of whose compartments it lies in, if it was to be placed."""


class Run(Protocol):
    """What does work on a connection of the pool, within a time."""

    def __call__(self, work: Callable[[Session], Awaitable[Any]], /) -> Awaitable[Any]:
        """What `work` returns. Raises what the store raises."""
        ...


class _Asked(NamedTuple):
    type: str
    id: str
    placed: bool
    answer: asyncio.Future[Found]


class Reads:
    """Those that wait, and the groups under way."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._waiting: list[_Asked] = []
        self._groups: set[asyncio.Task[None]] = set()
        self._late: asyncio.TimerHandle | None = None

    def current(self, type: str, id: str, *, placed: bool = False) -> asyncio.Future[Found]:
        """What is found, None where there is nothing. The future raises what the store raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Found] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._turn)
        self._waiting.append(_Asked(type, id, placed, answer))
        return answer

    def _turn(self) -> None:
        """The end of a turn in which somebody asked."""
        if not self._groups:
            self._send()
        elif self._waiting and self._late is None:
            self._late = asyncio.get_running_loop().call_later(HELD_SECONDS, self._send)

    def _back(self, task: asyncio.Task[None]) -> None:
        self._groups.discard(task)
        if not self._groups:
            self._send()

    def _send(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), TOGETHER):
            task = asyncio.get_running_loop().create_task(self._answer(waiting[start : start + TOGETHER]))
            self._groups.add(task)
            task.add_done_callback(self._back)

    async def _answer(self, group: list[_Asked]) -> None:
        names = [(one.type, one.id) for one in group]
        placed = any(one.placed for one in group)
        try:
            answers: list[Found] = await self._run(lambda session: history.current(session, names, placed=placed))
        except asyncio.CancelledError:  # the loop ends
            for one in group:
                one.answer.cancel()
            raise
        except Exception as error:  # whatever it is, it is theirs who asked
            for one in group:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        for one, found in zip(group, answers, strict=True):
            if not one.answer.done():  # who asked may have gone
                one.answer.set_result(found)
