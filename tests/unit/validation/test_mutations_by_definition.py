"""Mutations by R4's definitions: at any element of any type, what they allow stays legal, what they don't is found.

No list of elements: places are drawn from HL7's own resources and patients' records, elements from the definitions.
"""

from __future__ import annotations

import copy
import gzip
import os
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.errors import errors
from tests.shared_data import DATA, needs_data
from tests.unit.validation.objects import Body, Object, objects, package

from hilum.fhir import definitions
from hilum.fhir import json as fhir_json
from hilum.fhir.definitions import Element
from hilum.fhirpath import parse
from hilum.validation import invariants
from hilum.validation.presence import names

pytestmark = needs_data

FULL = os.environ.get("HILUM_FULL") == "1"

LEGAL: Final[dict[str, Any]] = {
    "boolean": False,
    "date": "2020-02",
    "dateTime": "2020-02-29T23:59:60.5+14:00",
    "decimal": 1,
    "instant": "2020-02-29T00:00:00Z",
    "integer": -1,
    "markdown": "*x*\n",
    "positiveInt": 1,
    "string": " x\u00a0",
    "time": "23:59:60",
    "unsignedInt": 0,
    "uri": "urn:oid:1.2.840",
    "url": "https://example.org/?a=b#c",
    "Annotation": {"text": "x"},
    "ContactPoint": {"system": "phone", "value": "+1"},
    "HumanName": {"text": "x", "_family": {"extension": [{"url": "urn:x:y", "valueBoolean": True}]}},
    "Identifier": {"system": "urn:oid:1.2.840", "value": " 1"},
    "Period": {"start": "2020-01-01T10:00:00Z", "end": "2020-01-01"},
}
ILLEGAL: Final[dict[str, Any]] = {
    "boolean": "true",
    "code": " x",
    "date": "2021-02-29",
    "dateTime": "2020-01-01T10:00:00",
    "decimal": "1",
    "instant": "2020-01-01",
    "integer": 2**31,
    "markdown": "",
    "positiveInt": 0,
    "string": "\x00",
    "time": "24:00:00",
    "unsignedInt": -1,
    "uri": "a b",
    "url": "a b",
    "Annotation": {"author": "x"},
    "CodeableConcept": {"coding": {}},
    "HumanName": {"zzz": 1},
    "Identifier": {"value": 1},
    "Period": {"start": "2020-13"},
    "Quantity": {"value": "1"},
    "Reference": {"reference": "no reference"},
}


TOLD_ABOVE: Final = {("Reference", "reference")}
"""(type, element) of what is told at the element that holds it, as HL7's validator does; of other tests."""


@cache
def bodies() -> tuple[Body, ...]:
    """One of each folder of records, and a part of the core package."""
    found = list(package(3 if FULL else 40))
    for folder in sorted((DATA / "synthea").iterdir()):
        bundle = fhir_json.parse(gzip.decompress(min(folder.glob("*.json.gz")).read_bytes()))
        kinds = {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}
        found += kinds.values()
    return tuple(body for body in found if not errors(body))


@cache
def named(type_: str) -> frozenset[str]:
    """Elements of which an invariant of the type says something: another one there may break it."""
    some = (one for each in definitions.type_(type_).invariants.values() for one in each)
    expressions = (invariants.CORRECTED.get(one.key, ("", ""))[0] or one.expression for one in some)
    said = {name for expression in expressions for name in names(parse(expression))}
    return frozenset(said) | {"contained", "modifierExtension", "extension", "id", "implicitRules"}


def properties(element: Element) -> Iterator[tuple[str, str]]:
    """(property, type) of what an element may be."""
    for name in element.types:
        yield (element.name + name[:1].upper() + name[1:] if element.choice else element.name), name


def absent(one: Object) -> Iterator[tuple[Element, str, str]]:
    """(element, property, type) of what is not there."""
    for element in definitions.elements(one.type, one.path):
        some = [(element, key, name) for key, name in properties(element)]
        there = any(key in one.value or f"_{key}" in one.value for _, key, _ in some)
        if not there and element.max != "0" and element.name not in ("id", "extension", "contained"):
            yield from some


