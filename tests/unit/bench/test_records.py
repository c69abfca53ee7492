"""The benchmark's made-up people are what the benchmark says that they are."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from bench.operations import bundle
from bench.records import GROUP, MAKERS, WEIGHT, Population, encounter, id_of, observation, patient
from tests.errors import errors

from hilum.fhir import json as fhir_json


def _size(body: dict[str, Any]) -> int:
    return len(json.dumps(body, separators=(",", ":")))


def test_patients_have_2600_bytes_and_observations_700() -> None:
    patients = [_size(patient(n, id_of("Patient", n))) for n in range(100)]
    observations = [_size(observation(n, id_of("Observation", n))) for n in range(100)]
    assert 2500 < sum(patients) / 100 < 2700
    assert 620 < sum(observations) / 100 < 740


@pytest.mark.parametrize("make", [patient, encounter, observation])
def test_every_resource_is_valid(make: Any) -> None:
    for n in range(200):
        body = fhir_json.parse(fhir_json.encode(make(n, id_of(make.__name__.capitalize(), n))))
        assert list(errors(body)) == []


def test_a_resource_depends_on_its_number_alone() -> None:
    for make in MAKERS.values():
        assert make(7) == make(7)
        assert make(7) != make(8)


def test_ids_are_uuids_of_version_7_that_sort_by_number() -> None:
    ids = [id_of("Observation", n) for n in range(1000)]
    assert ids == sorted(ids)
    assert len({*ids, *(id_of("Patient", n) for n in range(1000))}) == 2000
    assert {uuid.UUID(id).version for id in ids} == {7}
    assert {uuid.UUID(id).variant for id in ids} == {uuid.RFC_4122}


def test_a_group_is_one_patient_with_what_refers_to_it() -> None:
    group = Population(400).group(3)
    owner = f"Patient/{id_of('Patient', 3)}"
    assert len(group) == GROUP
    assert [body["subject"]["reference"] for type, _, body in group if type != "Patient"] == [owner] * (GROUP - 1)
    assert [id for _, id, _ in group] == [body["id"] for _, _, body in group]


def test_a_search_by_patient_and_weight_has_a_full_page_and_a_next() -> None:
    weights = [
        b for _, _, b in Population(400).group(3) if b.get("code", {}).get("coding", [{}])[0].get("code") == WEIGHT
    ]
    assert len(weights) > 20


def test_a_transaction_has_a_hundred_resources_that_refer_to_its_patient() -> None:
    made = bundle(5)
    owner = made["entry"][0]["fullUrl"]
    assert len(made["entry"]) == 100
    assert len({entry["fullUrl"] for entry in made["entry"]}) == 100
    assert {entry["resource"]["subject"]["reference"] for entry in made["entry"][1:]} == {owner}
