"""A process that does orders, made to be killed: it is told at which of its steps it ends itself.

`python -m tests.durability.ordering` forks a child for each line of standard input, a JSON object:

- `folder`, `store`: of its settings and keys; a file of SQLite, or [URL, schema] of PostgreSQL
- `accept`: how many orders it gives; each is written to standard output once it was acknowledged. `options`: of them;
  `cancel`: it gives them up again at once
- `replay`: dead letters are replayed first
- `step`, `nth`, `after`: what it dies at (`tests.durability.steps`), the how-manieth of that name, and whether that is
  done before. `anywhere` instead: the number of a step of any name
- `trace`: tell the name of each step
- `finish`: work until nothing is left, then tell what there is; else work until nothing is due
- `stop`: leave off as soon as the patient is asked for, as one that is stopped does
- `alive`: work until SIGTERM comes and nothing is left, at no other pace than the clock's
- `beside`: the next line is not waited with until it has ended
- `clock`: the time that it is, in seconds since 1970; `speed`: how fast it goes
- `mutant`: a fault of `tests.durability.mutants` in it

What a child says is one JSON object a line, as is what is said of its end.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from tests.durability.mutants import MUTANTS
from tests.durability.steps import NAMES, step

from hilum.access.keys import load_or_create
from hilum.access.policy import EVERYTHING, Principal
from hilum.access.seal import Seal
from hilum.broker import deliver, vendors
from hilum.broker.backend import Backend
from hilum.broker.connections import Connections
from hilum.broker.destinations import Destinations
from hilum.broker.discovery import Discovery
from hilum.broker.following import Following
from hilum.broker.order import Start
from hilum.broker.ordering import ordering
from hilum.broker.orders import Orders
from hilum.broker.parcels import OWNER, Parcels
from hilum.broker.reach import guarded
from hilum.broker.recipes import recipes
from hilum.broker.replaying import replay
from hilum.broker.running import Running
from hilum.interactions.door import Door
from hilum.oauth.ledger import LEASE, PARCEL
from hilum.problems import Conflict
from hilum.search.clauses import Permit
from hilum.store.interface import HistoryQuery, Store
from hilum.store.postgres import open_postgres
from hilum.store.sqlite import open_sqlite
from hilum.web import log, outbound
from hilum.web.outbound import Guard
from hilum.web.pool import Pool

WHO = Principal("ada", "app", "jti", EVERYTHING, 1 << 62)
ROUNDS = 30
"""After which nothing can be left: more than a delivery is tried."""
FAR = 200_000.0
"""Seconds: longer than any lease or pause."""
GUARD = Guard(loopback=True)


class Dying:
    """Counts steps, and ends the process at one of them."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._step, self._after, self._anywhere = told.get("step"), told.get("after", False), told.get("anywhere")
        self._left, self._trace = told.get("nth", 1), told.get("trace", False)
        self._numbers = itertools.count(1)
        self.asks = asyncio.Event()
        "The patient is asked for."

    def around(self, thing: Any) -> Any:
        """The same object, its steps counted; a store's ledger with it."""
        return Counted(thing, self)

    async def taken(self, method: str, call: Any, *args: Any, **kwargs: Any) -> Any:
        name = step(method, args)
        if self._trace:
            say({"step": name})
        if name == "patient":
            self.asks.set()
        mine = next(self._numbers) == self._anywhere
        if name == self._step:
            self._left -= 1
            mine = self._left == 0
        if mine and not self._after:
            self._die(name)
        try:
            return await call(*args, **kwargs)
        finally:
            if mine:
                self._die(name)

    def _die(self, name: str) -> None:
        say({"died": name, "side": "after" if self._after else "before"})
        os.kill(os.getpid(), signal.SIGKILL)


class Counted:
    """An object with its steps counted."""

    def __init__(self, thing: Any, dying: Dying) -> None:
        self._thing, self._dying = thing, dying

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        if name == "ledger":
            return Counted(found, self._dying)
        return partial(self._dying.taken, name, found) if name in NAMES else found


class Clock:
    def __init__(self, now: float, speed: float) -> None:
        self._began, self._now, self._speed = time.monotonic(), now, speed

    def __call__(self) -> float:
        return self._now + (time.monotonic() - self._began) * self._speed

    def move(self, seconds: float) -> None:
        self._now += seconds


def say(what: dict[str, Any]) -> None:
    """One write, so that lines of several processes never mix. `by`: who says it."""
    os.write(1, json.dumps({"by": os.getpid(), **what}).encode() + b"\n")


async def opened(place: Any) -> Store:
    if isinstance(place, str):
        return await open_sqlite(place, environment="sandbox")
    return await open_postgres(place[0], schema=place[1], environment="sandbox", connections=3)


