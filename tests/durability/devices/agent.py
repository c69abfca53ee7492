"""The process of the agent: `hilum agent run` of a data folder, and a source that hears devices on standard input.

    {"n": 1, "said": {...}} -> {"took": 1}, or {"full": 1}        {"left": true} -> {"left": 17}

`python -m tests.durability.devices.agent FOLDER [MUTANT]`. It is hilum's agent but for its pace: it tries again after
fractions of a second. Where the folder has a `directly.json` it is none of hilum's.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.durability.devices.saying import taken

from hilum.agent.source import Full, Sink


class Devices:
    """A source: all devices of the chaos. It never ends."""

    name = "chaos"

    def __init__(self, left: Callable[[], int]) -> None:
        self._left = left

    async def run(self, sink: Sink) -> None:
        loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        lines = asyncio.StreamReader(limit=1 << 24)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        say(ready=True)
        while line := await lines.readline():
            told = json.loads(line)
            if "left" in told:
                say(left=self._left())
                continue
            task = loop.create_task(_take(sink, told))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


async def _take(sink: Sink, told: dict[str, Any]) -> None:
    try:
        await sink.take(taken(told["said"]))
    except Full:
        say(full=told["n"])
    else:
        say(took=told["n"])


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def main(folder: Path, mutant: str) -> None:
    directly = folder / "directly.json"
    if directly.exists():
        from tests.durability.devices.directly import Directly

        asyncio.run(Devices(lambda: 0).run(Directly(json.loads(directly.read_text()))))
        return
    import logging

    from tests.durability.devices.mutants import AGENT

    from hilum.agent import running
    from hilum.agent.queue import schema, settling
    from hilum.agent.queue.listing import standing

    logging.basicConfig(level=logging.INFO)
    settling._FIRST, settling._SLOWEST = 0.05, 1.0  # type: ignore[misc]
    settling._STOPPED, settling._STOPPED_SLOWEST = 0.1, 1.0  # type: ignore[misc]
    if mutant in AGENT:
        AGENT[mutant]()

    def left() -> int:
        db = schema.look(folder)
        assert db is not None
        try:
            now = standing(db)
            return now.waiting + now.dead
        finally:
            db.close()

    source = ModuleType("hilum.agent.sources.chaos")
    source.source = lambda table: Devices(left)  # type: ignore[attr-defined]
    sys.modules[source.__name__] = source
    running.run(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
