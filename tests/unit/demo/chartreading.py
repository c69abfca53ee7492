"""Reads demo charts back as anyone would: from the FHIR JSON alone, knowing nothing of how it was made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Chart:
    """One patient's resources."""

    patient: dict[str, Any]
    resources: list[dict[str, Any]]

    def of(self, *types: str) -> list[dict[str, Any]]:
        """The resources of these types, in their order."""
        return [r for r in self.resources if r["resourceType"] in types]

    def observed(self, code: str) -> list[tuple[str, Any]]:
        """(dateTime, value) of each Observation with that LOINC code, in order of time."""
        found = [
            (r["effectiveDateTime"], r["valueQuantity"]["value"])
            for r in self.of("Observation")
            if r["code"]["coding"][0]["code"] == code and "valueQuantity" in r
        ]
        return sorted(found)

    def component(self, code: str) -> list[tuple[str, Any]]:
        """(dateTime, value) of each component with that LOINC code, in order of time."""
        return sorted(
            (r["effectiveDateTime"], part["valueQuantity"]["value"])
            for r in self.of("Observation")
            for part in r.get("component", [])
            if part["code"]["coding"][0]["code"] == code
        )

    def conditions(self) -> dict[str, dict[str, Any]]:
        """SNOMED CT code -> Condition."""
        return {r["code"]["coding"][0]["code"]: r for r in self.of("Condition")}

    def prescribed(self, text: str) -> list[str]:
        """authoredOn of the MedicationRequests whose medicine's name holds that text, in order of time."""
        return sorted(
            r["authoredOn"]
            for r in self.of("MedicationRequest")
            if text in r["medicationCodeableConcept"]["coding"][0]["display"].lower()
        )

    @property
    def born(self) -> date:
        """birthDate"""
        return date.fromisoformat(self.patient["birthDate"])

    def age(self, on: str) -> int:
        """Whole years on the day of a date or dateTime."""
        at = date.fromisoformat(on[:10])
        return at.year - self.born.year - ((at.month, at.day) < (self.born.month, self.born.day))


def charts(bundles: list[dict[str, Any]]) -> list[Chart]:
    """The charts in the Bundles after the first, which is the town."""
    made = []
    for bundle in bundles[1:]:
        resources = [entry["resource"] for entry in bundle["entry"]]
        made.append(Chart(next(r for r in resources if r["resourceType"] == "Patient"), resources))
    return made


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of everything that is neither object nor array; arrays leave no trace in the path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, value


def codings(value: Any) -> Iterator[dict[str, Any]]:
    """Every Coding inside."""
    if isinstance(value, dict):
        if "system" in value and "code" in value and "value" not in value:
            yield value
        for item in value.values():
            yield from codings(item)
    elif isinstance(value, list):
        for item in value:
            yield from codings(item)
