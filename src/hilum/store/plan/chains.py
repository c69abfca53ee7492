"""Chains and `_has`: clauses about resources that are referred to, or that refer. https://hl7.org/fhir/R4/search.html#chaining

The other resources are found first, where they are few; otherwise each candidate is asked for its references, by the
index (rid, param, target), and what is at the other end is probed in its turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from hilum.search.clauses import ChainClause, HasClause
from hilum.search.clauses import Part as Described
from hilum.store.plan.access import NOTHING, RID, Access
from hilum.store.plan.arms import at, gathered, under
from hilum.store.plan.choice import choose, walking
from hilum.store.plan.dialect import Steps
from hilum.store.plan.lists import of_types, points, these
from hilum.store.plan.newest import fewest
from hilum.store.plan.plan import offers, permitted
from hilum.store.plan.planning import Planning
from hilum.store.sql import Part, either, every, join


def chain(on: Planning, clause: ChainClause, types: tuple[str, ...]) -> Steps[Access]:
    """Refers, by one of the parameters, to a resource that one of the targets describes: of its own, or contained."""
    on.wanted = True  # for `inward`
    if clause.names:
        from hilum.store.plan import names

        outward = yield from names.chain(on, clause)
    else:
        outward = yield from _outward(on, clause)
    from hilum.store.plan.inward import inward

    within = these(on, "chain", (yield from inward(on, clause, types)))
    if within.nothing or outward.nothing:
        return outward if within.nothing else within
    probe, arms = either([outward.probe, within.probe]), (*outward.arms, *within.arms)
    return Access("chain", probe, arms, ordered=False, deep=outward.deep, alive=False)


def _outward(on: Planning, clause: ChainClause) -> Steps[Access]:
    found: list[int] = []
    arms: list[Part] = []
    probes: list[Part] = []
    for target in clause.targets:
        described, rids = yield from end(on, target)
        if rids is not None:
            found += rids
        elif described is not None:
            arms += _referring(on, clause.parameters, described)
            probes.append(_refers(on, clause.parameters, described))
    listed = points(on, "chain", "reference", "target", clause.parameters, found)
    on.note("chain", targets=[one.type for one in clause.targets], found=len(found), probed=len(probes))
    if not listed.nothing:
        arms = [*listed.arms, *arms]
        probes.append(_refers_to(on, clause.parameters, found))
    if not probes:
        return NOTHING
    if len(probes) == 1 and not listed.nothing:
        return Access("chain", probes[0], listed.arms, ordered=listed.ordered)
    return Access("chain", either(probes), tuple(arms), ordered=False, deep=True)


def has(on: Planning, clause: HasClause, types: tuple[str, ...]) -> Steps[Access]:
    """A resource that the source describes refers here by one of the parameters."""
    if clause.names:
        from hilum.store.plan import names

        return (yield from names.has(on, clause, types))
    described, rids = yield from end(on, clause.source)
    dialect = on.dialect
    if rids is not None:
        targets = yield from _targets(on, clause.parameters, rids, types)
        on.note("_has", source=clause.source.type, found=len(rids), targets=len(targets))
        return these(on, "_has", targets)
    if described is None:
        return NOTHING
    on.note("_has", source=clause.source.type, probed=True)
    alias = on.alias()
    name = dialect.table("reference", alias)
    listed = dialect.within(f"{alias}.param", clause.parameters)
    inner = at(described.probe, f"{alias}.rid")
    probe = dialect.exists(f"SELECT 1 FROM {name} WHERE {listed.sql} AND {alias}.target = {RID} AND {inner.sql}")
    arms: list[Part] = []
    if described.arms:
        source = join(" UNION ALL ", described.arms)
        by_rid = dialect.table("reference", "b", "rid")
        param, of = dialect.within("b.param", clause.parameters), of_types(on, types, "b.target")
        sql = (
            f"SELECT a.rid FROM (SELECT b.target AS rid FROM ({source.sql}) c CROSS JOIN {by_rid} "
            f"WHERE b.rid = c.rid AND {param.sql} AND {of.sql}) a WHERE {at(current(on), 'a.rid').sql}"
        )
        arms.append(Part(sql, source.values + param.values + of.values))
    probe_ = Part(probe, listed.values + inner.values)
    return Access("_has", probe_, tuple(arms), ordered=False, deep=True, alive=False)


def end(on: Planning, part: Described) -> Steps[tuple[Access | None, list[int] | None]]:
    """What a chain leads to: the rids, where they are few, or what tells whether a rid is meant; neither: nothing."""
    types = (part.type,)
    found = yield from offers(on, (*part.clauses, permitted(part.permits)), types)
    choice = yield from choose(on, found, types, counted=True)
    if choice.nothing:
        return None, None
    if choice.size >= on.limits.look and len(found) > 1:  # each is many; perhaps few are what all of them find
        choice = yield from fewest(on, choice)
    driver, rest = walking(on, choice)
    arms = under(driver.arms, rest)
    if choice.driver is not None and choice.size < on.limits.far and (choice.size < on.limits.look or rest):
        source = gathered(arms, ordered=False, dialect=on.dialect)
        rows = yield Part(f"SELECT c.rid FROM ({source.sql}) c LIMIT {on.limits.look + 1}", source.values)
        if len(rows) <= on.limits.look:
            return None, [row[0] for row in rows]
    inner = [of_types(on, types, RID), *[one.probe for one in found]]
    if not choice.alive:
        inner.append(current(on))
    return Access("end", every(inner), arms, ordered=False), None


def current(on: Planning) -> Part:
    """The probe: the rid is that of a current resource."""
    alias = on.alias()
    return Part(
        on.dialect.exists(f"SELECT 1 FROM resource {alias} WHERE {alias}.rid = {RID} AND {on.dialect.current(alias)}")
    )


def _referring(on: Planning, params: Sequence[int], described: Access) -> list[Part]:
    """Arms: what refers to that which a driver finds."""
    if not described.arms:
        return []
    dialect = on.dialect
    source = join(" UNION ALL ", described.arms)
    name = dialect.table("reference", "a")
    listed = dialect.within("a.param", params)
    sql = f"SELECT a.rid FROM ({source.sql}) c CROSS JOIN {name} WHERE {listed.sql} AND a.target = c.rid"
    return [Part(sql, source.values + listed.values)]


def _refers(on: Planning, params: Sequence[int], described: Access) -> Part:
    """The probe: one of its references leads to what another probe holds of."""
    dialect, alias = on.dialect, on.alias()
    name = dialect.table("reference", alias, "rid")
    listed = dialect.within(f"{alias}.param", params)
    inner = at(described.probe, f"{alias}.target")
    sql = dialect.exists(f"SELECT 1 FROM {name} WHERE {alias}.rid = {RID} AND {listed.sql} AND {inner.sql}")
    return Part(sql, listed.values + inner.values)


def _refers_to(on: Planning, params: Sequence[int], rids: Sequence[int]) -> Part:
    """The probe: one of its references is in a list."""
    dialect = on.dialect
    name = dialect.table("reference", "k", "rid")
    listed, inside = (
        dialect.within("k.param", params),
        dialect.within("+k.target", rids),
    )  # as a sum it is no key: SQLite would seek each of the list
    sql = dialect.exists(f"SELECT 1 FROM {name} WHERE k.rid = {RID} AND {listed.sql} AND {inside.sql}")
    return Part(sql, listed.values + inside.values)


def _targets(on: Planning, params: Sequence[int], rids: Sequence[int], types: tuple[str, ...]) -> Steps[list[int]]:
    if not rids:
        return []
    dialect = on.dialect
    source = dialect.source(rids)
    name = dialect.table("reference", "k", "rid")
    listed, of = dialect.within("k.param", params), of_types(on, types, "k.target")
    rows = yield Part(
        f"SELECT DISTINCT k.target FROM {source.sql} CROSS JOIN {name} "
        f"WHERE k.rid = j.value AND {listed.sql} AND {of.sql}",
        source.values + listed.values + of.values,
    )
    return [row[0] for row in rows]
