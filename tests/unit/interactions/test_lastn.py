"""Observation/$lastn against a few lines that say what the definition says, and on a long record."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hilum.access.policy import EVERYTHING, Principal
from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.interactions import lastn as newest
from hilum.interactions.lastn import lastn
from hilum.problems import Unprocessable
from hilum.search.clauses import Part
from hilum.search.parse import Parsed
from hilum.search.query import Query
from hilum.store.interface import Page

OWNER = Principal("owner", "test", "", EVERYTHING, 1 << 62)
PARSED = Parsed(Query((Part("Observation", ()),)), ())


def resource(number: int, codes: list[str], text: str, **effective: Any) -> Resource:
    concept: dict[str, Any] = {"coding": [{"system": "urn:x", "code": code} for code in codes]} if codes else {}
    if text:
        concept["text"] = text
    body = {"resourceType": "Observation", "id": f"o{number}", "status": "final", "code": concept} | effective
    return Resource("Observation", f"o{number}", 1, number, json.encode(body))


async def ask(monkeypatch: pytest.MonkeyPatch, some: list[Resource], most: int) -> list[str]:
    async def search(door: Any, who: Any, parsed: Parsed) -> Page:
        begin = int(parsed.query.after or 0)
        end = begin + 7
        return Page(tuple(some[begin:end]), str(end) if end < len(some) else None)

    with monkeypatch.context() as patched:
        patched.setattr(newest, "search", search)
        return [one.id for one in await lastn(None, OWNER, PARSED, most)]  # type: ignore[arg-type]


DATES = st.sampled_from([None, "2020", "2021-01", "2021-01-31", "2021-06-01T10:00:00Z", "2021-06-01T10:00:00Z"])
CODES = st.lists(st.sampled_from("abcde"), max_size=2, unique=True)
SOME = st.lists(st.tuples(CODES, st.sampled_from("xy"), DATES), max_size=30)
HIGH = {"2020": 3, "2021-01": 4, "2021-01-31": 4, "2021-06-01T10:00:00Z": 5}


def _small(self: newest._Kind) -> None:
    """A kind that sorts out early."""
    self.found, self.full = [], 1


@settings(max_examples=200, deadline=None)
@given(SOME, st.integers(1, 4))
async def test_it_is_what_the_definition_says(some: list[tuple[list[str], str, str | None]], most: int) -> None:
    """Groups by repeated merging; of each all that are newer than, or as new as, the n-th."""
    groups: list[tuple[set[tuple[str, str]], list[int]]] = []
    for number, (codes, text, _) in enumerate(some):
        names = {("c", code) for code in codes} or {("t", text)}
        held = [group for group in groups if group[0] & names]
        merged = (names.union(*(group[0] for group in held)), [number, *(n for group in held for n in group[1])])
        groups = [group for group in groups if group not in held] + [merged]
    wanted: list[str] = []
    for _, numbers in sorted(groups, key=lambda group: min(group[0])):
        dated = sorted((n for n in numbers if some[n][2]), key=lambda n: (-HIGH[str(some[n][2])], -n))
        kept = dated[:most]
        kept += [n for n in dated[most:] if kept and HIGH[str(some[n][2])] == HIGH[str(some[kept[-1]][2])]]
        kept += sorted((n for n in numbers if not some[n][2]), reverse=True)[: max(0, most - len(dated))]
        wanted += [f"o{n}" for n in kept]
    listed = [
        resource(n, codes, text, **({"effectiveDateTime": when} if when else {}))
        for n, (codes, text, when) in enumerate(some)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(newest._Kind, "__init__", _small)
        assert await ask(patch, listed, most) == wanted


async def test_all_kinds_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [
        resource(1, ["a"], "", effectivePeriod={"start": "2020", "end": "2022"}),
        resource(2, ["a"], "", effectiveInstant="2021-01-01T00:00:00Z"),
        resource(3, ["a"], "", effectiveTiming={"event": ["2024-01-01"]}),
        resource(4, ["a"], "", effectivePeriod={"start": "1990"}),  # it goes on
        resource(5, ["a"], "", effectiveTiming={"code": {"text": "x"}}),
    ]
    assert await ask(monkeypatch, some, 9) == ["o4", "o3", "o1", "o2", "o5"]


async def test_a_link_that_comes_last_makes_one_kind_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [resource(n, [f"{n:03}"], "", effectiveDateTime=f"20{n % 60:02}") for n in range(50)]
    some += [resource(100 + n, [f"{n:03}", f"{n + 1:03}"], "", effectiveDateTime="1990") for n in range(49)]
    assert await ask(monkeypatch, some, 1) == ["o49"]


@pytest.mark.parametrize("limit", ["MOST_READ", "MOST_FOUND"])
async def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(newest, limit, 20)
    some = [resource(n, [str(n)], "") for n in range(30)]
    with pytest.raises(Unprocessable, match="max") as caught:
        await ask(monkeypatch, some, 1)
    assert caught.value.issues[0].code == "too-costly"


@pytest.mark.parametrize("linked", [False, True])
async def test_no_more_is_held_than_memory_has_room_for(monkeypatch: pytest.MonkeyPatch, linked: bool) -> None:
    """What goes because newer ones come counts no longer, and what goes at the end does not either."""
    long = "x" * 1000
    some = [resource(n, [f"{n:03}"], long, effectiveDateTime=f"{1900 + n}") for n in range(30)]
    if linked:
        some += [resource(30 + n, [f"{n:03}", f"{n + 1:03}"], "", effectiveDateTime="1800") for n in range(29)]
    monkeypatch.setattr(newest, "MOST_BYTES", 20_000)
    if linked:
        assert await ask(monkeypatch, some, 1) == ["o29"]
        some += [resource(100 + n, [f"x{n}"], long) for n in range(30)]
    with pytest.raises(Unprocessable, match="MB") as caught:
        await ask(monkeypatch, some, 1)
    assert caught.value.issues[0].code == "too-costly"
    same = [resource(n, ["a"], long, effectiveDateTime=f"{1900 + n}") for n in range(400)]
    assert await ask(monkeypatch, same, 1) == ["o399"]


async def test_a_long_record_takes_little_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    one = resource(1, ["a"], "", effectiveDateTime="2020")
    some = [replace(one, last_updated=n) for n in range(20_000)]
    begun = time.perf_counter()
    with pytest.raises(Unprocessable, match="same time"):
        await ask(monkeypatch, some, 1)
    assert time.perf_counter() - begun < 5
