"""Which codes a ValueSet means. https://hl7.org/fhir/R4/valueset.html#compositions

Pure: other value sets and code systems that a definition needs are asked for by yielding their names, so that whoever
drives it may look them up as it can.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from hilum.problems import Invalid
from hilum.terminology.hierarchy import Hierarchy, hierarchy

Body = dict[str, Any]
Code = tuple[str | None, str | None]
"""(system, code); code None: every code of the system."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A resource that is needed: `type` ValueSet or CodeSystem, named by url, url|version or Type/id."""

    type: str
    name: str


Expanding = Generator[Wanted, Body | None, frozenset[Code]]


def expand(name: str, within: tuple[str, ...] = ()) -> Expanding:
    """The codes of a value set. Raises Invalid when it is not there, contains itself, or can't be listed."""
    if name in within:
        raise Invalid("The value set includes itself, and so has no expansion.")
    body = yield Wanted("ValueSet", name)
    if body is None:
        raise Invalid("The value set is not known here: store the ValueSet, or name it by its url or ValueSet/[id].")
    if "compose" not in body:
        return frozenset(_contained(body.get("expansion", {}).get("contains", [])))
    found: set[Code] = set()
    for include in body["compose"].get("include", ()):
        found |= yield from _selected(include, (*within, name))
    for exclude in body["compose"].get("exclude", ()):
        out = yield from _selected(exclude, (*within, name))
        found = {one for one in found if one not in out and (one[0], None) not in out}
        if {system for system, code in found if code is None} & {system for system, _ in out}:
            raise Invalid("The value set excludes codes of a code system that is not known here: store the CodeSystem.")
    return frozenset(found)


def _contained(contains: list[Body]) -> list[Code]:
    found: list[Code] = []
    waiting = list(contains)
    while waiting:
        one = waiting.pop()
        if "code" in one and not one.get("abstract"):
            found.append((one.get("system"), one["code"]))
        waiting.extend(one.get("contains", ()))
    return found


def _selected(include: Body, within: tuple[str, ...]) -> Expanding:
    """What one include selects: "all of the conditions that it names", codes, filters and value sets."""
    found: frozenset[Code] | None = None
    for name in include.get("valueSet", ()):
        other = yield from expand(name, within)
        found = other if found is None else _both(found, other)
    if "system" in include:
        codes = yield from _of_system(include)
        found = codes if found is None else _both(found, codes)
    return found or frozenset()


def _both(some: frozenset[Code], others: frozenset[Code]) -> frozenset[Code]:
    """What is in both, where (system, None) is every code of a system."""
    return frozenset(one for one in some if one in others or (one[0], None) in others) | frozenset(
        one for one in others if (one[0], None) in some
    )


def _of_system(include: Body) -> Expanding:
    system = include["system"]
    if "concept" in include:
        return frozenset((system, one["code"]) for one in include["concept"])
    version = include.get("version")
    body = yield Wanted("CodeSystem", f"{system}|{version}" if version else system)
    filters = include.get("filter", ())
    if body is None or body.get("content") in ("not-present", "example", "fragment"):
        if filters:
            raise Invalid("The value set filters a code system that is not known here: store the CodeSystem.")
        return frozenset(((system, None),))
    tree = hierarchy(body)
    codes = frozenset(tree.over)
    for one in filters:
        codes &= _filtered(tree, one)
    return frozenset((system, code) for code in codes)


def _filtered(tree: Hierarchy, filter: Body) -> frozenset[str]:
    """https://hl7.org/fhir/R4/valueset-filter-operator.html, on the concept itself."""
    codes, value = frozenset(tree.over), filter["value"]
    operator = filter["op"] if filter["property"] in ("concept", "code") else ""
    match operator:
        case "is-a":
            return tree.below(value)
        case "descendent-of":
            return tree.below(value) - {value}
        case "is-not-a":
            return codes - tree.below(value)
        case "generalizes":
            return tree.above(value)
        case "=":
            return codes & {value}
        case "in":
            return codes & set(value.split(","))
        case "not-in":
            return codes - set(value.split(","))
    raise Invalid("The value set has a filter that is not supported; those on the property concept with is-a are.")
