"""Real (Synthea) resources are valid; break one at any place, and the finding is at that place."""

import copy
import gzip
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.errors import errors
from tests.shared_data import DATA, needs_data

from hilum.fhir import json as fhir_json

pytestmark = needs_data

Steps = tuple[str | int, ...]

CHOICE = re.compile(
    r"(value|effective|onset|abatement|performed|occurrence|deceased|multipleBirth|medication|serviced|product|location|"
    r"diagnosis|allowed|used|timing|asNeeded|dose|rate|procedure|scheduled)"
    r"(Quantity|CodeableConcept|String|Boolean|Integer|Period|DateTime|Date|Reference|Coding|Decimal|Code|Uri|Address|"
    r"Range|Age|Money|UnsignedInt|Timing)"
)
REQUIRED = {
    "AllergyIntolerance": ["patient"],
    "CarePlan": ["status", "intent", "subject"],
    "Claim": ["status", "type", "use", "patient", "created", "provider", "priority", "insurance"],
    "Condition": ["subject"],
    "DiagnosticReport": ["status", "code"],
    "DocumentReference": ["status", "content"],
    "Encounter": ["status", "class"],
    "ExplanationOfBenefit": ["status", "type", "use", "patient", "created", "insurer", "provider", "outcome"],
    "Goal": ["lifecycleStatus", "description", "subject"],
    "ImagingStudy": ["status", "subject"],
    "Immunization": ["status", "vaccineCode", "patient", "occurrenceDateTime"],
    "MedicationRequest": ["status", "intent", "subject", "medicationCodeableConcept"],
    "Observation": ["status", "code"],
    "Procedure": ["status", "subject"],
}

DOUBLES = {
    "deceasedDateTime": ("deceasedBoolean", True),
    "effectiveDateTime": ("effectivePeriod", {"start": "2020"}),
    "medicationCodeableConcept": ("medicationReference", {"reference": "Medication/1"}),
    "multipleBirthBoolean": ("multipleBirthInteger", 1),
    "occurrenceDateTime": ("occurrenceString", "x"),
    "onsetDateTime": ("onsetString", "x"),
    "performedPeriod": ("performedString", "x"),
    "valueCodeableConcept": ("valueString", "x"),
    "valueQuantity": ("valueString", "x"),
    "valueString": ("valueBoolean", True),
}


@cache
def resources() -> list[dict[str, Any]]:
    """One patient of each folder, at most 20 resources of a type, each with something to break."""
    found: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    for folder in sorted((DATA / "synthea").iterdir()):
        for file in sorted(folder.glob("*.json.gz"))[:2]:
            for entry in fhir_json.parse(gzip.decompress(file.read_bytes()))["entry"]:
                resource = entry["resource"]
                counts[resource["resourceType"]] = counts.get(resource["resourceType"], 0) + 1
                if counts[resource["resourceType"]] <= 20:
                    found.append(resource)
    return found


def places(value: Any, at: Steps = ()) -> Iterator[tuple[Steps, Any]]:
    """Every value in a resource, with the way to it; resourceType left out."""
    if at and at[-1] != "resourceType":
        yield at, value
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        yield from places(child, (*at, key))


def expression(resource: dict[str, Any], at: Steps) -> str:
    """The FHIRPath of a place: a choice without its type; of what is no reference, the Reference."""
    out: str = resource["resourceType"]
    at = at[:-1] if at[-1:] == ("reference",) else at
    for step in at:
        if isinstance(step, int):
            out += f"[{step}]"
        else:
            match = CHOICE.fullmatch(step)
            out += "." + (match[1] if match else step)
    return out


def change(resource: dict[str, Any], at: Steps, value: Any) -> dict[str, Any]:
    """A copy with another value at that place."""
    broken = copy.deepcopy(resource)
    holder: Any = broken
    for step in at[:-1]:
        holder = holder[step]
    holder[at[-1]] = value
    return broken


def found_at(body: dict[str, Any]) -> set[tuple[str, str]]:
    return {(str(issue.expression).removesuffix(".reference"), issue.code) for issue in errors(body)}


@st.composite
def somewhere(draw: st.DrawFn, kind: type | tuple[type, ...] = object) -> tuple[dict[str, Any], Steps, Any]:
    resource = draw(st.sampled_from(resources()))
    at, value = draw(st.sampled_from([(at, value) for at, value in places(resource) if isinstance(value, kind)]))
    return resource, at, value


def test_the_resources_are_valid_before_they_are_broken() -> None:
    assert len(resources()) > 100
    assert [issue for resource in resources() for issue in errors(resource)] == []


@settings(max_examples=300, deadline=None)
@given(place=somewhere(dict), name=st.sampled_from(["zzz", "Id", "values", "_coding", "extensions"]))
def test_an_unknown_property_is_found_where_it_is(place: tuple[dict[str, Any], Steps, Any], name: str) -> None:
    resource, at, value = place
    if name == "_coding" and "coding" in value:
        name = "zzz"
    body = change(resource, at, {**value, name: 1})
    assert found_at(body) == {(f"{expression(resource, at)}.{name.removeprefix('_')}", "structure")}


@settings(max_examples=300, deadline=None)
@given(place=somewhere())
def test_a_wrong_json_type_is_found_where_it_is(place: tuple[dict[str, Any], Steps, Any]) -> None:
    resource, at, value = place
    other: Any = {"a": 1} if not isinstance(value, dict) else "a"
    assert (expression(resource, at), "structure") in found_at(change(resource, at, other))


@settings(max_examples=300, deadline=None)
@given(place=somewhere(), empty=st.sampled_from(["", None, {}, []]))
def test_an_emptied_value_is_found_where_it_is(place: tuple[dict[str, Any], Steps, Any], empty: Any) -> None:
    resource, at, _ = place
    assert expression(resource, at) in {path for path, _ in found_at(change(resource, at, empty))}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_dropped_required_element_is_found(data: st.DataObject) -> None:
    resource = data.draw(st.sampled_from([r for r in resources() if r["resourceType"] in REQUIRED]))
    name = data.draw(st.sampled_from(REQUIRED[resource["resourceType"]]))
    body = {key: value for key, value in resource.items() if key != name}
    assert found_at(body) == {(expression(resource, (name,)), "required")}


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_doubled_choice_is_found(data: st.DataObject) -> None:
    doubled = [(r, at) for r in resources() for at, _ in places(r) if at[-1] in DOUBLES]
    resource, at = data.draw(st.sampled_from(doubled))
    name, value = DOUBLES[str(at[-1])]
    body = change(resource, (*at[:-1], name), value)
    assert found_at(body) == {(expression(resource, at), "structure")}


@settings(max_examples=150, deadline=None)
@given(place=somewhere(str))
def test_a_control_character_is_found_in_every_string(place: tuple[dict[str, Any], Steps, Any]) -> None:
    resource, at, value = place
    body = change(resource, at, value + "\x00")
    assert expression(resource, at) in {path for path, _ in found_at(body)}
