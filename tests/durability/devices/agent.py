"""The process of the agent: devices tell it, by lines of standard input, what they measured; it says what it has taken.

    {"n": 1, "said": {...}} -> {"took": 1}, or {"full": 1}        {"left": true} -> {"left": 17}

The first line is its settings. `mutant`: a fault of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Protocol

from tests.durability.devices.directly import Directly
from tests.durability.devices.mutants import AGENT
from tests.durability.devices.saying import taken

from hilum.agent.source import Full
from hilum.phd.reading import Taken


class Agent(Protocol):
    async def run(self) -> None: ...

    async def take(self, taken: Taken) -> None: ...

    async def left(self) -> int:
        """Readings that are on their way."""
        ...


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


async def main() -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    settings = json.loads(await lines.readline())
    if settings["mutant"] in AGENT:
        AGENT[settings["mutant"]]()
    agent: Agent = Directly(settings)
    tasks = {loop.create_task(agent.run())}
    say(ready=True)
    while line := await lines.readline():
        told = json.loads(line)
        if "left" in told:
            say(left=await agent.left())
            continue
        task = loop.create_task(take(agent, told))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def take(agent: Agent, told: dict[str, Any]) -> None:
    try:
        await agent.take(taken(told["said"]))
    except Full:
        say(full=told["n"])
    else:
        say(took=told["n"])


if __name__ == "__main__":
    asyncio.run(main())
