"""Clauses about the resource itself, as accesses. https://hl7.org/fhir/R4/search.html#ptypes"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.search.alternatives import DateRange, Token
from hilum.search.clauses import (
    CompartmentClause,
    DateClause,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    ReferenceClause,
    StringClause,
    TermClause,
    TextClause,
    TokenClause,
    UnequalClause,
    UriClause,
)
from hilum.search.text import fold
from hilum.store import keys
from hilum.store.plan.access import EVERYTHING, NOTHING, RID, Access, Later
from hilum.store.plan.dialect import Steps
from hilum.store.plan.lists import of_types, points, ranged, these
from hilum.store.plan.planning import Again, Planning
from hilum.store.plan.systems import numbered
from hilum.store.plan.thresholds import too_costly
from hilum.store.sql import LAST, Part, bounds, compare, either, every, literal

SYSTEMS: Final = 20_000
"""In how many systems a code is looked for when the query names none."""
KEYS: Final = 100_000
"""How many pairs of a system and a code are looked for."""


# --- tokens, texts beside them, uris ------------------------------------------------------------------------------


def systems(on: Planning, table: str, column: str, params: Sequence[int]) -> Steps[list[int]]:
    """The numbers of the systems that occur under the parameters: one step of the index for each."""
    source = on.dialect.source(params)
    step = f"SELECT k.{column} FROM {table} k WHERE k.param = {{p}}{{more}} ORDER BY k.{column} LIMIT 1"
    first = step.format(p="j.value", more="")
    following = step.format(p="f.param", more=f" AND k.{column} > (f.value | {keys.CODE_MASK})")
    rows = yield Part(
        f"WITH RECURSIVE found(param, value) AS (SELECT j.value, ({first}) FROM {source.sql} UNION ALL "
        f"SELECT f.param, ({following}) FROM found f WHERE f.value IS NOT NULL) "
        f"SELECT DISTINCT f.value >> {keys.CODE_BITS} FROM found f WHERE f.value IS NOT NULL LIMIT {SYSTEMS + 1}",
        source.values,
    )
    if len(rows) > SYSTEMS:
        raise too_costly("This code occurs in too many systems. Search for system|code.")
    return [row[0] & keys.SYSTEM_MASK for row in rows]


def token_keys(
    on: Planning, table: str, column: str, params: Sequence[int], values: Sequence[Token]
) -> Steps[tuple[list[int], list[tuple[int, int]]]]:
    """The keys that the tokens stand for, and the ranges of keys of those that are a system alone.

    Of many keys only those that occur: most of a long list, or of a code under every system, are nobody's.
    """
    found: list[int] = []
    ranges: list[tuple[int, int]] = []
    codes: list[int] = []
    numbers = yield from numbered(on, [value.system for value in values])
    of = on.dialect.keys
    for value in values:
        if value.system not in numbers:  # nobody ever wrote it
            continue
        if value.code is None:
            ranges.append(keys.system_range(numbers[value.system]))
        elif value.system is not None:
            found.append(of.tokens[value.system or None, value.code])
        else:
            codes.append(of.code(value.code))
    if codes:
        occurring = yield from systems(on, table, column, params)
        if len(occurring) * len(codes) > KEYS:
            raise too_costly("These codes may be of too many systems. Search for system|code, or for fewer codes.")
        found += [keys.signed(system << keys.CODE_BITS | code) for code in codes for system in occurring]
    if len(found) > on.limits.few:
        source, listed = on.dialect.source(found), on.dialect.within("k.param", params)
        held = on.dialect.exists(f"SELECT 1 FROM {table} k WHERE {listed.sql} AND k.{column} = j.value")
        rows = yield Part(f"SELECT j.value FROM {source.sql} WHERE {held}", source.values + listed.values)
        found = [row[0] for row in rows]
    return found, ranges


def _codes(on: Planning, params: Sequence[int], low: int, high: int) -> Steps[list[int]]:
    """The keys between (both inclusive) that occur under the parameters, a step of the index each, but no more than
    enough to see that they are too many.
    """
    source = on.dialect.source(params)
    step = "SELECT k.value FROM token k WHERE k.param = {} AND k.value {} AND k.value <= ? ORDER BY k.value LIMIT 1"
    first, following = step.format("j.value", ">= ?"), step.format("f.param", "> f.value")
    rows = yield Part(
        f"WITH RECURSIVE found(param, value) AS (SELECT j.value, ({first}) FROM {source.sql} UNION ALL "
        f"SELECT f.param, ({following}) FROM found f WHERE f.value IS NOT NULL) "
        f"SELECT f.value FROM found f WHERE f.value IS NOT NULL LIMIT {on.limits.beside + 1}",
        (low, high, *source.values, high),
    )
    return [row[0] for row in rows]


def token(on: Planning, clause: TokenClause) -> Steps[Access]:
    """Any of the tokens."""
    exact, ranges = yield from token_keys(on, "token", "value", clause.parameters, clause.values)
    wide: list[tuple[int, int]] = []
    for low, high in ranges:
        occurring = yield from _codes(on, clause.parameters, low, high)
        if len(exact) + len(occurring) > on.limits.beside:
            wide.append((low, high))
        else:
            exact += occurring
    found = points(on, "token", "token", "value", clause.parameters, exact, on.limits.beside)
    ranges = wide
    if not ranges:
        return found
    name = on.dialect.table("token", "a")
    if len(ranges) * len(clause.parameters) <= on.limits.few:
        sql = f"SELECT a.rid FROM {name} WHERE a.param = ? AND a.value BETWEEN ? AND ?"
        arms = [Part(sql, (param, low, high)) for low, high in ranges for param in clause.parameters]
    else:
        source = on.dialect.source([low for low, _ in ranges])
        within = f"a.value BETWEEN j.value AND j.value + {keys.CODE_MASK}"
        sql = f"SELECT a.rid FROM {source.sql} CROSS JOIN {name} WHERE a.param = ? AND {within}"
        arms = [Part(sql, (*source.values, param)) for param in clause.parameters]
    probes = [found.probe] + [Part(on.dialect.inside(RID, arm.sql), arm.values) for arm in arms]
    return Access("token", either(probes), (*found.arms, *arms), ordered=False, cheap=False)


def unequal(on: Planning, clause: UnequalClause) -> Steps[Access]:
    """A code that is none of the tokens: of few that occur the others; of many what lies between the keys."""
    params, within = clause.parameters, (keys.LEAST, keys.GREATEST)
    if clause.system is not None:
        numbers = yield from numbered(on, [clause.system])
        if clause.system not in numbers:  # nobody ever wrote it
            return NOTHING
        within = keys.system_range(numbers[clause.system])
    exact, ranges = yield from token_keys(on, "token", "value", params, clause.values)
    exact += [on.dialect.keys.texts[uri] for uri in clause.uris]
    occurring = yield from _codes(on, params, *within)
    if len(occurring) <= on.limits.beside:
        equal = frozenset(exact)
        others = [key for key in occurring if key not in equal and not any(a <= key <= b for a, b in ranges)]
        return points(on, "unequal", "token", "value", params, others, on.limits.beside)
    name = on.dialect.table("token", "a")
    apart = [Part("a.value BETWEEN ? AND ?", within)] if clause.system is not None else []
    apart += [Part("NOT a.value BETWEEN ? AND ?", limits) for limits in ranges]
    if exact:
        listed = on.dialect.within("a.value", exact)
        apart.append(Part(f"NOT ({listed.sql})", listed.values))
    condition = every(apart)
    arms = [
        Part(f"SELECT a.rid FROM {name} WHERE a.param = ? AND {condition.sql}", (param, *condition.values))
        for param in params
    ]
    probe = either([Part(on.dialect.inside(RID, arm.sql), arm.values) for arm in arms])
    return Access("unequal", probe, tuple(arms), ordered=False, cheap=False)


def term(on: Planning, clause: TermClause) -> Steps[Access]:
    """`:text`: the dictionary tells which texts are meant; their keys are tokens."""
    listed = on.dialect.within("k.param", clause.parameters)
    texts = [folded for value in clause.values if (folded := fold(value))]
    if not texts:
        return NOTHING
    condition = either(
        [
            Part(
                "(k.folded >= ? AND k.folded < ? OR k.folded LIKE ? ESCAPE '!')",
                (text, text + LAST, "% " + literal(text) + "%"),
            )
            for text in texts
        ]
    )
    rows = yield Part(
        f"SELECT DISTINCT k.value FROM term k WHERE {listed.sql} AND {condition.sql}", listed.values + condition.values
    )
    return points(on, "term", "token", "value", clause.parameters, [row[0] for row in rows])


def uri(on: Planning, clause: UriClause) -> Access:
    """Compared whole, or how it begins. https://hl7.org/fhir/R4/search.html#uri"""
    if clause.match == "whole":
        texts = on.dialect.keys.texts
        return points(on, "uri", "token", "value", clause.parameters, [texts[value] for value in clause.values])
    pieces: list[Part] = []
    for value in clause.values:
        if clause.match == "starts":
            pieces += on.dialect.text("starts", value)
        else:
            pieces += on.dialect.text("whole", value)
            pieces += on.dialect.text("starts", value + ("." if "|" in value else "/"))
    return _texts(on, "uri", clause.parameters, pieces)


