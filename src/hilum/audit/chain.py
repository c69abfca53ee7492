"""Hash chains: whoever alters, removes or inserts a link breaks every one after it.

Rows of writes have a chain for each process (on PostgreSQL, each of its connections), computed in the commit; frames of
the trail have one for each process.
"""

from __future__ import annotations

from hashlib import sha256

from hilum.store.chain import linked
from hilum.store.segments import WriteAudited


def link(previous: bytes, payload: bytes) -> bytes:
    """The link of a frame."""
    return sha256(previous + payload).digest()


def origin(process: bytes, started: int) -> bytes:
    """What the first frame of a process is linked to. `started`: microseconds since 1970."""
    return sha256(b"hilum trail" + process + started.to_bytes(8, "big")).digest()


def written(previous: bytes, row: WriteAudited) -> frozenset[bytes]:
    """The links that the row of a commit may have: one, but for rows of the first layout, which each store had its own
    formula for.
    """
    fields = (row.seq, row.writes, row.agent, row.client, row.interaction, row.token)
    if row.detail:
        return frozenset((linked(previous, *fields, row.detail),))
    of_sqlite = repr((row.process, *fields)).encode()
    of_postgres = "\x1f".join(map(str, fields)).encode()
    return frozenset(sha256(previous + text).digest() for text in (of_sqlite, of_postgres))
