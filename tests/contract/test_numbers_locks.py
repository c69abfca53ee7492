"""Contract of PostgreSQL: who judges by several statements takes the lock of what it creates once, alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from tests.contract.conftest import DURABLE
from tests.contract.test_numbers import asked
from tests.contract.writing import commit, create, observation, patient, put

from hilum.store.interface import Resolves
from hilum.store.postgres import PostgresStore, moving
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.names import Names

_HELD = """
SELECT (classid::bigint << 32 | objid::bigint)::bigint, mode FROM pg_locks
WHERE pid = pg_backend_pid() AND locktype = 'advisory' AND objsubid = 1
"""


@pytest.mark.parametrize("opened", DURABLE[:1], indirect=True)
async def test_the_lock_of_what_is_created_is_never_shared_before(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who share it and both create under it would wait for each other."""
    await create(store, observation("Patient/p"), "o")
    held: dict[int, set[str]] = {}
    every, given_up = moving.every, set[int]()

    async def seen(session: Session, guard: int, created: Iterable[int]) -> None:
        rids: dict[Any, int] = await Names().known(session, [("Patient", "p")])
        given_up.update(moving.lock(guard, rid) for rid in rids.values())
        await every(session, guard, created)
        for key, mode in await fetch(session, _HELD):
            held.setdefault(key, set()).add(mode)

    monkeypatch.setattr(moving, "every", seen)
    criterion = Resolves(asked("Patient", ("family", "nobody")), ())
    await store.commit(commit(put(patient("F"), "p"), given=(criterion,)))
    assert len(held) == moving.MANY
    assert len(given_up) == 1
    assert held == {key: {"ExclusiveLock" if key in given_up else "ShareLock"} for key in held}
    found = await store.search(asked("Observation", ("subject", "Patient/p")))
    assert [one.id for one in found.resources] == ["o"]
