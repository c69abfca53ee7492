"""Accesses by keys and by lists of rids: what most leaf clauses come down to."""

from __future__ import annotations

from collections.abc import Sequence

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.store import keys
from hilum.store.plan.access import NOTHING, RID, Access, Later
from hilum.store.plan.planning import Planning
from hilum.store.sql import FALSE, TRUE, Part, either


def points(
    on: Planning, kind: str, table: str, column: str, params: Sequence[int], keys: Sequence[int], beside: int = 0
) -> Access:
    """The rows with any of the keys under any of the parameters, in a table clustered by (param, column, rid).

    Few keys, or up to `beside` of them, are walked side by side, newest first; the rows of more are collected.
    """
    params, keys = tuple(dict.fromkeys(params)), tuple(dict.fromkeys(keys))
    if not params or not keys:
        return NOTHING
    dialect = on.dialect
    few = len(params) * len(keys) <= on.limits.few
    walks: tuple[Part, ...] = ()
    if few or len(params) * len(keys) <= beside:
        name, probed = dialect.table(table, "a"), dialect.table(table, "k")
        pairs = [(param, key) for param in params for key in keys]
        arm = f"SELECT a.rid FROM {name} WHERE a.param = ? AND a.{column} = ?"
        walks = tuple([Part(arm, pair) for pair in pairs])
    if few:
        probe = dialect.exists(f"SELECT 1 FROM {probed} WHERE k.param = ? AND k.{column} = ? AND k.rid = {RID}")
        told_apart = (table, *pairs[0]) if len(pairs) == 1 else (table, *pairs)
        return Access(kind, either([Part(probe, pair) for pair in pairs]), walks, key=told_apart)
    arms: list[Part] = []
    probes: list[Part] = []
    by_param = len(params) <= len(keys)
    fixed, listed = ("param", column) if by_param else (column, "param")
    source = dialect.source(keys if by_param else params)
    for value in params if by_param else keys:
        for found, alias in ((arms, "a"), (probes, "k")):
            name = dialect.table(table, alias)
            sql = f"FROM {source.sql} CROSS JOIN {name} WHERE {alias}.{fixed} = ? AND {alias}.{listed} = j.value"
            found.append(Part(sql, (*source.values, value)))
    return Access(
        kind,
        either([Part(dialect.exists(f"SELECT 1 {p.sql} AND k.rid = {RID}"), p.values) for p in probes]),
        walks or tuple([Part(f"SELECT a.rid {arm.sql}", arm.values) for arm in arms]),
        ordered=bool(walks),
        cheap=False,
    )


def these(on: Planning, kind: str, rids: Sequence[int], *, size: int | None = None) -> Access:
    """The current resources with these rids."""
    rids = tuple(dict.fromkeys(rids))
    if not rids:
        return NOTHING
    dialect = on.dialect
    current = dialect.current("a")
    probe = dialect.within(RID, rids)
    size = len(rids) if size is None else size
    if len(rids) <= on.limits.few:
        arms = [Part(f"SELECT a.rid FROM resource a WHERE a.rid = ? AND {current}", (rid,)) for rid in rids]
        return Access(kind, probe, tuple(arms), alive=False, size=size)
    source = dialect.source(rids)
    arm = Part(
        f"SELECT a.rid FROM {source.sql} CROSS JOIN resource a WHERE a.rid = j.value AND {current}", source.values
    )
    return Access(kind, probe, (arm,), ordered=False, alive=False, size=size)


def of_params(
    on: Planning, table: str, params: Sequence[int], condition: Part, *, alias: str = "a", spell: bool = True
) -> list[Part]:
    """`FROM … WHERE …` of a table clustered by param: one piece per parameter, or, of many, one piece for all."""
    dialect = on.dialect
    name = dialect.table(table, alias)
    if spell and len(params) <= 4:
        sql = f"FROM {name} WHERE {alias}.param = ? AND {condition.sql}"
        return [Part(sql, (param, *condition.values)) for param in params]
    source = dialect.source(params)
    sql = f"FROM {source.sql} CROSS JOIN {name} WHERE {alias}.param = j.value AND {condition.sql}"
    return [Part(sql, source.values + condition.values)]


def by_rid(on: Planning, table: str, params: Sequence[int], condition: Part) -> Part:
    """The probe of a table by its index (rid, param)."""
    dialect = on.dialect
    name = dialect.table(table, "k", "rid")
    listed = Part("k.param = ?", (params[0],)) if len(params) == 1 else dialect.within("k.param", params)
    sql = dialect.exists(f"SELECT 1 FROM {name} WHERE k.rid = {RID} AND {listed.sql} AND {condition.sql}")
    return Part(sql, listed.values + condition.values)


def ranged(
    on: Planning,
    kind: str,
    table: str,
    params: Sequence[int],
    pieces: Sequence[Part],
    condition: Part,
    *,
    single: bool = False,
) -> Access:
    """Rows in ranges of an index: each of `pieces` bounds a walk (on the alias `a`), `condition` probes (on `k`)."""
    params = tuple(dict.fromkeys(params))
    if not params or not pieces:
        return NOTHING
    spell = len(params) * len(pieces) <= 100

    def made() -> list[Part]:
        walks = [of_params(on, table, params, piece, spell=spell) for piece in pieces]
        return [Part(f"SELECT a.rid {walk.sql}", walk.values) for some in walks for walk in some]

    arms = Later(len(pieces) * (len(params) if spell and len(params) <= 4 else 1), made)
    lists = any(isinstance(value, list) for value in condition.values)
    told_apart = None if lists else (table, params, condition)
    visit = (table, params, condition)
    return Access(kind, by_rid(on, *visit), arms, ordered=False, key=told_apart, visit=visit, single=single)


def of_types(on: Planning, types: tuple[str, ...], rid: str) -> Part:
    """The condition that a rid is of one of the types."""
    if len(types) == len(TYPES):
        return TRUE
    if not types:
        return FALSE
    if len(types) == 1:
        return Part(f"{rid} BETWEEN ? AND ?", keys.type_range(TYPE_NUMBER[types[0]]))
    return on.dialect.within(f"({rid} >> {keys.TYPE_SHIFT})", sorted(TYPE_NUMBER[type] for type in types))
