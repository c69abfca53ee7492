"""Apps: found, added, changed, given secrets, shut out. What changes holds here at once, everywhere in five seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec import structs

from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import Client
from hilum.problems import Conflict, Invalid, NotFound
from hilum.smart.admin import client_form, lists
from hilum.smart.admin.gate import Admin, admin
from hilum.smart.apps import clients
from hilum.smart.apps.clients import Registered
from hilum.smart.flow import mine
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

NAME: Final = "clients"
PATH: Final = "/admin/clients"
ADD: Final = "/admin/add-client"
DONE: Final = {
    "changed": "The changes are kept.",
    "key-removed": "Its requests need no API key any more.",
    "revoked": "The app is shut out. All that it had is void.",
}
_ACTIONS: Final = ("secret", "api-key", "api-key/remove", "revoke")


async def overview(site: Site, asked: Asked) -> Answer:
    """GET /admin/clients"""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    text = asked.query.get("q").strip()[:200]
    rows, more = await lists.page(_fitting(site, text, asked.query.get("after")))
    return who.page("admin-clients.html", rows=rows, more=more, q=text, add=ADD)


async def _fitting(site: Site, text: str, after: str) -> AsyncIterator[Registered]:
    words = text.casefold().split()
    async for one in clients.every(site.ledger, after):
        about = f"{one.id} {one.client.name}".casefold()
        if all(word in about for word in words):
            yield one


async def show(site: Site, asked: Asked, id: str) -> Answer:
    """GET /admin/clients/{id}"""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    return _page(who, await _found(site, id), DONE.get(asked.query.get("done"), ""))


def _page(who: Admin, found: Registered, done: str = "") -> Answer:
    client = found.client
    return who.page(
        "admin-client.html",
        found=found,
        client=client,
        method=client_form.METHODS[client.method],
        with_secret=client.method in clients.SECRET,
        keys=client_form.shown(client)["jwks"],
        what=mine.in_words(clients.registered_scopes(client).resources),
        added=datetime.fromtimestamp(client.created, UTC).strftime("%Y-%m-%d") if client.created else "",
        path=f"{PATH}/{found.id}",
        csrf={action: who.csrf(f"{PATH}/{found.id}/{action}") for action in _ACTIONS},
        done=done,
    )


async def add(site: Site, asked: Asked) -> Answer:
    """GET and POST /admin/add-client"""
    who = await admin(site, asked, NAME, change=True)
    if isinstance(who, Answer):
        return who
    values, id, message = client_form.shown(None), "", ""
    if asked.method == "POST":
        form = asked.form
        values, id = client_form.sent(form), form.get("id").strip()
        try:
            return await _added(site, who, values, id, with_key="api_key" in form)
        except (Invalid, Conflict, OAuthError) as problem:
            message = str(problem)
    return _form(who, ADD, values, message, id=id)


async def _added(site: Site, who: Admin, values: dict[str, object], chosen: str, *, with_key: bool) -> Answer:
    blank = Client(name="", method=clients.PUBLIC, scopes="", by=who.visitor.account.user.name)
    client = client_form.client_of(values, blank)
    made = clients.secret() if client.method in clients.SECRET else ("", "")
    key = clients.secret() if with_key else ("", "")
    client = structs.replace(client, secret=made[1], api_key=key[1], created=int(site.clock()))
    sandbox = not site.settings.production
    clients.check(client, sandbox=sandbox)
    id = clients.new_id(chosen)
    if await clients.get(site.ledger, id) is not None:
        raise clients.taken(id)
    await who.tell("client", {"added": id, "scope": client.scopes})
    found = await clients.add(site.ledger, client, id, sandbox=sandbox)
    secrets = {"Secret (client_secret)": made[0], "API key (X-API-Key)": key[0]}
    return _secrets(who, found, {name: text for name, text in secrets.items() if text}, added=True)


async def edit(site: Site, asked: Asked, id: str) -> Answer:
    """GET and POST /admin/clients/{id}/edit"""
    who = await admin(site, asked, NAME, change=True, back=f"{PATH}/{id}/edit")
    if isinstance(who, Answer):
        return who
    found = await _found(site, id, active=True)
    values, message = client_form.shown(found.client), ""
    if asked.method == "POST":
        values = client_form.sent(asked.form)
        try:
            return await _edited(site, who, found, values)
        except (Invalid, Conflict, OAuthError) as problem:
            message = str(problem)
    return _form(who, f"{PATH}/{id}/edit", values, message, found=found)


async def _edited(site: Site, who: Admin, found: Registered, values: dict[str, object]) -> Answer:
    new = client_form.client_of(values, found.client)
    names = client_form.changed(found.client, new)
    made = clients.secret() if new.method in clients.SECRET and not new.secret else ("", new.secret)
    new = structs.replace(new, secret=made[1])
    clients.check(new, sandbox=not site.settings.production)
    if not names:
        return see_other(f"{PATH}/{found.id}")
    about = {"client": found.id, "changed": names, "scope": new.scopes}
    await _change(site, who, found, new, about)
    if made[0]:
        return _secrets(who, found, {"Secret (client_secret)": made[0]})
    return see_other(f"{PATH}/{found.id}?done=changed")


async def secret(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/clients/{id}/secret: a new one in place of the old, which holds no more."""
    return await _given(site, asked, id, "Secret (client_secret)", "secret")


