"""Contract: chains lead into what a resource itself contains. https://hl7.org/fhir/R4/search.html#contained

That this agrees with `hilum.store.evaluate` on populations at random tests test_contained.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.writing import ALL, create, numbers, patient
from tests.contract.writing import replace as update

from hilum.problems import Unprocessable
from hilum.search.alternatives import Token
from hilum.search.canonicals import naming
from hilum.search.clauses import (
    ChainClause,
    Clause,
    HasClause,
    IdClause,
    MissingClause,
    NotClause,
    Part,
    Permit,
    StringClause,
    TextClause,
    TokenClause,
)
from hilum.search.parameters import table
from hilum.search.query import Query
from hilum.store.interface import Store
from hilum.store.plan import inward

Body = dict[str, Any]
MINE = (Permit((("Patient", "1"),)),)


def medication(id: str, code: str, maker: str | None = None) -> Body:
    body: Body = {"resourceType": "Medication", "id": id, "code": {"coding": [{"system": "urn:c", "code": code}]}}
    body["ingredient"] = [{"itemCodeableConcept": {"coding": [{"code": f"{code}-base"}]}}]
    return body | ({"manufacturer": {"reference": maker}} if maker else {})


def organization(id: str, name: str) -> Body:
    return {"resourceType": "Organization", "id": id, "name": name}


def request(reference: str, *contained: Body, patient: str = "1") -> Body:
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "contained": list(contained),
        "subject": {"reference": f"Patient/{patient}"},
        "medicationReference": {"reference": reference},
    }


def code(value: str, by: str = "code") -> Clause:
    return TokenClause(numbers("Medication", by), (Token(None, value),))


def medicine(*clauses: Clause, permits: tuple[Permit, ...] = ALL) -> ChainClause:
    return ChainClause(numbers("MedicationRequest", "medication"), (Part("Medication", clauses, permits),))


def made_by(name: str) -> Clause:
    maker = Part("Organization", (StringClause(numbers("Organization", "name"), (name,)),), ALL)
    return ChainClause(numbers("Medication", "manufacturer"), (maker,))


async def ids(store: Store, *clauses: Clause, permits: tuple[Permit, ...] = ALL) -> list[str]:
    query = Query((Part("MedicationRequest", clauses, permits),))
    page = await store.search(query)
    counted = await store.search(Query(query.parts, 0, total="accurate"))
    assert counted.total == len(page.resources)
    return [one.id for one in page.resources]


@pytest.fixture
async def requests(store: Store) -> Store:
    await create(store, patient("Chalmers"), "1")
    await create(store, patient("Windsor"), "2")
    await create(store, organization("acme", "Acme"), "acme")
    await create(store, medication("own", "x"), "own")
    await create(store, request("Medication/own"), "out")
    await create(store, request("#m1", medication("m1", "x", "Organization/acme")), "in")
    await create(store, request("#m1", medication("m1", "y"), medication("m2", "x")), "beside")
    nested = request("#m1", medication("m1", "y", "#o1"), organization("o1", "Acme works"), patient="2")
    await create(store, nested, "nested")
    await create(store, request("#m9", medication("m1", "x")), "astray")
    return store


async def test_a_chain_finds_the_contained_resource_that_is_referred_to(requests: Store) -> None:
    assert await ids(requests, medicine(code("x"))) == ["in", "out"]
    assert await ids(requests, medicine(code("y"))) == ["nested", "beside"]
    assert await ids(requests, medicine(code("y-base", "ingredient-code"))) == ["nested", "beside"]
    assert await ids(requests, medicine(code("z"))) == []


async def test_all_that_is_asked_holds_of_one_contained_resource(requests: Store) -> None:
    await create(requests, request("#m1", medication("m1", "x"), medication("m2", "y")), "two")
    assert await ids(requests, medicine(code("x"), code("y-base", "ingredient-code"))) == []
    assert await ids(requests, medicine(code("y"), NotClause(code("x")))) == ["nested", "beside"]
    assert await ids(requests, medicine(IdClause(("m1",)), code("x"))) == ["two", "in"]
    assert await ids(requests, medicine(TextClause("content", ("x zzz",)))) == []


async def test_what_does_not_refer_is_found_by_the_negation(requests: Store) -> None:
    assert await ids(requests, NotClause(medicine(code("x")))) == ["astray", "nested", "beside"]
    assert await ids(requests, medicine(NotClause(code("x")))) == ["nested", "beside"]
    manufacturer = MissingClause(numbers("Medication", "manufacturer"), True)
    assert await ids(requests, medicine(manufacturer)) == ["nested", "beside", "out"]


async def test_a_chain_goes_on_from_a_contained_resource(requests: Store) -> None:
    """To a resource of its own, and to another that stands beside it."""
    assert await ids(requests, medicine(made_by("acme"))) == ["nested", "in"]
    assert await ids(requests, medicine(made_by("acme w"))) == ["nested"]
    assert await ids(requests, medicine(made_by("acme"), code("x"))) == ["in"]
    assert await ids(requests, medicine(NotClause(made_by("acme")))) == ["beside", "out"]


async def test_a_chain_from_elsewhere_goes_into_what_it_reaches(requests: Store) -> None:
    await create(
        requests,
        {
            "resourceType": "MedicationDispense",
            "status": "completed",
            "medicationCodeableConcept": {"text": "x"},
            "authorizingPrescription": [{"reference": "MedicationRequest/in"}],
        },
        "given",
    )
    prescribed = Part("MedicationRequest", (medicine(code("x")),), ALL)
    chain = ChainClause(numbers("MedicationDispense", "prescription"), (prescribed,))
    page = await requests.search(Query((Part("MedicationDispense", (chain,), ALL),)))
    assert [one.id for one in page.resources] == ["given"]
    had = HasClause(Part("MedicationRequest", (medicine(code("y")),), ALL), numbers("MedicationRequest", "subject"))
    page = await requests.search(Query((Part("Patient", (had,), ALL),)))
    assert [one.id for one in page.resources] == ["2", "1"]


async def test_nothing_refers_to_what_is_contained(requests: Store) -> None:
    source = Part("MedicationRequest", (), ALL)
    referred = HasClause(source, numbers("MedicationRequest", "medication"))
    assert await ids(requests, medicine(referred)) == ["out"]
    assert await ids(requests, medicine(NotClause(referred))) == ["nested", "beside", "in"]


async def test_the_policy_of_the_contained_type_holds_of_it_in_its_containers_compartments(requests: Store) -> None:
    assert await ids(requests, medicine(code("y"), permits=MINE)) == ["beside"]
    assert await ids(requests, medicine(code("y"), permits=())) == []
    assert await ids(requests, medicine(code("y")), permits=MINE) == ["beside"]
    labelled = (Permit(None, (code("y-base", "ingredient-code"),)),)
    assert await ids(requests, medicine(permits=labelled)) == ["nested", "beside"]
    assert await ids(requests, medicine(made_by("acme")), permits=MINE) == ["in"]


async def test_an_update_takes_what_was_contained_along(requests: Store) -> None:
    one = await requests.read("MedicationRequest", "in")
    assert one is not None
    await update(requests, one, request("#m1", medication("m1", "z")))
    assert await ids(requests, medicine(code("x"))) == ["out"]
    assert await ids(requests, medicine(code("z"))) == ["in"]


async def test_a_canonical_leads_to_a_contained_definition(store: Store) -> None:
    form = {"resourceType": "Questionnaire", "id": "q1", "status": "active", "title": "Smoking"}
    answer = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "#q1"}
    await create(store, answer | {"contained": [form]}, "in")
    await create(store, answer | {"contained": [form | {"title": "Diet"}]}, "other")
    asked = table("QuestionnaireResponse")["questionnaire"]
    title = StringClause(numbers("Questionnaire", "title"), ("smok",))
    chain = ChainClause((), (Part("Questionnaire", (title,), ALL),), naming(asked))
    page = await store.search(Query((Part("QuestionnaireResponse", (chain,), ALL),)))
    assert [one.id for one in page.resources] == ["in"]


async def test_a_parameter_about_one_type_leads_to_contained_ones_of_that_type_alone(store: Store) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "#p"},
    }
    await create(store, observation | {"contained": [patient("Chalmers") | {"id": "p"}]}, "patient")
    place = {"resourceType": "Location", "id": "p", "name": "Chalmers"}
    await create(store, observation | {"contained": [place]}, "place")

    async def found(by: str, target: str, clause: Clause) -> list[str]:
        chain = ChainClause(numbers("Observation", by), (Part(target, (clause,), ALL),))
        page = await store.search(Query((Part("Observation", (chain,), ALL),)))
        return [one.id for one in page.resources]

    family = StringClause(numbers("Patient", "family"), ("chalmers",))
    name = StringClause(numbers("Location", "name"), ("chalmers",))
    assert await found("patient", "Patient", family) == ["patient"]
    assert await found("subject", "Patient", family) == ["patient"]
    assert await found("subject", "Location", name) == ["place"]
    assert await found("patient", "Location", name) == []


async def test_more_than_may_be_read_is_refused(requests: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if requests.name not in ("sqlite", "postgresql"):
        pytest.skip("what keeps everything in memory has no limits")
    monkeypatch.setattr(inward, "MOST", 2)
    with pytest.raises(Unprocessable, match="contain"):
        await ids(requests, medicine(TextClause("content", ("x",))))
