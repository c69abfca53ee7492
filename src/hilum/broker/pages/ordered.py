"""Orders of a sign-in: those that there are, and whether one needs it yet."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from hilum.access.policy import Principal
from hilum.broker.grants import sign_in_of
from hilum.broker.pages.desk import Desk
from hilum.broker.shown import SIGN_IN
from hilum.fhir.resource import Resource
from hilum.interactions import granting
from hilum.interactions import search as searching
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed, parse_query


async def orders_of(desk: Desk, who: Principal, grant: str, *more: tuple[str, str]) -> Sequence[Resource]:
    """The Tasks of what was ordered by this sign-in, of which `more` holds, too. Raises Forbidden, Busy."""
    wanted = [("group-identifier", f"{SIGN_IN}|{sign_in_of(grant)}"), *more]

    def understood(registry: Registry) -> Parsed:
        return parse_query("Task", wanted, base=desk.door.base, registry=registry)

    found = await searching.search(desk.door, who, await searching.understood(desk.door, wanted, understood))
    return found.resources


async def given_up(desk: Desk, grants: Collection[str]) -> None:
    """Nobody has these sign-ins any more. Those that no order needs are forgotten, and ended at the EHR.

    Raises Busy.
    """
    for one in grants:
        if not await orders_of(desk, granting.server(), one, ("status", "requested,in-progress"), ("_count", "1")):
            await desk.launching.ending.forget(one)
