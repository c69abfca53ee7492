"""Devices, agent, network and server, and who kills them: until everything that was taken has arrived."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import httpx
from tests.durability.devices.apart import Namespace
from tests.durability.devices.measured import Device, Session, devices, sessions
from tests.durability.devices.mutants import GATEWAY
from tests.durability.devices.network import Network
from tests.durability.devices.serving import started
from tests.durability.devices.truth import Found, Reader, Sent, compare
from tests.journeys.server import Server

from hilum.access.keys import load_or_create
from hilum.access.tokens import Minter

LEFT_SECONDS: Final = 600.0
"""The longest that what is taken may stay where it is once nothing goes wrong any more."""
LATE: Final = 5
"""Every so many devices one is linked to its patients after half of all was taken: what came of it before is held."""


@dataclass(frozen=True)
class Plan:
    """How much, and how often what dies: `kills` of the agent and of the server, each at a seeded point; `cuts`: how
    often the namespace's network goes, where there is one. `window`: readings that may wait in the agent's queue.

    `store`: `--store` of the server; `crash`: kills what is behind it, and starts it again.
    """

    seed: int
    count: int
    devices: int = 14
    agents: int = 6
    servers: int = 3
    cuts: int = 0
    store: tuple[str, ...] = ()
    crash: Callable[[], None] | None = None
    way: str = "gateway"
    window: int = 200
    mutant: str = ""


class Died(Exception):
    """The agent did before it had answered."""


@dataclass
class Chaos:
    """One run. `died`: who, how often; `done`: measurements that devices were told to be taken."""

    plan: Plan
    folder: Path
    namespace: Namespace | None = None
    tell: Callable[[str, int], None] = lambda what, done: None
    sent: Sent = field(default_factory=Sent)
    died: Counter[str] = field(default_factory=Counter)
    done: int = 0
    sessions: int = 0
    again: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(f"chaos {self.plan.seed}")
        self.devices = devices(self.plan.seed, self.plan.devices)
        self.network = Network(0, random.Random(f"network {self.plan.seed}"))
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._up, self._more, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._room.set()
        self._agent: Process | None = None
        self._hearing: asyncio.Task[None] | None = None

    async def run(self) -> Found:
        """What differs in the end."""
        listener = self.namespace.listener if self.namespace is not None else None
        if listener is not None:
            proxy = await asyncio.start_server(self.network, sock=listener, limit=1 << 24)
        else:
            proxy = await asyncio.start_server(self.network, "127.0.0.1", 0, limit=1 << 24)
        self.url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        try:
            await self._serve()
            await self._furnish()
            await asyncio.to_thread(self._enrol)
            await self._start()
            killing, linking = asyncio.create_task(self._killing()), asyncio.create_task(self._linking())
            pacing = asyncio.create_task(self._pacing())
            await asyncio.gather(*(self._lives(device) for device in self.devices), killing, linking)
            pacing.cancel()
            self.network.calm = True
            await self._arrived()
            await self.network.late()
            return await asyncio.to_thread(self._compared)
        finally:
            await self._end()
            proxy.close()

    # --- devices ------------------------------------------------------------------------------------------------------

    async def _lives(self, device: Device) -> None:
        """A device: it keeps what it measured until it is told that it was taken, and then tells the next."""
        share = len(range(device.number, self.plan.count + 1, len(self.devices)))
        for session in sessions(self.plan.seed, device, share):
            while not await self._told(session):
                pass
            self.sessions += 1
            self.again += session.again

    async def _pacing(self) -> None:
        """Devices measure no faster than the agent sends: else all would be sent when nobody dies any more."""
        while True:
            with suppress(Died):
                (self._room.set if await self._ask({"left": True}, 0) <= self.plan.window else self._room.clear)()
            await asyncio.sleep(0.02)

    async def _told(self, session: Session) -> bool:
        """Whether it is over with it."""
        facts = {fact.digest for fact in session.facts}
        await self._room.wait()
        await self._up.wait()
        try:
            answer = await self._ask({"said": session.said})
        except Died:
            if session.stamped:
                return False
            self.sent.perhaps |= facts  # what was streamed is over
            return True
        if answer == "full":
            await asyncio.sleep(1)
            return False
        self.sent.facts |= dict.fromkeys(facts, session.device.identifier)
        self.done += len(facts)
        self._more.set()
        self.tell("taken", self.done)
        return True

    # --- the agent ----------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        command = [sys.executable, "-m", "tests.durability.devices.agent", str(self.folder / "agent"), self.plan.mutant]
        if self.namespace is not None:
            command = [*self.namespace.prefix, *command]
        self._agent = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=(self.folder / "agent.log").open("ab"), limit=1 << 24
        )
        assert self._agent.stdout is not None
        line = await self._agent.stdout.readline()
        assert line, (self.folder / "agent.log").read_text()[-3000:]
        self._hearing = asyncio.create_task(self._hear(self._agent))
        self._up.set()

    def _enrol(self) -> None:
        """The data folder of the agent, and at the server what belongs to whom."""
        folder = self.folder / "agent"
        if self.plan.way == "direct":
            folder.mkdir(mode=0o700)
            patients = {f"{device.key} {person or ''}".rstrip(): patient for device, person, patient in self._links()}
            directly = {"url": self.url, "token": self.token("system/*.cruds"), "patients": patients}
            (folder / "directly.json").write_text(json.dumps(directly))
            return
        invitation = self._asked_for("/invitations", {"name": "chaos", "anyone": True})["token"]
        command = [sys.executable, "-m", "hilum.agent", "enroll", self.url, "--token", invitation]
        prefix = self.namespace.prefix if self.namespace is not None else ()
        found = subprocess.run([*prefix, *command, "--data", str(folder)], capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout + found.stderr
        with (folder / "agent.toml").open("a") as settings:
            settings.write('\n[[source]]\nkind = "chaos"\n')
            for device, person, patient in self._links() if self.plan.way == "fhir" else ():
                whose = f'device = "{device.key}"\nid = "{patient}"\n' + (f"person = {person}\n" if person else "")
                settings.write(f"\n[[patient]]\n{whose}")
        late = {device.number for device in self.devices if device.number % LATE == 0}
        self._link(*(link for link in self._links() if link[0].number not in late))

    async def _linking(self) -> None:
        """Of devices that nobody knew. A server that was killed meanwhile is asked again."""
        await self._taken(self.plan.count // 2)
        late = [link for link in self._links() if link[0].number % LATE == 0] if self.plan.way != "direct" else []
        while late:
            with suppress(httpx.TransportError):
                await asyncio.to_thread(self._link, late[0])
                late.pop(0)

    def _links(self) -> Iterator[tuple[Device, int | None, str]]:
        for device in self.devices:
            for person, patient in zip(device.persons, device.patients, strict=True):
                yield device, person, patient

    def _link(self, *links: tuple[Device, int | None, str]) -> None:
        for device, person, patient in links:
            system, _, value = device.identifier.partition("|")
            link = {"system": system, "value": value, "patient": patient, "person": str(person or "")}
            self._asked_for("", link)

    def _asked_for(self, path: str, body: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {self.token('system/*.cruds')}"}
        answer = httpx.post(f"{self.server.url}/api/v1/devices{path}", json=body, headers=headers, timeout=60)
        assert answer.status_code == 201, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def _hear(self, agent: Process) -> None:
        assert agent.stdout is not None
        while line := await agent.stdout.readline():
            ((what, value),) = json.loads(line).items()
            number, answer = (0, value) if what == "left" else (value, what)
            waits = self._asked.pop(number, None)
            if waits is not None and not waits.done():
                waits.set_result(answer)
        for waits in self._asked.values():
            if not waits.done():
                waits.set_exception(Died)
        self._asked.clear()

    async def _ask(self, what: dict[str, Any], number: int | None = None) -> Any:
        if number is None:
            self._number += 1
            number = self._number
            what = {"n": number, **what}
        agent = self._agent
        if agent is None or agent.stdin is None or not self._up.is_set():
            raise Died
        waits = self._asked[number] = asyncio.get_running_loop().create_future()
        with suppress(ConnectionError):
            agent.stdin.write(json.dumps(what).encode() + b"\n")
        return await waits

    async def _arrived(self) -> None:
        """Nothing is on its way any more."""
        ends, least = time.monotonic() + LEFT_SECONDS, 1 << 62
        while left := await self._ask({"left": True}, 0):
            if left < least:
                ends, least = time.monotonic() + LEFT_SECONDS, left
            assert time.monotonic() < ends, f"{left} readings stay in the queue"
            self.tell("to be delivered", left)
            await asyncio.sleep(0.05)

    # --- the server ---------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        self.server = await asyncio.to_thread(self._served)
        self.network.to = self.server.port

    def _served(self) -> Server:
        flags = ("--base-url", self.url, *self.plan.store)
        if self.plan.mutant not in GATEWAY:
            return Server(self.folder, *flags)
        with patch("tests.journeys.server.started", started):
            return Server(self.folder, *flags, environment={"CHAOS_MUTANT": self.plan.mutant})

    def token(self, scope: str) -> str:
        return Minter(load_or_create(self.folder / "data", "sandbox"), self.url + "/fhir").mint(scope, minutes=1440)

    async def _furnish(self) -> None:
        """Patients. Nobody else makes any."""
        patients = sorted({patient for device in self.devices for patient in device.patients})
        entries = [
            {"resource": {"resourceType": "Patient", "id": id}, "request": {"method": "PUT", "url": f"Patient/{id}"}}
            for id in patients
        ]
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {self.token('system/*.cruds')}"}) as client:
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            answer = await client.post(f"{self.server.url}/fhir", json=bundle)
            assert answer.status_code == 200, answer.text

    def _compared(self) -> Found:
        token = self.token("system/*.rs")
        reader = Reader(self.server.port, lambda: token)
        return compare(reader, self.sent, lambda count: self.tell("compared", count))

    # --- who kills them -----------------------------------------------------------------------------------------------

    async def _killing(self) -> None:
        """At so many measurements taken, or somewhat later; the next only when what died is there again."""
        names = ["agent"] * self.plan.agents + ["server"] * self.plan.servers
        names += ["network"] * (self.plan.cuts if self.namespace is not None else 0)
        self.chance.shuffle(names)
        points = sorted(self.chance.sample(range(self.plan.count // 10, self.plan.count * 9 // 10), len(names)))
        for name, point in zip(names, points, strict=True):
            await self._taken(point)
            self.network.sent.clear()
            with suppress(TimeoutError):  # a request is with the server, or on its way back
                async with asyncio.timeout(1):
                    await self.network.sent.wait()
            await asyncio.sleep(self.chance.random() * 0.03)
            await {"agent": self._kill_agent, "server": self._kill_server, "network": self._cut}[name]()
            self.died[name] += 1

    async def _taken(self, count: int) -> None:
        while self.done < count:
            self._more.clear()
            await self._more.wait()

    async def _kill_agent(self) -> None:
        assert self._agent is not None
        assert self._hearing is not None
        self._up.clear()
        self._agent.kill()
        await self._agent.wait()
        await self._hearing
        await self._start()

    async def _kill_server(self) -> None:
        self.server.process.kill()
        await asyncio.to_thread(self.server.process.wait)
        if self.plan.crash is not None and self.chance.random() < 0.5:
            await asyncio.to_thread(self.plan.crash)
            self.died["database"] += 1
        await self._serve()

    async def _cut(self) -> None:
        assert self.namespace is not None
        self.namespace.link(False)
        await asyncio.sleep(self.chance.random() * 2)
        self.namespace.link(True)

    async def _end(self) -> None:
        if self._agent is not None and self._agent.returncode is None:
            self._agent.kill()
            await self._agent.wait()
        if hasattr(self, "server"):
            self.server.stop()

    def report(self, store: str, found: Found, seconds: float) -> str:
        """For people."""
        again = f"{self.again:,} of them told again by devices"
        lines = [
            f"{store}: {self.done:,} measurements taken in {self.sessions:,} sessions, {again}; {seconds:,.0f} s",
            f"died: {dict(self.died)}",
            f"requests: {dict(self.network.did)}; repeated later: {dict(self.network.answers)}",
            f"streamed while the agent died, there or not: {len(self.sent.perhaps):,}",
            f"on the server: {found.observations - found.clocks:,} measurements, {found.clocks:,} readings of clocks",
            f"differences: {dict(found.faults) or 'none'}",
        ]
        return "\n".join([*lines, *found.told])
