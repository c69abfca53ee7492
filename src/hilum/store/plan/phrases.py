"""Words that stand side by side in a text. https://hl7.org/fhir/R4/search.html#text

The full text indexes know which words a text has and not where: positions would be most of their size, and
PostgreSQL's end at 16,383 (https://www.postgresql.org/docs/current/textsearch-limitations.html). So they tell where all
words of a phrase occur, and each of those texts is read: the same answer from every store.
"""

from __future__ import annotations

from typing import Final

from hilum.search.clauses import PhraseClause, TextClause
from hilum.search.prose import read, says
from hilum.store.plan.access import Access
from hilum.store.plan.dialect import Steps
from hilum.store.plan.leaves import text
from hilum.store.plan.lists import these
from hilum.store.plan.planning import Planning
from hilum.store.plan.thresholds import too_costly
from hilum.store.sql import Part

MOST: Final = 20_000
"""How many texts are read for one phrase."""
AT_ONCE: Final = 200


def phrase(on: Planning, clause: PhraseClause, types: tuple[str, ...]) -> Steps[Access]:
    """The resources of these types in a text of which the words stand side by side."""
    (arm,) = text(on, TextClause(clause.where, (clause.words,)), types).arms
    rows = yield Part(f"{arm.sql} LIMIT {MOST + 1}", arm.values)
    if len(rows) > MOST:
        raise too_costly(
            f"All words of a phrase occur in more than {MOST:,} resources. Use rarer words, or fewer types."
        )
    rids = [row[0] for row in rows]
    found: list[int] = []
    for start in range(0, len(rids), AT_ONCE):
        bodies = yield on.dialect.rows(rids[start : start + AT_ONCE])
        raws = [(row[0], on.dialect.resource(row).raw) for row in bodies]
        found += [rid for rid, raw in raws if says(clause.where, read(raw), clause.words)]
    on.note("phrase", read=len(rids), found=len(found))
    return these(on, "text", found)
