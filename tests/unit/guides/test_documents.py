"""Profiles told as documents: what is must-support, and how much of what."""

from __future__ import annotations

from typing import Any

from tests.conformance.test_snapshots import Core
from tests.packages import profile

from hilum.fhir import core
from hilum.guides.documents import elements, markdown, overview, rules
from hilum.validation.profiles.snapshot import snapshot


def whole(*said: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = core.structure("http://hl7.org/fhir/StructureDefinition/Patient")
    assert base is not None
    return snapshot(profile("named-patient", "1.0.0", *said, **more), base, Core())


def test_the_elements_are_those_that_the_profile_says_something_about_with_what_is_above_them() -> None:
    found = elements(
        whole(
            {"id": "Patient.contact.name.family", "path": "Patient.contact.name.family", "mustSupport": True},
            {"id": "Patient.gender", "path": "Patient.gender", "min": 1, "fixedCode": "female"},
        )
    )
    assert [(one.name, one.depth, one.must, one.cardinality) for one in found] == [
        ("gender", 0, False, "1..1"),
        ("contact", 0, False, "0..*"),
        ("contact.name", 1, False, "0..1"),
        ("contact.name.family", 2, True, "0..1"),
    ]
    gender = found[0]
    assert (gender.value, gender.strength, gender.types) == ("is female", "required", "code")
    assert gender.binding.startswith("http://hl7.org/fhir/ValueSet/administrative-gender")


def test_a_slice_is_told_with_its_pattern_and_profiles_by_their_names() -> None:
    pattern = {"coding": [{"system": "http://x", "code": "y"}]}
    found = elements(
        whole(
            {"path": "Patient.maritalStatus", "patternCodeableConcept": pattern, "id": "Patient.maritalStatus"},
            {
                "path": "Patient.generalPractitioner",
                "id": "Patient.generalPractitioner",
                "type": [{"code": "Reference", "targetProfile": ["http://x/StructureDefinition/doctor|1"]}],
            },
        )
    )
    assert [(one.value, one.types) for one in found] == [
        ("like http://x#y", "CodeableConcept"),
        ("", "Reference(doctor)"),
    ]


def test_a_page_of_markdown_holds_no_markup_of_the_guides_own_in_its_tables() -> None:
    constraint = {"key": "x-1", "severity": "error", "human": "a | b <script>", "expression": "true"}
    body = whole(
        {"id": "Patient.name", "path": "Patient.name", "short": "one | two `three`", "constraint": [constraint]},
        title="A <b>title</b>",
    )
    page = markdown(body)
    assert "one \\| two 'three' |" in page
    assert "| x-1 | Patient.name | error | a \\| b &lt;script> |" in page
    assert page.startswith("# A &lt;b>title&lt;/b>\n")
    assert [(one.key, one.element) for one in rules(body)] == [("x-1", "Patient.name")]
    index = overview("a#1", "A", [body], ["p.md"])
    assert "[A &lt;b>title&lt;/b>](p.md) | Patient | 0 |" in index
