"""Vital signs and scores of a visit, as Observations. https://hl7.org/fhir/R4/observation-vitalsigns.html"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from hilum.demo.body import fever
from hilum.demo.chart import Chart
from hilum.demo.codes import Concept, hl7, quantity, reference, rounded, snomed, when
from hilum.demo.conditions import Acute, Chronic
from hilum.demo.life import Visit
from hilum.demo.quantities import BLOOD_PRESSURE, MEASURES
from hilum.demo.town import practitioner

VITAL_SIGNS = hl7("observation-category", "vital-signs", "Vital Signs")
SURVEY = hl7("observation-category", "survey", "Survey")
PROCEDURE = hl7("observation-category", "procedure", "Procedure")
SOCIAL = hl7("observation-category", "social-history", "Social History")

_CATEGORIES = {"fev1-fvc": PROCEDURE, "phq9": SURVEY, "pain": SURVEY, "mmse": SURVEY}
_SMOKING_STATUS = Concept("http://loinc.org", "72166-2", "Tobacco smoking status")
_SMOKING = {
    "never": snomed("266919005", "Never smoked tobacco"),
    "former": snomed("8517006", "Ex-smoker"),
    "daily": snomed("449868002", "Smokes tobacco daily"),
}
_PREGNANCY_STATUS = Concept("http://loinc.org", "82810-3", "Pregnancy status")
_PREGNANT = snomed("77386006", "Pregnant")

_TAKEN = {
    "checkup": ("blood-pressure", "heart-rate", "height", "weight"),
    "followup": ("blood-pressure",),
    "problem": (),
    "telehealth": (),
    "emergency": ("blood-pressure", "heart-rate"),
    "hospital": ("blood-pressure", "heart-rate", "spo2"),
    "prenatal-first": ("blood-pressure", "weight"),
    "prenatal": ("blood-pressure", "weight"),
    "birth": ("blood-pressure", "heart-rate"),
    "postnatal": ("blood-pressure", "weight"),
}
"""What is always taken at a kind of visit; children's visits and illness add to it."""


def vital_signs(chart: Chart, visit: Visit) -> None:
    """Write down what is measured at this visit."""
    at = visit.start + timedelta(minutes=5)
    for key in _wanted(chart, visit):
        if key == "blood-pressure":
            _blood_pressure(chart, visit, at)
        elif key == "weight":
            _weight(chart, visit, at)
        else:
            value = chart.body.measure(key, visit.day) + _illness(chart, visit, key)
            measured(chart, visit, at, key, value)
    checkups = [v for v in chart.life.visits if v.kind == "checkup"]
    if visit in (checkups[:1] + checkups[-1:]):
        observation(
            chart, visit, at, SOCIAL, _SMOKING_STATUS, valueCodeableConcept=_SMOKING[_smoking(chart, visit)].concept()
        )
    elif visit.kind == "prenatal-first":
        observation(chart, visit, at, SOCIAL, _PREGNANCY_STATUS, valueCodeableConcept=_PREGNANT.concept())


def _wanted(chart: Chart, visit: Visit) -> list[str]:
    """The keys to measure, in the order in which a nurse takes them."""
    months = (visit.day - chart.life.person.birth).days / 30.4375
    if visit.kind == "child":
        wanted = ["blood-pressure"] if months >= 36 else []
        wanted += ["height", "weight"]
        if months < 30:
            wanted.append("head")
    else:
        wanted = list(_TAKEN[visit.kind])
    course = visit.problem.course if visit.problem else None
    if isinstance(course, Acute) and visit.kind != "telehealth":
        wanted += ["temperature"] if course.fever else []
        wanted += ["spo2", "breaths"] if course.spo2 else []
        wanted += ["pain"] if course.pain else []
        wanted += ["heart-rate"] if course.fever and visit.kind == "problem" else []
    elif isinstance(course, Chronic):
        moved = [effect.measure for effect in course.effects]
        if visit.first and visit.kind == "problem":
            wanted.append("blood-pressure")
        wanted += [key for key in ("heart-rate", "spo2", "breaths") if key in moved]
        wanted += course.scores
    if visit.kind == "checkup":
        for problem in chart.life.problems:
            if isinstance(problem.course, Chronic) and chart.life.has(problem.key, visit.day):
                wanted += problem.course.scores
    if chart.life.person.age(visit.day) < 6:
        wanted = [key for key in wanted if key != "fev1-fvc"]
    return list(dict.fromkeys(wanted))


