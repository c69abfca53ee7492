"""Several processes that load: how many there are, and what the one that started them hears of them."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from hilum.app.settings import Settings
from hilum.cli.loading.passes import load
from hilum.cli.loading.processes import MOST, at_work, hire, processes
from hilum.cli.loading.report import Report
from hilum.cli.loading.sources import Source, find
from hilum.store.sqlite import open_sqlite

MEGABYTE = 1 << 20
CORES = min(MOST, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.mark.parametrize(
    ("sizes", "wanted", "many"),
    [
        ([MEGABYTE] * 9, None, CORES),
        ([MEGABYTE], None, 1),
        ([10] * 9, None, 1),
        ([10] * 9, 3, 3),
        ([10] * 2, 3, 2),
        ([MEGABYTE] * 9, 1, 1),
        ([MEGABYTE] * 99, 12, 12),
    ],
)
def test_large_loads_get_a_process_per_processor_and_never_more_than_there_are_files(
    sizes: list[int], wanted: int | None, many: int
) -> None:
    assert processes([Source(f"{n}.json", size) for n, size in enumerate(sizes)], wanted) == many


async def test_where_threads_are_at_work_processes_begin_anew_and_load_all_the_same(tmp_path: Path) -> None:
    """A fork beside threads may copy a lock that nobody will ever release."""
    (tmp_path / "files").mkdir()
    for n in range(6):
        (tmp_path / "files" / f"{n}.json").write_text(
            json.dumps({"resourceType": "Basic", "id": f"b{n}", "code": {"text": "x"}})
        )
    (tmp_path / "files" / "bad.json").write_text("[]")
    settings = Settings(data=tmp_path, store=f"sqlite:{tmp_path / 's.sqlite'}")
    store = await open_sqlite(str(settings.sqlite_path))
    report, told = Report(), list[tuple[int, int]]()
    try:
        assert threading.active_count() > 1  # the store's own
        hands = hire(settings, 2, 2)
        async with at_work(hands, report, lambda size, resources: told.append((size, resources))) as one:
            await load(find([tmp_path / "files"]), one, 4, report, put_off=True)
        assert (await store.counts()).types == {"Basic": 6}
    finally:
        await store.close()
    assert (report.files, report.loaded, report.created, report.refused) == (7, 6, {"Basic": 6}, 1)
    assert [one.file for one in report.refusals] == ["bad.json"]
    assert sum(resources for _, resources in told) == 6
    assert sum(size for size, _ in told) == sum(file.stat().st_size for file in (tmp_path / "files").iterdir())
