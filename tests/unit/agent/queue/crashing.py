"""A process with a queue, to be killed: `python -m tests.unit.agent.queue.crashing FOLDER SEED FIRST`.

    took 17             the device is told so        sent urn:uuid:… 12,13,14       the far side has it

The device gives its readings in order from FIRST on, and some of those before once more. The far side is who reads.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from tests.unit.agent.queue.samples import CUFF, METER, glucose, minutes, taken

from hilum.agent.batch import Batch, Fate, Later, Stored
from hilum.agent.queue import settling
from hilum.agent.queue.durable import Queue
from hilum.agent.running import Sending


class Says:
    """A way to who reads standard output. Some answers are lost."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    async def send(self, batch: Batch) -> Fate:
        await asyncio.sleep(0)
        print("sent", batch.id, ",".join(map(str, minutes(batch))), flush=True)
        return Later("the answer was lost") if self._chance.random() < 0.3 else Stored("{}")

    async def close(self) -> None:
        """Nothing to let go of."""


async def main(folder: Path, seed: int, first: int) -> None:
    settling._FIRST = settling._SLOWEST = 0.001
    chance = random.Random(seed)
    queue = Queue(folder, most=7, spare=4096)
    sending = asyncio.create_task(Sending(queue, Says(chance), 2).run())
    while not sending.done():
        start = max(0, first - chance.randrange(5))
        many = chance.randrange(1, 12)
        for device, of in ((METER, 0), (CUFF, 1)):
            some = [glucose(minute) for minute in range(start, start + many) if minute % 2 == of]
            if some:
                await queue.take(taken(*some, device=device))
        first = start + many
        print("took", first - 1, flush=True)
    await sending


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
