"""What commands print: data on standard output, everything about it on standard error.

So `hilum token | pbcopy` and `hilum load --json DIR > report.json` hold nothing but the data.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hilum.problems import Problem

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

T = TypeVar("T")

WHOLE: Final = 43
"""Characters of a name, an id or a kid (RFC 7638) that stand in one line of a table, however narrow the terminal is."""


def out(text: str = "") -> None:
    """A line of data, never wrapped or coloured."""
    print(text, flush=True)


def say(text: str = "") -> None:
    """A line about the work, for people."""
    print(text, file=sys.stderr, flush=True)


def bold(text: str, stream: Any = None) -> str:
    """The text in bold where the stream is a terminal."""
    return f"\x1b[1m{text}\x1b[0m" if (stream or sys.stdout).isatty() else text


def json_out(value: Any) -> None:
    """A value as indented JSON on standard output."""
    import msgspec

    out(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def fail(problem: Problem | str, *, status: int) -> int:
    """Say what went wrong in one line, and answer with the exit status."""
    text = str(problem)
    mark = "\x1b[1;31mhilum:\x1b[0m" if sys.stderr.isatty() else "hilum:"
    say(f"{mark} {text}")
    return status


def console() -> Console:
    """A rich console on standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """A table for people, on standard error. Cells are plain text: nothing in them is markup."""
    from rich.markup import escape
    from rich.table import Table

    grid = Table(show_edge=False, pad_edge=False, box=None)
    cells = [tuple(map(escape, row)) for row in rows]
    for place, name in enumerate(columns):
        longest = max((len(row[place]) for row in cells), default=0)
        whole = not place and longest <= WHOLE
        grid.add_column(name, overflow="fold", no_wrap=whole, min_width=0 if place else min(longest, WHOLE))
    for row in cells:
        grid.add_row(*row)
    where = console()
    where.print(f"[italic]{escape(title)}[/]")  # not the table's own title, which is broken at the table's width
    where.print(grid)


def listed(
    noun: str,
    found: Sequence[T],
    columns: Mapping[str, Callable[[T], str]],
    line: Callable[[T], str],
    shown: Callable[[T], Any],
    *,
    json: bool,
) -> None:
    """All that there is of one kind: as JSON, each as it is `shown`; else a table for people, whose cells stand under
    their titles, and a `line` of data for each, for other commands to take on.
    """
    if json:
        json_out({noun.lower(): [shown(one) for one in found]})
        return
    many = noun if len(found) != 1 else noun.removesuffix("s")
    table(f"{len(found)} {many}", tuple(columns), [tuple(cell(one) for cell in columns.values()) for one in found])
    for one in found:
        out(line(one))


def progress(unit: str) -> Progress:
    """A progress bar on standard error with a count of `unit`s and their rate; silent where there is no terminal."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    shown = console()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[done]:,} " + unit),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(compact=True),
        console=shown,
        transient=True,
        disable=not shown.is_terminal,
    )
