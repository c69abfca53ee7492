"""Grants: what a user allowed an app, from the code that the app gets for it to its end.

https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2, https://hl7.org/fhir/smart-app-launch/app-launch.html#obtain-access-token
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hilum.access import revoking
from hilum.access.tokens import Granted
from hilum.interactions.ids import uuid7
from hilum.oauth import scopes
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import (
    CLIENT,
    CODE,
    FLOW,
    FRESH,
    GRANT,
    GRANT_REVOKED,
    LAUNCH,
    REFRESH,
    REVOKED,
    SESSION,
    Code,
    Grant,
    Lost,
    Put,
    Take,
    User,
    digest,
    read,
    write,
)
from hilum.smart.people import users
from hilum.smart.tokens import consents
from hilum.web import log

if TYPE_CHECKING:
    from hilum.smart.going import Going
    from hilum.smart.people.sessions import Session
    from hilum.smart.site import Site

CODE_SECONDS: Final = 60
KEPT_SECONDS: Final = 86_400
"""How long a code's record stays, so that its reuse is seen."""
ACCESS_SECONDS: Final = 3600
ABANDONED_SECONDS: Final = 600
"""After which a grant ends whose code nobody came for: what is left of a crash, or of an app that lost its way."""
_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """A grant that holds: its user may sign in, its session, if it needs one, lasts. `key`: of its record."""

    key: bytes
    grant: Grant
    version: int
    user: User

    @property
    def id(self) -> str:
        """A UUID: that of its Consent."""
        return id_of(self.key)

    def put(self, grant: Grant) -> Put:
        """Another value in place of this one."""
        return Put(
            GRANT,
            self.key,
            write(grant),
            owner=users.key(grant.user),
            peer=grant.client.encode(),
            version=self.version,
        )


def id_of(key: bytes) -> str:
    """The id of the grant with this key."""
    return str(uuid.UUID(bytes=key))


def key_of(id: str) -> bytes:
    """The key of the grant with this id."""
    return uuid.UUID(id).bytes


async def standing(site: Site, key: bytes, client: str) -> Standing | None:
    """The grant with this key, if it is of this client and holds."""
    row = await site.ledger.get(GRANT, key)
    if row is None or row.state != FRESH or row.peer != client.encode():
        return None
    grant = read(row, Grant)
    account = await users.get(site.ledger, grant.user)
    if account is None or account.user.disabled:
        return None
    if grant.session:
        session = await site.ledger.get(SESSION, grant.session)
        if session is None or session.state != FRESH:
            return None
    return Standing(key, grant, row.version, account.user)


async def grant(site: Site, going: Going, session: Session, allowed: scopes.Asked) -> str:
    """Keep what the user allowed, as a record and as a Consent; the code for the app. The flow, and the launch if there
    was one, are used up.

    Raises OAuthError `access_denied` when that was done before; Busy. Where a crash comes between, `abandoned` ends
    what was begun.
    """
    account = await users.get(site.ledger, session.user)
    if account is None:
        raise OAuthError("access_denied", "The user is not known any more.")
    now = int(site.clock())
    record = Grant(
        user=session.user,
        client=going.client_id,
        scopes=scopes.text(allowed),
        context=context(going, allowed),
        patient=going.record.patient,
        offline="offline_access" in allowed.flags,
        session=session.key if "online_access" in allowed.flags - {"offline_access"} else b"",
        fhir_user=account.user.fhir_user if "fhirUser" in allowed.flags else "",
        amr=session.factors,
        auth_time=session.at,
        identity="openid" in allowed.flags,
        created=now,
    )
    id = uuid7()
    key, client = key_of(id), going.client_id.encode()
    text = "hac_" + secrets.token_urlsafe(32)
    request = going.record.request
    code = Code(key, request["redirect_uri"], request["code_challenge"], request.get("nonce"))
    takes = [Take(FLOW, digest(going.id))]
    if going.record.launch:
        takes.append(Take(LAUNCH, going.record.launch))
    try:
        await site.ledger.many([Put(GRANT, key, write(record), owner=account.key, peer=client)], takes=takes)
    except Lost:
        raise OAuthError("access_denied", "This request was answered before, or its launch was used.") from None
    await consents.make(site, id, record, going.client, account.user.roles, account.user.fhir_user)
    ends = (now + KEPT_SECONDS) * 1_000_000
    await site.ledger.add(Put(CODE, digest(text), write(code), ends, owner=key, peer=client))
    return text


