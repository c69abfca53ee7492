"""HL7's own definitions and examples stay legal when what is allowed is added, and don't when it is not."""

from __future__ import annotations

import copy
import os
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.errors import errors
from tests.shared_data import needs_data
from tests.unit.validation.objects import Body, objects, package

from hilum.validation import validate

pytestmark = needs_data

FULL = os.environ.get("HILUM_FULL") == "1"


@cache
def resources() -> list[Body]:
    return [body for body in package(3 if FULL else 40) if not errors(body)]


@st.composite
def places(draw: st.DrawFn) -> tuple[Body, Body]:
    """A copy of a resource, and an object in it that is no resource."""
    body = copy.deepcopy(draw(st.sampled_from(resources())))
    inner = [one.value for one in objects(body) if "resourceType" not in one.value and "url" not in one.value]
    return body, draw(st.sampled_from(inner)) if inner else body


EXTENSIONS: list[Body] = [
    {"url": "http://example.org/plain", "valueString": "x"},
    {"url": "http://example.org/plain", "valueCodeableConcept": {"text": "x"}},
    {"url": "http://example.org/parts", "extension": [{"url": "part", "valueBoolean": True}]},
    {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"},
]


@settings(max_examples=2000 if FULL else 60, deadline=None)
@given(place=places(), extension=st.sampled_from(EXTENSIONS), id_=st.booleans())
def test_a_plain_extension_and_an_id_are_allowed_everywhere(
    place: tuple[Body, Body], extension: Body, id_: bool
) -> None:
    body, value = place
    if type(value.get("extension", [])) is list:
        value["extension"] = [*value.get("extension", []), extension]
    if id_ and "id" not in value:
        value["id"] = "x1"
    assert errors(body) == []


ILLEGAL: list[Body] = [
    {"url": "relative", "valueString": "x"},
    {"url": "http://example.org/both", "valueString": "x", "extension": [{"url": "x", "valueString": "y"}]},
    {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueString": "x"},
    {"url": "http://example.org/reference", "valueReference": {"reference": "#nowhere"}},
    {"url": "http://example.org/period", "valuePeriod": {"start": "2020", "end": "2019"}},
    {"url": "http://example.org/quantity", "valueQuantity": {"value": 1, "code": "mg"}},
]


@settings(max_examples=2000 if FULL else 60, deadline=None)
@given(place=places(), extension=st.sampled_from(ILLEGAL))
def test_an_illegal_extension_is_found_where_it_is(place: tuple[Body, Body], extension: Body) -> None:
    body, value = place
    value["extension"] = [*value.get("extension", []), extension]
    found: list[Any] = errors(body)
    assert found
    ending = f".extension[{len(value['extension']) - 1}]"
    assert all(ending in issue.expression for issue in found)


def test_a_modifier_extension_must_be_known() -> None:
    body = {"resourceType": "Patient", "modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}
    assert [issue.expression for issue in errors(body)] == ["Patient.modifierExtension[0]"]
    known = validate(body, extensions={"http://example.org/not"})
    assert [issue.severity for issue in known] == ["warning"]


def test_modifiers_of_r4_stand_where_modifiers_do() -> None:
    own = {"url": "http://hl7.org/fhir/StructureDefinition/request-doNotPerform", "valueBoolean": True}
    order = {
        "resourceType": "NutritionOrder",
        "status": "active",
        "intent": "order",
        "patient": {"reference": "Patient/1"},
        "dateTime": "2020",
    }
    assert errors({**order, "modifierExtension": [own]}) == []
    assert [issue.expression for issue in errors({**order, "extension": [own]})] == ["NutritionOrder.extension[0]"]


def test_unknown_extensions_are_told_when_everything_is() -> None:
    body = {"resourceType": "Patient", "extension": [{"url": "http://example.org/x", "valueString": "x"}]}
    told = [issue for issue in validate(body, thorough=True) if issue.severity == "information"]
    assert [issue.expression for issue in told] == ["Patient.extension[0]"]
