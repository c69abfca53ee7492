"""SMART App Launch as the app: back from an EHR's sign-in with a code, or without (`/callback/{ehr}`).

https://hl7.org/fhir/smart-app-launch/app-launch.html#step-5-access-token,
https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2, https://www.rfc-editor.org/rfc/rfc9207#section-2.4
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hilum.broker.connection import Connection
from hilum.broker.exchange import NotIssued, Tokens
from hilum.broker.far import Failed, Kind, Side
from hilum.broker.grants import logged
from hilum.broker.identity import Identity
from hilum.broker.launching import OPENID, Launching, Pairs, once
from hilum.broker.rules import LAUNCH
from hilum.broker.sessions import Pending
from hilum.oauth.id_token import Untrusted
from hilum.problems import Forbidden
from hilum.web import log
from hilum.web.fields import Header


@dataclass(frozen=True, slots=True)
class Arrived:
    """Somebody has signed in. `grant`: the id of what they allowed; `replaced`: of what this browser had at that EHR
    before, and has no more; `next`: where the browser goes on, with these headers.
    """

    grant: str = field(repr=False)
    connection: str
    next: str
    headers: tuple[Header, ...] = field(repr=False)
    replaced: frozenset[str] = field(repr=False)


class _Says(NamedTuple):
    kind: Kind
    side: Side
    text: str


_ERRORS: Final[Mapping[str, _Says]] = {
    "access_denied": _Says("forbidden", "theirs", "The EHR did not allow it, or whoever signed in did not."),
    "invalid_scope": _Says("refused", "ours", "The EHR does not give the scopes that the connection asks for."),
    "unauthorized_client": _Says(
        "refused", "ours", "The EHR does not let hilum ask for sign-ins: see its registration."
    ),
    "invalid_request": _Says("refused", "ours", "The EHR misses something in what hilum asks: see its registration."),
    "unsupported_response_type": _Says("refused", "theirs", "The EHR does not sign people in by a code."),
    "temporarily_unavailable": _Says("throttled", "theirs", "The EHR signs nobody in at the moment."),
    "server_error": _Says("broken", "theirs", "The EHR had trouble of its own."),
}
"""https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1"""
_OTHER: Final = _Says("refused", "theirs", "The EHR did not sign anybody in.")


async def callback(here: Launching, ehr: str, query: Pairs, headers: Mapping[bytes, bytes]) -> Arrived:
    """GET /callback/{ehr}: a browser is back. Of all who come with one state, one gets on.

    Raises Forbidden when it was not sent, Invalid, Failed, Busy.
    """
    pending = await here.sessions.came_back(once(query, "state"), headers)
    issuer = once(query, "iss")
    if pending.connection != ehr or not _named(pending, issuer):
        log.warning("ehr sign-in", ehr=pending.connection, kind="mix-up")
        raise Forbidden("Another EHR answered than the one that was asked, so its answer was not used. Start again.")
    code, error = once(query, "code"), once(query, "error")
    if error or not code:
        says = _ERRORS.get(error, _OTHER)
        known = error if error in _ERRORS else "none"
        log.warning("ehr sign-in", ehr=ehr, kind=known)
        raise Failed(says.kind, says.text, side=says.side, codes=(known,))
    connection = await here.parties.connection(ehr)
    if (connection.base, connection.client_id) != (pending.base, pending.client_id):
        raise Forbidden("The connection was changed while you signed in. Start again.")
    tokens = await _exchanged(here, connection, pending, code)
    who = await _identity(here, pending, tokens)
    grant = await here.grants.new(connection, pending.issuer, tokens, pending.scopes, who.fhir_user, who.subject)
    log.info("ehr sign-in", ehr=ehr, sign_in=logged(grant))
    before = await _before(here, ehr, headers)
    return Arrived(grant, ehr, pending.next, await here.sessions.signed_in(grant, headers, before), before)


async def _before(here: Launching, ehr: str, headers: Mapping[bytes, bytes]) -> frozenset[str]:
    """The grants that this browser has at the EHR. They may be another person's, for another patient: when the new one
    ends, none of them comes to light again.
    """
    found = set()
    for id in await here.sessions.grants(headers):
        with suppress(Failed):  # it has ended
            if (await here.grants.get(id)).grant.connection == ehr:
                found.add(id)
    return frozenset(found)


def _named(pending: Pending, issuer: str) -> bool:
    """Whether an answer can be one of the issuer that was asked, which is to be named where it said so (RFC 9207)."""
    if not issuer:
        return not pending.signs
    return not pending.issuer or issuer.rstrip("/") == pending.issuer.rstrip("/")


async def _exchanged(here: Launching, connection: Connection, pending: Pending, code: str) -> Tokens:
    form = {"grant_type": LAUNCH, "code": code, "redirect_uri": pending.redirect, "code_verifier": pending.verifier}
    try:
        return await here.parties.exchange.tokens(connection, pending.token, form)
    except NotIssued as error:
        log.warning("ehr sign-in", ehr=connection.name, kind=error.failed.kind, codes=error.failed.codes)
        raise error.failed from None


async def _identity(here: Launching, pending: Pending, tokens: Tokens) -> Identity:
    """Who it is, where the EHR was asked and has not said that it won't tell."""
    if not pending.jwks or not (tokens.id_token or OPENID in (tokens.scopes or pending.scopes).split()):
        return Identity()
    try:
        return await here.identities.told(
            tokens.id_token, issuer=pending.issuer, jwks=pending.jwks, client=pending.client_id, nonce=pending.nonce
        )
    except Untrusted as error:
        log.warning("ehr sign-in", ehr=pending.connection, kind=f"id_token {error.kind}")
        text = f"What the EHR says of who signed in (its id_token) does not hold: {error.kind}. Nothing of it was kept."
        raise Failed("broken", text, codes=(error.kind,)) from None
