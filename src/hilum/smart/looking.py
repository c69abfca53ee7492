"""What people look up on the pages: as themselves, within their roles, and noted as every other access."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hilum.access.granting import Context, policy
from hilum.access.policy import Principal
from hilum.access.roles import rules
from hilum.fhir.resource import Resource
from hilum.interactions import granting
from hilum.interactions import read as reading
from hilum.interactions import search as searching
from hilum.oauth import scopes
from hilum.oauth.scopes import Scope
from hilum.problems import Forbidden, Gone, NotFound
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed, parse_query
from hilum.web import uri

if TYPE_CHECKING:
    from hilum.smart.people.users import Account
    from hilum.smart.site import Site

_SCOPES: Final = scopes.parse("user/Patient.rs user/Encounter.rs user/Task.rs")


def principal(site: Site, account: Account, reach: tuple[Scope, ...] = _SCOPES) -> Principal:
    """The user, who sees what the roles allow, and no more than these scopes name."""
    user = account.user
    context = Context(user=account.id, fhir_user=user.fhir_user or None, patients=user.patients)
    return Principal(
        agent=account.id,
        client=granting.HILUM,
        token="",
        policy=policy(reach, rules(user.roles, site.roles), context),
        expires=1 << 62,
        user=account.id,
        fhir_user=user.fhir_user,
        roles=user.roles,
    )


async def read(site: Site, account: Account, type: str, id: str, reach: tuple[Scope, ...] = _SCOPES) -> Resource | None:
    """The resource; None where there is none, or the user may not see it. Raises Busy."""
    who = principal(site, account, reach)
    try:
        found = await reading.read(site.door, who, type, id)
    except (NotFound, Gone, Forbidden):
        await site.trail.flushed(site.trail.note(who, "read", type, id[:64], 0, 404, "", ()))
        return None
    ticket = site.trail.note(who, "read", type, id, found.version, 200, "", (found.last_updated,))
    await site.trail.flushed(ticket)
    return found


async def search(
    site: Site, account: Account, type: str, pairs: Sequence[tuple[str, str]], reach: tuple[Scope, ...] = _SCOPES
) -> tuple[tuple[Resource, ...], bool]:
    """The first page of what these search parameters find, and whether there is more.

    Raises Invalid where they can't be understood, Busy, TooCostly. Who may see nothing of the type finds nothing.
    """
    who = principal(site, account, reach)

    def understood(registry: Registry) -> Parsed:
        return parse_query(type, pairs, base=site.door.base, registry=registry)

    try:
        page = await searching.search(site.door, who, await searching.understood(site.door, pairs, understood))
    except Forbidden:
        return (), False
    found = tuple(page.resources)
    shown = tuple(one.last_updated for one in found)
    await site.trail.flushed(site.trail.note(who, "search-type", type, "", 0, 200, uri.encode(list(pairs)), shown))
    return found, page.next is not None
