"""A process that does orders, made to be killed: it is told at which of its writes and requests it ends itself.

`python -m tests.durability.ordering FOLDER` forks a child for each line of standard input, a JSON object:

- `accept`: how many orders it gives; each is written to standard output once it was acknowledged
- `at`, `after`: the number of the write or request that it dies at, and whether that is done before
- `finish`: work until nothing is left, then tell what there is; else work until nothing is due
- `beside`: the next line is not waited with until it has ended
- `ahead`: seconds by which its clock is ahead: the leases of the dead have ended then

What a child says is one JSON object a line; the last is its end: `{"signal": 9}`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.unit.broker.ordered import EHR, START, WHO, process
from tests.unit.broker.receiver import Receiver

from hilum.broker import deliver
from hilum.oauth.ledger import LEASE, PARCEL
from hilum.search.clauses import Permit
from hilum.store.interface import HistoryQuery
from hilum.store.sqlite import open_sqlite
from hilum.web import log, outbound

WRITES = frozenset(("add", "replace", "remove", "many", "commit", "send"))
"""What leaves something behind when it returns, here or at the receiver."""
ROUNDS = 30
"""After which nothing can be left: more than a delivery is tried."""
FAR = 200_000.0
"""Seconds: longer than any lease or pause."""


class Dying:
    """Counts writes, and ends the process at one of them."""

    def __init__(self, at: int, after: bool) -> None:
        self._at, self._after = at, after
        self._numbers = itertools.count(1)

    def around(self, thing: Any) -> Any:
        """The same object, its writes counted."""
        return Counted(thing, self)

    async def write(self, name: str, call: Any, *args: Any, **kwargs: Any) -> Any:
        mine = next(self._numbers) == self._at
        if mine and not self._after:
            self._die(name)
        found = await call(*args, **kwargs)
        if mine:
            self._die(name)
        return found

    def _die(self, name: str) -> None:
        say({"died": name, "after": self._after})
        os.kill(os.getpid(), signal.SIGKILL)


class Counted:
    """An object with its writes counted; a store's ledger with it."""

    def __init__(self, thing: Any, dying: Dying) -> None:
        self._thing, self._dying = thing, dying

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._thing, name)
        if name == "ledger":
            return Counted(found, self._dying)
        if name not in WRITES:
            return found
        return lambda *args, **kwargs: self._dying.write(name, found, *args, **kwargs)


def say(what: dict[str, Any]) -> None:
    """One write, so that lines of several processes never mix."""
    os.write(1, json.dumps(what).encode() + b"\n")


async def child(folder: Path, told: dict[str, Any]) -> None:
    log.configure("error", "json")
    ahead = [float(told.get("ahead", 0))]
    dying = Dying(told.get("at", 0), told.get("after", False))
    opened = await open_sqlite(str(folder / "hilum.sqlite"), environment="sandbox")
    store = dying.around(opened)
    deliver.outbound = dying.around(outbound)
    try:
        orders, running = process(store, folder, Receiver(), lambda: time.time() + ahead[0])[-2:]
        for _ in range(told.get("accept", 0)):
            say({"accepted": (await orders.accept(WHO, EHR, "video", START, "video")).id})
        ledger = opened.ledger
        for _ in range(ROUNDS):
            while await running.turn() or running._under_way:
                await running.idle()
            if not told.get("finish"):
                break
            if not await ledger.of(PARCEL) and not await ledger.of(LEASE, owner=b"order"):
                await look(opened)
                break
            ahead[0] += FAR
        else:
            raise AssertionError("it is never done")
        await running.stop()
    finally:
        await opened.close()


async def look(store: Any) -> None:
    """What there is when all is done."""
    page = await store.history(HistoryQuery(("Task", "Patient", "Encounter"), ((Permit(None),),) * 3, count=1_000_000))
    tasks: dict[str, str] = {}
    versions: dict[str, int] = {}
    for one in page.resources:
        if one.type == "Task":
            tasks.setdefault(one.id, one.body["businessStatus"]["coding"][0]["code"])  # the newest comes first
        else:
            versions[one.id] = max(one.version, versions.get(one.id, 0))
    say({"tasks": tasks, "versions": versions})


def main(folder: Path) -> None:
    """Everything is imported once; a child costs a fork."""
    for line in sys.stdin:
        told = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                asyncio.run(child(folder, told))
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
    main(Path(sys.argv[1]))
