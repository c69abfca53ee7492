"""Signing in through an OpenID provider: there with a state, a nonce and a challenge (PKCE), back with a code.

https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth, https://www.rfc-editor.org/rfc/rfc9700#section-4.4
The state is one browser's, one provider's, and used once. Who comes is known by issuer and subject, which a user has
connected to an account, or whose verified e-mail address is the account's name where the provider is set so.
"""

from __future__ import annotations

import secrets
import uuid
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from msgspec import structs

from hilum.oauth import pkce
from hilum.oauth.id_token import Untrusted
from hilum.oauth.ledger import CHALLENGE, FEDERATED, FLOW, FRESH, Flow, Put, Record, digest, read, write
from hilum.problems import Forbidden, NotFound
from hilum.smart.people import places, second, sessions, users
from hilum.smart.people.providers import Told
from hilum.smart.people.visitor import visitor
from hilum.smart.site import unknown
from hilum.web import log
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.people.providers import Provider
    from hilum.smart.people.sessions import Session
    from hilum.smart.people.users import Account
    from hilum.smart.site import Site

SECONDS: Final = 10 * 60
"""How long a sign-in elsewhere may take."""
FACTOR: Final = "fed"
"""What stands among the factors for who was signed in by somebody else."""


class Gone(Record, frozen=True, omit_defaults=True):
    """A browser is at a provider. `verifier`: sealed. `connect`: the user to connect the account there to."""

    provider: str
    nonce: str
    verifier: str
    next: str
    connect: str = ""


class Link(Record, frozen=True, omit_defaults=True):
    """An account at a provider, for people."""

    provider: str


def offered(site: Site, next: str) -> list[dict[str, str]]:
    """The providers' buttons of a page to sign in."""
    known = site.outside.known.values()
    return [{"title": one.title, "url": places.onward(f"/auth/outside/{one.id}", next)} for one in known]


async def connected(site: Site, account: Account) -> list[dict[str, Any]]:
    """The providers, and whether the account is connected to one there."""
    links = {read(row, Link).provider for row in await site.ledger.of(FEDERATED, owner=account.key)}
    return [{"id": one.id, "title": one.title, "connected": one.id in links} for one in site.outside.known.values()]


def targets(site: Site) -> tuple[str, ...]:
    """Where a form that connects an account leads, as sources of CSP."""
    issuers = (urlsplit(one.issuer) for one in site.outside.known.values())
    return tuple(dict.fromkeys("https:" if one.scheme == "https" else f"http://{one.netloc}" for one in issuers))


async def begin(site: Site, asked: Asked, provider: str) -> Answer:
    """GET /auth/outside/{provider}: to the provider. Raises NotFound, Forbidden when it can't be reached."""
    site.limits.spend("authorize by address", asked.address)
    session = await sessions.opened(site, asked)
    return await _there(site, session, _provider(site, provider), places.local(asked.query.get("next")))


async def connect(site: Site, asked: Asked) -> Answer:
    """POST /auth/account/outside: to the provider, and back with an account to sign in with from then on."""
    who = await visitor(site, asked, fresh=True)
    if isinstance(who, Answer):
        return who
    one = _provider(site, asked.form.get("provider"))
    return await _there(site, who.session, one, places.HOME, who.account.id)


async def disconnect(site: Site, asked: Asked) -> Answer:
    """POST /auth/account/outside/remove"""
    who = await visitor(site, asked, fresh=True)
    if isinstance(who, Answer):
        return who
    for row in await site.ledger.of(FEDERATED, owner=who.account.key):
        if read(row, Link).provider == asked.form.get("provider"):
            await site.ledger.remove(FEDERATED, row.key)
            await _noted(site, who.account, "disconnected")
    return see_other(places.HOME)


async def _there(site: Site, session: Session, provider: Provider, next: str, connect: str = "") -> Answer:
    try:
        place = await site.outside.authorize(provider)
    except Untrusted as error:
        raise _failed(provider, error) from None
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    sealed = site.ring.seal.seal(CHALLENGE, digest(state), verifier)
    gone = write(Gone(provider.id, nonce, sealed, next, connect))
    await site.ledger.add(Put(CHALLENGE, digest(state), gone, site.now + SECONDS * 1_000_000, owner=session.key))
    asks = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": _redirect(site, provider),
        "scope": provider.scopes,
        "state": state,
        "nonce": nonce,
        "code_challenge": pkce.challenge(verifier),
        "code_challenge_method": "S256",
    }
    return see_other(f"{place}{'&' if '?' in place else '?'}{urlencode(asks)}", session.headers)


