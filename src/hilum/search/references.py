"""Which parameters are references. https://hl7.org/fhir/R4/searchparameter-registry.html"""

from __future__ import annotations

from hilum.fhir.definitions import TYPES
from hilum.search.canonicals import naming
from hilum.search.contained import inner
from hilum.search.parameters import R4, Parameter, Registry


def references(type: str | None = None, registry: Registry = R4) -> tuple[int, ...]:
    """The numbers of all reference parameters of a type; None: of every type."""
    return _all(type, registry)[0]


def canonicals(type: str | None = None, registry: Registry = R4) -> tuple[int, ...]:
    """The numbers under which all reference parameters of a type (None: of every type) name others by url."""
    return _all(type, registry)[1]


def paired(registry: Registry = R4) -> tuple[int, ...]:
    """The numbers of all composites, also of what is contained, whose second value is a reference."""
    found: tuple[int, ...] | None = registry.made.get(("paired",))
    if found is None:
        every = (pairs for type in TYPES for one in registry.table(type).values() for pairs in one.pairs)
        own = {pairs.number for pairs in every if "reference" in pairs.kinds}
        found = tuple(sorted(own | set(map(inner, own))))
        registry.made["paired",] = found
    return found


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
