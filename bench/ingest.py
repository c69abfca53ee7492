"""`python -m bench load`: how fast `hilum load` takes real synthetic patients, and how much room they take.

A transaction Bundle per patient, large Claims and Provenance among them, into an empty store, everything on:
validation, all indexes, full text, audit, a flush per commit.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from bench import machine, room, servers
from bench.report import TITLES

RATES = {"sqlite": 3000, "postgresql": 2500}
"""Resources per second that the project asks for, on 2 cores."""


class Ingest(msgspec.Struct, frozen=True):
    """One load. `cpu`: seconds of hilum and of the database; `json`: bytes of the bodies stored; `tables`: of each.

    `peak_bytes`: most memory of all of hilum's processes together.
    """

    date: str
    store: str
    files: int
    largest: int
    resources: int
    refused: int
    seconds: float
    cpu: float
    database_cpu: float
    peak_bytes: int
    json: int
    tables: dict[str, int]
    load_average: float

    @property
    def rate(self) -> float:
        """Resources per second."""
        return self.resources / self.seconds

    @property
    def counted(self) -> int:
        """Bytes on disk, full text and audit aside."""
        return sum(self.tables.values()) - room.aside(self.tables)

    @property
    def times(self) -> float:
        """The same as a multiple of the JSON."""
        return self.counted / self.json

    @property
    def missed(self) -> bool:
        """Whether an aim was missed."""
        return self.rate < RATES[self.store] or self.times > room.TIMES[self.store] or self.refused > 0


def chosen(folder: Path, many: int) -> list[Path]:
    """`many` files, spread evenly over the folder, the five largest among them. Raises FileNotFoundError."""
    found = sorted(path for path in folder.rglob("*.json*") if path.is_file())
    if not found:
        raise FileNotFoundError(f"{folder} holds no Bundles: name a folder with --data.")
    largest = sorted(found, key=lambda path: path.stat().st_size)[-5:]
    others = [path for path in found if path not in largest]
    step = max(1, len(others) // max(1, many - len(largest)))
    return sorted([*largest, *others[::step][: max(0, many - len(largest))]])


async def measure(store: str, files: Sequence[Path], work: Path) -> Ingest:
    """Load the files into a new store with `hilum load`, a process of its own."""
    folder = work / f"load-{store}"
    folder.mkdir()
    with ExitStack() as stack:
        pids: tuple[int, ...] = ()
        if store == "sqlite":
            url = f"sqlite:{folder / 'hilum.sqlite'}"
        else:
            server = stack.enter_context(servers.postgres(set(machine.USABLE)))
            url, pids = await servers.fresh_database(server, "bench_load"), (await servers.postmaster(server),)
        load_average, before = machine.load_average(), machine.cpu_seconds(list(pids))
        told = await asyncio.to_thread(_load, url, files, folder)
        database = machine.cpu_seconds(list(pids)) - before
        report, seconds, cpu, peak = told
        at = folder / "hilum.sqlite"
        tables, bodies, resources = room.of_sqlite(at) if store == "sqlite" else await room.of_postgres(url)
    largest = max(path.stat().st_size for path in files)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    refused = int(report["refused"])
    return Ingest(
        now, store, len(files), largest, resources, refused, seconds, cpu, database, peak, bodies, tables, load_average
    )


def _load(url: str, files: Sequence[Path], folder: Path) -> tuple[dict[str, Any], float, float, int]:
    """(the report, seconds, seconds of CPU, peak of resident memory in bytes)."""
    command = [sys.executable, "-m", "hilum.cli", "load", "--store", url, "--data", str(folder / "data"), "--json"]
    command += ["--report", str(folder / "report.json"), *map(str, files)]
    everywhere = set(machine.USABLE)
    with (folder / "load.json").open("wb") as out, (folder / "load.log").open("wb") as log, machine.on(everywhere):
        begin = time.perf_counter()
        process = subprocess.Popen(command, env=servers.environment(), cwd=servers.ROOT, stdout=out, stderr=log)
        peak = _Peak(process.pid)
        peak.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        peak.join()
    if process.returncode not in (0, 1):
        raise RuntimeError(f"hilum load ended with {process.returncode}: {(folder / 'load.log').read_text()[-2000:]}")
    report: dict[str, Any] = msgspec.json.decode((folder / "load.json").read_bytes())
    return report, seconds, usage.ru_utime + usage.ru_stime, peak.bytes


class _Peak(threading.Thread):
    """The memory of a process and its descendants together, looked at ten times a second.

    Without the files that they map, such as the database: the system takes those pages back whenever it likes.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self.bytes = pid, 0

    def run(self) -> None:
        """Until the process is gone."""
        page = os.sysconf("SC_PAGE_SIZE")
        while True:
            held = 0
            for pid in machine.family(self._pid):
                try:
                    with open(f"/proc/{pid}/statm") as file:
                        resident, of_files = file.read().split()[1:3]
                        held += (int(resident) - int(of_files)) * page
                except (FileNotFoundError, ProcessLookupError):
                    continue
            if not held:
                return
            self.bytes = max(self.bytes, held)
            time.sleep(0.1)


