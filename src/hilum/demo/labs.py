"""Laboratory results: Observations with reference ranges, and a DiagnosticReport for each panel.

https://hl7.org/fhir/R4/diagnosticreport.html
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hilum.demo.body import egfr, glucose
from hilum.demo.chart import Chart
from hilum.demo.codes import Concept, hl7, quantity, reference, rounded, when
from hilum.demo.conditions import Acute, Chronic
from hilum.demo.diagnoses import concept_of
from hilum.demo.life import Visit
from hilum.demo.quantities import MEASURES, PANELS, Measure
from hilum.demo.town import organization, practitioner

LABORATORY = hl7("observation-category", "laboratory", "Laboratory")
_LAB_SECTION = hl7("v2-0074", "LAB", "Laboratory")
_RADIOLOGY = hl7("v2-0074", "RAD", "Radiology")
_FLAGS = {"H": "High", "L": "Low", "N": "Normal"}
_DIRECTOR = "demo-dr-voss"


def laboratory(chart: Chart, visit: Visit) -> None:
    """Take blood if the visit calls for it, and write the results of a few hours later."""
    for name in _wanted(chart, visit):
        _panel(chart, visit, name)


def imaging(chart: Chart, visit: Visit) -> None:
    """The report of the X-ray that a passing illness calls for."""
    course = visit.problem.course if visit.problem and visit.first else None
    if not isinstance(course, Acute) or course.image is None or visit.problem is None:
        return
    code, finding = course.image
    at = visit.start + timedelta(minutes=40)
    _report(chart, visit, _RADIOLOGY, code, at + timedelta(minutes=25), organization("hospital"),
            effectiveDateTime=when(at), conclusion=finding,
            conclusionCode=[concept_of(visit.problem).concept()])  # fmt: skip


def _wanted(chart: Chart, visit: Visit) -> list[str]:
    life, course = chart.life, visit.problem.course if visit.problem else None
    if isinstance(course, Chronic) and visit.kind in ("problem", "emergency"):
        return list(course.panels)
    if isinstance(course, Chronic) and visit.kind == "followup":
        return [panel for panel in course.panels[:1] if panel != "metabolic"]
    if isinstance(course, Acute) and visit.kind in ("emergency", "hospital") and course.fever:
        return ["blood-count"]
    if visit.kind == "prenatal-first":
        return ["blood-count"]
    if visit.kind != "checkup":
        return []
    wanted: list[str] = []
    for problem in life.problems:
        if isinstance(problem.course, Chronic) and life.has(problem.key, visit.day):
            wanted += problem.course.panels
    checkups = [v for v in life.visits if v.kind == "checkup"]
    if checkups.index(visit) % 2 == 0:
        # Those that change slowly, at every other check-up.
        return list(dict.fromkeys([*wanted, "lipids"] if life.person.age(visit.day) >= 40 else wanted))
    slow = ("lipids", "urine-albumin") if life.has("kidney", visit.day) else ("lipids", "urine-albumin", "metabolic")
    return [panel for panel in dict.fromkeys(wanted) if panel not in slow]


def _values(chart: Chart, visit: Visit, name: str) -> dict[str, Decimal | int]:
    """The values of a panel, consistent among themselves, as they are written."""
    body, person, on = chart.body, chart.life.person, visit.day

    def take(key: str) -> Decimal | int:
        return rounded(body.measure(key, on), MEASURES[key].digits)

    if name == "lipids":
        low, high, fats = body.measure("ldl", on), take("hdl"), take("triglycerides")
        total = rounded(low + float(high) + float(fats) / 5, 0)
        calculated = int((Decimal(total) - Decimal(high) - Decimal(fats) / 5).to_integral_value())
        return {"cholesterol": total, "triglycerides": fats, "hdl": high, "ldl": calculated}
    if name == "metabolic":
        creatinine = take("creatinine")
        sugar = glucose(body.expected("hba1c", on)) + chart.dice.around(0, MEASURES["glucose"].wobble)
        values: dict[str, Decimal | int] = {"glucose": rounded(sugar, 0), "creatinine": creatinine}
        if person.age(on) >= 18:
            values["egfr"] = rounded(egfr(float(creatinine), person.age(on), person.gender == "female"), 0)
        return {**values, "potassium": take("potassium")}
    values = {key: take(key) for key in PANELS[name].measures}
    if "leukocytes" in values and visit.problem and isinstance(visit.problem.course, Acute):
        values["leukocytes"] = Decimal(values["leukocytes"]) + Decimal("6.5")
    return values


def _panel(chart: Chart, visit: Visit, name: str) -> None:
    drawn = visit.start + timedelta(minutes=15)
    issued = drawn + timedelta(hours=4)
    lab = organization("laboratory")
    results = []
    for key, value in _values(chart, visit, name).items():
        measure = MEASURES[key]
        flag = _flag(measure, value)
        results.append(chart.add(
            "Observation",
            status="final",
            category=[LABORATORY.concept()],
            code=measure.code.concept(),
            subject=chart.subject,
            encounter=chart.encounter(visit),
            effectiveDateTime=when(drawn),
            issued=when(issued),
            performer=[lab],
            valueQuantity=quantity(value, measure.unit, measure.ucum),
            interpretation=[hl7("v3-ObservationInterpretation", flag, _FLAGS[flag]).concept()],
            referenceRange=_reference_range(measure),
        ))  # fmt: skip
    if len(results) > 1:
        _report(chart, visit, _LAB_SECTION, PANELS[name].code, issued, lab,
                effectiveDateTime=when(drawn), result=[reference(result) for result in results])  # fmt: skip


def _report(
    chart: Chart, visit: Visit, section: Concept, code: Concept, issued: Any, by: dict[str, Any], **more: Any
) -> None:
    effective = more.pop("effectiveDateTime")
    chart.add(
        "DiagnosticReport",
        status="final",
        category=[section.concept()],
        code=code.concept(),
        subject=chart.subject,
        encounter=chart.encounter(visit),
        effectiveDateTime=effective,
        issued=when(issued),
        performer=[by],
        resultsInterpreter=[practitioner(_DIRECTOR)] if section is _LAB_SECTION else None,
        **more,
    )


def _flag(measure: Measure, value: Decimal | int) -> str:
    """Against the reference range: L, N or H."""
    if measure.low is not None and value < Decimal(measure.low):
        return "L"
    if measure.high is not None and value > Decimal(measure.high):
        return "H"
    return "N"


def _reference_range(measure: Measure) -> list[dict[str, Any]] | None:
    limits = {
        side: quantity(int(text) if "." not in text else Decimal(text), measure.unit, measure.ucum)
        for side, text in (("low", measure.low), ("high", measure.high))
        if text is not None
    }
    return [limits] if limits else None
