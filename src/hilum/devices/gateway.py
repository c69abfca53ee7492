"""What comes of a bundle of readings: stored, held, or refused, once for each of its names."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from hilum.access.policy import Principal
from hilum.access.seal import Seal
from hilum.devices import bundles, holding, receipts, units
from hilum.devices.bundles import Bundle, Name
from hilum.devices.records import Entry as Kept
from hilum.devices.records import Receipt
from hilum.devices.resolved import Estimate, Resolved, acting, entries, resolved
from hilum.devices.resolving import Whose
from hilum.interactions.door import Door
from hilum.interactions.permit import permits
from hilum.interactions.transaction import EntryOutcome, Standing, transaction
from hilum.oauth.ledger import Lost, Put
from hilum.problems import Busy, Conflict, Forbidden, PreconditionFailed, Problem

__all__ = ["Gateway", "Name", "Outcome", "release", "take"]

_MICRO: Final = 1_000_000
_TRIES: Final = 8
"""How often what changes meanwhile is looked at anew: an estimate, or what an agent has waiting."""


def _nobody(who: Principal, bundle: Bundle) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where bundles go, and who says whose they are. `clock`: seconds since 1970. `heard`: is told what was taken, once
    it is on disk, for "last contact"; it does not wait.
    """

    door: Door
    whose: Whose
    seal: Seal = field(repr=False)
    clock: Callable[[], float] = time.time
    heard: Callable[[Principal, Bundle], None] = _nobody


@dataclass(frozen=True, slots=True)
class Outcome:
    """`replayed`: it came before, and `receipt` is of the first time. `id`: what the receipt is asked for by.

    `shown`: seqs of the versions that stood there already, for the audit; `recorded`: the commit tells of all of it.
    """

    receipt: Receipt
    id: str
    replayed: bool = False
    shown: tuple[int, ...] = ()
    recorded: bool = False


async def take(
    gateway: Gateway,
    who: Principal,
    bundle: Mapping[str, Any],
    *,
    name: Name,
    content: bytes,
    ack: Callable[[str], str] | None = None,
) -> Outcome:
    """Store it, or hold it, with its receipt; what came before gets the first one.

    `bundle`: a transaction as `POST /devices/bundles` takes it, of whose identifier nothing is read. `content`: SHA-256
    of what was sent. `ack`: what is to be kept in the receipt, made of why it is held ("" once it is stored). Raises
    Invalid and Unprocessable (422) naming the element, Forbidden (a revoked device, or what the token does not allow),
    Unprocessable for another content under the same name, NoRoom where no more can be held, Busy.
    """
    place = receipts.key(who.client, name)
    before = await _before(gateway, place, content)
    if before is not None:
        return before
    parsed = bundles.parsed(bundle, gateway.door.base)
    for type in dict.fromkeys(part.type for part in parsed.parts if part.type != "Patient"):
        permits(who, type, "c")
    await units.check(parsed.parts)
    try:
        found = await resolved(gateway.door, gateway.whose, who, parsed)
        receipt = Receipt(
            *name,
            client=who.client,
            content=content,
            at=int(gateway.clock() * _MICRO),
            entries=(Kept(),) * len(parsed.parts),
            held=found.hold,
            ack="" if ack is None else ack(found.hold),
        )
        if found.hold:
            done = await _hold(gateway, who, bundle, found, receipt, place)
            await _linked_meanwhile(gateway, who, parsed, place)
        else:
            done = await _store(gateway, who, found, receipt, lambda made: [receipts.put(place, made)])
    except Conflict:
        before = await _before(gateway, place, content)
        if before is None:
            raise
        return before
    gateway.heard(who, parsed)
    return done


async def _before(gateway: Gateway, place: bytes, content: bytes) -> Outcome | None:
    """What became of it when it came first. Raises Unprocessable."""
    kept = await receipts.known(gateway.door.store.ledger, place)
    if kept is None:
        return None
    receipts.same(kept.receipt, content)
    return Outcome(kept.receipt, receipts.id_of(kept.receipt), replayed=True)


# --- stored -----------------------------------------------------------------------------------------------------------


class _Estimates(Exception):
    """Of some entries an estimate stands there: index -> which."""

    def __init__(self, found: Mapping[int, Estimate]) -> None:
        super().__init__()
        self.found = found


async def _store(
    gateway: Gateway, who: Principal, found: Resolved, receipt: Receipt, puts: Callable[[Receipt], Sequence[Put]]
) -> Outcome:
    """Write it with its receipt. Raises Conflict where a record of `puts` was written meanwhile.

    Where an early estimate stands under the identifier of a final value, that one replaces it; whether one does is
    judged anew in each attempt to commit.
    """
    doubles = bundles.doubles(found.bundle.parts)
    estimates: dict[int, Estimate] = {}
    made = receipt

    def once(standing: Sequence[Standing]) -> Sequence[Put]:
        nonlocal made
        early = _estimated(found.bundle, standing)
        if early:
            raise _Estimates(early)
        made = _told(receipt, found, doubles, standing)
        return puts(made)

    for _ in range(_TRIES):
        try:
            outcomes = await transaction(
                gateway.door, acting(who, found.ids), entries(found, doubles, estimates), once=once
            )
        except _Estimates as problem:
            estimates |= problem.found
        except PreconditionFailed:
            if not estimates:
                raise
            estimates.clear()  # what stood there has changed
        else:
            return _outcome(made, outcomes)
    raise Busy("What stands there of these readings changes all the time. Send this bundle again in a moment.")


