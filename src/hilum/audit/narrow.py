"""What the clauses of a search for AuditEvents say of time and people: where to look, before anything is rendered.

Every bound here is wider than the clauses or equal: they are judged on what is rendered, all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from hilum.audit.event import ReadId, WriteId, id_of
from hilum.audit.settle import key
from hilum.search.alternatives import DateRange
from hilum.search.clauses import Clause, DateClause, IdClause, LastUpdatedClause, ReferenceClause, TokenClause
from hilum.search.parameters import R4
from hilum.store.segments import AGENT, CLIENT, ENTITY, PATIENT, About

_MAX: Final = 1 << 62
_NUMBERS: Final = {one.code: frozenset(one.numbers) for one in R4.parameters("AuditEvent")}
"""Code -> where its values stand; a clause names those of them that can hold the types it asks for."""

_AGENTS: Final = frozenset(next(one.identifier for one in R4.parameters("AuditEvent") if one.code == "agent"))
"""Where the values of `agent:identifier` stand."""


class Narrow(NamedTuple):
    """Only events of between `low` and `high` (microseconds); only segments that speak of one of each of `about`.

    `patients`: only events about one of these, by id; `resources`: only about one of these, `Type/id`. None: any.
    """

    low: int = 0
    high: int = _MAX
    about: tuple[tuple[About, ...], ...] = ()
    patients: frozenset[str] | None = None
    resources: frozenset[str] | None = None


def narrowed(clauses: Iterable[Clause]) -> Narrow:
    """What all of the clauses together leave."""
    found = Narrow()
    for clause in clauses:
        found = _narrower(found, clause)
    return found


def _narrower(found: Narrow, clause: Clause) -> Narrow:
    match clause:
        case LastUpdatedClause(values):
            return _within(found, values)
        case DateClause(parameters, values) if _NUMBERS["date"].issuperset(parameters):
            return _within(found, values)
        case IdClause(values):
            times = [one.at if isinstance(one, ReadId) else one.seq for one in map(id_of, values) if one is not None]
            if not times:
                return found._replace(high=-1)
            latest = max(times) + _most_writes(values)
            return found._replace(low=max(found.low, min(times)), high=min(found.high, latest))
        case TokenClause(parameters, values) if _AGENTS.issuperset(parameters) and all(one.system for one in values):
            names = [one.code for one in values if one.code]
            abouts = tuple(about for name in names for about in _named(name))
            return found._replace(about=(*found.about, abouts)) if len(names) == len(values) else found
        case ReferenceClause(parameters, values) if all(type is not None for type, _ in values):
            return _about(found, frozenset(parameters), values)
    return found


def _named(value: str) -> tuple[About, About]:
    """Of a user or an app: both have identifiers with a system, which what has none (the server) is not found by."""
    return About(AGENT, key(value)), About(CLIENT, key(value))


def _most_writes(values: Sequence[str]) -> int:
    """The versions of a commit have the seqs that follow its own."""
    return max((one.number for one in map(id_of, values) if isinstance(one, WriteId)), default=0)


def _about(found: Narrow, parameters: frozenset[int], values: Sequence[tuple[str | None, str]]) -> Narrow:
    names = [f"{type}/{id}" for type, id in values]
    types = {type for type, _ in values}
    if parameters <= _NUMBERS["patient"] and types == {"Patient"}:
        ids = frozenset(id for _, id in values)
        about = tuple(About(PATIENT, key(id)) for id in sorted(ids))
        fhir_users = tuple(About(AGENT, key(name)) for name in names)
        return found._replace(about=(*found.about, about + fhir_users), patients=ids)
    if parameters <= _NUMBERS["agent"]:
        return found._replace(about=(*found.about, tuple(About(AGENT, key(name)) for name in names)))
    if parameters <= _NUMBERS["entity"] and not types & {"Patient", "Consent"}:
        about = tuple(About(ENTITY, key(name)) for name in names)
        return found._replace(about=(*found.about, about), resources=frozenset(names))
    return found


def _within(found: Narrow, values: Sequence[DateRange]) -> Narrow:
    bounds = [_bounds(one) for one in values]
    low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
    return found._replace(low=max(found.low, low), high=min(found.high, high))


def _bounds(one: DateRange) -> tuple[int, int]:
    """Between which moments an instant is that such a range finds."""
    low = one.low if one.prefix in ("eq", "ge", "gt", "sa") else 0
    high = one.high if one.prefix in ("eq", "le", "lt", "eb") else _MAX
    return low, high
