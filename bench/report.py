"""The figures for people: tables at the terminal, and docs/benchmarks.md."""

from __future__ import annotations

from rich.table import Table

from bench import room
from bench.load import Measured
from bench.operations import OPERATIONS
from bench.results import Pair, Report, Store, aim, cpu, cpu_ratio, growth, median, rate_ratio

TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
GUIDE = {
    "sqlite": {"read": 6000, "create observation": 800, "create patient": 800, "transaction": 1500},
    "postgresql": {"read": 2500, "create observation": 600, "create patient": 600, "transaction": 1500},
}
"""What the project was asked for as a guide on 2 cores, at 16 connections: requests/s; of transactions resources/s."""


def milliseconds(us: float) -> str:
    """Microseconds as milliseconds, three significant digits."""
    return f"{us / 1000:.3g}"


def amount(operation: str, run: Measured) -> str:
    """Requests per second; for transactions resources per second as well."""
    many = OPERATIONS[operation].resources
    text = f"{run.rate:,.0f}"
    return f"{text} ({run.rate * many:,.0f} res/s)" if operation == "transaction" else text


def floor_rows(store: Store) -> list[tuple[str, ...]]:
    """The cells of FLOOR_HEAD."""
    return [_floor_row(pair) for pair in store.pairs]


def _floor_row(pair: Pair) -> tuple[str, ...]:
    floor, hilum = median(pair.first), median(pair.second)
    least = aim(pair.operation)
    database = f" + {hilum.database_us:,.0f}" if hilum.database_us else ""
    floor_database = f" + {floor.database_us:,.0f}" if floor.database_us else ""
    return (
        pair.operation if pair.valid else f"{pair.operation} (INVALID)",
        str(pair.connections),
        amount(pair.operation, floor),
        amount(pair.operation, hilum),
        f"{rate_ratio(pair):.2f}",
        f"{least:.1f}" if least and pair.connections == 16 else "",
        f"{cpu_ratio(pair):.2f}",
        milliseconds(hilum.p50),
        milliseconds(hilum.p99),
        f"{hilum.server_us:,.0f}{database}",
        f"{floor.server_us:,.0f}{floor_database}",
        f"{hilum.generator_share:.0%} / {floor.generator_share:.0%}",
    )


FLOOR_HEAD = (
    "operation", "conns", "floor req/s", "hilum req/s", "ratio", "aim", "CPU ratio", "p50 ms", "p99 ms", "hilum CPU µs",
    "floor CPU µs", "generator CPU",
)  # fmt: skip
SCALING_HEAD = ("operation", "conns", "small CPU µs", "large CPU µs", "ratio", "small p99 ms", "large p99 ms")


def scaling_rows(store: Store) -> list[tuple[str, ...]]:
    """The cells of SCALING_HEAD."""
    rows: list[tuple[str, ...]] = []
    for pair in store.pairs:
        small, large = median(pair.first), median(pair.second)
        rows.append(
            (
                pair.operation if pair.valid else f"{pair.operation} (INVALID)",
                str(pair.connections),
                f"{cpu(small):,.0f}",
                f"{cpu(large):,.0f}",
                f"{growth(pair):.2f}",
                milliseconds(small.p99),
                milliseconds(large.p99),
            )
        )
    return rows


def tables(report: Report) -> list[Table]:
    """For the terminal, one per store."""
    head, rows = (FLOOR_HEAD, floor_rows) if report.kind == "floor" else (SCALING_HEAD, scaling_rows)
    made = []
    for store in report.stores:
        title = f"{TITLES[store.name]} {store.version}, {store.resources:,} resources"
        table = Table(title=title, title_justify="left")
        for number, name in enumerate(head):
            table.add_column(name, justify="left" if number == 0 else "right", no_wrap=True)
        for row in rows(store):
            good = row[5] == "" or report.kind != "floor" or float(row[4]) >= float(row[5])
            table.add_row(*row, style=None if good else "yellow")
        made.append(table)
    return made


def errors(report: Report) -> list[str]:
    """Every error of every run: with one the run is invalid."""
    return [
        f"{store.name}, {pair.operation}, {pair.connections} connections, {which}: {times} x {what}"
        for store in report.stores
        for pair in store.pairs
        for which, runs in (("first", pair.first), ("second", pair.second))
        for what, times in median(runs).errors.items()
    ]


def disk(store: Store) -> str:
    """Bytes per resource, and as a multiple of its JSON, with full text and audit and without."""
    each, aside, json = store.bytes_ / store.resources, store.aside / store.resources, store.json_bytes
    return (
        f"{each:,.0f} bytes per resource on disk, {each / json:.2f} times its JSON ({json:,.0f}); "
        f"without full text and audit {each - aside:,.0f}, {(each - aside) / json:.2f} times "
        f"(aim: {room.TIMES[store.name]})"
    )
