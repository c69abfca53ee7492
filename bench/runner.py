"""Measuring: floor, hilum, hilum, floor, … so that noise falls on both; medians of the rounds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench import machine, population, room, same_work, stages
from bench.load import Job, Measured
from bench.operations import OPERATIONS, Operation
from bench.records import GROUP, Population
from bench.results import Pair, Report, Store
from bench.same_work import Counted
from bench.servers import Generator, Server
from bench.stages import Stage, Tell

SIZES = {"small": 10_000, "full": 40_000}
SCALING = (10_000, 1_000_000)
CHECKED = 2_000
"""Resources in the stores on which floor and hilum are compared."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. `operations` in the order of OPERATIONS; `seconds` per run, `rounds` runs of each server."""

    stores: tuple[str, ...]
    operations: tuple[Operation, ...]
    connections: tuple[int, ...]
    seconds: float
    rounds: int
    size: str

    @property
    def about_seconds(self) -> float:
        """How long measuring will take, without loading."""
        one = sum(operation.seconds * self.seconds + 0.6 for operation in self.operations)
        return 2 * self.rounds * len(self.stores) * len(self.connections) * one


FLOOR_STAGES = {"sqlite": stages.floor_on_sqlite, "postgresql": stages.floor_on_postgres}
SCALING_STAGES = {"sqlite": stages.scaling_on_sqlite, "postgresql": stages.scaling_on_postgres}


async def against_the_floor(plan: Plan, work: Path, kept: Path, tell: Tell) -> Report:
    """hilum as a part of the floor. `work` is emptied by the caller; `kept` holds populations between runs."""
    size = SIZES[plan.size] // GROUP * GROUP
    found = []
    load = machine.load_average()
    for name in plan.stores:
        differing = await check(name, work, kept, tell)
        folder = work / name
        folder.mkdir()
        async with FLOOR_STAGES[name](folder, kept, size, tell) as stage:
            pairs = [pair async for pair in _pairs(plan, stage, tell)]
            found.append(await _store(stage, pairs, [str(one) for one in differing]))
    return _report("floor", plan, load, work, found)


async def scaling(plan: Plan, work: Path, kept: Path, tell: Tell, sizes: tuple[int, int] = SCALING) -> Report:
    """hilum's cost per request on a large store as a multiple of that on a small one."""
    small, large = (size // GROUP * GROUP for size in sizes)
    found = []
    load = machine.load_average()
    for name in plan.stores:
        folder = work / f"scaling-{name}"
        folder.mkdir()
        async with SCALING_STAGES[name](folder, kept, (small, large), tell) as stage:
            pairs = [pair async for pair in _pairs(plan, stage, tell)]
            found.append(await _store(stage, pairs, []))
    return _report("scaling", plan, load, work, found)


async def check(name: str, work: Path, kept: Path, tell: Tell) -> list[same_work.Difference]:
    """Send the same requests to floor and hilum on small stores: what differs in answers, rows and bytes.

    Raises RuntimeError when an answer is wrong, for then nothing can be compared.
    """
    folder = work / f"check-{name}"
    folder.mkdir()
    generator = Generator()

    async def measure(server: Server, job: Job) -> None:
        tell(f"{name}: the same work? {server.name} {job.operation}", 0, 1)
        measured = await _one(generator, job)
        if measured.errors or measured.requests != job.requests:
            raise RuntimeError(f"{server.name} on {name}, {job.operation}: {measured.errors}")

    try:
        async with FLOOR_STAGES[name](folder, kept, CHECKED, tell) as stage:
            both = (stage.first, stage.second)
            answered = [await same_work.answers(server, CHECKED) for server in both]
            found = same_work.differing_answers(*answered)
            await same_work.write_both(measure, both, CHECKED)
            assert stage.counts is not None
            counted: list[Counted] = [one async for one in stage.counts()]
        return found + same_work.differences(*counted)
    finally:
        generator.close()


async def _pairs(plan: Plan, stage: Stage, tell: Tell) -> AsyncIterator[Pair]:
    generator = Generator()
    both = ((stage.first, stage.first_size), (stage.second, stage.second_size))
    runs = 2 * plan.rounds
    try:
        for operation in plan.operations:
            for connections in plan.connections:
                found: tuple[list[Measured], list[Measured]] = ([], [])
                for n in range(runs):
                    which = (n + n // 2) % 2  # 0 1 1 0 0 1 1 0
                    server, size = both[which]
                    tell(f"{stage.store}: {operation.name}, {connections} connections, {server.name}", n, runs)
                    job = Job(
                        operation.name,
                        server.port,
                        server.token,
                        size,
                        connections=connections,
                        seconds=plan.seconds * operation.seconds,
                        seed=1 + n // 2,
                        server=[server.pid],
                        database=list(server.database),
                    )
                    found[which].append(await _one(generator, job))
                yield Pair(operation.name, connections, *found)
    finally:
        generator.close()


async def _one(generator: Generator, job: Job) -> Measured:
    return msgspec.json.decode(await generator(msgspec.json.encode(job)), type=Measured)


async def _store(stage: Stage, pairs: list[Pair], differing: list[str]) -> Store:
    size = stage.second_size
    json_bytes = await population.bodies(Population(size))
    return Store(
        stage.store, stage.version, size, sum(stage.room.values()), room.aside(stage.room), json_bytes, pairs, differing
    )


def _report(kind: str, plan: Plan, load: float, work: Path, found: list[Store]) -> Report:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Report(kind, now, plan.size, plan.seconds, plan.rounds, load, machine.describe(work), found)


def operations(only: str | None) -> tuple[Operation, ...]:
    """Those that the words name, by name or group; all without any. Raises ValueError for an unknown word."""
    if not only:
        return tuple(OPERATIONS.values())
    words = [word.strip().lower() for word in only.split(",") if word.strip()]
    for word in words:
        if not any(_called(one, word) for one in OPERATIONS.values()):
            raise ValueError(f"No operation is called {word!r}; there are: {', '.join(OPERATIONS)}.")
    return tuple(one for one in OPERATIONS.values() if any(_called(one, word) for word in words))


def _called(operation: Operation, word: str) -> bool:
    return operation.name.replace(" ", "-").startswith(word.replace(" ", "-")) or operation.group == word