def _texts(on: Planning, kind: str, params: Sequence[int], pieces: Sequence[Part]) -> Access:
    walks = [Part(p.sql.replace("{t}", "a"), p.values) for p in pieces]
    probe = either([Part(p.sql.replace("{t}", "k"), p.values) for p in pieces])
    return ranged(on, kind, "string", params, walks, probe)


def string(on: Planning, clause: StringClause) -> Access:
    """Any of the texts. https://hl7.org/fhir/R4/search.html#string"""
    pieces: list[Part] = []
    for value in clause.values:
        folded = fold(value)
        if clause.match == "exact":
            exact = Part("{t}.exact = ?", (on.dialect.keys.texts[value],))
            pieces += [every([piece, exact]) for piece in on.dialect.text("whole", folded)]
        elif folded:  # a text of punctuation only says nothing, so it finds nothing
            pieces += on.dialect.text(clause.match, folded)
    return _texts(on, "string", clause.parameters, pieces)


# --- dates ---------------------------------------------------------------------------------------------------------


def walks_of(value: DateRange, alias: str, span: str = "span") -> list[Part]:
    """The ranges of the date index in which rows can match, one per class of interval."""
    held = compare(value, f"{alias}.low", f"{alias}.high")
    found = []
    for number in range(len(keys.SPANS) + 1):
        low, high = bounds(value, keys.SPANS[number] if number < len(keys.SPANS) else None)
        sql = f"{alias}.{span} = ? AND {alias}.low BETWEEN ? AND ? AND {held.sql}"
        found.append(Part(sql, (number, low, high, *held.values)))
    return found


