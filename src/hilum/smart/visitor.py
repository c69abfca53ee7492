"""Who looks at a page that stands by itself: someone signed in, or they are sent to sign in first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hilum.smart import places, sessions, users
from hilum.smart.message import Answer, Asked, see_other

if TYPE_CHECKING:
    from hilum.smart.sessions import Session
    from hilum.smart.site import Site
    from hilum.smart.users import Account

FRESH: Final = 15 * 60
"""Seconds after which a sign-in is too old to change how one signs in."""


class Visitor(NamedTuple):
    """A browser and whose it is."""

    session: Session
    account: Account

    def pages(self, site: Site) -> frozenset[str]:
        """The administrators' pages (`Role.console`) that the user's roles open."""
        return frozenset[str]().union(
            *(site.roles[name].console for name in self.account.user.roles if name in site.roles)
        )


async def visitor(site: Site, asked: Asked, *, fresh: bool = False) -> Visitor | Answer:
    """Who asks; an Answer sends to sign in, and back: nobody is signed in, or with `fresh` not lately enough.

    Of a POST the form is checked: raises Forbidden when it is not ours.
    """
    session = await sessions.opened(site, asked)
    path = asked.path if asked.method in ("GET", "HEAD") else places.HOME
    account = await users.get(site.ledger, session.user) if session.user else None
    if account is None or account.user.disabled:
        return see_other(places.onward("/auth/sign-in", path), session.headers)
    if asked.method == "POST":
        sessions.check(site, session, asked)
    if fresh and site.clock() - session.at > FRESH:
        return see_other(places.onward("/auth/sign-in", path, again="1"), session.headers)
    return Visitor(session, account)
