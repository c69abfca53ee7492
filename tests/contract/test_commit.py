"""Contract: commit and read, version by version."""

from __future__ import annotations

import pytest
from tests.contract.writing import (
    asking,
    chronicle,
    commit,
    create,
    delete,
    gone,
    ids,
    mrn,
    observation,
    patient,
    put,
    replace,
    versions,
)

from hilum.fhir.resource import Resource
from hilum.problems import VersionChanged
from hilum.store.interface import Counts, Store


async def test_a_created_resource_reads_back_as_it_was_answered(store: Store) -> None:
    made = await create(store, patient(), "a")
    assert (made.type, made.id, made.version, made.method) == ("Patient", "a", 1, "PUT")
    assert made.body["meta"]["versionId"] == "1"
    assert made.raw == put(patient(), "a").draft.stamp(1, made.seq)  # type: ignore[union-attr]
    assert await store.read("Patient", "a") == made
    assert await store.read("Patient", "a", 1) == made


async def test_what_was_never_written_reads_as_none(store: Store) -> None:
    await create(store, observation("Patient/only-referred-to"), "a")
    assert await store.read("Patient", "only-referred-to") is None
    assert await store.read("Patient", "only-referred-to", 1) is None
    assert await store.read("Patient", "a") is None
    assert await store.read("Observation", "a", 2) is None
    assert await store.read("Observation", "a", 0) is None


async def test_each_version_stays_readable(store: Store) -> None:
    first = await create(store, patient("A"), "a")
    second = await replace(store, first, patient("B"))
    third = await delete(store, second)
    assert [await store.read("Patient", "a", n) for n in (1, 2, 3)] == [first, second, third]
    assert await store.read("Patient", "a") == third == Resource("Patient", "a", 3, third.seq, b"", "DELETE")
    assert third.deleted


async def test_a_deleted_resource_can_be_brought_back(store: Store) -> None:
    first = await create(store, patient(mrn="1"), "a")
    tombstone = await delete(store, first)
    assert ids(await store.search(asking(mrn("1")))) == []
    third = await replace(store, tombstone, patient(mrn="1"))
    assert third.version == 3
    assert ids(await store.search(asking(mrn("1")))) == ["a"]


async def test_methods_are_kept_for_history(store: Store) -> None:
    (first,) = await store.commit(commit(put(patient(), "a", method="POST")))
    (second,) = await store.commit(commit(put(patient("B"), "a", over=first, method="PATCH")))
    await store.commit(commit(gone(second)))
    page = await store.history(chronicle("Patient", id="a"))
    assert versions(page) == [("a", 3, "DELETE"), ("a", 2, "PATCH"), ("a", 1, "POST")]


async def test_what_was_only_referred_to_can_be_created(store: Store, other: Store) -> None:
    await create(store, observation("Patient/later"), "o")
    made = await create(other, patient(), "later")
    assert await store.read("Patient", "later") == made
    again = await replace(store, made, patient("B"))
    assert again.version == 2


async def test_creating_what_exists_is_a_version_conflict(store: Store, other: Store) -> None:
    await create(store, patient(), "a")
    for one in (store, other):
        with pytest.raises(VersionChanged):
            await create(one, patient("B"), "a")


async def test_a_version_is_written_once(store: Store, other: Store) -> None:
    first = await create(store, patient("A"), "a")
    await replace(store, first, patient("B"))
    for one in (store, other):
        with pytest.raises(VersionChanged):
            await replace(one, first, patient("C"))
        with pytest.raises(VersionChanged):
            await delete(one, first)


async def test_changing_what_is_not_there_is_a_version_conflict(store: Store) -> None:
    made = await create(store, patient(), "a")
    ghost = Resource("Patient", "ghost", 1, made.seq, made.raw, "PUT")
    with pytest.raises(VersionChanged):
        await replace(store, ghost, patient())


async def test_a_commit_is_all_or_nothing(store: Store) -> None:
    first = await create(store, patient("A", mrn="1"), "a")
    second = await replace(store, first, patient("B", mrn="1"))
    before = await store.changes(0)
    with pytest.raises(VersionChanged):
        await store.commit(
            commit(
                put(observation("Patient/new"), "o"),
                put(patient("X", mrn="2"), "new"),
                put(patient("C", mrn="3"), "a", over=first),
            )
        )
    assert await store.changes(0) == before
    assert await store.read("Patient", "a") == second
    assert await store.read("Patient", "new") is None
    assert await store.read("Observation", "o") is None
    assert ids(await store.search(asking(mrn("2")))) == []
    assert ids(await store.search(asking(mrn("3")))) == []
    assert await store.counts() == Counts({"Patient": 1}, second.seq)
    # and the names that were tried are as good as new
    assert (await create(store, patient("X", mrn="2"), "new")).version == 1


async def test_one_commit_writes_many_in_order(store: Store) -> None:
    kept = await create(store, patient("A"), "kept")
    doomed = await create(store, patient("B", mrn="2"), "doomed")
    made = await store.commit(
        commit(
            put(observation("Patient/p"), "o"),
            put(patient("C"), "p"),
            gone(doomed),
            put(patient("D"), "kept", over=kept),
        )
    )
    assert [(r.type, r.id, r.version, r.method) for r in made] == [
        ("Observation", "o", 1, "PUT"),
        ("Patient", "p", 1, "PUT"),
        ("Patient", "doomed", 2, "DELETE"),
        ("Patient", "kept", 2, "PUT"),
    ]
    assert [r.seq for r in made] == sorted({r.seq for r in made})
    assert [await store.read(r.type, r.id) for r in made] == list(made)
    assert list(await store.changes(doomed.seq)) == list(made)
    assert (await store.counts()).types == {"Observation": 1, "Patient": 2}


async def test_last_updated_is_seq_and_never_decreases(store: Store, other: Store) -> None:
    made = [await create((store, other)[n % 2], patient(), f"p{n}") for n in range(20)]
    assert [r.seq for r in made] == sorted({r.seq for r in made})
    assert all(r.last_updated == r.seq for r in made)


async def test_a_version_knows_the_compartments_it_was_committed_in(store: Store) -> None:
    first = await create(store, observation("Patient/a"), "o")
    second = await replace(store, first, observation("Patient/b"))
    third = await delete(store, second)
    for one, owner in ((first, "a"), (second, "b"), (third, "b")):
        assert await store.placed("Observation", "o", one.version) == (one, (("Patient", owner),))
    assert await store.placed("Observation", "o") == (third, (("Patient", "b"),))
    loose = await create(store, observation(), "loose")
    assert await store.placed("Observation", "loose") == await store.placed("Observation", "loose", 1) == (loose, ())
    for absent in (("Observation", "o", 4), ("Patient", "b"), ("Patient", "b", 1), ("Patient", "never", None)):
        assert await store.placed(*absent) is None


async def test_counts_follow_creation_deletion_and_return(store: Store) -> None:
    assert await store.counts() == Counts({}, 0)
    await create(store, observation("Patient/a"), "o")
    made = await create(store, patient(), "a")
    assert (await store.counts()).types == {"Observation": 1, "Patient": 1}
    tombstone = await delete(store, made)
    assert await store.counts() == Counts({"Observation": 1}, tombstone.seq)
    await replace(store, tombstone, patient())
    assert (await store.counts()).types == {"Observation": 1, "Patient": 1}


async def test_check_answers(store: Store) -> None:
    await store.check()
