"""Which parameters are references. https://hl7.org/fhir/R4/searchparameter-registry.html"""

from __future__ import annotations

from typing import NamedTuple

from hilum.fhir.definitions import TYPES
from hilum.search.canonicals import naming
from hilum.search.composites import Pairs
from hilum.search.contained import inner
from hilum.search.parameters import R4, Parameter, Registry


def references(type: str | None = None, registry: Registry = R4) -> tuple[int, ...]:
    """The numbers of all reference parameters of a type; None: of every type."""
    return _all(type, registry)[0]


def canonicals(type: str | None = None, registry: Registry = R4) -> tuple[int, ...]:
    """The numbers under which all reference parameters of a type (None: of every type) name others by url."""
    return _all(type, registry)[1]


class Paired(NamedTuple):
    """The numbers of composites whose second value is a reference, also of what is contained.

    `beside`: those of which every such reference stands as a row of its own, too, under one of the numbers `own`.
    `alone`: the others. A custom composite may select references that no parameter of R4 does.
    """

    beside: tuple[int, ...]
    own: tuple[int, ...]
    alone: tuple[int, ...]


def paired(registry: Registry = R4) -> Paired:
    """The composites that hold references."""
    found: Paired | None = registry.made.get(("paired",))
    if found is None:
        beside: set[int] = set()
        own: set[int] = set()
        alone: set[int] = set()
        for type in TYPES:
            for one in registry.table(type).values():
                for pairs in one.pairs:
                    if "reference" in pairs.kinds:
                        some = _beside(type, pairs)
                        (beside if some else alone).add(pairs.number)
                        own |= some
        found = registry.made["paired",] = Paired(*(_contained_too(some) for some in (beside - alone, own, alone)))
    return found


def _beside(type: str, pairs: Pairs) -> set[int]:
    """The numbers under which the references of a composite stand as rows of R4's own; none unless all of them do.

    Of R4's, because a custom parameter may be there today and not tomorrow.
    """
    rows = {
        (leaf.path.steps, leaf.only, leaf.but): one.main
        for parameter in R4.table(type).values()
        for one in parameter.selections
        if one.kind == "reference"
        for leaf in one.leaves
    }
    found = set()
    for kind, leaves, whole in zip(pairs.kinds, pairs.seconds, pairs.whole, strict=True):
        above = () if whole else pairs.context.steps
        for leaf in leaves if kind == "reference" else ():
            number = rows.get(((*above, *leaf.path.steps), leaf.only, leaf.but))
            if not number:
                return set()
            found.add(number)
    return found


def _contained_too(numbers: set[int]) -> tuple[int, ...]:
    return tuple(sorted(numbers | set(map(inner, numbers))))


def _all(type: str | None, registry: Registry) -> tuple[tuple[int, ...], tuple[int, ...]]:
    own = registry if type is None else registry.over(type)
    found: tuple[tuple[int, ...], tuple[int, ...]] | None = own.made.get(("references", type))
    if found is None:
        some: list[Parameter] = []
        for name in TYPES if type is None else (type,):
            some += [one for one in own.table(name).values() if one.type == "reference"]
        found = _different(some)
        own.made["references", type] = found
    return found


def _different(some: list[Parameter]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    numbers = {number for one in some for number in one.numbers}
    names = {number for one in some for number in naming(one)}
    return tuple(sorted(numbers)), tuple(sorted(names))
