"""Chains and `_has` by canonical url. https://hl7.org/fhir/R4/references.html#canonical

What refers and what is meant have rows of `string` with the same text and the same hash (`hilum.search.canonicals`): a
reference is a join of the table with itself, from the one by its rid to the other by its text.
"""

from __future__ import annotations

from collections.abc import Sequence

from hilum.search.canonicals import named
from hilum.search.clauses import ChainClause, HasClause
from hilum.store.plan.access import NOTHING, RID, Access
from hilum.store.plan.arms import at
from hilum.store.plan.chains import current, end
from hilum.store.plan.dialect import Steps
from hilum.store.plan.lists import these
from hilum.store.plan.planning import Planning
from hilum.store.sql import Part, either, join


def chain(on: Planning, clause: ChainClause) -> Steps[Access]:
    """Names something that one of the targets describes."""
    arms: list[Part] = []
    probes: list[Part] = []
    found = 0
    for target in clause.targets:
        described, rids = yield from end(on, target)
        own = named((target.type,))
        if rids:
            found += len(rids)
            # As a sum it is no key: SQLite would seek each of the list.
            probes.append(_probe(on, clause.names, own, on.dialect.within(f"+{RID}", rids)))
            arms.append(_across(on, listed(on, rids), own, clause.names, "a"))
        elif described is not None:
            probes.append(_probe(on, clause.names, own, described.probe))
            if described.arms:
                arms.append(_across(on, join(" UNION ALL ", described.arms), own, clause.names, "a"))
    on.note("chain", targets=[one.type for one in clause.targets], found=found, probed=len(probes))
    return Access("chain", either(probes), tuple(arms), ordered=False, deep=True) if probes else NOTHING


def has(on: Planning, clause: HasClause, types: tuple[str, ...]) -> Steps[Access]:
    """Named by something that the source describes."""
    described, rids = yield from end(on, clause.source)
    own = named(types)
    if not own:
        return NOTHING
    if rids is not None:
        rows = yield across(on, rids, clause.names, own)
        on.note("_has", source=clause.source.type, found=len(rids), targets=len(rows))
        return these(on, "_has", [row[0] for row in rows])
    if described is None:
        return NOTHING
    on.note("_has", source=clause.source.type, probed=True)
    arms = []
    if described.arms:
        inner = _across(on, join(" UNION ALL ", described.arms), clause.names, own, "t")
        arms.append(Part(f"SELECT a.rid FROM ({inner.sql}) a WHERE {at(current(on), 'a.rid').sql}", inner.values))
    probe = _probe(on, own, clause.names, described.probe)
    return Access("_has", probe, tuple(arms), ordered=False, deep=True, alive=False)


def across(on: Planning, rids: Sequence[int], near: Sequence[int], far: Sequence[int]) -> Part:
    """A statement: the different rids with a text under the numbers `far` that one of these rids has under `near`."""
    found = _across(on, listed(on, rids), near, far, "t")
    return Part(found.sql.replace("SELECT", "SELECT DISTINCT", 1), found.values)


def listed(on: Planning, rids: Sequence[int]) -> Part:
    """A statement: these rids."""
    source = on.dialect.source(rids)
    return Part(f"SELECT j.value AS rid FROM {source.sql}", source.values)


def _across(on: Planning, start: Part, near: Sequence[int], far: Sequence[int], alias: str) -> Part:
    """A statement: from the rids of another over their texts to the rows, under an alias, with the same."""
    dialect = on.dialect
    by_rid, by_text = dialect.table("string", "b", "rid"), dialect.table("string", alias)
    own, other = dialect.within("b.param", near), dialect.within(f"{alias}.param", far)
    return Part(
        f"SELECT {alias}.rid FROM ({start.sql}) c CROSS JOIN {by_rid} CROSS JOIN {by_text} WHERE b.rid = c.rid "
        f"AND {own.sql} AND {other.sql} AND {alias}.folded = b.folded AND {alias}.exact = b.exact",
        start.values + own.values + other.values,
    )


def _probe(on: Planning, near: Sequence[int], far: Sequence[int], inner: Part) -> Part:
    """The probe: a text of the rid under `near` is one under `far` of something of which `inner` holds."""
    dialect = on.dialect
    here, there = on.alias(), on.alias()
    by_rid, by_text = dialect.table("string", here, "rid"), dialect.table("string", there)
    own, other = dialect.within(f"{here}.param", near), dialect.within(f"{there}.param", far)
    held = at(inner, f"{there}.rid")
    sql = dialect.exists(
        f"SELECT 1 FROM {by_rid} CROSS JOIN {by_text} WHERE {here}.rid = {RID} AND {own.sql} AND {other.sql} "
        f"AND {there}.folded = {here}.folded AND {there}.exact = {here}.exact AND {held.sql}"
    )
    return Part(sql, own.values + other.values + held.values)
