"""Contract: composites of references follow what they refer to when it is created, wherever the reference stands."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.conftest import DURABLE
from tests.contract.test_numbers import sound
from tests.contract.test_parameters import WHO, definition, through
from tests.contract.writing import commit, create, observation, patient, put

from hilum.access.confine import confine
from hilum.access.policy import EVERYTHING
from hilum.interactions.create import create as through_door
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.search.parse import parse_query
from hilum.search.references import paired
from hilum.store.interface import Store
from hilum.store.sqlite.soundness import examine
from hilum.store.sqlite.store import SqliteStore

URL = "http://example.org/extension"
PLACES: dict[str, str] = {
    "code-performer": "performer",
    "code-subject": "subject",
    "code-other": f"extension.where(url='{URL}').value.as(Reference)",
}
"""Of references that R4 has rows for as they are, that it has in two halves, and that it has not."""
PERFORMER, CODE = (f"http://hl7.org/fhir/SearchParameter/{name}" for name in ("Observation-performer", "clinical-code"))


def composite(code: str) -> dict[str, Any]:
    parts = [
        {"definition": CODE, "expression": "code"},
        {"definition": PERFORMER, "expression": PLACES[code]},
    ]
    own = {"base": ["Observation"], "type": "composite", "expression": "Observation", "component": parts}
    return definition(code) | own


async def found(store: Store, code: str) -> list[str]:
    catalogue = await store.learn()
    pairs = [(code, "http://loinc.org|1$Patient/late")]
    parsed = parse_query("Observation", pairs, registry=catalogue.searchable)
    return sorted(one.id for one in (await store.search(confine(parsed.query, EVERYTHING))).resources)


@pytest.mark.parametrize("opened", DURABLE, indirect=True)
@pytest.mark.parametrize("code", PLACES)
async def test_a_custom_composite_follows_wherever_its_reference_stands(store: Store, code: str) -> None:
    door = Door(store, "http://h/fhir")
    await through_door(door, WHO, "SearchParameter", composite(code))
    await through(door)
    pairs = paired((await store.learn()).registry)
    assert (len(pairs.beside), len(pairs.alone)) == ((4, 0) if code == "code-performer" else (2, 2))
    late = {"reference": "Patient/late"}
    body = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1"}]},
        "subject": late,
        "performer": [late],
        "extension": [{"url": URL, "valueReference": late}],
    }
    await update(door, WHO, "Observation", "o", body | {"id": "o"})
    await update(door, WHO, "Observation", "x", body | {"id": "x"})
    assert await found(store, code) == ["o", "x"]
    await update(door, WHO, "Patient", "late", {"resourceType": "Patient", "id": "late"})
    assert await found(store, code) == ["o", "x"]
    await sound(store)


def document(n: int) -> dict[str, Any]:
    relates = [{"code": f"c{n}-{k}", "target": {"reference": "DocumentReference/none"}} for k in range(50)]
    content = [{"attachment": {"url": "u"}}]
    return {"resourceType": "DocumentReference", "status": "current", "content": content, "relatesTo": relates}


@pytest.mark.parametrize("opened", ["sqlite"], indirect=True)
async def test_what_nothing_is_paired_with_does_not_pay_for_all_pairs(store: SqliteStore) -> None:
    """In instructions of SQLite's machine, for a patient that one resource referred to."""
    counted = 0

    def count() -> bool:
        nonlocal counted
        counted += 1
        return False

    async def steps(id: str) -> int:
        nonlocal counted
        await create(store, observation(f"Patient/{id}"), f"of-{id}")
        counted = 0
        store._writing.set_progress_handler(count, 10)
        await create(store, patient("F"), id)
        store._writing.set_progress_handler(None)
        return counted

    await steps("first")
    few = await steps("a")
    await store.commit(commit(*(put(document(n), f"d{n}") for n in range(40))))
    assert await steps("b") < 2 * few


@pytest.mark.parametrize("opened", ["sqlite"], indirect=True)
async def test_a_composite_of_a_number_that_was_given_up_is_told(store: SqliteStore) -> None:
    await create(store, document(0), "d")
    await create(store, document(1) | {"relatesTo": []}, "none")
    store._writing.execute("UPDATE composite SET low = was, high = was FROM former")
    faults = [fault for step in examine(store.path) for fault in step.faults]
    assert "composite: 50 rows are of numbers that were given up, so that searches don't find them" in faults
