"""Slices and how an item is known to be in one. https://hl7.org/fhir/R4/profiling.html#slicing"""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.validation.profiles.making import CORE, element, issues, profile, sliced, wrong

from hilum.validation.profiles.discriminators import Hop, hops


def identifiers(*systems: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": one, "value": "1"} for one in systems]}


def by_system(*slices: tuple[str, int, str], rules: str = "open", **said: Any) -> dict[str, Any]:
    """Identifiers sliced by system: (system and name, least, most)."""
    made = [element("Patient.identifier", slicing=sliced(("value", "system"), rules=rules, **said))]
    for system, least, most in slices:
        made.append(element("Patient.identifier", slice_=system, min=least, max=most))
        made.append(element("Patient.identifier.system", fixedUri=system, min=1, max="1"))
    return profile(*made)


def test_slices_are_counted_and_told_where_they_are_missing() -> None:
    asked = by_system(("a", 1, "1"), ("b", 0, "1"))
    assert wrong(identifiers("a", "c"), asked) == []
    assert wrong(identifiers("c"), asked) == [("Patient", "required")]
    assert wrong(identifiers("a", "b", "b"), asked) == [("Patient", "structure")]


def test_a_finding_names_the_slice_and_the_profile() -> None:
    (found,) = issues(identifiers("c"), by_system(("a", 1, "1")))
    assert "slice a" in found.diagnostics
    assert "Patient.identifier:a, profile http://example.org/StructureDefinition/p" in found.diagnostics


def test_closed_slicing_has_no_place_for_anything_else() -> None:
    assert wrong(identifiers("a", "c"), by_system(("a", 0, "*"), rules="closed")) == [
        ("Patient.identifier[1]", "structure")
    ]


def test_slicing_that_is_open_at_its_end_has_others_there_only() -> None:
    asked = by_system(("a", 0, "*"), rules="openAtEnd")
    assert wrong(identifiers("a", "c"), asked) == []
    assert wrong(identifiers("c", "a"), asked) == [("Patient.identifier[1]", "structure")]


def test_ordered_slices_stand_in_their_order() -> None:
    asked = by_system(("a", 0, "*"), ("b", 0, "*"), ordered=True)
    assert wrong(identifiers("a", "c", "b"), asked) == []
    assert wrong(identifiers("b", "a"), asked) == [("Patient.identifier[1]", "structure")]


def test_an_item_is_held_against_its_slice() -> None:
    asked = profile(
        element("Patient.identifier", slicing=sliced(("value", "system"))),
        element("Patient.identifier", slice_="a"),
        element("Patient.identifier.system", fixedUri="a"),
        element("Patient.identifier.period", min=1),
    )
    assert wrong(identifiers("b", "a"), asked) == [("Patient.identifier[1]", "required")]


def test_what_is_in_no_slice_is_in_the_default() -> None:
    asked = profile(
        element("Patient.identifier", slicing=sliced(("value", "system"), rules="closed")),
        element("Patient.identifier", slice_="a"),
        element("Patient.identifier.system", fixedUri="a"),
        element("Patient.identifier", slice_="@default", max="1"),
        element("Patient.identifier.period", min=1),
    )
    assert wrong(identifiers("a", "b"), asked) == [("Patient.identifier[1]", "required")]


def test_an_item_that_fits_two_slices_is_told() -> None:
    asked = profile(
        element("Patient.identifier", slicing=sliced(("exists", "system"))),
        element("Patient.identifier", slice_="a"),
        element("Patient.identifier.system", min=1),
        element("Patient.identifier", slice_="b"),
        element("Patient.identifier.system", min=1),
    )
    assert wrong(identifiers("a"), asked) == [("Patient.identifier[0]", "structure")]


def test_a_slice_may_be_sliced_again() -> None:
    asked = profile(
        element("Patient.identifier", slicing=sliced(("value", "system"))),
        element("Patient.identifier", slice_="a", slicing=sliced(("value", "use")), max="2"),
        element("Patient.identifier.system", fixedUri="a"),
        element("Patient.identifier", slice_="a/old", max="1"),
        element("Patient.identifier.system", fixedUri="a"),
        element("Patient.identifier.use", fixedCode="old"),
    )
    body = identifiers("a", "a")
    body["identifier"][0]["use"] = "old"
    assert wrong(body, asked) == []
    body["identifier"][1]["use"] = "old"
    assert wrong(body, asked) == [("Patient", "structure")]


def test_without_a_discriminator_nothing_can_be_said() -> None:
    asked = profile(
        element("Patient.identifier", slicing={"rules": "open"}),
        element("Patient.identifier", slice_="a", min=1),
    )
    assert wrong(identifiers("a"), asked) == []


# --- discriminators ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$this", ()),
        ("code.coding.code", (Hop("code"), Hop("coding"), Hop("code"))),
        ("$this.resolve()", (Hop("resolve()"),)),
        ("value.ofType(Quantity).code", (Hop("value"), Hop("ofType()", "Quantity"), Hop("code"))),
        ("extension('http://x/y.z').value", (Hop("extension()", "http://x/y.z"), Hop("value"))),
        ("value[x]", (Hop("value"),)),
    ],
)
def test_paths_of_discriminators_are_read(path: str, steps: tuple[Hop, ...]) -> None:
    assert hops(path) == steps


