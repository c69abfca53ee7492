"""SearchParameter resources: what is wrong with one, and what a new one changes."""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec
import pytest

from hilum.fhir.definitions import Component, SearchParameter
from hilum.problems import Conflict, Unprocessable
from hilum.search.catalogue import BUILDING, GONE, READY, REMOVING, Catalogue, Defined, changes
from hilum.search.custom import definition, judge, own_numbers
from hilum.search.index import index
from hilum.search.parameters import R4, Registry
from hilum.search.rows import TokenRow


def one(code: str = "lang", **more: Any) -> SearchParameter:
    found = SearchParameter(f"http://x/{code}", code, "token", ("Patient",), "Patient.maritalStatus.text")
    return msgspec.structs.replace(found, **more)


def wrong(some: SearchParameter, derived_from: str = "", *others: SearchParameter) -> list[str | None]:
    return [issue.expression for issue in judge(some, derived_from, others, Registry((some, *others)))]


def test_a_definition_counts_while_it_is_active() -> None:
    body = {"status": "active", "url": "http://x/a", "code": "a", "type": "token", "base": ["Patient"]}
    assert definition(body) == SearchParameter("http://x/a", "a", "token", ("Patient",))
    assert [definition(body | {"status": status}) for status in ("draft", "retired", "unknown")] == [None] * 3


def test_a_sound_definition_has_nothing_wrong() -> None:
    assert wrong(one()) == []


@pytest.mark.parametrize(
    ("more", "element"),
    [
        ({"base": ("Nobody",)}, "base[0]"),
        ({"base": ()}, "base"),
        ({"code": "gender"}, "code"),
        ({"code": "a:b"}, "code"),
        ({"type": "special"}, "type"),
        ({"usage": "distance"}, "xpathUsage"),
        ({"target": ("Nobody",)}, "target[0]"),
        ({"target": ("Patient",)}, "target[0]"),
        ({"expression": None}, "expression"),
        ({"expression": "Patient.none"}, "expression"),
        ({"expression": "Patient.(name"}, "expression"),
        ({"expression": "Patient.name.count()"}, "expression"),
        ({"type": "quantity"}, "type"),
        ({"expression": "Patient" + ".extension.value" * 9}, "expression"),
        ({"expression": "Patient.id"}, "expression"),
        ({"expression": "Patient.birthDate < today()"}, "expression"),
        ({"expression": "Patient.generalPractitioner.resolve().exists()"}, "expression"),
        ({"expression": "Patient.birthDate + 1 day"}, "expression"),
        ({"expression": "Patient.birthDate < 3 +"}, "expression"),
        ({"base": ("Resource",), "expression": "Resource.meta.versionId"}, "expression"),
        ({"type": "date", "base": ("Resource",), "expression": "Resource.meta.lastUpdated"}, "expression"),
        ({"expression": "Patient.language | Patient.id"}, "expression"),
        ({"expression": "Patient.meta.where(versionId = '1').tag"}, "expression"),
        ({"expression": "Patient.meta.lastUpdated.exists()"}, "expression"),
        ({"expression": "Patient.id.exists() and Patient.deceased.exists()"}, "expression"),
        ({"type": "reference", "expression": "Patient.generalPractitioner", "target": ("Location",)}, "target[0]"),
        ({"type": "composite"}, "component"),
        ({"expression": "Patient.name" + ".where(use = 'usual')" * 300 + ".text"}, "expression"),
        ({"expression": "Patient" + ".extension" * 900 + ".value.as(code)"}, "expression"),
        ({"base": ("Questionnaire",), "expression": "Questionnaire" + ".item" * 25 + ".code"}, "expression"),
        (
            {
                "expression": " | ".join(
                    f"Patient.extension.where(url = 'http://e/{n}').value.as(code)" for n in range(65)
                )
            },
            "expression",
        ),
        ({"base": ("Resource",), "expression": " | ".join(["Resource.meta.tag"] * 60)}, "expression"),
    ],
)
def test_what_is_wrong_names_its_element(more: dict[str, Any], element: str) -> None:
    assert wrong(one(**more)) == [f"SearchParameter.{element}"]