async def api_key(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/clients/{id}/api-key: a new one; from now on its requests need it."""
    return await _given(site, asked, id, "API key (X-API-Key)", "api_key")


async def _given(site: Site, asked: Asked, id: str, title: str, field: str) -> Answer:
    who = await admin(site, asked, NAME, change=True, back=f"{PATH}/{id}")
    if isinstance(who, Answer):
        return who
    found = await _found(site, id, active=True)
    if field == "secret" and found.client.method not in clients.SECRET:
        raise Invalid("This app does not prove who it is by a secret.")
    text, kept = clients.secret()
    about = {"client": id, "changed": field.replace("_", " ")}
    await _change(site, who, found, structs.replace(found.client, **{field: kept}), about)
    return _secrets(who, found, {title: text})


async def no_api_key(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/clients/{id}/api-key/remove"""
    who = await admin(site, asked, NAME, change=True, back=f"{PATH}/{id}")
    if isinstance(who, Answer):
        return who
    found = await _found(site, id, active=True)
    about = {"client": id, "changed": "api key removed"}
    await _change(site, who, found, structs.replace(found.client, api_key=""), about)
    return see_other(f"{PATH}/{id}?done=key-removed")


async def revoke(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/clients/{id}/revoke: shut it out for good."""
    who = await admin(site, asked, NAME, change=True, back=f"{PATH}/{id}")
    if isinstance(who, Answer):
        return who
    found = await _found(site, id, active=True)
    await who.tell("client", {"revoked": id})
    await clients.revoke(site.ledger, found, site.clock())
    return see_other(f"{PATH}/{id}?done=revoked")


async def _change(site: Site, who: Admin, found: Registered, client: Client, about: dict[str, str]) -> None:
    await who.tell("client", about)
    await clients.change(site.ledger, found, client, site.clock(), sandbox=not site.settings.production)


async def _found(site: Site, id: str, *, active: bool = False) -> Registered:
    """Raises NotFound; with `active` Invalid of one that is shut out."""
    found = await clients.get(site.ledger, id)
    if found is None:
        raise NotFound("There is no such app.")
    if active and found.revoked:
        raise Invalid("This app was shut out for good.")
    return found


def _secrets(who: Admin, found: Registered, secrets: dict[str, str], *, added: bool = False) -> Answer:
    """What is shown this once; of a new app its id, too."""
    given = ({"Client id": found.id} if added else {}) | secrets
    title = f"{found.client.name} is registered" if added else f"For {found.client.name}"
    return who.page("admin-secrets.html", title=title, given=given, once=bool(secrets), back=f"{PATH}/{found.id}")


def _form(
    who: Admin, action: str, values: dict[str, object], message: str, *, id: str = "", found: Registered | None = None
) -> Answer:
    return who.page(
        "admin-client-form.html",
        422 if message else 200,
        action=action,
        csrf=who.csrf(action),
        values=values,
        message=message,
        id=id,
        found=found,
        methods=client_form.METHODS,
        back=PATH if found is None else f"{PATH}/{found.id}",
    )


ROUTES: Final = (
    Route("GET", PATH, overview),
    Route("GET", ADD, add),
    Route("POST", ADD, add),
    Route("GET", f"{PATH}/{{id}}", show),
    Route("GET", f"{PATH}/{{id}}/edit", edit),
    Route("POST", f"{PATH}/{{id}}/edit", edit),
    Route("POST", f"{PATH}/{{id}}/secret", secret),
    Route("POST", f"{PATH}/{{id}}/api-key", api_key),
    Route("POST", f"{PATH}/{{id}}/api-key/remove", no_api_key),
    Route("POST", f"{PATH}/{{id}}/revoke", revoke),
)
