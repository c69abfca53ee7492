"""kill -9 at every step of gathering and delivering: what was accepted is delivered, and each receiver's effect is one.

A few seeded points here; all of them by `HILUM_FULL=1 pytest -s tests/durability/test_order_crash.py`. At most points
the process ends itself before or after one of its writes or requests; at the others it is killed at some moment from
outside, or works on beside one that takes its leases over, as if it had slept, until it ends itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.durability.ordering import FAR
from tests.unit.broker.receiver import CUT, LOST, SECRET, Receiver, receiving

FULL = bool(os.environ.get("HILUM_FULL"))
POINTS = 300 if FULL else 12
KILLS = 200 if FULL else 4
"""So many at least: a point that lies behind the end of all work, as a refusal makes it come early, is none."""
WRITES = 20
"""And requests, of an order that goes well, from the first to the last, about."""
ANSWERS: tuple[int | str, ...] = (200, 500, 409, LOST, CUT)

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks: Linux only")


@dataclass
class Orders:
    """What the processes have said."""

    process: Process
    accepted: list[str] = field(default_factory=list)
    died: Counter[str] = field(default_factory=Counter)

    async def told(self, **what: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        await self.process.stdin.drain()

    async def said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(await self.process.stdout.readline())
        assert "error" not in found, found
        if "accepted" in found:
            self.accepted.append(found["accepted"])
        if "died" in found:
            self.died[f"{found['died']}, {'after' if found['after'] else 'before'}"] += 1
        return found

    async def until(self, name: str) -> dict[str, Any]:
        while name not in (found := await self.said()):
            pass
        return found

    async def point(self, chance: random.Random) -> None:
        """One process is killed, in one way or another, with an order or two accepted or about to be."""
        way, count = chance.random(), chance.choice((1, 2))
        if way < 0.7:
            await self.told(accept=count, at=chance.randint(1, WRITES * count), after=chance.random() < 0.5)
            await self.until("ended")
        elif way < 0.85:
            await self.told(accept=count)
            pid = (await self.until("pid"))["pid"]
            await asyncio.sleep(chance.random() * 0.25)
            try:
                os.kill(pid, signal.SIGKILL)
                self.died["from outside"] += 1
            except ProcessLookupError:
                pass
            await self.until("ended")
        else:
            at = chance.randint(10, WRITES * count)
            await self.told(accept=count, beside=True, at=at, after=chance.random() < 0.5)
            for _ in range(count):
                await self.until("accepted")

    async def finished(self) -> dict[str, Any]:
        """Another process does all that is left, its clock far ahead."""
        await self.told(finish=True, ahead=FAR)
        found = await self.until("tasks")
        await self.until("ended")
        return found


@asynccontextmanager
async def ordering(folder: Path, receiver: Receiver) -> AsyncIterator[Orders]:
    table = f'[video]\nurl = "{receiver.url}"\nenvironment = "sandbox"\nsecret_file = "video.secret"\n'
    (folder / "destinations.toml").write_text(table)
    (folder / "video.secret").write_text(SECRET)
    command = (sys.executable, "-m", "tests.durability.ordering", str(folder))
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    try:
        yield Orders(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def test_each_accepted_order_is_delivered_once_wherever_hilum_is_killed(tmp_path: Path) -> None:
    async with receiving(Receiver(any_time=True)) as receiver, ordering(tmp_path, receiver) as orders:
        await orders.finished()
        for seed in range(POINTS):
            chance = random.Random(seed)
            receiver.script = [chance.choice(ANSWERS) for _ in range(chance.randint(0, 4))]
            await orders.point(chance)
            found = await orders.finished()
            told = f"seed {seed}"
            assert set(found["tasks"].values()) == {"delivered"}, told
            assert set(orders.accepted) <= set(found["tasks"]), told
            assert set(receiver.effects) == set(found["tasks"]), told
            assert receiver.wrong == [], told
        assert {receiver.data(id)["first_name"] for id in receiver.effects} == {"Amy"}
        assert found["versions"] == {"epic-far-1": 1, "epic-far-2": 1}, "what was stored again is as it was"
    kills, requests = sum(orders.died.values()), len(receiver.attempts)
    print(f"\n{POINTS} points, {kills} kills, {len(receiver.effects)} orders, {requests} requests, none lost")
    for name, count in sorted(orders.died.items()):
        print(f"{count:5} {name}")
    assert kills >= KILLS
