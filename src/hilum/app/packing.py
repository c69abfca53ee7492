"""What a server process does for a PostgreSQL store beside requests: it keeps the indexes dense.

Every process looks; the store sees to it that one at a time builds. See `hilum.store.postgres.pack`.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Self

from hilum.app.background import Background
from hilum.problems import Problem
from hilum.store.interface import Store
from hilum.web import log

if TYPE_CHECKING:  # the driver is not loaded for a SQLite store
    from hilum.store.postgres import PostgresStore

LOOK_SECONDS: Final = 60.0
"""How often a process looks: one query of the catalogue."""
TROUBLE_SECONDS: Final = 3600.0
"""How long it lets be what it could not do: a reader that lasts, a full disk, an index of another owner."""


class Packing(Background):
    """Of the store of one process. Stopped, the index that it was at stays as it was."""

    name = "hilum-packing"

    def __init__(self, store: PostgresStore) -> None:
        super().__init__()
        self._store = store

    @classmethod
    def of(cls, store: Store) -> Self | None:
        """None for a store that needs none."""
        if store.name != "postgresql":
            return None
        from hilum.store.postgres import PostgresStore

        return cls(store) if isinstance(store, PostgresStore) else None

    async def _run(self) -> None:
        seconds = LOOK_SECONDS
        while True:
            await asyncio.sleep(seconds)
            seconds = LOOK_SECONDS if await self.turn() else TROUBLE_SECONDS

    async def turn(self) -> bool:
        """Look once, and build what is sparse. False: there was trouble, of which the log tells."""
        try:
            async with aclosing(self._store.pack()) as packed:
                async for one in packed:
                    log.info("index packed", index=one.index, before=one.before, after=one.after)
        except Problem as problem:
            log.warning("packing", text=str(problem))
            return False
        return True
