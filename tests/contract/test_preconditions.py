"""Contract: what a commit demands of the state it meets, decided inside it."""

from __future__ import annotations

import pytest
from tests.contract.writing import (
    asking,
    commit,
    create,
    delete,
    gone,
    mrn,
    nobody,
    numbers,
    observation,
    patient,
    put,
    replace,
    token,
)

from hilum.problems import Conflict, CriteriaChanged, VersionChanged
from hilum.search.clauses import Permit, StringClause
from hilum.store.interface import Present, Resolves, Store, Unreferenced


async def test_criteria_that_find_nothing_let_a_create_through(store: Store) -> None:
    await create(store, patient(mrn="other"), "a")
    (made,) = await store.commit(commit(put(patient(mrn="1"), "b"), given=(nobody("1"),)))
    assert made.id == "b"


async def test_criteria_that_find_one_stop_a_create(store: Store) -> None:
    await create(store, patient(mrn="1"), "a")
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(patient(mrn="1"), "b"), given=(nobody("1"),)))
    assert await store.read("Patient", "b") is None


async def test_criteria_that_find_what_they_should(store: Store) -> None:
    await create(store, patient(mrn="1"), "a")
    found = Resolves(asking(mrn("1")), ("a",))
    await store.commit(commit(put(observation("Patient/a"), "o"), given=(found,)))
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(observation("Patient/b"), "p"), given=(Resolves(asking(mrn("1")), ("b",)),)))
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(observation("Patient/a"), "q"), given=(Resolves(asking(mrn("2")), ("a",)),)))


async def test_a_second_match_breaks_criteria_that_found_one(store: Store) -> None:
    await create(store, patient(mrn="1"), "a")
    await create(store, patient(mrn="1"), "b")
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(observation("Patient/a"), "o"), given=(Resolves(asking(mrn("1")), ("a",)),)))


async def test_a_deleted_or_changed_match_is_none(store: Store) -> None:
    first = await create(store, patient(mrn="1"), "a")
    second = await create(store, patient(mrn="2"), "b")
    await delete(store, first)
    await replace(store, second, patient(mrn="3"))
    given = (nobody("1"), nobody("2"))
    await store.commit(commit(put(patient(mrn="1"), "c"), put(patient(mrn="2"), "d"), given=given))
    assert (await store.read("Patient", "d")) is not None


async def test_all_clauses_of_criteria_count(store: Store) -> None:
    await create(store, patient("Chalmers", mrn="1"), "a")
    family = numbers("Patient", "family")
    other = asking(mrn("1"), StringClause(family, ("Windsor",)))
    same = asking(mrn("1"), StringClause(family, ("chalm",)))
    await store.commit(commit(put(patient("Windsor", mrn="1"), "b"), given=(Resolves(other, ()),)))
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(patient(mrn="1"), "c"), given=(Resolves(same, ()),)))


async def test_criteria_of_a_system_alone_or_of_a_code_alone(store: Store) -> None:
    await create(store, patient(mrn="1"), "a")
    wide = {"s": token("Patient", "identifier", None, "urn:mrn"), "c": token("Patient", "identifier", "1")}
    for name, clause in wide.items():
        found, nothing = Resolves(asking(clause), ("a",)), Resolves(asking(clause), ())
        await store.commit(commit(put(observation("Patient/a"), name), given=(found,)))
        with pytest.raises(CriteriaChanged):
            await store.commit(commit(put(observation("Patient/a"), "never"), given=(nothing,)))


async def test_criteria_without_a_token(store: Store) -> None:
    family = StringClause(numbers("Patient", "family"), ("Chalmers",), "exact")
    given = (Resolves(asking(family), ()),)
    await store.commit(commit(put(patient("Chalmers"), "a"), given=given))
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(patient("Chalmers"), "b"), given=given))
    await store.commit(commit(put(patient("Chalmers"), "c"), given=(Resolves(asking(family), ("a",)),)))
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(patient("Chalmers"), "d"), given=(Resolves(asking(family), ("a",)),)))


async def test_a_commit_that_criteria_stopped_can_be_made_later(store: Store) -> None:
    family = StringClause(numbers("Patient", "family"), ("Chalmers",))
    blocking = await create(store, patient("Chalmers", mrn="1"), "a")
    for condition in (Resolves(asking(family), ()), nobody("1")):
        with pytest.raises(CriteriaChanged):
            await store.commit(commit(put(patient("Chalmers", mrn="1"), "b"), given=(condition,)))
    await delete(store, blocking)
    await store.commit(commit(put(patient("Chalmers"), "b"), given=(Resolves(asking(family), ()), nobody("1"))))
    assert (await store.read("Patient", "b")).version == 1  # type: ignore[union-attr]


async def test_criteria_without_a_token_on_a_name_that_was_referred_to(store: Store, other: Store) -> None:
    family = StringClause(numbers("Patient", "family"), ("Chalmers",))
    await create(other, observation("Patient/b"), "o")
    await store.commit(commit(put(patient("Chalmers"), "b"), given=(Resolves(asking(family), ()),)))
    with pytest.raises(VersionChanged):
        await other.commit(commit(put(patient("Windsor"), "b"), given=(Resolves(asking(family), ("b",)),)))


async def test_criteria_whose_key_many_resources_share(store: Store) -> None:
    writes = [put(observation("Patient/a", status="final"), f"o{n}") for n in range(70)]
    await store.commit(commit(*writes))
    final = token("Observation", "status", "final", "http://hl7.org/fhir/observation-status")
    code = token("Observation", "code", "1-1", "http://loinc.org")
    none = Resolves(asking(final, code, types=("Observation",)), ())
    await store.commit(commit(put(observation(code="1-1"), "p"), given=(none,)))
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(observation(code="1-1"), "q"), given=(none,)))


