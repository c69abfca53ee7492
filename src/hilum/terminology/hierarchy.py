"""Which codes of a CodeSystem are under which. https://hl7.org/fhir/R4/codesystem.html#subsumption

The hierarchy is written by nesting concepts, or by the concept properties `parent`, `child` and `subsumedBy`
(https://hl7.org/fhir/R4/codesystem.html#defined-props); one code may have several parents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """All codes of a code system, and for each those right over it and right under it."""

    over: dict[str, frozenset[str]]
    under: dict[str, frozenset[str]]

    def below(self, code: str) -> frozenset[str]:
        """The code and everything under it; itself alone when the system does not have it."""
        return _closure(code, self.under)

    def above(self, code: str) -> frozenset[str]:
        """The code and everything over it; itself alone when the system does not have it."""
        return _closure(code, self.over)


def hierarchy(system: Body) -> Hierarchy:
    """The hierarchy of a CodeSystem resource."""
    over: dict[str, set[str]] = {}
    waiting: list[tuple[Body, str | None]] = [(one, None) for one in system.get("concept", ())]
    while waiting:
        concept, parent = waiting.pop()
        code = concept["code"]
        parents = over.setdefault(code, set())
        if parent is not None:
            parents.add(parent)
        for one in concept.get("property", ()):
            other = one.get("valueCode")
            if other is None:
                continue
            if one["code"] in ("parent", "subsumedBy"):
                parents.add(other)
            elif one["code"] == "child":
                over.setdefault(other, set()).add(code)
        waiting.extend((child, code) for child in concept.get("concept", ()))
    under: dict[str, set[str]] = {code: set() for code in over}
    for code, parents in over.items():
        for parent in parents:
            under.setdefault(parent, set()).add(code)
    return Hierarchy({c: frozenset(o) for c, o in over.items()}, {c: frozenset(u) for c, u in under.items()})


def _closure(code: str, step: dict[str, frozenset[str]]) -> frozenset[str]:
    found, waiting = {code}, [code]
    while waiting:
        for one in step.get(waiting.pop(), frozenset()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return frozenset(found)
