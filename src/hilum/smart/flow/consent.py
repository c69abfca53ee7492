"""Consent: what an app asks for, in words, line by line; what stays ticked is granted, and no more.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html, ONC's 170.315(g)(10): people may leave out single
types and kinds of data, and lasting access. Nothing is read from the form but which of our own choices were ticked.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from hilum.access.granting import grantable
from hilum.access.roles import rules
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import User
from hilum.oauth.scopes import Asked
from hilum.smart import looking, words
from hilum.smart.flow import choices
from hilum.smart.flow.choices import GROUPS, Choice
from hilum.smart.flow.possible import PATIENT, consent_needed, possible
from hilum.smart.going import Allowed
from hilum.smart.people import places, users
from hilum.web.message import Answer, Form

if TYPE_CHECKING:
    from hilum.smart.going import Going
    from hilum.smart.people.sessions import Session
    from hilum.smart.people.users import Account
    from hilum.smart.site import Site

IDENTITY: Final = frozenset(("openid", "fhirUser", "profile"))
OFFLINE: Final = "offline_access"
ONLINE: Final = "online_access"
AROUND: Final = "around"
FEW: Final = 8
"""Lines about changes that stand open; more of them are folded."""


class Consent:
    """The last step of a flow."""

    name = "consent"

    async def needed(self, site: Site, going: Going, session: Session) -> bool:
        """Where the user has to be asked, always: what was allowed before is no answer to what is asked now."""
        account = await users.get(site.ledger, session.user) if session.user else None
        return account is not None and consent_needed(going, account.user)

    async def show(self, site: Site, going: Going, session: Session, message: str = "") -> Answer:
        """The page. Raises OAuthError `invalid_scope` when there is nothing to ask for."""
        account = await _account(site, session)
        most = possible(site, going, account.user)
        if not most.resources and not most.flags & IDENTITY:
            raise OAuthError("invalid_scope", "Nothing of what is asked for can be granted to this app and this user.")
        place = places.in_flow(going, self.name)
        return site.page(
            "consent.html",
            targets=place.targets,
            message=message,
            client=going.client,
            levels=_levels(most),
            whose=await _whose(site, going, account),
            user=account.user,
            staff=PATIENT not in account.user.roles,
            identity=bool(most.flags & IDENTITY),
            offline=OFFLINE in most.flags,
            online=ONLINE in most.flags,
            **place.values(site, session),
        )

    async def take(self, site: Site, going: Going, session: Session, form: Form) -> Allowed:
        """What stayed ticked. Raises OAuthError `access_denied` when nothing did."""
        account = await _account(site, session)
        ticked = [key for value in form.all("allow") for key in value.split(" ")]
        left = allowed(site, account.user, possible(site, going, account.user), ticked)
        if not left.resources and not left.flags & IDENTITY:
            raise OAuthError("access_denied", "The user did not allow anything.")
        return Allowed(left)


def allowed(site: Site, user: User, most: Asked, ticked: Iterable[str]) -> Asked:
    """What is left of the most that can be allowed where this is ticked: keys of choices, `identity`, `stay`.

    Parts of what was asked for are judged by the user's roles once more, each for itself.
    """
    ticked = frozenset(ticked)
    parts = choices.granted(most.resources, ticked)
    flags = most.flags
    if "identity" not in ticked:
        flags -= IDENTITY
    if "stay" not in ticked:
        flags -= {OFFLINE, ONLINE}
    if parts != most.resources:
        parts = grantable(Asked(parts), most.resources, rules(user.roles, site.roles))
    return Asked(parts, most.wishes, flags)


def _levels(most: Asked) -> list[dict[str, Any]]:
    """The choices as the page has them: by level, then group; kinds below their type."""
    found = choices.choices(most.resources)
    levels = []
    for level in ("patient", "user"):
        groups = []
        for group, _ in GROUPS:
            lines = _lines([one for one in found if (one.level, one.group) == (level, group)])
            if lines:
                title = words.words()["groups"][group]
                groups.append({"title": title, "lines": lines, "folded": group != choices.SEE and len(lines) > FEW})
        if groups:
            levels.append({"level": level, "groups": groups})
    return levels


def _lines(found: list[Choice]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    kinds = {one.type for one in found if one.rest and one.type != "*"}
    around = [one for one in found if one.type in words.words()[AROUND] and not one.search]
    seen: set[str] = set()
    for one in found:
        if (one.type == "*" and one.rest) or one in around:
            continue
        if one.type not in kinds:
            lines.append({"value": one.key, "title": _title(one), "kinds": []})
        elif one.type not in seen:
            seen.add(one.type)
            of_type = [other for other in found if other.type == one.type]
            inner = [{"value": other.key, "title": _title(other)} for other in of_type]
            lines.append({"value": "", "title": words.type_in_words(one.type), "kinds": inner})
    if around:
        names = ", ".join(words.type_in_words(one.type).lower() for one in around)
        title = f"What the record mentions: {names}"
        lines.append({"value": " ".join(one.key for one in around), "title": title, "kinds": []})
    lines += [{"value": one.key, "title": _title(one), "kinds": []} for one in found if one.type == "*" and one.rest]
    return lines


def _title(one: Choice) -> str:
    if one.rest and one.type == "*":
        return "Anything else, also what is added later (only together with all of the above)"
    if one.rest:
        return "Other kinds (only together with all of these)"
    return words.search_in_words(one.type, one.search) if one.search else words.type_in_words(one.type)


async def _whose(site: Site, going: Going, account: Account) -> dict[str, Any] | None:
    """The patient in context: name, and what tells them from others; None where there is none."""
    id = going.record.patient
    if not id:
        return None
    mine = account.user.fhir_user == f"Patient/{id}"
    found = await looking.read(site, account, "Patient", id)
    name = words.name(found.body) if found is not None else ""
    about = words.about(found.body) if found is not None else ""
    return {"name": name or f"Patient {id}", "about": about, "mine": mine}


async def _account(site: Site, session: Session) -> Account:
    account = await users.get(site.ledger, session.user)
    if account is None:
        raise OAuthError("access_denied", "The user is not known any more.")
    return account