def test_a_path_that_discriminators_may_not_have_is_none() -> None:
    assert hops("code.where(system = 'x')") is None


def components(*codes: str) -> dict[str, Any]:
    coded = [{"code": {"coding": [{"system": "s", "code": one}]}} for one in codes]
    return {"resourceType": "Observation", "component": coded}


def test_by_the_pattern_of_what_the_path_leads_to() -> None:
    asked = profile(
        element("Observation.component", slicing=sliced(("pattern", "code"))),
        element("Observation.component", slice_="a", min=1, max="1"),
        element("Observation.component.code", patternCodeableConcept={"coding": [{"system": "s", "code": "a"}]}),
        type_="Observation",
    )
    assert wrong(components("a", "b"), asked) == []
    assert wrong(components("b"), asked) == [("Observation", "required")]


def test_by_a_part_of_a_pattern_on_the_way() -> None:
    asked = profile(
        element("Observation.component", slicing=sliced(("value", "code.coding.code"))),
        element("Observation.component", slice_="a", max="1"),
        element("Observation.component.code", patternCodeableConcept={"coding": [{"system": "s", "code": "a"}]}),
        type_="Observation",
    )
    assert wrong(components("a", "a"), asked) == [("Observation", "structure")]


def test_by_what_is_fixed_below_the_path() -> None:
    asked = profile(
        element("Observation.component", slicing=sliced(("value", "code"))),
        element("Observation.component", slice_="a", max="1"),
        element("Observation.component.code"),
        element("Observation.component.code.coding"),
        element("Observation.component.code.coding.code", fixedCode="a"),
        type_="Observation",
    )
    assert wrong(components("a", "b", "a"), asked) == [("Observation", "structure")]


def test_by_the_value_set_that_is_required() -> None:
    genders = "http://hl7.org/fhir/ValueSet/administrative-gender"
    asked = profile(
        element("Patient.contact", slicing=sliced(("value", "gender"))),
        element("Patient.contact", slice_="a", max="1"),
        element("Patient.contact.gender", binding={"strength": "required", "valueSet": genders}),
    )
    from hilum.terminology.questions import Answers, Question, Verdict

    known = Answers({Question(genders, None, "male"): Verdict(True), Question(genders, None, "x"): Verdict(False)})
    body = {"resourceType": "Patient", "contact": [{"gender": "male"}, {"gender": "x"}, {"gender": "male"}]}
    assert wrong(body, asked, answers=known) == [("Patient", "structure")]


def test_by_the_value_set_too_where_what_is_fixed_tells_no_slice_from_another() -> None:
    """As HL7's guide of personal health devices tells properties from each other: one system, two value sets."""
    from hilum.terminology.questions import Answers, Question, Verdict

    def bound(name: str, most: str) -> list[dict[str, Any]]:
        binding = {"strength": "required", "valueSet": f"http://example.org/ValueSet/{name}"}
        return [
            element("Observation.component", slice_=name, max=most),
            element("Observation.component.code", binding=binding),
            element("Observation.component.code.coding"),
            element("Observation.component.code.coding.system", fixedUri="http://x"),
        ]

    slicing = element("Observation.component", slicing=sliced(("value", "code")))
    asked = profile(slicing, *bound("a", "1"), *bound("b", "*"), type_="Observation")
    parts = [{"code": {"coding": [{"system": "http://x", "code": code}]}} for code in ("a", "b", "b")]
    known = {
        Question(f"http://example.org/ValueSet/{name}", "http://x", code): Verdict(name == code)
        for name in ("a", "b")
        for code in ("a", "b")
    }
    body = {"resourceType": "Observation", "component": parts}
    assert wrong(body, asked, answers=Answers(known)) == []
    assert ("Observation", "structure") in wrong(body, asked), "nobody can say: what is fixed decides, as before"


def test_by_type_of_a_choice() -> None:
    asked = profile(
        element("Observation.value[x]", slicing=sliced(("type", "$this"))),
        element("Observation.value[x]", slice_="valueQuantity", type_="Quantity"),
        element("Observation.value[x].code", min=1),
        type_="Observation",
    )
    assert wrong({"resourceType": "Observation", "valueString": "x"}, asked) == []
    assert wrong({"resourceType": "Observation", "valueQuantity": {"value": 1}}, asked) == [
        ("Observation.value", "required")
    ]


