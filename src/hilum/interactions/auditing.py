"""Reading and searching what the server itself recorded: AuditEvents that are rendered when somebody asks for them.

Only for who was given AuditEvent by name, all of them: a scope for `*` is for health data, and not for the server's own
log. AuditEvents that others sent are resources like any other, and come after hilum's own.
"""

from __future__ import annotations

from typing import Final

import msgspec

from hilum.access.policy import EVERYTHING, Principal
from hilum.audit.event import id_of
from hilum.audit.select import ALONE, Audits
from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.problems import Invalid, MethodNotAllowed
from hilum.search.query import Query
from hilum.store.interface import Page

TYPE: Final = "AuditEvent"
OWN_DEFINITION: Final = "hilum-"
"""How ids of the OperationDefinitions begin that the server itself serves."""
_OWN: Final = "own:"
_OTHERS: Final = "others:"
"""How a position begins: within hilum's own events, or within those that follow."""
_ORDERS: Final = ((), (("date", True),), (("_lastUpdated", True),))


def may(who: Principal, letter: str) -> bool:
    """Whether `who` may see hilum's own events."""
    return who.policy is EVERYTHING or who.policy.names(TYPE, letter)


def meant(door: Door, who: Principal, query: Query) -> Audits | None:
    """Whom to ask where a search is for hilum's own events, too."""
    if door.audits is None or query.types != (TYPE,) or not may(who, "s"):
        return None
    return door.audits


async def read(door: Door, who: Principal, id: str) -> Resource | None:
    """One of hilum's own events; None where it is none, or not for `who`."""
    if door.audits is None or not may(who, "r"):
        return None
    return await door.audits.read(id)


async def search(door: Door, audits: Audits, query: Query) -> Page:
    """A page: hilum's own events, newest first, then what else there is. Raises Invalid, Unprocessable."""
    order = tuple((key.code, key.down) for key in query.sort)
    if order not in _ORDERS or query.includes or query.contained is not None:
        raise Invalid(ALONE)
    clauses = query.parts[0].clauses
    after = query.after or _OWN
    total: int | None = None
    if query.total == "accurate" and query.after is None:
        total = await audits.count(clauses)
    if after.startswith(_OTHERS):
        return await _others(door, query, after.removeprefix(_OTHERS) or None, query.count, ())
    if not query.count:
        return Page((), None, _sum(total, (await _others(door, query, None, 0, ())).total))
    found = await audits.search(clauses, count=query.count, after=after.removeprefix(_OWN) or None)
    left = query.count - len(found.resources)
    if found.next is not None:
        beside = (await _others(door, query, None, 0, ())).total if total is not None else None
        return Page(found.resources, _OWN + found.next, _sum(total, beside))
    if not left:  # whether others follow is seen on the next page
        beside = (await _others(door, query, None, 0, ())).total if total is not None else None
        return Page(found.resources, _OTHERS, _sum(total, beside))
    page = await _others(door, query, None, left, found.resources)
    return Page(page.resources, page.next, _sum(total, page.total))


async def _others(door: Door, query: Query, after: str | None, count: int, before: tuple[Resource, ...]) -> Page:
    """AuditEvents of the store, after those of `before`."""
    asked = msgspec.structs.replace(query, after=after, count=count, kept=False)
    page = await door.store.search(asked)
    next = None if page.next is None else _OTHERS + page.next
    return Page((*before, *page.resources), next, page.total)


def _sum(own: int | None, others: int | None) -> int | None:
    return None if own is None else own + (others or 0)


def refuse_own(type: str, id: object) -> None:
    """Ids of hilum's own events and definitions are not written by anyone. Raises MethodNotAllowed."""
    if type == TYPE and isinstance(id, str) and id_of(id) is not None:
        raise MethodNotAllowed("The server's own AuditEvents are never changed.", ("GET", "HEAD"))
    if type == "OperationDefinition" and isinstance(id, str) and id.startswith(OWN_DEFINITION):
        raise MethodNotAllowed(f"Ids that begin with {OWN_DEFINITION!r} are the server's own here.", ("GET", "HEAD"))
