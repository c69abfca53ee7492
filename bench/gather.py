"""`python -m bench gather`: what the broker needs to gather patients, in time, memory, and CPU beside bare `httpx`.

The EHR is a `hilum sandbox` in its own process. First whole orders (order, sign in, gather, store) of more and more
patients, each count by a broker of its own that has done nothing before: when what it remembers of fixed size is full,
its memory must not grow with the count. Then
the same patients from an EHR that answers from memory, so that the client is what is measured: the broker with
`store: none`, and a bare loop that sends the very requests that the broker's first round sent, in turn.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import msgspec
from rich.table import Table

from bench import machine, servers
from bench.gathering.broker import DESTINATION, EHR
from bench.gathering.job import BARE, DELIVERED, GATHERED, STORED, Job, Measured
from bench.gathering.recorded import Recorded
from bench.stages import Tell
from hilum.access.keys import load_or_create
from hilum.app.brokering import brokering, ordered
from hilum.app.data import prepare
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.broker.connection import Connection
from hilum.broker.destinations import Destination, new_secret
from hilum.broker.recipes import packaged
from hilum.broker.vendors import packaged as vendors
from hilum.cli.sandboxing import BACKEND
from hilum.interactions.door import Door
from hilum.sandbox.patients import record_number
from hilum.sandbox.profile import profiles

RECIPE: Final = "visits"
AIM: Final = 1.3
"""The most CPU per request beside bare httpx."""
GROWTH: Final = 1.1
"""The most that the peak may grow from the last count but one, twice as small, to the last."""
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Size:
    """`counts`: patients of each run of `plain`; `others`: of epic, whom hilum asks slowly; `compared`: of each round
    beside httpx.
    """

    counts: tuple[int, ...]
    others: int
    compared: int


SIZES: Final = {"small": Size((2, 8), 2, 8), "full": Size((100, 500, 1000, 2000), 20, 200)}


class Run(msgspec.Struct, frozen=True):
    """Whole orders of so many patients."""

    profile: str
    patients: int
    measured: Measured


class Side(msgspec.Struct, frozen=True):
    """Rounds of one way to send the same requests."""

    what: str
    rounds: list[Measured]

    @property
    def cpu_us(self) -> float:
        """CPU per request to the EHR: the median."""
        return statistics.median(1e6 * one.cpu / one.requests for one in self.rounds)


class Gathers(msgspec.Struct, frozen=True):
    """All that was measured. `body_bytes`: of an answer, in the mean."""

    date: str
    recipe: str
    runs: list[Run]
    sides: list[Side]
    compared: int
    at_once: int
    body_bytes: int
    load_average: float
    machine: dict[str, str | int | float]

    def side(self, what: str) -> Side:
        """One of them."""
        return next(one for one in self.sides if one.what == what)

    def ratio(self, what: str) -> float:
        """CPU per request over that of bare httpx: the median of the rounds' ratios."""
        pairs = zip(self.side(what).rounds, self.side(BARE).rounds, strict=True)
        return statistics.median((a.cpu / a.requests) / (b.cpu / b.requests) for a, b in pairs)

    @property
    def growth(self) -> float:
        """The peak of memory at the largest count over that at the one before, of `plain`."""
        before, last = [one.measured.peak_kb for one in self.runs if one.profile == "plain"][-2:]
        return last / before

    @property
    def errors(self) -> list[str]:
        """With one of them nothing counts."""
        return [
            *(f"{one.profile}, {one.patients}: {error}" for one in self.runs for error in one.measured.errors),
            *(f"{side.what}: {error}" for side in self.sides for one in side.rounds for error in one.errors),
        ]


