"""`_contained` and `_containedType`. https://hl7.org/fhir/R4/search.html#contained

A contained resource is looked at as if it were one of its own: it was changed when its container was, lies in its
container's compartments, and is seen by who may see both its type and the container.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from tests.oracle import includes, order
from tests.oracle.criteria import Forbidden, Refused
from tests.oracle.records import Found, Item, Name, Pairs, Policy

if TYPE_CHECKING:
    from tests.oracle.evaluator import Population

NAMES = ("_contained", "_containedType")


def asked(pairs: Pairs) -> bool:
    """Whether the search is for contained resources."""
    return any(name == "_contained" and value != "false" for name, value in pairs)


def inside(items: Iterable[Item]) -> Iterator[Item]:
    """What these contain, as items; the id of its name tells where it is."""
    for holder in items:
        for place, body in enumerate(holder.body.get("contained", ())):
            meta = {**body.get("meta", {}), "lastUpdated": holder.body["meta"]["lastUpdated"]}
            yield Item(
                holder.place, body["resourceType"], body.get("id", ""), {**body, "meta": meta}, holder=holder, at=place
            )


def search(
    population: Population, type: str | None, pairs: Pairs, policy: Policy | None, compartment: Name | None
) -> Found:
    """Everything that matches; the id of what is found on its own ends in `#` and its place. Raises Refused."""
    options: Mapping[str, str] = dict(pairs)
    searched = population.types(type, pairs, compartment)
    if not any(population.asked_for(one, pairs) for one in searched):
        raise Forbidden("no type")
    if any(name.startswith(("_has", "_list")) for name, _ in pairs):
        raise Refused("nothing outside refers to it")
    results = _results(population, searched, pairs, compartment)
    apart = options.get("_containedType") == "contained"
    shown = [_top(some, apart) for some in _in_order(population, results, searched, options, apart)]
    along = _included(population, searched, pairs, shown, results)
    return Found(tuple(one.name for one in shown), len(shown), along)


def included(
    population: Population, searched: tuple[str, ...], pairs: Pairs, page: Iterable[Name], compartment: Name | None
) -> frozenset[Name]:
    """What comes along with a page."""
    results = _results(population, searched, pairs, compartment)
    return _included(population, searched, pairs, [named(population, name) for name in page], results)


def _results(
    population: Population, searched: tuple[str, ...], pairs: Pairs, compartment: Name | None
) -> list[list[Item]]:
    """Of each result the items by which it is found."""
    options: Mapping[str, str] = dict(pairs)
    tests = {one: population.all_of(one, pairs) for one in searched}

    def meant(item: Item) -> bool:
        if item.type not in tests or not (compartment is None or compartment in population.compartments(item)):
            return False
        return tests[item.type](item) and population.within(item, population.asked_for(item.type, pairs))

    found = [one for one in inside(population.items) if one.holder and population.sees(one.holder) and meant(one)]
    if options["_contained"] == "both":
        found += [one for one in population.items if meant(one)]
    if options.get("_containedType") == "contained":
        return [[one] for one in found]
    by: dict[Name, list[Item]] = {}
    for one in found:
        by.setdefault((one.holder or one).name, []).append(one)
    return list(by.values())


def _top(some: list[Item], apart: bool) -> Item:
    return some[0] if apart else some[0].holder or some[0]


def _included(
    population: Population, searched: tuple[str, ...], pairs: Pairs, page: list[Item], results: list[list[Item]]
) -> frozenset[Name]:
    """Of a container also what that refers to by which it is found."""
    apart = dict(pairs).get("_containedType") == "contained"
    brought = includes.read(population, searched if apart else population.definitions.resource_types, pairs)
    if apart and any(one.reverse for one in brought):
        raise Refused("nothing refers to what is contained")
    shown = {item.name for item in page}
    within = [one for some in results for one in some if one.holder and _top(some, apart).name in shown]
    return frozenset(includes.bring(population, page if apart else [*page, *within], brought))


def named(population: Population, name: Name) -> Item:
    """The item of a name that `search` gave."""
    type, _, at = name[1].partition("#")
    if not at:
        return population.by_name[name]
    return next(one for one in inside([population.by_name[name[0], type]]) if one.name == name)


def _in_order(
    population: Population,
    results: list[list[Item]],
    searched: tuple[str, ...],
    options: Mapping[str, str],
    apart: bool,
) -> list[list[Item]]:
    def local(item: Item) -> tuple[str, int]:
        if item.holder is None:
            return "", -1
        alike = [n for n, body in enumerate(item.holder.body["contained"]) if body.get("id", "") == item.id]
        return item.id, alike.index(item.at)

    def top(some: list[Item]) -> Item:
        return _top(some, False)

    found = sorted(results, key=lambda some: local(some[0]))
    found.sort(key=lambda some: top(some).place, reverse=True)
    found.sort(key=lambda some: top(some).type, reverse=True)
    for text in reversed(options["_sort"].split(",") if "_sort" in options else []):
        value, down = order.sort_key(population, searched, text)
        keyed = []
        for some in found:
            if text.lstrip("-") == "_id":
                values = [some[0].id if apart else top(some).id]
            else:
                values = [one for one in map(value, some) if one is not None]
            keyed.append(((max if down else min)(values, default=None), some))
        having = sorted((one for one in keyed if one[0] is not None), key=lambda one: one[0], reverse=down)
        found = [some for _, some in having] + [some for one, some in keyed if one is None]
    return found