def _illness(chart: Chart, visit: Visit, key: str) -> float:
    """What a passing illness adds to a measure on the day that it brings someone in."""
    course = visit.problem.course if visit.problem and visit.first else None
    if not isinstance(course, Acute):
        return 0.0
    if key == "temperature" and visit.problem:
        return fever(visit.problem, chart.dice)
    if key == "spo2":
        return course.spo2
    if key == "breaths":
        return 4.0 if course.spo2 < -3 else 1.5
    if key == "heart-rate":
        return 14.0 if course.fever or course.pain else 0.0
    if key == "pain" and course.pain:
        return chart.dice.between(*course.pain)
    return 0.0


def _blood_pressure(chart: Chart, visit: Visit, at: datetime) -> None:
    """Systolic and diastolic as components of one Observation; at least 25 mmHg lie between them."""
    systolic = chart.body.measure("systolic", visit.day)
    diastolic = min(chart.body.measure("diastolic", visit.day), systolic - 25)
    components = []
    for key, value in (("systolic", systolic), ("diastolic", diastolic)):
        measure = MEASURES[key]
        amount = quantity(rounded(value, measure.digits), measure.unit, measure.ucum)
        components.append({"code": measure.code.concept(), "valueQuantity": amount})
    observation(chart, visit, at, VITAL_SIGNS, BLOOD_PRESSURE, component=components)


def _weight(chart: Chart, visit: Visit, at: datetime) -> None:
    """Weight, and where the height was taken just before, the body mass index of the two as written."""
    weight = measured(chart, visit, at, "weight", chart.body.measure("weight", visit.day))
    before = chart.resources[-2] if len(chart.resources) > 1 else {}
    older_than_two = (visit.day - chart.life.person.birth).days > 730
    if before.get("code", {}).get("coding", [{}])[0].get("code") == MEASURES["height"].code.code and older_than_two:
        index = body_mass_index(Decimal(weight), Decimal(before["valueQuantity"]["value"]))
        measure = MEASURES["bmi"]
        observation(
            chart, visit, at, VITAL_SIGNS, measure.code, valueQuantity=quantity(index, measure.unit, measure.ucum)
        )


def body_mass_index(kilograms: Decimal, centimetres: Decimal) -> Decimal:
    """kg/m2 to one decimal."""
    metres = centimetres / 100
    return (kilograms / (metres * metres)).quantize(Decimal("0.1"), ROUND_HALF_UP)


def measured(chart: Chart, visit: Visit, at: datetime, key: str, value: float) -> Decimal | int:
    """Write one measured quantity; returns it as written."""
    measure = MEASURES[key]
    written = rounded(value, measure.digits)
    category = _CATEGORIES.get(key, VITAL_SIGNS)
    observation(chart, visit, at, category, measure.code, valueQuantity=quantity(written, measure.unit, measure.ucum))
    return written


def observation(chart: Chart, visit: Visit, at: datetime, category: Concept, code: Concept, **value: Any) -> str:
    """Write an Observation made at a visit."""
    return chart.add(
        "Observation",
        status="final",
        category=[category.concept()],
        code=code.concept(),
        subject=chart.subject,
        encounter=reference(chart.encounters[visit]),
        effectiveDateTime=when(at),
        performer=[practitioner(visit.practitioner)],
        **value,
    )


def _smoking(chart: Chart, visit: Visit) -> str:
    """Those who gave up still smoked at the first checkups."""
    status, life = chart.life.person.smoking, chart.life
    early = (visit.day - life.begins).days < (life.end - life.begins).days // 2
    return "daily" if status == "former" and early else status