async def measure(size: Size, work: Path, rounds: int, tell: Tell) -> Gathers:
    """All of it."""
    load = machine.load_average()
    runs: list[Run] = []
    most = max(*size.counts, size.compared)
    tell(f"a sandbox with {most:,} patients", 0, 1)
    async with _sandbox("plain", most, work) as (data, address):
        for at, count in enumerate(size.counts):
            tell(f"gathering {count:,} patients", at, len(size.counts))
            runs.append(Run("plain", count, _measured(_job(STORED, "plain", data, work / f"plain-{count}", count))))
        sides, recorded, at_once = await _compared(size.compared, rounds, data, address, work, tell)
    if size.others:
        tell(f"gathering {size.others:,} patients of epic", 0, 1)
        async with _sandbox("epic", size.others + 1, work) as (data, _):
            job = _job(STORED, "epic", data, work / "epic-0", size.others)
            runs.append(Run("epic", size.others, _measured(job)))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    mean = recorded.bytes // len(recorded.targets)
    return Gathers(now, RECIPE, runs, sides, size.compared, at_once, mean, load, machine.describe(work))


async def _compared(
    count: int, rounds: int, data: Path, address: str, work: Path, tell: Tell
) -> tuple[list[Side], Recorded, int]:
    """The same requests by each side in turn, a process for each round. The first round, which records, is not kept."""
    port = servers.free_port()
    command = [sys.executable, "-m", "bench.gathering.recorded", "--ehr", address, "--port", str(port)]
    here, at_once = f"127.0.0.1:{port}", vendors()["plain"].concurrency
    found: dict[str, list[Measured]] = {GATHERED: [], DELIVERED: [], BARE: []}
    with servers.running(command, port, work / "recorded.log", cores=machine.cores()[1]):
        known = work / "recorded"
        shutil.copytree(data, known)
        await _point(known, f"http://{here}/fhir", f"http://{here}/receiver")
        _measured(_job(DELIVERED, "plain", known, work / "recording", count))
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://{here}/recorded")
        recorded = msgspec.json.decode(answer.content, type=Recorded)
        for n in range(rounds):
            for what in (*found, *reversed(found))[3 * (n % 2) :][:3]:
                tell(f"{count:,} patients, {what}", n, rounds)
                job = _job(what, "plain", known, work / f"{what}-{n}", count)
                if what == BARE:
                    job = msgspec.structs.replace(job, recorded=recorded, base=f"http://{here}", at_once=at_once)
                found[what].append(_measured(job))
    return [Side(what, measured) for what, measured in found.items()], recorded, at_once


def _job(what: str, profile: str, data: Path, copy: Path, count: int) -> Job:
    """With a data directory of its own, as it was before anything was gathered."""
    if what != BARE:
        shutil.copytree(data, copy)
    known = profiles()[profile]
    first = 1 if "sealed-patient" not in known.issues else 3  # the second is behind the glass
    numbers = [record_number(known, number) for number in range(first, first + count)]
    return Job(what, str(copy), RECIPE, numbers)


