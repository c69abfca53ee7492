"""A server process at which somebody guesses passwords: `python -m tests.contract.guessing KEYS COUNT PLACE [SCHEMA]`.

Says `ready`, waits for a line, and says what it answered, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.unit.smart.pages import Browser, site

from hilum.store.interface import Store
from hilum.store.postgres import open_postgres
from hilum.store.sqlite import open_sqlite


async def guess(store: Store, keys: Path, count: int) -> list[int]:
    """So many wrong passwords for one user, from as many addresses, some at once."""
    here = replace(site(keys, ledger=store.ledger), clock=time.time)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    pages = await asyncio.gather(
        *(Browser(here, address=f"192.0.2.{n}").sign_in(password=f"wrong password {n}") for n in range(count))
    )
    return [page.status for page in pages]


async def main(keys: str, count: str, place: str, schema: str = "") -> None:
    """PLACE: the file of a SQLite store, or the URL of a PostgreSQL one."""
    store: Store = await open_postgres(place, schema=schema) if schema else await open_sqlite(place)
    print(json.dumps(await guess(store, Path(keys), int(count))))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
