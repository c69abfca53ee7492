"""The benchmark of code systems, at a small size."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import terminology
from bench.concepts import Generated


def test_the_same_concepts_are_made_each_time() -> None:
    source = Generated(200)
    assert list(source.edges()) == list(source.edges())
    assert [one.code for one in source.entries()] == [code for code, _ in source.edges()]
    assert any(len(parents) > 1 for _, parents in source.edges())


async def test_it_measures_and_says_what_it_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminology, "REQUESTS", 10)
    found = await terminology.measure("sqlite", 3000, tmp_path, lambda *_: None)
    assert (found.size, found.seconds < terminology.AIM_SECONDS) == (3000, True)
    assert found.closure > found.runs > 3000
    assert all(one.found for one in found.asked if "under" not in one.name)
    terminology.save(found, tmp_path)
    assert terminology.saved(tmp_path) == [found]
    assert "3,000 concepts imported" in terminology.section([found])
    assert "Not measured yet" in terminology.section([])
