"""kill -9 at every step of gathering and delivering: what was accepted is delivered, and each receiver's effect is one.

Some seeded points on each store here; all of them by
`HILUM_FULL=1 pytest -s tests/durability/test_order_crash.py`. Nothing of hilum is played but the clock: a process signs
in to an EHR, gathers page by page, stores, and delivers, over HTTP. At most points it ends itself before or after one
of its steps (`tests.durability.steps`), or is killed while another server has its request. At the others it is killed
at some moment, works on beside one that takes its leases over, as if it had slept, or dies beside one that lives on.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import time
import zlib
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.durability.steps import FRESH, REQUESTS, STEPS
from tests.farside import Asked, Farside, Said, bundle, fhir, raw, serving
from tests.unit.broker.played import MRN, encounter, patient
from tests.unit.broker.receiver import CUT, LOST, SECRET, Receiver, receiving

FULL = bool(os.environ.get("HILUM_FULL"))
SMALL = 6
"""Named points here; at full size it is all of them."""
TWICE = 60 if FULL else 1
"""Named points of the first or the second of two orders."""
OTHERS = (25, 20, 20, 10) if FULL else (0, 1, 1, 1)
"""Points at a step of any name, at some moment, beside a sleeper, beside one that lives on."""
ANSWERS: tuple[int | str, ...] = (200, 500, 409, LOST, CUT)
SCRIPTS: dict[str, list[int | str]] = {"refused": [500], "lost": [LOST], "dead": [422]}
OPTIONS: dict[str, dict[str, Any]] = {"not stored": {"store": False}, "not delivered": {"deliver_to": ""}}
AHEAD = 1000.0
"""Seconds between two points: tokens and leases of the one have ended at the next."""
FAST = 30.0
"""How fast the clock of two goes that live beside each other: a lease of 15 seconds ends in half a one."""
HANGS = 60.0

RECIPE = """
title = "What the crash test gathers"

[[ask]]
type = "Encounter"
search = "patient={patient}"

[payload.fields]
first_name = { from = "Patient", path = "name.given.first()", type = "string" }
"""
FILES = {
    "recipes/video.toml": RECIPE,
    "video.secret": SECRET,
    "ehr.secret": "s3cret",
}
NORTH = """
[north]
environment = "sandbox"
vendor = "plain"
base = "{base}"
client_id = "hilum"
method = "client_secret_basic"
client_secret_file = "ehr.secret"
system_scopes = "system/*.rs"
mrn_system = "{system}"
"""
VIDEO = """
[video]
url = "{url}"
environment = "sandbox"
secret_file = "video.secret"
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks: Linux only")


@dataclass
class Ehr:
    """One patient, and visits on two pages; what the first visit says is another thing at each `edition`.

    `asked`: how often what was asked for. `busy`: it wants to be left alone by the next that ask for the patient.
    `hold`: a request that gets no answer before `gate` is set; it has come when `held` is. `slow`: seconds.
    """

    edition: int = 0
    busy: int = 0
    slow: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    hold: str = ""
    held: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    far: Farside = field(default_factory=Farside)

    def answer(self, asked: Asked) -> Said:
        name, said = self._said(asked, dict(asked.query))
        self.asked[name] += 1
        if name == "patient" and self.slow:
            return self._later(said, lambda: asyncio.sleep(self.slow))
        if name == self.hold:
            self.held.set()
            return self._later(said, self.gate.wait)
        return said

    def _said(self, asked: Asked, query: dict[str, str]) -> tuple[str, bytes]:
        if asked.path.endswith("/smart-configuration"):
            return "discovery", raw(json.dumps({"token_endpoint": self.far.url("/token")}).encode())
        if asked.path == "/token":
            token = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "system/*.rs"}
            return "token", raw(json.dumps(token).encode())
        if asked.path == "/fhir/Patient":
            if self.busy:
                self.busy -= 1
                return "patient", raw(status="429 Too Many Requests", retry_after="3600")
            return "patient", fhir(bundle(patient(mrn="4711", name=[{"family": "Quimby", "given": ["Amy"]}])))
        if "page" in query:
            return "page 2", fhir(bundle(encounter("e2")))
        first = encounter("e1", length={"value": self.edition, "unit": "min"})
        return "page 1", fhir(bundle(first, next=self.far.url("/fhir/Encounter?page=2")))

    def _later(self, said: bytes, wait: Callable[[], Awaitable[Any]]) -> Said:
        async def answer(writer: asyncio.StreamWriter) -> None:
            await wait()
            writer.write(said)

        return answer


