"""The pages of one's own account: password, authenticator app, recovery codes, passkeys, sessions.

What changes how one signs in is asked of who signed in lately, and the user's other sessions end by a new password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from hilum.oauth.ledger import Passkey, read
from hilum.problems import Forbidden
from hilum.smart.people import halfway, outside, passkeys, passwords, second, sessions, users
from hilum.smart.people.second import Refused
from hilum.smart.people.visitor import Visitor, visitor
from hilum.smart.site import unknown
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

PATH: Final = "/auth/account"
DONE: Final = {
    "password": "Your password is changed. Your other devices have to sign in again.",
    "app": "The authenticator app is switched off.",
    "passkey": "The passkey is kept.",
    "removed": "The passkey is removed.",
}
"""What was just done, by the word that the address has for it."""


async def overview(site: Site, asked: Asked) -> Answer:
    """GET /auth/account"""
    who = await visitor(site, asked)
    if isinstance(who, Answer):
        return who
    return await _overview(site, who, done=DONE.get(asked.query.get("done"), ""))


async def _overview(site: Site, who: Visitor, *, done: str = "", refused: Refused | None = None) -> Answer:
    user = who.account.user
    known = [(passkeys.text(row.key), read(row, Passkey).label) for row in await passkeys.of(site, who.account)]
    return who.page(
        site,
        "account.html",
        200 if refused is None else refused.status,
        user=user,
        roles=[site.roles[name].title if name in site.roles else name for name in user.roles],
        passkeys=known,
        providers=await outside.connected(site, who.account),
        targets=outside.targets(site),
        passkeys_offered=bool(passkeys.host(site)),
        required=second.required(site, user),
        done=done,
        message=str(refused or ""),
        csrf=_csrf(site, who),
    )


async def password(site: Site, asked: Asked) -> Answer:
    """GET and POST /auth/account/password"""
    who = await visitor(site, asked, fresh=True)
    if isinstance(who, Answer):
        return who
    refused = None
    if asked.method == "POST":
        try:
            await second.check_password(site, who.account, asked.form)
            account = await second.new_password(site, who.account, asked.form)
            new = await sessions.begun(site, who.session, account, who.session.factors, asked.address)
            return see_other(f"{PATH}?done=password", new.headers)
        except Refused as found:
            refused = found
    path = f"{PATH}/password"
    return _page(site, who, "new-password.html", path, refused, first=False, next="", name=who.account.user.name)


async def app(site: Site, asked: Asked) -> Answer:
    """GET and POST /auth/account/totp"""
    who = await visitor(site, asked, fresh=True)
    if isinstance(who, Answer):
        return who
    if who.account.user.totp:
        return see_other(PATH)
    refused = None
    if asked.method == "POST":
        try:
            account, codes = await second.enrolled(site, who.account, who.session, asked.form)
            factors = (*who.session.factors, second.OTP)
            new = await sessions.begun(site, who.session, account, factors, asked.address)
            return _codes(site, codes, new)
        except Refused as found:
            refused = found
    values = await halfway.drawn(site, who.session, who.account)
    return _page(site, who, "enrol.html", f"{PATH}/totp", refused, required=False, next="", **values)


async def app_off(site: Site, asked: Asked) -> Answer:
    """POST /auth/account/totp/off"""
    who = await visitor(site, asked, fresh=True)
    if isinstance(who, Answer):
        return who
    if second.required(site, who.account.user) and not await passkeys.of(site, who.account):
        raise Forbidden("Your work here needs a second proof that it is you. Add a passkey first.")
    user = structs.replace(who.account.user, totp="", totp_step=0, recovery=())
    await users.change(site.ledger, who.account, user, site.clock())
    await site.trail.certain(unknown(user=who.account.id), "user", 200, {"changed": "second factor off"})
    return see_other(f"{PATH}?done=app")


async def recovery(site: Site, asked: Asked) -> Answer:
    """POST /auth/account/recovery: new codes in place of all the old ones."""
    who = await visitor(site, asked, fresh=True)
    if isinstance(who, Answer):
        return who
    if not who.account.user.totp:
        return see_other(PATH)
    codes = list(passwords.recovery_codes())
    kept = tuple([await site.passwords.hashed(code) for code in codes])
    await users.change(site.ledger, who.account, structs.replace(who.account.user, recovery=kept), site.clock())
    await site.trail.certain(unknown(user=who.account.id), "user", 200, {"changed": "recovery codes"})
    return _codes(site, codes, who.session)


async def passkey(site: Site, asked: Asked) -> Answer:
    """GET and POST /auth/account/passkeys: add one."""
    who = await visitor(site, asked, fresh=True)
    if isinstance(who, Answer):
        return who
    if not passkeys.host(site):
        return see_other(PATH)
    refused = None
    if asked.method == "POST":
        try:
            await passkeys.add(site, who.session, who.account, asked.form)
            return see_other(f"{PATH}?done=passkey")
        except Refused as found:
            refused = found
    options = await passkeys.registering(site, who.session, who.account)
    return _page(site, who, "passkey.html", f"{PATH}/passkeys", refused, script=True, options=options)


async def remove_passkey(site: Site, asked: Asked) -> Answer:
    """POST /auth/account/passkeys/remove"""
    who = await visitor(site, asked, fresh=True)
    if isinstance(who, Answer):
        return who
    try:
        await passkeys.remove(site, who.account, asked.form.get("passkey"))
    except Refused as refused:
        return await _overview(site, who, refused=refused)
    return see_other(f"{PATH}?done=removed")


async def everywhere(site: Site, asked: Asked) -> Answer:
    """POST /auth/account/sign-out: of all browsers, and what apps had for as long as somebody was signed in."""
    who = await visitor(site, asked)
    if isinstance(who, Answer):
        return who
    await sessions.end_all(site, who.account)
    await site.trail.certain(unknown(user=who.account.id), "sign-out", 200, {"where": "everywhere"})
    return see_other("/auth/sign-in", await sessions.ended(site, who.session))


def _csrf(site: Site, who: Visitor) -> dict[str, str]:
    """For each form of the overview, by the path that it is sent to."""
    paths = (
        "/auth/sign-out",
        f"{PATH}/totp/off",
        f"{PATH}/recovery",
        f"{PATH}/passkeys/remove",
        f"{PATH}/sign-out",
        f"{PATH}/outside",
        f"{PATH}/outside/remove",
    )
    return {path: sessions.csrf(site, who.session, path) for path in paths}


def _page(
    site: Site, who: Visitor, template: str, path: str, refused: Refused | None, *, script: bool = False, **values: Any
) -> Answer:
    answer = who.page(
        site,
        template,
        200 if refused is None else refused.status,
        script=script,
        action=path,
        csrf=sessions.csrf(site, who.session, path),
        message=str(refused or ""),
        **values,
    )
    answer.headers += () if refused is None else refused.headers
    return answer


def _codes(site: Site, codes: list[str], session: sessions.Session) -> Answer:
    answer = site.page("recovery.html", codes=codes, half=False, onward=PATH)
    answer.headers += session.headers
    return answer


ROUTES: Final = (
    Route("GET", PATH, overview),
    Route("GET", f"{PATH}/password", password),
    Route("POST", f"{PATH}/password", password),
    Route("GET", f"{PATH}/totp", app),
    Route("POST", f"{PATH}/totp", app),
    Route("POST", f"{PATH}/totp/off", app_off),
    Route("POST", f"{PATH}/recovery", recovery),
    Route("GET", f"{PATH}/passkeys", passkey),
    Route("POST", f"{PATH}/passkeys", passkey),
    Route("POST", f"{PATH}/passkeys/remove", remove_passkey),
    Route("POST", f"{PATH}/sign-out", everywhere),
)
