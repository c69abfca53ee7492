"""Conditional criteria inside a commit: which advisory locks decide a race, and what must not have changed.

Two commits with criteria could each find nothing, and each write what the other looked for. So a commit that has
criteria locks what it looks for, exclusively, and what it writes, shared: of two such commits with a criterion that the
other one's writes would answer, one waits, and then sees what the other wrote. Locks are single token keys (type,
parameter and code; the parameter tells the type), sorted, while there are few; a criterion without such a key, or a
commit with many, holds the whole store's criteria alone (`whole` = 2; the others hold it shared). Commits without
criteria take no lock: nothing that they do depends on what others write, so that they can be put before or after.
https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from xxhash import xxh3_64_intdigest

from hilum.problems import CriteriaChanged
from hilum.search.clauses import TokenClause
from hilum.search.parameters import Registry
from hilum.search.query import Query
from hilum.store import exact, keys
from hilum.store.interface import Resolves, Write
from hilum.store.keyed import Keys
from hilum.store.plan.plan import permitted
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.known import Known
from hilum.store.postgres.rows import as_resource
from hilum.store.postgres.tables import tokens

MOST_LOCKS: Final = 64
"""PostgreSQL's lock table is shared by all sessions: a commit with more keys than this locks the whole instead."""
MOST_CANDIDATES: Final = 64
"""apply() compares this many rids and versions for a criterion; with more, the query is run in the transaction."""
NONE, SHARED, ALONE = 0, 1, 2

_CANDIDATES = """
SELECT r.rid, r.version, r.seq, r.method, r.id, r.body
FROM (SELECT rid FROM token WHERE param = $1 AND value = $2 ORDER BY rid DESC LIMIT 65) k
CROSS JOIN LATERAL (SELECT * FROM resource r WHERE r.rid = k.rid LIMIT 1) r ORDER BY r.rid DESC
"""

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Locks:
    """What a commit locks before it looks: `keys` sorted, each with whether it is exclusive."""

    whole: int
    keys: tuple[tuple[int, bool], ...] = ()


def key(query: Query, of: Keys) -> Key | None:
    """(parameter, token key) of one clause that every match must have, if the query has such a clause.

    None, too, where only other resources tell what else is asked. Raises UnknownSystem.
    """
    if len(query.parts) != 1:
        return None
    (part,) = query.parts
    if not all(map(exact.alone, (*part.clauses, permitted(part.permits)))):
        return None
    for clause in part.clauses:
        if isinstance(clause, TokenClause) and len(clause.values) == len(clause.parameters) == 1:
            value = clause.values[0]
            if value.system is not None and value.code is not None:
                return clause.parameters[0], of.tokens[value.system or None, value.code]
    return None


def systems(query: Query) -> Iterator[str]:
    """The systems of codes that `key` may ask about."""
    for part in query.parts:
        for clause in part.clauses:
            if isinstance(clause, TokenClause):
                yield from [value.system for value in clause.values if value.system]


def locks(known: Known, conditions: Iterable[Resolves], writes: Iterable[Write]) -> Locks:
    """The locks of a commit with these criteria and writes."""
    guard = known.guard
    looked = [key(condition.query, known.keys) for condition in conditions]
    if not looked:
        return Locks(NONE)
    read = {_lock(guard, one) for one in looked if one is not None}
    if None in looked or len(read) > MOST_LOCKS:
        return Locks(ALONE)
    written: set[int] = set()
    for write in writes:
        for rows in (write.rows, write.old):
            written.update([_lock(guard, one) for one in tokens(rows, known.keys)])
        if len(written) > MOST_LOCKS:
            return Locks(ALONE)
    return Locks(SHARED, tuple(sorted([(lock, lock in read) for lock in read | written])))


def _lock(guard: int, one: Key) -> int:
    return keys.signed(xxh3_64_intdigest(b"%d:%d:%d" % (guard, *one)))


async def candidates(session: Session, condition: Resolves, one: Key, registry: Registry) -> str | None:
    """What apply() must still find for the key, `rid:version,…`; None when there are too many to compare.

    Raises CriteriaChanged when the query, judged exactly on those candidates, doesn't find the condition's ids.
    """
    found = await fetch(session, _CANDIDATES, *one)
    if len(found) > MOST_CANDIDATES:
        return None
    judge(condition, [r.id for r in map(as_resource, found) if exact.meant(r, condition.query, registry)])
    return ",".join(f"{rid}:{version}" for rid, version, *_ in found)


def judge(condition: Resolves, ids: Sequence[str]) -> None:
    """Raises CriteriaChanged unless `ids`, as far as one more than it expects, are those of the condition."""
    if sorted(ids[: len(condition.ids) + 1]) != sorted(condition.ids):
        raise CriteriaChanged("The criteria resolve to something else by now.")
