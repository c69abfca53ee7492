"""Care plans, their goals, and who carries them out. https://hl7.org/fhir/R4/careplan.html"""

from __future__ import annotations

from datetime import timedelta
from html import escape
from typing import Any

from hilum.demo.chart import Chart
from hilum.demo.codes import US_CORE, Concept, day, hl7, quantity, reference, snomed
from hilum.demo.conditions import Chronic, Plan
from hilum.demo.life import Problem, Visit
from hilum.demo.quantities import MEASURES
from hilum.demo.town import organization, practitioner

_ASSESS_PLAN = Concept(US_CORE + "CodeSystem/careplan-category", "assess-plan", "Assessment and Plan of Treatment")
_IN_PROGRESS = hl7("goal-achievement", "in-progress", "In Progress")
_IMPROVING = hl7("goal-achievement", "improving", "Improving")
_DOCTOR = snomed("309343006", "Physician")


def plans(chart: Chart) -> None:
    """Write a plan with its goal for each lasting condition that has one, and one team for them all."""
    written = []
    for problem in chart.life.problems:
        if isinstance(problem.course, Chronic) and problem.course.plan:
            visit = next(v for v in chart.life.visits if v.problem is problem and v.first)
            goal = _goal(chart, visit, problem, problem.course.plan)
            written.append((problem, problem.course.plan, visit, goal))
    if not written:
        return
    team = _team(chart, [problem for problem, *_ in written])
    for problem, plan, visit, goal in written:
        _care_plan(chart, visit, problem, plan, goal, team)


def _goal(chart: Chart, visit: Visit, problem: Problem, plan: Plan) -> str:
    target: dict[str, Any] = {"dueDate": day(visit.day + timedelta(days=365))}
    if plan.measure:
        measure = MEASURES[plan.measure]
        target = {
            "measure": measure.code.concept(),
            "detailRange": {"high": quantity(plan.target, measure.unit, measure.ucum)},
            **target,
        }
    seen_again = any(v.problem is problem and not v.first for v in chart.life.visits)
    return chart.add(
        "Goal",
        lifecycleStatus="completed" if chart.life.died else "active",
        achievementStatus=(_IMPROVING if seen_again else _IN_PROGRESS).concept(),
        description={"text": plan.goal},
        subject=chart.subject,
        startDate=day(visit.day),
        target=[target],
        expressedBy=practitioner(visit.practitioner),
        addresses=[chart.condition(problem)],
    )


def _team(chart: Chart, problems: list[Problem]) -> str:
    """The family doctor, the specialists of these conditions, and the patient."""
    doctors = [chart.life.person.pcp]
    doctors += [p.course.specialist for p in problems if isinstance(p.course, Chronic) and p.course.specialist]
    period = {"start": day(min(p.seen for p in problems))}
    if chart.life.died:
        period["end"] = day(chart.life.died)
    return chart.add(
        "CareTeam",
        status="inactive" if chart.life.died else "active",
        name=f"Care team of {chart.life.person.name}",
        subject=chart.subject,
        period=period,
        participant=[
            *({"role": [_DOCTOR.concept()], "member": practitioner(doctor)} for doctor in dict.fromkeys(doctors)),
            {"role": [snomed("116154003", "Patient").concept()], "member": chart.subject},
        ],
        managingOrganization=[organization("clinic")],
    )


def _care_plan(chart: Chart, visit: Visit, problem: Problem, plan: Plan, goal: str, team: str) -> None:
    items = "".join(f"<li>{escape(activity.words)}</li>" for activity in plan.activities)
    div = (
        f'<div xmlns="http://www.w3.org/1999/xhtml"><p><b>{escape(plan.title)}</b></p>'
        f"<ul>{items}</ul><p>Goal: {escape(plan.goal)}.</p></div>"
    )
    period = {"start": day(visit.day)}
    if chart.life.died:
        period["end"] = day(chart.life.died)
    over = chart.life.died is not None
    chart.add(
        "CarePlan",
        text={"status": "generated", "div": div},
        status="completed" if over else "active",
        intent="plan",
        category=[_ASSESS_PLAN.concept()],
        title=plan.title,
        subject=chart.subject,
        encounter=chart.encounter(visit),
        period=period,
        created=day(visit.day),
        author=practitioner(visit.practitioner),
        careTeam=[reference(team)],
        addresses=[chart.condition(problem)],
        goal=[reference(goal)],
        activity=[
            {"detail": {"code": activity.concept(), "status": "completed" if over else "in-progress"}}
            for activity in plan.activities
        ],
    )
