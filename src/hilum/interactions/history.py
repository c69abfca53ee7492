"""FHIR history of an instance, a type or everything. https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hilum.access.policy import Principal
from hilum.fhir.definitions import TYPES
from hilum.fhir.resource import Resource
from hilum.interactions import auditing
from hilum.interactions.door import Door
from hilum.interactions.permit import absent, permits, permits_for, types_permitted, visible
from hilum.store.interface import HistoryQuery, Versions


async def history(
    door: Door,
    who: Principal,
    type: str | None = None,
    id: str | None = None,
    *,
    since: int | None = None,
    at: tuple[int, int] | None = None,
    before: int | None = None,
    count: int = 20,
    total: bool = True,
) -> Versions:
    """Versions, newest first, each judged by its own compartments and content.

    `next` is the `before` of the following page.

    `since` and `at` are microseconds since 1970. An instance needs 'r', a type or everything 's'
    (https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html). Raises NotFound for an instance of which
    there is no visible version, Forbidden.
    """
    if type is not None and id is not None:
        query = HistoryQuery((type,), (permits(who, type, "r"),), id, since, at, before, count, total)
        if type == auditing.TYPE and (own := await auditing.read(door, who, id)) is not None:
            return Versions((own,), None, 1)
        page = await door.store.history(query)
        if not page.resources:
            whole = replace(query, since=None, at=None, before=None, count=1, total=False)
            if whole == query or not (await door.store.history(whole)).resources:
                raise absent(type, id)
        return page
    if type is not None:
        query = HistoryQuery((type,), (permits(who, type, "s"),), None, since, at, before, count, total)
        return await door.store.history(query)
    types = types_permitted(who, TYPES, "s")
    query = HistoryQuery(types, permits_for(who, types, "s"), None, since, at, before, count, total)
    return await door.store.history(query)


async def creations(door: Door, who: Principal, page: Sequence[Resource], letter: str) -> frozenset[int]:
    """Which versions of a page (by `last_updated`, which no two share) made a resource where there was none.

    Those are the first ones, and those that a PUT put in the place of a deletion that `who` may see by this `letter`;
    the version before is mostly on the same page.
    """
    deleted = {(one.type, one.id, one.version): one.deleted for one in page}
    found: set[int] = set()
    for one in page:
        if one.version == 1 or one.method == "POST":
            found.add(one.last_updated)
        elif one.method == "PUT":
            gone = deleted.get((one.type, one.id, one.version - 1))
            if gone is None:
                before = await door.store.read(one.type, one.id, one.version - 1)
                allowed = who.policy.permits(one.type, letter)
                gone = before is not None and before.deleted and await visible(door, who, allowed, before)
            if gone:
                found.add(one.last_updated)
    return frozenset(found)
