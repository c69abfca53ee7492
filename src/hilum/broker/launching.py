"""SMART App Launch as the app: to an EHR's sign-in from its own pages (`/launch`) or from ours (`/connect/{ehr}`).

https://hl7.org/fhir/smart-app-launch/app-launch.html#step-4-authorization-code, https://www.rfc-editor.org/rfc/rfc7636

Values in, values out: what a browser asks comes as pairs and headers, and where it is sent goes back. Each EHR has a
redirect URI of its own, so that an answer of one can't pass for that of another (RFC 9700, 4.4.2.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hilum.broker.connection import Connection
from hilum.broker.discovery import Found
from hilum.broker.ending import Ending
from hilum.broker.far import Failed
from hilum.broker.grants import Grants
from hilum.broker.identity import Identities
from hilum.broker.parties import Parties
from hilum.broker.sessions import Pending, Sessions
from hilum.oauth import pkce, redirects
from hilum.oauth.id_token import Untrusted
from hilum.problems import Conflict, Forbidden, Invalid
from hilum.web import uri
from hilum.web.addresses import target
from hilum.web.fields import Header

HOME: Final = "/gather"
"""Where a browser goes on that did not say where it wants to."""
OPENID: Final = "openid"
OFFLINE: Final = "offline_access"
_LONGEST: Final = 2048

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Going:
    """The browser is sent away: to `location`, with these headers."""

    location: str = field(repr=False)
    headers: tuple[Header, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Launching:
    """What a sign-in stands on. `origin`: hilum's own, where browsers reach it."""

    origin: str
    parties: Parties
    sessions: Sessions
    grants: Grants
    identities: Identities
    ending: Ending


def redirect(origin: str, ehr: str) -> str:
    """The redirect URI that is registered with this EHR."""
    return f"{origin}/callback/{ehr}"


async def launch(here: Launching, query: Pairs, headers: Mapping[bytes, bytes], ehr: str = "") -> Going:
    """GET /launch or /launch/{ehr}: an EHR opens hilum in the context of what it shows.

    Raises Invalid, Forbidden where no EHR of this issuer is connected, Conflict where several are and none is named,
    Failed, Busy.
    """
    issuer, context = once(query, "iss"), once(query, "launch")
    if not issuer or not context or len(context) > _LONGEST or not context.isprintable():
        raise Invalid("An EHR launch has the parameters iss and launch. Start the app from the EHR.")
    known = [
        one
        for one in await here.parties.connections.every()
        if here.parties.serves(one) and ehr in ("", one.name) and issuer.rstrip("/") in _issuers(one)
    ]
    if not known:
        raise Forbidden(
            "No EHR that calls itself as iss says is connected here for people to sign in with. Compare iss with the "
            "base URL and the issuer of the connection (`hilum ehr list`)."
        )
    if len(known) > 1:
        raise Conflict(
            "Several connections have this issuer. Register the launch URL /launch/NAME of one with the EHR."
        )
    return await _begun(here, known[0], headers, aud=issuer, launch=context, next=HOME)


async def connect(here: Launching, ehr: str, query: Pairs, headers: Mapping[bytes, bytes]) -> Going:
    """GET /connect/{ehr}: somebody signs in at an EHR from here; `next` says where they go on.

    Raises NotFound, Forbidden, Failed, Busy.
    """
    connection = await here.parties.connection(ehr)
    next = once(query, "next")
    aud = connection.issuer or connection.base
    return await _begun(here, connection, headers, aud=aud, launch="", next=next if uri.is_local(next) else HOME)


def scopes(asked: str, *, launched: bool) -> str:
    """The scopes of a connection, as they are asked for in a launch: by an EHR, which has the context and is asked for
    it as `launch`, or from here, where the EHR has to find it out first (`launch/patient`).
    """
    words = [one for one in asked.split() if one != "launch" and not (launched and one.startswith("launch/"))]
    if launched:
        words.insert(0, "launch")
    elif not any(one.startswith("launch/") for one in words) and any(one.startswith("patient/") for one in words):
        words.insert(0, "launch/patient")
    return " ".join(dict.fromkeys(words))


def once(query: Pairs, name: str) -> str:
    """The value of a parameter; "" where it is not there. Raises Invalid where it is there twice (RFC 6749, 3.1)."""
    found = [value for key, value in query if key == name]
    if len(found) > 1:
        raise Invalid(f"The parameter {name} is given more than once.")
    return found[0] if found else ""


async def _begun(
    here: Launching, connection: Connection, headers: Mapping[bytes, bytes], *, aud: str, launch: str, next: str
) -> Going:
    found = await here.parties.discovery.of(connection.base)
    where = target(found.authorize)
    if isinstance(where, str) or isinstance(target(found.token), str):
        raise Failed("broken", "The EHR's discovery does not say where people sign in (authorization_endpoint).")
    if where.scheme != "https" and connection.base.startswith("https:"):
        raise Failed("broken", "The EHR's discovery has people sign in over plain http, for all on the way to read.")
    wanted = scopes(connection.user_scopes, launched=bool(launch))
    issuer, jwks = found.issuer, ""
    if OPENID in wanted.split():
        issuer, jwks = await _provider(here, connection.base, found)
    pending = Pending(
        environment=here.parties.connections.environment,
        connection=connection.name,
        base=connection.base,
        client_id=connection.client_id,
        issuer=issuer,
        token=found.token,
        jwks=jwks,
        redirect=redirect(here.origin, connection.name),
        scopes=wanted,
        next=next,
        signs=found.signs,
    )
    begun = await here.sessions.begin(pending, headers)
    asks = {
        "response_type": "code",
        "client_id": connection.client_id,
        "redirect_uri": pending.redirect,
        "scope": wanted,
        "state": begun.state,
        "aud": aud,
        "code_challenge": begun.challenge,
        "code_challenge_method": pkce.METHOD,
    }
    if launch:
        asks["launch"] = launch
    if jwks:
        asks["nonce"] = begun.nonce
        if OFFLINE in wanted.split() and here.parties.exchange.quirks(connection).offline_prompt:
            # an OpenID provider must ignore offline_access that comes without (OpenID Connect Core 1.0, 11)
            asks["prompt"] = "consent"
    return Going(redirects.answer(found.authorize, asks), begun.headers)


async def _provider(here: Launching, base: str, found: Found) -> tuple[str, str]:
    """What signs id_tokens calls itself, and where its keys are; EHRs of before SMART 2 say that at their base URL.

    Raises Failed where it can't be found out.
    """
    if found.issuer and found.jwks:
        return found.issuer, found.jwks
    try:
        return await here.identities.published(found.issuer or base, found.issuer)
    except Untrusted as error:
        text = f"The EHR does not tell who proves sign-ins there ({error.kind}). Take openid out of user_scopes."
        raise Failed("broken", text, codes=(error.kind,)) from None


def _issuers(connection: Connection) -> tuple[str, ...]:
    """What an EHR calls itself in a launch; some write a slash at the end that is nowhere else."""
    return tuple(one.rstrip("/") for one in (connection.base, connection.issuer) if one)
