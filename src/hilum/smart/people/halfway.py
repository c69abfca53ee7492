"""The pages between a right password and being signed in; the second step of a flow, and the same by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup
from msgspec import structs

from hilum.smart.going import Done
from hilum.smart.people import places, second, sessions, totp, users
from hilum.smart.people.places import Place
from hilum.smart.people.second import KEPT, OTP, Refused
from hilum.web.message import Answer, Asked, Form, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.going import Going
    from hilum.smart.people.sessions import Session
    from hilum.smart.people.users import Account
    from hilum.smart.site import Site

PATH: Final = "/auth/sign-in/second"

PAGES: Final = {"code": "second.html", "password": "new-password.html", "enrol": "enrol.html", KEPT: "kept.html"}
"""What is due -> its template."""


async def page(
    site: Site, session: Session, account: Account, place: Place, refused: Refused | None = None, sent: str = ""
) -> Answer:
    """The page of what is due. `sent`: what the form was about that was refused."""
    what = await second.due(site, account, session.factors) or KEPT
    values: dict[str, Any] = place.values(site, session) | {"message": str(refused or ""), "name": account.user.name}
    if what == "enrol":
        values |= await drawn(site, session, account) | {"required": True}
    answer = site.page(
        PAGES[what],
        200 if refused is None else refused.status,
        targets=place.targets,
        recovery=sent == "recovery",
        first=True,
        **values,
    )
    answer.headers += () if refused is None else refused.headers
    return answer


async def drawn(site: Site, session: Session, account: Account) -> dict[str, Any]:
    """The secret of an app that is being set up, as a picture and as text."""
    secret = await second.pending(site, session)
    uri = totp.uri(secret, account.user.name, site.settings.organization)
    return {"qr": Markup(totp.qr(uri)), "secret": totp.spaced(secret)}  # noqa: S704 - drawn by segno, holds no text


async def taken(
    site: Site, asked: Asked, session: Session, account: Account, form: Form, place: Place
) -> Session | Answer:
    """The session after what was sent: a new one, signed in or half way still. An Answer: nothing has changed, or the
    recovery codes, which are shown this once. Raises Refused.
    """
    what = await second.due(site, account, session.factors) or KEPT
    if form.get("what") == "recovery" and what == "code":
        what = "recovery"
    if form.get("what") != what:
        raise Refused("This page was sent twice, or is too old. Here is what is to be done now.")
    factors = session.factors
    if what in ("code", "recovery"):
        account = await second.check_code(site, account, form)
        factors = (*factors, OTP)
    elif what == "password":
        account = await second.new_password(site, account, form)
    elif what == "enrol":
        account, codes = await second.enrolled(site, account, session, form)
        for factor in (OTP, KEPT):
            session = await sessions.marked(site, session, factor)
        return site.page("recovery.html", targets=place.targets, codes=codes, half=True, **place.values(site, session))
    return await second.begun(site, session, account, [one for one in factors if one != KEPT], asked, "second-factor")


class Second:
    """The step of a flow after `SignIn`."""

    name = "second"

    async def needed(self, site: Site, going: Going, session: Session) -> bool:
        """While somebody is half way signed in."""
        return bool(session.half)

    async def show(self, site: Site, going: Going, session: Session, message: str = "") -> Answer:
        """The page of what is due."""
        account = await _account(site, session)
        if account is None:
            return see_other(going.path, await sessions.ended(site, session))
        refused = Refused(message) if message else None
        return await page(site, session, account, places.in_flow(going, self.name), refused)

    async def take(self, site: Site, going: Going, session: Session, form: Form) -> Done | Answer:
        """What was sent."""
        account = await _account(site, session)
        if account is None:
            return see_other(going.path, await sessions.ended(site, session))
        place = places.in_flow(going, self.name)
        try:
            new = await taken(site, going.asked, session, account, form, place)
        except Refused as refused:
            return await page(site, session, account, place, refused, form.get("what"))
        return new if isinstance(new, Answer) else Done(structs.replace(going.record, pre=new.key), new.headers)


async def show_alone(site: Site, asked: Asked) -> Answer:
    """GET /auth/sign-in/second"""
    session = await sessions.opened(site, asked)
    place = places.alone(asked.query, PATH)
    account = await _account(site, session)
    if account is None:
        if session.user:
            return see_other(place.next)
        return see_other(places.onward("/auth/sign-in", place.next), await sessions.ended(site, session))
    return await page(site, session, account, place)


async def take_alone(site: Site, asked: Asked) -> Answer:
    """POST /auth/sign-in/second. Raises Forbidden when the form is not ours."""
    session = await sessions.opened(site, asked)
    sessions.check(site, session, asked)
    place = places.alone(asked.form, PATH)
    account = await _account(site, session)
    if account is None:
        return see_other(places.onward("/auth/sign-in", place.next))
    try:
        new = await taken(site, asked, session, account, asked.form, place)
    except Refused as refused:
        return await page(site, session, account, place, refused, asked.form.get("what"))
    if isinstance(new, Answer):
        return new
    return see_other(places.onward(PATH, place.next) if new.half else place.next, new.headers)


async def _account(site: Site, session: Session) -> Account | None:
    """Who is half way signed in here; None when the account is gone or shut out."""
    account = await users.get(site.ledger, session.half) if session.half else None
    return None if account is None or account.user.disabled else account


ROUTES: Final = (
    Route("GET", PATH, show_alone),
    Route("POST", PATH, take_alone),
)
