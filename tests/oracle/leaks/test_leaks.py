"""Nobody is told anything of what they may not see: a slow evaluator and the server agree, on both stores.

HILUM_FULL=1 asks thousands of cases of each store, else some hundred; HILUM_ORACLE_SEED begins elsewhere. A difference
names its place: `python -m tests.oracle.leaks.mutants SEED SEED+1` repeats that world on SQLite.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.oracle import adapter, definitions
from tests.oracle.leaks.adapter import Open, postgres, sqlite
from tests.oracle.leaks.driving import differences

from hilum.store.plan import thresholds

pytestmark = pytest.mark.skipif(not definitions.package().is_file(), reason="the R4 core package is missing")

FULL = bool(os.environ.get("HILUM_FULL"))
WORLDS = 40 if FULL else 2
TOKENS = 8 if FULL else 5
CASES = 40 if FULL else 8
FIRST = int(os.environ.get("HILUM_ORACLE_SEED", "1"))
SEEDS = range(FIRST, FIRST + WORLDS)


@pytest.fixture(params=["sqlite", "postgresql"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return sqlite(tmp_path) if request.param == "sqlite" else postgres(request.getfixturevalue("postgres_url"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
async def test_an_answer_tells_what_the_evaluator_says_and_nothing_of_what_is_hidden(
    stores: Open, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", adapter.WAYS[seed % len(adapter.WAYS)])
    await _agree(stores, seed, integrity=False)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", SEEDS)
async def test_with_integrity_what_is_hidden_counts_as_missing(stores: Open, seed: int) -> None:
    await _agree(stores, seed, integrity=True)


async def _agree(stores: Open, seed: int, *, integrity: bool) -> None:
    found = [one async for one in differences(stores, seed, tokens=TOKENS, cases=CASES, integrity=integrity)]
    wrong = [str(one) for one in found if one is not None]
    assert len(found) >= TOKENS * CASES
    assert not wrong, f"{len(wrong)} of {len(found)} differ:\n" + "\n".join(wrong[:5])
