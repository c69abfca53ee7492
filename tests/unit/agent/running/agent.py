"""An agent whose far side is a file, `python -m tests.unit.agent.running.agent COMMAND…`: it says what to each batch is
in the file `fate` of the folder that HILUM_AGENT_DATA names.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from types import ModuleType

from tests.unit.agent.queue.samples import many

from hilum.agent.batch import Batch, Fate, Stopped, Stored

FOLDER = Path(os.environ["HILUM_AGENT_DATA"])


class Way:
    """Stored, or stopped, as the file says."""

    async def send(self, batch: Batch) -> Fate:
        fate = (FOLDER / "fate").read_text()
        print(fate, flush=True)
        return Stored('{"id":"r1"}') if fate == "stored" else Stopped("401: the key is not known")

    async def close(self) -> None:
        print("closed", flush=True)


class Meter:
    """Three readings, once."""

    name = "meter"

    async def run(self, sink) -> None:
        await sink.take(many(3))
        print("took", flush=True)
        await asyncio.Event().wait()


def module(name: str, **holds: object) -> None:
    sys.modules[name] = made = ModuleType(name)
    made.__dict__.update(holds)


module("hilum.agent.sending", way=lambda settings, identity, keeps: Way())
module("hilum.agent.identity", read=lambda folder: None)
module("hilum.agent.sources.meter", source=lambda table: Meter())

if __name__ == "__main__":
    from hilum.agent.cli import main

    main()