def save(found: Ingest, folder: Path) -> None:
    """Keep the newest of each store."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"load-{found.store}.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))


def saved(folder: Path) -> list[Ingest]:
    """What was kept, SQLite first."""
    paths = [folder / f"load-{store}.json" for store in RATES]
    return [msgspec.json.decode(path.read_bytes(), type=Ingest) for path in paths if path.exists()]


_HEAD = (
    "store", "resources", "res/s", "aim", "hilum CPU µs", "database CPU µs", "peak MB", "JSON bytes", "disk bytes",
    "times", "aim", "full text", "audit",
)  # fmt: skip


def _row(one: Ingest) -> tuple[str, ...]:
    each = 1 / one.resources
    aside = [sum(size for name, size in one.tables.items() if name.startswith(word)) for word in room.ASIDE]
    return (
        TITLES[one.store], f"{one.resources:,}", f"{one.rate:,.0f}", f"{RATES[one.store]:,}",
        f"{one.cpu * each * 1e6:,.0f}", f"{one.database_cpu * each * 1e6:,.0f}", f"{one.peak_bytes / 1e6:,.0f}",
        f"{one.json * each:,.0f}", f"{one.counted * each:,.0f}", f"{one.times:.2f}", f"{room.TIMES[one.store]:.1f}",
        *(f"{size * each:,.0f}" for size in aside),
    )  # fmt: skip


def _parts(one: Ingest) -> list[tuple[str, str, str]]:
    """Table or index, bytes per resource, as a multiple of the JSON; the largest first."""
    ordered = sorted(one.tables.items(), key=lambda item: -item[1])
    return [(name, f"{size / one.resources:,.1f}", f"{size / one.json:.3f}") for name, size in ordered]


def tables(one: Ingest) -> list[Table]:
    """For the terminal."""
    whole, parts = Table(*_HEAD), Table("table or index", "bytes per resource", "times JSON")
    whole.add_row(*_row(one), style="yellow" if one.missed else None)
    for row in _parts(one):
        parts.add_row(*row)
    return [whole, parts]


def section(found: Sequence[Ingest]) -> str:
    """The part of docs/benchmarks.md."""
    if not found:
        return "## Loading\n\nNot measured yet: `python -m bench load`.\n"
    lines = ["| " + " | ".join(_HEAD) + " |", "|---|" + "---:|" * (len(_HEAD) - 1)]
    lines += ["| " + " | ".join(_row(one)) + " |" for one in found]
    text = f"""## Loading

`python -m bench load`: `hilum load` of {found[0].files} files of Synthea patients (transaction Bundles,
gzipped, the largest {found[0].largest / 1e6:.1f} MB) into an empty store, with everything on. CPU and bytes are per
resource; disk bytes without full text and audit, which stand beside; peak MB of all of its processes together.
Load average at the start:
{", ".join(f"{one.load_average:.1f}" for one in found)}.

{chr(10).join(lines)}
"""
    for one in found:
        rows = [row for row in _parts(one) if float(row[2]) >= 0.005]
        lines = ["| table or index | bytes per resource | times JSON |", "|---|---:|---:|"]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        text += f"\n### What takes the room: {TITLES[one.store]}\n\n" + "\n".join(lines) + "\n"
    return text
