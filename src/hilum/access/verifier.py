"""Bearer tokens become Principals: known ones from memory, new ones from signature, claims and ledger; else none.

https://www.rfc-editor.org/rfc/rfc9068#section-4. Everything fails closed, also when this process can't learn of
revocations any more: `fresh` says until when those that it knows of count.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from hilum.access import claims, revoking
from hilum.access.bearer import NotHeld
from hilum.access.claims import EXPIRED, REFUSED, Claims, Mark
from hilum.access.granting import Context, policy
from hilum.access.keyring import Keyring
from hilum.access.ledger import Ledger
from hilum.access.policy import Principal
from hilum.access.roles import Roles, packaged, rules
from hilum.oauth import ledger, scopes
from hilum.oauth.ledger import (
    CLIENT,
    CLIENT_CHANGED,
    CLIENT_REVOKED,
    FRESH,
    GRANT,
    GRANT_CHANGED,
    GRANT_REVOKED,
    SESSION,
    USER,
    USER_CHANGED,
    USER_REVOKED,
    Client,
    Grant,
    Revoked,
    Session,
    User,
)
from hilum.oauth.scopes import Scope
from hilum.problems import Busy, Unauthenticated

LONGEST_TOKEN: Final = 16_384
"""Characters: what is longer is refused unread."""
_MICRO: Final = 1_000_000

_CHANGED: Final = {GRANT_CHANGED: GRANT_REVOKED, CLIENT_CHANGED: CLIENT_REVOKED, USER_CHANGED: USER_REVOKED}
"""News that something changed -> the kind under which tokens are marked as belonging to it."""


class _Kept(NamedTuple):
    issued: int
    marks: tuple[Mark, ...]


class Verifier:
    """Who holds a token. Admitted tokens are kept by their SHA-256 until they end: 1 us instead of hundreds.

    `limit` bounds what is kept; the oldest goes first. Tokens that fail are not kept, so that nobody can fill it.
    `foreign`: of a client id, the app state codes of all other clients. `clock`: seconds since 1970.
    """

    def __init__(
        self,
        ring: Keyring,
        ledger: Ledger,
        base: str,
        *,
        roles: Roles | None = None,
        foreign: Callable[[str], tuple[str, ...]] = lambda client: (),
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        limit: int = 10_000,
    ) -> None:
        self._ring = ring
        self._ledger = ledger
        self._base = base
        self._roles = packaged() if roles is None else roles
        self._foreign = foreign
        self._clock = clock
        self._monotonic = monotonic
        self._limit = limit
        self._kept: dict[bytes, Principal] = {}
        self._marks: dict[bytes, _Kept] = {}
        self._revoked: dict[Mark, Revoked] = {}
        self._coming: dict[bytes, asyncio.Task[Principal]] = {}
        self._news = 0
        self.fresh = math.inf
        """Until when (`monotonic`) the revocations known here count. Who polls for them sets it; infinity: nobody does,
        for this process alone has the store.
        """

    def known(self, token: str) -> Principal | None:
        """Who holds a token that was admitted before; None: `admit` must judge it.

        Raises NotHeld when it has expired, Busy when revocations may have been missed.
        """
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated(REFUSED)
        found = self._kept.get(sha256(token.encode("latin-1", "replace")).digest())
        if found is None:
            return None
        if self._clock() >= found.expires:
            raise NotHeld(EXPIRED, found)
        if self._monotonic() > self.fresh:
            raise Busy(_STALE)
        return found

    async def admit(self, token: str) -> Principal:
        """Who holds this token, judged from the beginning; of several who bring the same one at once, the ledger is
        asked for the first.

        Raises Unauthenticated, whose text tells an expired token from one that never held, and no more: NotHeld where
        its signature holds, at least; Busy when revocations may have been missed, or the ledger can't be asked.
        """
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise Unauthenticated(REFUSED)
        if self._monotonic() > self.fresh:
            raise Busy(_STALE)
        said = self._signed(token)
        try:
            return await self._held(sha256(token.encode()).digest(), said)
        except Unauthenticated as problem:
            raise NotHeld(str(problem), said.holder) from None

    async def _held(self, digest: bytes, said: Claims) -> Principal:
        """Who holds the token that says this. Raises Unauthenticated, Busy."""
        if said.minted:
            self._not_revoked(said)
            return self._keep(digest, said, self._alone(said, said.scope or "", None))
        coming = self._coming.get(digest)
        if coming is None:
            coming = self._coming[digest] = asyncio.ensure_future(self._admitted(digest, said))
            coming.add_done_callback(_told)
        who = await asyncio.shield(coming)
        self._not_revoked(said)  # since it was admitted, and before this one woke up
        return who

    def revoked(self, news: Iterable[Revoked]) -> None:
        """Learn of revocations, and of what changed: tokens that they reach are kept no longer."""
        news = tuple(one for one in news if one.kind in _CHANGED or not self._knows(one))
        if not news:
            return
        self._news += 1
        now = self._clock() * _MICRO
        self._revoked = {mark: one for mark, one in self._revoked.items() if one.expires > now}
        changed = {(_CHANGED[one.kind], one.key) for one in news if one.kind in _CHANGED}
        ended = [((one.kind, one.key), one) for one in news if one.kind not in _CHANGED]
        for mark, one in ended:
            before = self._revoked.get(mark)
            if before is None or before.before < one.before:
                self._revoked[mark] = one
        touched = changed.union(mark for mark, _ in ended)
        for digest, (issued, marks) in tuple(self._marks.items()):
            if touched.isdisjoint(marks):  # of ten thousand nearly all
                continue
            if not changed.isdisjoint(marks) or self._reached(issued, marks):
                self._forget(digest)

    def _knows(self, one: Revoked) -> bool:
        before = self._revoked.get((one.kind, one.key))
        return before is not None and before.before >= one.before

    def forget(self, roles: Roles | None = None) -> None:
        """Judge all tokens anew when they come next, by these roles where they have changed."""
        self._news += 1
        if roles is not None:
            self._roles = roles
        self._kept.clear()
        self._marks.clear()

    def _signed(self, token: str) -> Claims:
        ring = self._ring
        return claims.judged(token, ring.verifying(), self._base, ring.root.environment, self._clock())

    def _not_revoked(self, said: Claims) -> None:
        if self._reached(said.issued, said.marks):
            raise Unauthenticated(_REVOKED)

    def _reached(self, issued: int, marks: Iterable[Mark]) -> bool:
        return any((found := self._revoked.get(mark)) is not None and issued <= found.before for mark in marks)

    # --- ledger -------------------------------------------------------------------------------------------------------

    async def _admitted(self, digest: bytes, said: Claims) -> Principal:
        """What the ledger says, read again when news came while it was read: they may be of this token."""
        try:
            while True:
                news = self._news
                self._not_revoked(said)
                who = await self._of(said)
                if news == self._news:
                    return self._keep(digest, said, who)
        finally:
            del self._coming[digest]

    def _of(self, said: Claims) -> Awaitable[Principal]:
        if said.grant:
            return self._of_grant(said)
        return self._of_session(said) if said.of_console else self._of_client(said)

    async def _of_session(self, said: Claims) -> Principal:
        """Hilum's own pages, for who is signed in there: what the user's roles allow, for looking."""
        user = await self._record(USER, said.subject, User)
        try:
            session = await self._ledger.get(SESSION, bytes.fromhex(said.session))
        except ValueError:
            raise Unauthenticated(REFUSED) from None
        if session is None or session.state != FRESH or user.disabled:
            raise Unauthenticated(_REVOKED)
        if said.scope is None or ledger.read(session, Session).user != said.subject:
            raise Unauthenticated(REFUSED)
        context = Context(user=said.subject, fhir_user=user.fhir_user or None, patients=user.patients)
        allowed = policy(scopes.parse(said.scope), rules(user.roles, self._roles), context, self._foreign(said.client))
        return Principal(
            agent=said.subject,
            client=said.client,
            token=said.jti,
            policy=allowed,
            expires=said.expires,
            user=said.subject,
            fhir_user=user.fhir_user,
            roles=user.roles,
        )

    async def _of_client(self, said: Claims) -> Principal:
        """An app by itself (Backend Services)."""
        client = await self._client(said.client)
        if said.subject != said.client or said.scope is None:
            raise Unauthenticated(REFUSED)
        return self._alone(said, said.scope, client)

    async def _of_grant(self, said: Claims) -> Principal:
        """An app for a user, with what the user's roles allow now."""
        client, grant, user = await asyncio.gather(
            self._client(said.client),
            self._record(GRANT, said.grant, Grant),
            self._record(USER, said.subject, User),
        )
        if user.disabled or grant.client != said.client or grant.user != said.subject:
            raise Unauthenticated(_REVOKED)
        if (said.patient or "") != grant.patient:
            raise Unauthenticated(REFUSED)
        scope = grant.scopes if said.scope is None else said.scope
        words = scopes.asked(scope)
        context = Context(
            user=said.subject,
            fhir_user=(user.fhir_user or None) if "fhirUser" in words.flags else None,
            patients=user.patients,
            patient=grant.patient or None,
            encounter=said.encounter,
        )
        resources = _registered(words.resources, client)
        allowed = policy(resources, rules(user.roles, self._roles), context, self._foreign(said.client))
        return Principal(
            agent=said.subject,
            client=said.client,
            token=said.jti,
            policy=allowed,
            expires=said.expires,
            grant=said.grant,
            user=said.subject,
            fhir_user=user.fhir_user,
            roles=user.roles,
            patient=grant.patient,
            api_key=bytes.fromhex(client.api_key),
            states=client.state_codes,
            manages=any("clients" in self._roles[name].console for name in user.roles if name in self._roles),
        )

    def _alone(self, said: Claims, scope: str, client: Client | None) -> Principal:
        """Without a user: `hilum token` (`client` None), or an app, for which there are system/ scopes and no other."""
        foreign = () if client is None else self._foreign(said.client)
        resources = scopes.parse(scope)
        if client is not None:
            resources = _registered(tuple(one for one in resources if one.level == "system"), client)
        allowed = policy(resources, None, Context(patient=said.patient), foreign)
        return Principal(
            agent=said.subject,
            client=said.client,
            token=said.jti,
            policy=allowed,
            expires=said.expires,
            patient=said.patient or "",
            api_key=b"" if client is None else bytes.fromhex(client.api_key),
            states=() if client is None else client.state_codes,
            manages=client is None,
        )

    async def _client(self, id: str) -> Client:
        client = await self._record(CLIENT, id, Client)
        if client.disabled:
            raise Unauthenticated(_REVOKED)
        return client

    async def _record(self, kind: int, name: str, type: type[ledger.T]) -> ledger.T:
        try:
            row = await self._ledger.get(kind, revoking.record(kind, name))
        except ValueError:
            raise Unauthenticated(REFUSED) from None
        if row is None or row.state != FRESH:
            raise Unauthenticated(_REVOKED)
        return ledger.read(row, type)

    # --- what is kept -------------------------------------------------------------------------------------------------

    def _keep(self, digest: bytes, said: Claims, who: Principal) -> Principal:
        while len(self._kept) >= self._limit:
            self._forget(next(iter(self._kept)))
        self._kept[digest] = who
        self._marks[digest] = _Kept(said.issued, said.marks)
        return who

    def _forget(self, digest: bytes) -> None:
        self._kept.pop(digest, None)
        self._marks.pop(digest, None)


def _registered(asked: tuple[Scope, ...], client: Client) -> tuple[Scope, ...]:
    """What is left of scopes that were granted: the client may be registered for less by now."""
    has = _scopes_of(client.scopes)
    return tuple(dict.fromkeys(part for one in asked for part in scopes.parts(one, has)))


_scopes_of = lru_cache(maxsize=1024)(scopes.parse)


def _told(done: asyncio.Task[Principal]) -> None:
    """Whoever waited knows; an error that nobody waits for any more is nobody's."""
    if not done.cancelled():
        done.exception()


_REVOKED: Final = "The access token has been revoked."
_STALE: Final = "Revocations can't be learnt of at the moment, so that no token counts. Try again."
