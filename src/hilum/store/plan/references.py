"""Which parameters are references. https://hl7.org/fhir/R4/searchparameter-registry.html"""

from __future__ import annotations

from hilum.fhir.definitions import TYPES
from hilum.search.parameters import R4, Registry


def references(type: str | None = None, registry: Registry = R4) -> tuple[int, ...]:
    """The numbers of all reference parameters of a type; None: of every type."""
    own = registry if type is None else registry.over(type)
    found: tuple[int, ...] | None = own.made.get(("references", type))
    if found is None:
        found = own.made["references", type] = _references(type, own)
    return found


def _references(type: str | None, registry: Registry) -> tuple[int, ...]:
    if type is None:
        return tuple(sorted({number for name in TYPES for number in references(name, registry)}))
    some = (p.numbers for p in registry.table(type).values() if p.type == "reference")
    return tuple(sorted({number for numbers in some for number in numbers}))