async def back(site: Site, asked: Asked, provider: str) -> Answer:
    """GET /auth/outside/{provider}/back: signed in, and on to where it began. Raises NotFound, Forbidden."""
    one = _provider(site, provider)
    session = await sessions.opened(site, asked)
    state = digest(asked.query.get("state"))
    row = await site.ledger.get(CHALLENGE, state)
    if row is None or row.owner != session.key or not (await site.ledger.take(CHALLENGE, state)).first:
        raise Forbidden("This sign-in was not begun in this browser, or took too long. Start it again.")
    gone = read(row, Gone)
    try:
        if gone.provider != one.id or asked.query.get("iss", one.issuer) != one.issuer:
            raise Untrusted("mix-up")
        if "error" in asked.query or "code" not in asked.query:
            raise Untrusted("error")
        verifier = site.ring.seal.open(CHALLENGE, state, gone.verifier)
        code, redirect = asked.query.get("code"), _redirect(site, one)
        told = await site.outside.told(one, code, verifier, redirect, gone.nonce, site.clock())
    except Untrusted as error:
        await site.trail.certain(unknown(), "sign-in-failed", 401, {"with": one.id, "kind": error.kind})
        raise _failed(one, error) from None
    account = await _account(site, one, told, gone, session)
    if gone.connect:
        return see_other(places.HOME)
    new = await second.begun(site, session, account, (FACTOR, *told.factors), asked)
    await _follow(site, gone.next, session, new)
    if new.half and not gone.next.startswith("/auth/flow/"):
        return see_other(places.onward("/auth/sign-in/second", gone.next), new.headers)
    return see_other(gone.next, new.headers)


async def _account(site: Site, provider: Provider, told: Told, gone: Gone, session: Session) -> Account:
    """Whose account it is. Raises Forbidden when nobody's, or when it may not sign in."""
    key = sha256(f"{provider.issuer}\x00{told.subject}".encode()).digest()
    row = await site.ledger.get(FEDERATED, key)
    account = None if row is None else await users.get(site.ledger, str(uuid.UUID(bytes=row.owner)))
    if gone.connect:
        if session.user != gone.connect or (account is not None and account.id != gone.connect):
            raise Forbidden(f"This account of {provider.title} belongs to another user here.")
        account = account or await _linked(site, provider, key, await users.get(site.ledger, gone.connect))
    elif account is None and provider.by_email and told.email:
        account = await _linked(site, provider, key, await users.find(site.ledger, told.email))
    if account is None or account.user.disabled:
        await site.trail.certain(unknown(), "sign-in-failed", 403, {"with": provider.id, "kind": "nobody"})
        raise Forbidden(
            f"Nobody here is connected to this account of {provider.title}. "
            f"Ask {site.settings.organization}, or sign in with your password and connect it."
        )
    return account


async def _linked(site: Site, provider: Provider, key: bytes, account: Account | None) -> Account | None:
    if account is not None and not account.user.disabled:
        await site.ledger.add(Put(FEDERATED, key, write(Link(provider.id)), owner=account.key))
        await _noted(site, account, "connected")
    return account


async def _noted(site: Site, account: Account, what: str) -> None:
    await site.trail.certain(unknown(user=account.id), "user", 200, {"changed": f"outside sign-in {what}"})


async def _follow(site: Site, path: str, old: Session, new: Session) -> None:
    """The flow that this browser is in the middle of goes on in its new session."""
    row = await site.ledger.get(FLOW, digest(path.removeprefix("/auth/flow/")))
    if row is not None and row.state == FRESH and (record := read(row, Flow)).pre == old.key:
        put = Put(FLOW, row.key, write(structs.replace(record, pre=new.key)), row.expires, row.owner, row.peer)
        await site.ledger.replace(put, row.version)


def _provider(site: Site, id: str) -> Provider:
    found = site.outside.known.get(id)
    if found is None:
        raise NotFound("There is no such way to sign in.")
    return found


def _redirect(site: Site, provider: Provider) -> str:
    return f"{site.settings.origin}/auth/outside/{provider.id}/back"


def _failed(provider: Provider, error: Untrusted) -> Forbidden:
    log.warning("outside sign-in", provider=provider.id, kind=error.kind)
    return Forbidden(f"Signing in with {provider.title} did not work. Try again, or sign in another way.")


ROUTES: Final = (
    Route("GET", "/auth/outside/{provider}", begin),
    Route("GET", "/auth/outside/{provider}/back", back),
    Route("POST", "/auth/account/outside", connect),
    Route("POST", "/auth/account/outside/remove", disconnect),
)
