"""An order's Task in the store: told what is new."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from hilum.broker import shown
from hilum.broker.order import Order, interrupted
from hilum.broker.parcels import Parcel
from hilum.fhir.task import TASK
from hilum.interactions.door import Door
from hilum.interactions.tasks import Stopped, Tasks

__all__ = ["TASK", "Stopped", "Telling"]


class Telling:
    """What is told of orders."""

    def __init__(self, door: Door) -> None:
        self._tasks = Tasks(door)
        self.wanted = self._tasks.wanted

    async def show(self, parcel: Parcel, doing: str = "") -> None:
        """Tell how the order is now; what is told already makes no version. Raises Stopped, Busy."""
        await self._tasks.tell(parcel.id, lambda body: shown.shown(body, parcel.order, doing))

    async def progress(self, parcel: Parcel, counts: Mapping[str, int], at: int) -> None:
        """Tell how far gathering is. Raises Stopped, Busy."""
        await self._tasks.tell(parcel.id, lambda body: shown.shown(body, parcel.order, shown.GATHERING, counts, at))

    async def show_stopped(self, parcel: Parcel) -> None:
        """Tell a cancelled Task what had been done by then. Raises Busy."""
        order = _interrupted(parcel.order)
        await self._tasks.tell_stopped(parcel.id, lambda body: shown.ended_by_others(body, order))


def _interrupted(order: Order) -> Order:
    """With the attempt that was under way as one of which nobody knows how it ended."""
    last = order.attempts[-1:]
    if not last or last[0].ended:
        return order
    return replace(order, attempts=(*order.attempts[:-1], interrupted(last[0], order.at)))
