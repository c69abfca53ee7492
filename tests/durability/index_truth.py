"""Whether the index tables of a SQLite store say exactly what its resources say: nothing missing, nothing left over."""

from __future__ import annotations

import apsw

from hilum.fhir import json
from hilum.search.index import index
from hilum.store.keys import span, token, uri
from hilum.store.sqlite import ident

TABLES = {
    "token": "param, value, rid",
    "string": "param, folded, exact, rid",
    "date": "param, span, low, high, rid",
    "reference": "param, target, rid",
    "compartment": "owner, rid",
}


def differences(path: str) -> list[str]:
    """One line per table that differs from what indexing its resources again gives."""
    db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    rids = {(type, id): rid for type, id, rid in db.execute("SELECT type, id, rid FROM identity")}
    expected: dict[str, set[tuple[object, ...]]] = {name: set() for name in TABLES}
    alive: dict[int, int] = {}

    def rid_of(type: str, id: str) -> int:
        return rids[ident.type_number(type), ident.key(id)]

    for rid, version, method, body in db.execute("SELECT rid, version, method, body FROM resource"):
        if not version or method == ident.DELETED:
            continue
        type = ident.type_of(rid)
        alive[ident.type_number(type)] = alive.get(ident.type_number(type), 0) + 1
        rows = index(type, json.parse(body), ident.id_of(type, body))
        expected["token"] |= {(t.parameter, token(t.system, t.code), rid) for t in rows.tokens}
        expected["token"] |= {(u.parameter, uri(u.value), rid) for u in rows.uris}
        expected["string"] |= {(s.parameter, s.folded, uri(s.value), rid) for s in rows.strings}
        expected["date"] |= {(d.parameter, span(d.low, d.high), d.low, d.high, rid) for d in rows.dates}
        expected["reference"] |= {(r.parameter, rid_of(r.type, r.id), rid) for r in rows.references}
        expected["compartment"] |= {(rid_of(*owner), rid) for owner in rows.compartments}
    wrong = []
    for name, columns in TABLES.items():
        found = set(db.execute(f"SELECT {columns} FROM {name}"))
        if found != expected[name]:
            wrong.append(f"{name}: {len(expected[name] - found)} missing, {len(found - expected[name])} left over")
    tally = dict(db.execute("SELECT type, n FROM tally WHERE n <> 0"))
    if tally != alive:
        wrong.append(f"tally: {tally} instead of {alive}")
    versions = dict(db.execute("SELECT rid, count(*) FROM log GROUP BY rid"))
    current = dict(db.execute("SELECT rid, version FROM resource WHERE version > 0"))
    if versions != current:
        wrong.append("log: the number of versions is not the current version")
    db.close()
    return wrong
