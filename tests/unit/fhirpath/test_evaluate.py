"""FHIRPath on plain JSON. https://hl7.org/fhirpath/N1/ and https://hl7.org/fhir/R4/fhirpath.html"""

from __future__ import annotations

from typing import Any

import pytest

from hilum.fhirpath import Node, compile, locate
from hilum.fhirpath.types import Type
from hilum.problems import Invalid

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "active": True,
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Peter", "James"]},
        {"use": "usual", "given": ["Jim"]},
    ],
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": "http://a/time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "2"}],
    "multipleBirthInteger": 2,
    "generalPractitioner": [
        {"reference": "Practitioner/a"},
        {"reference": "http://elsewhere/fhir/Organization/b/_history/3"},
        {"reference": "urn:uuid:0"},
    ],
}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("Patient.name.given", ["Peter", "James", "Jim"]),
        ("name.given", ["Peter", "James", "Jim"]),
        ("Resource.id | DomainResource.id", ["p1"]),
        ("Condition.code | Patient.id", ["p1"]),
        ("name[1].given[0]", ["Jim"]),
        ("name.given[2]", ["Jim"]),
        ("name[9].given", []),
        ("name.where(use = 'usual').given", ["Jim"]),
        ("name.where($index = 1).given", ["Jim"]),
        ("name.given.where($this = 'Jim')", ["Jim"]),
        ("name.select(given.first())", ["Peter", "Jim"]),
        ("multipleBirth", [2]),
        ("multipleBirth as integer", [2]),
        ("multipleBirth.ofType(boolean)", []),
        ("multipleBirth is integer", [True]),
        ("birthDate.extension('http://a/time').value", ["1974-12-25T14:35:45-05:00"]),
        ("generalPractitioner.where(resolve() is Practitioner).reference", ["Practitioner/a"]),
        ("generalPractitioner.where(resolve() is Organization).count()", [1]),
        ("generalPractitioner.where(resolve() is Resource).count()", [2]),
        ("deceased.exists()", [False]),
        ("deceased.exists() and deceased != false", [False]),
        ("deceased != false", []),
        ("telecom.exists(system = 'email')", [True]),
        ("telecom.all(system.exists())", [True]),
        ("active.not()", [False]),
        ("{} or true", [True]),
        ("{} and true", []),
        ("{} and false", [False]),
        ("{} implies true", [True]),
        ("true xor active", [False]),
        ("active = 1", [False]),
        ("multipleBirth = 2.0", [True]),
        ("name.family.startsWith('Chal') and name.family.contains('ers')", [True]),
        ("(name.given | name.given).count()", [3]),
        ("%resource.name.family", ["Chalmers"]),
    ],
)
def test_an_expression_on_a_patient_gives(expression: str, found: list[Any]) -> None:
    assert compile(expression, "Patient")(PATIENT) == found


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("name.gven", "FHIRPath: HumanName has no element 'gven'. Did you mean given?"),
        (
            "name.elementDefinition()",
            "FHIRPath: the function elementDefinition() is not supported: it gives definitions,"
            " which hilum does not have as resources here.",
        ),
        (
            "name.wher(use = 'a')",
            "FHIRPath: the function wher() is not supported. Did you mean where or power or lower?",
        ),
        ("name.first(1)", "FHIRPath: first() takes 0 to 0 arguments, found 1."),
        ("name.startsWith('x')", "FHIRPath: startsWith() takes a string, and can't be called on HumanName."),
        ("Encounter.name", "FHIRPath: the expression begins with Encounter, and is about Patient."),
        ("%nobody", "FHIRPath: there is no variable %nobody."),
        ("multipleBirth as Pigeon", "FHIRPath: R4 has no type 'Pigeon'."),
        ("contact.gender.display", "FHIRPath: code has no element 'display'."),
    ],
)
def test_what_hilum_does_not_have_is_refused_when_compiled(expression: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        compile(expression, "Patient")
    assert str(refused.value) == message


def test_a_condition_on_several_items_is_refused_and_not_guessed() -> None:
    with pytest.raises(Invalid):
        compile("name.where(given)", "Patient")(PATIENT)


def test_locate_says_where_in_the_resource_a_node_stands() -> None:
    found = locate("name.where(use = 'official').given[1]", "Patient")(PATIENT)
    assert found == [Node("James", Type("string"), ("name", 0, "given", 1))]
    found = locate("contact.telecom", "Patient")(
        {"resourceType": "Patient", "contact": [{"telecom": [{"value": "1"}]}]}
    )
    assert found == [Node({"value": "1"}, Type("ContactPoint"), ("contact", 0, "telecom", 0))]
    assert locate("multipleBirth", "Patient")(PATIENT) == [Node(2, Type("integer"), ("multipleBirthInteger",))]


def test_a_primitive_that_has_only_extensions_exists_but_has_no_value() -> None:
    body = {
        "resourceType": "Patient",
        "name": [{"given": ["A", None], "_given": [None, {"extension": [{"url": "x", "valueCode": "y"}]}]}],
    }
    assert compile("name.given", "Patient")(body) == ["A"]
    assert compile("name.given.count()", "Patient")(body) == [2]
    assert compile("name.given.extension.value", "Patient")(body) == ["y"]


def test_contained_and_bundled_resources_have_their_own_types() -> None:
    body = {
        "resourceType": "Bundle",
        "entry": [{"resource": PATIENT}, {"resource": {"resourceType": "Group", "id": "g"}}],
    }
    assert compile("entry.resource.ofType(Patient).name.family", "Bundle")(body) == ["Chalmers"]
    assert compile("entry[1].resource.id", "Bundle")(body) == ["g"]
