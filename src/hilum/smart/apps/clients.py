"""Apps: what one must say of itself to be registered, and how it is found, changed and shut out.

https://www.rfc-editor.org/rfc/rfc7591#section-2 (metadata), https://hl7.org/fhir/smart-app-launch/app-launch.html
"""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

import msgspec

from hilum.access.granting import refusal
from hilum.access.ledger import Ledger
from hilum.access.tokens import CLI, CONSOLE
from hilum.oauth import keyset, redirects, scopes
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import (
    CLIENT,
    CLIENT_CHANGED,
    CLIENT_REVOKED,
    FRESH,
    REVOKED,
    Client,
    Lost,
    Put,
    Revoked,
    Row,
    read,
    write,
)
from hilum.problems import Conflict, Invalid
from hilum.smart.apps import logos

PUBLIC: Final = "none"
SECRET: Final = ("client_secret_basic", "client_secret_post")
KEYS: Final = "private_key_jwt"
METHODS: Final = (PUBLIC, *SECRET, KEYS)
CODE: Final = "authorization_code"
REFRESH: Final = "refresh_token"
BACKEND: Final = "client_credentials"
GRANTS: Final = (CODE, REFRESH, BACKEND)

LONGEST_TOKEN: Final = 86_400
"""Seconds after which no token that was issued before a change can hold (`hilum token`: a day)."""
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_RESERVED: Final = frozenset(("hilum", CLI, CONSOLE, "anonymous", "nobody", "anyone", "owner"))
_STATE_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s|\\,$]{1,200}\|[^\s|\\,$]{1,100}")


@dataclass(frozen=True, slots=True)
class Registered:
    """A client as stored."""

    id: str
    client: Client
    version: int
    revoked: bool = False

    @property
    def key(self) -> bytes:
        """The id as the ledger has it."""
        return self.id.encode()


async def get(ledger: Ledger, id: str) -> Registered | None:
    """The client with this id, be it revoked."""
    row = await ledger.get(CLIENT, id.encode()) if _ID.fullmatch(id) else None
    return None if row is None else _registered(row)


async def active(ledger: Ledger, id: str) -> Client | None:
    """The client with this id, unless it was revoked or disabled."""
    found = await get(ledger, id)
    return found.client if found is not None and not found.revoked and not found.client.disabled else None


async def every(ledger: Ledger, after: str = "") -> AsyncIterator[Registered]:
    """All clients, revoked ones too, by id; those beyond an id."""
    last = after.encode()
    while rows := await ledger.of(CLIENT, after=last):
        for row in rows:
            yield _registered(row)
        last = rows[-1].key


async def add(
    ledger: Ledger, client: Client, id: str = "", *, sandbox: bool = False, beside: Sequence[Put] = ()
) -> Registered:
    """A new client; without an id it gets one. `beside`: new records that are written with it, or none of them.

    Raises OAuthError as `check`, Invalid, and Conflict: the id is taken.
    """
    check(client, sandbox=sandbox)
    id = new_id(id)
    try:
        await ledger.many([Put(CLIENT, id.encode(), write(client)), *beside])
    except Lost:
        raise taken(id) from None
    return Registered(id, client, 1)


def taken(id: str) -> Conflict:
    """What is said where the id is, or was, another's."""
    return Conflict(f"There is a client {id!r} already, or was: ids are not used twice.")


def new_id(chosen: str = "") -> str:
    """The id of a new client: the chosen one, or a UUID. Raises Invalid."""
    if chosen and (not _ID.fullmatch(chosen) or chosen in _RESERVED):
        raise Invalid("A client id has 1 to 128 letters, digits and . _ - and begins with a letter or digit: my-app")
    return chosen or str(uuid.uuid4())


async def change(
    ledger: Ledger, found: Registered, client: Client, now: float, *, out: bool = False, sandbox: bool = False
) -> Registered:
    """The client with another value. Tokens are judged anew by it; with `out` all that were issued to it up to `now`
    (seconds since 1970) end. Raises OAuthError as `check`, Conflict when it was changed meanwhile.
    """
    check(client, sandbox=sandbox)
    await _put(ledger, found, client, now, CLIENT_REVOKED if out else CLIENT_CHANGED, FRESH)
    return Registered(found.id, client, found.version + 1)


async def revoke(ledger: Ledger, found: Registered, now: float) -> None:
    """Shut the client out for good: it gets no tokens, and those it has are void. Raises Conflict as `change`."""
    client = msgspec.structs.replace(found.client, disabled=True)
    await _put(ledger, found, client, now, CLIENT_REVOKED, REVOKED)


async def _put(ledger: Ledger, found: Registered, client: Client, now: float, kind: int, state: int) -> None:
    news = Revoked(kind, found.key, int(now), int((now + LONGEST_TOKEN) * 1_000_000))
    put = Put(CLIENT, found.key, write(client), state=state, version=found.version)
    try:
        await ledger.many([put], revokes=[news])
    except Lost:
        raise Conflict("The client was changed by somebody else at the same moment. Try again.") from None


def grants(*, redirects: bool, keys: bool) -> tuple[str, ...]:
    """For people who sign in where it has redirects; for itself where it has keys and no redirects, or both."""
    people = (CODE, REFRESH) if redirects or not keys else ()
    return people + ((BACKEND,) if keys else ())


def understood(text: str) -> None:
    """Raises Invalid naming a scope that hilum does not know: a registration must not hold what never works."""
    for word in text.split():
        found = scopes.asked(word)
        reason = scopes.refusal(word) or next((said for one in found.resources if (said := refusal(one))), None)
        if reason:
            raise Invalid(reason)
        if not (found.resources or found.wishes or found.flags):
            raise Invalid(
                f"The scope {word!r} is not known. Known words are {', '.join(scopes.FLAGS)} and launch/TYPE."
            )


