"""Contract: a total tells nothing of what the asker may not see, however it is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.contract.writing import commit, observation, patient, put

from hilum.access.confine import confine
from hilum.access.policy import EVERYTHING, Grant, Policy
from hilum.search.parse import parse_query
from hilum.store.interface import Store
from hilum.store.plan import thresholds

MINE = Policy((Grant("*", frozenset("rs"), (("Patient", "mine"),)),))
LABORATORY = Policy((Grant("Observation", frozenset("rs"), search=(("code", "1-1"),)),))


async def told(store: Store, policy: Policy, kind: str) -> int | None:
    pairs = [("_total", kind), ("_count", "2"), ("status", "final")]
    return (await store.search(confine(parse_query("Observation", pairs).query, policy))).total


@pytest.mark.parametrize("policy", [MINE, LABORATORY], ids=["of one patient", "of one code"])
async def test_a_total_is_the_same_whatever_is_hidden(
    store: Store, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", replace(thresholds.Limits(), sure=10))
    await store.commit(commit(put(patient(), "mine"), put(patient(), "other")))
    await store.commit(commit(*[put(observation("Patient/mine", "1-1"), f"m{n}") for n in range(20)]))
    for kind in ("estimate", "accurate"):
        assert await told(store, policy, kind) == 20
    await store.commit(commit(*[put(observation("Patient/other", "2-2"), f"o{n}") for n in range(60)]))
    for kind in ("estimate", "accurate"):
        assert await told(store, policy, kind) == 20
    assert await told(store, EVERYTHING, "accurate") == 80
