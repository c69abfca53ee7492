"""What the shapes came to: kept as JSON, shown on a terminal, and a part of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.table import Table

from bench.report import TITLES
from bench.shapes.catalogue import EXCEPTION, OTHER, PAGE, SELECTIVE
from bench.shapes.measure import Measured


class Shapes(msgspec.Struct, frozen=True):
    """All shapes on one store at one size. `bytes_`: of the store on disk."""

    date: str
    store: str
    resources: int
    load_average: float
    machine: dict[str, str | int | float]
    shapes: list[Measured]


def save(found: Shapes, folder: Path) -> Path:
    """Keep the newest of each store and size."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"shapes-{found.store}-{found.resources}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    return path


def saved(folder: Path) -> list[Shapes]:
    """All that were kept, small before large."""
    found = [msgspec.json.decode(path.read_bytes(), type=Shapes) for path in folder.glob("shapes-*-*.json")]
    return sorted(found, key=lambda one: (one.store != "sqlite", one.resources))


def shown(found: Shapes) -> Table:
    """For the terminal: what is over its aim is yellow."""
    title = f"{TITLES[found.store]}, {found.resources:,} resources"
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(("shape", "p50 ms", "p95 ms", "aim", "CPU ms", "matches", "included", "wrong")):
        table.add_column(name, justify="left" if number in (0, 7) else "right", no_wrap=number < 7)
    for one in found.shapes:
        cells = [one.name, f"{one.p50:.2f}", f"{one.p95:.2f}", f"{one.aim:.0f}", f"{one.cpu:.2f}"]
        cells += [str(one.matches), str(one.included), one.wrong]
        table.add_row(*cells, style=None if one.reached else "yellow")
    return table


def section(found: Sequence[Shapes]) -> str:
    """The part of docs/benchmarks.md."""
    if not found:
        return "## Query shapes\n\nNot measured yet: `python -m bench shapes`.\n"
    newest = max(found, key=lambda one: one.date)
    parts = [
        f"""## Query shapes

`python -m bench shapes --size 10k|100k|1m` makes the store (kept under `.cache/`), serves it with a token and asks each
shape over one connection, with pages of {PAGE}. The population is skewed: one in three Observations is a body weight,
a seldom code has seven, one patient in a hundred has hundreds of Observations, what is `preliminary` is old. Measured
on {newest.machine["cores"]} cores of {newest.machine["cpu"]}, full text on; each column says when: those until
2026-11-22 are from before the audit of reads, which an answer waits for. Cells are 50th / 95th percentiles in
milliseconds. The aim is a 95th percentile of {SELECTIVE:.0f} ms for what is selective,
{OTHER:.0f} ms for the rest, and {EXCEPTION:.0f} ms for exceptions, whose reason stands beside them; **bold**: over
the aim.
"""
    ]
    for store in dict.fromkeys(one.store for one in found):
        of_store = [one for one in found if one.store == store]
        head = [
            "shape",
            "matches",
            *(f"{one.resources:,} ({one.date[:10]})" for one in of_store),
            "aim ms",
            "why an exception",
        ]
        lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 2) + "---|"]
        by_name = [{one.name: one for one in each.shapes} for each in of_store]
        for one in of_store[-1].shapes:
            cells = [_cell(each.get(one.name)) for each in by_name]
            matches = f"{one.matches} + {one.included}" if one.included else str(one.matches)
            lines.append(
                "| " + " | ".join((one.name.replace("|", "\\|"), matches, *cells, f"{one.aim:.0f}", one.why)) + " |"
            )
        loads = ", ".join(f"{one.load_average:.1f}" for one in of_store)
        parts.append(
            f"### {TITLES[store]}\n\n" + "\n".join(lines) + f"\n\nLoad average at the start: {loads}; above 0.5 others "
            "were using the machine.\n"
        )
    return "\n".join(parts)


def _cell(one: Measured | None) -> str:
    if one is None:
        return ""
    if one.wrong:
        return "**wrong**"
    text = f"{one.p50:.1f} / {one.p95:.1f}"
    return text if one.reached else f"**{text}**"