def _measured(job: Job) -> Measured:
    """The job done by a process of its own, on the core of what is measured."""
    module = "bench.gathering.bare" if job.what == BARE else "bench.gathering.broker"
    with machine.on(machine.cores()[0]):
        done = subprocess.run(
            [sys.executable, "-m", module], input=msgspec.json.encode(job), capture_output=True, cwd=servers.ROOT,
            env=servers.environment(),
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{module} did not end well: {done.stderr.decode(errors='replace')[-3000:]}")
    return msgspec.json.decode(done.stdout, type=Measured)


# --- the EHR, and who knows it --------------------------------------------------------------------------------------


@asynccontextmanager
async def _sandbox(profile: str, patients: int, work: Path) -> AsyncIterator[tuple[Path, str]]:
    """An EHR on the other core, and the data directory of a broker that is registered there."""
    port, data = servers.free_port(), work / f"{profile}-broker"
    keys = await _broker(data, profile, f"http://127.0.0.1:{port}/fhir")
    command = [sys.executable, "-m", "hilum.cli", "sandbox", "--profile", profile, "--port", str(port)]
    command += ["--patients", str(patients + 2), "--data", str(work / f"{profile}-ehr"), "--jwks", str(keys)]
    log, cores = work / f"{profile}.log", machine.cores()[1]
    with servers.running(command, port, log, "/fhir/metadata", cores, 60 + patients):
        yield data, f"127.0.0.1:{port}"


async def _broker(data: Path, profile: str, base: str) -> Path:
    """A data directory with a client key and a connection; the file with the public key."""
    settings = Settings.read({"data": str(data), "environment": "sandbox"}, {})
    prepare(settings)
    store = await open_store(settings)
    try:
        ways = brokering(settings, store, load_or_create(settings.data, settings.environment))
        made = await ways.keys.new("RS384")
        types = sorted({"Patient", *(ask.type for ask in packaged()[RECIPE].asks)})
        await ways.connections.add(
            Connection(
                name=EHR,
                environment="sandbox",
                vendor=profile,
                base=base,
                client_id=BACKEND,
                method="private_key_jwt",
                system_scopes=" ".join(f"system/{type}.rs" for type in types),
                recipes=(RECIPE,),
                alg=made.alg,
                mrn_system=profiles()[profile].record_number.system,
            )
        )
        keys = data.with_suffix(".jwks")
        keys.write_bytes(msgspec.json.encode(await ways.keys.jwks()))
        return keys
    finally:
        await store.close()


async def _point(data: Path, base: str, receiver: str) -> None:
    """Let a broker ask elsewhere, and deliver there."""
    settings = Settings.read({"data": str(data), "environment": "sandbox"}, {})
    store = await open_store(settings)
    try:
        root = load_or_create(settings.data, settings.environment)
        ways = brokering(settings, store, root)
        known = await ways.connections.get(EHR)
        await ways.connections.remove(EHR)
        await ways.connections.add(msgspec.structs.replace(known, base=base))
        desk = ordered(settings, ways, Door(store, settings.fhir_base), root)
        await desk.destinations.add(Destination(DESTINATION, receiver, "sandbox", new_secret(), private=True), 0)
    finally:
        await store.close()


# --- what it came to ------------------------------------------------------------------------------------------------


def save(found: Gathers, folder: Path) -> Path:
    """Write bench/out/gather.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gather.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    return path


def saved(folder: Path) -> Gathers | None:
    """What was measured last."""
    path = folder / "gather.json"
    return msgspec.json.decode(path.read_bytes(), type=Gathers) if path.exists() else None


RUN_HEAD: Final = (
    "EHR", "patients", "patients/s", "requests per patient", "resources per patient", "CPU ms per patient",
    "event loop's", "MB written per patient", "memory at the start", "at most", "SQLite's", "with mapped files",
)  # fmt: skip
SIDE_HEAD: Final = (
    "what",
    "requests",
    "CPU µs per request",
    "beside httpx",
    "requests/s",
    "patients/s",
    "memory at most",
)
SAID: Final = {
    BARE: "bare `httpx`, `.json()`",
    GATHERED: "sign in and gather",
    DELIVERED: "whole orders, `store: none`, delivered",
}


def run_cells(run: Run) -> tuple[str, ...]:
    """Those of RUN_HEAD."""
    it, n = run.measured, run.patients
    return (
        run.profile,
        f"{n:,}",
        f"{n / it.seconds:,.1f}",
        f"{it.requests / n:.1f}",
        f"{it.resources / n:.1f}",
        f"{1000 * it.cpu / n:,.1f}",
        f"{1000 * it.loop_cpu / n:,.1f}",
        f"{it.written / n / (1 << 20):,.1f}",
        f"{it.start_kb / 1024:,.0f} MB",
        f"{it.peak_kb / 1024:,.0f} MB",
        f"{it.sqlite_kb / 1024:,.0f} MB",
        f"{it.resident_kb / 1024:,.0f} MB",
    )


def side_cells(found: Gathers, what: str) -> tuple[str, ...]:
    """Those of SIDE_HEAD; what missed its aim in bold."""
    side, ratio = found.side(what), found.ratio(what)
    seconds = statistics.median(one.seconds for one in side.rounds)
    requests = side.rounds[0].requests
    return (
        SAID[what],
        f"{requests:,}",
        f"{side.cpu_us:,.0f}",
        f"{ratio:.2f}" if ratio <= AIM else f"**{ratio:.2f}**",
        f"{requests / seconds:,.0f}",
        f"{found.compared / seconds:,.1f}",
        f"{max(one.peak_kb for one in side.rounds) / 1024:,.0f} MB",
    )


def tables(found: Gathers) -> list[Table]:
    """For the terminal."""
    runs = Table(*RUN_HEAD, title=f"Whole orders, recipe {found.recipe}, stored", title_justify="left")
    for run in found.runs:
        runs.add_row(*run_cells(run))
    sides = Table(*SIDE_HEAD, title=f"The same requests, {found.compared:,} patients", title_justify="left")
    for what in SAID:
        sides.add_row(*side_cells(found, what))
    return [runs, sides]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join((*lines, *("| " + " | ".join(row) + " |" for row in rows)))


def section(found: Gathers | None) -> str:
    """Its part of docs/benchmarks.md."""
    if found is None:
        return "## Gathering\n\nNot measured yet: `python -m bench gather`.\n"
    plain = [one for one in found.runs if one.profile == "plain"]
    grown = f"{found.growth:.2f} times" + ("" if found.growth <= GROWTH else f", **above** the aim of {GROWTH}")
    return f"""## Gathering

`python -m bench gather`: patients of a `hilum sandbox` in a process of its own are gathered by the packaged recipe
`{found.recipe}`, each by an order of its own (given, signed in, gathered, stored by one transaction with its
Provenance, told on its Task), by a broker that has done nothing before. Requests are those to the EHR. Measured
{found.date[:10]} on {found.machine["cores"]} cores of {found.machine["cpu"]}: the broker on one, the EHR on another,
which bounds patients per second where the broker's CPU does not. Of Epic's profile hilum holds itself to the rate of
its table of vendors (`broker/vendors.toml`).

{_markdown(RUN_HEAD, [run_cells(one) for one in found.runs])}

**Memory** is what the broker's process had of its own; the store's file is mapped beside, and is the system's to drop.
From {plain[-2].patients:,} to {plain[-1].patients:,} patients the most of it grew {grown}. Nothing is kept of an order
that is over. What grows in the first hundreds is of fixed size, and fills: names, dates, references, codes and keys
that were met lately, some ten thousands of each; and what the largest transaction needed, SQLite's pages of it among
them, which the allocator keeps.

**CPU** of the event loop, where the broker itself runs, does not grow with the count: in one run of 2,000, while others
used the machine, it was 48 to 59 ms per patient in each 200 of them, the most in the first (2026-11-23). That of
the store's threads grows with the store: each row of an index goes to its place, in a small store to pages that others
of the same transaction go to as well, in a larger one to one more page that is read, logged and copied at a
checkpoint. It levels off where few rows of a transaction share a page: see what is written per patient.

### CPU beside bare httpx

The same {found.compared:,} patients from an EHR that answers from memory what the sandbox answered
({found.body_bytes:,} bytes in the mean), {found.at_once} requests at a time; each side is a process of its own on
uvloop with the garbage collector set as `hilum serve` sets it, {len(found.sides[0].rounds)} rounds in turn, CPU of all
its threads by `getrusage`. **httpx** sends the very
requests that the broker sent, with the same headers, and reads each answer with `.json()`. **sign in and gather** also
follows pages and references, judges whose each resource is, keeps decimals as they were written, and drops what came
twice. **whole orders** are also committed, sealed, told on a Task and delivered to a receiver, signed: that has a cost
per patient, not per request, and is divided by the same requests. The aim is at most {AIM} times.

{_markdown(SIDE_HEAD, [side_cells(found, what) for what in SAID])}

Load average at the start: {found.load_average:.1f}; above 0.5 others were using the machine.
"""
