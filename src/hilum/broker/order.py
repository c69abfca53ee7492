"""An order to gather, as a record: how far it is, and what came of it. A step is one write in place of the one before.

| step | sealed in it | what is done | then |
|---|---|---|---|
| asked | whom to gather (an MRN) | sign in, gather | gathered, ready; settled (failed) |
| gathered | what came | store it by one transaction | ready; settled |
| ready | the payload, byte for byte | deliver | settled; dead |
| dead | the payload | nothing, until it is replayed or has expired | ready |
| settled | nothing | tell the Task, forget the record | |

The Task is this record, shown (`hilum.broker.shown`): who restarts in the middle shows it again, and nothing is told
twice.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hilum.oauth.ledger import Record

ASKED: Final = "asked"
GATHERED: Final = "gathered"
READY: Final = "ready"
DEAD: Final = "dead"
SETTLED: Final = "settled"

DELIVERED: Final = "delivered"
REFUSED: Final = "refused"
UNANSWERED: Final = "unanswered"
INTERRUPTED: Final = "interrupted"
"""Results of attempts: 2xx; another status; no answer; hilum ended in the middle of it."""

MOST_ATTEMPTS_TOLD: Final = 40
"""Of one order, replays included, that the record and its Task tell of: the newest."""


STARTS: Final = {"mrn": "mrn", "id": "patient", "launch": "launch"}
"""How an order says whom to gather -> how a recipe does (`hilum.broker.recipes.STARTS`)."""


class Start(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom to gather. `by`: `mrn`, `id` (of the EHR's Patient) or `launch`, where the launch says whom. `session`: the
    key of the sign-in (kind EHR_TOKEN) where a person has signed in, "" for Backend Services.
    """

    by: str
    value: str = ""
    session: str = ""


class Came(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of one resource type: how many came, and why others did not. `problem`: a kind of `hilum.broker.far.Failed`, ""
    for none; `refused`: the EHR does not allow it; else it failed.
    """

    type: str
    count: int = 0
    problem: str = ""
    refused: bool = False


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """One POST, in microseconds since 1970. `ended` 0: it is under way, or hilum ended in the middle of it.
    `status`: of the answer; `kind`: why there was none (`hilum.web.outbound.Unreachable`).
    """

    begun: int
    ended: int = 0
    result: str = ""
    status: int = 0
    kind: str = ""


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an order came to nothing, in our words. `code`: a kind of `hilum.broker.far.Failed`, or one of ours. `side`:
    whose it is.
    """

    code: str
    text: str
    side: str = "ours"


class Order(Record, frozen=True, omit_defaults=True):
    """A record of kind PARCEL; its key is the id of its Task. `by`: the user or client who asked, for the audit.

    `store`: whether what comes is kept in hilum's store. `sealed`: see the table above. `tries`: how often this step
    was begun, but for the times that hilum was stopped in the middle of it, and did not die. `again`: not before then;
    `at`: when this was written: microseconds since 1970. `patient`: what `Task.for` refers to.
    """

    ehr: str
    environment: str
    recipe: str
    by: str
    at: int
    deliver_to: str = ""
    store: bool = True
    step: str = ASKED
    sealed: str = ""
    tries: int = 0
    again: int = 0
    came: tuple[Came, ...] = ()
    patient: str = ""
    attempts: tuple[Attempt, ...] = ()
    failure: Failure | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing of what was asked for is missing."""
        return not any(one.problem for one in self.came)


def changed(order: Order, at: int, **news: Any) -> Order:
    """The order with these changes, written at that time: never before it was written last, whoever's clock is behind,
    for a Task that was changed before it was authored is not valid (its invariant inv-1).
    """
    return msgspec.structs.replace(order, at=max(at, order.at), **news)


def begun(order: Order, at: int) -> Order:
    """With an attempt that is under way. One that never ended was interrupted: hilum was killed in the middle of it."""
    at = max(at, order.at)
    before = tuple(one if one.ended else interrupted(one, at) for one in order.attempts)
    attempts = (*before, Attempt(at))
    cut = max(0, len(attempts) - MOST_ATTEMPTS_TOLD)
    return changed(order, at, attempts=attempts[cut:], tries=order.tries + 1)


def interrupted(attempt: Attempt, at: int) -> Attempt:
    """An attempt of which nobody knows how it ended."""
    return msgspec.structs.replace(attempt, ended=max(at, attempt.begun), result=INTERRUPTED)


def ended(order: Order, attempt: Attempt, at: int, **news: Any) -> Order:
    """With the end of the attempt that is under way."""
    return changed(order, at, attempts=(*order.attempts[:-1], attempt), **news)


def left(order: Order, at: int) -> Order:
    """With hilum having left off in the middle of the attempt that is under way, as it does when it is stopped: that
    was none of its tries.
    """
    return ended(order, interrupted(order.attempts[-1], at), at, tries=order.tries - 1)
