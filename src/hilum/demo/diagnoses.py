"""Conditions. https://hl7.org/fhir/R4/condition.html"""

from __future__ import annotations

from hilum.demo.chart import Chart
from hilum.demo.codes import Concept, day, hl7
from hilum.demo.conditions import PREGNANCY, Acute
from hilum.demo.life import Problem, Visit
from hilum.demo.town import practitioner

_CLINICAL = {"active": "Active", "resolved": "Resolved"}
_CONFIRMED = hl7("condition-ver-status", "confirmed", "Confirmed")
_PROBLEM_LIST = hl7("condition-category", "problem-list-item", "Problem List Item")
_ENCOUNTER = hl7("condition-category", "encounter-diagnosis", "Encounter Diagnosis")


def concept_of(problem: Problem) -> Concept:
    """The code of a problem."""
    return problem.course.concept if problem.course else PREGNANCY


def condition(chart: Chart, visit: Visit, problem: Problem) -> None:
    """Write the Condition that was diagnosed at this visit."""
    status = "resolved" if problem.ended else "active"
    chart.add(
        "Condition",
        chart.condition_id(problem),
        clinicalStatus=hl7("condition-clinical", status, _CLINICAL[status]).concept(),
        verificationStatus=_CONFIRMED.concept(),
        category=[(_ENCOUNTER if isinstance(problem.course, Acute) else _PROBLEM_LIST).concept()],
        code=concept_of(problem).concept(),
        subject=chart.subject,
        encounter=chart.encounter(visit),
        onsetDateTime=day(problem.onset),
        abatementDateTime=day(problem.ended) if problem.ended else None,
        recordedDate=day(visit.day),
        recorder=practitioner(visit.practitioner),
    )
