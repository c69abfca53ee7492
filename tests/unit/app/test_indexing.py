"""What works on custom search parameters beside requests tells of its trouble once, and goes on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from hilum.app import indexing
from hilum.app.indexing import Indexing
from hilum.problems import Busy
from hilum.search.catalogue import EMPTY, Catalogue
from hilum.web import log


class Troubled:
    """A store that can't be learnt from at some times."""

    catalogue = EMPTY

    def __init__(self, *says: str) -> None:
        self.says = list(says)
        self.done = asyncio.Event()

    async def learn(self) -> Catalogue:
        if not self.says:
            self.done.set()
            return EMPTY
        said = self.says.pop(0)
        if said:
            raise Busy(said)
        return EMPTY


async def test_the_same_trouble_is_told_once_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(log, "warning", lambda _, text: told.append(text))
    monkeypatch.setattr(indexing, "POLL_SECONDS", 0)
    store: Any = Troubled("outdated", "outdated", "outdated", "full", "outdated", "", "outdated", "outdated")
    working = Indexing(SimpleNamespace(store=store))  # type: ignore[arg-type]
    working.start()
    await asyncio.wait_for(store.done.wait(), 10)
    await working.stop()
    assert told == ["outdated", "full", "outdated", "outdated"]
