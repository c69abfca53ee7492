"""Local references: what they name, and by which parameter."""

from __future__ import annotations

from typing import Any

from hilum.search.canonicals import naming
from hilum.search.contained import inner
from hilum.search.local import links
from hilum.search.parameters import lookup

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "x"},
    "subject": {"reference": "#p"},
    "performer": [{"reference": "#q"}, {"reference": "Patient/1"}, {"display": "x"}, {"reference": "#"}],
    "derivedFrom": [{"reference": "#o"}],
}


def by(type: str, code: str, body: dict[str, Any]) -> list[str]:
    parameter = lookup(type, code)
    return sorted({link.id for link in links(type, body, parameter.numbers, naming(parameter))})


def test_a_parameter_leads_by_the_elements_that_it_selects() -> None:
    assert by("Observation", "subject", OBSERVATION) == ["p"]
    assert by("Observation", "performer", OBSERVATION) == ["q"]
    assert by("Observation", "derived-from", OBSERVATION) == ["o"]
    assert by("Observation", "encounter", OBSERVATION) == []


def test_what_is_no_reference_parameter_leads_nowhere() -> None:
    assert by("Observation", "code", OBSERVATION) == []
    contained = tuple(map(inner, lookup("Observation", "subject").numbers))
    assert list(links("Observation", OBSERVATION, contained, ())) == []


def test_a_parameter_about_one_type_leads_to_that_alone() -> None:
    """`subject` is of any type that the element allows, `patient` of Patients."""

    def types(code: str) -> set[str]:
        found = links("Observation", OBSERVATION, lookup("Observation", code).numbers, ())
        return {type for link in found for type in ("Patient", "Location", "Group") if link.may_be(type)}

    assert types("patient") == {"Patient"}
    assert types("subject") == {"Patient", "Location", "Group"}


def test_canonical_urls_may_be_local() -> None:
    body = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": "#q1"}
    assert by("QuestionnaireResponse", "questionnaire", body) == ["q1"]
    assert by("QuestionnaireResponse", "questionnaire", body | {"questionnaire": "http://a.org/q#q1"}) == []


def test_paths_go_through_arrays_choices_and_filters() -> None:
    body: dict[str, Any] = {"resourceType": "MedicationRequest", "medicationReference": {"reference": "#m"}}
    assert by("MedicationRequest", "medication", body) == ["m"]
    book: dict[str, Any] = {
        "resourceType": "List",
        "entry": [{"item": {"reference": "#a"}}, {"item": {"reference": "#b"}}],
    }
    assert by("List", "item", book) == ["a", "b"]
    related = [{"type": "depends-on", "resource": "#l"}, {"type": "citation", "resource": "#m"}]
    library = {"resourceType": "Library", "relatedArtifact": related}
    assert by("Library", "depends-on", library) == ["l"]
