"""`python -m tests.durability.devices`: a million measurements through chaos, on SQLite and PostgreSQL.

    PYTHONPATH=src:. python -m tests.durability.devices --count 1000000 --store both --seed 1

Tells how far it is, and in the end who died how often, what became of requests, and every difference.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from tests.durability.crashing_postgres import crashing_postgres
from tests.durability.devices.apart import Namespace, namespace, possible
from tests.durability.devices.chaos import Chaos, Plan
from tests.durability.devices.mutants import AGENT, GATEWAY

EVERY = 5.0
"""Seconds between two lines of progress."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.durability.devices", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="measurements")
    parser.add_argument("--store", default="both", choices=["sqlite", "postgresql", "both"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--devices", type=int, default=70)
    parser.add_argument("--kills", default="60,30,20", help="of the agent, of the server, cuts of the namespace")
    parser.add_argument("--mutant", default="", choices=["", *AGENT, *GATEWAY])
    parser.add_argument("--folder", type=Path, default=None, help="where to work (some GB); kept if it is given")
    asked = parser.parse_args()
    stores = ("sqlite", "postgresql") if asked.store == "both" else (asked.store,)
    return max([asyncio.run(one(store, asked)) for store in stores])


async def one(store: str, asked: argparse.Namespace) -> int:
    agents, servers, cuts = map(int, asked.kills.split(","))
    folder = asked.folder / store if asked.folder else Path(tempfile.mkdtemp(prefix="hilum-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    last = [0.0]

    def tell(what: str, done: int) -> None:
        if time.monotonic() - last[0] > EVERY:
            last[0] = time.monotonic()
            print(f"{time.strftime('%H:%M:%S')} {store}: {done:,} {what}; died: {dict(chaos.died)}", flush=True)

    with apart() as inside, crashing_postgres() if store == "postgresql" else nullcontext() as postgres:
        where = ("--store", postgres.url) if postgres is not None else ()
        plan = Plan(
            asked.seed, asked.count, asked.devices, agents, servers, cuts,
            where, postgres.crash if postgres is not None else None, window=5000, mutant=asked.mutant,
        )  # fmt: skip
        chaos = Chaos(plan, folder, inside, tell)
        began = time.monotonic()
        found = await chaos.run()
        print(chaos.report(store, found, time.monotonic() - began), flush=True)
    if asked.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if found.faults else 0


@contextmanager
def apart() -> Iterator[Namespace | None]:
    """A namespace for the agent where there can be one; else it is said that there is none."""
    if not possible():
        print("no network namespaces here (unshare -rn): the network is cut by the proxy alone", flush=True)
        yield None
        return
    with namespace() as inside:
        print("the agent has a network of its own, " + ("shaped by tc" if inside.shaped else "not shaped: no netem"))
        yield inside


if __name__ == "__main__":
    sys.exit(main())
