"""In which order files are taken, with loads that only note who was asked for what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from hilum.cli.loading.passes import File, load
from hilum.cli.loading.report import Report
from hilum.cli.loading.sources import Source
from hilum.problems import PreconditionFailed


def sources(*names: str) -> list[Source]:
    return [Source(Path(name).name, 1, Path(name)) for name in names]


class Notes:
    """Files whose name begins with `c` have conditional references; `needs`: what must be loaded before a file."""

    def __init__(self, **needs: str) -> None:
        self.begun: list[str] = []
        self.loaded: list[str] = []
        self.needs = needs
        self.report = Report()

    async def one(self, file: File, put_off: bool, begun: Callable[[], None]) -> bool:
        name = file.source.name
        self.begun.append(name)
        file.later.clear()
        await asyncio.sleep(0.001)
        if put_off and name.startswith("c"):
            return False
        begun()
        await asyncio.sleep(0.001 if name != "slow" else 0.02)
        if self.needs.get(name, name) not in (*self.loaded, name):
            file.later[0] = PreconditionFailed("not yet")
            return False
        self.loaded.append(name)
        self.report.created["Basic"] += 1
        return True

    async def load(self, *names: str, side_by_side: int = 1, put_off: bool = True) -> Report:
        return await load(sources(*names), self.one, side_by_side, self.report, put_off=put_off)


async def test_conditional_documents_come_after_the_others_of_their_folder_and_before_the_next_folder() -> None:
    notes = Notes()
    await notes.load("a/c1", "a/p1", "a/c2", "a/p2", "b/p3", "b/c3")
    assert notes.loaded == ["p1", "p2", "c1", "c2", "p3", "c3"]


async def test_side_by_side_too_the_next_folder_waits_for_what_was_put_off() -> None:
    notes = Notes()
    await notes.load("a/c1", "a/slow", "b/p3", side_by_side=8)
    assert notes.loaded == ["slow", "c1", "p3"]


async def test_folders_without_conditional_documents_wait_for_nothing() -> None:
    notes = Notes()
    await notes.load("a/slow", "b/p1", "c/p2", side_by_side=8)
    assert notes.loaded == ["p1", "p2", "slow"]


async def test_what_needs_another_folder_is_tried_again_after_everything_until_nothing_more_comes_of_it() -> None:
    notes = Notes(c1="p2", p1="c1", p3="nothing")
    report = await notes.load("a/c1", "a/p1", "b/p2", "b/p3")
    assert notes.loaded == ["p2", "c1", "p1"]
    assert [(one.file, one.diagnostics) for one in report.refusals] == [("p3", "not yet")]
    assert (report.files, report.refused, report.stopped) == (4, 1, False)


async def test_alone_nothing_is_put_off() -> None:
    notes = Notes()
    await notes.load("a/c1", put_off=False)
    assert (notes.begun, notes.loaded) == (["c1"], ["c1"])


async def test_nothing_at_all_is_loaded_at_once() -> None:
    report = await Notes().load()
    assert (report.files, report.stopped) == (0, False)
