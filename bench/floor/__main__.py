"""Serve the floor: `python -m bench.floor --store sqlite:PATH --port 9000 --numbers numbers.json --token-id ID`."""

from __future__ import annotations

import argparse
import os
import threading
from pathlib import Path

import msgspec
import uvicorn

from bench.floor.application import Application, Store
from bench.floor.protocol import Protocol
from bench.floor.rows import Numbers
from bench.floor.trail import Trail


def main() -> None:
    """Until SIGINT or SIGTERM. uvicorn is set as hilum sets it (src/hilum/cli/serving.py)."""
    parser = argparse.ArgumentParser(prog="python -m bench.floor", description=__doc__)
    parser.add_argument("--store", required=True, help="sqlite:PATH or postgresql://...")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--numbers", type=Path, required=True, help="types and search parameters by number, JSON")
    parser.add_argument("--token-id", required=True, help="what the audit rows name as the token")
    parser.add_argument("--trail", required=True, help="the file that tells what was read; it is made")
    asked = parser.parse_args()
    threading.excepthook = _fail
    numbers = msgspec.json.decode(asked.numbers.read_bytes(), type=Numbers)
    store: Store
    if asked.store.startswith("sqlite:"):
        from bench.floor.sqlite import Floor

        store = Floor(asked.store.removeprefix("sqlite:"), numbers, asked.token_id)
    else:
        from bench.floor.postgres import PostgresFloor

        store = PostgresFloor(asked.store, numbers, asked.token_id)
    uvicorn.run(
        Application(store, numbers, f"http://127.0.0.1:{asked.port}/fhir", Trail(asked.trail)),
        host="127.0.0.1",
        port=asked.port,
        interface="asgi3",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
    )


def _fail(failed: threading.ExceptHookArgs) -> None:
    """A floor whose writer is dead would only let its clients wait."""
    threading.__excepthook__(failed)
    os._exit(1)


if __name__ == "__main__":
    main()
