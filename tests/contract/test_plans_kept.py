"""Contract: the same Query asked again finds what there is now, however it was planned the first time."""

from __future__ import annotations

import pytest
from tests.contract.writing import commit, gone, ids, observation, put

from hilum.access.confine import confine
from hilum.access.policy import EVERYTHING
from hilum.fhir.resource import Resource
from hilum.search.parse import parse_query
from hilum.search.query import Query
from hilum.store.interface import Store, Write
from hilum.store.plan import thresholds
from hilum.store.plan.thresholds import Limits

PAIRS = [("code", "http://loinc.org|8867-4"), ("subject", "Patient/p"), ("date", "ge2000")]
TINY = Limits(looks=(2, 4), hopes=(3, 6))


def query(count: int) -> Query:
    return confine(parse_query("Observation", [*PAIRS, ("_count", str(count))]).query, EVERYTHING)


def of_patient(n: int, code: str = "8867-4") -> Write:
    return put(observation("Patient/p", code, effectiveDateTime="2020-01-01"), f"o{n}")


@pytest.mark.parametrize("count", [2, 100])
async def test_it_finds_what_there_is_now(store: Store, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", TINY)
    again = query(count)

    async def found(*wanted: int) -> None:
        for _ in range(2):
            assert ids(await store.search(again)) == [f"o{n}" for n in wanted][:count]
            assert ids(await store.search(query(count))) == [f"o{n}" for n in wanted][:count]

    await found()
    await store.commit(commit(of_patient(0)))
    await found(0)
    await store.commit(commit(*[of_patient(n) for n in range(1, 8)]))
    await found(7, 6, 5, 4, 3, 2, 1, 0)
    await store.commit(commit(*[of_patient(n, "other") for n in range(8, 20)]))  # newer, and of another code
    await found(7, 6, 5, 4, 3, 2, 1, 0)
    for n in range(1, 8):
        there = await store.read("Observation", f"o{n}")
        assert there is not None
        await store.commit(commit(gone(there)))
    await found(0)
    await store.commit(commit(of_patient(20)))
    await found(20, 0)


async def test_what_is_told_is_what_is_done(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", TINY)
    await store.commit(commit(*[of_patient(n) for n in range(8)]))
    again = query(2)
    pages: list[tuple[Resource, ...]] = [(await store.search(again)).resources]
    for _ in range(2):
        page, notes = await store.explain(again)
        pages.append(page.resources)
        assert store.name == "memory" or "driver" in {note["step"] for note in notes}
    assert pages == [pages[0]] * 3
