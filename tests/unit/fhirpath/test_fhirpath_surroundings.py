"""What expressions ask of the world around a resource. https://hl7.org/fhir/R4/fhirpath.html#functions"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hilum.fhirpath import ALONE, Surroundings, condition, locate, outside, parse
from hilum.problems import Invalid

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "gender": "female",
    "generalPractitioner": [{"reference": "Practitioner/1"}, {"reference": "#o"}, {"reference": "urn:uuid:2"}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Clinic"}],
    "text": {"status": "generated", "div": "<div>x</div>"},
    "maritalStatus": {"coding": [{"system": "s", "code": "M"}]},
    "modifierExtension": [{"url": "http://a/odd", "valueBoolean": True}],
}
KNOWN = {
    "Practitioner/1": {"resourceType": "Practitioner", "id": "1", "name": [{"family": "Who"}]},
    "urn:uuid:2": {"resourceType": "PractitionerRole", "id": "2"},
}
AROUND = Surroundings(
    resolve=KNOWN.get,
    member_of=lambda coded, url: {"http://v/known": True, "http://v/other": False}.get(url),
    subsumes=lambda one, other: one == other,
    conforms_to=lambda body, url: {"http://p/known": True}.get(url),
    html_checks=lambda text: text.startswith("<div"),
    now=datetime(2026, 2, 25, 14, 31, 39, 96_000, tzinfo=UTC),
    variables={"list": ["a", "b"], "number": 3, "patient": PATIENT, "none": None},
)


def found(expression: str, around: Surroundings = AROUND) -> list[Any]:
    names = frozenset(around.variables)
    return [node.value for node in locate(expression, "Patient", variables=names)(PATIENT, around=around)]


@pytest.mark.parametrize(
    ("expression", "with_them", "alone"),
    [
        ("generalPractitioner.resolve().ofType(Practitioner).name.family", ["Who"], []),
        ("generalPractitioner.resolve().ofType(Organization).name", ["Clinic"], ["Clinic"]),
        ("generalPractitioner.where(resolve() is Practitioner).count()", [1], [1]),
        ("generalPractitioner.where(resolve() is Organization).count()", [1], [0]),
        ("generalPractitioner.where(resolve() is PractitionerRole).count()", [1], [0]),
        ("gender.memberOf('http://v/known')", [True], []),
        ("gender.memberOf('http://v/other')", [False], []),
        ("gender.memberOf('http://v/nobody')", [], []),
        ("maritalStatus.subsumes(maritalStatus)", [True], []),
        ("maritalStatus.subsumedBy(maritalStatus.coding)", [False], []),
        ("conformsTo('http://p/known')", [True], []),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", [True], [True]),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/DomainResource|4.0.1')", [True], [True]),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Group')", [False], [False]),
        ("text.`div`.htmlChecks()", [True], []),
        ("gender.htmlChecks()", [], []),
        ("now().toString()", ["2026-02-25T14:31:39.096Z"], []),
        ("today().toString() & timeOfDay().toString()", ["2026-02-2514:31:39.096"], [""]),
    ],
)
def test_what_is_asked_for_but_missing_is_empty(expression: str, with_them: list[Any], alone: list[Any]) -> None:
    assert found(expression) == with_them
    assert found(expression, ALONE) == alone


def test_a_profile_that_nobody_knows_is_an_error_as_fhir_says() -> None:
    with pytest.raises(Invalid, match="a profile that is not known here"):
        found("conformsTo('http://p/nobody')")


def test_variables_have_the_values_that_they_are_given() -> None:
    assert found("%list.count() + %number") == [5]
    assert found("%patient.gender") == ["female"]
    assert found("%none") == []
    with pytest.raises(Invalid, match="there is no variable %nobody"):
        found("%nobody")
    asked = condition("%nobody.exists()", "Patient")
    with pytest.raises(Invalid, match="there is no variable %nobody here"):
        asked(PATIENT, resource=PATIENT)


def test_modifier_extensions_that_nobody_expects_are_an_error() -> None:
    assert found("checkModifiers('http://a/odd').id") == ["p"]
    with pytest.raises(Invalid, match="a modifier extension that it does not allow"):
        found("checkModifiers('http://a/other')")


def test_a_condition_knows_the_resource_that_it_stands_in_and_the_one_around_that() -> None:
    ref_1 = condition(
        "reference.startsWith('#').not() or (reference.substring(1).trace('url') in %rootResource.contained.id)",
        "Reference",
    )
    inner = {"resourceType": "Organization", "id": "x", "partOf": {"reference": "#o"}}
    assert ref_1(inner["partOf"], resource=inner, root=PATIENT) is True
    assert ref_1(inner["partOf"], resource=inner) is False
    assert ref_1({"reference": "#p"}, resource=PATIENT) is False
    assert condition("%resource.id = 'x' and %context.reference = '#o'", "Reference")(inner["partOf"], resource=inner)


def test_a_condition_on_a_choice_is_empty_where_one_of_its_types_has_no_such_element() -> None:
    ras_1 = "(low.empty() or ((low.code = '%') and (low.system = %ucum)))"
    assert condition(ras_1, "decimal")(1, resource=PATIENT) is True
    assert condition(ras_1, "Range")({"low": {"code": "%"}}, resource=PATIENT) is None
    with pytest.raises(Invalid, match="name the one that is meant"):
        condition(ras_1, "RiskAssessment", "prediction.probability[x]")
    with pytest.raises(Invalid, match="has no element 'nothing'"):
        condition("true", "Patient", "nothing")


def test_a_condition_on_an_element_that_is_as_another_is_on_that() -> None:
    link = {"relation": "self", "url": "http://x"}
    bundle = {"resourceType": "Bundle", "link": [link]}
    assert condition("url.exists()", "Bundle", "entry.link")(link, resource=bundle) is True
    assert condition("$this = 'female'", "Patient", "gender")("female", resource=PATIENT) is True


@pytest.mark.parametrize(
    ("expression", "asked"),
    [
        ("birthDate < today()", {"today"}),
        ("generalPractitioner.where(resolve() is Patient)", set()),
        ("generalPractitioner.resolve().is(Patient)", set()),
        ("generalPractitioner.resolve() | iif(now() > @2020, 1, gender.memberOf('x'))", {"resolve", "now", "memberOf"}),
    ],
)
def test_what_an_expression_asks_beyond_the_resource_is_known_before(expression: str, asked: set[str]) -> None:
    assert outside(parse(expression)) == asked
