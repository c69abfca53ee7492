"""Appointments to come. https://hl7.org/fhir/R4/appointment.html"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from hilum.demo.chart import Chart
from hilum.demo.codes import ZONE, Concept, hl7, when
from hilum.demo.conditions import Chronic
from hilum.demo.diagnoses import concept_of
from hilum.demo.life import Problem
from hilum.demo.town import location, practitioner

_CHECKUP = hl7("v2-0276", "CHECKUP", "A routine check-up, such as an annual physical")
_FOLLOWUP = hl7("v2-0276", "FOLLOWUP", "A follow up visit from a previous appointment")
_GENERAL_PRACTICE = hl7("service-category", "17", "General Practice")
_OBSTETRICS = hl7("service-category", "28", "Specialist Obstetrics & Gynecology")


def appointments(chart: Chart) -> None:
    """Write the next appointment: for the unborn child, for a lasting condition, or for a check-up."""
    life = chart.life
    if life.died:
        return
    expecting = next((p for p in life.problems if p.key == "pregnancy" and p.ended is None), None)
    lasting = [p for p in life.problems if isinstance(p.course, Chronic) and p.course.followups and p.ended is None]
    if expecting:
        _book(chart, "Prenatal visit", _FOLLOWUP, _OBSTETRICS, expecting, "demo-dr-mbeki", "maternity", (4, 20))
    elif lasting:
        problem = lasting[0]
        title = f"Follow-up visit: {concept_of(problem).words}"
        _book(chart, title, _FOLLOWUP, _GENERAL_PRACTICE, problem, life.person.pcp, "clinic", (7, 120))
    elif chart.dice.chance(0.6):
        _book(chart, "Check-up", _CHECKUP, _GENERAL_PRACTICE, None, life.person.pcp, "clinic", (10, 150))


def _book(
    chart: Chart,
    title: str,
    kind: Concept,
    service: Concept,
    problem: Problem | None,
    doctor: str,
    place: str,
    days: tuple[int, int],
) -> None:
    on = chart.life.today + timedelta(days=chart.dice.number(*days))
    on += timedelta(days=max(0, 7 - on.weekday()) if on.weekday() >= 5 else 0)
    start = datetime.combine(on, time(chart.dice.number(8, 16), chart.dice.pick((0, 20, 40))), ZONE)
    made = datetime.combine(chart.life.today - timedelta(days=chart.dice.number(1, 12)), time(11, 5), ZONE)

    def accepted(actor: dict[str, Any]) -> dict[str, Any]:
        return {"actor": actor, "required": "required", "status": "accepted"}

    chart.add(
        "Appointment",
        status="booked",
        serviceCategory=[service.concept()],
        appointmentType=kind.concept(),
        reasonReference=[chart.condition(problem)] if problem else None,
        description=title,
        start=when(start),
        end=when(start + timedelta(minutes=20)),
        minutesDuration=20,
        created=when(made),
        participant=[accepted(chart.subject), accepted(practitioner(doctor)), accepted(location(place))],
    )
