"""One POST of a payload, signed as Standard Webhooks has it, and what its answer means for the next one.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (read 2026-11-23)
https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header

| header | what it says |
|---|---|
| `webhook-id` | the order's id, the same at every attempt and replay |
| `webhook-timestamp` | seconds since 1970, of this attempt |
| `webhook-signature` | `v1,` and base64 of HMAC-SHA256 of `id.timestamp.body`; one a secret, with spaces between |
| `Idempotency-Key` | the order's id, as a quoted string: a receiver that has it already answers 2xx, and does nothing |
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hilum.broker.destinations import Destination
from hilum.broker.order import DELIVERED, REFUSED, UNANSWERED
from hilum.web import outbound, retry, webhooks
from hilum.web.addresses import Target, target
from hilum.web.outbound import Guard, Unreachable

SECONDS: Final = 30.0
"""For one attempt, connecting and the answer included."""
MOST_BYTES: Final = 1 << 20
"""Of an answer, which nobody reads."""

BACKOFF: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds after the first attempt, the second, ...; after the last of them the letter is dead: three days in all."""
NEVER_AGAIN: Final = frozenset((400, 410, 413, 415, 422))
"""Statuses that the same request would meet for good: the body is not understood, too large, another one was sent with
the same key (422), or nobody wants any (410).
"""
_JITTER: Final = (0.9, 1.1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one POST: `result` as an Attempt has it. `wait`: Retry-After in seconds, 0 for none."""

    result: str
    status: int = 0
    kind: str = ""
    wait: float = 0.0


def headers(secrets: Sequence[bytes], id: str, at: int, body: bytes) -> dict[str, str]:
    """Those of an attempt at that second. `secrets`: each signs, the newest first."""
    return {
        "content-type": "application/json",
        "accept": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(webhooks.signature(one, id, str(at), body) for one in secrets),
        "idempotency-key": f'"{id}"',
    }


async def post(destination: Destination, id: str, body: bytes, guard: Guard, now: float) -> Answer:
    """Send it once. What the receiver says beside its status is not read."""
    said = headers(destination.secrets, id, int(now), body)
    try:
        found = await outbound.send(
            "POST", destination.url, said, body, limit=MOST_BYTES, guard=_guard(guard, destination)
        )
    except Unreachable as problem:
        return Answer(UNANSWERED, kind=problem.kind)
    if 200 <= found.status < 300:
        return Answer(DELIVERED, found.status)
    return Answer(REFUSED, found.status, wait=retry.after(found.headers.get("retry-after", ""), now))


def _guard(guard: Guard, destination: Destination) -> Guard:
    """Loopback for a sandbox alone; a private address where the operator has said so of this very host."""
    where = target(destination.url)
    inner = {where.host} if destination.private and isinstance(where, Target) else set()
    return replace(
        guard,
        loopback=guard.loopback and destination.environment == "sandbox",
        inner=guard.inner | inner,
        seconds=SECONDS,
    )


def again(answer: Answer, attempt: int) -> float | None:
    """Seconds until the next attempt, after the `attempt`-th (from 1); None: there is none."""
    if answer.status in NEVER_AGAIN or attempt > len(BACKOFF):
        return None
    return max(BACKOFF[attempt - 1] * random.uniform(*_JITTER), answer.wait)
