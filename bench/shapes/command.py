"""`python -m bench shapes`: make the stores, serve them, ask, show and keep what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import machine, servers
from bench.shapes import fill, table
from bench.shapes.measure import measure
from bench.shapes.records import Population

SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}
_STORES = {"sqlite": fill.sqlite, "postgresql": fill.postgres}

Tell = Callable[[str, int, int], None]


async def run(
    stores: Sequence[str],
    sizes: Sequence[str],
    seconds: float,
    only: Sequence[str],
    places: tuple[Path, Path, Path],
    console: Console,
    tell: Tell,
) -> int:
    """1 when a shape was wrong or over its aim. `places`: for work, kept stores, and results."""
    work, kept, out = places
    missed = 0
    for size in sizes:
        population = Population(SIZES[size])
        for store in stores:
            folder = work / f"shapes-{store}-{size}"
            folder.mkdir()
            done = 0

            def progress(more: int, store: str = store, population: Population = population) -> None:
                nonlocal done
                done += more
                tell(f"loading into {store}", done, population.size)

            async with _STORES[store](kept, population, progress) as (url, pids):
                load = machine.load_average()
                with servers.hilum(url, folder, pids) as server:
                    measured = measure(server, population, seconds, only, tell)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            found = table.Shapes(now, store, population.size, load, machine.describe(work), measured)
            console.print(table.shown(found))
            for one in measured:
                if one.plan:
                    console.print(f"{one.name}:", *(f"\n    {step['step']}" for step in one.plan), markup=False)
            if not only:
                table.save(found, out)
            missed += sum(not one.reached for one in measured)
    console.print(f"{missed} over their aim or wrong" if missed else "All within their aims")
    return 1 if missed else 0
