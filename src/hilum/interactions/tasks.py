"""Tasks that are work of hilum's own: told what is new, and asked whether somebody has cancelled them.

Anybody who may write the Task may cancel it: by the API, or by FHIR, setting its status to cancelled, or deleting it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hilum.fhir.resource import Resource
from hilum.fhir.task import CANCELLED, TASK
from hilum.interactions import granting
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.problems import Busy, PreconditionFailed, Problem
from hilum.web import log

Body = dict[str, Any]


class Stopped(Exception):
    """The Task was cancelled or deleted: nothing more is to be done."""


class Tasks:
    """hilum itself writes: who asked for the work was judged when it was accepted."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def tell(self, id: str, change: Callable[[Body], Body]) -> None:
        """Make it what `change` makes of its body; what is told already makes no version. Raises Stopped, Busy."""
        while True:
            task = await self._task(id)
            if task is None or task.body.get("status") in CANCELLED:
                raise Stopped
            if await self._update(task, change(task.body)):
                return

    async def tell_stopped(self, id: str, change: Callable[[Body], Body]) -> None:
        """The same of one that was cancelled; nothing where it was deleted. Raises Busy."""
        task = await self._task(id)
        if task is not None:
            await self._update(task, change(task.body))

    async def wanted(self, id: str) -> bool:
        """Whether nobody has cancelled it. Raises Busy."""
        task = await self._task(id)
        return task is not None and task.body.get("status") not in CANCELLED

    async def _task(self, id: str) -> Resource | None:
        found = await self._door.store.read(TASK, id)
        return None if found is None or found.deleted else found

    async def _update(self, task: Resource, body: Body) -> bool:
        """False: somebody else has changed it meanwhile."""
        try:
            await update(self._door, granting.server(), TASK, task.id, body, f'W/"{task.version}"')
        except PreconditionFailed:
            return False
        except Busy:
            raise
        except Problem as problem:  # what others wrote into it is not to keep the work from being done
            log.warning("task not told", task=task.id, code=problem.issues[0].code)
        return True
