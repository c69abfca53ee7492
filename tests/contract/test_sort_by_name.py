"""Contract: sorting by ids and by references, name by name, and collected where that leads nowhere."""

from __future__ import annotations

import dataclasses
import random
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace as but
from tests.contract.conftest import DURABLE
from tests.contract.test_pages_as_of import asked
from tests.contract.writing import commit, create, delete, observation, patient, put
from tests.oracle.adapter import WAYS

from hilum.store.interface import Store
from hilum.store.plan import byname, thresholds

pytestmark = pytest.mark.parametrize("opened", DURABLE, indirect=True)


@pytest.fixture(autouse=True)
def _walked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", WAYS[4])


async def pages(store: Store, url: str, count: int) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    query = but(asked(url), count=count)
    while True:
        page = await store.search(query)
        found += [one.id for one in page.resources]
        assert len(page.resources) == count or page.next is None
        if page.next is None:
            return found
        query = but(query, after=page.next)


async def walked(store: Store, url: str) -> bool:
    """Whether the first page is found by a walk along names."""
    _, notes = await store.explain(asked(url))
    return [one["by"] for one in notes if one["step"] == "sort"] in (["id"], ["reference"])


def _names(chance: random.Random, count: int) -> list[str]:
    """Ids of every form: UUIDs, what looks like one at first, and others."""
    found: set[str] = set()
    while len(found) < count:
        id = str(UUID(int=chance.getrandbits(128)))
        place = chance.randrange(1, 36)
        if chance.random() < 0.5:
            id = id[:place] + chance.choice("-.09AZafgz") + id[place + chance.randint(0, 9) :]
        found.add(id[:64])
    return sorted(found)


async def test_ids_of_every_form_are_one_order(store: Store) -> None:
    chance = random.Random(5)
    names = _names(chance, 120)
    some = chance.sample(names, len(names))
    made = await store.commit(commit(*[put(patient(gender=chance.choice(("male", "female"))), id) for id in some]))
    for gone in made[:9]:
        await delete(store, gone)
    left = sorted(one.id for one in made[9:])
    assert await walked(store, "Patient?_sort=_id")
    for count in (1, 7, 110, 111, 112):
        assert await pages(store, "Patient?_sort=_id", count) == left
        assert await pages(store, "Patient?_sort=-_id", count) == left[::-1]
    male = sorted(one.id for one in made[9:] if one.body["gender"] == "male")
    assert await walked(store, "Patient?gender=male&_sort=_id,family")
    assert await pages(store, "Patient?gender=male&_sort=_id,family", 8) == male


async def test_one_id_of_several_types(store: Store) -> None:
    for id in ("b", "a", "c"):
        await create(store, patient(), id)
        await create(store, observation(), id)
    for count in (1, 2, 5):
        assert await pages(store, "Patient?_sort=_id", count) == ["a", "b", "c"]
        assert await pages(store, "?_type=Patient,Observation&_sort=_id", count) == ["a", "a", "b", "b", "c", "c"]
        assert await pages(store, "?_type=Patient,Observation&_sort=-_id", count) == ["c", "c", "b", "b", "a", "a"]
    assert await walked(store, "?_type=Patient,Observation&_sort=_id")


async def test_too_many_ids_that_do_not_match(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(12):
        await create(store, patient(gender="male" if n > 9 else "female"), f"p{n:02}")
    monkeypatch.setattr(thresholds, "LIMITS", dataclasses.replace(WAYS[4], walk=5))
    assert not await walked(store, "Patient?gender=male&_sort=_id")
    assert await pages(store, "Patient?gender=male&_sort=_id", 1) == ["p10", "p11"]


def _about(subject: str | None, day: int) -> dict[str, Any]:
    return observation(subject, effectiveDateTime=f"2020-01-{day:02}")


async def test_references_are_in_the_order_of_type_and_id(store: Store) -> None:
    chance = random.Random(6)
    people = _names(chance, 30)
    expected: list[tuple[str, int, str]] = []
    for n in range(90):
        subject = f"Patient/{chance.choice(people)}"
        expected.append((subject, n, f"o{n}"))
        await create(store, _about(subject, n % 28 + 1), f"o{n}")
    assert await walked(store, "Observation?_sort=subject")
    up = [id for _, _, id in sorted(expected, key=lambda one: (one[0], -one[1]))]
    down = [id for *_, id in sorted(sorted(expected, key=lambda one: -one[1]), key=lambda one: one[0], reverse=True)]
    for count in (1, 4, 89, 90, 91):
        assert await pages(store, "Observation?_sort=subject", count) == up
        assert await pages(store, "Observation?_sort=-subject", count) == down
    dated = sorted(sorted(expected, key=lambda one: -one[1]), key=lambda one: (one[0], one[1] % 28))
    assert await pages(store, "Observation?_sort=subject,date", 7) == [id for *_, id in dated]


async def test_a_target_of_another_type_than_the_definition_names(store: Store) -> None:
    """Nobody refuses such a reference: it stands where its type stands."""
    for n, subject in enumerate(("Patient/a", "Account/z", "Patient/b", "Group/g", "Questionnaire/q", None)):
        await create(store, _about(subject, 1), f"o{n}")
    for count in (1, 2, 9):
        assert await pages(store, "Observation?_sort=subject", count) == ["o1", "o3", "o0", "o2", "o4", "o5"]
        assert await pages(store, "Observation?_sort=-subject", count) == ["o4", "o2", "o0", "o3", "o1", "o5"]


async def test_of_several_targets_the_least_or_the_greatest_counts(store: Store) -> None:
    for n, some in enumerate((("b", "e"), ("a", "d"), ("c",), ("c", "a"))):
        await create(store, patient(link=[_link(one) for one in some]), f"p{n}")
    for count in (1, 2, 9):
        assert await pages(store, "Patient?_sort=link", count) == ["p3", "p1", "p0", "p2"]
        assert await pages(store, "Patient?_sort=-link", count) == ["p0", "p1", "p3", "p2"]


def _link(id: str) -> dict[str, Any]:
    return {"other": {"reference": f"Patient/{id}x"}, "type": "seealso"}


async def test_too_many_places(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(30):
        await create(store, _about(f"Patient/p{n:02}", n % 28 + 1), f"o{n}")
    monkeypatch.setattr(byname, "PLACES", 20)
    asks = "Observation?date=ge2020-01-28&_sort=subject"
    assert not await walked(store, asks)
    assert await pages(store, asks, 1) == ["o27"]
