"""What was only referred to so far is created: it gets a number of its own, and what refers to it follows.

Within the transaction that creates it. What is told of versions by their compartments keeps the number that they were
committed with; `former` tells whose that was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import apsw

from hilum.search.parameters import Registry
from hilum.search.references import paired
from hilum.store.sqlite.connection import rows

# By parameter, those that occur: an index by target alone would cost every reference its space again.
_PARAMS: Final = """
WITH RECURSIVE found(param) AS (
    SELECT min(k.param) FROM reference k UNION ALL
    SELECT (SELECT min(k.param) FROM reference k WHERE k.param > f.param) FROM found f WHERE f.param IS NOT NULL)
SELECT json_group_array(param) FROM found WHERE param IS NOT NULL
"""
_REFERENCES: Final = """
UPDATE reference NOT INDEXED SET target = ?1
WHERE param IN (SELECT j.value FROM json_each(?2) j) AND target = ?3
"""
_BESIDE: Final = """
UPDATE composite INDEXED BY composite_rid SET low = ?1, high = ?1
WHERE rid IN (SELECT k.rid FROM json_each(?2) j CROSS JOIN reference k WHERE k.param = j.value AND k.target = ?4)
AND param IN (SELECT j.value FROM json_each(?3) j) AND unit = 0 AND low = ?4 AND high = ?4
"""
"""Found by the rows of the same references, and so before those are brought to another number."""
_FIRSTS: Final = """
WITH RECURSIVE found(param, a) AS (
    SELECT j.value, (SELECT min(k.a) FROM composite k WHERE k.param = j.value) FROM json_each(?) j
    UNION ALL SELECT f.param, (SELECT min(k.a) FROM composite k WHERE k.param = f.param AND k.a > f.a)
    FROM found f WHERE f.a IS NOT NULL)
SELECT param, a FROM found WHERE a IS NOT NULL
"""
_ALONE: Final = """
UPDATE composite NOT INDEXED SET low = ?1, high = ?1 WHERE param = ?2 AND a = ?3 AND unit = 0 AND low = ?4 AND high = ?4
"""


def listed(db: apsw.Connection) -> str:
    """The numbers of all parameters under which anything refers to anything, as JSON."""
    return str(db.execute(_PARAMS).get)


def move(db: apsw.Connection, registry: Registry, moved: Sequence[tuple[int, int]], at: int) -> None:
    """Bring what is stored of each number, given up at `at` (microseconds), to the one that is in its place."""
    params = listed(db)
    pairs = paired(registry)
    beside, own = json.dumps(pairs.beside), json.dumps(pairs.own)
    firsts = rows(db, _FIRSTS, (json.dumps(pairs.alone),)) if pairs.alone else ()
    for was, rid in moved:
        db.execute("DELETE FROM resource WHERE rid = ?", (was,))
        db.execute("INSERT INTO former VALUES (?, ?, ?)", (was, rid, at))
        db.execute(_BESIDE, (rid, own, beside, was))
        db.execute(_REFERENCES, (rid, params, was))
        db.execute("UPDATE compartment SET owner = ? WHERE owner = ?", (rid, was))
        for param, first in firsts:
            db.execute(_ALONE, (rid, param, first, was))
