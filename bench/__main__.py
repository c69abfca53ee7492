"""`python -m bench`: hilum against the floor; `python -m bench profile`: where hilum's time goes.

`python -m bench shapes`: query shapes at 10k, 100k and 1m resources; `python -m bench load`: how fast `hilum load` is;
`python -m bench auth`: what tokens and the audit of reads cost; `python -m bench validation`: what validating does;
`python -m bench terminology`: code systems; `python -m bench gather`: what the broker needs;
`python -m bench video`: the patient's video; `python -m bench devices`: the devices' gateway;
`python -m bench agent`: the agent beside devices, at rest.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench import (
    agent,
    auth,
    devices,
    documents,
    gather,
    ingest,
    machine,
    profile,
    report,
    results,
    runner,
    stages,
    terminology,
    validation,
    video,
)
from bench.records import GROUP
from bench.shapes import command
from bench.shapes import table as shape_table

OUT = Path(__file__).with_name("out")
CACHE = Path(__file__).resolve().parents[1] / ".cache" / "bench"
SYNTHEA = Path(__file__).resolve().parents[2] / "shared" / "data" / "synthea"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
STORES = {"sqlite": ("sqlite",), "postgresql": ("postgresql",), "both": ("sqlite", "postgresql")}
SECONDS = {"small": 1.0, "full": 1.4, "million": 2.0}
ROUNDS = {"small": 2, "full": 3, "million": 3}


def arguments(given: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "command",
        nargs="?",
        default="run",
        choices=[*COMMANDS],
    )
    parser.add_argument("--store", default="both", choices=list(STORES))
    sizes = "small: 10,000, full: 40,000, million: 10,000 and 1,000,000; of shapes: 10k,100k,1m, several by commas"
    parser.add_argument("--size", default=None, help=sizes)
    parser.add_argument(
        "--only",
        "--op",
        help="operations by name or group (of auth: or kind of token), or words of the names of shapes",
    )
    parser.add_argument("--connections", default=None, help="such as 1,16")
    parser.add_argument("--seconds", type=float, default=None, help="how long each run is measured")
    parser.add_argument("--rounds", type=int, default=None, help="runs of each server per figure")
    parser.add_argument("--server", default="hilum", choices=["hilum", "floor"], help="whom to profile")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md from bench/out")
    parser.add_argument("--data", type=Path, default=SYNTHEA, help="what `load` loads: a folder of Bundles")
    parser.add_argument("--files", type=int, default=40, help="how many of them, the largest always among them")
    asked = parser.parse_args(given)
    sizes_of = {"shapes": (command.SIZES, "10k,100k"), "gather": (gather.SIZES, "full")}
    known, usual = sizes_of.get(asked.command, (SECONDS, "full"))
    asked.size = asked.size or usual
    unknown = set(asked.size.split(",") if asked.command == "shapes" else [asked.size]) - set(known)
    if unknown:
        parser.error(f"--size: {', '.join(sorted(unknown))} is none of {', '.join(known)}")
    return asked


async def run(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """Measure, print, keep. 1 when a run had errors or the floor does other work than hilum."""
    million = asked.size == "million"
    plan = runner.Plan(
        STORES[asked.store],
        runner.operations(asked.only),
        tuple(map(int, (asked.connections or ("16" if million else "1,16")).split(","))),
        asked.seconds or SECONDS[asked.size],
        asked.rounds or ROUNDS[asked.size],
        asked.size,
    )
    console.print(f"About {plan.about_seconds / 60:.0f} minutes of measuring, and the loading.")
    with telling(console) as tell:
        measure = runner.scaling if million else runner.against_the_floor
        found = await measure(plan, work, OUT / "populations", tell)
    show(found, console)
    console.print(f"Kept in {results.save(found, OUT)}")
    write_docs(asked, console)
    return 1 if report.errors(found) or any(store.differences for store in found.stores) else 0


@contextmanager
def telling(console: Console) -> Iterator[stages.Tell]:
    """A progress bar."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=1)

        def tell(what: str, done: int, all: int) -> None:
            bar.update(task, description=what, completed=done, total=all)

        yield tell


