"""What every page of the broker gets, and who it is that has signed in at an EHR in this browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment

from hilum.access.policy import Principal
from hilum.audit.recording import SILENT, Trail
from hilum.broker.connection import Connection
from hilum.broker.destinations import Destinations
from hilum.broker.far import Failed
from hilum.broker.grants import Grant, Kept
from hilum.broker.launching import Launching
from hilum.broker.orders import Orders
from hilum.broker.recipes import Recipes
from hilum.interactions import granting
from hilum.interactions.door import Door
from hilum.problems import Forbidden, NotFound
from hilum.web import message
from hilum.web.addresses import Target, target
from hilum.web.limits import Limits
from hilum.web.message import Answer, Asked
from hilum.web.pages import SELF
from hilum.web.templating import Here, templates


@dataclass(frozen=True)
class Desk:
    """`organization`: who runs this hilum, as people read it. `recipes`: those that there are now."""

    launching: Launching
    orders: Orders
    destinations: Destinations
    recipes: Callable[[], Recipes]
    door: Door
    organization: str
    trail: Trail = SILENT
    limits: Limits = field(default_factory=Limits)
    templates: Environment = field(default_factory=lambda: templates("hilum.broker.pages"))

    @property
    def environment(self) -> str:
        """Whose EHRs these are."""
        return self.launching.parties.connections.environment

    def page(self, template: str, status: int = 200, grant: Grant | None = None, **values: Any) -> Answer:
        """A page from its template. With a grant, pages of its EHR may show it in a frame: that is how some EHRs open
        apps, and whose session the browser keeps for the page of that one alone (`hilum.web.cookies`, framed).
        """
        here = Here(self.organization, self.environment)
        html = self.templates.get_template(template).render(here=here, **values)
        return _of_browser(message.page(html, status), () if grant is None else _origins(grant))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A grant of this browser, and the connection that it is of."""

    kept: Kept
    connection: Connection

    @property
    def title(self) -> str:
        """What people call the EHR."""
        return self.connection.title or self.connection.name

    @property
    def name(self) -> str:
        """Which user of which EHR."""
        return named(self.kept.grant)

    @property
    def principal(self) -> Principal:
        """hilum itself, for that user."""
        return granting.server(self.name)


def named(grant: Grant) -> str:
    """Which user of which EHR it is; an EHR need not say who."""
    return f"{grant.connection}: {grant.fhir_user or grant.subject or 'somebody whom the EHR does not name'}"


async def signed_in(desk: Desk, asked: Asked) -> list[SignedIn]:
    """Where this browser is signed in, the newest first; one for each EHR. Raises Busy."""
    found: dict[str, SignedIn] = {}
    for id in reversed(await desk.launching.sessions.grants(asked.headers)):
        try:
            kept = await desk.launching.grants.get(id)
            connection = await desk.launching.parties.connection(kept.grant.connection)
        except (Failed, NotFound, Forbidden):
            continue
        if (connection.base, connection.client_id) == (kept.grant.base, kept.grant.client_id):
            found.setdefault(connection.name, SignedIn(kept, connection))
    return list(found.values())


async def at(desk: Desk, asked: Asked, ehr: str) -> SignedIn:
    """The sign-in at this EHR. Raises Forbidden where there is none in this browser, Busy."""
    for one in await signed_in(desk, asked):
        if one.connection.name == ehr:
            return one
    raise Forbidden("Nobody is signed in at this EHR in this browser, or that was more than an hour ago.")


def _of_browser(answer: Answer, framed: tuple[str, ...]) -> Answer:
    """The same, its own forms telling their origin, and to be shown in frames of these origins."""
    headers = [(name, SELF if name == b"referrer-policy" else value) for name, value in answer.headers]
    if framed:
        inner = "frame-ancestors 'self' " + " ".join(framed)
        headers = [
            (name, value.replace(b"frame-ancestors 'none'", inner.encode()))
            for name, value in headers
            if name != b"x-frame-options"
        ]
    return Answer(answer.status, headers, answer.body)


def _origins(grant: Grant) -> tuple[str, ...]:
    """Those of the EHR. What it calls itself is a word of its own, and need not be a URL."""
    found = (target(url) for url in (grant.base, grant.issuer))
    return tuple(dict.fromkeys(f"{one.scheme}://{one.authority}" for one in found if isinstance(one, Target)))
