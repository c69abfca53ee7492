"""What references may lead to, by type, by profile, and by how. https://hl7.org/fhir/R4/references.html"""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.validation.profiles.making import CORE, element, issues, profile, wrong

from hilum.validation.profiles import Rules

BORN = profile(element("Patient.birthDate", min=1), url="http://example.org/StructureDefinition/born")


def about(*targets: str, **said: Any) -> dict[str, Any]:
    type_ = {"code": "Reference", "targetProfile": list(targets), **said}
    return profile(element("Observation.subject", type=[type_]), type_="Observation")


def observation(**subject: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "subject": subject}


@pytest.mark.parametrize(
    ("subject", "good"),
    [
        ({"reference": "Patient/1"}, True),
        ({"reference": "Group/1"}, False),
        ({"reference": "http://x/fhir/Group/1/_history/2"}, False),
        ({"reference": "urn:uuid:1"}, True),
        ({"reference": "Group?name=x"}, False),
        ({"type": "Group"}, False),
        ({"type": "Patient", "display": "A"}, True),
        ({"display": "A"}, True),
    ],
)
def test_the_type_that_a_reference_says_is_one_of_those_allowed(subject: dict[str, Any], good: bool) -> None:
    expected = [] if good else [("Observation.subject", "structure")]
    assert wrong(observation(**subject), about(f"{CORE}Patient")) == expected
    assert wrong(observation(**subject), about(BORN["url"]), BORN) == expected


def test_a_target_is_any_resource_where_that_is_said() -> None:
    assert wrong(observation(reference="Group/1"), about(f"{CORE}Resource")) == []


def test_what_is_contained_is_held_against_the_profile() -> None:
    body = observation(reference="#p") | {"contained": [{"resourceType": "Patient", "id": "p"}]}
    assert wrong(body, about(BORN["url"]), BORN) == [("Observation.subject", "structure")]
    body["contained"][0]["birthDate"] = "2020"
    assert wrong(body, about(BORN["url"]), BORN) == []


def test_one_of_several_profiles_is_enough() -> None:
    body = observation(reference="#p") | {"contained": [{"resourceType": "Patient", "id": "p"}]}
    assert wrong(body, about(BORN["url"], f"{CORE}Patient"), BORN) == []


def test_what_the_caller_finds_is_held_against_the_profile() -> None:
    found = {"Patient/1": {"resourceType": "Patient"}, "Patient/2": {"resourceType": "Patient", "birthDate": "2020"}}
    asked = about(BORN["url"])
    assert wrong(observation(reference="Patient/2"), asked, BORN, resolve=found.get) == []
    assert wrong(observation(reference="Patient/1"), asked, BORN, resolve=found.get) == [
        ("Observation.subject", "structure")
    ]


def test_a_profile_that_is_not_known_is_a_warning_unless_the_caller_says_otherwise() -> None:
    body = observation(reference="#p") | {"contained": [{"resourceType": "Patient", "id": "p"}]}
    asked = about("http://example.org/StructureDefinition/unknown")
    assert [one.severity for one in issues(body, asked)] == ["warning"]
    assert [one.severity for one in issues(body, asked, rules=Rules(unknown_profiles="error"))] == ["error"]


@pytest.mark.parametrize(("mode", "good"), [("contained", True), ("referenced", False), ("bundled", False)])
def test_aggregation_says_how_a_target_may_be_there(mode: str, good: bool) -> None:
    body = observation(reference="#p") | {"contained": [{"resourceType": "Patient", "id": "p"}]}
    asked = about(f"{CORE}Patient", aggregation=[mode])
    assert wrong(body, asked) == ([] if good else [("Observation.subject", "structure")])


def in_bundle(reference: str, url: str, full_url: str | None = None) -> list[tuple[str, str]]:
    body = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": full_url, "resource": observation(reference=reference)},
            {"fullUrl": url, "resource": {"resourceType": "Patient", "id": "1"}},
        ],
    }
    inner = about(BORN["url"]) | {"url": "http://example.org/StructureDefinition/inner"}
    asked = profile(
        element("Bundle.entry"),
        element(
            "Bundle.entry.resource", type=[{"code": "Observation", "profile": [inner["url"]]}, {"code": "Resource"}]
        ),
        type_="Bundle",
    )
    return wrong(body, asked, inner, BORN)


def test_references_between_entries_are_completed_by_the_full_url() -> None:
    told = [("Bundle.entry[0].resource.subject", "structure")]
    assert in_bundle("urn:uuid:p", "urn:uuid:p") == told
    assert in_bundle("Patient/1", "http://x/fhir/Patient/1", "http://x/fhir/Observation/2") == told
    assert in_bundle("Patient/1", "http://other/Patient/1", "http://x/fhir/Observation/2") == []


def test_what_was_held_against_a_profile_before_is_told_again_where_it_stands() -> None:
    inner = about(BORN["url"]) | {"url": "http://example.org/StructureDefinition/inner"}
    types = [{"code": "Observation", "profile": [inner["url"]]}, {"code": "Patient", "profile": [BORN["url"]]}]
    asked = profile(element("Bundle.entry"), element("Bundle.entry.resource", type=types), type_="Bundle")
    entries = [
        {"fullUrl": "urn:uuid:o", "resource": observation(reference="urn:uuid:p")},
        {"fullUrl": "urn:uuid:p", "resource": {"resourceType": "Patient"}},
    ]
    assert wrong({"resourceType": "Bundle", "entry": entries}, asked, inner, BORN) == [
        ("Bundle.entry[0].resource.subject", "structure"),
        ("Bundle.entry[1].resource", "required"),
    ]


# --- circles and hostile profiles -------------------------------------------------------------------------------------