@dataclass
class World:
    """An EHR, a receiver, and a process that forks others of hilum. `mutant`: a fault in each of these."""

    process: Process
    folder: Path
    store: Any
    ehr: Ehr
    receiver: Receiver
    mutant: str = ""
    now: float = field(default_factory=time.time)
    accepted: dict[str, str] = field(default_factory=dict)
    died: Counter[str] = field(default_factory=Counter)
    steps: set[str] = field(default_factory=set)

    def begin(self, store: Any, mutant: str) -> None:
        """With another store, and nothing done yet."""
        self.store, self.mutant = store, mutant
        self.accepted.clear()
        for one in (self.receiver.effects, self.receiver.attempts, self.receiver.wrong):
            one.clear()

    async def told(self, **what: Any) -> int:
        """Fork one; which."""
        assert self.process.stdin is not None
        values = {"folder": str(self.folder), "store": self.store, "clock": self.now, **what}
        if self.mutant:
            values["mutant"] = self.mutant
        self.process.stdin.write(json.dumps(values).encode() + b"\n")
        await self.process.stdin.drain()
        return int((await self.said("pid"))["pid"])

    async def all_said(self, name: str, *pids: int) -> None:
        left = set(pids)
        while left:
            left.discard((await self.said(name))["by"])

    async def said(self, name: str) -> dict[str, Any]:
        """The next that somebody says, of this name."""
        assert self.process.stdout is not None
        while True:
            async with asyncio.timeout(HANGS):
                found: dict[str, Any] = json.loads(await self.process.stdout.readline())
            assert "error" not in found, found["error"]
            if "accepted" in found:
                self.accepted[found["accepted"]] = "accepted"
            if "cancelled" in found:
                self.accepted[found["cancelled"]] = "cancelled"
            if "step" in found:
                self.steps.add(found["step"])
            if "died" in found:
                self.died[f"{found['died']}, {found['side']}"] += 1
            if name in found:
                return found

    async def over(self, pid: int) -> None:
        while (await self.said("ended"))["ended"] != pid:
            pass

    async def run(self, **what: Any) -> None:
        await self.over(await self.told(**what))

    async def finished(self) -> dict[str, Any]:
        """Another process does all that is left, and what there is then is as it should be."""
        pid = await self.told(finish=True)
        found = await self.said("tasks")
        await self.over(pid)
        self.now = found["clock"] + AHEAD
        tasks, versions = found["tasks"], found["versions"]
        done = {id for id, step in tasks.items() if step == "delivered"}
        given_up = {id for id, step in tasks.items() if step == "cancelled"}
        assert set(tasks.values()) <= {"delivered", "stored", "cancelled"}, "not done"
        assert set(self.accepted) <= set(tasks), "lost"
        assert all(self.accepted.get(id) != "accepted" for id in given_up), "cancelled by nobody"
        assert done <= set(self.receiver.effects), "not delivered"
        assert set(self.receiver.effects) <= done | given_up, "doubled"
        assert self.receiver.wrong == [], "not the same again"
        assert {self.receiver.data(id)["first_name"] for id in self.receiver.effects} <= {"Amy"}
        editions = [edition for _, edition in versions.get("Encounter", ()) if edition is not None]
        assert all(one != other for one, other in itertools.pairwise(editions)), "stored twice"
        assert len(versions.get("Patient", ())) <= 1, "stored twice"
        return found

    # --- points -------------------------------------------------------------------------------------------------------

    async def fresh(self) -> None:
        """At what is done once in the life of a store."""
        for step, after in itertools.product(FRESH, (False, True)):
            await self.run(accept=1, step=step, after=after)
            self.now += AHEAD
        await self.finished()

    async def named(self, how: str, step: str, side: str, count: int = 1, nth: int = 1) -> None:
        """At this one of the steps of an order that goes like this."""
        for again in range(3):  # who cancels may come too late; what a process does once has no second
            before = self.died[f"{step}, {side}"]
            told = await self._going(how, count)
            if side == "during":
                await self._during(step, told)
            else:
                await self.run(**told, step=step, nth=1 if again else nth, after=side == "after")
            await self.finished()
            if self.died[f"{step}, {side}"] > before:
                return
        raise AssertionError(f"nobody came to {step}, {how}")

    async def _going(self, how: str, count: int) -> dict[str, Any]:
        """What a process is told whose orders are to go like this."""
        self.ehr.edition += 1
        self.ehr.busy = count if how == "not gathered" else 0
        self.receiver.script = SCRIPTS.get(how, []) * count
        ways = {"cancel": how == "cancelled", "stop": how == "left off"}
        told: dict[str, Any] = {"accept": count, "options": OPTIONS.get(how, {}), **ways}
        if how != "replayed":
            return told
        self.receiver.script = [422] * count
        await self.run(**told)
        return {"replay": True}

    async def traced(self, how: str) -> set[str]:
        """The steps of an order that goes like this, while nobody is killed."""
        self.steps.clear()
        await self.run(**await self._going(how, 1), trace=True)
        found = self.steps.copy()
        await self.finished()
        return found

    async def _during(self, step: str, told: dict[str, Any]) -> None:
        """Killed while the other server has the request; its answer, and what it does, come after that."""
        held, gate = asyncio.Event(), asyncio.Event()
        if step == "delivery":
            self.receiver.asked, self.receiver.gate = held, gate
        else:
            self.ehr.hold, self.ehr.held, self.ehr.gate = step, held, gate
        pid = await self.told(**told)
        async with asyncio.timeout(HANGS):
            await held.wait()
        self.ehr.hold, self.receiver.gate = "", None
        os.kill(pid, signal.SIGKILL)
        await self.over(pid)
        gate.set()
        self.died[f"{step}, during"] += 1

    async def anywhere(self, chance: random.Random) -> None:
        self._anyhow(chance)
        await self.run(accept=2, anywhere=chance.randint(1, 60), after=chance.random() < 0.5)
        await self.finished()

    async def outside(self, chance: random.Random) -> None:
        """At some moment."""
        self._anyhow(chance)
        pid = await self.told(accept=2)
        await asyncio.sleep(chance.random() * 0.3)
        self._killed(pid, "at some moment")
        await self.over(pid)
        await self.finished()

    async def asleep(self, chance: random.Random) -> None:
        """Its leases have ended, by the other's clock, and it works on until it dies, somewhere or other."""
        self._anyhow(chance)
        await self.told(accept=2, beside=True, anywhere=chance.randint(20, 60), after=chance.random() < 0.5)
        for _ in range(2):
            await self.said("accepted")
        self.now += AHEAD
        await self.finished()

    async def taken_over(self, chance: random.Random) -> None:
        """Of two that live, one is killed: the other goes on with its orders when their leases have ended."""
        self._anyhow(chance, 0)
        heir = await self.told(alive=True, beside=True, speed=FAST)
        await self.all_said("alive", heir)
        before = set(self.accepted)
        dies = await self.told(accept=2, alive=True, beside=True, speed=FAST)
        await self.all_said("alive", dies)
        await asyncio.sleep(chance.random() * 0.1)
        self._killed(dies, "beside another")
        os.kill(heir, signal.SIGTERM)
        await self.all_said("left", heir)
        assert set(self.accepted) - before <= set(self.receiver.effects), "not taken over"
        await self.finished()

    async def at_peace(self, count: int = 3) -> None:
        """Two that live, and nobody is killed: each order is gathered once, and sent once."""
        self._anyhow(random.Random(0), 0)
        await self.finished()
        attempts, asked, before = len(self.receiver.attempts), self.ehr.asked["patient"], set(self.accepted)
        self.ehr.slow = 0.1
        both = [await self.told(accept=count, alive=True, beside=True) for _ in range(2)]
        await self.all_said("alive", *both)
        for pid in both:
            os.kill(pid, signal.SIGTERM)
        await self.all_said("left", *both)
        self.ehr.slow = 0.0
        sent = self.receiver.attempts[attempts:]
        assert sorted(sent) == sorted(set(self.accepted) - before), "not each sent once"
        assert self.ehr.asked["patient"] - asked == 2 * count, "gathered more than once"

    def _anyhow(self, chance: random.Random, most: int = 4) -> None:
        self.ehr.edition += 1
        self.receiver.script = [chance.choice(ANSWERS) for _ in range(chance.randint(0, most))]

    def _killed(self, pid: int, name: str) -> None:
        try:
            os.kill(pid, signal.SIGKILL)
            self.died[name] += 1
        except ProcessLookupError:
            pass


