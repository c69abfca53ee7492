"""Signing in with a name and a password: the same answer, at the same price, whatever is wrong.

https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html. Tries are counted by name in the ledger,
over all processes (`hilum.smart.people.devices`), and by address in each.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from msgspec import structs

from hilum.oauth.ledger import TRIES
from hilum.smart.going import Done
from hilum.smart.people import devices, outside, passkeys, places, second, sessions, users
from hilum.smart.people.places import Place
from hilum.smart.people.second import Refused
from hilum.smart.site import unknown
from hilum.web.message import Answer, Asked, Form, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.going import Going
    from hilum.smart.people.sessions import Session
    from hilum.smart.site import Site

MOST_TRIES: Final = 10
LOCKED: Final = 15 * 60
"""Seconds, from the first of so many tries that were wrong."""
WRONG: Final = f"User name or password is not right. After {MOST_TRIES} tries you have to wait {LOCKED // 60} minutes."
BY_ADDRESS: Final = "sign-in by address"
A_DAY: Final = 86_400


async def with_password(site: Site, asked: Asked, session: Session, form: Form, only: str = "") -> Session:
    """A new session for the user whose name and password are in the form. `only`: the id of the one who may.

    Raises Refused, and Busy.
    """
    name, password = form.get("username").strip(), form.get("password")
    _not_too_many(site, asked)
    tried = devices.tries(site, asked, name)
    tries = await site.ledger.count(tried, LOCKED)
    account = await users.find(site.ledger, name)
    kept = "" if account is None or account.user.disabled else account.user.password
    right = await site.passwords.verified(kept, password)
    if account is None or not right or tries > MOST_TRIES:
        site.limits.note(BY_ADDRESS, asked.address)
        about = {} if account is None else {"user": account.id}
        await site.trail.certain(unknown(), "sign-in-failed", 401, about | {"tries": str(tries)})
        raise Refused(WRONG)
    await site.ledger.remove(TRIES, tried)
    if only and account.id != only:
        raise Refused("This app was started for somebody else. Sign in as that person, or start the app again.")
    user = structs.replace(account.user, seen=int(site.clock()))
    if site.passwords.outdated(kept):
        user = structs.replace(user, password=await site.passwords.hashed(password))
    elif user.seen - account.user.seen < A_DAY:
        user = account.user
    if user is not account.user:
        account = await users.note(site.ledger, account, user) or account
    new = await second.begun(site, session, account, ("pwd",), asked)
    return replace(new, headers=(*new.headers, devices.known(site, name)))


def _not_too_many(site: Site, asked: Asked) -> None:
    """Raises Refused (429) when there were too many wrong tries from this address."""
    wait = site.limits.wait(BY_ADDRESS, asked.address)
    if wait > 0:
        raise Refused(f"Too many tries from this address. Wait {math.ceil(wait / 60)} minutes.", 429, math.ceil(wait))


async def _proven(site: Site, asked: Asked, session: Session, form: Form, only: str = "") -> Session:
    if "credential" in form:
        _not_too_many(site, asked)
        return await passkeys.signed_in(site, asked, session, form, only)
    return await with_password(site, asked, session, form, only)


def page(site: Site, session: Session, place: Place, *, name: str = "", refused: Refused | None = None) -> Answer:
    """The page to sign in."""
    offered = passkeys.offered(site, session)
    answer = site.page(
        "sign-in.html",
        200 if refused is None else refused.status,
        targets=place.targets,
        script=offered is not None,
        message=str(refused or ""),
        name=name[:128],
        passkeys=offered,
        providers=outside.offered(site, place.onward),
        **place.values(site, session),
    )
    answer.headers += [*session.headers, *(() if refused is None else refused.headers)]
    return answer


class SignIn:
    """The first step of a flow."""

    name = "sign-in"

    async def needed(self, site: Site, going: Going, session: Session) -> bool:
        """Unless somebody is signed in, if half way, and that lately enough for what the app wants (`prompt=login`,
        `max_age`).
        """
        if not (session.user or session.half):
            return True
        return session.key == going.record.first and _again(going, session)

    async def show(self, site: Site, going: Going, session: Session, message: str = "") -> Answer:
        """The page."""
        refused = Refused(message) if message else None
        hint = going.record.request.get("login_hint", "")
        return page(site, session, places.in_flow(going, self.name), name=hint, refused=refused)

    async def take(self, site: Site, going: Going, session: Session, form: Form) -> Done | Answer:
        """Sign in."""
        try:
            new = await _proven(site, going.asked, session, form, going.record.user)
        except Refused as refused:
            place = places.in_flow(going, self.name)
            return page(site, session, place, name=form.get("username"), refused=refused)
        return Done(structs.replace(going.record, pre=new.key), new.headers)


def _again(going: Going, session: Session) -> bool:
    """https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest"""
    if "login" in going.record.request.get("prompt", "").split():
        return True
    age = going.record.request.get("max_age", "")
    return age.isascii() and age.isdigit() and going.record.started - session.at >= int(age[:9])


async def show_alone(site: Site, asked: Asked) -> Answer:
    """GET /auth/sign-in"""
    session = await sessions.opened(site, asked)
    place = places.alone(asked.query, "/auth/sign-in")
    if session.half:
        return see_other(places.onward("/auth/sign-in/second", place.next))
    if session.user and "again" not in asked.query:
        return see_other(place.next)
    return page(site, session, place, name=await _name(site, session))


async def take_alone(site: Site, asked: Asked) -> Answer:
    """POST /auth/sign-in. Raises Forbidden when the form is not ours."""
    session = await sessions.opened(site, asked)
    sessions.check(site, session, asked)
    place = places.alone(asked.form, "/auth/sign-in")
    try:
        new = await _proven(site, asked, session, asked.form)
    except Refused as refused:
        return page(site, session, place, name=asked.form.get("username"), refused=refused)
    onward = places.onward("/auth/sign-in/second", place.next) if new.half else place.next
    return see_other(onward, new.headers)


async def sign_out(site: Site, asked: Asked) -> Answer:
    """POST /auth/sign-out. Raises Forbidden when the form is not ours."""
    session = await sessions.opened(site, asked)
    sessions.check(site, session, asked)
    headers = await sessions.ended(site, session)
    if session.user:
        await site.trail.certain(unknown(user=session.user), "sign-out", 200, {})
    return see_other("/auth/sign-in", headers)


async def _name(site: Site, session: Session) -> str:
    account = await users.get(site.ledger, session.user) if session.user else None
    return "" if account is None else account.user.name


ROUTES: Final = (
    Route("GET", "/auth/sign-in", show_alone),
    Route("POST", "/auth/sign-in", take_alone),
    Route("POST", "/auth/sign-out", sign_out),
)
