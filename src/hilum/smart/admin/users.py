"""People: found, added, changed, given new passwords, shut out and let in.

Passwords are made here, shown once, and changed at the first sign-in. What ends by a change ends here at once, and
everywhere in five seconds.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec import structs

from hilum.oauth.ledger import User
from hilum.problems import Conflict, Forbidden, Invalid, NotFound
from hilum.smart.admin import lists, user_form
from hilum.smart.admin.gate import Admin, admin
from hilum.smart.people import administrators, passkeys, passwords, users
from hilum.smart.people.users import Account
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

NAME: Final = "users"
PATH: Final = "/admin/users"
ADD: Final = "/admin/add-user"
DONE: Final = {
    "changed": "The changes are kept.",
    "disabled": "Shut out: no sign-in, and what was signed in has ended.",
    "enabled": "Let in again.",
    "factor": "The second factor and all passkeys are removed.",
}
_ACTIONS: Final = ("password", "disable", "enable", "second-factor")


async def overview(site: Site, asked: Asked) -> Answer:
    """GET /admin/users"""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    text = asked.query.get("q").strip()[:128]
    after = asked.query.get("after")
    last = (await _found(site, after)).user.name if after else ""
    rows, more = await lists.page(users.named(site.ledger, text, last))
    return who.page("admin-users.html", rows=rows, more=more, q=text, add=ADD, titles=_titles(site))


async def show(site: Site, asked: Asked, id: str) -> Answer:
    """GET /admin/users/{id}"""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    return await _page(site, who, await _found(site, id), done=DONE.get(asked.query.get("done"), ""))


async def _page(site: Site, who: Admin, found: Account, *, done: str = "", message: str = "") -> Answer:
    user = found.user
    return who.page(
        "admin-user.html",
        409 if message else 200,
        found=found,
        user=user,
        titles=_titles(site),
        added=_day(user.created),
        keys=len(await passkeys.of(site, found)),
        beyond=user_form.beyond(user, who.open, site.roles),
        own=found.id == who.id,
        path=f"{PATH}/{found.id}",
        csrf={action: who.csrf(f"{PATH}/{found.id}/{action}") for action in _ACTIONS},
        done=done,
        message=message,
    )


async def add(site: Site, asked: Asked) -> Answer:
    """GET and POST /admin/add-user"""
    who = await admin(site, asked, NAME, change=True)
    if isinstance(who, Answer):
        return who
    values, message = user_form.shown(None), ""
    if asked.method == "POST":
        values = user_form.sent(asked.form)
        try:
            return await _added(site, who, values)
        except (Invalid, Conflict) as problem:
            message = str(problem)
    return _form(site, who, ADD, values, message)


async def _added(site: Site, who: Admin, values: dict[str, Any]) -> Answer:
    user = user_form.user_of(values, User("", "", (), created=int(site.clock())))
    users.check(user, site.roles)
    _within(site, who, user)
    if await users.find(site.ledger, user.name) is not None:
        raise users.taken(user.name)
    await _check_records(site, values, user)
    password = passwords.made()
    user = structs.replace(user, password=await site.passwords.hashed(password), must_change=True)
    id = users.new_id()
    stands = {"fhirUser": user.fhir_user, "patients": " ".join(user.patients)}
    about = {"added": id, "name": user.name, "roles": " ".join(user.roles)}
    await who.tell("user", about | {name: text for name, text in stands.items() if text})
    return _password(who, await users.add(site.ledger, user, site.roles, id), password)


async def _check_records(site: Site, values: dict[str, Any], user: User, known: frozenset[str] = frozenset()) -> None:
    if not values["to_come"]:
        await users.check_records(site.door.store, user, "tick the box below the ids", known)


async def edit(site: Site, asked: Asked, id: str) -> Answer:
    """GET and POST /admin/users/{id}/edit"""
    who = await admin(site, asked, NAME, change=True, back=f"{PATH}/{id}/edit")
    if isinstance(who, Answer):
        return who
    found = await _found(site, id)
    _within(site, who, found.user)
    values, message = user_form.shown(found.user), ""
    if asked.method == "POST":
        values = user_form.sent(asked.form)
        try:
            new = user_form.user_of(values, found.user)
            users.check(new, site.roles)
            _within(site, who, new)
            await _check_records(site, values, new, users.records(found.user))
            if about := user_form.changed(found.user, new):
                await _change(site, who, found, new, about)
            return see_other(f"{PATH}/{id}?done=changed")
        except (Invalid, Conflict) as problem:
            message = str(problem)
    return _form(site, who, f"{PATH}/{id}/edit", values, message, found)


async def password(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/users/{id}/password: another one, for the next sign-in; what is signed in with the old one ends."""
    who = await _changing(site, asked, id)
    if isinstance(who, Answer):
        return who
    found = await _found(site, id)
    _within(site, who, found.user)
    text = passwords.made()
    new = structs.replace(found.user, password=await site.passwords.hashed(text), must_change=True)
    return _password(who, await _change(site, who, found, new, {"changed": "password"}, out=True), text)


