"""An order that somebody waits for in a terminal: executed here or by a server, whoever comes first; then told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import msgspec

from hilum.app.desk import Desk
from hilum.broker.orders import LOOK_SECONDS
from hilum.broker.told import Delivery, Told, told
from hilum.cli.terminal import bold, console, json_out, out, say, table

STEPS: Final = {
    "requested": "waiting for its turn",
    "signing-in": "signing in",
    "gathering": "gathering",
    "storing": "storing",
    "delivering": "delivering",
    "waiting": "waiting to try again",
}
"""Business statuses as they are shown while somebody waits."""
WHY: Final = {
    "absent": "the EHR has none",
    "ambiguous": "not exactly one patient is meant",
    "break-the-glass": "a person has to say why, in the EHR",
    "broken": "the EHR could not answer",
    "forbidden": "the EHR does not allow it",
    "gone": "the EHR has forgotten the pages",
    "incomplete": "elements were left out of it",
    "limit": "the recipe's limit",
    "other-patient": "it is about somebody else",
    "partial": "the EHR says that there may be more",
    "refused": "the EHR does not take the request",
    "skipped": "what it starts from did not come",
    "throttled": "the EHR has had too many requests",
    "unasked": "it was not asked for",
    "unauthorized": "the EHR does not take the sign-in",
    "unproven": "it does not say about whom it is",
    "unreachable": "the EHR was not reached",
    "unreadable": "it is no R4",
}
"""Why something is missing, in a few words. docs/reference/recipes.md has all of them."""
DONE: Final = 0
FAILED: Final = 1
"""It failed, or was cancelled."""
GOES_ON: Final = 3
"""It is not over yet."""
LEFT: Final = 130
"""Nobody waits for it any more: by Ctrl-C, as shells have it (128 and the number of the signal)."""


async def waited(desk: Desk, id: str, seconds: float, after: int = 0) -> Told:
    """The order as it is when it is over, or after so many seconds. It is executed here, unless a server does it.

    `after`: the version of its Task before which nothing counts: that of a dead letter which is delivered again.
    """
    orders, running = desk.ordered.orders, desk.ordered.running
    running.only(id)

    async def watch() -> None:
        while True:
            if (await orders.get(desk.who, id)).version > after:
                break
            await asyncio.sleep(LOOK_SECONDS)
        with _shown() as show:
            async for task in orders.watch(desk.who, id):
                show(told(task))

    work = asyncio.create_task(running.run())
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(watch(), seconds)
    finally:
        work.cancel()
        await asyncio.wait({work})
    return told(await orders.get(desk.who, id))


async def cleared(desk: Desk, id: str, seconds: float = 30) -> None:
    """What is held of a cancelled order is deleted when this returns, or else by the next who comes by."""
    running = desk.ordered.running
    running.only(id)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await desk.ordered.parcels.get(id) is not None:
                    await running.turn()
                    await running.idle()
                    await asyncio.sleep(LOOK_SECONDS)
    finally:
        await running.stop()  # or a server would find nothing new until the lease ends


@contextmanager
def _shown() -> Iterator[Any]:
    """What shows how far it is: a moving line in a terminal, a line for each step elsewhere."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    where = console()
    steps: list[str] = []
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24)
    with Progress(
        *columns, TextColumn("{task.fields[came]}"), TimeElapsedColumn(),
        console=where, transient=True, disable=not where.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=None, came="")

        def show(order: Told) -> None:
            step = _step(order)
            if not where.is_terminal and not order.over and steps[-1:] != [step]:
                say(step)
            steps.append(step)
            far = order.progress
            came = f"{far['resources']:,} resources, {far['requests']:,} requests" if "resources" in far else ""
            parts, done = far.get("parts") or None, far.get("parts done", 0)
            bar.update(task, description=step, total=parts, completed=done, came=came)

        yield show


def tell(order: Told, fields: tuple[str, ...] = (), *, json: bool = False) -> int:
    """Print what became of it; the exit status. `fields`: the names of what a payload holds."""
    if json:
        json_out(msgspec.to_builtins(order))
        return status(order)
    if order.came or order.refused or order.failed:
        title = f"{order.ehr} {order.environment.upper()}, recipe {order.recipe}"
        table(title, ("type", "came", "missing"), _rows(order))
    for one in order.deliveries:
        say(_attempt(order.deliver_to, one, fields))
    say(_end(order))
    return status(order)


def status(order: Told) -> int:
    """The exit status that says how it is."""
    return GOES_ON if not order.over else DONE if order.status == "completed" else FAILED


def _rows(order: Told) -> Iterator[tuple[str, str, str]]:
    came = {one.type: one.count for one in order.came}
    missing: dict[str, list[str]] = {}
    for word, some in (("refused", order.refused), ("failed", order.failed)):
        for one in some:
            why = f" ({WHY[one.why]})" if one.why in WHY else ""
            missing.setdefault(one.type, []).append(f"{word}: {one.why}{why}")
    for type in dict.fromkeys((*came, *missing)):
        yield type, f"{came[type]:,}" if type in came else "", ", ".join(missing.get(type, ()))


def _attempt(where: str, one: Delivery, fields: tuple[str, ...]) -> str:
    what = f": {', '.join(fields)}" if one.result == "delivered" and fields else ""
    answer = f" ({one.answer})" if one.answer else ""
    return f"{one.begun[:19].replace('T', ' ')}  {one.result} {where}{what}{answer}"


def _step(order: Told) -> str:
    said = STEPS.get(order.step, order.step)
    return f"{said}, {order.waits}" if order.waits else said


def _end(order: Told) -> str:
    if not order.over:
        return (
            f"It is not over: {_step(order)}. A running `hilum serve` goes on with it; "
            f"`hilum orders watch {order.id}` waits for its end."
        )
    if order.reason is not None:
        replay = f" `hilum orders replay {order.id}` sends it again." if order.step == "dead-letter" else ""
        return f"{bold('Failed', _errors())}: {order.reason.text}{replay}"
    where = [f"kept as {order.patient}"] if order.patient else []
    where += [f"delivered to {order.deliver_to}"] if order.step == "delivered" else []
    end = order.status.capitalize()
    return f"{bold(end, _errors())}: {', '.join(where)}." if where else f"{bold(end, _errors())}."


def _errors() -> Any:
    return sys.stderr


def given(id: str, *, json: bool) -> None:
    """Print the id of an order as soon as no crash loses it; beside JSON on standard error."""
    (say if json else out)(id)


@contextmanager
def leaving(order: Callable[[], str]) -> Iterator[None]:
    """Who ends it by Ctrl-C is told what becomes of the order. `order`: its id, "" while it is not accepted."""
    try:
        yield
    except KeyboardInterrupt:
        say(_left(order()))
        sys.exit(LEFT)


def _left(id: str) -> str:
    if not id:
        return "Left alone before an order was accepted, or in that moment: `hilum orders list` shows those there are."
    return (
        "Left alone. The order is not cancelled: a running `hilum serve` goes on with it, and so does "
        f"`hilum orders watch {id}`. `hilum orders cancel {id}` ends it."
    )