class Process:
    """One process of hilum, as far as its orders are concerned; nothing in it is played but the clock."""

    def __init__(self, store: Store, told: dict[str, Any], clock: Clock) -> None:
        folder, dying = Path(told["folder"]), Dying(told)
        self.store, self._clock, self._asks = store, clock, dying.asks
        deliver.outbound = dying.around(outbound)
        self._pool = Pool(GUARD)
        counted = dying.around(store)
        door, seal = Door(counted, "https://hilum.test/fhir"), Seal(load_or_create(folder, "sandbox"))
        self._connections = Connections(counted.ledger, seal, "sandbox", folder, clock=clock)
        table, send = vendors.packaged(), partial(dying.taken, "send", guarded(lambda: GUARD))
        discovery = Discovery(send, clock, clock)
        none: Any = None
        backend = Backend(self._connections, discovery, none, counted.ledger, seal, send, table, clock=clock)
        pool, known = dying.around(self._pool), recipes(folder / "recipes")
        following = Following(door, self._connections, backend, none, table, lambda: pool, lambda: known, clock=clock)
        destinations = Destinations(counted.ledger, seal, folder)
        made = ordering(door, seal, destinations, following, following.store, following.template, GUARD, clock=clock)
        self.orders: Orders = made[0]
        self.running: Running = made[1]
        self._parcels = Parcels(counted.ledger, seal)

    async def accept(self, count: int, cancel: bool, options: dict[str, Any]) -> None:
        connection = await self._connections.get("north")
        values = {"deliver_to": "video", **options}
        for _ in range(count):
            id = (await self.orders.accept(WHO, connection, "video", Start("mrn", "4711"), **values)).id
            say({"accepted": id})
            if cancel:
                say({"cancelled": id})
                await self.running.turn()  # it is begun
                with suppress(Conflict):  # it is done already
                    await self.orders.cancel(WHO, id)

    async def replay(self) -> None:
        for dead in await self._parcels.dead("video"):
            await replay(self._parcels, dead, self._clock())

    async def due(self) -> None:
        """Work until nothing is due."""
        while await self.running.turn() or self.running._under_way:
            await self.running.idle()

    async def leave_off(self) -> None:
        """In the middle of gathering."""
        await self.running.turn()
        await self._asks.wait()
        await self.running.stop()

    async def all(self) -> None:
        """Work until nothing is left, however long that takes."""
        for _ in range(ROUNDS):
            await self.due()
            if not await self.store.ledger.of(LEASE, owner=OWNER):  # the leases of the dead have ended
                await self.replay()
                await self.due()
            if await self.left() == 0:
                return
            self._clock.move(FAR)
        raise AssertionError("it is never done")

    async def live(self) -> None:
        """As a server, until SIGTERM comes and nothing is left."""
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        say({"alive": True})
        while not ended.is_set() or await self.left():
            await self.running.turn()
            await asyncio.sleep(0.01)
        say({"left": 0})

    async def left(self) -> int:
        ledger = self.store.ledger
        return len(await ledger.of(PARCEL)) + len(await ledger.of(LEASE, owner=OWNER))

    async def close(self) -> None:
        await self.running.stop()
        await self._pool.close()


async def child(told: dict[str, Any]) -> None:
    log.configure("error", "json")
    if "mutant" in told:
        MUTANTS[told["mutant"]]()
    clock = Clock(told["clock"], told.get("speed", 1.0))
    store = await opened(told["store"])
    try:
        here = Process(store, told, clock)
        if told.get("replay"):
            await here.replay()
        await here.accept(told.get("accept", 0), told.get("cancel", False), told.get("options", {}))
        if told.get("alive"):
            await here.live()
        elif told.get("finish"):
            await here.all()
        elif told.get("stop"):
            await here.leave_off()
        else:
            await here.due()
        await here.close()
        if told.get("finish"):
            say({"clock": clock(), **await found(store)})
    finally:
        await store.close()


TYPES = ("Task", "Patient", "Encounter")


async def found(store: Store) -> dict[str, Any]:
    """What there is: the last that each Task says, and the versions of each resource, the newest first."""
    page = await store.history(HistoryQuery(TYPES, ((Permit(None),),) * len(TYPES), count=1_000_000))
    tasks: dict[str, str] = {}
    versions: dict[str, list[Any]] = {}
    for one in page.resources:
        if one.type == "Task":
            tasks.setdefault(one.id, one.body["businessStatus"]["coding"][0]["code"])
        else:
            versions.setdefault(one.type, []).append([one.id, one.body.get("length", {}).get("value")])
    return {"tasks": tasks, "versions": versions}


def main() -> None:
    """Everything is imported and read once; a child costs a fork."""
    vendors.packaged()
    for line in sys.stdin:
        told = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                asyncio.run(child(told))
            except BaseException as error:  # whatever it is, the test wants to see it, and the child ends
                say({"error": repr(error)})
                os._exit(1)
            os._exit(0)
        say({"pid": pid})
        if told.get("beside"):
            continue
        while True:
            ended, status = os.wait()
            say({"ended": ended, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0})
            if ended == pid:
                break


if __name__ == "__main__":
    main()
