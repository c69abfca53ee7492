"""The population as FHIR: valid, complete in itself, the same every time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from tests.errors import errors
from tests.unit.demo.chartreading import Chart, leaves

from hilum.demo import TODAY, population
from hilum.fhir import json

_SOURCE = Path(__file__).resolve().parents[3] / "src"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")


def entries(bundles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for bundle in bundles for entry in bundle["entry"]]


def test_every_resource_and_bundle_is_valid_r4(bundles: list[dict[str, Any]]) -> None:
    found = Counter(
        (issue.expression, issue.diagnostics)
        for bundle in bundles
        for body in [bundle, *(entry["resource"] for entry in bundle["entry"])]
        for issue in errors(json.parse(json.encode(body)))
    )
    assert found == Counter()


def test_every_reference_points_into_its_own_bundle_or_the_first(bundles: list[dict[str, Any]]) -> None:
    shared = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundles[0]["entry"]}
    lost = []
    for bundle in bundles:
        own = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle["entry"]}
        lost += [
            value
            for path, value in leaves(bundle)
            if path.endswith(".reference") and value not in own and value not in shared
        ]
    assert lost == []


def test_every_entry_puts_a_resource_at_its_own_fixed_address(bundles: list[dict[str, Any]]) -> None:
    seen = set()
    for entry in entries(bundles):
        resource = entry["resource"]
        address = f"{resource['resourceType']}/{resource['id']}"
        assert entry["request"] == {"method": "PUT", "url": address}
        assert entry["fullUrl"] == f"https://saguaro-bend.example/fhir/{address}"
        assert _ID.match(resource["id"])
        seen.add(address)
    assert len(seen) == len(entries(bundles))


def test_every_resource_says_that_it_is_test_data(bundles: list[dict[str, Any]]) -> None:
    label = {
        "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
        "code": "HTEST",
        "display": "test health data",
    }
    assert all(entry["resource"]["meta"] == {"security": [label]} for entry in entries(bundles))


def test_there_are_120_patients_with_about_a_hundred_resources_each(bundles: list[dict[str, Any]]) -> None:
    sizes = sorted(len(bundle["entry"]) for bundle in bundles[1:])
    assert len(sizes) == 120
    assert 8_000 < sum(sizes) < 14_000
    assert sizes[0] >= 20
    assert sizes[-1] <= 220
    assert 60 <= sizes[len(sizes) // 2] <= 150


def test_the_population_shows_the_types_a_newcomer_looks_for(bundles: list[dict[str, Any]]) -> None:
    types = Counter(entry["resource"]["resourceType"] for entry in entries(bundles))
    assert set(types) == {
        "AllergyIntolerance", "Appointment", "CarePlan", "CareTeam", "Condition", "Coverage", "Device",
        "DiagnosticReport", "DocumentReference", "Encounter", "Goal", "HealthcareService", "Immunization", "Location",
        "MedicationDispense", "MedicationRequest", "MedicationStatement", "Observation", "Organization", "Patient",
        "Practitioner", "PractitionerRole", "Procedure",
    }  # fmt: skip
    assert types["Patient"] == 120


def test_equal_arguments_give_equal_bytes_whatever_the_hash_seed() -> None:
    program = (
        "import hashlib, hilum.demo, hilum.fhir.json as j; "
        "print(hashlib.sha256(b''.join(map(j.encode, hilum.demo.population(6, 9)))).hexdigest())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": str(_SOURCE), "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_a_patient_is_the_same_in_a_smaller_population(bundles: list[dict[str, Any]]) -> None:
    assert list(population(7)) == bundles[:8]


def test_another_seed_gives_other_people() -> None:
    def names(seed: int) -> list[str]:
        return [bundle["entry"][0]["resource"]["name"][0]["text"] for bundle in islice(population(10, seed), 1, None)]

    assert names(1) != names(2)


def test_the_town_does_not_depend_on_seed_or_day(bundles: list[dict[str, Any]]) -> None:
    assert next(population(1, 5, date(2031, 2, 3))) == bundles[0]


def test_any_day_can_be_today() -> None:
    for today in (date(2024, 2, 29), date(2027, 12, 31), TODAY):
        found = [
            issue
            for bundle in population(25, 3, today)
            for entry in bundle["entry"]
            for issue in errors(json.parse(json.encode(entry["resource"])))
        ]
        assert found == []


def test_bundles_are_made_one_at_a_time() -> None:
    first, second = islice(population(10**12), 2)
    assert first["identifier"]["value"] == "demo-town"
    assert second["identifier"]["value"] == "demo-p001"


def test_reading_the_bytes_back_gives_the_same_values_and_digits(bundles: list[dict[str, Any]]) -> None:
    for bundle in bundles[:40]:
        raw = json.encode(bundle)
        read = json.parse(raw)
        assert read == bundle
        assert json.encode(read) == raw


def test_spanish_speakers_get_their_instructions_in_spanish_too(people: list[Chart]) -> None:
    spanish = [c for c in people if c.patient["communication"][0]["language"]["coding"][0]["code"] == "es"]
    others = [c for c in people if c not in spanish]

    def instructions(chart: Chart) -> list[str | None]:
        return [r["dosageInstruction"][0].get("patientInstruction") for r in chart.of("MedicationRequest")]

    assert len(spanish) >= 8
    assert all(
        text and ("Tome" in text or "Inhale" in text or "Abra" in text) for c in spanish for text in instructions(c)
    )
    assert all(text is None for c in others for text in instructions(c))


def test_patients_are_described_in_words(people: list[Chart]) -> None:
    for chart in people:
        div = chart.patient["text"]["div"]
        assert div.startswith('<div xmlns="http://www.w3.org/1999/xhtml">')
        assert chart.patient["birthDate"] in div


def test_nobody_can_be_reached_at_these_addresses(bundles: list[dict[str, Any]]) -> None:
    reachable = []
    for entry in entries(bundles):
        telecoms = [t for key in ("telecom",) for t in entry["resource"].get(key, [])]
        telecoms += [t for contact in entry["resource"].get("contact", []) for t in contact.get("telecom", [])]
        for telecom in telecoms:
            fictional = (
                re.fullmatch(r"\+1-928-555-01\d\d", telecom["value"])
                if telecom["system"] == "phone"
                else telecom["value"].endswith(".example")
            )
            if not fictional:
                reachable.append(telecom)
    assert reachable == []