def context(going: Going, allowed: scopes.Asked) -> dict[str, Any]:
    """What the token response says beside the token.

    https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
    """
    record = going.record
    wanted = {wish.type for wish in allowed.wishes}
    launched = bool(record.launch)
    found: dict[str, Any] = {}
    bound = any(scope.level == "patient" for scope in allowed.resources)
    if record.patient and (launched or bound or "patient" in wanted):
        found["patient"] = record.patient
    if record.encounter and (launched or "encounter" in wanted):
        found["encounter"] = record.encounter
    return {**going.launched, **found}


def tokens(
    site: Site, client: str, standing: Standing, text: str, *, narrowed: bool = False
) -> tuple[dict[str, Any], str]:
    """The token response without refresh and id token, and the id (`jti`) of the access token."""
    made, jti, seconds = site.issuer.access(_granted(client, standing, text, narrowed), ACCESS_SECONDS)
    return {
        "access_token": made,
        "token_type": "Bearer",
        "expires_in": seconds,
        "scope": text,
        **standing.grant.context,
    }, jti


def identity(site: Site, client: str, standing: Standing, nonce: str | None, access: str) -> str:
    """The id_token that goes with an access token."""
    granted = _granted(client, standing, standing.grant.scopes, False)
    return site.issuer.identity(granted, nonce=nonce, auth_time=standing.grant.auth_time, access=access)


def _granted(client: str, standing: Standing, text: str, narrowed: bool) -> Granted:
    grant = standing.grant
    return Granted(
        client=client,
        scopes=text,
        grant=standing.id,
        user=grant.user,
        fhir_user=grant.fhir_user,
        patient=grant.patient,
        encounter=str(grant.context.get("encounter", "")),
        session=grant.session.hex(),
        amr=grant.amr,
        narrowed=narrowed,
    )


async def abandoned(site: Site, since: int) -> int:
    """End grants whose code was never used, of those that changed since then (microseconds); how many. Raises Busy."""
    found = 0
    for row in await site.ledger.changed(GRANT, since):
        grant = read(row, Grant)
        if row.state == FRESH and not grant.redeemed and site.clock() - grant.created > ABANDONED_SECONDS:
            await end(site, id_of(row.key), "its code was never used")
            found += 1
    return found


async def of_lost_clients(site: Site, since: int) -> int:
    """End the grants of clients that were shut out since then (microseconds), so that their Consents say so; how many.

    Their tokens are void already. Raises Busy.
    """
    found = 0
    for client in await site.ledger.changed(CLIENT, since):
        after = b""
        while client.state == REVOKED and (rows := await site.ledger.of(GRANT, peer=client.key, after=after)):
            for row in rows:
                if row.state == FRESH:
                    await end(site, id_of(row.key), "its app was shut out")
                    found += 1
            after = rows[-1].key
    return found


async def end(site: Site, id: str, why: str) -> None:
    """End a grant and all that came of it, in every process within five seconds and in this one now. Again is no error.

    With its Consent that is one commit; without one (it is not made yet, or gone) the records end by themselves.
    `why` is for the log. Raises Busy.
    """
    key = key_of(id)
    news = revoking.revoked(GRANT_REVOKED, id, site.clock())
    log.info("grant ended", grant=id, why=why, consent=await consents.end(site, id))
    site.verifier.revoked([news])  # also where the Consent ended it already, by another clock
    for _ in range(_ROUNDS):
        row = await site.ledger.get(GRANT, key)
        puts = []
        if row is not None:
            if row.state == REVOKED:
                return
            gone = Put(GRANT, key, row.value, row.expires, row.owner, row.peer, REVOKED, row.version)
            puts = [gone]
        try:
            await site.ledger.many(puts, ends=[(REFRESH, key), (CODE, key)], revokes=[news])
        except Lost:
            continue
        return
    raise OAuthError("temporarily_unavailable", "The grant is being changed by others.", retry_after=1)
