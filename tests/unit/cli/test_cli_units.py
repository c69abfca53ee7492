"""What a document means to a load."""

from __future__ import annotations

import hashlib
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.cli.loading.door import entry_of
from hilum.cli.loading.units import CONDITIONAL, derived_id, of_document, of_lines
from hilum.problems import Malformed

DIGEST = hashlib.sha256(b"a file").digest()
digests = st.binary(min_size=32, max_size=32)
positions = st.integers(0, 2**32 - 1)


def units(body):
    return of_document(body, DIGEST, json.dumps(body).encode())


@given(digests, positions)
def test_a_derived_id_is_a_uuid_of_version_8(digest, position):
    made = uuid.UUID(derived_id(digest, position))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)


@given(digests, positions, positions)
def test_two_places_of_a_file_have_two_ids_in_the_order_of_the_file(digest, one, other):
    assert (derived_id(digest, one) < derived_id(digest, other)) == (one < other)


@given(digests, digests)
def test_two_files_have_different_ids(one, other):
    if one[:6] != other[:6]:
        assert derived_id(one, 0) != derived_id(other, 0)


def test_a_transaction_is_one_unit_whose_posts_have_ids_that_follow_from_the_file():
    body = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": {"resourceType": "Organization"}, "request": {"method": "PUT", "url": "Organization/o"}},
            {
                "fullUrl": "urn:uuid:1",
                "resource": {"resourceType": "Patient", "id": "x", "active": True},
                "request": {"method": "POST", "url": "Patient"},
            },
            {
                "resource": {"resourceType": "Practitioner"},
                "request": {"method": "POST", "url": "Practitioner", "ifNoneExist": "identifier=a|1"},
            },
            {"request": {"method": "DELETE", "url": "Patient/y"}},
        ],
    }
    (unit,) = units(body)
    id = derived_id(DIGEST, 1)
    assert (unit.atomic, unit.positions, unit.numbers) == (True, (0,), (0, 1, 2, 3))
    assert (unit.witness, unit.entries) == (("Patient", id), tuple(body["entry"]))
    entries = [entry_of(entry, number, unit.digest) for number, entry in enumerate(unit.entries)]
    assert [(entry.method, entry.url, entry.new_id) for entry in entries] == [
        ("PUT", "Organization/o", None),
        ("POST", "Patient", id),
        ("POST", "Practitioner", None),
        ("DELETE", "Patient/y", None),
    ]


def test_the_entries_of_a_batch_stand_each_for_itself_a_hundred_together():
    entry = {"resource": {"resourceType": "Basic"}, "request": {"method": "POST", "url": "Basic"}}
    found = units({"resourceType": "Bundle", "type": "batch", "entry": [entry] * 250})
    assert [(unit.atomic, len(unit.entries), unit.positions[0]) for unit in found] == [
        (False, 100, 0),
        (False, 100, 100),
        (False, 50, 200),
    ]


@pytest.mark.parametrize("kind", ["collection", "searchset"])
def test_the_resources_of_a_collection_are_put_under_their_own_ids(kind):
    body = {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [{"resource": {"resourceType": "Patient", "id": "p1"}}, {"resource": {"resourceType": "Patient"}}],
    }
    (unit,) = units(body)
    assert not unit.atomic
    assert [entry["request"]["url"] for entry in unit.entries] == ["Patient/p1", f"Patient/{derived_id(DIGEST, 1)}"]


def test_a_collection_whose_resources_refer_to_one_another_by_uuid_is_all_or_nothing():
    body = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "id": "p1"}},
            {"resource": {"resourceType": "Basic", "id": "b", "subject": {"reference": "urn:uuid:1"}}},
        ],
    }
    (unit,) = units(body)
    assert (unit.atomic, unit.entries[0]["fullUrl"]) == (True, "urn:uuid:1")


@pytest.mark.parametrize("kind", ["document", "message", "history"])
def test_another_bundle_is_a_resource_itself(kind):
    body = {"resourceType": "Bundle", "id": "b", "type": kind}
    (unit,) = units(body)
    assert [entry["request"]["url"] for entry in unit.entries] == ["Bundle/b"]


@pytest.mark.parametrize(
    "body", [{}, {"resourceType": 1}, {"resourceType": "Bundle", "entry": {}}, {"resourceType": "Bundle", "entry": [1]}]
)
def test_what_is_no_resource_is_malformed(body):
    with pytest.raises(Malformed):
        units(body)


def test_lines_about_the_same_resource_are_not_in_one_unit():
    lines = [(0, "a"), (1, "b"), (2, "a"), (3, "c")]
    found = list(of_lines([(n, {"resourceType": "Patient", "id": id}) for n, id in lines], DIGEST))
    assert [unit.positions for unit in found] == [(0, 1), (2, 3)]


def test_a_part_of_a_unit_keeps_the_numbers_of_the_file():
    lines = [(n, {"resourceType": "Patient", "id": f"p{n}"}) for n in range(10, 14)]
    (unit,) = of_lines(lines, DIGEST)
    assert unit.only(lambda n: n in (11, 13)).numbers == (11, 13)
    assert unit.only(lambda n: False).entries == ()


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"reference": "Practitioner?identifier=a|1"}', True),
        (b'{"reference":"Patient?_id=1"}', True),
        (b'{"reference": "Patient/1"}', False),
        (b'{"reference": "http://a/Patient?x"}', False),
        (b'{"display": "Practitioner?identifier=a|1"}', False),
    ],
)
def test_conditional_references_are_seen_in_the_bytes(raw, found):
    assert (CONDITIONAL.search(raw) is not None) == found