def test_a_choice_is_sliced_by_type_without_saying_so() -> None:
    asked = profile(
        element("Observation.value[x]"),
        element("Observation.value[x]", slice_="valueQuantity", type_="Quantity", min=1),
        type_="Observation",
    )
    assert wrong({"resourceType": "Observation", "valueString": "x"}, asked) == [("Observation", "required")]


def test_by_whether_it_is_there() -> None:
    asked = profile(
        element("Patient.identifier", slicing=sliced(("exists", "period"))),
        element("Patient.identifier", slice_="with", max="0"),
        element("Patient.identifier.period", min=1),
        element("Patient.identifier", slice_="without"),
        element("Patient.identifier.period", max="0"),
        element("Patient.identifier.value", min=1),
    )
    body = {"resourceType": "Patient", "identifier": [{"period": {"start": "2020"}}, {"system": "s"}]}
    assert wrong(body, asked) == [("Patient.identifier[1]", "required"), ("Patient", "structure")]


ENTRIES = profile(
    element("Bundle.entry", slicing=sliced(("type", "resource"))),
    element("Bundle.entry", slice_="patient", min=1, max="1"),
    element("Bundle.entry.resource", type_="Patient"),
    type_="Bundle",
)


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


def test_entries_are_known_by_the_type_of_their_resource() -> None:
    assert wrong(bundle({"resourceType": "Patient"}, {"resourceType": "Basic"}), ENTRIES) == []
    assert wrong(bundle({"resourceType": "Basic"}), ENTRIES) == [("Bundle", "required")]


def test_entries_are_known_by_the_profile_of_their_resource() -> None:
    born = profile(element("Patient.birthDate", min=1), url="http://example.org/StructureDefinition/born")
    asked = profile(
        element("Bundle.entry", slicing=sliced(("profile", "resource"), rules="closed")),
        element("Bundle.entry", slice_="born", min=1),
        element("Bundle.entry.resource", type=[{"code": "Patient", "profile": [born["url"]]}]),
        type_="Bundle",
    )
    assert wrong(bundle({"resourceType": "Patient", "birthDate": "2020"}), asked, born) == []
    assert wrong(bundle({"resourceType": "Patient"}), asked, born) == [
        ("Bundle.entry[0]", "structure"),
        ("Bundle", "required"),
    ]


def test_references_are_known_by_what_they_lead_to() -> None:
    asked = profile(
        element("List.entry", slicing=sliced(("type", "item.resolve()"))),
        element("List.entry", slice_="a", max="1"),
        element("List.entry.item", type=[{"code": "Reference", "targetProfile": [f"{CORE}Patient"]}]),
        type_="List",
    )
    contained = [{"resourceType": "Patient", "id": "p"}, {"resourceType": "Device", "id": "d"}]

    def listed(*ids: str) -> dict[str, Any]:
        entries = [{"item": {"reference": f"#{one}"}} for one in ids]
        return {"resourceType": "List", "contained": contained, "entry": entries}

    assert wrong(listed("p", "d"), asked) == []
    assert wrong(listed("p", "p"), asked) == [("List", "structure")]


def test_extensions_are_sliced_by_url_without_saying_so() -> None:
    url = "http://example.org/StructureDefinition/e"
    asked = profile(
        element("Patient.extension"),
        element("Patient.extension", slice_="e", min=1, type=[{"code": "Extension", "profile": [url]}]),
    )
    assert wrong({"resourceType": "Patient", "extension": [{"url": url, "valueCode": "x"}]}, asked) == []
    assert wrong({"resourceType": "Patient", "extension": [{"url": "http://x"}]}, asked) == [("Patient", "required")]


def test_a_slice_that_is_an_element_of_another_profile_is_held_against_that() -> None:
    library = profile(
        element("Composition.section", slicing=sliced(("pattern", "code"))),
        element("Composition.section", slice_="a", id="Composition.section:a"),
        element("Composition.section.code", patternCodeableConcept={"text": "a"}),
        element("Composition.section.title", min=1),
        type_="Composition",
        url="http://example.org/StructureDefinition/library",
    )
    named = {"url": f"{CORE}elementdefinition-profile-element", "valueString": "Composition.section:a"}
    type_ = {"code": "BackboneElement", "profile": [library["url"]], "_profile": [{"extension": [named]}]}
    asked = profile(
        element("Composition.section", slicing=sliced(("pattern", "code"))),
        element("Composition.section", slice_="a", min=1, type=[type_]),
        type_="Composition",
    )
    body = {"resourceType": "Composition", "section": [{"code": {"text": "a"}}]}
    assert wrong(body, asked, library) == [("Composition.section[0]", "required")]
    assert wrong({"resourceType": "Composition", "section": [{"title": "b"}]}, asked, library) == [
        ("Composition", "required")
    ]
