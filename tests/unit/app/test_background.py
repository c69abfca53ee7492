"""Work beside requests: a defect that ends it is told, and hinders neither requests nor the stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hilum.app.background import Background
from hilum.web import log


class Waits(Background):
    name = "waits"

    async def _run(self) -> None:
        await asyncio.sleep(3600)


class Fails(Background):
    name = "fails"

    async def _run(self) -> None:
        raise KeyError("a name that must not be told")


async def outcome(work: Background, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    told: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(log, "error", lambda event, **about: told.append((event, about)))
    work.start()
    await asyncio.sleep(0.01)
    await work.stop()
    await work.stop()
    return told


async def test_what_is_stopped_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await outcome(Waits(), monkeypatch) == []


async def test_what_a_defect_has_ended_is_told_without_its_text_and_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await outcome(Fails(), monkeypatch) == [
        ("background work has ended", {"name": "fails", "error": "KeyError"})
    ]
