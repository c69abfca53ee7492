"""A video that somebody waits for in a terminal: made here or by a server, whoever comes first; then told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from hilum.app.desk import Desk
from hilum.cli.terminal import bold, console, json_out, out, say
from hilum.video.order import gather_of
from hilum.video.told import Told

STEPS: Final = {
    "requested": "waiting for its turn",
    "gathering": "gathering the patient",
    "writing": "writing the script",
    "rendering": "rendering",
    "waiting": "waiting to try again",
}
"""Business statuses as they are shown while somebody waits."""
DONE: Final = 0
FAILED: Final = 1
"""It failed, or was rejected or cancelled."""
GOES_ON: Final = 3
"""It is not over yet."""


async def filmed(desk: Desk, id: str, seconds: float) -> Told:
    """The video as it is when nothing is done any more before somebody does something, or after so many seconds. It is
    made here, unless a server does it.
    """
    videos, working, gathering = desk.filmed.videos, desk.filmed.working, desk.ordered.running
    working.only(id)
    gathering.only(gather_of(id))

    async def watch() -> None:
        with _shown() as show:
            async for one in videos.events(desk.who, id):
                show(one)

    work = [asyncio.create_task(working.run()), asyncio.create_task(gathering.run())]
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(watch(), seconds)
    finally:
        for one in work:
            one.cancel()
        await asyncio.wait(work)
    return await videos.get(desk.who, id)


async def cleared(desk: Desk, id: str, seconds: float = 30) -> None:
    """What is held of one that was cancelled is deleted when this returns, or else by the next who comes by."""
    working = desk.filmed.working
    working.only(id)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await desk.filmed.videos.held(id):
                    await working.turn()
                    await working.idle()
                    await asyncio.sleep(0.2)
    finally:
        await working.stop()  # or a server would find nothing new until the lease ends


async def kept(desk: Desk, id: str, path: Path, name: str = "video") -> None:
    """Write a file of a video. Raises Misconfigured where that can't be."""
    from hilum.problems import Misconfigured

    videos = desk.filmed.videos
    file = await videos.file(desk.who, id, name)
    try:
        with path.open("wb") as target:
            async for part in videos.chunks(file):
                target.write(part)
    except OSError as error:
        raise Misconfigured(f"{path} can't be written: {error.strerror}.") from None


@contextmanager
def _shown() -> Iterator[Callable[[Told], None]]:
    """What shows how far it is: a moving line in a terminal, a line for each step elsewhere."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    where = console()
    steps: list[str] = []
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TaskProgressColumn(),
        TimeElapsedColumn(), console=where, transient=True, disable=not where.is_terminal,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=None)

        def show(one: Told) -> None:
            step = _step(one)
            if not where.is_terminal and not one.resting and steps[-1:] != [step]:
                say(step)
            steps.append(step)
            known = one.progress is not None
            bar.update(task, description=step, total=100 if known else None, completed=one.progress or 0)

        yield show


def tell(one: Told, origin: str, path: Path | None = None, *, json: bool = False) -> int:
    """Print what became of it; the exit status. `path`: where it was written."""
    if json:
        json_out(msgspec.to_builtins(one))
        return status(one)
    say(_end(one))
    if one.document:
        what = "Draft, approved by nobody" if one.step == "awaiting-approval" else "Written"
        if path is not None:
            say(f"{what}: {path}")
    if one.step == "awaiting-approval":
        say(f"Look at it at {origin}/videos/{one.id}; `hilum videos approve {one.id}` lets it go to the patient.")
    if one.step == "approved":
        say(f"`hilum videos link {one.id}` makes a link for the patient.")
    return status(one)


def status(one: Told) -> int:
    """The exit status that says how it is."""
    if one.step in ("awaiting-approval", "approved"):
        return DONE
    return FAILED if one.over else GOES_ON


COLUMNS: Final[Mapping[str, Callable[[Told], str]]] = {
    "id": lambda one: one.id,
    "asked": lambda one: one.created[5:16].replace("T", " "),
    "template": lambda one: f"{one.template} ({one.language})",
    "is": lambda one: f"{one.step}, outdated" if one.outdated else one.step,
}
"""Of a table of videos."""


def shown(one: Told) -> None:
    """Print all that there is to know."""
    rows = {
        "id": one.id,
        "is": f"{one.step} ({one.status})",
        "template": f"{one.template}, {one.language}, {one.shape}, {one.codec}, rendered by {one.renderer}",
        "patient": one.patient + (f", gathered from {one.ehr}" if one.ehr else ""),
        "length": f"{one.seconds:.0f} seconds{', with a voice' if one.spoken else ''}" if one.seconds else "",
        "edited": f"by {one.edited}" if one.edited else "",
        "decided": f"{one.decided.verdict} by {one.decided.by} at {one.decided.at[:19]}" if one.decided else "",
        "failed": f"{one.reason.text} ({one.reason.code})" if one.reason else "",
        "outdated": one.outdated.text if one.outdated else "",
        "mend": next((found.element for found in (one.reason, one.outdated) if found), ""),
    }
    for name, text in rows.items():
        if text:
            out(f"{name:9} {text}")


def _step(one: Told) -> str:
    said = STEPS.get(one.step, one.step)
    return f"{said}, {one.waits}" if one.waits else said


def _end(one: Told) -> str:
    if one.reason is not None:
        where = f" Mend {one.reason.element}." if one.reason.element else ""
        return f"{_bold('Failed')}: {one.reason.text}{where}"
    if not one.resting:
        return (
            f"It is not over: {_step(one)}. A running `hilum serve` goes on with it; `hilum videos watch {one.id}` "
            "waits for its end."
        )
    length = f"{one.seconds:.0f} seconds{'' if one.spoken else ', without a voice'}"
    if one.step in ("awaiting-approval", "approved"):
        return f"{_bold(one.step.replace('-', ' ').capitalize())}: {one.template}, {one.language}, {length}."
    return f"{_bold(one.step.capitalize())}."


def _bold(text: str) -> str:
    import sys

    return bold(text, sys.stderr)
