"""The locks of what is only referred to so far, because it gets another number when it is created.

Whoever writes rows that refer to it holds its lock, shared, and sees under it that the number still stands (`stand` in
the schema); whoever creates it holds the lock alone, and brings all such rows to its new number (`move`). So no row is
written of a number that was given up. Locks are of the numbers' remainders, so that a commit takes few of them; they
are taken before all locks of rows, sorted among those of criteria, and queue fairly, which locks of rows do not.
https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xxhash import xxh3_64_intdigest

from hilum.store import keys
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.encode import literal
from hilum.store.postgres.known import Known
from hilum.store.postgres.names import Name

MANY: Final = 64
"""How many locks there are: PostgreSQL's lock table is shared by all sessions."""
_SHARED: Final = "SELECT pg_advisory_xact_lock_shared(k) FROM unnest($1::bigint[]) AS k"
_EVERY: Final = """
SELECT CASE WHEN l.alone THEN pg_advisory_xact_lock(l.key) ELSE pg_advisory_xact_lock_shared(l.key) END
FROM unnest($1::bigint[], $2::boolean[]) AS l (key, alone)
"""
_STAND: Final = "SELECT stand($1)"


def lock(guard: int, rid: int) -> int:
    """The key of the advisory lock of a number."""
    return _slot(guard, rid % MANY)


async def every(session: Session, guard: int, created: Iterable[int]) -> None:
    """Nothing that is only referred to is created by others until this transaction ends, which creates those itself.

    Each lock is taken once, as it will be needed: who shares it and then wants it alone waits for all who do the same.
    """
    alone = {lock(guard, rid) for rid in created}
    keys = sorted(_slot(guard, slot) for slot in range(MANY))
    await fetch(session, _EVERY, keys, [key in alone for key in keys])


async def hold(session: Session, known: Known, rids: dict[Name, int]) -> bool:
    """Whether these numbers stand; if so they do until this transaction ends, which has locked no row yet."""
    loose = list({rid for name, rid in rids.items() if known.names.get(name) is None})
    if not loose:
        return True
    await fetch(session, _SHARED, sorted({lock(known.guard, rid) for rid in loose}))
    return bool((await fetch(session, _STAND, literal(loose)))[0][0])


def _slot(guard: int, slot: int) -> int:
    return keys.signed(xxh3_64_intdigest(b"referred:%d:%d" % (guard, slot)))
