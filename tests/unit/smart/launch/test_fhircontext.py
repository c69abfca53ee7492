"""What else than patient and encounter an app is opened with.

Ids of requirements: of SMART App Launch 2.2.0.
"""

from __future__ import annotations

from typing import Any

import pytest

from hilum.problems import Invalid
from hilum.smart.launch import fhircontext

QUESTIONNAIRE = "https://example.org/Questionnaire/123|v2023-05-03"
ROLE = "https://example.org/role/questionnaire-to-display"


@pytest.mark.parametrize(
    "item",
    [
        {"reference": "ImagingStudy/123"},
        {"reference": "List/1", "role": "https://example.org/med-list-at-home"},
        {"reference": "List/1", "role": "launch"},
        {"role": ROLE, "type": "Questionnaire", "canonical": QUESTIONNAIRE},
        {"identifier": {"system": "urn:x", "value": "1"}, "type": "ServiceRequest"},
        {"reference": "Patient/2", "role": "urn:example:sibling"},
        {"identifier": {"value": "1"}, "type": "Encounter", "role": "urn:example:earlier"},
    ],
)
def test_smart22_178_179_181_183_what_the_guide_allows_is_taken_as_it_is(item: dict[str, Any]) -> None:
    assert fhircontext.judged([item]) == (item,)


def test_smart22_180_192_several_may_be_of_one_type_and_role() -> None:
    items = [{"reference": "List/1", "role": ROLE}, {"reference": "List/2", "role": ROLE}]
    assert fhircontext.judged(items) == tuple(items)


def test_smart22_185_the_type_of_a_canonical_is_told_where_its_url_tells_it() -> None:
    assert fhircontext.judged([{"canonical": QUESTIONNAIRE}]) == (
        {"canonical": QUESTIONNAIRE, "type": "Questionnaire"},
    )
    assert fhircontext.judged([{"canonical": "urn:uuid:7"}]) == ({"canonical": "urn:uuid:7"},)


WRONG: list[tuple[Any, str]] = [
    ("ImagingStudy/1", "must be an object"),
    ({"type": "List"}, "needs a reference, a canonical or an identifier"),  # 178
    ({"reference": "Patient/2"}, "Patient has its own place"),  # 177
    ({"reference": "Encounter/2", "role": "launch"}, "Encounter has its own place"),
    ({"identifier": {"value": "1"}, "type": "Patient"}, "Patient has its own place"),
    ({"reference": "List/1", "role": "med-list"}, ".role must be an absolute URI"),  # 188
    ({"reference": "List/1", "role": ""}, ".role must be a text that is not empty"),  # 190
    ({"reference": "https://ehr.example.org/List/1"}, ".reference must be relative"),
    ({"reference": "Lists/1"}, ".reference must be relative"),
    ({"reference": "List/1", "type": "Observation"}, ".type must be the type that the reference names"),
    ({"canonical": "Questionnaire/1"}, ".canonical must be a canonical URL"),
    ({"canonical": "https://x.example/a b"}, ".canonical must be a canonical URL"),
    ({"identifier": "1"}, ".identifier must be an Identifier"),
    ({"identifier": {"system": "urn:x"}}, ".identifier must be an Identifier"),
    ({"identifier": {"value": "1", "other": "2"}}, ".identifier must be an Identifier"),
    ({"identifier": {"value": "1"}, "type": "Lists"}, ".type must be a resource type"),
    ({"reference": "List/1", "display": "x"}, " has display"),
]


@pytest.mark.parametrize(("item", "why"), WRONG)
def test_smart22_177_178_188_190_what_can_not_be_is_named(item: Any, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        fhircontext.judged([{"reference": "List/1"}, item])
    assert str(refused.value).startswith("fhirContext[1]")
    assert why in str(refused.value)


@pytest.mark.parametrize("items", [{}, None, "x", [{"reference": "List/1"}] * 21])
def test_smart22_172_it_is_an_array_and_not_a_long_one(items: Any) -> None:
    with pytest.raises(Invalid):
        fhircontext.judged(items)


def test_people_write_a_line_each_or_the_array() -> None:
    assert fhircontext.written("") == ()
    assert fhircontext.written(" ImagingStudy/7\n\nList/8  urn:a:b \r\n") == (
        {"reference": "ImagingStudy/7"},
        {"reference": "List/8", "role": "urn:a:b"},
    )
    assert fhircontext.written(' [{"identifier": {"value": "1"}, "type": "List"}]') == (
        {"identifier": {"value": "1"}, "type": "List"},
    )


@pytest.mark.parametrize("text", ["List/1 urn:a:b more", "[", "[]]", "[1, 2", "nothing", '["a"]', "[], []"])
def test_what_is_written_otherwise_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        fhircontext.written(text)
