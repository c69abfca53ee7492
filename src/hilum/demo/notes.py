"""Short notes of doctors, as DocumentReferences with the text inside. https://hl7.org/fhir/R4/documentreference.html"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

from hilum.demo.chart import Chart
from hilum.demo.codes import US_CORE, Concept, day, loinc, when
from hilum.demo.diagnoses import concept_of
from hilum.demo.kinds import KINDS
from hilum.demo.life import Visit
from hilum.demo.town import NAMES, organization, practitioner

_PROGRESS = loinc("11506-3", "Progress note")
_DISCHARGE = loinc("18842-5", "Discharge summary")
_CLINICAL_NOTE = Concept(US_CORE + "CodeSystem/us-core-documentreference-category", "clinical-note", "Clinical Note")


def notes(chart: Chart) -> None:
    """Write a note for each hospital stay and for the latest two visits in the clinic."""
    visits = [visit for visit in chart.life.visits if visit.kind not in ("telehealth", "emergency")]
    stays = [visit for visit in visits if KINDS[visit.kind].klass.code == "IMP"]
    latest = [visit for visit in visits if visit not in stays][-2:]
    for visit in sorted([*stays, *latest], key=lambda v: v.start):
        _note(chart, visit, _DISCHARGE if visit in stays else _PROGRESS)


def _note(chart: Chart, visit: Visit, type: Concept) -> None:
    text = _text(chart, visit).encode()
    title = f"{type.display}, {day(visit.day)}"
    chart.add(
        "DocumentReference",
        identifier=[chart.identifier("documents", chart.encounters[visit].removeprefix("Encounter/"))],
        status="current",
        docStatus="final",
        type=type.concept(),
        category=[_CLINICAL_NOTE.concept()],
        subject=chart.subject,
        date=when(visit.end),
        author=[practitioner(visit.practitioner)],
        custodian=organization("clinic"),
        content=[
            {
                "attachment": {
                    "contentType": "text/plain; charset=utf-8",
                    "language": "en",
                    "data": b64encode(text).decode(),
                    "size": len(text),
                    # SHA-1 is what the element asks for: a fingerprint, not a protection.
                    "hash": b64encode(hashlib.sha1(text, usedforsecurity=False).digest()).decode(),
                    "title": title,
                    "creation": when(visit.end),
                }
            }
        ],
        context={"encounter": [chart.encounter(visit)], "period": {"start": when(visit.start), "end": when(visit.end)}},
    )


def _text(chart: Chart, visit: Visit) -> str:
    """The note: who, why, what was found and prescribed at this visit, as the chart has it."""
    life, person = chart.life, chart.life.person
    lines = [
        f"{KINDS[visit.kind].type.words}, {day(visit.day)}",
        f"Patient: {person.name}, {person.age(visit.day)} years, {person.gender}",
        f"Seen by: {NAMES[visit.practitioner]}",
        "",
        f"Reason: {concept_of(visit.problem).words if visit.problem else 'routine'}",
    ]
    known = [concept_of(p).words for p in life.problems if life.has(p.key, visit.day) and p is not visit.problem]
    if known:
        lines.append(f"Also known: {', '.join(dict.fromkeys(known))}")
    encounter = chart.encounters[visit]
    here = [r for r in chart.resources if r.get("encounter", {}).get("reference") == encounter]
    findings = [line for r in here if r["resourceType"] == "Observation" and (line := _finding(r))]
    if findings:
        lines += ["", "Findings:", *(f"- {line}" for line in findings)]
    orders = [r["medicationCodeableConcept"]["text"] for r in here if r["resourceType"] == "MedicationRequest"]
    done = [r["code"]["text"] for r in here if r["resourceType"] == "Procedure"]
    given = [f"{r['vaccineCode']['text']} vaccine" for r in here if r["resourceType"] == "Immunization"]
    if orders or done or given:
        lines += ["", "Done and prescribed:", *(f"- {item}" for item in (*done, *given, *orders))]
    if visit.end == life.died:
        lines += ["", f"The patient died on {day(life.died)}, with the family present."]
    return "\n".join(lines) + "\n"


def _finding(observation: dict[str, Any]) -> str:
    name = observation["code"]["text"]
    if "component" in observation:
        upper, lower = (part["valueQuantity"]["value"] for part in observation["component"])
        return f"{name}: {upper}/{lower} mmHg"
    if "valueQuantity" in observation:
        quantity = observation["valueQuantity"]
        unit = "" if quantity["unit"].startswith("{") else f" {quantity['unit']}"
        return f"{name}: {quantity['value']}{unit}"
    return f"{name}: {observation['valueCodeableConcept']['text']}"
