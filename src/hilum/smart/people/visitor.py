"""Who looks at a page that stands by itself: someone signed in, or they are sent to sign in first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hilum.smart.people import places, sessions, users
from hilum.web.message import Answer, Asked, see_other

if TYPE_CHECKING:
    from hilum.smart.people.sessions import Session
    from hilum.smart.people.users import Account
    from hilum.smart.site import Site

FRESH: Final = 15 * 60
"""Seconds after which a sign-in is too old to change how one signs in."""
MY_APPS: Final = "/my/apps"
LAUNCH: Final = "/launch"
VIDEOS: Final = "/videos"
DEVICES: Final = "/devices"
"""Pages of other rooms, for who may choose any patient."""
ADMIN: Final = "/admin"


class Link(NamedTuple):
    """Where pages lead to. `here`: one is there."""

    path: str
    title: str
    here: bool


class Visitor(NamedTuple):
    """A browser and whose it is. `path`: of what is asked."""

    session: Session
    account: Account
    path: str = ""

    def pages(self, site: Site) -> frozenset[str]:
        """The administrators' pages (`Role.console`) that the user's roles open."""
        return frozenset[str]().union(
            *(site.roles[name].console for name in self.account.user.roles if name in site.roles)
        )

    def nav(self, site: Site) -> tuple[Link, ...]:
        """The pages that the user's roles open, for the head of each of them."""
        picks = {site.roles[name].picks for name in self.account.user.roles if name in site.roles}
        found = (
            (LAUNCH, "Launch an app", bool(picks - {"none"})),
            (VIDEOS, "Videos", "any" in picks),
            (DEVICES, "Devices", "any" in picks),
            (ADMIN, "Admin", bool(self.pages(site))),
            (MY_APPS, "My apps", True),
            (places.HOME, "Account", True),
        )
        return tuple(Link(path, title, self._at(path)) for path, title, open in found if open)

    def _at(self, path: str) -> bool:
        return self.path == path or self.path.startswith(f"{path}/")

    def page(
        self,
        site: Site,
        template: str,
        status: int = 200,
        *,
        targets: Sequence[str] = (),
        script: bool = False,
        **values: Any,
    ) -> Answer:
        """As `Site.page`, with the links of who is signed in."""
        return site.page(template, status, targets=targets, script=script, nav=self.nav(site), **values)


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
    return Visitor(session, account, asked.path)
