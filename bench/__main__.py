"""`python -m bench`: hilum against the floor; `python -m bench profile`: where hilum's time goes."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bench import documents, machine, profile, report, results, runner
from bench.records import GROUP

OUT = Path(__file__).with_name("out")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
STORES = {"sqlite": ("sqlite",), "postgresql": ("postgresql",), "both": ("sqlite", "postgresql")}
SECONDS = {"small": 1.0, "full": 1.4, "million": 2.0}
ROUNDS = {"small": 2, "full": 3, "million": 3}


def arguments(given: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("command", nargs="?", default="run", choices=["run", "check", "profile"])
    parser.add_argument("--store", default="both", choices=list(STORES))
    parser.add_argument("--size", default="full", choices=list(SECONDS), help="10,000, 40,000, or 10,000 and 1,000,000")
    parser.add_argument("--only", "--op", help="operations by name or group: read,search,update,create,transaction")
    parser.add_argument("--connections", default=None, help="such as 1,16")
    parser.add_argument("--seconds", type=float, default=None, help="how long each run is measured")
    parser.add_argument("--rounds", type=int, default=None, help="runs of each server per figure")
    parser.add_argument("--server", default="hilum", choices=["hilum", "floor"], help="whom to profile")
    parser.add_argument("--write-docs", action="store_true", help="write docs/benchmarks.md from bench/out")
    return parser.parse_args(given)


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
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=1)

        def tell(what: str, done: int, all: int) -> None:
            bar.update(task, description=what, completed=done, total=all)

        measure = runner.scaling if million else runner.against_the_floor
        found = await measure(plan, work, OUT / "populations", tell)
    show(found, console)
    console.print(f"Kept in {results.save(found, OUT)}")
    if asked.write_docs:
        PAGE.write_text(documents.page(results.saved("floor", OUT), results.saved("scaling", OUT)))
        console.print(f"Wrote {PAGE}")
    return 1 if report.errors(found) or any(store.differences for store in found.stores) else 0


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


def main() -> int:
    """The exit status."""
    asked = arguments(sys.argv[1:])
    console = Console(width=None if sys.stdout.isatty() else 180)
    work = Path(tempfile.mkdtemp(prefix="hilum-bench-", dir=OUT if OUT.is_dir() else None))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended, too
    commands = {"run": run, "check": check, "profile": profiled}
    _, own = machine.cores()
    try:
        with machine.on(own):
            return asyncio.run(commands[asked.command](asked, console, work))
    except (ValueError, FileNotFoundError) as error:
        console.print(f"[red]{error}")
        return 2
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
