"""Contract: where two values share a hash, nobody is taken for somebody else. Here every hash collides."""

from __future__ import annotations

import pytest
from tests.contract.writing import (
    ALL,
    asking,
    commit,
    create,
    ids,
    mrn,
    nobody,
    numbers,
    observation,
    patient,
    put,
    token,
)

from hilum.problems import CriteriaChanged
from hilum.search.canonicals import naming
from hilum.search.clauses import AnyClause, ChainClause, Clause, HasClause, Part, Permit, UriClause
from hilum.search.parameters import table
from hilum.store.interface import Resolves, Store
from hilum.store.keyed import Keys


@pytest.fixture(autouse=True)
def colliding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes of two values: even and odd lengths."""
    monkeypatch.setattr(Keys, "hashed", lambda _, text: len(text) % 2)


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


async def test_criteria_are_judged_on_bodies_at_the_ends_of_chains(store: Store) -> None:
    """What is written follows from no hash: neither one way along a reference, nor the other, nor over two."""
    for n in (1, 3, 5):
        await create(store, patient(mrn=f"m{n}", managingOrganization={"reference": f"Organization/g{n}"}), f"p{n}")
        await create(store, {"resourceType": "Organization", "identifier": [{"value": f"g{n}"}]}, f"g{n}")
        await create(store, observation(f"Patient/p{n}", code=f"c{n}"), f"o{n}")
    subject = numbers("Observation", "subject")

    def of(*clauses: Clause, permits: tuple[Permit, ...] = ALL) -> ChainClause:
        return ChainClause(subject, (Part("Patient", clauses, permits),))

    group = ChainClause(
        numbers("Patient", "organization"), (Part("Organization", (token("Organization", "identifier", "g3"),), ALL),)
    )
    coded = token("Observation", "code", "c3", "http://loinc.org")
    asked: list[tuple[str, Clause, list[str]]] = [
        ("Observation", of(mrn("m3")), ["o3"]),
        ("Observation", of(group), ["o3"]),
        ("Observation", of(permits=(Permit(None, (mrn("m3"),)),)), ["o3"]),
        ("Observation", AnyClause((of(mrn("m1")), of(mrn("m7")))), ["o1"]),
        ("Patient", HasClause(Part("Observation", (coded,), ALL), subject), ["p3"]),
        ("Patient", HasClause(Part("Observation", (of(mrn("m5")),), ALL), subject), ["p5"]),
        ("Patient", HasClause(Part("Observation", (of(mrn("m7")),), ALL), subject), []),
    ]
    for n, (type, clause, meant) in enumerate(asked):
        query = asking(clause, types=(type,), exact=True)
        assert ids(await store.search(query)) == meant
        await store.commit(commit(put(patient(), f"made{n}"), given=(Resolves(query, tuple(meant)),)))
        with pytest.raises(CriteriaChanged):
            wrong = "o5" if type == "Observation" else "p1"
            await store.commit(commit(put(patient(), f"not{n}"), given=(Resolves(query, (wrong,)),)))


async def test_a_code_beside_a_chain_is_no_more_certain_than_the_chain(store: Store) -> None:
    for n in (1, 3):
        await create(store, patient(mrn=f"m{n}"), f"p{n}")
        await create(store, observation(f"Patient/p{n}"), f"o{n}")
    code = token("Observation", "code", "8867-4", "http://loinc.org")
    of = ChainClause(numbers("Observation", "subject"), (Part("Patient", (mrn("m3"),), ALL),))
    query = asking(code, of, types=("Observation",), exact=True)
    await store.commit(commit(put(patient(), "made"), given=(Resolves(query, ("o3",)),)))
    with pytest.raises(CriteriaChanged):
        await store.commit(commit(put(patient(), "not"), given=(Resolves(query, ("o1",)),)))


async def test_criteria_are_judged_within_what_is_contained(store: Store) -> None:
    for n in (1, 3):
        inside = patient(mrn=f"m{n}") | {"id": "in"}
        await create(store, observation("#in", contained=[inside]), f"o{n}")
    clause = ChainClause(numbers("Observation", "subject"), (Part("Patient", (mrn("m3"),), ALL),))
    query = asking(clause, types=("Observation",), exact=True)
    assert ids(await store.search(query)) == ["o3"]
    await store.commit(commit(put(patient(), "made"), given=(Resolves(query, ("o3",)),)))


async def test_criteria_by_canonical_url_at_the_ends_of_chains(store: Store) -> None:
    for n in (1, 3):
        url = f"http://example.org/q{n}"
        await create(store, {"resourceType": "Questionnaire", "status": "active", "url": url, "name": f"n{n}"}, f"q{n}")
        answers = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": url}
        await create(store, answers | {"identifier": {"system": "urn:mrn", "value": f"r{n}"}}, f"r{n}")
    by = table("QuestionnaireResponse")["questionnaire"]
    url = UriClause(numbers("Questionnaire", "url"), ("http://example.org/q3",))
    chained = ChainClause(by.numbers, (Part("Questionnaire", (url,), ALL),), naming(by))
    named = token("QuestionnaireResponse", "identifier", "r3", "urn:mrn")
    has = HasClause(Part("QuestionnaireResponse", (named,), ALL), by.numbers, naming(by))
    for type, clause, meant in (("QuestionnaireResponse", chained, ["r3"]), ("Questionnaire", has, ["q3"])):
        assert ids(await store.search(asking(clause, types=(type,), exact=True))) == meant
