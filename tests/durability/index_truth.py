"""Whether the index tables of a SQLite store say exactly what its resources say: nothing missing, nothing left over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw

from hilum.fhir import json
from hilum.search.catalogue import EMPTY
from hilum.search.index import index
from hilum.search.rows import CompositeRow, DateRow, QuantityRow, ReferenceRow, Rows, TokenRow
from hilum.store import keys as plain
from hilum.store.keyed import Keys
from hilum.store.sqlite import ident, parameters

TABLES = {
    "token": "param, value, rid",
    "string": "param, folded, exact, rid",
    "date": "param, span, low, high, rid",
    "quantity": "param, unit, low, high, rid",
    "reference": "param, target, rid",
    "composite": "param, a, unit, low, high, rid",
    "near": "param, cell, lat, lon, rid",
    "compartment": "owner, rid",
}

Row = tuple[Any, ...]
RidOf = Callable[[str, str], int]


def expected_rows(rows: Rows, rid: int, rid_of: RidOf, keys: Keys) -> dict[str, set[Row]]:
    """Table -> what one resource has in it."""
    return {
        "token": {(t.parameter, keys.tokens[t.system, t.code], rid) for t in rows.tokens}
        | {(u.parameter, keys.texts[u.value], rid) for u in rows.uris}
        | {(t.parameter, keys.texts[t.folded], rid) for t in rows.terms},
        "string": {(s.parameter, s.folded, keys.texts[s.value], rid) for s in rows.strings},
        "date": {(d.parameter, plain.span(d.low, d.high), d.low, d.high, rid) for d in rows.dates},
        "quantity": {(q.parameter, _unit(q, keys), q.low, q.high, rid) for q in rows.quantities},
        "reference": {(r.parameter, rid_of(r.type, r.id), rid) for r in rows.references},
        "composite": {
            (c.parameter, keys.tokens[c.system, c.code], *_second(c, rid_of, keys), rid) for c in rows.composites
        },
        "near": {
            (n.parameter, plain.cell(plain.across(n.longitude), plain.along(n.latitude)), n.latitude, n.longitude, rid)
            for n in rows.nears
        },
        "compartment": {(rid_of(*owner), rid) for owner in rows.compartments},
    }  # fmt: skip


def _unit(row: QuantityRow, keys: Keys) -> int:
    return keys.units[row.system, row.code, row.unit] | (plain.WIDE if row.low != row.high else 0)


def _second(row: CompositeRow, rid_of: RidOf, keys: Keys) -> tuple[int, float, float]:
    match row.second:
        case TokenRow(_, system, code):
            return 0, keys.tokens[system, code], keys.tokens[system, code]
        case DateRow(_, low, high):
            return plain.span(low, high), low, high
        case QuantityRow() as amount:
            return _unit(amount, keys), amount.low, amount.high
        case ReferenceRow(_, type, id):
            return 0, rid_of(type, id), rid_of(type, id)
        case (start, end):
            return 0, start.low, end.high


def differences(path: str) -> list[str]:
    """One line per table that differs from what indexing its resources again gives."""
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    keys = Keys(str(db.execute("SELECT value FROM meta WHERE key = 'secret'").get))
    for number, text in db.execute("SELECT number, text FROM system"):
        keys.numbers[str(text)] = int(str(number))
    rids = {(type, id): rid for type, id, rid in db.execute("SELECT type, id, rid FROM identity")}
    expected: dict[str, set[Row]] = {name: set() for name in TABLES}
    terms: set[Row] = set()
    units: set[Row] = set()
    alive: dict[int, int] = {}
    shapes = {id: tuple(json.stored(f'{{"is": {params}}}'.encode())["is"]) for id, params in
              db.execute("SELECT id, params FROM shape")}  # fmt: skip
    wrong = []
    registry = parameters.known(db, EMPTY).registry  # nothing may be pending

    def rid_of(type: str, id: str) -> int:
        return rids[ident.type_number(type), ident.key(id)]

    for rid, version, method, shape, body in db.execute("SELECT rid, version, method, shape, body FROM resource"):
        if not version or method == ident.DELETED:
            continue
        type = ident.type_of(rid)
        alive[ident.type_number(type)] = alive.get(ident.type_number(type), 0) + 1
        rows = index(type, json.parse(body), ident.id_of(type, body), registry)
        for name, some in expected_rows(rows, rid, rid_of, keys).items():
            expected[name] |= some
        terms |= {(t.parameter, keys.texts[t.folded], t.folded) for t in rows.terms}
        units |= {(q.parameter, _unit(q, keys), q.system, q.code, q.unit) for q in rows.quantities}
        kinds = (rows.tokens, rows.strings, rows.dates, rows.quantities, rows.references, rows.uris, rows.composites,
                 rows.nears)  # fmt: skip
        if shapes.get(shape) != tuple(sorted({row[0] for kind in kinds for row in kind})):
            wrong.append(f"shape: that of a {type} is another")
    for name, columns in TABLES.items():
        found = set(db.execute(f"SELECT {columns} FROM {name}"))
        if found != expected[name]:
            wrong.append(f"{name}: {len(expected[name] - found)} missing, {len(found - expected[name])} left over")
    # Dictionaries may know more than what is there now.
    if missing := terms - set(db.execute("SELECT param, value, folded FROM term")):
        wrong.append(f"term: {len(missing)} missing")
    if missing := units - set(db.execute("SELECT param, unit, system, code, display FROM unit")):
        wrong.append(f"unit: {len(missing)} missing")
    tally = dict(db.execute("SELECT type, n FROM tally WHERE n <> 0"))
    if tally != alive:
        wrong.append(f"tally: {tally} instead of {alive}")
    versions = dict(db.execute("SELECT rid, count(*) FROM log GROUP BY rid"))
    current = dict(db.execute("SELECT rid, version FROM resource WHERE version > 0"))
    if versions != current:
        wrong.append("log: the number of versions is not the current version")
    db.close()
    return wrong