@asynccontextmanager
async def world(folder: Path, store: Any) -> AsyncIterator[World]:
    ehr = Ehr()
    async with receiving(Receiver(any_time=True)) as receiver, serving(ehr.answer) as far:
        ehr.far = far
        files = FILES | {
            "ehrs.toml": NORTH.format(base=far.url(), system=MRN),
            "destinations.toml": VIDEO.format(url=receiver.url),
        }
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        command = (sys.executable, "-m", "tests.durability.ordering")
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=1 << 24)
        try:
            yield World(process, folder, store, ehr, receiver)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()


def sides(step: str) -> tuple[str, ...]:
    return ("before", "during", "after") if step in REQUESTS else ("before", "after")


POINTS = [(how, step, side) for how, steps in STEPS.items() for step in steps for side in sides(step)]


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
async def test_each_accepted_order_is_delivered_once_wherever_hilum_is_killed(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(zlib.crc32(kind.encode()))
    store: Any = str(tmp_path / "hilum.sqlite")
    if kind == "postgresql":
        store = [request.getfixturevalue("postgres_url"), f"orders_{os.getpid()}"]
    async with world(tmp_path, store) as here:
        await here.fresh()
        for point in POINTS if FULL else chance.sample(POINTS, SMALL):
            await here.named(*point)
        for how, step, side in chance.sample(POINTS, TWICE):
            await here.named(how, step, side, count=2, nth=chance.choice((1, 2)))
        ways = (here.anywhere, here.outside, here.asleep, here.taken_over)
        for way, times in zip(ways, OTHERS, strict=True):
            for _ in range(times):
                await way(chance)
        await here.at_peace()
        kills, effects = sum(here.died.values()), here.receiver.effects
        told = f"{kind}: {kills} kills, {len(effects)} orders, {len(here.receiver.attempts)} requests to deliver them"
        print(f"\n{told}; none lost, none doubled")
        for name, count in sorted(here.died.items()):
            print(f"{count:5} {name}")
        assert kills >= (200 if FULL else SMALL)


async def test_no_step_of_an_order_is_left_out(tmp_path: Path) -> None:
    async with world(tmp_path, str(tmp_path / "hilum.sqlite")) as here:
        found = {how: await here.traced(how) for how in STEPS}
    assert {how: set(steps) - found[how] for how, steps in STEPS.items()} == {how: set() for how in STEPS}
    assert set.union(*found.values()) == {*FRESH, *(step for steps in STEPS.values() for step in steps)}


CAUGHT = {
    "another_key_each_time": (("well", "record settled", "before"), "not delivered"),
    "another_body_each_time": (("well", "record settled", "before"), "never done"),
    "forgotten_before_it_is_told": (("well", "record forgotten", "after"), "not done"),
    "the_cursor_first": (("well", "cursor moved", "after"), "never done"),
    "the_record_after_its_task": (("well", "task requested requested", "after"), "not done"),
    "failed_when_interrupted": (("well", "record settled", "before"), "not done"),
    "leases_of_others": (None, "once"),
}
"""A fault -> a point that shows it, or peace, and what is found there."""


async def test_it_fails_where_hilum_breaks_a_promise(tmp_path: Path) -> None:
    missed = []
    async with world(tmp_path, "") as here:
        for mutant, (point, expected) in CAUGHT.items():
            here.begin(str(tmp_path / f"{mutant}.sqlite"), mutant)
            found = ""
            try:
                await (here.at_peace() if point is None else here.named(*point))
            except AssertionError as error:
                found = str(error)
            if expected not in found:
                missed.append((mutant, found))
    assert missed == []
