"""Value sets and code hierarchies that a population itself holds. https://hl7.org/fhir/R4/valueset.html#expansion"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.oracle.criteria import Refused

Code = tuple[str | None, str | None]


class Terminology:
    """ValueSet and CodeSystem resources. They are the server's knowledge: policies do not hide them from `:in`."""

    def __init__(self, resources: Iterable[dict[str, Any]]) -> None:
        self.value_sets: dict[str, dict[str, Any]] = {}
        self.systems: dict[str, dict[str, Any]] = {}
        for body in resources:
            if body["resourceType"] == "ValueSet":
                self.value_sets[f"ValueSet/{body['id']}"] = body
                if "url" in body:
                    self.value_sets[body["url"]] = body
                    self.value_sets[f"{body['url']}|{body.get('version', '')}"] = body
            elif body["resourceType"] == "CodeSystem" and "url" in body:
                self.systems[body["url"]] = body

    def parents(self, system: str) -> dict[str, set[str]]:
        """Code -> the codes right over it. Raises Refused for a CodeSystem that is not here."""
        if system not in self.systems:
            raise Refused("unknown code system")
        found: dict[str, set[str]] = {}

        def walk(concepts: list[dict[str, Any]], over: set[str]) -> None:
            for concept in concepts:
                found.setdefault(concept["code"], set()).update(over)
                walk(concept.get("concept", []), {concept["code"]})

        walk(self.systems[system].get("concept", []), set())
        return found

    def related(self, system: str, code: str, *, below: bool) -> set[str]:
        """The code itself and all that is-a puts under it (over it)."""
        parents = self.parents(system)
        found = {code}
        while True:
            if below:
                more = {one for one, over in parents.items() if over & found}
            else:
                more = {over for one in found for over in parents.get(one, ())}
            if more <= found:
                return found
            found |= more

    def expansion(self, name: str, seen: tuple[str, ...] = ()) -> set[Code]:
        """(system, code) of everything in a value set, named by url, url|version or ValueSet/id."""
        body = self.value_sets.get(name)
        if body is None or name in seen:
            raise Refused("unknown value set")
        compose = body.get("compose")
        if compose is None:
            return {(one.get("system"), one["code"]) for one in _flat(body.get("expansion", {}).get("contains", []))}
        found: set[Code] = set()
        for include in compose["include"]:
            found |= self._selected(include, (*seen, name))
        for exclude in compose.get("exclude", ()):
            found -= self._selected(exclude, (*seen, name))
        return found

    def _selected(self, include: dict[str, Any], seen: tuple[str, ...]) -> set[Code]:
        """All parts of one include must hold: its codes, its filters, and every value set that it names."""
        sets = [self.expansion(one, seen) for one in include.get("valueSet", ())]
        if "system" in include:
            system = include["system"]
            if "concept" in include:
                codes = {one["code"] for one in include["concept"]}
            else:
                codes = set(self.parents(system))
                for one in include.get("filter", ()):
                    codes &= self._filtered(system, one)
            sets.append({(system, code) for code in codes})
        found = sets[0]
        for other in sets[1:]:
            found = found & other
        return found

    def _filtered(self, system: str, filter: dict[str, Any]) -> set[str]:
        if filter["property"] != "concept" or filter["op"] not in ("is-a", "descendent-of"):
            raise Refused("value set filter")
        under = self.related(system, filter["value"], below=True)
        return under if filter["op"] == "is-a" else under - {filter["value"]}


def _flat(contains: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    for one in contains:
        if "code" in one and not one.get("abstract"):
            yield one
        yield from _flat(one.get("contains", []))
