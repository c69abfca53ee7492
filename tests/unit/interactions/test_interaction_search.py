"""search and history: what the policy makes of a query."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from tests.unit.interactions.bodies import observation, patient
from tests.unit.interactions.conftest import principal

from hilum.access.confine import confine
from hilum.access.policy import EVERYTHING, Principal
from hilum.fhir import units
from hilum.fhir.resource import Resource
from hilum.interactions.create import create
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.history import history
from hilum.interactions.permit import permits_for
from hilum.interactions.search import search, understood
from hilum.interactions.update import update
from hilum.problems import Forbidden, NotFound
from hilum.search.parse import parse_query
from hilum.store.interface import Page, Versions


def ids(page: Page) -> list[str]:
    return [resource.id for resource in page.resources]


def versions(page: Versions) -> list[tuple[str, str, int, str]]:
    return [(found.type, found.id, found.version, found.method) for found in page.resources]


async def two(door: Door, owner: Principal) -> tuple[Resource, Resource]:
    """Patients a and b, each with an Observation oa and ob."""
    for name in ("a", "b"):
        await update(door, owner, "Patient", name, patient(name, id=name))
    made = [
        (await update(door, owner, "Observation", f"o{n}", observation(f"Patient/{n}", id=f"o{n}"))).resource
        for n in ("a", "b")
    ]
    return made[0], made[1]


async def test_a_search_finds_what_the_scope_allows_whatever_permits_it_was_parsed_with(
    door: Door, owner: Principal
) -> None:
    await two(door, owner)
    parsed = parse_query("Observation", [])
    smuggled = replace(parsed, query=confine(parsed.query, EVERYTHING))
    who = principal("patient/*.rs", "a")
    assert ids(await search(door, who, smuggled)) == ["oa"]
    assert ids(await search(door, who, parse_query("Observation", [("status", "final")]))) == ["oa"]
    assert ids(await search(door, who, parse_query("Observation", [("subject", "Patient/b")]))) == []
    assert ids(await search(door, owner, parse_query("Observation", []))) == ["ob", "oa"]


async def test_what_is_kept_of_a_search_is_anothers_only_as_far_as_the_scope_allows(
    door: Door, owner: Principal
) -> None:
    await two(door, owner)
    kept = replace(parse_query("Observation", [("status", "final")]), kept=True)
    for _ in range(2):
        assert ids(await search(door, owner, kept)) == ["ob", "oa"]
        assert ids(await search(door, principal("patient/*.rs", "a"), kept)) == ["oa"]
        assert ids(await search(door, principal("patient/*.rs", "b"), kept)) == ["ob"]
        with pytest.raises(Forbidden):
            await search(door, principal("system/*.r"), kept)


async def test_totals_count_what_the_scope_allows(door: Door, owner: Principal) -> None:
    await two(door, owner)
    parsed = parse_query("Observation", [("_total", "accurate")])
    assert (await search(door, principal("patient/*.rs", "a"), parsed)).total == 1


async def test_a_search_needs_its_own_letter(door: Door, owner: Principal) -> None:
    await two(door, owner)
    for who in (principal("system/*.crud"), principal("system/Patient.rs"), principal("patient/*.rs")):
        with pytest.raises(Forbidden):
            await search(door, who, parse_query("Observation", []))


async def test_a_search_of_all_types_is_held_to_those_that_are_permitted(door: Door, owner: Principal) -> None:
    await two(door, owner)
    parsed = parse_query(None, [])
    assert ids(await search(door, principal("system/Patient.s"), parsed)) == ["b", "a"]
    assert sorted(ids(await search(door, principal("patient/*.s", "a"), parsed))) == ["a", "oa"]


def test_permits_for_has_one_entry_per_type() -> None:
    who = principal("patient/Observation.rs system/Observation.r system/Patient.r", "a")
    found = permits_for(who, ("Observation", "Patient"), "s")
    assert [[permit.owners for permit in permits] for permits in found] == [[(("Patient", "a"),)], []]


# --- history ----------------------------------------------------------------------------------------------------------


async def test_the_history_of_an_instance(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    await update(door, owner, "Patient", made.id, patient("2", id=made.id))
    await delete(door, owner, "Patient", made.id)
    page = await history(door, owner, "Patient", made.id)
    assert versions(page) == [
        ("Patient", made.id, 3, "DELETE"),
        ("Patient", made.id, 2, "PUT"),
        ("Patient", made.id, 1, "POST"),
    ]
    assert page.total == 3


async def test_history_pages_and_is_cut_by_time(door: Door, owner: Principal) -> None:
    found = [
        (await update(door, owner, "Patient", "a", patient(str(i), id="a"))).resource.last_updated for i in range(5)
    ]
    first = await history(door, owner, "Patient", "a", count=2)
    second = await history(door, owner, "Patient", "a", count=2, before=first.next)
    assert [one.version for one in first.resources + second.resources] == [5, 4, 3, 2]
    since = await history(door, owner, "Patient", "a", since=found[3])
    assert [one.version for one in since.resources] == [5, 4]
    at = await history(door, owner, "Patient", "a", at=(found[1], found[2]))
    assert [one.version for one in at.resources] == [3, 2]


async def test_the_history_of_what_never_was_is_not_found_and_a_quiet_time_is_empty(
    door: Door, owner: Principal
) -> None:
    with pytest.raises(NotFound):
        await history(door, owner, "Patient", "a")
    made = (await update(door, owner, "Patient", "a", patient("1", id="a"))).resource
    assert (await history(door, owner, "Patient", "a", since=made.last_updated + 1)).resources == ()
    with pytest.raises(NotFound):
        await history(door, owner, "Patient", "b", since=made.last_updated + 1)


async def test_history_shows_only_the_versions_within_the_compartment(door: Door, owner: Principal) -> None:
    await two(door, owner)
    await update(door, owner, "Observation", "oa", observation("Patient/b", id="oa"))
    await delete(door, owner, "Observation", "oa")
    a, b = principal("patient/*.rs", "a"), principal("patient/*.rs", "b")
    assert versions(await history(door, a, "Observation", "oa")) == [("Observation", "oa", 1, "PUT")]
    assert [v[2] for v in versions(await history(door, b, "Observation", "oa"))] == [3, 2]
    assert [v[1:3] for v in versions(await history(door, b, "Observation"))] == [("oa", 3), ("oa", 2), ("ob", 1)]
    assert sorted(v[1:3] for v in versions(await history(door, a))) == [("a", 1), ("oa", 1)]
    with pytest.raises(NotFound):
        await history(door, a, "Observation", "ob")


async def test_history_of_types_is_held_to_the_scopes(door: Door, owner: Principal) -> None:
    await two(door, owner)
    assert {v[0] for v in versions(await history(door, principal("system/Patient.s")))} == {"Patient"}
    for who, type, id in (
        (principal("system/Patient.r"), "Patient", None),
        (principal("system/Patient.s"), "Patient", "a"),
        (principal("system/Patient.r"), None, None),
    ):
        with pytest.raises(Forbidden):
            await history(door, who, type, id)


async def test_units_are_loaded_beside_the_requests_before_the_first_search_that_may_convert_some(door: Door) -> None:
    units._registry.cache_clear()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def asked(pairs: list[tuple[str, str]]) -> None:
        await understood(door, pairs, lambda registry: parse_query("Observation", pairs, registry=registry))

    beside = asyncio.create_task(others())
    await asked([("value-quantity", "5||mg"), ("code", "http://loinc.org|29463-7")])
    assert (units.loaded(), turns) == (False, 0)
    await asked([("value-quantity", "5|http://unitsofmeasure.org|mg")])
    assert units.loaded()
    assert turns > 1
    beside.cancel()