def test_profiles_in_a_circle_come_to_an_end() -> None:
    link = {"code": "Reference", "targetProfile": ["http://example.org/StructureDefinition/p"]}
    asked = profile(
        element("Patient.link"),
        element("Patient.link.other", type=[link]),
        element("Patient.active", fixedBoolean=True),
    )
    body = {"resourceType": "Patient", "active": True, "link": [{"other": {"reference": "Patient/1"}}]}
    assert wrong(body, asked, resolve={"Patient/1": body}.get) == []
    other = body | {"active": False}
    assert wrong(body, asked, resolve={"Patient/1": other}.get) == [("Patient.link[0].other", "structure")]


def test_a_resource_that_resolves_to_ever_new_ones_comes_to_an_end() -> None:
    link = {"code": "Reference", "targetProfile": ["http://example.org/StructureDefinition/p"]}
    asked = profile(element("Patient.link"), element("Patient.link.other", type=[link]))

    def another(_: str) -> dict[str, Any]:
        return {"resourceType": "Patient", "link": [{"other": {"reference": "Patient/1"}}]}

    told = issues(another(""), asked, resolve=another)
    assert {one.severity for one in told} <= {"warning", "error"}
    assert len(told) <= 3


def test_many_items_against_many_slices_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hilum.validation.profiles.running.MOST_WORK", 20_000)
    elements = [
        element("Patient.identifier", slicing={"discriminator": [{"type": "value", "path": "type.coding.code"}]})
    ]
    for number in range(300):
        elements.append(element("Patient.identifier", slice_=f"s{number}"))
        elements.append(element("Patient.identifier.type"))
        elements.append(element("Patient.identifier.type.coding"))
        elements.append(element("Patient.identifier.type.coding.code", fixedCode=str(number)))
    asked = profile(*elements)
    one = {"type": {"coding": [{"code": "none"}]}}
    body = {"resourceType": "Patient", "identifier": [dict(one) for _ in range(300)]}
    assert wrong(body, asked) == [("Patient", "too-costly")]


@pytest.mark.parametrize(
    "snapshot",
    [
        None,
        {},
        {"element": []},
        {"element": "x"},
        {"element": [None]},
        {"element": [{"path": "Patient"}, {"path": 3}]},
        {"element": [{"path": "Patient"}, {"path": "Patient.contact.name"}]},
        {"element": [{"path": "Patient"}, *({"path": "." * 50} for _ in range(2))]},
    ],
)
def test_a_definition_that_nothing_can_be_checked_by_is_told(snapshot: Any) -> None:
    asked = profile() | {"snapshot": snapshot}
    assert wrong({"resourceType": "Patient"}, asked) == [("Patient", "not-found")]


@pytest.mark.parametrize(
    "broken",
    [
        {"min": "x", "max": -1, "type": "x", "binding": 3, "constraint": {}, "slicing": []},
        {"type": [None, {"code": 3}, {"code": "Reference", "targetProfile": [None, 3]}]},
        {"slicing": {"discriminator": [{"type": "value"}, {"type": 3, "path": "x"}, None]}},
        {"slicing": {"discriminator": [{"type": "value", "path": "a(("}]}},
        {"constraint": [{"key": None, "expression": "("}, None, {"expression": 3}]},
        {"binding": {"strength": "required", "valueSet": "v", "extension": [None, {"url": 3}]}},
        {"contentReference": "#nothing", "extension": [None, 4]},
        {"patternIdentifier": [], "fixedString": {}, "minValueDate": {}, "maxLength": "9"},
    ],
)
def test_a_broken_definition_breaks_nothing(broken: dict[str, Any]) -> None:
    asked = profile(element("Patient.identifier") | broken, element("Patient.identifier", slice_="a"))
    issues({"resourceType": "Patient", "identifier": [{"system": "x"}, {}]}, asked)


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Patient", "identifier": "x", "name": {"family": 3}, "contact": [None, [], "x"]},
        {"resourceType": "Patient", "identifier": [[[]]], "_birthDate": [], "extension": {"url": 3}},
        {"resourceType": "Patient", "contained": "x", "link": [{"other": {"reference": 3}}]},
        {"resourceType": "Bundle", "entry": {"resource": []}},
        {"resourceType": "Nothing"},
        {},
    ],
)
def test_a_broken_resource_breaks_nothing(body: dict[str, Any]) -> None:
    asked = profile(
        element("Patient.identifier", slicing={"discriminator": [{"type": "value", "path": "system"}]}),
        element("Patient.identifier", slice_="a"),
        element("Patient.identifier.system", fixedUri="a"),
        element("Patient.name"),
        element("Patient.name.family", maxLength=1),
        element("Patient.link"),
        element("Patient.link.other", type=[{"code": "Reference", "targetProfile": [BORN["url"]]}]),
    )
    issues(body, asked, BORN)


def test_a_profile_of_another_type_is_told() -> None:
    assert wrong({"resourceType": "Device"}, BORN) == [("Device", "structure")]


def test_a_profile_that_is_not_known_is_told() -> None:
    assert wrong({"resourceType": "Device"}, {"url": "http://x"}) == [("Device", "not-found")]


def test_findings_hold_no_values_of_the_resource() -> None:
    body = {"resourceType": "Patient", "birthDate": "1999-09-09", "name": [{"family": "Secret"}]}
    asked = profile(
        element("Patient.birthDate", fixedDate="2000-01-01"),
        element("Patient.name"),
        element("Patient.name.family", patternString="Other", maxLength=2),
    )
    told = issues(body, asked)
    assert len(told) == 3
    assert not any("Secret" in one.diagnostics or "1999" in one.diagnostics for one in told)
