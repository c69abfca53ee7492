"""Which parameters are references. https://hl7.org/fhir/R4/searchparameter-registry.html"""

from __future__ import annotations

from functools import cache

from hilum.fhir.definitions import TYPES
from hilum.search.parameters import table


@cache
def references(type: str | None = None) -> tuple[int, ...]:
    """The numbers of all reference parameters of a type; None: of every type."""
    if type is None:
        return tuple(sorted({number for name in TYPES for number in references(name)}))
    return tuple(
        sorted({n for parameter in table(type).values() if parameter.type == "reference" for n in parameter.numbers})
    )