@st.composite
def places(draw: st.DrawFn, values: dict[str, Any], legal: bool) -> tuple[Body, str, str]:
    """A copy of a resource to which something was added, the end of the path of that, and its type."""
    body = copy.deepcopy(draw(st.sampled_from(bodies())))
    inner = [one for one in objects(body) if "url" not in one.value or one.type != "Extension"]
    one = draw(st.sampled_from(inner))
    able = [
        (element, key, name)
        for element, key, name in absent(one)
        if name in values
        and not (legal and (element.name in named(one.type) or outside(one) or bound(element)))
        and (one.type, element.name) not in TOLD_ABOVE
    ]
    if not able:
        return body, "", ""
    element, key, name = draw(st.sampled_from(able))
    one.value[key] = [values[name]] if element.many else values[name]
    return body, f".{element.name}" + ("[0]" if element.many else ""), name


def bound(element: Element) -> bool:
    return element.binding is not None or element.most is not None


OUTSIDE: Final = frozenset(
    ("Bundle", "ElementDefinition", "StructureDefinition", "Narrative", "SearchParameter", "Meta")
)
"""Types of which invariants say much about what is within others."""


def outside(one: Object) -> bool:
    return one.type in OUTSIDE or one.resource["resourceType"] in OUTSIDE


@settings(max_examples=1500 if FULL else 250, deadline=None)
@given(place=places(LEGAL, legal=True))
def test_what_an_element_may_hold_stays_legal(place: tuple[Body, str, str]) -> None:
    body, ending, name = place
    assert [(issue.expression, issue.diagnostics) for issue in errors(body)] == [], (ending, name)


@settings(max_examples=1500 if FULL else 250, deadline=None)
@given(place=places(ILLEGAL, legal=False))
def test_what_no_element_may_hold_is_found_at_its_path(place: tuple[Body, str, str]) -> None:
    body, ending, name = place
    found = [str(issue.expression) for issue in errors(body)]
    assert not ending or any(ending in expression for expression in found), (ending, name, found)


@settings(max_examples=1500 if FULL else 150, deadline=None)
@given(data=st.data())
def test_a_code_that_is_not_of_the_required_value_set_is_found_at_its_path(data: st.DataObject) -> None:
    body = copy.deepcopy(data.draw(st.sampled_from(bodies())))
    places_ = [
        (one, element, key)
        for one in objects(body)
        for element in definitions.elements(one.type, one.path)
        for key, name in properties(element)
        if name == "code" and element.max != "0" and element.binding and definitions.value_set(element.binding)
    ]
    if not places_:
        return
    one, element, key = data.draw(st.sampled_from(places_))
    one.value[key] = ["no-such-code"] if element.many else "no-such-code"
    ending = f".{element.name}" + ("[0]" if element.many else "")
    found = [issue for issue in errors(body) if str(issue.expression).endswith(ending)]
    assert [issue.code for issue in found] == ["code-invalid"], (ending, found)


@settings(max_examples=1500 if FULL else 150, deadline=None)
@given(data=st.data())
def test_a_required_element_that_is_gone_is_found_at_its_path(data: st.DataObject) -> None:
    body = copy.deepcopy(data.draw(st.sampled_from(bodies())))
    there = [
        (one, element, key)
        for one in objects(body)
        for element in definitions.elements(one.type, one.path)
        for key, _ in (*properties(element), (element.name, ""))
        if element.min and key in one.value and len(one.value) > 2
    ]
    if not there:
        return
    one, element, key = data.draw(st.sampled_from(there))
    del one.value[key]
    one.value.pop(f"_{key}", None)
    found = [issue for issue in errors(body) if str(issue.expression).endswith(f".{element.name}")]
    assert "required" in [issue.code for issue in found], (one.type, one.path, element.name)
