"""Whether the content of a Binary may come at all: judged before its gigabytes are taken in, and again by the
commit.
"""

from __future__ import annotations

from hilum.access.policy import Principal
from hilum.interactions.build import check_match, checked, rows_of
from hilum.interactions.contents import TYPE, Body
from hilum.interactions.door import Door
from hilum.interactions.permit import absent, judged_by, lying, may_hold, permits, seen, unlimited
from hilum.interactions.update import check_new
from hilum.search.index import index


async def foresee(
    door: Door,
    who: Principal,
    letter: str,
    body: Body,
    id: str | None = None,
    if_match: str | None = None,
    *,
    only_new: bool = False,
) -> None:
    """Raise what the create or update of this Binary, here without its content, would raise by what is stored now."""
    allowed = permits(who, TYPE, letter)
    await checked(door, TYPE, body)
    current = None
    if id is not None:
        current = await seen(door, who, allowed, TYPE, id)
        check_match(if_match, current)
        check_new(only_new, current)
        if current is None and not unlimited(allowed):
            raise absent(TYPE, id)
    registry = door.store.catalogue.registry
    lent = await judged_by(door, who, allowed, current, body)
    new, old = index(TYPE, body, id, registry), rows_of(current, registry)
    may_hold(allowed, id or "", lying(new, lent, 1), lying(old, lent, 0))
