"""From runs to medians, ratios, tables and the document."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import msgspec
from bench import documents, report, results
from bench.load import Measured
from bench.profile import Line, hottest
from bench.results import Pair, Report, Store
from bench.same_work import Difference, differences
from rich.console import Console


def _run(rate: float, cpu: float, errors: dict[str, int] | None = None, operation: str = "read") -> Measured:
    return Measured(operation, 16, 100, 1.0, rate, 500.0, 900.0, 2000.0, cpu, 0.0, 0.25, 700.0, 20, errors or {})


def _report(pair: Pair, kind: str = "floor", differing: tuple[str, ...] = ()) -> Report:
    machine: dict[str, str | int | float] = {
        "cpu": "Abacus", "cores": 2, "memory_gb": 8.0, "system": "Linux 6", "filesystem": "ext4", "python": "3.11.7",
        "sqlite": "3.54", "flush_us": 90.0, "flush_p99_us": 300.0, "server_cores": "0", "generator_cores": "1",
        "pinned": 1,
    }  # fmt: skip
    store = Store("sqlite", "3.54", 1000, 1_500_000, 75_000, 750.0, [pair], list(differing))
    return Report(kind, "2026-11-22T05:00:00+00:00", "full", 1.4, 3, 0.1, machine, [store])


FLOOR = [_run(1000, 100), _run(4000, 90), _run(2000, 80)]
HILUM = [_run(1400, 150), _run(900, 180), _run(1200, 300)]
PAIR = Pair("read", 16, FLOOR, HILUM)


def test_a_median_is_of_each_figure_and_sums_requests_and_errors() -> None:
    found = results.median([_run(10, 3, {"a": 1}), _run(30, 1), _run(20, 2, {"a": 2})])
    assert (found.rate, found.server_us, found.requests, found.errors) == (20, 2, 300, {"a": 3})


def test_ratios_compare_medians_and_say_below_1_when_hilum_is_slower() -> None:
    assert results.rate_ratio(PAIR) == 1200 / 2000
    assert results.cpu_ratio(PAIR) == 90 / 180
    assert results.growth(PAIR) == 180 / 90


def test_a_pair_with_one_error_is_invalid_and_marked() -> None:
    bad = Pair("read", 16, FLOOR, [*HILUM[:2], _run(1, 1, {"500 x": 2})])
    assert PAIR.valid
    assert not bad.valid
    assert report.floor_rows(_report(bad).stores[0])[0][0] == "read (INVALID)"
    assert report.errors(_report(bad)) == ["sqlite, read, 16 connections, second: 2 x 500 x"]


def test_a_report_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    kept = _report(PAIR)
    results.save(kept, tmp_path)
    assert results.saved("floor", tmp_path) == kept
    assert results.saved("scaling", tmp_path) is None


def test_the_document_says_what_was_missed_and_what_was_not_measured() -> None:
    page = documents.page(_report(PAIR), None)
    assert "| read | 0.60 of 0.6 | 1,200 of 6,000 **missed** |" in page
    assert "equal rows in every table" in page
    assert "1,500 bytes per resource on disk, 2.00 times its JSON (750)" in page
    assert "Not measured yet: `python -m bench --size million`" in page
    slower = documents.page(_report(Pair("read", 16, FLOOR, [_run(1000, 1)])), None)
    assert "| read | 0.50 of 0.6 **missed** |" in slower


def test_the_document_names_differences_and_growth() -> None:
    page = documents.page(_report(PAIR, differing=("log: floor 1, hilum 2",)), _report(PAIR, "scaling"))
    assert "Floor and hilum differ: log: floor 1, hilum 2." in page
    assert "the largest here is 2.00, **above** it" in page


def test_tables_can_be_printed() -> None:
    console = Console(width=200, record=True, file=StringIO())
    for kind in ("floor", "scaling"):
        for table in report.tables(_report(PAIR, kind)):
            console.print(table)
    assert "read" in console.export_text()


def test_differences_are_counts_that_one_has_and_the_other_has_not() -> None:
    assert differences({"a": (1, 2), "b": (3, 0)}, {"a": (1, 2), "c": (4, 0)}) == [
        Difference("b", (3, 0), (0, 0)),
        Difference("c", (0, 0), (4, 0)),
    ]


def test_the_hottest_function_is_the_one_with_most_own_samples() -> None:
    stacks = (
        "run (/x/src/hilum/a.py:1);work (/x/src/hilum/b.py:7) 3\n"
        "run (/x/src/hilum/a.py:2);work (/x/src/hilum/b.py:9) 5\n"
        "run (/x/src/hilum/a.py:3) 2\n"
    )
    assert hottest(stacks) == [Line("work (hilum/b.py)", 0.8, 0.8), Line("run (hilum/a.py)", 0.2, 1.0)]


def test_reports_are_plain_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(_report(PAIR)), type=Report) == _report(PAIR)
