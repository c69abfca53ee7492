"""Criteria about other resources: chains, `_has`, `_list`, and hierarchies of places.

https://hl7.org/fhir/R4/search.html#chaining. What the asker may not see is as if it were not there; a search that could
only be answered by types of which nothing may be seen is Forbidden.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.oracle import contained, criteria
from tests.oracle.criteria import Aim, Forbidden, Refused
from tests.oracle.records import Holds, Item, Name
from tests.oracle.values import Reference

if TYPE_CHECKING:
    from tests.oracle.evaluator import Population

HIERARCHIES = {"Location": "partof", "Organization": "partof", "Encounter": "part-of"}
"""Type -> the parameter that says what it is part of. https://hl7.org/fhir/R4/search.html#recursive"""


def chain(population: Population, type: str, head: str, make: Callable[[str], Holds]) -> Holds:
    """`subject:Patient` or `subject`, and what must hold there per target type; untyped: every type where it can."""
    code, colon, only = head.partition(":")
    parameter = population.parameter(type, code)
    aim = population.aim(type, parameter)
    if colon and not population.may_be(aim, only):
        raise Refused("chain")
    tests: dict[str, Holds] = {}
    for target in (only,) if colon else aim.targets or population.definitions.resource_types:
        try:
            tests[target] = make(target)
        except Forbidden:
            raise
        except Refused:
            if colon:
                raise
    if not tests:
        raise Refused("chain")
    if not any(population.nameable(target) for target in tests):
        raise Forbidden("chain")

    def holds(item: Item) -> bool:
        for name in population.referenced(item, parameter):
            target = population.by_name.get(name)
            if target and target.type in tests and population.sees(target, named=True) and tests[target.type](target):
                return True
        local = population.local(item, parameter)
        beside = contained.inside([item.holder or item]) if local else ()
        return any(
            one.id in local and one.type in tests and population.sees(one, named=True) and tests[one.type](one)
            for one in beside
        )

    return holds


def has(population: Population, type: str, name: str, value: str) -> Holds:
    """`_has:Type:parameter:rest`: something visible refers here that satisfies the rest."""
    parts = name.split(":", 3)
    if len(parts) != 4 or parts[1] not in population.definitions.resource_types:
        raise Refused("_has")
    _, source, code, rest = parts
    parameter = population.parameter(source, code)
    aim = population.aim(source, parameter)
    if not population.may_be(aim, type):
        raise Refused("_has")
    test = population.holds(source, rest, value)
    if not population.permits(source):
        raise Forbidden("_has")
    referring: set[Name] = set()
    for item in population.by_type.get(source, ()):
        if population.sees(item) and test(item):
            referring |= population.referenced(item, parameter)
    return lambda item: item.name in referring


def of_list(population: Population, value: str) -> Holds:
    """The entries of a List that is visible; nothing of one that is not."""
    ids = [text.removeprefix("List/") for text in criteria.split(value, ",")]
    permits = population.lists()
    if not permits:
        raise Forbidden("_list")
    if any(not criteria.ID.fullmatch(id) for id in ids):
        raise Refused("_list")
    entries: set[Name] = set()
    for id in ids:
        item = population.by_name.get(("List", id))
        if item and population.within(item, permits):
            entries |= population.referenced(item, population.parameter("List", "item"))
    return lambda item: item.name in entries


def place(population: Population, text: str, aim: Aim, modifier: str) -> criteria.Test:
    """`:below` and `:above`: along what is visible of the hierarchy. The value itself always counts."""
    kinds = [t for t in HIERARCHIES if population.may_be(aim, t)]
    plain = criteria.unescape(text).removeprefix(population.base + "/")
    kind, slash, id = plain.rpartition("/")
    if not criteria.ID.fullmatch(id) or not kinds or (slash and kind not in kinds):
        raise Refused("place")
    found = {(kind, id)} if slash else {(one, id) for one in kinds}
    frontier = set(found)
    while frontier:
        frontier = {n for name in frontier for n in _next(population, name, modifier)} - found
        found |= frontier
    return lambda value: isinstance(value, Reference) and (value.type, value.id) in found


def _next(population: Population, name: Name, modifier: str) -> set[Name]:
    up = population.parameter(name[0], HIERARCHIES[name[0]])
    if modifier == "above":
        item = population.by_name.get(name)
        over = population.referenced(item, up) if item and population.sees(item) else set()
        return {one for one in over if one[0] == name[0]}
    under = population.by_type.get(name[0], ())
    return {item.name for item in under if population.sees(item) and name in population.referenced(item, up)}