def secret() -> tuple[str, str]:
    """A new secret of 256 random bits, and what is kept of it. Random, so that a plain digest is enough."""
    made = secrets.token_urlsafe(32)
    return made, kept(made)


def kept(secret: str) -> str:
    """What is kept of a secret: SHA-256, hex."""
    return sha256(secret.encode()).hexdigest()


def origins(client: Client) -> frozenset[str]:
    """Origins of web pages that may read this server's answers: where it lives, and what else it registered."""
    of_redirects = (redirects.origin(uri) for uri in client.redirects)
    return frozenset(origin for origin in (*of_redirects, *client.origins) if origin)


def registered_scopes(client: Client) -> scopes.Asked:
    """What it is registered for."""
    return scopes.asked(client.scopes)


def still(client: Client, granted: str) -> str:
    """The part of what was granted that the client is registered for now: as tokens are judged (`access.verifier`)."""
    found, has = scopes.asked(granted), registered_scopes(client)
    parts = (part for one in found.resources for part in scopes.parts(one, has.resources))
    wishes = tuple(wish for wish in found.wishes if wish in has.wishes)
    return scopes.text(scopes.Asked(tuple(dict.fromkeys(parts)), wishes, found.flags & has.flags))


def check(client: Client, *, sandbox: bool = False) -> None:
    """Raises OAuthError `invalid_redirect_uri` or `invalid_client_metadata` naming what can't be."""
    for wrong in _wrong(client, sandbox):
        raise OAuthError("invalid_client_metadata", wrong)


def _wrong(client: Client, sandbox: bool) -> Iterator[str]:
    if not 0 < len(client.name) <= 200 or not client.name.isprintable() or not client.name.strip():
        yield "A client needs a name of 1 to 200 printable characters."
    if client.method not in METHODS:
        yield f"The authentication method must be one of {', '.join(METHODS)}."
    if not client.grants or not set(client.grants) <= set(GRANTS):
        yield f"The grant types must be of {', '.join(GRANTS)}."
    if CODE in client.grants and not client.redirects:
        raise OAuthError("invalid_redirect_uri", "A client that people sign in for needs a redirect URI.")
    if BACKEND in client.grants and client.method != KEYS:
        yield "Backend services authenticate by private_key_jwt, with keys that they register."
    for uri in client.redirects:
        if reason := redirects.refusal(uri):
            raise OAuthError("invalid_redirect_uri", reason)
    yield from _wrong_keys(client, sandbox)
    yield from _wrong_scopes(client)
    for name, urls in (
        ("launch URL", client.launches),
        ("client_uri", (client.uri,)),
        ("policy_uri", (client.policy_uri,)),
        ("tos_uri", (client.tos_uri,)),
    ):
        if not all(_web(url) for url in urls if url):
            yield f"A {name} must be an https URL (http to this machine), without a fragment."
    if not all(_origin(origin) for origin in client.origins):
        yield "An origin is scheme, host and port of web pages, nothing more: https://app.example.org"
    if wrong := logos.fault(client.logo):
        yield wrong
    if not all(0 < len(contact) <= 200 and contact.isprintable() for contact in client.contacts):
        yield "Contacts are texts of 1 to 200 printable characters."
    if not all(_STATE_CODE.fullmatch(code) for code in client.state_codes):
        yield "A code of app state is written system|code, the system being a URI."


def _wrong_keys(client: Client, sandbox: bool) -> Iterator[str]:
    if client.jwks is not None and client.jwks_uri:
        yield "Keys come by value (jwks) or by URL (jwks_uri), not both."
    if client.method == KEYS and client.jwks is None and not client.jwks_uri:
        yield "private_key_jwt needs keys: a JWK Set (jwks) or its URL (jwks_uri)."
    if client.alg and client.alg not in keyset.KEY_TYPE:
        yield f"The algorithm of assertions must be one of {', '.join(keyset.KEY_TYPE)}."
    if client.jwks is not None:
        try:
            keys = keyset.read(client.jwks)
            for key in keys:
                keyset.usable(key)
        except keyset.Unfit as error:
            yield str(error)
        else:
            if not keys:
                yield "The JWK Set has no key for RS384 or ES384 (RSA of 2048 bits and more, or EC P-384) with a kid."
    if client.jwks_uri and not (_web(client.jwks_uri) and (sandbox or client.jwks_uri.startswith("https:"))):
        yield "A jwks_uri must be an https URL (in a sandbox http to this machine), without a fragment."


def _wrong_scopes(client: Client) -> Iterator[str]:
    if len(client.scopes) > scopes.LONGEST:
        yield f"The scopes of a client may have {scopes.LONGEST} characters: name wider ones."
        return
    asked = registered_scopes(client)
    if not (asked.resources or asked.wishes or asked.flags):
        yield "The client is registered for no scope that hilum knows: for example patient/*.rs or system/*.rs."
    for scope in asked.resources:
        if reason := refusal(scope):
            yield reason


def _web(url: str) -> bool:
    """Whether it is a URL of a web server, as redirects are judged, but for the fragment that those may not have."""
    return url.partition(":")[0] in ("http", "https") and redirects.refusal(url) is None


def _origin(text: str) -> bool:
    return _web(text) and urlsplit(text).path == "" and "?" not in text and redirects.origin(text) == text


def _registered(row: Row) -> Registered:
    return Registered(row.key.decode(), read(row, Client), row.version, row.state != FRESH)
