"""References by canonical url: what they name. https://hl7.org/fhir/R4/references.html#canonical

`url|version` names the resources that have this `url` and this `version`; `url` alone names every version that there
is. Of a resource that can be named so there are StringRows of both texts: `url` (the rows `whole` of its parameter
`url`) and `url|version` (`versioned`). Of one that refers there are the rows `whole` of the parameter: the text as it
is written, and, where it has a version, one without it, whose `value` is still the text as written. So a row that
means what it says has a `value` that is its `folded`, and refers to whatever has a row with the same two.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from hilum.search.parameters import R4, Parameter, canonical_types
from hilum.search.rows import Rows
from hilum.search.selections import versioned

FORMS = frozenset(("canonical", "uri"))


def canonical(parameter: Parameter) -> bool:
    """Whether a reference parameter selects names of definitions (canonical urls), not addresses of resources."""
    return parameter.type == "reference" and parameter.forms <= FORMS


def naming(parameter: Parameter) -> tuple[int, ...]:
    """The numbers under which the resources of a parameter name others by url: none of one that holds References."""
    return parameter.whole if canonical(parameter) else ()


@cache
def named(types: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers under which resources of these types have their own urls: none for those that have none."""
    known = canonical_types()
    return tuple(n for type in types if type in known for n in (*R4.table(type)["url"].whole, versioned(type)))


def texts(rows: Rows, numbers: Iterable[int]) -> set[str]:
    """The urls, as they are written, of the rows under these numbers."""
    wanted = frozenset(numbers)
    return {row.folded for row in rows.strings if row.parameter in wanted and row.value == row.folded}
