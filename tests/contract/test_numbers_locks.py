"""Contract of each store's own: locks of PostgreSQL, and what SQLite's writer remembers of a group that was lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apsw
import pytest
from tests.contract.conftest import DURABLE
from tests.contract.test_numbers import asked
from tests.contract.writing import commit, create, observation, patient, put

from hilum.problems import Problem
from hilum.store.interface import Resolves, Store
from hilum.store.postgres import PostgresStore, moving
from hilum.store.postgres.connection import Session, fetch
from hilum.store.postgres.names import Names
from hilum.store.sqlite.store import SqliteStore

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


@pytest.mark.parametrize("opened", ["sqlite"], indirect=True)
async def test_a_group_that_was_lost_with_what_it_moved_is_not_what_others_moved(
    store: SqliteStore, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have given up one number; it is not the same one."""
    await create(store, observation("Patient/p"), "o1")
    await create(store, observation("Patient/q"), "o2")
    applier = store._writer._applier
    with monkeypatch.context() as full:

        def finish() -> None:
            raise apsw.FullError("disk full")

        full.setattr(applier, "finish", finish)
        with pytest.raises(Problem):
            await create(store, patient("P"), "p")
    await create(other, patient("Q"), "q")
    await create(store, observation("Patient/q"), "o3")
    found = await store.search(asked("Observation", ("subject", "Patient/q")))
    assert sorted(one.id for one in found.resources) == ["o2", "o3"]
