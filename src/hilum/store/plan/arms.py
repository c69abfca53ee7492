"""The arms of an access: held to probes and to ranges of rids, gathered in order, collected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hilum.store.plan.access import FIRST, LAST, RID, Access
from hilum.store.plan.dialect import Dialect
from hilum.store.sql import TRUE, Part, every, join


def at(probe: Part, rid: str) -> Part:
    """The probe of one certain column."""
    return Part(probe.sql.replace(RID, rid), probe.values)


def under(arms: Iterable[Part], conditions: Sequence[Part]) -> tuple[Part, ...]:
    """The arms, held to further probes."""
    if not conditions:
        return tuple(arms)
    held = at(every(conditions), "a.rid")
    if held == TRUE:
        return tuple(arms)
    return tuple(Part(f"{arm.sql} AND {held.sql}", arm.values + held.values) for arm in arms)


def between(access: Access, below: int, above: int) -> tuple[Part, ...]:
    """The arms, held to rids between (both exclusive).

    SQLite walks an index between one lower and one upper bound, and looks at what is beyond a second one row by row:
    where an arm has bounds already, they become narrower.
    """
    if access.bounded:
        found = []
        for arm in access.arms:
            *others, low, high = arm.values
            found.append(Part(arm.sql, (*others, max(low, above + 1), min(high, below - 1))))
        return tuple(found)
    conditions = [Part(f"{RID} < ?", (below,))] if below < LAST else []
    if above > FIRST:
        conditions.append(Part(f"{RID} > ?", (above,)))
    return under(access.arms, conditions)


def gathered(
    arms: Sequence[Part], *, ordered: bool, dialect: Dialect, down: bool = True, most: int | None = None
) -> Part:
    """What the arms list, each rid once; newest first, where they are ordered, without collecting it first.

    `most`: no more than so many of what is ordered.
    """
    word = "DESC" if down else "ASC"
    if len(arms) == 1:
        (arm,) = arms
        if ordered:
            return Part(f"{arm.sql} ORDER BY a.rid {word} {_up_to(dialect, most)}", arm.values)
        return Part("SELECT DISTINCT" + arm.sql.removeprefix("SELECT"), arm.values)
    if ordered:
        merged = dialect.merged(arms, f"rid {word}", distinct=True)
        return merged if most is None else Part(f"SELECT u.rid FROM ({merged.sql}) u LIMIT {most}", merged.values)
    return join(" UNION ", arms)


def _up_to(dialect: Dialect, most: int | None) -> str:
    return dialect.fence if most is None else f"LIMIT {most}"


def collected(access: Access, dialect: Dialect) -> Part:
    """The probe that collects all that the access finds, once."""
    union = join(" UNION ALL ", access.arms)
    return Part(dialect.inside(RID, union.sql), union.values)
