"""What was read before: the same `name=value` comes again and again, with other ones beside it.

Clauses are values, so that one can be part of many queries. What a parameter takes of the bounds is remembered with
it, and taken again. https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from hilum.search.clauses import Clause
from hilum.search.criterion import criterion
from hilum.search.limits import Budget
from hilum.search.parameters import Registry
from hilum.search.plain import Asked
from hilum.search.query import Include
from hilum.search.results import check_number, includes
from hilum.search.seen import Seen

LONGEST: Final = 300
"""Characters of a name and value that are remembered."""
MOST: Final = 2048


def remembered(type: str, name: str, value: str, asked: Asked) -> Clause:
    """`criterion`, kept from the second time on. Raises what it raises."""
    if len(name) + len(value) > LONGEST:
        return criterion(type, name, value, asked)
    key = (type, name, value, asked.base, asked.now, asked.registry, asked.full_text)
    kept = _KEPT.get(key)
    if kept is None:
        if not _SEEN.met(key):
            return criterion(type, name, value, asked)
        alone = Asked(asked.base, asked.now, asked.registry, Budget(), asked.full_text)
        kept = criterion(type, name, value, alone), alone.budget.used
        if len(_KEPT) >= MOST:
            _KEPT.clear()
        _KEPT[key] = kept
    found, used = kept
    asked.budget.add(*used)
    return found


_KEPT: Final[dict[tuple[Any, ...], tuple[Clause, tuple[int, int, int]]]] = {}
_SEEN: Final = Seen()


def remembered_includes(
    registry: Registry, types: tuple[str, ...], name: str, value: str, number: int
) -> tuple[Include, ...]:
    """`results.includes`, once for each. Raises what it raises."""
    found = _included(registry, types, name, value)
    check_number(number)
    return found


_included = lru_cache(maxsize=MOST)(includes)