def date(on: Planning, clause: DateClause) -> Access:
    """Any of the ranges."""
    values = clause.values
    pieces = Later(
        len(values) * (len(keys.SPANS) + 1), lambda: [one for value in values for one in walks_of(value, "a")]
    )
    probe = either([compare(value, "k.low", "k.high") for value in clause.values])
    return ranged(on, "date", "date", clause.parameters, pieces, probe, single=clause.single)


def last_updated(on: Planning, clause: LastUpdatedClause, types: Sequence[str]) -> Access:
    """`_lastUpdated`, by the index of (type, seq)."""
    dialect = on.dialect
    held = either([compare(value, "{t}.seq", "{t}.seq") for value in clause.values])
    if not clause.values:
        return NOTHING
    name = dialect.table("resource", "a", "seq")
    arms = [
        Part(
            f"SELECT a.rid FROM {name} WHERE {dialect.of_type('a')} "
            f"AND a.seq BETWEEN ? AND ? AND {held.sql.replace('{t}', 'a')}",
            (*type, *bounds(value, 0), *held.values),
        )
        for type in dialect.type_values(types if len(types) <= on.limits.few else ())
        for value in clause.values
    ]
    probe = dialect.exists(f"SELECT 1 FROM resource k WHERE k.rid = {RID} AND {held.sql.replace('{t}', 'k')}")
    return Access("_lastUpdated", Part(probe, held.values), tuple(arms), ordered=False, alive=False)


# --- identities ----------------------------------------------------------------------------------------------------


