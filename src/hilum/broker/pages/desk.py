"""What every page of the broker gets, and who it is that has signed in at an EHR in this browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

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

SELF: Final = b"same-origin"


def templates() -> Environment:
    """The pages' templates: everything is escaped, and what is not given is an error."""
    return Environment(
        loader=PackageLoader("hilum.broker.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


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
    templates: Environment = field(default_factory=templates)

    @property
    def environment(self) -> str:
        """Whose EHRs these are."""
        return self.launching.parties.connections.environment

    def page(self, template: str, status: int = 200, grant: Grant | None = None, **values: Any) -> Answer:
        """A page from its template. With a grant, pages of its EHR may show it in a frame: that is how some EHRs open
        apps, and whose session the browser keeps for the page of that one alone (`hilum.web.cookies`, framed).
        """
        here = {"environment": self.environment, "organization": self.organization}
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


def of_our_own(desk: Desk, headers: Mapping[bytes, bytes]) -> None:
    """Judge whether a form is of one of our own pages: cookies come along with those of other sites, too.

    A browser says so by itself, by one header or both: https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header and
    https://fetch.spec.whatwg.org/#origin-header. Raises Forbidden.
    """
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    ours = origin in (None, desk.launching.origin.encode()) and site in (None, SELF)
    if not ours or (site is None and origin is None):
        raise Forbidden(
            "This form was not sent from a page of this server, or the browser does not tell, so nothing was done."
        )


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
