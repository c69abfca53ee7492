"""Apps that one has allowed something, and how to stop them: what they could reach ends in every process at once.

ONC's 170.315(g)(10)(vi): a patient revokes an app's access, and within an hour it has none; here it is seconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from hilum.oauth import scopes
from hilum.oauth.ledger import FRESH, GRANT, Grant
from hilum.oauth.scopes import Scope
from hilum.problems import NotFound
from hilum.smart import looking, words
from hilum.smart.apps import clients
from hilum.smart.flow.choices import GROUPS
from hilum.smart.people import sessions
from hilum.smart.people.visitor import MY_APPS, Visitor, visitor
from hilum.smart.site import unknown
from hilum.smart.tokens import granted
from hilum.smart.tokens.granted import ACCESS_SECONDS, CODE_SECONDS, Standing
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

PATH: Final = MY_APPS
REMINDED: Final = 90 * 24 * 3600
"""Seconds after which a person is asked whether an app that may come by itself is still in use."""


async def overview(site: Site, asked: Asked) -> Answer:
    """GET /my/apps"""
    who = await visitor(site, asked)
    if isinstance(who, Answer):
        return who
    apps = [await _shown(site, who, one) async for one in _of(site, who)]
    old = [app for app in apps if app["old"]]
    return who.page(site, "my-apps.html", apps=apps[::-1], old=old, stopped="stopped" in asked.query)


async def stop(site: Site, asked: Asked, grant: str) -> Answer:
    """GET /my/apps/{grant}/revoke: whether one is sure. POST: the access ends. Raises NotFound."""
    who = await visitor(site, asked)
    if isinstance(who, Answer):
        return who
    found = await _standing(site, who, grant)
    if asked.method == "POST":
        await granted.end(site, grant, "its user stopped it")
        about = {"grant": grant, "by": "user"}
        await site.trail.certain(unknown(found.grant.client, who.account.id), "revoke", 200, about)
        return see_other(f"{PATH}?stopped=1")
    path = f"{PATH}/{grant}/revoke"
    csrf = sessions.csrf(site, who.session, path)
    return who.page(site, "stop.html", app=await _shown(site, who, found), action=path, csrf=csrf)


async def _of(site: Site, who: Visitor) -> AsyncIterator[Standing]:
    """The user's grants by which an app can get something now, the oldest first."""
    after = b""
    while rows := await site.ledger.of(GRANT, owner=who.account.key, after=after):
        for row in rows:
            found = await granted.standing(site, row.key, row.peer.decode()) if row.state == FRESH else None
            if found is not None and lives(site, found.grant):
                yield found
        after = rows[-1].key


def lives(site: Site, grant: Grant) -> bool:
    """Whether a token of it can hold: without a refresh token it is over after an hour."""
    return grant.offline or bool(grant.session) or site.clock() <= grant.created + CODE_SECONDS + ACCESS_SECONDS


async def _standing(site: Site, who: Visitor, id: str) -> Standing:
    async for one in _of(site, who):
        if one.id == id:
            return one
    raise NotFound("There is no such app, or its access was stopped before.")


async def _shown(site: Site, who: Visitor, one: Standing) -> dict[str, Any]:
    client = await clients.get(site.ledger, one.grant.client)
    whose = ""
    if one.grant.patient and f"Patient/{one.grant.patient}" != who.account.user.fhir_user:
        found = await looking.read(site, who.account, "Patient", one.grant.patient)
        whose = (words.name(found.body) if found is not None else "") or f"Patient {one.grant.patient}"
    return {
        "id": one.id,
        "logo": client.client.logo if client is not None else "",
        "old": one.grant.offline and site.clock() - one.grant.created > REMINDED,
        "name": client.client.name if client is not None else one.grant.client,
        "contacts": client.client.contacts if client is not None else (),
        "whose": whose,
        "what": in_words(scopes.parse(one.grant.scopes)),
        "since": _day(one.grant.created),
        "used": _day(one.grant.used) if one.grant.used else "",
        "offline": one.grant.offline,
    }


def in_words(resources: Iterable[Scope]) -> list[tuple[str, str]]:
    """What scopes allow, by what is done with it: `("See", "allergies, lab results")`."""
    found: dict[str, dict[str, None]] = {}
    for scope in resources:
        for group, letters in GROUPS:
            if scope.interactions & frozenset(letters):
                found.setdefault(words.words()["groups"][group], {})[_title(scope)] = None
    titles = (words.words()["groups"][group] for group, _ in GROUPS)
    return [(title, ", ".join(found[title])) for title in titles if title in found]


def _title(scope: Scope) -> str:
    if scope.search:
        return words.search_in_words(scope.type, scope.search).lower()
    return "everything" if scope.type == "*" else words.type_in_words(scope.type).lower()


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


ROUTES: Final = (
    Route("GET", PATH, overview),
    Route("GET", f"{PATH}/{{grant}}/revoke", stop),
    Route("POST", f"{PATH}/{{grant}}/revoke", stop),
)
