"""Contract: history of an instance, of types, of the system. https://hl7.org/fhir/R4/http.html#history"""

from __future__ import annotations

from tests.contract.writing import ALL, chronicle, create, delete, ids, observation, patient, replace, token, versions

from hilum.fhir.definitions import TYPES
from hilum.fhir.resource import Resource
from hilum.search.clauses import Permit
from hilum.store.interface import Store

A, B = ("Patient", "a"), ("Patient", "b")
OF_A, OF_B = (Permit((A,)),), (Permit((B,)),)


async def lives(store: Store) -> list[Resource]:
    """Nine versions of three resources, in the order of their commits."""
    a1 = await create(store, patient("A1"), "a")
    o1 = await create(store, observation("Patient/a"), "o")
    a2 = await replace(store, a1, patient("A2"))
    b1 = await create(store, patient("B1"), "b")
    o2 = await replace(store, o1, observation("Patient/b"))
    a3 = await delete(store, a2)
    o3 = await delete(store, o2)
    a4 = await replace(store, a3, patient("A4"))
    b2 = await replace(store, b1, patient("B2"))
    return [a1, o1, a2, b1, o2, a3, o3, a4, b2]


async def test_of_an_instance_newest_first_deletions_among_them(store: Store) -> None:
    all_ = await lives(store)
    page = await store.history(chronicle("Patient", id="a"))
    assert list(page.resources) == [r for r in reversed(all_) if r.id == "a"]
    assert versions(page) == [("a", 4, "PUT"), ("a", 3, "DELETE"), ("a", 2, "PUT"), ("a", 1, "PUT")]
    assert (page.next, page.total) == (None, 4)


async def test_of_a_type(store: Store) -> None:
    all_ = await lives(store)
    page = await store.history(chronicle("Observation"))
    assert list(page.resources) == [r for r in reversed(all_) if r.type == "Observation"]
    assert page.total == 3


async def test_of_two_types(store: Store) -> None:
    all_ = await lives(store)
    page = await store.history(chronicle("Observation", "Patient"))
    assert list(page.resources) == list(reversed(all_))


async def test_of_the_system(store: Store) -> None:
    all_ = await lives(store)
    page = await store.history(chronicle(*TYPES))
    assert list(page.resources) == list(reversed(all_))
    assert page.total == 9


async def test_of_what_was_never_written_is_empty(store: Store) -> None:
    await create(store, observation("Patient/a"), "o")
    for page in (
        await store.history(chronicle("Patient", id="a")),
        await store.history(chronicle("Patient", id="nobody")),
        await store.history(chronicle("Patient")),
    ):
        assert (page.resources, page.next, page.total) == ((), None, 0)


async def test_pages_hold_every_version_once_while_others_are_added(store: Store) -> None:
    all_ = await lives(store)
    seen: list[Resource] = []
    before: int | None = None
    while True:
        page = await store.history(chronicle(*TYPES, before=before, count=2))
        seen.extend(page.resources)
        await create(store, patient(), f"new{len(seen)}")
        if page.next is None:
            break
        before = page.next
    assert seen == list(reversed(all_))


async def test_since_includes_its_moment(store: Store) -> None:
    all_ = await lives(store)
    for n, one in enumerate(all_):
        page = await store.history(chronicle(*TYPES, since=one.last_updated))
        assert list(page.resources) == list(reversed(all_[n:]))
        assert page.total == 9 - n
        page = await store.history(chronicle(*TYPES, since=one.last_updated + 1))
        assert list(page.resources) == list(reversed(all_[n + 1 :]))


async def test_since_and_before_together(store: Store) -> None:
    all_ = await lives(store)
    page = await store.history(chronicle(*TYPES, since=all_[2].seq, before=all_[5].seq, count=2))
    assert list(page.resources) == [all_[4], all_[3]]
    assert (page.next, page.total) == (all_[3].seq, 7)


