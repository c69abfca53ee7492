"""A simulated peripheral, read once by the real source, all in one process and in the same air."""

from __future__ import annotations

import asyncio
from typing import Final

from bumble.link import LocalLink

from hilum.agent.simulating.kinds import Plan, peripheral
from hilum.agent.source import Sink
from hilum.agent.sources.ble.bluetooth import Bluetooth
from hilum.agent.sources.ble.by_bumble import BumbleRadio, on_air
from hilum.agent.sources.ble.visit import How

OURS: Final = "C0:DE:FF:00:00:01"
QUIET: Final = 2.0
"""Seconds: nothing is said by a person here, so that there is nothing to wait for."""
_REACHED: Final = 20.0


async def trying(kind: str, plan: Plan, sink: Sink, *, quiet: float = QUIET) -> int:
    """How many readings were taken. `quiet`: as of `How`. Raises what a visit does."""
    air = LocalLink()  # type: ignore[no-untyped-call]
    one = peripheral(kind, air, plan)
    radio = BumbleRadio(on_air(air, OURS, "hilum agent"), pair=plan.encrypted)
    how = How(quiet=max(quiet, 3 * plan.pause))
    await one.switch_on()
    try:
        async with asyncio.timeout(_REACHED + plan.number * (1 + plan.pause)):
            return await Bluetooth(radio, how, name="simulated", now=plan.now).once(sink)
    finally:
        await one.switch_off()