def test_an_id_within_a_resource_is_not_what_the_server_sets() -> None:
    assert wrong(one(expression="Patient.contact.id")) == []
    assert wrong(one(expression="Patient.contact.id.exists()")) == []


@pytest.mark.parametrize(
    "text",
    ["code.first()", "code.coding[0]", "%context", "$this.code.count()", "code.where(x)", "code.as(Foo)", "'x'", "{}",
     "extension.value.extension.value", "extension.value." * 9 + "extension.value",
     "resolve()", "code |", " ", "nosuch", "subject", "value.as(Quantity)", "%resource.nosuch", "%resource.id"],
)  # fmt: skip
@pytest.mark.parametrize(
    "other", [("clinical-code", "code"), ("Observation-value-string", "value.as(string)")], ids=["token", "string"]
)
def test_a_part_of_a_composite_that_selects_nothing_fit_is_named(text: str, other: tuple[str, str]) -> None:
    parts = [("clinical-code", text), other]
    component = tuple(Component(f"http://hl7.org/fhir/SearchParameter/{name}", path) for name, path in parts)
    both = one("both", type="composite", base=("Observation",), expression="Observation", component=component)
    assert wrong(both) == ["SearchParameter.component[0].expression"]
    for element in ("Observation |", "Observation.count()"):
        (found,) = wrong(msgspec.structs.replace(both, expression=element))
        assert found == "SearchParameter.expression"


def test_a_composite_takes_its_second_value_from_the_resource_too() -> None:
    parts = (
        {"definition": "http://x/kind", "expression": "relationship"},
        {"definition": "http://hl7.org/fhir/SearchParameter/individual-gender", "expression": "%resource.gender"},
    )
    kind = one("kind", expression="Patient.contact.relationship")
    both = one(
        "both", type="composite", expression="Patient.contact", component=msgspec.convert(parts, tuple[Component, ...])
    )
    registry = Registry((kind, both))
    assert judge(both, "", (kind,), registry) == ()
    contacts = [{"relationship": [{"coding": [{"code": code}]}], "gender": "other"} for code in ("N", "C")]
    rows = index("Patient", {"resourceType": "Patient", "gender": "male", "contact": contacts}, "p", registry)
    (number,) = own_numbers(both, registry)["Patient"]
    assert [(row.code, row.second.code) for row in rows.composites if row.parameter == number] == [
        ("C", "male"),
        ("N", "male"),
    ]


def test_a_composite_has_no_more_rows_than_may_be() -> None:
    def observation(codes: int) -> dict[str, Any]:
        many = [{"code": f"c{n}"} for n in range(codes)]
        return {"resourceType": "Observation", "code": {"coding": many}, "valueCodeableConcept": {"coding": many}}

    assert len(index("Observation", observation(100), "o").composites) == 10_000
    with pytest.raises(Unprocessable, match="more than 50,000 combinations") as refusal:
        index("Observation", observation(240), "o")
    assert refusal.value.issues[0].code == "too-costly"


def test_what_restates_r4s_parameter_is_served_by_it() -> None:
    gender = R4.lookup("Patient", "gender")
    same = one("gender", expression="Patient.gender")
    assert wrong(same, gender.url) == []
    assert own_numbers(same, Registry((same,))) == {}
    assert wrong(one("gender"), gender.url) == ["SearchParameter.code"]


def test_a_registry_with_a_parameter_indexes_it_and_r4s_numbers_stay() -> None:
    registry = Registry((one(),))
    body = {"resourceType": "Patient", "gender": "other", "maritalStatus": {"text": "m"}}
    more = set(index("Patient", body, "1", registry).tokens) - set(index("Patient", body, "1").tokens)
    assert {row[1:] for row in more} == {(None, "m")}
    assert all(isinstance(row, TokenRow) for row in more)
    assert index("Basic", {"resourceType": "Basic"}, "1", registry) == index("Basic", {"resourceType": "Basic"}, "1")


