"""Contract: where two values share a hash, nobody is taken for somebody else. Here every hash collides."""

from __future__ import annotations

import pytest
from tests.contract.writing import asking, commit, create, ids, mrn, nobody, numbers, observation, patient, put, token

from hilum.problems import CriteriaChanged
from hilum.search.query import UriClause
from hilum.store import keys
from hilum.store.interface import Resolves, Store


@pytest.fixture(autouse=True)
def colliding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of two values: even and odd lengths."""
    monkeypatch.setattr(keys, "token", lambda system, code: len(code or "") % 2)
    monkeypatch.setattr(keys, "code", lambda code: len(code or "") % 2)
    monkeypatch.setattr(keys, "uri", lambda value: len(value) % 2)


async def test_a_search_finds_only_what_is_meant(store: Store) -> None:
    for n in range(8):
        await create(store, patient(mrn=f"m{n}"), f"p{n}")
    for n in range(8):
        assert ids(await store.search(asking(mrn(f"m{n}")))) == [f"p{n}"]
    assert ids(await store.search(asking(mrn("m8")))) == []
    assert ids(await store.search(asking(token("Patient", "identifier", "m3", "urn:other")))) == []


async def test_a_few_are_judged_exactly_even_where_both_halves_are_written(store: Store) -> None:
    crossed = [{"system": "urn:a", "value": "1"}, {"system": "urn:b", "value": "2"}]
    await create(store, patient(identifier=crossed), "crossed")
    await create(store, patient(identifier=[{"system": "urn:b", "value": "1"}]), "meant")
    assert ids(await store.search(asking(token("Patient", "identifier", "1", "urn:b")))) == ["meant"]
    assert ids(await store.search(asking(token("Patient", "identifier", "2", "")))) == []


async def test_escaped_characters_and_implied_systems_are_found(store: Store) -> None:
    await create(store, patient(mrn='a/b\u00e9\n"', gender="male"), "a")
    await create(store, patient(mrn="12345678", gender="male"), "b")
    assert ids(await store.search(asking(mrn('a/b\u00e9\n"')))) == ["a"]
    male = token("Patient", "gender", "male", "http://hl7.org/fhir/administrative-gender")
    assert ids(await store.search(asking(male))) == ["b", "a"]


async def test_uris_are_compared_whole(store: Store) -> None:
    for id, url in (("a", "http://example.org/a"), ("b", "http://example.org/b")):
        await create(store, {"resourceType": "ValueSet", "status": "active", "url": url}, id)
    clause = UriClause(numbers("ValueSet", "url"), ("http://example.org/a",))
    assert ids(await store.search(asking(clause, types=("ValueSet",)))) == ["a"]


async def test_criteria_see_through_collisions(store: Store) -> None:
    for n in range(6):
        await store.commit(commit(put(patient(mrn=f"{n}"), f"p{n}"), given=(nobody(f"{n}"),)))
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(patient(mrn="3"), "again"), given=(nobody("3"),)))
    exactly = Resolves(asking(mrn("3")), ("p3",))
    await store.commit(commit(put(observation("Patient/p3"), "o"), given=(exactly,)))
    with pytest.raises(CriteriaChanged):
        wrong = Resolves(asking(mrn("3")), ("p4",))
        await store.commit(commit(put(observation("Patient/p4"), "p"), given=(wrong,)))


async def test_criteria_with_more_collisions_than_are_compared(store: Store) -> None:
    await store.commit(commit(*(put(patient(mrn=f"{n:03}"), f"p{n}") for n in range(150))))
    await store.commit(commit(put(patient(mrn="999"), "new"), given=(nobody("999"),)))
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(patient(mrn="000"), "newer"), given=(nobody("000"),)))