def _estimated(bundle: Bundle, standing: Sequence[Standing]) -> dict[int, Estimate]:
    parts = {part.index: part for part in bundle.parts}
    return {
        one.index: Estimate(one.id, one.version)
        for one in standing
        if one.found is not None and bundles.supersedes(parts[one.index].body, one.found.body)
    }


def _told(receipt: Receipt, found: Resolved, doubles: Mapping[int, int], standing: Sequence[Standing]) -> Receipt:
    """With what each entry came to; a double is what the one is that stands for it, and a Patient is there already."""
    stand = {one.index: one for one in standing}
    told: list[Kept] = []
    for part in found.bundle.parts:
        if part.type == "Patient":
            ids = found.named.get(part.index, frozenset())
            told.append(Kept(f"Patient/{next(iter(ids))}" if len(ids) == 1 else ""))
            continue
        one = stand[doubles.get(part.index, part.index)]
        told.append(Kept(f"{one.type}/{one.id}", one.version, one.created and part.index not in doubles))
    return Receipt(
        receipt.system, receipt.value, receipt.client, receipt.content, receipt.at, tuple(told), "", receipt.ack
    )


def _outcome(receipt: Receipt, outcomes: Sequence[EntryOutcome]) -> Outcome:
    stood = tuple(one.resource.seq for one in outcomes if one.resource is not None and not one.changed)
    return Outcome(
        receipt, receipts.id_of(receipt), shown=stood, recorded=not stood and any(one.changed for one in outcomes)
    )


# --- held -------------------------------------------------------------------------------------------------------------


class _Sound(Exception):
    """All is as it should be, and nothing is to be written."""


async def _hold(
    gateway: Gateway, who: Principal, bundle: Mapping[str, Any], found: Resolved, receipt: Receipt, place: bytes
) -> Outcome:
    """Keep it, once it is seen that nothing else is wrong with it. Raises Conflict, NoRoom, and what `_store` does."""

    async def stop(door: Door) -> None:
        raise _Sound

    doubles = bundles.doubles(found.bundle.parts)
    with suppress(_Sound):
        await transaction(gateway.door, acting(who, found.ids), entries(found, doubles, {}), stop)
    ledger = gateway.door.store.ledger
    for _ in range(_TRIES):
        puts = await holding.kept(ledger, gateway.seal, who, bundle, receipt, place, found.devices)
        try:
            await ledger.many([receipts.put(place, receipt), *puts])
        except Lost:
            if await receipts.known(ledger, place) is not None:
                raise Conflict("This bundle came by another way meanwhile.") from None
        else:
            return Outcome(receipt, receipts.id_of(receipt))
    raise Busy("Too many bundles of this client come to be held at once. Send this one again in a moment.")


async def _linked_meanwhile(gateway: Gateway, who: Principal, parsed: Bundle, place: bytes) -> None:
    """A link that was made after it was looked for, and had nothing to release yet, releases it now. What goes wrong
    with that is no fault of who sent it: it waits.
    """
    with suppress(Problem):
        if not (await resolved(gateway.door, gateway.whose, who, parsed)).hold:
            await _released(gateway, place)


@dataclass(frozen=True, slots=True)
class Released:
    """How many bundles were stored now, how many wait on, and of how many of them something else is wrong by now."""

    stored: int = 0
    waiting: int = 0
    refused: int = 0


async def release(gateway: Gateway, id: str = "") -> Released:
    """Store what is known by now whose it is, all or the one of this receipt: as who sent it, in the commit that turns
    its receipt into one of what is stored. What a client sent that has been revoked since waits on. Raises Busy.
    """
    stored = waiting = refused = 0
    ledger = gateway.door.store.ledger
    async for one in holding.waiting(ledger):
        if id not in ("", one.id):
            continue
        try:
            if await _released(gateway, one.place):
                stored += 1
            else:
                waiting += 1
        except Busy:
            raise
        except Problem:  # of this one: those behind it are released
            waiting += 1
            refused += 1
    return Released(stored, waiting, refused)


async def _released(gateway: Gateway, place: bytes) -> bool:
    """Whether it is stored now. Raises what is wrong with it."""
    ledger = gateway.door.store.ledger
    for _ in range(_TRIES):
        held, kept = await holding.opened(ledger, gateway.seal, place), await receipts.known(ledger, place)
        if held is None or kept is None:  # another process has done it
            return True
        if not await holding.stands(ledger, held.who.client):
            raise Forbidden("The client that sent it has been revoked.")
        found = await resolved(gateway.door, gateway.whose, held.who, bundles.parsed(held.bundle, gateway.door.base))
        if found.hold:
            return False
        gone = await holding.gone(ledger, held)
        version = kept.version
        try:
            await _store(
                gateway,
                held.who,
                found,
                kept.receipt,
                lambda done, version=version, gone=gone: [receipts.put(place, done, version), *gone],  # type: ignore[misc]
            )
        except Conflict:  # another one is released beside it, or this one by another process
            continue
        return True
    raise Busy("Too much of this client is released at once. Try again in a moment.")
