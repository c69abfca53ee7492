"""The numbers of systems, for a search: remembered, else looked up by their texts. See `hilum.store.keyed`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hilum.search.alternatives import Token
from hilum.store.plan.dialect import Steps
from hilum.store.plan.planning import Planning

_AT_ONCE: Final = 500


def numbered(on: Planning, systems: Iterable[str | None]) -> Steps[dict[str | None, int]]:
    """System -> number, of those that anybody ever wrote; 0 for none (None, "")."""
    known = on.dialect.keys.numbers
    found: dict[str | None, int] = {None: 0, "": 0}
    missing: dict[str, None] = {}
    for system in systems:
        if system:
            number = known.get(system)
            if number is None:
                missing[system] = None
            else:
                found[system] = number
    if missing:
        listed = list(missing)
        for start in range(0, len(listed), _AT_ONCE):
            some = listed[start : start + _AT_ONCE]
            for place, number in (yield on.dialect.systems(some)):
                known[some[place]] = found[some[place]] = number
    return found


def every(on: Planning, values: Iterable[Token]) -> bool:
    """Whether the systems of all tokens are known, so that what is planned for them stays right."""
    known = on.dialect.keys.numbers
    return all(not value.system or value.system in known for value in values)
