"""The demo population as transaction Bundles, one after the other. https://hl7.org/fhir/R4/http.html#transaction"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from hilum.demo.allergies import allergies
from hilum.demo.appointments import appointments
from hilum.demo.chart import Chart
from hilum.demo.codes import HTEST, TOWN
from hilum.demo.devices import devices
from hilum.demo.diagnoses import condition
from hilum.demo.dice import Dice
from hilum.demo.encounters import encounter
from hilum.demo.history import live
from hilum.demo.immunizations import immunizations
from hilum.demo.labs import imaging, laboratory
from hilum.demo.notes import notes
from hilum.demo.patient import coverage, patient
from hilum.demo.plans import plans
from hilum.demo.prescriptions import prescriptions
from hilum.demo.procedures import procedures
from hilum.demo.town import town
from hilum.demo.vitals import vital_signs

TODAY = date(2026, 11, 22)
"""The default day on which the population lives; fixed, so that making it again makes the same."""


def population(patients: int = 120, seed: int = 1, today: date = TODAY) -> Iterator[dict[str, Any]]:
    """The population: a Bundle with what all share, then one Bundle per patient, made as they are asked for.

    Every entry is a PUT with a fixed id, references are plain `Type/id`, and every reference points into the same or
    the first Bundle: load them in order, and load them again without making anything twice. Equal arguments give equal
    bytes (`hilum.fhir.json.encode`); patient n is the same whatever the number of patients. Decimals are
    `decimal.Decimal`, whole numbers `int`, as `hilum.fhir.json.parse` would read them.
    """
    yield bundle("demo-town", town())
    for number in range(1, patients + 1):
        dice = Dice(f"hilum demo {seed} {number}")
        chart = Chart(live(dice, number, today), dice)
        write(chart)
        yield bundle(chart.life.person.id, chart.resources)


def write(chart: Chart) -> None:
    """Write a whole chart: the patient, the visits, then what happened at each of them."""
    patient(chart)
    coverage(chart)
    for visit in chart.life.visits:
        encounter(chart, visit)
    allergies(chart)
    for visit in chart.life.visits:
        if visit.first and visit.problem:
            condition(chart, visit, visit.problem)
        vital_signs(chart, visit)
        laboratory(chart, visit)
        imaging(chart, visit)
        procedures(chart, visit)
        prescriptions(chart, visit)
    immunizations(chart)
    plans(chart)
    devices(chart)
    notes(chart)
    appointments(chart)


def bundle(name: str, resources: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A transaction Bundle that puts each resource in its place."""
    return {
        "resourceType": "Bundle",
        "meta": {"security": [HTEST.coding()]},
        "identifier": {"system": TOWN + "bundles", "value": name},
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"{TOWN}fhir/{r['resourceType']}/{r['id']}",
                "resource": r,
                "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"},
            }
            for r in resources
        ],
    }
