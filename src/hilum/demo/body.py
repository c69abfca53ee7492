"""What a measurement would find on a given day: a healthy value for the age, moved by illness and treatment.

Estimated GFR: CKD-EPI 2021 (Inker et al., N Engl J Med 2021;385:1737). Glucose from HbA1c: ADAG (Nathan et al.,
Diabetes Care 2008;31:1473). LDL: Friedewald (1972). Only values that a chart would show together are made consistent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from hilum.demo import growth
from hilum.demo.conditions import Acute, Chronic, Effect
from hilum.demo.dice import Dice
from hilum.demo.life import Life, Problem
from hilum.demo.quantities import MEASURES

_HEART_RATE = ((1, 128), (3, 110), (6, 98), (12, 85), (200, 72))
_BREATHS = ((1, 36), (3, 28), (6, 24), (12, 20), (200, 15))


def _by_age(table: tuple[tuple[int, int], ...], age: float) -> float:
    return float(next(value for limit, value in table if age < limit))


_HEALTHY: dict[str, Callable[[float, bool], float]] = {
    # (age in years, woman or girl) -> value
    "systolic": lambda age, f: 88 + 1.6 * age if age < 18 else (101 if f and age < 50 else 105) + 0.3 * age,
    "diastolic": lambda age, f: 52 + 1.0 * age if age < 18 else 67 + 0.14 * min(age, 55),
    "heart-rate": lambda age, f: _by_age(_HEART_RATE, age),
    "breaths": lambda age, f: _by_age(_BREATHS, age),
    "temperature": lambda age, f: 36.7,
    "spo2": lambda age, f: 98.4 - 0.012 * age,
    "hba1c": lambda age, f: 5.0 + 0.007 * age,
    "ldl": lambda age, f: 74 + 0.6 * min(age, 65),
    "hdl": lambda age, f: 58 if f else 49,
    "triglycerides": lambda age, f: 72 + 0.8 * min(age, 65),
    "creatinine": lambda age, f: 0.3 + 0.03 * age if age < 15 else (0.66 if f else 0.84) + 0.002 * age,
    "potassium": lambda age, f: 4.2,
    "hemoglobin": lambda age, f: 12.6 if age < 12 else 13.5 if f else 14.9,
    "leukocytes": lambda age, f: 6.9,
    "platelets": lambda age, f: 250,
    "tsh": lambda age, f: 1.9,
    "albumin-ratio": lambda age, f: 8,
    "fev1-fvc": lambda age, f: 88 - 0.15 * age,
    "phq9": lambda age, f: 2.5,
    "pain": lambda age, f: 0.4,
    "mmse": lambda age, f: 29,
}
_LIMITS = {"spo2": (82, 100), "phq9": (0, 27), "pain": (0, 10), "mmse": (4, 30), "albumin-ratio": (2, 900)}
_NO_LIMITS = (0.0, 1000.0)


class Body:
    """Measures one person. Each person has lasting offsets; each measurement wobbles around them."""

    def __init__(self, life: Life, dice: Dice) -> None:
        self._life = life
        self._dice = dice
        self._own = {key: dice.around(0, measure.spread) for key, measure in MEASURES.items()}
        # The two blood pressures of a person go up and down together.
        self._own["diastolic"] = self._own["diastolic"] / 2 + self._own["systolic"] * 0.4
        self._treated = _treatment_starts(life)

    def measure(self, key: str, on: date) -> float:
        """One measurement, not yet rounded."""
        measure = MEASURES[key]
        if key == "height":
            return self._height(on) + self._dice.around(0, measure.wobble)
        if key == "weight":
            return self._weight(on)
        if key == "head":
            return growth.head(self._life.person.gender, self._months(on)) + self._dice.around(0, measure.wobble)
        value = self.expected(key, on) + self._dice.around(0, measure.wobble)
        low, high = _LIMITS.get(key, _NO_LIMITS)
        return min(high, max(low, value))

    def expected(self, key: str, on: date) -> float:
        """The value around which measurements of that day wobble."""
        person = self._life.person
        value = _HEALTHY[key](self._months(on) / 12, person.gender == "female") + self._own[key]
        for problem in self._life.problems:
            if isinstance(problem.course, Chronic):
                for effect in problem.course.effects:
                    if effect.measure == key:
                        value += self._moved(effect, problem, on)
        if key == "pain" and self._life.knee_replaced and on > self._life.knee_replaced:
            value -= 3
        return value

    def _moved(self, effect: Effect, problem: Problem, on: date) -> float:
        """How far one condition moves a measure on that day."""
        since = (on - problem.seen).days
        grown = min(1.0, max(0.0, 1 + since / effect.lead))
        treated = self._treated.get(problem.key)
        if treated is None or on <= treated:
            return effect.untreated * grown
        days = (on - treated).days
        settled = days / (days + effect.tau)
        moved = effect.untreated + (effect.treated - effect.untreated) * settled + effect.drift * max(0, since) / 365
        return 0.0 if problem.ended and on >= problem.ended else moved

    def _months(self, on: date) -> float:
        return (on - self._life.person.birth).days / 30.4375

    def _height(self, on: date) -> float:
        person = self._life.person
        shrunk = max(0.0, self._months(on) / 12 - 55) * 0.08
        return growth.height(person.gender, self._months(on)) * person.stature - shrunk

    def _weight(self, on: date) -> float:
        """Weight for age and build; after 18 the body mass index rises slowly; pregnancy adds up to 12 kg."""
        person, months = self._life.person, self._months(on)
        median = growth.weight(person.gender, min(months, 216))
        years = max(0.0, min(months / 12, 62) - 18)
        weight = median * person.stature * person.stature * person.build
        if years:
            metres = growth.height(person.gender, 216) / 100
            weight += 0.07 * years * metres * metres * person.stature * person.stature
        weight *= 1 + self._dice.around(0, 0.008)
        for pregnancy in self._life.pregnancies:
            weeks = (on - pregnancy.began).days / 7
            if weeks > 0 and on < pregnancy.born:
                weight += 12 * max(0.0, weeks - 8) / 32
            elif 0 <= (on - pregnancy.born).days < 120:
                weight += 3
        return weight


def glucose(hba1c: float) -> float:
    """Fasting glucose in mg/dL that goes with an HbA1c in %: the estimated average, a little less."""
    return (28.7 * hba1c - 46.7) * 0.9


def egfr(creatinine: float, age: int, female: bool) -> float:
    """CKD-EPI 2021, mL/min/1.73 m2, from creatinine in mg/dL."""
    kappa, alpha = (0.7, -0.241) if female else (0.9, -0.302)
    ratio = creatinine / kappa
    value = 142 * float(min(ratio, 1.0) ** alpha) * float(max(ratio, 1.0) ** -1.2) * float(0.9938**age)
    return value * 1.012 if female else value


def fever(problem: Problem, dice: Dice) -> float:
    """Degrees above normal at the visit for a passing illness."""
    course = problem.course
    return dice.between(*course.fever) if isinstance(course, Acute) and course.fever else 0.0


def _treatment_starts(life: Life) -> dict[str, date]:
    """Condition -> the day its treatment began."""
    starts: dict[str, date] = {}
    for treatment in life.treatments:
        if treatment.problem:
            starts.setdefault(treatment.problem.key, treatment.start)
    if life.pacemaker:
        starts["sick-sinus"] = life.pacemaker
    for problem in life.problems:
        if isinstance(problem.course, Chronic) and not problem.course.medicines:
            starts.setdefault(problem.key, problem.seen)
    return starts
