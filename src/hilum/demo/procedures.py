"""Procedures. https://hl7.org/fhir/R4/procedure.html"""

from __future__ import annotations

from datetime import timedelta

from hilum.demo.chart import Chart
from hilum.demo.codes import Concept, snomed, when
from hilum.demo.conditions import Acute
from hilum.demo.kinds import KINDS
from hilum.demo.life import Visit
from hilum.demo.town import location, practitioner

_SPIROMETRY = snomed("127783003", "Spirometry")
_ECG = snomed("29303009", "Electrocardiographic procedure", "Electrocardiogram")
_DEPRESSION_SCREENING = snomed("171207006", "Depression screening")
_RECONCILIATION = snomed("430193006", "Medication reconciliation")
_COLONOSCOPY = snomed("73761001", "Colonoscopy")
_MAMMOGRAPHY = snomed("71651007", "Mammography")
_FETAL_ULTRASOUND = snomed("271442007", "Fetal anatomy study", "Ultrasound of the unborn child")
_BIRTH = snomed("177184002", "Normal delivery procedure", "Birth")
_CESAREAN = snomed("11466000", "Cesarean section", "Cesarean birth")
_KNEE = snomed("609588000", "Total knee replacement")
PACEMAKER = snomed("307280005", "Implantation of cardiac pacemaker")

_AT_DIAGNOSIS = {
    "asthma": _SPIROMETRY,
    "copd": _SPIROMETRY,
    "atrial-fibrillation": _ECG,
    "sick-sinus": _ECG,
    "coronary": _ECG,
    "depression": _DEPRESSION_SCREENING,
}


def procedures(chart: Chart, visit: Visit) -> None:
    """Write what was done at this visit."""
    for number, code in enumerate(_done(chart, visit)):
        start = visit.start + timedelta(minutes=8 + 20 * number)
        if KINDS[visit.kind].klass.code == "IMP":
            start += timedelta(hours=5)
        chart.add(
            "Procedure",
            status="completed",
            code=code.concept(),
            subject=chart.subject,
            encounter=chart.encounter(visit),
            performedPeriod={"start": when(start), "end": when(start + timedelta(minutes=6))},
            performer=[{"actor": practitioner(visit.practitioner)}],
            location=location(KINDS[visit.kind].place),
            reasonReference=[chart.condition(visit.problem)] if visit.problem else None,
        )


def _done(chart: Chart, visit: Visit) -> list[Concept]:
    life, problem = chart.life, visit.problem
    if visit.end == life.died:
        return []
    if visit.first and problem:
        if isinstance(problem.course, Acute):
            return list(problem.course.procedures)
        return [_AT_DIAGNOSIS[problem.key]] if problem.key in _AT_DIAGNOSIS else []
    if visit.kind == "birth":
        return [_CESAREAN if any(p.cesarean and p.born == visit.day for p in life.pregnancies) else _BIRTH]
    if visit.kind == "prenatal" and problem and 130 < (visit.day - problem.onset).days < 170:
        return [_FETAL_ULTRASOUND]
    if visit.kind == "hospital" and problem and problem.key in ("knee", "sick-sinus"):
        return [_KNEE if problem.key == "knee" else PACEMAKER]
    if visit.kind == "checkup":
        return _screening(chart, visit)
    return []


def _screening(chart: Chart, visit: Visit) -> list[Concept]:
    """Medicines gone through with those who take several; colonoscopy about every ten years from 45 on; mammography."""
    life = chart.life
    done: list[Concept] = []
    if sum(1 for t in life.treatments if t.stop is None and t.start < visit.day) >= 3:
        done.append(_RECONCILIATION)
    checkups = [v for v in life.visits if v.kind == "checkup" and 45 <= life.person.age(v.day) <= 75]
    if visit in checkups:
        place = checkups.index(visit)
        if place % 3 == 0:
            done.append(_COLONOSCOPY)
        elif life.person.gender == "female":
            done.append(_MAMMOGRAPHY)
    return done
