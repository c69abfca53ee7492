"""What one element definition asks of values. https://hl7.org/fhir/R4/elementdefinition.html"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.unit.validation.profiles.making import CORE, element, issues, profile, wrong

from hilum.terminology.questions import Answers, Question, Verdict
from hilum.validation.profiles.values import compared, matches, same

PATIENT: dict[str, Any] = {"resourceType": "Patient", "gender": "male", "name": [{"family": "A"}, {"family": "B"}]}
OBSERVATION: dict[str, Any] = {"resourceType": "Observation", "valueQuantity": {"value": Decimal("5.0"), "unit": "g"}}


def test_a_resource_that_asks_for_nothing_conforms_to_anything() -> None:
    assert issues(PATIENT, profile(element("Patient.name"), element("Patient.gender"))) == []


def test_a_missing_element_is_told_where_it_is_missing() -> None:
    found = issues(PATIENT, profile(element("Patient.birthDate", min=1)))
    assert [(one.severity, one.code, one.expression) for one in found] == [("error", "required", "Patient")]
    assert (
        "Patient.birthDate" in found[0].diagnostics
        and "http://example.org/StructureDefinition/p" in found[0].diagnostics
    )


def test_an_element_below_is_only_asked_for_where_its_parent_is() -> None:
    contact = profile(element("Patient.contact"), element("Patient.contact.name", min=1))
    assert wrong(PATIENT, contact) == []
    assert wrong(PATIENT | {"contact": [{"gender": "male"}]}, contact) == [("Patient.contact[0]", "required")]


@pytest.mark.parametrize(
    ("most", "errors"), [("2", []), ("1", [("Patient", "structure")]), ("0", [("Patient", "structure")])]
)
def test_there_may_be_so_many_and_no_more(most: str, errors: list[tuple[str, str]]) -> None:
    assert wrong(PATIENT, profile(element("Patient.name", max=most))) == errors


def test_a_primitive_with_extensions_only_is_there() -> None:
    body = {"resourceType": "Patient", "_birthDate": {"extension": [{"url": "http://x", "valueCode": "unknown"}]}}
    assert wrong(body, profile(element("Patient.birthDate", min=1, max="1"))) == []


def test_lists_of_primitives_are_counted_with_what_stands_beside_them() -> None:
    body = {
        "resourceType": "Patient",
        "name": [{"given": ["A", None], "_given": [None, {"extension": [{"url": "u"}]}]}],
    }
    names = profile(element("Patient.name"), element("Patient.name.given", min=2, max="2"))
    assert wrong(body, names) == []


def test_a_fixed_value_is_exactly_so_and_a_pattern_at_least() -> None:
    concept = {"coding": [{"system": "s", "code": "c"}]}
    body = {
        "resourceType": "Observation",
        "code": {"coding": [{"system": "s", "code": "c", "display": "d"}, {"code": "x"}]},
    }
    fixed = profile(element("Observation.code", fixedCodeableConcept=concept), type_="Observation")
    pattern = profile(element("Observation.code", patternCodeableConcept=concept), type_="Observation")
    assert wrong(body, pattern) == []
    assert wrong(body, fixed) == [("Observation.code", "value")]
    assert wrong({"resourceType": "Observation", "code": concept}, fixed) == []


def test_what_is_fixed_is_told_wherever_it_differs() -> None:
    body = {"resourceType": "Patient", "identifier": [{"system": "a", "value": "1"}]}
    expected = {"system": "b", "use": "old"}
    pattern = profile(element("Patient.identifier", patternIdentifier=expected))
    fixed = profile(element("Patient.identifier", fixedIdentifier=expected))
    at = "Patient.identifier[0]"
    assert wrong(body, pattern) == [(f"{at}.system", "value"), (at, "value")]
    assert wrong(body, fixed) == [(f"{at}.system", "value"), (at, "value"), (f"{at}.value", "value")]


json_values: Any = some.recursive(
    some.booleans() | some.integers(-3, 3) | some.text("ab", max_size=2),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_everything_is_the_same_as_itself_and_matches_itself(value: Any) -> None:
    assert same(value, value)
    assert matches(value, value)


@given(json_values, json_values)
def test_what_is_fixed_satisfies_the_same_as_a_pattern(value: Any, expected: Any) -> None:
    if same(value, expected):
        assert matches(value, expected)


@given(some.dictionaries(some.sampled_from("abc"), json_values), some.text("xyz", min_size=1, max_size=2), json_values)
def test_what_matches_a_pattern_does_so_with_more_in_it(pattern: dict[str, Any], key: str, more: Any) -> None:
    assert matches(pattern | {key: more}, pattern)


def test_true_is_not_one() -> None:
    assert not same(True, 1)
    assert not matches([1], [True])


@pytest.mark.parametrize(
    ("value", "limit", "kind", "expected"),
    [
        (5, 4, "integer", 1),
        (Decimal("4.0"), 4, "decimal", 0),
        ("2020-01-01", "2020-01-02", "date", -1),
        ("2020", "2020-05", "dateTime", 0),
        ("2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00", "dateTime", 0),
        ("2020-01-01T00:00:00Z", "not a date T", "dateTime", None),
        ("x", 4, "integer", None),
        (True, 0, "integer", None),
        ("0001-01-01T00:00:00+14:00", "2020-01-01T00:00:00Z", "dateTime", -1),
        ("9999-12-31T23:59:59-12:00", "2020-01-01T00:00:00Z", "instant", 1),
    ],
)
def test_values_and_limits_are_compared_by_their_type(value: Any, limit: Any, kind: str, expected: int | None) -> None:
    assert compared(value, limit, kind) == expected


def test_a_value_outside_its_range_is_told() -> None:
    body = {"resourceType": "Patient", "birthDate": "1980-05-05", "multipleBirthInteger": 7}
    dates = profile(element("Patient.birthDate", minValueDate="1990-01-01"))
    births = profile(element("Patient.multipleBirth[x]", maxValueInteger=5))
    assert wrong(body, dates) == [("Patient.birthDate", "invalid")]
    assert wrong(body, births) == [("Patient.multipleBirth", "invalid")]


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (5, "kg", 0),
        (5001, "g", 1),
        (4999, "g", -1),
        (5, "m", None),
        (5, "nonsense", None),
        (Decimal("1E+999"), "g", None),
    ],
)
def test_quantities_are_compared_in_units_of_ucum(value: Any, code: str, expected: int | None) -> None:
    limit = {"value": 5, "system": "http://unitsofmeasure.org", "code": "kg"}
    assert (
        compared({"value": value, "system": "http://unitsofmeasure.org", "code": code}, limit, "quantity") == expected
    )


def test_a_text_is_no_longer_than_allowed() -> None:
    names = profile(element("Patient.name"), element("Patient.name.family", maxLength=3))
    assert wrong({"resourceType": "Patient", "name": [{"family": "Abcd"}]}, names) == [
        ("Patient.name[0].family", "too-long")
    ]


def test_a_choice_of_one_type_is_told_at_the_value_and_of_several_at_their_parent() -> None:
    one = profile(element("Observation.value[x]", type_="string"), type_="Observation")
    two = profile(element("Observation.value[x]", type=[{"code": "string"}, {"code": "boolean"}]), type_="Observation")
    assert wrong(OBSERVATION, one) == [("Observation.value", "structure")]
    assert wrong(OBSERVATION, two) == [("Observation", "structure")]
    assert wrong({"resourceType": "Observation", "valueString": "a"}, two) == []


def test_a_choice_that_an_older_snapshot_names_by_its_type_is_that_choice() -> None:
    old = profile(element("Observation.valueQuantity", min=1), type_="Observation")
    assert wrong(OBSERVATION, old) == []
    assert wrong({"resourceType": "Observation", "valueString": "a"}, old) == [("Observation", "required")]


def test_elements_of_a_choice_are_found_by_the_type_that_is_there() -> None:
    units = profile(
        element("Observation.value[x]", type_="Quantity"),
        element("Observation.value[x].system", min=1, fixedUri="http://unitsofmeasure.org"),
        type_="Observation",
    )
    assert wrong(OBSERVATION, units) == [("Observation.value", "required")]


def test_an_element_that_refers_to_another_one_is_held_against_that() -> None:
    items = profile(
        element("Questionnaire.item", id="Questionnaire.item"),
        element("Questionnaire.item.text", min=1),
        element("Questionnaire.item.item", contentReference="#Questionnaire.item"),
        type_="Questionnaire",
    )
    body = {"resourceType": "Questionnaire", "item": [{"text": "a", "item": [{"linkId": "1"}, {"text": "b"}]}]}
    assert wrong(body, items) == [("Questionnaire.item[0].item[0]", "required")]


def test_a_constraint_that_is_broken_is_told_with_its_words() -> None:
    rule = {"key": "x-1", "severity": "error", "human": "must be known", "expression": "gender.exists()"}
    asked = profile()
    asked["snapshot"]["element"][0]["constraint"] = [rule]
    found = issues({"resourceType": "Patient", "active": True}, asked)
    assert [(one.expression, one.code) for one in found] == [("Patient", "invariant")]
    assert "x-1: must be known" in found[0].diagnostics
    assert issues(PATIENT, asked) == []


def test_a_constraint_that_is_a_warning_is_one_and_one_that_makes_no_sense_is_told() -> None:
    asked = profile()
    asked["snapshot"]["element"][0]["constraint"] = [
        {"key": "x-1", "severity": "warning", "human": "h", "expression": "birthDate.exists()"},
        {"key": "x-2", "severity": "error", "human": "h", "expression": "((("},
    ]
    assert [(one.severity, one.code) for one in issues(PATIENT, asked)] == [
        ("warning", "invariant"),
        ("warning", "not-supported"),
    ]


def test_a_constraint_about_codes_that_nobody_knows_is_not_broken() -> None:
    rule = {"key": "x-1", "severity": "error", "human": "h", "expression": f"code.memberOf('{VS}')"}
    asked = profile(type_="Observation")
    asked["snapshot"]["element"][0]["constraint"] = [rule]
    assert issues(CODED, asked, answers=answers(None)) == []
    assert issues(CODED, asked, answers=answers(True)) == []
    assert wrong(CODED, asked, answers=answers(False)) == [("Observation", "invariant")]


# --- codes ------------------------------------------------------------------------------------------------------------

VS = "http://example.org/ValueSet/v"


def bound(strength: str, path: str = "Observation.code", **binding: Any) -> dict[str, Any]:
    return profile(element(path, binding={"strength": strength, "valueSet": VS} | binding), type_="Observation")


def answers(verdict: bool | None) -> Answers:
    question = Question(VS, "s", "c")
    return Answers({question: Verdict(verdict, "" if verdict else "not-in-value-set")})


CODED = {"resourceType": "Observation", "code": {"coding": [{"system": "s", "code": "c"}]}}


@pytest.mark.parametrize(
    ("strength", "verdict", "severities"),
    [
        ("required", True, []),
        ("required", False, ["error"]),
        ("required", None, ["warning"]),
        ("extensible", None, []),
        ("extensible", False, ["warning"]),
        ("preferred", False, []),
        ("example", False, []),
    ],
)
def test_a_binding_is_as_strong_as_it_says(strength: str, verdict: bool | None, severities: list[str]) -> None:
    found = issues(CODED, bound(strength), answers=answers(verdict))
    assert [one.severity for one in found] == severities


def test_one_code_of_a_concept_is_enough() -> None:
    body = {
        "resourceType": "Observation",
        "code": {"coding": [{"system": "o", "code": "x"}, {"system": "s", "code": "c"}]},
    }
    known = answers(True)
    known.known[Question(VS, "o", "x")] = Verdict(False, "not-in-value-set")
    assert issues(body, bound("required"), answers=known) == []


def test_a_concept_without_codes_is_refused_by_a_required_binding_only() -> None:
    body = {"resourceType": "Observation", "code": {"text": "words"}}
    assert wrong(body, bound("required")) == [("Observation.code", "code-invalid")]
    assert issues(body, bound("extensible")) == []


def test_an_answer_that_is_not_there_is_asked_for() -> None:
    asked = Answers()
    assert issues(CODED, bound("required"), answers=asked) == []
    assert asked.missing == {Question(VS, "s", "c")}


def test_the_greatest_value_set_is_required() -> None:
    extension = {"url": f"{CORE}elementdefinition-maxValueSet", "valueCanonical": "http://example.org/ValueSet/max"}
    known = answers(True)
    known.known[Question("http://example.org/ValueSet/max", "s", "c")] = Verdict(False, "not-in-value-set")
    found = issues(CODED, bound("extensible", extension=[extension]), answers=known)
    assert [(one.severity, one.code) for one in found] == [("error", "code-invalid")]


def test_a_value_set_that_the_profile_contains_is_read_there() -> None:
    listed = {
        "resourceType": "ValueSet",
        "id": "v",
        "compose": {"include": [{"system": "s", "concept": [{"code": "c"}]}]},
    }
    asked = bound("required", valueSet="#v") | {"contained": [listed]}
    assert issues(CODED, asked) == []
    other = {"resourceType": "Observation", "code": {"coding": [{"system": "s", "code": "d"}]}}
    assert wrong(other, asked) == [("Observation.code", "code-invalid")]
    assert issues(other, bound("required", valueSet="#none")) == []


def test_a_quantity_is_coded_by_its_unit() -> None:
    body = {"resourceType": "Observation", "valueQuantity": {"value": 1, "system": "s", "code": "c"}}
    assert wrong(body, bound("required", "Observation.value[x]"), answers=answers(False)) == [
        ("Observation.value", "code-invalid")
    ]


# --- what stands for a value ------------------------------------------------------------------------------------------


def test_a_value_or_the_extension_that_stands_for_it() -> None:
    alternative = f"{CORE}data-absent-reason"
    url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.valueAlternatives"
    asked = profile(element("Patient.active", extension=[{"url": url, "valueCanonical": alternative}]))
    absent = {"extension": [{"url": alternative, "valueCode": "unknown"}]}
    assert wrong({"resourceType": "Patient", "_active": absent}, asked) == []
    other = {"extension": [{"url": "http://x", "valueCode": "unknown"}]}
    assert wrong({"resourceType": "Patient", "_active": other}, asked) == [("Patient.active", "invalid")]


def test_narratives_say_where_they_come_from_where_a_profile_asks_for_it() -> None:
    url = f"{CORE}narrative-source-control"
    asked = profile(element("Patient.text", extension=[{"url": url, "valueCode": "error"}]))
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p class="generated">a</p>{}</div>'
    good = {"resourceType": "Patient", "text": {"status": "generated", "div": div.format("")}}
    bad = {"resourceType": "Patient", "text": {"status": "generated", "div": div.format("<p>b</p>")}}
    assert wrong(good, asked) == []
    assert wrong(bad, asked) == [("Patient.text", "business-rule")]
