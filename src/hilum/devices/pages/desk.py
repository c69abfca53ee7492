"""What every page of devices gets, and who it is that has signed in in this browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from jinja2 import Environment

from hilum.access.policy import Principal
from hilum.audit.recording import SILENT, Trail
from hilum.devices.registry import Registry
from hilum.interactions import search as searching
from hilum.interactions.door import Door
from hilum.problems import Forbidden
from hilum.search.parameters import Registry as Parameters
from hilum.search.parse import Parsed, parse_query
from hilum.store.interface import Page
from hilum.web import message, uri
from hilum.web.message import Answer, Asked
from hilum.web.templating import Here, templates

PACKAGE: Final = "hilum.devices.pages"
PATH: Final = "/devices"
NOBODY: Final = Page((), None)


class SignedIn(Protocol):
    """Who is signed in in this browser."""

    @property
    def who(self) -> Principal:
        """The person, within the roles."""

    @property
    def nav(self) -> Sequence[Any]:
        """The pages that are open to them."""

    @property
    def csrf(self) -> Callable[[str], str]:
        """What a form that is sent to this path has to hold as `csrf`."""


class People(Protocol):
    """Who signs in here: what is asked of the authorization server."""

    async def visitor(self, asked: Asked) -> SignedIn | Answer:
        """Who asks; an Answer sends to sign in. Of a POST the form is checked: raises Forbidden."""

    async def called(self, agent: str) -> str:
        """The name of whoever did something, by what the record says of them."""


@dataclass(frozen=True)
class Desk:
    """`organization`: who runs this hilum, as people read it. `clock`: seconds since 1970."""

    registry: Registry
    people: People
    door: Door
    organization: str
    environment: str
    trail: Trail = SILENT
    templates: Environment = field(default_factory=lambda: _templates())
    clock: Callable[[], float] = time.time

    def page(self, template: str, status: int = 200, **values: Any) -> Answer:
        """A page from its template."""
        here = Here(self.organization, self.environment)
        values.setdefault("ago", self.ago)
        return message.page(self.templates.get_template(template).render(here=here, **values), status)

    def ago(self, seconds: int) -> str:
        """How long something is past, in words; "never" for 0."""
        if not seconds:
            return "never"
        past = max(0, int(self.clock()) - seconds)
        for size, name in _SIZES:
            if past >= 2 * size:
                return f"{past // size} {name} ago"
        return "just now"

    async def found(self, here: SignedIn, type: str, wanted: Sequence[tuple[str, str]]) -> Page:
        """What these search parameters find of what this person may see, noted as every other access.

        Nothing for who may see none. Raises Invalid, TooCostly, Busy.
        """

        def understood(parameters: Parameters) -> Parsed:
            return parse_query(type, wanted, base=self.door.base, registry=parameters)

        try:
            page = await searching.search(
                self.door, here.who, await searching.understood(self.door, wanted, understood)
            )
        except Forbidden:
            return NOBODY
        shown = tuple(one.seq for one in page.resources)
        ticket = self.trail.note(here.who, "search-type", type, "", 0, 200, uri.encode(list(wanted)), shown)
        await self.trail.flushed(ticket)
        return page


_SIZES: Final = ((86_400, "days"), (3_600, "hours"), (60, "minutes"))


def moment(seconds: int) -> str:
    """An instant, as people read it; "" for none."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC" if seconds else ""


def _templates() -> Environment:
    found = templates(PACKAGE)
    found.filters["moment"] = moment
    return found