def made(catalogue: Catalogue, **wanted: SearchParameter | None) -> tuple[Defined, ...]:
    numbers = count(1)
    some = {id: None if it is None else (it, "") for id, it in wanted.items()}
    return changes(catalogue, some, lambda: f"task{next(numbers)}")


def test_a_new_definition_is_built_and_a_lost_one_removed() -> None:
    (built,) = made(Catalogue(), a=one())
    assert (built.state, built.types, len(built.clear), built.task) == (BUILDING, ("Patient",), 1, "task1")
    ready = Defined("a", one(), READY)
    (removed,) = made(Catalogue(1, (ready,)), a=None)
    assert (removed.state, removed.clear) == (REMOVING, built.clear)
    assert made(Catalogue(1, (ready,)), a=one()) == ()


def test_what_selects_the_same_as_a_ready_one_is_ready_and_keeps_the_rows() -> None:
    ready = Catalogue(1, (Defined("a", one(), READY),))
    (twin,) = made(ready, b=one("twin"))
    assert (twin.state, twin.task) == (READY, "")
    both = Catalogue(2, (Defined("a", one(), READY), twin))
    assert [change.state for change in made(both, a=None)] == [GONE]


def test_a_removal_under_way_leaves_what_is_wanted_again() -> None:
    (removed,) = made(Catalogue(1, (Defined("a", one(), READY),)), a=None)
    found = {change.id: change for change in made(Catalogue(2, (removed,)), b=one())}
    assert (found["b"].state, found["b"].clear, found["a"].clear) == (BUILDING, removed.clear, ())


def test_what_is_replaced_while_it_is_built_leaves_no_rows() -> None:
    (first,) = made(Catalogue(), a=one())
    (second,) = made(Catalogue(1, (first,)), a=one(expression="Patient.language"))
    (third,) = made(Catalogue(2, (second,)), a=one(expression="Patient.gender | Patient.language"))
    assert set(first.clear) | set(second.clear) <= set(third.clear)
    (last,) = made(Catalogue(3, (third,)), a=None)
    assert set(first.clear) <= set(last.clear)


def test_of_two_in_one_commit_with_one_code_none_is_taken() -> None:
    with pytest.raises(Unprocessable):
        made(Catalogue(), a=one(), b=one(url="http://x/2"))


def test_a_component_can_not_go_before_its_composite() -> None:
    parts = tuple(
        msgspec.convert({"definition": url, "expression": text}, type=type_)
        for type_ in [type_of_component()]
        for url, text in (("http://x/lang", "text"), (R4.lookup("Patient", "gender").url, "%resource.gender"))
    )
    both = one("both", type="composite", component=parts, expression="Patient.maritalStatus")
    catalogue = Catalogue(1, (Defined("a", one(), READY), Defined("b", both, READY)))
    with pytest.raises(Conflict):
        made(catalogue, a=None)
    assert {change.id for change in made(catalogue, a=None, b=None)} == {"a", "b"}


def type_of_component() -> Any:
    from hilum.fhir.definitions import Component

    return Component


def test_a_condition_that_computes_is_indexed_as_a_boolean() -> None:
    old = one("old", expression="Patient.birthDate < @2000-01-01")
    assert wrong(old) == []
    registry = Registry((old,))
    (number,) = registry.table("Patient")["old"].numbers
    for born, said in (("1974-12-25", ["true"]), ("2012", ["false"]), ("2000", [])):
        rows = index("Patient", {"resourceType": "Patient", "birthDate": born}, "1", registry)
        assert [row.code for row in rows.tokens if row.parameter == number] == said


def test_a_resource_that_a_condition_does_not_fit_is_not_indexed_by_it_and_can_be_stored() -> None:
    named = one("named", expression="Patient.name.family.startsWith('A')")
    assert wrong(named) == []
    registry = Registry((named,))
    (number,) = registry.table("Patient")["named"].numbers
    for families, said in ((["Ab"], ["true"]), (["Ab", "Ac"], [])):
        body = {"resourceType": "Patient", "name": [{"family": family} for family in families]}
        rows = index("Patient", body, "1", registry)
        assert [row.code for row in rows.tokens if row.parameter == number] == said
