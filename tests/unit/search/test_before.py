"""The rows of the version before, told from what changed. https://hl7.org/fhir/R4/http.html#update"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.fhir.definitions import TYPES
from hilum.fhir.resource import Draft, Resource, draft
from hilum.search.before import before
from hilum.search.generate import Found, named_by
from hilum.search.index import collect, index
from hilum.search.rows import Rows

Body = dict[str, Any]

LOINC = {"system": "http://loinc.org", "code": "8867-4"}
OTHER = {"system": "http://loinc.org", "code": "8480-6"}
ELEMENTS: dict[str, dict[str, list[Any]]] = {
    "Patient": {
        "meta": [
            {"security": [{"system": "urn:s", "code": "R"}]},
            {"tag": [{"code": "a"}, {"system": "urn:t", "code": "a"}], "profile": ["urn:p"]},
            {"versionId": "7", "lastUpdated": "2020-01-01T00:00:00Z"},
        ],
        "active": [True, False],
        "name": [[{"family": "Núñez Smith"}], [{"family": "Smith", "given": ["Ann", "Bo"]}]],
        "telecom": [[{"system": "phone", "value": "1"}], [{"system": "email", "value": "1"}, {"value": "2"}]],
        "birthDate": ["1970-01-01", "1970"],
        "_birthDate": [{"extension": [{"url": "urn:x", "valueString": "y"}]}],
        "deceasedBoolean": [True, False],
        "_deceasedBoolean": [{"extension": [{"url": "urn:x", "valueString": "y"}]}],
        "deceasedDateTime": ["2020-01-01", "2021"],
        "identifier": [
            [{"value": "1"}],
            [{"system": "urn:a", "value": "1"}, {"value": "1"}],
            [{"value": "1", "type": {"coding": [{"system": "urn:t", "code": "MR"}], "text": "record"}}],
        ],
        "link": [[{"other": {"reference": "Patient/2"}, "type": "seealso"}]],
        "generalPractitioner": [[{"reference": "Practitioner/2"}], [{"reference": "https://elsewhere.test/P/1"}]],
        "managingOrganization": [{"reference": "Organization/1"}],
    },
    "Observation": {
        "contained": [
            [],
            [{"resourceType": "Patient", "id": "p", "gender": "male"}],
            [{"resourceType": "Observation", "id": "o", "status": "final", "subject": {"reference": "Patient/1"}}],
            [{"resourceType": "Patient", "id": "p"}, {"resourceType": "Patient", "id": "q", "gender": "male"}],
        ],
        "status": ["final", "amended"],
        "code": [{"coding": [LOINC]}, {"coding": [OTHER]}, {"coding": [LOINC], "text": "Pulse"}],
        "component": [
            [{"code": {"coding": [LOINC]}}],
            [{"code": {"coding": [LOINC, OTHER]}}],
            [{"code": {"coding": [OTHER]}, "valueQuantity": {"value": Decimal("1.0"), "unit": "mm"}}],
        ],
        "subject": [
            {"reference": "Patient/1"},
            {"reference": "Group/1"},
            {"type": "Patient", "identifier": {"system": "urn:a", "value": "1"}},
        ],
        "performer": [[{"reference": "Patient/1"}], [{"reference": "Practitioner/1"}, {"reference": "Patient/2"}]],
        "effectiveDateTime": ["2020", "2020-01-01"],
        "effectivePeriod": [{"start": "2020"}],
        "valueQuantity": [{"value": Decimal("1.0")}, {"value": Decimal("1.00")}, {"value": 1, "unit": "mm"}],
        "valueCodeableConcept": [{"coding": [OTHER]}],
    },
    "Location": {
        "name": ["Ward", "ward"],
        "alias": [["Ward"]],
        "position": [{"latitude": Decimal("1.5"), "longitude": 2}, {"latitude": 1, "longitude": 2}],
        "type": [[{"text": "Ward"}], [{"coding": [{"display": "Ward"}]}]],
    },
    "ValueSet": {
        "url": ["http://a.test/1", "http://a.test/2"],
        "version": ["1", "2"],
        "useContext": [
            [{"code": LOINC, "valueCodeableConcept": {"coding": [OTHER]}}],
            [{"code": OTHER, "valueQuantity": {"value": 3}}, {"code": LOINC, "valueQuantity": {"value": 3}}],
        ],
        "compose": [{"include": [{"system": "http://a.test/1"}]}, {"include": [{"valueSet": ["http://a.test/1|2"]}]}],
    },
    "DocumentReference": {
        "relatesTo": [
            [{"code": "replaces", "target": {"reference": "DocumentReference/1"}}],
            [{"code": "appends", "target": {"reference": "DocumentReference/1"}}],
        ],
        "identifier": [[{"value": "1"}]],
        "masterIdentifier": [{"value": "1"}, {"value": "2"}],
    },
    "Bundle": {
        "type": ["document", "message"],
        "entry": [
            [{"resource": {"resourceType": "Composition", "id": "1"}}],
            [{"resource": {"resourceType": "MessageHeader", "id": "1"}}],
        ],
    },
}


def stored(body: Body, version: int = 12) -> Resource:
    made = draft(body, "a")
    return Resource(
        body["resourceType"], "a", version, 1_763_800_000_123_456, made.stamp(version, 1_763_800_000_123_456)
    )


def told(old: Body, new: Body) -> tuple[Rows, Rows]:
    """The rows of the new version, and those that `before` tells of the old one."""
    rows = index(new["resourceType"], new, "a")
    return rows, before(stored(old), draft(new, "a"), new, rows)


def bodies(type: str) -> st.SearchStrategy[Body]:
    optional = {key: st.sampled_from(values) for key, values in ELEMENTS[type].items()}
    return st.fixed_dictionaries({"resourceType": st.just(type)}, optional=optional)


@given(st.sampled_from(sorted(ELEMENTS)).flatmap(lambda type: st.tuples(bodies(type), bodies(type))))
def test_the_rows_before_are_those_that_indexing_the_version_before_gives(pair: tuple[Body, Body]) -> None:
    old, new = pair
    assert told(old, new)[1] == index(old["resourceType"], old, "a")


def test_a_row_that_two_elements_say_is_not_lost_with_one() -> None:
    old = {"resourceType": "Observation", "code": {"coding": [LOINC]}, "component": [{"code": {"coding": [LOINC]}}]}
    new = {"resourceType": "Observation", "code": {"coding": [OTHER]}, "component": [{"code": {"coding": [LOINC]}}]}
    assert told(old, new)[1] == index("Observation", old, "a")


def test_a_composite_is_told_by_either_of_its_values() -> None:
    old = {"resourceType": "Observation", "code": {"coding": [LOINC]}, "valueQuantity": {"value": 1}}
    for changed in ({"code": {"coding": [OTHER]}}, {"valueQuantity": {"value": 2}}):
        rows, was = told(old, old | changed)
        assert was == index("Observation", old, "a")
        assert was.composites and was.composites != rows.composites


def test_what_is_computed_from_an_extension_alone_is_judged_with_it() -> None:
    extended = {"_deceasedBoolean": {"extension": [{"url": "urn:x", "valueString": "y"}]}}
    old = {"resourceType": "Patient", "telecom": [{"value": "1"}], **extended}
    assert told(old, {**old, "telecom": [{"value": "2"}]})[1] == index("Patient", old, "a")


def test_kinds_of_rows_that_stay_are_the_very_same() -> None:
    old = {"resourceType": "Patient", "name": [{"family": "A"}], "telecom": [{"value": "1"}], "birthDate": "1970"}
    rows, was = told(old, {**old, "telecom": [{"value": "2"}]})
    assert was.strings is rows.strings and was.dates is rows.dates and was.compartments is rows.compartments
    assert was.tokens != rows.tokens


def test_equal_content_has_the_very_same_rows() -> None:
    body = {"resourceType": "Patient", "name": [{"family": "A"}]}
    rows, was = told({**body, "meta": {"versionId": "9"}}, body)
    assert was is rows


def test_elements_that_stay_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []

    def noted(type: str, body: Body, id: str | None = None, *more: object) -> Found:
        seen.append(set(body))
        return collect(type, body, id)

    monkeypatch.setattr("hilum.search.before.collect", noted)
    old = {"resourceType": "Patient", "name": [{"family": "A"}], "telecom": [{"value": "1"}], "birthDate": "1970"}
    told(old, {**old, "telecom": [{"value": "2"}]})
    assert seen == [{"telecom"}, {"telecom"}]


def test_every_type_can_be_told() -> None:
    for type in TYPES:
        old, new = {"resourceType": type, "language": "en"}, {"resourceType": type, "language": "fr"}
        assert told(old, new)[1] == index(type, old, "a"), type


def test_a_computed_parameter_names_the_elements_that_it_looks_at() -> None:
    expression = "Patient.deceased.exists() and Patient.deceased != false"
    assert named_by(expression, "Patient") == ("deceasedBoolean", "deceasedDateTime")
    assert named_by("Patient.descendants().exists()", "Patient") is None
    assert named_by("%resource.exists()", "Patient") is None


@pytest.mark.parametrize("version", [1, 9, 10, 12345])
def test_the_tail_of_another_version_begins_after_its_stamp(version: int) -> None:
    body = {"resourceType": "Patient", "meta": {"versionId": "x", "profile": ["urn:p"]}, "active": True}
    made: Draft = draft(body, "a")
    assert made.tail_of(stored(body, version)) == made.tail
