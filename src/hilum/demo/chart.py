"""One patient's chart: resources as they are added, each with its place in the patient's own numbering.

Ids are readable and never change (`demo-p001-observation-12`), so that loading again with PUT makes nothing twice.
"""

from __future__ import annotations

from typing import Any

from hilum.demo.body import Body
from hilum.demo.codes import TOWN, reference, resource
from hilum.demo.dice import Dice
from hilum.demo.life import Life, Problem, Visit


class Chart:
    """Collects a Life's resources. `body` measures, `dice` decides details, `encounters` maps visits to references."""

    def __init__(self, life: Life, dice: Dice) -> None:
        self.life = life
        self.dice = dice
        self.body = Body(life, dice)
        self.resources: list[dict[str, Any]] = []
        self.encounters: dict[Visit, str] = {}
        self._counts: dict[str, int] = {}
        self._conditions = {
            (problem.key, problem.seen): f"{life.person.id}-condition-{n}" for n, problem in enumerate(life.problems, 1)
        }

    @property
    def patient(self) -> str:
        """`Patient/demo-p001`"""
        return f"Patient/{self.life.person.id}"

    @property
    def subject(self) -> dict[str, Any]:
        """A Reference to the patient."""
        return reference(self.patient, self.life.person.name)

    @property
    def spanish(self) -> bool:
        """Whether instructions are given in Spanish too."""
        return self.life.person.language.code == "es"

    def condition_id(self, problem: Problem) -> str:
        """The id of a problem's Condition, known before it is written, since encounters refer to it first."""
        return self._conditions[problem.key, problem.seen]

    def condition(self, problem: Problem) -> dict[str, Any]:
        """A Reference to a problem's Condition."""
        return reference(f"Condition/{self.condition_id(problem)}")

    def encounter(self, visit: Visit) -> dict[str, Any]:
        """A Reference to a visit's Encounter."""
        return reference(self.encounters[visit])

    def identifier(self, kind: str, value: str) -> dict[str, Any]:
        """A business identifier of the town's record system."""
        return {"system": f"{TOWN}{kind}", "value": value}

    def add(self, type: str, /, id: str | None = None, **elements: Any) -> str:
        """Write a resource down; returns its reference, `Type/id`."""
        if id is None:
            count = self._counts[type] = self._counts.get(type, 0) + 1
            id = f"{self.life.person.id}-{type.lower()}-{count}"
        self.resources.append(resource(type, id, **elements))
        return f"{type}/{id}"
