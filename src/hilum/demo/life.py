"""A life, before it is written down: who, when which illness began and ended, what was taken for it, when they came.

Nothing here knows FHIR; chart.py and its neighbours turn a Life into resources.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from hilum.demo.conditions import Acute, Chronic
from hilum.demo.medications import Medicine
from hilum.demo.people import Person


@dataclass(frozen=True, slots=True)
class Problem:
    """A condition of this person. `ended` None: still there. `seen`: the day it was diagnosed."""

    key: str
    course: Chronic | Acute | None
    onset: date
    seen: date
    ended: date | None = None


@dataclass(frozen=True, slots=True)
class Treatment:
    """A medicine, taken from `start` until `stop` (None: still)."""

    key: str
    medicine: Medicine
    problem: Problem | None
    start: date
    stop: date | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One encounter. `kind` is a key of visits.KINDS; `first` says that `problem` is diagnosed here."""

    kind: str
    start: datetime
    end: datetime
    practitioner: str
    problem: Problem | None = None
    first: bool = False

    @property
    def day(self) -> date:
        """The day it began."""
        return self.start.date()


@dataclass(frozen=True, slots=True)
class Pregnancy:
    """`began`: first day of the last period; `born`: the day of birth, planned or past. `cesarean` birth or not."""

    began: date
    born: date
    cesarean: bool


@dataclass(frozen=True, slots=True)
class Life:
    """All of it. Problems, treatments and visits are in order of time. `end` is the day of death, or of today."""

    person: Person
    today: date
    begins: date
    end: date
    died: datetime | None
    problems: tuple[Problem, ...]
    treatments: tuple[Treatment, ...]
    visits: tuple[Visit, ...]
    pregnancies: tuple[Pregnancy, ...]
    allergies: tuple[str, ...]
    knee_replaced: date | None
    pacemaker: date | None

    def has(self, key: str, on: date) -> bool:
        """Whether a condition was known and not over on that day."""
        return any(p.key == key and p.seen <= on and (p.ended is None or on < p.ended) for p in self.problems)
