"""Who is signed in in a browser, for the pages of other rooms (`hilum.video.pages.desk.People`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from hilum.oauth import scopes
from hilum.rest.edge import ANYONE
from hilum.smart.looking import principal
from hilum.smart.people import sessions, users
from hilum.smart.people.visitor import Visitor, visitor
from hilum.smart.site import Site
from hilum.video.pages.desk import SignedIn
from hilum.web.message import Answer, Asked
from hilum.web.pages import of_our_own

_REACH: Final = scopes.parse("user/*.cruds")
"""All that the user's roles allow: it is hilum's own pages that ask, and no app."""


@dataclass(frozen=True, slots=True)
class Visiting:
    """As the authorization server knows it."""

    site: Site

    async def visitor(self, asked: Asked) -> SignedIn | Answer:
        """Who asks; an Answer sends to sign in. Raises Forbidden where the form is none of ours, Busy."""
        found = await visitor(self.site, asked)
        return found if isinstance(found, Answer) else self._signed(found)

    async def known(self, asked: Asked) -> SignedIn | None:
        """Who is signed in. Raises Busy."""
        session = await sessions.opened(self.site, asked)
        account = await users.get(self.site.ledger, session.user) if session.user else None
        if account is None or account.user.disabled:
            return None
        return self._signed(Visitor(session, account, asked.path))

    async def called(self, agent: str) -> str:
        """The name of a user; of whoever is none, what the record says. Raises Busy."""
        try:
            account = await users.get(self.site.ledger, agent)
        except ValueError:  # no account's id: an app's, or the name of whoever gave a command
            return agent
        return agent if account is None else account.user.display or account.user.name

    def _signed(self, found: Visitor) -> SignedIn:
        user = found.account.user
        return SignedIn(
            principal(self.site, found.account, _REACH),
            user.display or user.name,
            found.nav(self.site),
            partial(sessions.csrf, self.site, found.session),
        )


@dataclass(frozen=True, slots=True)
class Anyone:
    """Where nobody signs in (`--auth none`): whoever comes may do everything. `origin`: of our own pages."""

    origin: str

    async def visitor(self, asked: Asked) -> SignedIn | Answer:
        """Raises Forbidden where a form is none of ours."""
        if asked.method == "POST":
            of_our_own(self.origin, asked.headers)
        return SignedIn(ANYONE, "anyone", (), lambda path: "")

    async def known(self, asked: Asked) -> SignedIn | None:
        """Nobody has signed in."""
        return None

    async def called(self, agent: str) -> str:
        """As the record says it."""
        return agent
