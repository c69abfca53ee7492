"""A process of hilum that wants another token of a grant in each round but the first, on a store that others share. It
dies where it is told to.

python renewer.py DATA STORE GRANT DIES ROUNDS, with its connection in the store.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from tests.unit.broker.launched import HTTP, here

from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.broker.far import Failed

DIES = ("ready", "intent", "sent", "answered", "never")


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


async def main(data: str, place: str, grant: str, dies: str, rounds: int) -> None:
    store = await open_store(Settings.read({"data": data, "store": place}))

    async def send(method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Any:
        if method == "POST" and dies == "intent":
            die()
        answer = await HTTP(method, url, headers, body, limit=limit)
        if method == "POST" and dies == "answered":
            die()
        return answer

    where = here(Path(data), send, ledger=store.ledger)
    bearer = where.renewing.bearer(grant)
    if dies == "ready":
        ready = where.renewing._ready

        async def last(kept: Any) -> Any:
            await ready(kept)
            die()

        where.renewing._ready = last
    for number in range(rounds):
        try:
            print(await bearer(fresh=number > 0), flush=True)
        except Failed as error:
            print(error.kind, flush=True)
            break
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:5], int(sys.argv[5])))