def named(on: Planning, names: Sequence[tuple[str | None, str]]) -> Steps[list[int]]:
    """The rids of those names that anybody ever used; a missing type stands for any."""
    wanted = [(each, id) for type, id in names for each in ((type,) if type is not None else TYPES)]
    found = yield from on.dialect.rids(wanted)
    if on.single and not all(map(on.dialect.lasts, found)):  # it may be another one when the next statement runs
        raise Again
    return [found[name] for name in dict.fromkeys(wanted) if name in found]


def reference(on: Planning, clause: ReferenceClause) -> Steps[Access]:
    """Refers to any of these."""
    rids = yield from named(on, clause.values)
    return points(on, "reference", "reference", "target", clause.parameters, rids)


def ids(on: Planning, clause: IdClause, types: Sequence[str]) -> Steps[Access]:
    """`_id`."""
    rids = yield from named(on, [(type, id) for type in types for id in clause.values])
    return these(on, "_id", rids)


def compartment(on: Planning, clause: CompartmentClause, types: tuple[str, ...]) -> Steps[Access]:
    """In the compartment of any of these, and of these types."""
    names: list[tuple[str | None, str]] = [owner for owner in clause.owners if owner[0] in TYPE_NUMBER]
    rids = yield from named(on, names)
    if not rids:
        return NOTHING
    dialect = on.dialect
    of = of_types(on, types, "a.rid")
    name, probed = dialect.table("compartment", "a"), dialect.table("compartment", "k")
    if len(rids) <= on.limits.few:
        arm = f"SELECT a.rid FROM {name} WHERE a.owner = ? AND {of.sql}"
        probe = dialect.exists(f"SELECT 1 FROM {probed} WHERE k.owner = ? AND k.rid = {RID}")
        arms = tuple([Part(arm, (rid, *of.values)) for rid in rids])
        probes = either([Part(probe, (rid,)) for rid in rids])
        return Access("compartment", probes, arms, bounded=len(types) == 1, key=("compartment", types, *rids))
    source = dialect.source(rids)
    arm = f"SELECT a.rid FROM {source.sql} CROSS JOIN {name} WHERE a.owner = j.value AND {of.sql}"
    probe = dialect.exists(f"SELECT 1 FROM {source.sql} CROSS JOIN {probed} WHERE k.owner = j.value AND k.rid = {RID}")
    arms = (Part(arm, (*source.values, *of.values)),)
    return Access("compartment", Part(probe, source.values), arms, ordered=False, cheap=False)


# --- shapes and full text ------------------------------------------------------------------------------------------


def missing(on: Planning, clause: MissingClause, types: Sequence[str]) -> Steps[Access]:
    """`:missing`: the shapes that have, or have not, a value of the parameter."""
    wanted = frozenset(clause.parameters)
    shapes = yield from on.dialect.shapes([TYPE_NUMBER[type] for type in types])
    found = [shape for shape, numbers in shapes.items() if wanted.isdisjoint(numbers) is clause.missing]
    if not found:
        return NOTHING
    if len(found) == len(shapes):
        return EVERYTHING
    dialect = on.dialect
    name = dialect.table("resource", "a", "shape")
    inside = dialect.within(f"(SELECT k.shape FROM resource k WHERE k.rid = {RID})", found)
    if len(found) <= on.limits.few:
        arms = tuple(
            [
                Part(f"SELECT a.rid FROM {name} WHERE a.shape = ? AND {dialect.current('a')}", (shape,))
                for shape in found
            ]
        )
        return Access("missing", inside, arms)
    source = dialect.source(found)
    arm = Part(
        f"SELECT a.rid FROM {source.sql} CROSS JOIN {name} WHERE a.shape = j.value AND {dialect.current('a')}",
        source.values,
    )
    return Access("missing", inside, (arm,), ordered=False)


def text(on: Planning, clause: TextClause, types: tuple[str, ...]) -> Access:
    """`_text` and `_content`: by the full text index of the database."""
    if not clause.values:
        return NOTHING
    found = on.dialect.words(clause.where, clause.values)
    of = of_types(on, types, "a.rid")
    arm = Part(f"SELECT a.rid FROM ({found.sql}) a WHERE {of.sql}", found.values + of.values)
    says = on.dialect.says(clause.where, clause.values)
    probe = says if says is not None else Part(on.dialect.inside(RID, found.sql), found.values)
    return Access("text", probe, (arm,), ordered=False, cheap=says is not None)