def write_docs(asked: argparse.Namespace, console: Console) -> None:
    """The page, from whatever was measured last, if it is asked for."""
    if asked.write_docs:
        floor, scaling = results.saved("floor", OUT), results.saved("scaling", OUT)
        measured = (
            shape_table.saved(OUT),
            ingest.saved(OUT),
            auth.saved(OUT),
            validation.saved(OUT),
            terminology.saved(OUT),
            gather.saved(OUT),
            video.saved(OUT),
            devices.saved(OUT),
            agent.saved(OUT),
        )
        PAGE.write_text(documents.page(floor, scaling, *measured))
        console.print(f"Wrote {PAGE}")


async def shapes(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """Query shapes."""
    only = tuple(word.strip() for word in (asked.only or "").split(",") if word.strip())
    sizes, stores = asked.size.split(","), STORES[asked.store]
    with telling(console) as tell:
        code = await command.run(stores, sizes, asked.seconds or 2.0, only, (work, CACHE, OUT), console, tell)
    write_docs(asked, console)
    return code


async def load(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """`hilum load`."""
    found = []
    with telling(console) as tell:
        for store in STORES[asked.store]:
            tell(f"loading into {store}", 0, 1)
            found.append(await ingest.measure(store, ingest.chosen(asked.data, asked.files), work))
            ingest.save(found[-1], OUT)
    for one in found:
        for made in ingest.tables(one):
            console.print(made)
    write_docs(asked, console)
    return 1 if any(one.missed for one in found) else 0


async def costs(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """Tokens and audit."""
    found = []
    size = runner.SIZES["small" if asked.size == "small" else "full"] // GROUP * GROUP
    with telling(console) as tell:
        for store in STORES[asked.store]:
            seconds, rounds = asked.seconds or auth.SECONDS, asked.rounds or 2
            chosen = auth.chosen(asked.only)
            found.append(await auth.measure(store, size, work, OUT / "populations", seconds, rounds, tell, chosen))
            if chosen == auth.ROWS:  # some of them are to look at, not to keep
                auth.save(found[-1], OUT)
    for one in found:
        table = Table(*auth.HEAD, title=f"{one.store}, load average {one.load_average:.1f}", title_justify="left")
        for row in one.rows:
            table.add_row(*auth.cells(row))
        console.print(table)
    wrong = [error for one in found for row in one.rows for error in row.errors]
    for error in wrong:
        console.print(f"[red]{error}", markup=True)
    write_docs(asked, console)
    return 1 if wrong else 0


async def judging(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """Validation."""
    found = validation.measure(work)
    validation.save(found, OUT)
    table = Table(*validation.HEAD, title="Validation of a parsed body", title_justify="left")
    for row in found.rows:
        table.add_row(*validation.cells(row))
    console.print(table)
    write_docs(asked, console)
    return 1 if any(row.full > validation.AIM * row.structure for row in found.rows) else 0


async def terms(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """Code systems."""
    size = {"small": 20_000}.get(asked.size, terminology.SIZE)
    found = []
    with telling(console) as tell:
        for store in STORES[asked.store]:
            found.append(await terminology.measure(store, size, work, tell))
            if size == terminology.SIZE:
                terminology.save(found[-1], OUT)
    for one in found:
        console.print(terminology.table(one))
    write_docs(asked, console)
    return 1 if any(one.missed for one in found) else 0


async def gathering(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """The broker."""
    with telling(console) as tell:
        found = await gather.measure(gather.SIZES[asked.size], work, asked.rounds or gather.ROUNDS, tell)
    if asked.size == "full":
        gather.save(found, OUT)
    for table in gather.tables(found):
        console.print(table)
    for error in found.errors:
        console.print(f"[red]{error}", markup=True)
    write_docs(asked, console)
    return 1 if found.errors else 0


async def filming(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """The patient's video; `--seconds` of one length only, which is to look at, not to keep."""
    with telling(console) as tell:
        found = await video.measure(work, asked.seconds, tell)
    if asked.seconds is None:
        video.save(found, OUT)
    table = Table(*video.HEAD, title=f"Videos, load average {found.load_average:.1f}", title_justify="left")
    for row in found.rows:
        table.add_row(*video.cells(row))
    console.print(table)
    for one in video.missed(found):
        console.print(f"[red]{one}", markup=True)
    write_docs(asked, console)
    return 1 if video.missed(found) else 0


async def pushing(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """The devices' gateway."""
    small = asked.size == "small"
    rounds = asked.rounds or (1 if small else devices.ROUNDS)
    with telling(console) as tell:
        found = await devices.measure(STORES[asked.store], work, rounds, small, tell)
    if not small and asked.store == "both":
        devices.save(found, OUT)
    table = Table(*devices.HEAD, title=f"Devices, load average {found.load_average:.1f}", title_justify="left")
    for row in found.rows:
        table.add_row(*devices.cells(row))
    console.print(table)
    for one in devices.missed(found):
        console.print(f"[red]{one}", markup=True)
    write_docs(asked, console)
    return 1 if devices.missed(found) and not small else 0


async def resting(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """The agent at rest; `--seconds` to look at, not to keep."""
    found = await asyncio.to_thread(agent.measure, work, asked.seconds or agent.SECONDS)
    if asked.seconds is None:
        agent.save(found, OUT)
    table = Table(*agent.HEAD, title="The agent at rest", title_justify="left")
    for row in found.rows:
        table.add_row(*agent.cells(row))
    console.print(table)
    for one in agent.missed(found):
        console.print(f"[red]{one}", markup=True)
    write_docs(asked, console)
    return 1 if agent.missed(found) else 0


def show(found: results.Report, console: Console) -> None:
    """Tables, then what was wrong."""
    for table, store in zip(report.tables(found), found.stores, strict=True):
        console.print(table)
        console.print(report.disk(store))
        for difference in store.differences:
            console.print(f"[red]The floor does other work than hilum: {difference}")
    for error in report.errors(found):
        console.print(f"[red]{error}", markup=True)
    if found.load_average > 0.5:
        console.print(f"Load average at the start: {found.load_average:.1f}. Trust the CPU ratio more than the ratio.")


async def check(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """Only compare the work of floor and hilum."""
    wrong = 0
    for store in STORES[asked.store]:
        found = await runner.check(store, work, OUT / "populations", lambda *_: None)
        wrong += len(found)
        console.print(f"{store}: {'the same work' if not found else f'{len(found)} differences'}")
        for difference in found:
            console.print(f"  {difference}", markup=False)
    return 1 if wrong else 0


async def profiled(asked: argparse.Namespace, console: Console, work: Path) -> int:
    """One operation on one store."""
    size = runner.SIZES["small"] // GROUP * GROUP
    for operation in runner.operations(asked.only or "create observation"):
        for store in STORES[asked.store if asked.store != "both" else "sqlite"]:
            folder = work / f"{store}-{operation.name.replace(' ', '-')}"
            folder.mkdir()
            kept = OUT / "populations"
            watch = profile.Watch(store, asked.server, operation, asked.seconds or 8.0, size)
            measured, lines = await profile.profile(watch, folder, kept)
            console.print(
                f"{asked.server} on {store}, {operation.name}: {measured.rate:,.0f} req/s while watched, "
                f"{measured.server_us:,.0f} µs of server CPU per request"
            )
            for table in profile.tables(lines):
                console.print(table)
    return 0


COMMANDS: Final = {
    "run": run,
    "check": check,
    "profile": profiled,
    "shapes": shapes,
    "load": load,
    "auth": costs,
    "validation": judging,
    "terminology": terms,
    "gather": gathering,
    "video": filming,
    "devices": pushing,
    "agent": resting,
}


def main() -> int:
    """The exit status."""
    asked = arguments(sys.argv[1:])
    console = Console(width=None if sys.stdout.isatty() else 180)
    work = Path(tempfile.mkdtemp(prefix="hilum-bench-", dir=OUT if OUT.is_dir() else None))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended, too
    _, own = machine.cores()
    try:
        with machine.on(own):
            return asyncio.run(COMMANDS[asked.command](asked, console, work))
    except (ValueError, FileNotFoundError) as error:
        console.print(f"[red]{error}")
        return 2
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
