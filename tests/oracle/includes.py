"""`_include` and `_revinclude`. https://hl7.org/fhir/R4/search.html#include"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.oracle.criteria import Refused
from tests.oracle.records import Include, Item, Name, Pairs

if TYPE_CHECKING:
    from tests.oracle.evaluator import Population


def read(population: Population, searched: tuple[str, ...], pairs: Pairs) -> list[Include]:
    """The `_include` and `_revinclude` of a search. Raises Refused."""
    found = []
    for name, value in pairs:
        kind, colon, modifier = name.partition(":")
        if kind not in ("_include", "_revinclude"):
            continue
        if colon and modifier not in ("iterate", "recurse"):
            raise Refused("include")
        found.append(_one(population, searched, value, bool(colon), kind == "_revinclude"))
    return found


def _one(population: Population, searched: tuple[str, ...], value: str, iterate: bool, reverse: bool) -> Include:
    """Raises Refused for what could never bring anything, too."""
    if value in ("*", "*:*"):
        return Include("*", None, None, iterate, reverse)
    source, *rest = value.split(":")
    if not 1 <= len(rest) <= 2 or source not in population.definitions.resource_types:
        raise Refused("include")
    if not reverse and not iterate and source not in searched:
        raise Refused("nothing of that type is found")
    target = rest[1] if len(rest) == 2 else None
    if target is not None and target not in population.definitions.resource_types:
        raise Refused("include")
    if rest[0] == "*":
        return Include(source, None, target, iterate, reverse)
    aim = population.aim(source, population.parameter(source, rest[0]))
    if target and not population.may_be(aim, target):
        raise Refused("include")
    possible = (target,) if target else aim.targets
    if reverse and not iterate and possible and not set(possible) & set(searched):
        raise Refused("nothing of that type is found")
    return Include(source, rest[0], target, iterate, reverse)


def bring(population: Population, page: list[Item], includes: list[Include]) -> set[Name]:
    """What comes along with a page, and, where it iterates, with what came along."""
    there = {item.name for item in page}
    found: set[Name] = set()
    frontier, following = page, includes
    while frontier and following:
        new = list(
            {
                other.name: other
                for one in following
                for item in frontier
                for name in _follow(population, item, one) - there - found
                if (other := population.by_name.get(name)) and population.sees(other, named=not one.reverse)
            }.values()
        )
        found |= {item.name for item in new}
        frontier, following = new, [one for one in includes if one.iterate]
    return found


def _follow(population: Population, item: Item, include: Include) -> set[Name]:
    if not include.reverse:
        if include.source not in ("*", item.type):
            return set()
        return {n for n in _out(population, item, include.code) if include.target in (None, n[0])}
    if include.target not in (None, item.type):
        return set()
    sources = population.items if include.source == "*" else population.by_type.get(include.source, [])
    return {other.name for other in sources if item.name in _out(population, other, include.code)}


def _out(population: Population, item: Item, code: str | None) -> set[Name]:
    if code is not None:
        return population.referenced(item, population.parameter(item.type, code))
    every = (p for p in population.definitions.parameters(item.type) if p.type == "reference")
    return {name for parameter in every for name in population.referenced(item, parameter)}
