"""What a resource is held against by what it says of itself: claims, extensions, codes, vital signs."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.validation.profiles.making import CORE, Core, element, profile

from hilum.terminology.questions import Answers, Question, Verdict
from hilum.validation.profiles import Rules, conformance
from hilum.validation.profiles.definitions import Loaded

EXTENSION = "http://example.org/StructureDefinition/e"
BORN = profile(element("Patient.birthDate", min=1), url="http://example.org/StructureDefinition/born")


def told(body: dict[str, Any], *definitions: dict[str, Any], **more: Any) -> list[tuple[str, str, str]]:
    found = conformance(body, Loaded(definitions, base=Core()), **more)
    return [(one.severity, one.code, str(one.expression)) for one in found]


def errors(body: dict[str, Any], *definitions: dict[str, Any], **more: Any) -> list[str]:
    return [path for severity, _, path in told(body, *definitions, **more) if severity == "error"]


def extension(*context: tuple[str, str], modifier: bool = False, **said: Any) -> dict[str, Any]:
    made = profile(
        element("Extension.extension", max="0"),
        element("Extension.url", fixedUri=EXTENSION, max="1", min=1),
        element("Extension.value[x]", type_="code", min=1, max="1"),
        type_="Extension",
        url=EXTENSION,
        context=[{"type": t, "expression": e} for t, e in context],
        **said,
    )
    if modifier:
        made["snapshot"]["element"][0]["isModifier"] = True
    return made


CODE = {"url": EXTENSION, "valueCode": "x"}


# --- claims -----------------------------------------------------------------------------------------------------------


def test_a_resource_is_held_against_the_profiles_that_it_claims() -> None:
    claiming = {"resourceType": "Patient", "meta": {"profile": [BORN["url"]]}}
    assert errors(claiming, BORN) == ["Patient"]
    assert errors(claiming | {"birthDate": "2020"}, BORN) == []


def test_so_is_what_is_contained_and_what_stands_in_a_bundle() -> None:
    claiming = {"resourceType": "Patient", "id": "p", "meta": {"profile": [BORN["url"]]}}
    assert errors({"resourceType": "Basic", "contained": [claiming]}, BORN) == ["Basic.contained[0]"]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": claiming}]}
    assert errors(batch, BORN) == ["Bundle.entry[0].resource"]


def test_a_claim_that_is_not_known_here_is_a_warning_and_a_profile_that_was_asked_for_an_error() -> None:
    claiming = {"resourceType": "Patient", "meta": {"profile": ["http://example.org/none"]}}
    assert told(claiming) == [("warning", "not-found", "Patient")]
    assert told({"resourceType": "Patient"}, profiles=["http://example.org/none"]) == [
        ("error", "not-found", "Patient")
    ]


def test_a_type_may_have_to_conform_to_a_profile_wherever_it_stands() -> None:
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": {"resourceType": "Patient"}}]}
    assert errors(batch, BORN, by_type={"Patient": [BORN["url"]]}) == ["Bundle.entry[0].resource"]


def test_vital_signs_are_held_against_their_profiles() -> None:
    heart = {"resourceType": "Observation", "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}}
    assert "Observation" in errors(heart)
    other = {"resourceType": "Observation", "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]}}
    assert errors(other) == []


# --- extensions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("context", "good"),
    [
        (("element", "Patient"), True),
        (("element", "Device"), False),
        (("element", "Element"), True),
        (("element", "DomainResource"), True),
        (("element", "Resource"), True),
        (("element", "Patient.contact"), False),
        (("fhirpath", "Patient"), True),
        (("fhirpath", "Patient.contact"), False),
        (("extension", "http://example.org/other"), False),
    ],
)
def test_an_extension_stands_where_its_definition_allows_it(context: tuple[str, str], good: bool) -> None:
    body = {"resourceType": "Patient", "extension": [CODE]}
    assert errors(body, extension(context)) == ([] if good else ["Patient"])


@pytest.mark.parametrize(
    ("body", "context"),
    [
        ({"name": [{"extension": [CODE]}]}, "HumanName"),
        ({"name": [{"extension": [CODE]}]}, "Patient.name"),
        ({"contact": [{"extension": [CODE]}]}, "BackboneElement"),
        ({"contact": [{"name": {"period": {"extension": [CODE]}}}]}, "HumanName.period"),
        ({"_birthDate": {"extension": [CODE]}}, "date"),
        ({"_birthDate": {"extension": [CODE]}}, "Patient.birthDate"),
        ({"multipleBirthInteger": 1, "_multipleBirthInteger": {"extension": [CODE]}}, "Patient.multipleBirth[x]"),
        ({"extension": [{"url": "http://example.org/o", "extension": [CODE]}]}, "Extension"),
    ],
)
def test_a_place_has_the_names_of_its_path_and_of_its_types(body: dict[str, Any], context: str) -> None:
    assert errors({"resourceType": "Patient", **body}, extension(("element", context))) == []


def test_an_extension_may_be_for_another_one() -> None:
    body = {"resourceType": "Patient", "extension": [{"url": "http://example.org/o", "extension": [CODE]}]}
    assert errors(body, extension(("extension", "http://example.org/o"))) == []


def test_the_content_of_an_extension_is_what_its_definition_says() -> None:
    body = {"resourceType": "Patient", "extension": [{"url": EXTENSION, "valueString": "x"}]}
    assert errors(body, extension(("element", "Patient"))) == ["Patient.extension[0].value"]


def test_an_invariant_of_the_context_is_kept() -> None:
    defined = extension(("element", "Patient"), contextInvariant=["gender.exists()"])
    assert errors({"resourceType": "Patient", "extension": [CODE]}, defined) == ["Patient"]
    assert errors({"resourceType": "Patient", "gender": "male", "extension": [CODE]}, defined) == []


def test_modifiers_are_where_modifiers_stand_and_nothing_else_is() -> None:
    plain, modifier = extension(("element", "Patient")), extension(("element", "Patient"), modifier=True)
    assert errors({"resourceType": "Patient", "modifierExtension": [CODE]}, plain) == ["Patient.modifierExtension[0]"]
    assert errors({"resourceType": "Patient", "modifierExtension": [CODE]}, modifier) == []
    assert errors({"resourceType": "Patient", "extension": [CODE]}, modifier) == ["Patient.extension[0]"]


def test_an_unknown_extension_is_told_and_an_unknown_modifier_refused() -> None:
    unknown = {"url": "http://elsewhere.org/e", "valueCode": "x"}
    body = {"resourceType": "Patient", "extension": [unknown]}
    assert told(body) == [("information", "structure", "Patient.extension[0]")]
    assert told(body, rules=Rules(unknown_extensions="error")) == [("error", "structure", "Patient.extension[0]")]
    assert errors({"resourceType": "Patient", "modifierExtension": [unknown]}) == ["Patient.modifierExtension[0]"]


def test_parts_of_an_extension_are_those_that_its_definition_names() -> None:
    defined = profile(
        element("Extension.extension", slicing={"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}),
        element("Extension.extension", slice_="a"),
        element("Extension.extension.url", fixedUri="a"),
        element("Extension.url", fixedUri=EXTENSION),
        type_="Extension",
        url=EXTENSION,
        context=[{"type": "element", "expression": "Patient"}],
    )
    parts = [{"url": "a", "valueCode": "x"}, {"url": "b", "valueCode": "x"}]
    body = {"resourceType": "Patient", "extension": [{"url": EXTENSION, "extension": parts}]}
    assert errors(body, defined) == ["Patient.extension[0].extension[1]"]


def test_a_url_is_absolute_and_has_no_version() -> None:
    assert errors({"resourceType": "Patient", "extension": [{"url": "e", "valueCode": "x"}]}) == [
        "Patient.extension[0]"
    ]
    versioned = {"resourceType": "Patient", "extension": [{"url": f"{EXTENSION}|1", "valueCode": "x"}]}
    assert "Patient.extension[0]" in errors(versioned, extension(("element", "Patient")))


# --- codes ------------------------------------------------------------------------------------------------------------


def coded(verdict: Verdict, **coding: Any) -> list[tuple[str, str, str]]:
    body = {"resourceType": "Basic", "code": {"coding": [{"system": "http://s", "code": "c", **coding}]}}
    question = Question(None, "http://s", "c", coding.get("display"))
    return told(body, answers=Answers({question: verdict}))


def test_a_code_that_its_system_does_not_have_is_told() -> None:
    assert coded(Verdict(False, "unknown-code")) == [("error", "code-invalid", "Basic.code.coding[0].code")]
    assert coded(Verdict(None, "unknown-system")) == []
    assert coded(Verdict(True)) == []


def test_a_display_that_is_not_the_codes_is_a_warning() -> None:
    found = coded(Verdict(True, display_valid=False), display="d")
    assert found == [("warning", "invalid", "Basic.code.coding[0].display")]


def test_a_supplement_has_no_codes() -> None:
    supplement = {"resourceType": "CodeSystem", "url": "http://s", "content": "supplement"}
    body = {"resourceType": "Basic", "code": {"coding": [{"system": "http://s", "code": "c"}]}}
    assert errors(body, supplement) == ["Basic.code.coding[0].system"]


def test_profiles_of_R4s_own_examples_are_found() -> None:
    assert Core.structure(f"{CORE}heartrate") is not None