async def disable(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/users/{id}/disable"""
    return await _set(site, asked, id, disabled=True)


async def enable(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/users/{id}/enable"""
    return await _set(site, asked, id, disabled=False)


async def _set(site: Site, asked: Asked, id: str, *, disabled: bool) -> Answer:
    who = await _changing(site, asked, id)
    if isinstance(who, Answer):
        return who
    found = await _found(site, id)
    _within(site, who, found.user)
    word = "disabled" if disabled else "enabled"
    try:
        await _change(site, who, found, structs.replace(found.user, disabled=disabled), {"changed": word}, out=disabled)
    except Conflict as problem:
        return await _page(site, who, found, message=str(problem))
    return see_other(f"{PATH}/{id}?done={word}")


async def second_factor(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/users/{id}/second-factor: forget the app, its recovery codes and all passkeys."""
    who = await _changing(site, asked, id)
    if isinstance(who, Answer):
        return who
    found = await _found(site, id)
    _within(site, who, found.user)
    new = structs.replace(found.user, totp="", totp_step=0, recovery=())
    await _change(site, who, found, new, {"changed": "second factor removed"}, out=True, keys=True)
    return see_other(f"{PATH}/{id}?done=factor")


async def _changing(site: Site, asked: Asked, id: str) -> Admin | Answer:
    return await admin(site, asked, NAME, change=True, back=f"{PATH}/{id}")


async def _change(
    site: Site, who: Admin, found: Account, user: User, about: dict[str, str], *, out: bool = False, keys: bool = False
) -> Account:
    """`out`: what is signed in ends; `keys`: all passkeys are forgotten.

    Raises Conflict: nobody would be left to let people in, or it was changed meanwhile.
    """
    also = [*await administrators.kept(site.ledger, found, user, site.roles)]
    if keys:
        also += await passkeys.forgotten(site.ledger, found)
    await who.tell("user", {"user": found.id, "name": found.user.name, "changed": ", ".join(about)} | about)
    return await users.change(site.ledger, found, user, site.clock(), out=out, also=also)


def _within(site: Site, who: Admin, user: User) -> None:
    """Raises Forbidden where the account may do more with the server than who changes it."""
    if title := user_form.beyond(user, who.open, site.roles):
        raise Forbidden(f"Accounts with the role {title} are changed, and made, by those who may do as much.")


async def _found(site: Site, id: str) -> Account:
    """Raises NotFound."""
    try:
        found = await users.get(site.ledger, str(uuid.UUID(id)))
    except ValueError:
        found = None
    if found is None:
        raise NotFound("There is no such person here.")
    return found


def _titles(site: Site) -> dict[str, str]:
    return {name: role.title for name, role in site.roles.items()}


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d") if seconds else ""


def _password(who: Admin, account: Account, text: str) -> Answer:
    given = {"User name": account.user.name, "Password for the next sign-in": text}
    title = f"For {account.user.display}"
    return who.page("admin-secrets.html", title=title, given=given, once=True, back=f"{PATH}/{account.id}")


def _form(
    site: Site, who: Admin, action: str, values: dict[str, Any], message: str, found: Account | None = None
) -> Answer:
    open = [role for role in site.roles.values() if role.console <= who.open]
    return who.page(
        "admin-user-form.html",
        422 if message else 200,
        action=action,
        csrf=who.csrf(action),
        values=values,
        message=message,
        found=found,
        roles=sorted(open, key=lambda role: role.title),
        back=PATH if found is None else f"{PATH}/{found.id}",
    )


ROUTES: Final = (
    Route("GET", PATH, overview),
    Route("GET", ADD, add),
    Route("POST", ADD, add),
    Route("GET", f"{PATH}/{{id}}", show),
    Route("GET", f"{PATH}/{{id}}/edit", edit),
    Route("POST", f"{PATH}/{{id}}/edit", edit),
    Route("POST", f"{PATH}/{{id}}/password", password),
    Route("POST", f"{PATH}/{{id}}/disable", disable),
    Route("POST", f"{PATH}/{{id}}/enable", enable),
    Route("POST", f"{PATH}/{{id}}/second-factor", second_factor),
)
