"""Both stores find what the oracle finds: order, totals, includes, every page; random (population, query, policy).

HILUM_FULL=1 asks 100,000 questions of each store, else a few hundred; HILUM_ORACLE_SEED begins elsewhere. A failure
names its seed and number: `ask_again(store, seed, number)` repeats it. Each population is searched with other limits
of the planner (`adapter.WAYS`), so that small ones take the ways of large ones, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.errors import errors
from tests.oracle import adapter, definitions
from tests.oracle.comparing import differs
from tests.oracle.criteria import Refused
from tests.oracle.evaluator import Population
from tests.oracle.populations import population
from tests.oracle.queries import Asker

from hilum.fhir import json as fhir_json
from hilum.store.interface import Store
from hilum.store.plan import thresholds

pytestmark = pytest.mark.skipif(not definitions.package().is_file(), reason="the R4 core package is missing")

FULL = bool(os.environ.get("HILUM_FULL"))
POPULATIONS = 1000 if FULL else 4
QUESTIONS = 100 if FULL else 75
FIRST = int(os.environ.get("HILUM_ORACLE_SEED", "1"))
SEEDS = range(FIRST, FIRST + POPULATIONS)


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with adapter.opened(request, tmp_path) as store:
        yield store


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
async def test_a_store_finds_what_the_oracle_finds(store: Store, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", adapter.WAYS[seed % len(adapter.WAYS)])
    kept = Population(await adapter.fill(store, population(seed), seed), now=adapter.NOW)
    asker = Asker(kept, seed)
    differences = []
    for number in range(QUESTIONS):
        question = asker.question()
        try:
            difference = await differs(store, kept, question)
        except Exception as error:
            error.add_note(f"seed {seed}, number {number}: {question}")
            raise
        if difference:
            differences.append(f"seed {seed}, number {number}: {question}\n    {difference}")
    assert not differences, f"{len(differences)} of {QUESTIONS} differ:\n" + "\n".join(differences[:5])


async def ask_again(store: Store, seed: int, number: int) -> str | None:
    """The same question of the same population once more."""
    kept = Population(await adapter.fill(store, population(seed), seed), now=adapter.NOW)
    asker = Asker(kept, seed)
    questions = [asker.question() for _ in range(number + 1)]
    return await differs(store, kept, questions[-1])


@pytest.mark.parametrize("seed", range(20))
def test_populations_are_valid_r4(seed: int) -> None:
    wrong = [
        (body["resourceType"], body["id"], [str(issue) for issue in found])
        for body in population(seed)
        if (found := errors(fhir_json.parse(json.dumps(body).encode())))
    ]
    assert wrong == []


def test_the_same_seed_asks_the_same_questions() -> None:
    def asked() -> list[str]:
        bodies = population(7)
        for body in bodies:
            body.setdefault("meta", {})["lastUpdated"] = "2026-11-22T08:00:00.000001Z"
        asker = Asker(Population(bodies), 7)
        return [str(asker.question()) for _ in range(100)]

    assert asked() == asked()


def test_most_questions_find_something_but_not_everything() -> None:
    some, refused = 0, 0
    for seed in range(5):
        bodies = population(seed)
        for body in bodies:
            body.setdefault("meta", {})["lastUpdated"] = "2026-11-22T08:00:00.000001Z"
        kept = Population(bodies)
        asker = Asker(kept, seed)
        for _ in range(100):
            question = asker.question()
            try:
                found = kept.search(question.type, question.pairs, question.policy, question.compartment)
            except Refused:
                refused += 1
                continue
            everything = kept.by_type.get(question.type, []) if question.type else kept.items
            some += 0 < found.total < len(everything)
    assert some > 300
    assert refused < 50
