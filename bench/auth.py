"""`python -m bench auth`: what tokens and the audit of reads cost: one store, served in three ways, asked in turn.

off: `--auth off`: nobody is asked for a token, and no trail is kept of what was read. grouped, strict: `--auth smart`
with that `--audit`. Whole searches with a token for everything, and those of one patient with that patient's token,
whose answers are confined to the record.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bench import machine, population, servers, stages
from bench.load import Job, Measured
from bench.operations import OPERATIONS
from bench.records import GROUP, id_of
from bench.report import TITLES
from bench.results import cpu, median
from bench.servers import Generator, Server
from bench.stages import Tell

OFF, GROUPED, STRICT = "off", "grouped", "strict"
WAYS: Final = {OFF: ("--auth", "off"), GROUPED: ("--audit", "grouped"), STRICT: ("--audit", "strict")}
EVERYTHING, ONE = "everything", "one patient's"
AIMS: Final = {"read": 0.7, "search": 0.85}
"""The least part of the rate without tokens that is kept with `grouped`, by the group of the operation."""
CONNECTIONS: Final = 16
SECONDS: Final = 5.5
"""Longer than the five seconds after which the trail goes into the store: each figure has its part of that work, which
shorter ones charge to whichever operation is measured when it is done.
"""
ROWS: Final = (
    *((name, EVERYTHING) for name, one in OPERATIONS.items() if not one.writes),
    ("read", ONE),
    ("search observation", ONE),
)


class Row(msgspec.Struct, frozen=True):
    """One operation with one kind of token: the runs of each way."""

    operation: str
    token: str
    runs: dict[str, list[Measured]]

    def kept(self, way: str) -> float:
        """The part of the rate without tokens that is left."""
        off = median(self.runs[OFF]).rate
        return median(self.runs[way]).rate / off if off else 0.0

    def kept_cpu(self, way: str) -> float:
        """The same by CPU per request, of server and database."""
        spent = cpu(median(self.runs[way]))
        return cpu(median(self.runs[OFF])) / spent if spent else 0.0

    @property
    def aim(self) -> float:
        """The least `kept(GROUPED)`."""
        return AIMS[OPERATIONS[self.operation].group]

    @property
    def errors(self) -> list[str]:
        """Of all runs: with one they count for nothing."""
        return [
            f"{self.operation}, {way}: {times} x {what}"
            for way, runs in self.runs.items()
            for what, times in median(runs).errors.items()
        ]


class Costs(msgspec.Struct, frozen=True):
    """What one store came to."""

    store: str
    version: str
    resources: int
    date: str
    seconds: float
    rounds: int
    load_average: float
    machine: dict[str, str | int | float]
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Served:
    """The three servers, and of each the token of the first patient."""

    version: str
    ways: dict[str, tuple[Server, str]]


def chosen(only: str | None) -> tuple[tuple[str, str], ...]:
    """The rows whose operation, group or token is named in a list by commas. Raises ValueError when none is."""
    wanted = {name.strip() for name in (only or "").split(",") if name.strip()}
    found = tuple(row for row in ROWS if not wanted or wanted & {*row, OPERATIONS[row[0]].group})
    if not found:
        raise ValueError(f"--only: {only} is no operation, group or token of these rows.")
    return found


async def measure(
    store: str,
    size: int,
    work: Path,
    kept: Path,
    seconds: float,
    rounds: int,
    tell: Tell,
    chosen: Sequence[tuple[str, str]] = ROWS,
) -> Costs:
    """Rows on one store."""
    load = machine.load_average()
    stage = {"sqlite": _on_sqlite, "postgresql": _on_postgres}[store]
    rows = []
    async with stage(work, kept, size, tell) as served:
        generator = Generator()
        try:
            for operation, token in chosen:
                runs: dict[str, list[Measured]] = {way: [] for way in WAYS}
                for n in range(rounds):
                    for way in (*WAYS, *reversed(WAYS))[3 * (n % 2) :][:3]:  # off grouped strict, strict grouped off
                        tell(f"{store}: {operation}, {token}, {way}", n, rounds)
                        server, patient = served.ways[way]
                        job = Job(
                            operation,
                            server.port,
                            server.token if token == EVERYTHING else patient,
                            size if token == EVERYTHING else GROUP,
                            connections=CONNECTIONS,
                            seconds=seconds,
                            seed=1 + n,
                            server=[server.pid],
                            database=list(server.database),
                        )
                        answer = await generator(msgspec.json.encode(job))
                        runs[way].append(msgspec.json.decode(answer, type=Measured))
                rows.append(Row(operation, token, runs))
        finally:
            generator.close()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Costs(store, served.version, size, now, seconds, rounds, load, machine.describe(work), rows)


@asynccontextmanager
async def _on_sqlite(work: Path, kept: Path, size: int, tell: Tell) -> AsyncIterator[Served]:
    loaded = await stages.sqlite(kept, size, tell)
    with ExitStack() as stack:
        ways = {}
        for way in WAYS:
            folder = work / f"sqlite-{way}"
            folder.mkdir()
            population.copy(loaded, folder / "hilum.sqlite")
            ways[way] = _served(stack, way, f"sqlite:{folder / 'hilum.sqlite'}", folder, ())
        yield Served(stages.sqlite_version(), ways)


@asynccontextmanager
async def _on_postgres(work: Path, kept: Path, size: int, tell: Tell) -> AsyncIterator[Served]:
    with ExitStack() as stack:
        url = stack.enter_context(servers.postgres())
        pids = (await servers.postmaster(url),)
        first = await stages.postgres(url, f"bench_{OFF}", size, tell)
        version = await stages.postgres_version(first)
        urls = {OFF: first}
        for way in (GROUPED, STRICT):
            urls[way] = await servers.fresh_database(url, f"bench_{way}", f"bench_{OFF}")
        await servers.sql(url, "CHECKPOINT")
        ways = {}
        for way, one in urls.items():
            folder = work / f"postgresql-{way}"
            folder.mkdir()
            ways[way] = _served(stack, way, one, folder, pids)
        yield Served(version, ways)


def _served(stack: ExitStack, way: str, url: str, folder: Path, pids: tuple[int, ...]) -> tuple[Server, str]:
    server = stack.enter_context(servers.hilum(url, folder, pids, WAYS[way], way))
    return server, servers.mint(folder, "patient/*.rs", "--patient", id_of("Patient", 0))


def save(found: Costs, folder: Path) -> Path:
    """Write bench/out/auth-<store>.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"auth-{found.store}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    return path


