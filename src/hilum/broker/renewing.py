"""Access tokens of grants, renewed in time: by one of all who ask, in all processes, and each refresh token sent once.

https://www.rfc-editor.org/rfc/rfc9700#section-4.14 (an EHR that sees a refresh token twice takes the grant away),
https://hl7.org/fhir/smart-app-launch/app-launch.html#step-7-refresh, best-practices.html: "never used more than once"

That a refresh token is about to be sent is written into its grant first, in place of the version that was seen: of all
who try, one writes it, and sends. Then its fate is written, as the table below says. A process that dies between the
two leaves the intent: nobody knows whether the token was sent, so after `SPENDING` seconds it is taken for sent.

| What came                        | The refresh token | The grant                                                 |
|----------------------------------|-------------------|-----------------------------------------------------------|
| tokens, a new refresh token      | used up           | has both                                                  |
| tokens, no refresh token         | kept              | has the access token, and is `reusable` from now on       |
| no connection, 429, 503, a 4xx   | holds             | as before: whoever asks next sends it, the first that is  |
|   other than `invalid_grant`     |                   |   looked at                                               |
| `invalid_grant`                  | dead              | ends with its access token: somebody has to sign in again |
| no whole answer, a 5xx, nothing  | unknown           | `reusable`: as before. Else it ends with its access token |
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from hilum.broker.exchange import Fate, NotIssued, Tokens
from hilum.broker.far import Failed
from hilum.broker.grants import Grant, Grants, Kept, Pair, logged
from hilum.problems import Busy
from hilum.web import log

MARGIN: Final = 60
"""Seconds before its end from which on an access token is not handed out, but of one that lasts ten minutes or less a
tenth of its life: what is asked with it has to arrive, too.
"""
SPENDING: Final = 90
"""Seconds after which whoever is renewing has died: more than any request to a token endpoint may take."""
_POLL: Final = 0.05
_LONGEST_POLL: Final = 1.0
_REMEMBERED: Final = 5.0
"""Seconds for which a token is given again without a look at its grant, which may have been forgotten."""
_TRIES: Final = 120
"""To write down what came, a quarter of a second apart: what is not written is lost."""

Sending = Callable[[str], Awaitable[Tokens]]
"""Given the refresh token, sends it. Raises NotIssued."""
Ready = Callable[[Kept], Awaitable[Sending]]
"""Whatever has to be found out before anything is sent. Raises Failed, Problem."""


class Bearer:
    """The access token of a grant, for who asks its EHR: call it before each request; `fresh` after a 401."""

    def __init__(self, renewing: Renewing, id: str) -> None:
        self._renewing, self.id = renewing, id
        self._given: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._last, self._access, self._until = 0, "", 0.0

    async def __call__(self, fresh: bool = False) -> str:
        """The token. `fresh`: the one that this task was given last (or any, if it was given none) is not taken. So
        of a hundred requests that meet one that has ended, one renews it. Raises Failed, Problem.
        """
        task = asyncio.current_task()
        assert task is not None
        refused = self._given.get(task, self._last) if fresh else 0
        grants = self._renewing.grants
        if self._last == refused or grants.clock() >= self._until:
            kept = await self._renewing.current(self.id, refused=refused)
            if kept.grant.generation >= self._last:
                self._access, self._last = grants.opened(kept).access, kept.grant.generation
                self._until = min(grants.clock() + _REMEMBERED, ends(kept.grant))
        self._given[task] = self._last
        return self._access


class Renewing:
    """Renews the access tokens of grants."""

    def __init__(self, grants: Grants, ready: Ready) -> None:
        self.grants = grants
        self._ready = ready
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._under_way: set[asyncio.Task[None]] = set()

    def bearer(self, id: str) -> Bearer:
        """The access token of a grant, as it will be."""
        return Bearer(self, id)

    async def current(self, id: str, *, refused: int = 0) -> Kept:
        """The grant with an access token that holds. `refused`: the generation of one that the EHR does not take.

        Raises Failed when there is none and somebody has to sign in, or when the EHR can't be asked; Busy.
        """
        kept = await self.grants.get(id)
        if self._good(kept, refused):
            return kept
        async with self._locks.setdefault(id, asyncio.Lock()):  # of one process one looks; of all the record chooses
            return await self._renewed(id, refused)

    async def close(self) -> None:
        """Wait for what was sent already."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _renewed(self, id: str, refused: int) -> Kept:
        wait, known = _POLL, 0
        while True:
            kept = await self.grants.get(id)
            grant, now = kept.grant, self.grants.clock()
            if self._good(kept, refused) or 0 < known < grant.generation:  # however short what came just now may last
                return kept
            known = grant.generation
            if not grant.renewable:
                return self._last(kept, refused)
            if grant.spending == 0:
                if now < grant.rests:
                    return self._resting(kept, refused)
                if await self._begun(kept):
                    continue
            elif now >= grant.spending + SPENDING:
                log.warning("ehr token", sign_in=logged(id), ehr=grant.connection, fate="unknown", cause="left")
                await self.grants.replace(kept, **_after(kept, "unknown"))
                continue
            elif self._lasts(kept, refused):
                return kept
            await asyncio.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, _LONGEST_POLL)

    async def _begun(self, kept: Kept) -> bool:
        """Send the refresh token, if it is ours to send. False: somebody else was faster."""
        pair, sending = self.grants.opened(kept), await self._ready(kept)
        if not await self.grants.replace(kept, spending=int(self.grants.clock())):
            return False
        task = asyncio.create_task(self._spent(kept, pair, sending))
        self._under_way.add(task)
        task.add_done_callback(self._over)
        await asyncio.shield(task)  # whoever waits may give up; what was sent has an answer
        return True

    def _over(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be there any more to hear it

    async def _spent(self, kept: Kept, pair: Pair, sending: Sending) -> None:
        """Send it, and write down what came of it. Raises Failed, Busy."""
        try:
            tokens = await sending(pair.refresh)
        except NotIssued as error:
            failed, fate = error.failed, error.fate
            log.warning("ehr token", sign_in=logged(kept.id), ehr=kept.grant.connection, fate=fate, cause=failed.kind)
            rests = 0 if failed.retry_at is None else math.ceil(failed.retry_at)
            await self._settled(kept, **_after(kept, fate), rests=rests)
            raise failed from None
        if tokens.patient not in ("", kept.grant.patient):
            log.error(
                "ehr token", sign_in=logged(kept.id), ehr=kept.grant.connection, fate="dead", cause="another patient"
            )
            await self._settled(kept, **_after(kept, "dead"), expires=0)
            text = "The EHR renewed the sign-in for another patient, so it has ended. Somebody has to sign in again."
            raise Failed("broken", text)
        log.info("ehr token", sign_in=logged(kept.id), ehr=kept.grant.connection, generation=kept.grant.generation + 1)
        new = Pair(tokens.access, tokens.refresh or pair.refresh)
        await self._settled(
            kept,
            tokens=self.grants.sealed(kept.id, new),
            scopes=tokens.scopes or kept.grant.scopes,
            expires=int(self.grants.clock()) + tokens.seconds,
            life=tokens.seconds,
            generation=kept.grant.generation + 1,
            renewable=True,
            reusable=not tokens.refresh or tokens.refresh == pair.refresh,
            spending=0,
        )

    async def _settled(self, kept: Kept, **changes: Any) -> None:
        """Write it, be it that somebody has given us up meanwhile: what we know is newer. Raises Failed, Busy."""
        for _ in range(_TRIES):
            try:
                found = await self.grants.get(kept.id)
                if found.grant.generation != kept.grant.generation or await self.grants.replace(found, **changes):
                    return
            except Busy:
                await asyncio.sleep(_LONGEST_POLL / 4)
        raise Busy("What an EHR has renewed could not be written down.")

    def _good(self, kept: Kept, refused: int) -> bool:
        """Whether its access token can be handed out."""
        return kept.grant.generation != refused and self.grants.clock() < ends(kept.grant)

    def _lasts(self, kept: Kept, refused: int) -> bool:
        """Whether it can while there is none better."""
        return kept.grant.generation != refused and self.grants.clock() < kept.grant.expires

    def _resting(self, kept: Kept, refused: int) -> Kept:
        if self._lasts(kept, refused):
            return kept
        text = "The EHR's token endpoint wants to be left alone for a while."
        raise Failed("throttled", text, retry_at=float(kept.grant.rests), again=True)

    def _last(self, kept: Kept, refused: int) -> Kept:
        if self._lasts(kept, refused):
            return kept
        text = "The EHR's token has ended and can't be renewed. Somebody has to sign in again."
        raise Failed("unauthorized", text, side="ours" if kept.grant.generation != refused else "theirs")


def ends(grant: Grant) -> int:
    """Until when its access token is handed out without a thought."""
    return grant.expires - min(MARGIN, grant.life // 10)


def _after(kept: Kept, fate: Fate) -> dict[str, Any]:
    """What becomes of a grant whose refresh token was sent, and no token came."""
    holds = fate == "holds" or (fate == "unknown" and kept.grant.reusable)
    return {"spending": 0, "renewable": holds}
