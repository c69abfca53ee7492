"""An order's Task in the store: told what is new, and asked whether somebody has cancelled it.

Anybody who may write the Task may cancel it: by the API, or by FHIR, setting its status to cancelled, or deleting it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from hilum.broker import shown
from hilum.broker.order import Order, interrupted
from hilum.broker.parcels import Parcel
from hilum.fhir.resource import Resource
from hilum.interactions import granting
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.problems import Busy, PreconditionFailed, Problem
from hilum.web import log

TASK: Final = "Task"


class Stopped(Exception):
    """The Task was cancelled or deleted: nothing more is to be done."""


class Telling:
    """hilum itself writes: who asked for the order was judged when it was accepted."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def show(self, parcel: Parcel, doing: str = "") -> None:
        """Tell how the order is now; what is told already makes no version. Raises Stopped, Busy."""
        await self._write(parcel.id, lambda body: shown.shown(body, parcel.order, doing))

    async def progress(self, parcel: Parcel, counts: Mapping[str, int], at: int) -> None:
        """Tell how far gathering is. Raises Stopped, Busy."""
        await self._write(parcel.id, lambda body: shown.shown(body, parcel.order, shown.GATHERING, counts, at))

    async def show_stopped(self, parcel: Parcel) -> None:
        """Tell a cancelled Task what had been done by then. Raises Busy."""
        task = await self._task(parcel.id)
        if task is not None:
            order = _interrupted(parcel.order)
            await self._update(task, shown.ended_by_others(task.body, order))

    async def wanted(self, id: str) -> bool:
        """Whether nobody has cancelled it. Raises Busy."""
        task = await self._task(id)
        return task is not None and task.body.get("status") not in shown.CANCELLED

    async def _write(self, id: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        while True:
            task = await self._task(id)
            if task is None or task.body.get("status") in shown.CANCELLED:
                raise Stopped
            if await self._update(task, change(task.body)):
                return

    async def _task(self, id: str) -> Resource | None:
        found = await self._door.store.read(TASK, id)
        return None if found is None or found.deleted else found

    async def _update(self, task: Resource, body: dict[str, Any]) -> bool:
        """False: somebody else has changed it meanwhile."""
        try:
            await update(self._door, granting.server(), TASK, task.id, body, f'W/"{task.version}"')
        except PreconditionFailed:
            return False
        except Busy:
            raise
        except Problem as problem:  # what others wrote into it is not to keep the order from being done
            log.warning("task not told", task=task.id, code=problem.issues[0].code)
        return True


def _interrupted(order: Order) -> Order:
    """With the attempt that was under way as one of which nobody knows how it ended."""
    last = order.attempts[-1:]
    if not last or last[0].ended:
        return order
    return replace(order, attempts=(*order.attempts[:-1], interrupted(last[0], order.at)))