async def test_criteria_see_only_what_the_policy_permits(store: Store) -> None:
    await create(store, observation("Patient/a", code="1-1"), "o")
    code = token("Observation", "code", "1-1", "http://loinc.org")
    theirs = asking(code, types=("Observation",), permits=((Permit((("Patient", "a"),)),),))
    others = asking(code, types=("Observation",), permits=((Permit((("Patient", "b"),)),),))
    await store.commit(commit(put(observation("Patient/b", code="1-1"), "p"), given=(Resolves(others, ()),)))
    await store.commit(commit(put(observation("Patient/b"), "q"), given=(Resolves(theirs, ("o",)),)))
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(observation("Patient/b"), "r"), given=(Resolves(others, ()),)))


async def test_present_holds_for_what_is_there(store: Store) -> None:
    await create(store, patient(), "a")
    await store.commit(commit(put(observation("Patient/a"), "o"), given=(Present("Patient", "a"),)))


async def test_present_holds_for_what_the_same_commit_creates(store: Store) -> None:
    await store.commit(
        commit(put(observation("Patient/a"), "o"), put(patient(), "a"), given=(Present("Patient", "a"),))
    )


@pytest.mark.parametrize("state", ["never", "referred", "deleted", "deleting"])
async def test_present_refuses_what_is_not_there(store: Store, state: str) -> None:
    writes = [put(observation("Patient/a"), "o")]
    if state == "referred":
        await create(store, observation("Patient/a"), "earlier")
    if state == "deleted":
        await delete(store, await create(store, patient(), "a"))
    if state == "deleting":
        writes.append(gone(await create(store, patient(), "a")))
    with pytest.raises(Conflict):
        await store.commit(commit(*writes, given=(Present("Patient", "a"),)))
    assert await store.read("Observation", "o") is None


async def test_unreferenced_refuses_while_something_refers(store: Store) -> None:
    target = await create(store, patient(), "a")
    source = await create(store, observation("Patient/a"), "o")
    given = (Unreferenced("Patient", "a"),)
    with pytest.raises(Conflict):
        await store.commit(commit(gone(target), given=given))
    assert await store.read("Patient", "a") == target
    await replace(store, source, observation("Patient/b"))
    (tombstone,) = await store.commit(commit(gone(target), given=given))
    assert tombstone.deleted


async def test_unreferenced_refuses_while_something_that_is_contained_refers(store: Store) -> None:
    target = await create(store, patient(), "a")
    inside = {**observation("Patient/a"), "id": "in"}
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "x"},
        "contained": [inside],
        "result": [{"reference": "#in"}],
    }
    await create(store, report, "r")
    with pytest.raises(Conflict):
        await store.commit(commit(gone(target), given=(Unreferenced("Patient", "a"),)))


async def test_unreferenced_looks_away_from_what_the_same_commit_deletes_or_rewrites(store: Store) -> None:
    target = await create(store, patient(), "a")
    doomed = await create(store, observation("Patient/a"), "doomed")
    moved = await create(store, observation("Patient/a"), "moved")
    writes = (gone(target), gone(doomed), put(observation("Patient/b"), "moved", over=moved))
    made = await store.commit(commit(*writes, given=(Unreferenced("Patient", "a"),)))
    assert [r.version for r in made] == [2, 2, 2]


async def test_a_resource_may_refer_to_itself_and_go(store: Store) -> None:
    itself = patient(link=[{"other": {"reference": "Patient/a"}, "type": "seealso"}])
    made = await create(store, itself, "a")
    await store.commit(commit(gone(made), given=(Unreferenced("Patient", "a"),)))
    assert (await store.read("Patient", "a")).deleted  # type: ignore[union-attr]


async def test_criteria_may_find_several_and_then_no_more(store: Store) -> None:
    """A transaction that deletes or changes all matches still counts on there being no other one."""
    made = [await create(store, patient(mrn="1"), id) for id in ("a", "b", "c")]
    late = await create(store, patient(mrn="2"), "d")
    await create(store, patient(mrn="1"), "e")
    asked = asking(mrn("1"))
    four = Resolves(asked, ("e", "c", "b", "a"))
    with pytest.raises(CriteriaChanged):  # one less than there are
        await store.commit(commit(gone(made[0]), given=(Resolves(asked, ("e", "c", "b")),)))
    with pytest.raises(CriteriaChanged):  # the same number, another one
        await store.commit(commit(gone(made[0]), given=(Resolves(asked, ("e", "c", "b", "d")),)))
    await store.commit(commit(gone(made[0]), given=(four,)))
    await replace(store, late, patient(mrn="1"))
    with pytest.raises(CriteriaChanged):  # an older one has begun to match
        await store.commit(commit(gone(made[1]), given=(Resolves(asked, ("e", "c", "b")),)))
    await store.commit(commit(gone(made[1]), given=(Resolves(asked, ("e", "d", "c", "b")),)))


async def test_several_by_criteria_without_a_token(store: Store) -> None:
    asked = asking(StringClause(numbers("Patient", "family"), ("Chalmers",), "exact"))
    made = [await create(store, patient(), id) for id in ("a", "b", "c")]
    for wrong in (("c", "b"), ("c", "b", "x"), ()):
        with pytest.raises(CriteriaChanged):
            await store.commit(commit(gone(made[0]), given=(Resolves(asked, wrong),)))
    await store.commit(commit(gone(made[0]), given=(Resolves(asked, ("c", "b", "a")),)))