def saved(folder: Path) -> list[Costs]:
    """The newest of each store."""
    paths = (folder / f"auth-{store}.json" for store in TITLES)
    return [msgspec.json.decode(path.read_bytes(), type=Costs) for path in paths if path.exists()]


HEAD: Final = (
    "operation", "token for", "off req/s", "grouped req/s", "kept", "aim", "by CPU", "strict req/s", "kept", "by CPU",
    "CPU µs off / grouped / strict",
)  # fmt: skip


def cells(row: Row) -> tuple[str, ...]:
    """Those of HEAD; what missed its aim in bold."""
    found = {way: median(runs) for way, runs in row.runs.items()}
    kept = f"{row.kept(GROUPED):.0%}"
    return (
        row.operation if not row.errors else f"{row.operation} (INVALID)",
        row.token,
        f"{found[OFF].rate:,.0f}",
        f"{found[GROUPED].rate:,.0f}",
        kept if row.kept(GROUPED) >= row.aim else f"**{kept}**",
        f"{row.aim:.0%}",
        f"{row.kept_cpu(GROUPED):.0%}",
        f"{found[STRICT].rate:,.0f}",
        f"{row.kept(STRICT):.0%}",
        f"{row.kept_cpu(STRICT):.0%}",
        " / ".join(f"{cpu(one):,.0f}" for one in found.values()),
    )


def section(found: Sequence[Costs]) -> str:
    """Its part of docs/benchmarks.md."""
    if not found:
        return "## Tokens and audit\n\nNot measured yet: `python -m bench auth`.\n"
    newest = max(found, key=lambda one: one.date)
    parts = [
        f"""## Tokens and audit

`python -m bench auth` serves copies of one store in three ways and asks them in turn over {CONNECTIONS} connections:
medians of {newest.rounds} rounds of {newest.seconds} s (every five seconds the trail goes into the store). **off**:
`--auth off`, no token, no trail of what was read.
**grouped** and **strict**: `--auth smart` with that `--audit`; strict, the default, answers once the disk has what it
shows. **kept**: the part of the rate without tokens that is left; by CPU: the same of the CPU per request, with the
database's. A token for one patient's data is confined to that record in every search. Measured {newest.date[:10]} on
{newest.machine["cores"]} cores of {newest.machine["cpu"]}; writing 4 KiB and flushing it took
{newest.machine["flush_us"]} µs in the median. What bounds strict here is CPU: each answer is a task that waits, and
each group two changes of thread; on a disk that flushes more slowly it is the flush: about as many reads per second as
there are connections, divided by its seconds.
"""
    ]
    for one in found:
        lines = ["| " + " | ".join(HEAD) + " |", "|---|---|" + "---:|" * (len(HEAD) - 2)]
        lines += ["| " + " | ".join(cells(row)) + " |" for row in one.rows]
        parts.append(
            f"### {TITLES[one.store]} {one.version}, {one.resources:,} resources\n\n" + "\n".join(lines) + "\n\nLoad "
            f"average at the start: {one.load_average:.1f}; above 0.5 others were using the machine.\n"
        )
    return "\n".join(parts)
