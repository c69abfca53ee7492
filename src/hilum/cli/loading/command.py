"""A load from the command line: the store and the door opened, a progress bar, the report in three forms."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path

import msgspec

from hilum.app import data, memory
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.cli import terminal
from hilum.cli.loading.demo import Demo
from hilum.cli.loading.door import exists, transact
from hilum.cli.loading.journal import Journal
from hilum.cli.loading.loader import Loader
from hilum.cli.loading.passes import load
from hilum.cli.loading.processes import Hand, at_work, hire, processes
from hilum.cli.loading.report import Report
from hilum.cli.loading.sources import Source, find
from hilum.problems import Misconfigured

REFUSED, STOPPED = 1, 130
"""Exit statuses: something was refused; Ctrl-C, as a shell expects it."""

SIDE_BY_SIDE = {"sqlite": 4, "postgresql": 8}
"""Commits underway at once: SQLite writes one at a time and only has to be kept busy."""
EACH = 3
"""The same of each process, where several load."""

_SHOWN = 20
_JOURNAL = "loads/journal.ndjson"


def run(
    settings: Settings, paths: Sequence[Path], report_to: Path | None, *, as_json: bool, wanted: int | None = None
) -> int:
    """`hilum load`: the exit status. `wanted`: how many processes. Raises Misconfigured."""
    sources = find(paths)
    data.prepare(settings)
    many, size = processes(sources, wanted), sum(source.size for source in sources)
    report = _loaded(settings, sources, size, put_off=len(sources) > 1, many=many)
    return _told(settings, report, report_to, "files", as_json=as_json)


def run_demo(settings: Settings, patients: int, seed: int, today: date | None, *, if_empty: bool, as_json: bool) -> int:
    """`hilum demo`: the exit status. Raises Misconfigured in production, Invalid (the day)."""
    if settings.environment == "production":
        raise Misconfigured("Demo data is refused in production. Use --env sandbox and a data directory of its own.")
    now = date.today()
    demo = Demo.plan(settings.data, patients, seed, now, today)
    data.prepare(settings)
    if if_empty and not demo.begun and asyncio.run(_filled(settings)):
        terminal.say("The store holds data already: nothing to do." + _aged(demo, now))
        return 0
    if demo.moves:
        forget(settings)
    demo.note(complete=False)
    report = _loaded(settings, demo.sources(), patients + 1, put_off=False)
    if not report.stopped and not report.refused:
        demo.note(complete=True)
    told = _told(settings, report, None, "bundles", as_json=as_json)
    terminal.say(f"It is {demo.today} to these people.{_aged(demo, now)}")
    return told


def _aged(demo: Demo, now: date) -> str:
    if not demo.aged(now):
        return ""
    what = "What was ahead of them may be past, and videos of it are refused"
    return f" {what}: `hilum demo --today {now}` moves all dates."


def fill(settings: Settings, sources: Iterable[Source], total: int) -> None:
    """Load what is made as it is taken, `total` of it. Raises Misconfigured when some of it was not taken."""
    report = _loaded(settings, sources, total, put_off=False)
    if report.stopped or report.refused:
        raise Misconfigured(f"{report.refused} of the bundles were refused, or loading was stopped. Start it again.")


def forget(settings: Settings) -> None:
    """Let what was loaded once be loaded again, since other data took its place."""
    (settings.data / _JOURNAL).unlink(missing_ok=True)


async def _filled(settings: Settings) -> bool:
    store = await open_store(settings)
    try:
        return bool((await store.counts()).types)
    finally:
        await store.close()


def _loaded(settings: Settings, sources: Iterable[Source], total: int, *, put_off: bool, many: int = 1) -> Report:
    """Run the load under a progress bar."""
    report, started = Report(), time.monotonic()
    hands: list[Hand] = []
    if many > 1:
        asyncio.run(_laid_out(settings))
        hands = hire(settings, many, EACH)
    with terminal.progress("resources") as bar:
        task = bar.add_task("Loading", total=total, done=0, rate=0.0)

        def tell(size: int, resources: int) -> None:
            done = bar.tasks[task].fields["done"] + resources
            bar.update(task, advance=size, done=done, rate=done / max(time.monotonic() - started, 0.001))

        try:
            if hands:
                asyncio.run(_load_side_by_side(hands, sources, report, tell, put_off=put_off))
            else:
                asyncio.run(_load(settings, sources, report, tell, put_off=put_off))
        except KeyboardInterrupt:
            report.stopped = True
    return report


async def _load(
    settings: Settings, sources: Iterable[Source], report: Report, tell: Callable[[int, int], None], *, put_off: bool
) -> None:
    store = await open_store(settings)
    journal = Journal.open(settings.data / _JOURNAL)
    try:
        memory.settle()
        loader = Loader(
            transact=transact(store, settings),
            exists=exists(store),
            journal=journal,
            limit=settings.max_body_bytes,
            side_by_side=SIDE_BY_SIDE[settings.store_kind],
            tell=tell,
            report=report,
        )
        await loader.load(sources, put_off=put_off)
    finally:
        journal.close()
        await store.close()


async def _laid_out(settings: Settings) -> None:
    """Open the store once before processes do: what is wrong with it is said once."""
    await (await open_store(settings)).close()


async def _load_side_by_side(
    hands: Sequence[Hand], sources: Iterable[Source], report: Report, tell: Callable[[int, int], None], *, put_off: bool
) -> None:
    async with at_work(hands, report, tell) as one:
        await load(sources, one, EACH * len(hands), report, put_off=put_off)


def _told(settings: Settings, report: Report, report_to: Path | None, noun: str, *, as_json: bool) -> int:
    """Print the report, write it to its file, and answer with the exit status."""
    target = report_to or settings.data / "loads" / "report.json"
    data.write_private(target, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if as_json:
        terminal.json_out(report)
    else:
        _tables(report, noun)
        terminal.say(f"Report: {target}")
    if report.stopped:
        terminal.say("Stopped. Run the same command again to go on where it was.")
        return STOPPED
    return REFUSED if report.refused else 0


def _tables(report: Report, noun: str) -> None:
    types = sorted({*report.created, *report.updated, *report.unchanged})
    if types:
        rows = [(t, f"{report.created[t]:,}", f"{report.updated[t]:,}", f"{report.unchanged[t]:,}") for t in types]
        terminal.table("", ("type", "created", "updated", "unchanged"), rows)
    rate = report.resources / report.seconds if report.seconds else 0.0
    terminal.say(
        f"{report.files:,} {noun}: {report.loaded:,} loaded, {report.skipped:,} loaded before, "
        f"{report.refused:,} refused. {report.resources:,} resources in {report.seconds:.1f} s, {rate:,.0f}/s."
    )
    if report.refusals:
        rows = [
            (r.file, str(r.position or ""), r.expression or "", f"{r.code}: {r.diagnostics}")
            for r in report.refusals[:_SHOWN]
        ]
        terminal.table("Refused", ("file", "line", "element", "why"), rows)
        if len(report.refusals) > _SHOWN:
            terminal.say(f"… and {len(report.refusals) - _SHOWN:,} more findings in the report.")
