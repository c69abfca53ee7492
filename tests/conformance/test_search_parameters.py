"""Every search parameter of R4 that has an expression finds what has a value, and does not find what has none.

https://hl7.org/fhir/R4/searchparameter-registry.html. Resources and searches are made from the published definitions
(tests/oracle/abundance.py), what must be found is judged by the oracle; neither knows anything of hilum.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.oracle import adapter, definitions
from tests.oracle.abundance import abundant, bare
from tests.oracle.adapter import Answer
from tests.oracle.definitions import SearchParameter
from tests.oracle.evaluator import Population
from tests.oracle.queries import Asker, Question

from hilum.store.interface import Store

pytestmark = pytest.mark.skipif(not definitions.package().is_file(), reason="the R4 core package is missing")

STORES = ["sqlite", "postgresql"] if os.environ.get("HILUM_FULL") else ["sqlite"]
EACH = 12
"""Resources of each type: a value[x] has up to 11 types that a parameter looks at."""
TRIES = 100


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with adapter.opened(request, tmp_path) as store:
        yield store


def searched(kept: Population, asker: Asker, type: str, parameter: SearchParameter) -> Question | None:
    """A search by the parameter that finds some resources of the type, the bare one not among them."""
    for _ in range(TRIES):
        if parameter.code == "_id":
            value = "n1"
        elif parameter.code == "_lastUpdated":
            value = kept.by_name[type, "n1"].body["meta"]["lastUpdated"]
        elif parameter.type == "composite":
            value = asker.composite(type, parameter)
        else:
            value = asker.value(type, parameter, "")
        pairs = ((parameter.code, value),)
        found = kept.search(type, pairs)
        if found.total and (type, "bare") not in found.matches:
            return Question(type, pairs)
    return None


@pytest.mark.timeout(600)
async def test_every_parameter_finds_what_has_a_value_and_nothing_else(store: Store) -> None:
    known = definitions.r4()
    bodies = [abundant(known, type, n) for type in known.resource_types for n in range(EACH)]
    bodies += [bare(type) for type in known.resource_types]
    kept = Population(await adapter.fill(store, bodies, 1), now=adapter.NOW)
    asker = Asker(kept, 1)
    proven: set[str] = set()
    lacking, wrong = [], []
    for type in known.resource_types:
        for parameter in known.parameters(type):
            question = searched(kept, asker, type, parameter)
            if question is None:
                lacking.append(f"{type}.{parameter.code}")
                continue
            right = kept.search(type, question.pairs)
            answer = await adapter.ask(store, question)
            if isinstance(answer, Answer) and (answer.matches, answer.total) == (right.matches, right.total):
                proven.add(f"{parameter.base} {parameter.code}")
            else:
                wrong.append(f"{question}: {answer}, is {right}")
    assert wrong == []
    assert lacking == []
    every = {one for type in known.resource_types for one in known.parameters(type)}
    assert proven == {f"{one.base} {one.code}" for one in every}
    assert len(every) == 1378


@pytest.mark.parametrize("type", ["Patient", "Person", "Practitioner", "RelatedPerson"])
async def test_a_name_is_found_by_its_sound(store: Store, type: str) -> None:
    """Which names sound alike is the server's to say, so that the oracle knows nothing of `phonetic`."""
    smith = {"resourceType": type, "id": "smith", "name": [{"family": "Smith"}]}
    await adapter.fill(store, [smith, {**smith, "id": "jones", "name": [{"family": "Jones"}]}, bare(type)], 0)
    for name, names in (("Smyth", ["smith"]), ("Johns", ["jones"]), ("Miller", [])):
        answer = await adapter.ask(store, Question(type, (("phonetic", name),)))
        assert isinstance(answer, Answer)
        assert [id for _, id in answer.matches] == names
