"""The broker as the administrators' pages of the authorization server ask it (`hilum.smart.admin.brokered.Broker`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hilum.app.brokering import Brokering, Ordered
from hilum.broker import checking, replaying, sign_ins
from hilum.broker.connection import Connection
from hilum.broker.order import DEAD
from hilum.broker.parcels import Parcel
from hilum.broker.rules import BACKEND, LAUNCH
from hilum.problems import Invalid, NotFound
from hilum.smart.admin.brokered import Ehr, Order, SignIn, Step


@dataclass(frozen=True, slots=True)
class Administering:
    """What is asked of the parts of one process. All may raise Busy."""

    ways: Brokering
    made: Ordered

    async def ehrs(self) -> Sequence[Ehr]:
        """All connections, by name."""
        return [_ehr(one) for one in await self.ways.connections.every()]

    async def check(self, name: str) -> tuple[Ehr, Sequence[Step]]:
        """Try one, step by step. Raises NotFound."""
        ways, connection = self.ways, await self.ways.connections.get(name)
        steps = checking.steps(connection, ways.backend, ways.discovery, ways.keys, ways.send, ways.launching.origin)
        found = [Step(one.step, one.state, one.found, one.todo, one.side) async for one in steps]
        return _ehr(connection), found

    async def sign_ins(self, most: int) -> Sequence[SignIn]:
        """The last begun."""
        found = await sign_ins.every(self.ways.launching.grants)
        return [SignIn(one.sign_in, one.ehr, one.who, one.begun, one.renewed, one.ends) for one in found[:most]]

    async def sign_out(self, id: str) -> bool:
        """End one, here and at the EHR. False: it has ended."""
        try:
            grant, _ = await sign_ins.one(self.ways.launching.grants, id)
        except (NotFound, Invalid):
            return False
        await self.ways.launching.ending.forget(grant)
        return True

    async def orders(self, most: int) -> Sequence[Order]:
        """The oldest that are not settled, dead letters among them."""
        return [_order(one) for one in await self.made.parcels.oldest(most)]

    async def replay(self, id: str) -> bool:
        """Have a dead letter delivered again. False: it is none any more."""
        parcel = await self.made.parcels.get(id)
        if parcel is None or not await replaying.replay(self.made.parcels, parcel):
            return False
        self.made.running.nudge()
        return True


def _ehr(one: Connection) -> Ehr:
    return Ehr(
        one.name,
        one.title or one.name,
        one.environment,
        one.vendor,
        one.base,
        one.client_id,
        one.method,
        LAUNCH in one.grants,
        BACKEND in one.grants,
        one.recipes,
        one.disabled,
    )


def _order(one: Parcel) -> Order:
    order = one.order
    return Order(
        one.id,
        order.ehr,
        order.environment,
        order.recipe,
        order.deliver_to,
        order.by,
        order.step,
        order.at / 1_000_000,
        "" if order.failure is None else order.failure.text,
        order.step == DEAD,
    )
