"""`hilum agent simulate`: a device that there is not, read as if it were, to try an agent without a radio."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hilum.problems import Misconfigured

if TYPE_CHECKING:
    from hilum.agent.simulating.kinds import Plan

_DATA: Final = Path("hilum-agent")


class Kind(StrEnum):
    """As `simulating.kinds.KINDS`, which is not imported for help."""

    GLUCOMETER = "glucometer"
    BLOOD_PRESSURE = "blood-pressure"
    THERMOMETER = "thermometer"
    SCALE = "scale"
    OXIMETER = "oximeter"
    HEART_RATE = "heart-rate"
    CGM = "cgm"


def simulate(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="Which device.", show_default=False)],
    data: Annotated[
        Path, typer.Option("--data", envvar="HILUM_AGENT_DATA", help="The agent's folder: readings go into its queue.")
    ] = _DATA,
    number: Annotated[int, typer.Option(min=1, max=10_000, help="How many measurements it has.")] = 12,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Over how many days until now.")] = 7,
    unit: Annotated[int, typer.Option(min=1, max=0xFFFF, help="Which device of its kind: each has its own key.")] = 1,
    skew: Annotated[int, typer.Option(help="Seconds that its clock is ahead; less than 0: behind.")] = 0,
    malformed: Annotated[
        list[int] | None, typer.Option(help="A measurement (1, 2, …) that comes mutilated.", show_default=False)
    ] = None,
    encrypted: Annotated[bool, typer.Option("--encrypted", help="It talks only to a paired machine.")] = False,
) -> None:
    """Try the agent without a radio: a simulated device of Bluetooth LE, read by the real source, down to its packets.

    What it measured goes into the agent's queue, and is sent by `hilum agent run`. It is made up, and the device says
    so by its maker (hilum) and its system id (FE-ED-AB-EE-DF-…): do not send it where real readings are.

    Examples:

    - `hilum agent simulate glucometer`

    - `hilum agent simulate thermometer --number 3 --days 1 --skew -3600`
    """
    try:
        from hilum.agent.simulating.kinds import Plan
    except ImportError:
        raise Misconfigured("Simulating needs bumble: pip install 'hilum[agent-simulate]'") from None

    plan = Plan(
        lambda: datetime.now(UTC).astimezone(),
        number,
        days,
        unit,
        timedelta(seconds=skew),
        frozenset(one - 1 for one in malformed or ()),
        encrypted=encrypted,
    )
    taken = asyncio.run(_into(data, kind.value, plan))
    print(f"{taken} readings of a simulated {kind.value} are in the queue of {data}.", file=sys.stderr)


async def _into(data: Path, kind: str, plan: Plan) -> int:
    from hilum.agent.simulating.trying import trying

    queue: Callable[[Path], Any] = import_module("hilum.agent.queue.durable").Queue
    sink = queue(data)
    try:
        return await trying(kind, plan, sink)
    finally:
        await sink.close()
