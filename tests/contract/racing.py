"""A process that takes and adds records as fast as it can: `python -m tests.contract.racing COUNT PLACE [SCHEMA]`.

Says `ready`, waits for a line, and says which it was first at, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from hilum.oauth.ledger import CODE, JTI, Put
from hilum.store.interface import Store
from hilum.store.postgres import open_postgres
from hilum.store.sqlite import open_sqlite


async def race(store: Store, count: int) -> dict[str, list[int]]:
    """Four at a time, all in the same order, so that processes meet at the same ones."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    taken: list[int] = []
    added: list[int] = []
    numbers = iter(range(count))

    async def work() -> None:
        for n in numbers:
            if (await store.ledger.take(CODE, b"%d" % n)).first:
                taken.append(n)
            if await store.ledger.add(Put(JTI, b"%d" % n, b"")):
                added.append(n)

    await asyncio.gather(*(work() for _ in range(4)))
    return {"taken": taken, "added": added}


async def main(count: str, place: str, schema: str = "") -> None:
    """PLACE: the file of a SQLite store, or the URL of a PostgreSQL one."""
    store: Store = await open_postgres(place, schema=schema) if schema else await open_sqlite(place)
    print(json.dumps(await race(store, int(count))))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