async def test_at_gives_what_was_current_at_some_time_in_the_interval(store: Store) -> None:
    all_ = await lives(store)

    def current(low: int, high: int) -> list[Resource]:
        found = []
        for one in all_:
            after = [r.seq for r in all_ if (r.type, r.id) == (one.type, one.id) and r.seq > one.seq]
            if one.seq <= high and min(after, default=high + 1) > low:
                found.append(one)
        return list(reversed(found))

    moments = [r.seq + d for r in all_ for d in (-1, 0, 1)]
    for low in moments[::2]:
        for high in (low, low + 1, moments[-1]):
            page = await store.history(chronicle(*TYPES, at=(low, high)))
            assert list(page.resources) == current(low, high)
            assert page.total == len(page.resources)


async def test_count_zero_gives_the_total_alone(store: Store) -> None:
    await lives(store)
    page = await store.history(chronicle("Patient", count=0))
    assert (page.resources, page.next, page.total) == ((), None, 6)


async def test_without_a_total(store: Store) -> None:
    await lives(store)
    assert (await store.history(chronicle("Patient", total=False))).total is None


async def test_each_version_is_judged_by_its_own_compartments(store: Store) -> None:
    _, o1, _, _, o2, _, o3, _, _ = await lives(store)
    of_a = await store.history(chronicle("Observation", permits=(OF_A,)))
    of_b = await store.history(chronicle("Observation", permits=(OF_B,)))
    assert (list(of_a.resources), of_a.total) == ([o1], 1)
    assert (list(of_b.resources), of_b.total) == ([o3, o2], 2)
    instance = await store.history(chronicle("Observation", id="o", permits=(OF_A,)))
    assert list(instance.resources) == [o1]


async def test_permits_differ_by_type_and_are_alternatives(store: Store) -> None:
    all_ = await lives(store)
    page = await store.history(chronicle("Observation", "Patient", permits=(OF_B, ALL)))
    assert list(page.resources) == [r for r in reversed(all_) if r.type == "Patient" or (r.id == "o" and r.version > 1)]
    page = await store.history(chronicle("Observation", "Patient", permits=((Permit((A,)), Permit((B,))), OF_A)))
    assert list(page.resources) == [r for r in reversed(all_) if r.type == "Observation" or r.id == "a"]


async def test_no_permit_shows_nothing(store: Store) -> None:
    await lives(store)
    unknown = (Permit((("Patient", "unheard-of"),)),)
    for permits in ((), unknown):
        page = await store.history(chronicle("Patient", permits=(permits,)))
        assert (ids(page), page.next, page.total) == ([], None, 0)


async def test_a_policy_about_content_is_judged_on_each_version(store: Store) -> None:
    """`Permit.clauses`: an Observation that was amended out of what may be seen is seen no more, but its past is."""
    final = (Permit(None, (token("Observation", "status", "final"),)),)
    of_a_final = (Permit((("Patient", "a"),), (token("Observation", "status", "final"),)),)
    first = await create(store, observation("Patient/a"), "o")
    second = await replace(store, first, observation("Patient/a", status="amended"))
    third = await replace(store, second, observation("Patient/b"))
    await delete(store, third)
    page = await store.history(chronicle("Observation", permits=(final,)))
    assert versions(page) == [("o", 4, "DELETE"), ("o", 3, "PUT"), ("o", 1, "PUT")]
    assert page.total == 3
    page = await store.history(chronicle("Observation", permits=(of_a_final,)))
    assert versions(page) == [("o", 1, "PUT")]
    page = await store.history(chronicle("Observation", permits=(final,), count=1))
    assert (versions(page), page.total) == ([("o", 4, "DELETE")], 3)
    page = await store.history(chronicle("Observation", permits=(final,), count=1, before=page.next))
    assert (versions(page), page.total) == ([("o", 3, "PUT")], 3)
    page = await store.history(chronicle("Observation", permits=(final,), before=page.next))
    assert (versions(page), page.next) == ([("o", 1, "PUT")], None)
