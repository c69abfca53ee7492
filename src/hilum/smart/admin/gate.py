"""Who may see which of the administrators' pages, and how lately they must have signed in to change something.

A page is opened by the `console` right of a role (`access/roles.toml`), and shows no more than its roles may read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hilum.access.policy import Principal
from hilum.oauth import scopes
from hilum.problems import Forbidden
from hilum.smart import looking
from hilum.smart.people import places, second, sessions
from hilum.smart.people.visitor import ADMIN, FRESH, Link, Visitor, visitor
from hilum.web.message import Answer, Asked, see_other

if TYPE_CHECKING:
    from hilum.smart.site import Site

PAGES: Final = {
    "clients": "Apps",
    "users": "People",
    "consents": "Consents",
    "audit": "Audit",
    "brand": "Brand",
    "guides": "Guides",
    "ehrs": "EHRs",
    "orders": "Orders",
}
"""Pages (`Role.console`) -> their titles, in their order."""
_READS: Final = {"consents": "Consent", "audit": "AuditEvent", "orders": "Task"}
"""Pages -> the type that one's roles have to let one read, all of it and by name, to see anything there."""
_GRACE: Final = 15 * 60
"""Seconds that one has for a form that was opened while the sign-in was fresh."""
REACH: Final = scopes.parse("user/Patient.rs user/Consent.rs user/AuditEvent.rs user/Task.rs")


class Admin(NamedTuple):
    """Who is on an administrators' page, and on which."""

    visitor: Visitor
    site: Site
    name: str

    @property
    def id(self) -> str:
        """The user's."""
        return self.visitor.account.id

    @property
    def principal(self) -> Principal:
        """The user, as the audit knows who does something, and as FHIR knows who asks."""
        return looking.principal(self.site, self.visitor.account, REACH)

    @property
    def open(self) -> frozenset[str]:
        """The pages that the user's roles open."""
        return self.visitor.pages(self.site)

    def csrf(self, path: str) -> str:
        """What a form that is sent to `path` has to hold."""
        return sessions.csrf(self.site, self.visitor.session, path)

    async def tell(self, event: str, about: dict[str, str], status: int = 200) -> None:
        """Audit what is about to be done: it is on disk when this returns. Raises Busy."""
        await self.site.trail.certain(self.principal, event, status, about)

    def page(self, template: str, status: int = 200, **values: Any) -> Answer:
        """A page, with the links to the others."""
        tabs = [Link(f"{ADMIN}/{name}", title, name == self.name) for name, title in PAGES.items() if name in self.open]
        return self.visitor.page(self.site, template, status, tabs=tabs, admin=self, **values)


async def admin(site: Site, asked: Asked, name: str = "", *, change: bool = False, back: str = "") -> Admin | Answer:
    """Who asks for the page of that name ("": for the first one, which every right opens); an Answer sends to sign in.

    `change`: something is, or is about to be, changed, so that the sign-in has to be fresh; from a form that is too old
    one comes back to `back`. Raises Forbidden, which is audited where somebody is signed in.
    """
    who = await visitor(site, asked)
    if isinstance(who, Answer):
        return who
    found = Admin(who, site, name)
    if not (name in found.open or (not name and found.open)):
        await found.tell("admin", {"page": asked.path}, 403)
        raise Forbidden("This page is for those who run the server. Your roles do not open it.")
    posted = asked.method == "POST"
    place = (back or f"{ADMIN}/{name}") if posted else asked.path
    missing = second.required(site, who.account.user) and not second.PROVEN & set(who.session.factors)
    old = change and site.clock() - who.session.at > FRESH + (_GRACE if posted else 0)
    if missing or old:
        return see_other(places.onward("/auth/sign-in", place, again="1"), who.session.headers)
    if name in _READS and not all(found.principal.policy.names(_READS[name], letter) for letter in "rs"):
        await found.tell("admin", {"page": asked.path}, 403)
        raise Forbidden(f"Your roles open this page, but don't let you read {_READS[name]}.")
    return found
