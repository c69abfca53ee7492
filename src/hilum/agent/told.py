"""How the agent is, for people and for programs. No value that was measured."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from hilum.agent import lock, settings
from hilum.agent.queue import listing, schema
from hilum.agent.queue.durable import MOST_BYTES
from hilum.agent.queue.listing import Kept, Standing, Unread
from hilum.agent.queue.spare import Spare
from hilum.problems import Misconfigured

_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_WHOLE: Final = 400
"""Characters of a receipt that are shown."""


class Status(msgspec.Struct, frozen=True):
    """All that `hilum agent status` says. `process`: None, none runs. `stopped`: what keeps readings from being taken
    or sent, each with what to do.
    """

    data: str
    process: int | None
    to: str
    sources: tuple[str, ...]
    stopped: tuple[str, ...]
    queue: Standing
    bound: int


def status(data: Path) -> Status:
    """How the agent of a folder is."""
    process = lock.running(data)
    to, bound = "", MOST_BYTES
    sources: list[str] = []
    problems: list[str] = []
    try:
        read = settings.read(data)
        to = str(read.table.get("send", {}).get("to", ""))
        sources = [str(table.get("name") or table.get("kind", "")) for table in read.sources]
        bound = read.bounds.bytes
        if process is None:
            problems.append("No agent runs: start it with `hilum agent run`.")
        if not sources:
            problems.append(f"There is no source of readings: add a [[source]] to {data / settings.NAME}.")
    except Misconfigured as problem:
        problems.append(str(problem))
    db = schema.look(data)
    if db is None:
        return Status(str(data), process, to, tuple(sources), tuple(problems), Standing(), bound)
    try:
        queue = listing.standing(db)
    finally:
        db.close()
    if not Spare(data).whole and queue.devices:
        problems.append("The disk is full, and devices keep what they have: free some of it.")
    if queue.bytes >= bound:
        problems.append(
            "The queue has reached its bound, and devices keep what they have: see why nothing is sent, or raise "
            f"`bytes` of [queue] in {data / settings.NAME}."
        )
    again = "Mend that, then run `hilum agent queue retry`."
    problems += [f"The far side takes nothing: {why.rstrip('.')}. {again}" for why in queue.stopped]
    problems += [
        f"The source {name} does not work: {why.rstrip('.')}. Mend that, and start the agent anew."
        for name, why in queue.ailing
    ]
    if queue.dead:
        problems.append(
            f"{_many(queue.dead, 'reading')} refused: `hilum agent queue list` tells why. Retry or drop them there."
        )
    return Status(str(data), process, to, tuple(sources), tuple(problems), queue, bound)


def lines(of: Status, now: float | None = None) -> list[str]:
    """A status, for people."""
    now = time.time() if now is None else now
    queue = of.queue
    told = [
        f"agent     {f'runs (process {of.process})' if of.process else 'does not run'}, {of.data}",
        f"sends to  {of.to or 'nowhere yet'}",
        f"sources   {', '.join(of.sources) or 'none'}",
        f"queue     {queue.waiting} waiting, {queue.dead} dead, {_size(queue.bytes)} of {_size(of.bound)}; "
        f"{queue.malformed} malformed",
    ]
    told += [f"waits     {why}" for why in queue.trying]
    if queue.last is not None:
        last = queue.last
        held = f", held there: {last.held}" if last.held else ""
        told += [
            f"receipt   {_ago(last.at, now)}: {_many(last.readings, 'reading')} of {last.device}{held}",
            f"          {_short(last.receipt)}",
        ]
    if queue.devices:
        rows = [
            (
                one.key,
                one.name,
                _ago(one.at, now),
                "" if one.battery is None else f"{one.battery} %",
                str(one.waiting),
            )
            for one in queue.devices
        ]
        told += ["", *columns(("device", "name", "last contact", "battery", "waiting"), rows)]
    if of.stopped:
        told += ["", *(f"! {problem}" for problem in of.stopped)]
    return told


def listed(batches: Sequence[Kept], malformed: Sequence[Unread], now: float | None = None) -> list[str]:
    """The queue, for people."""
    now = time.time() if now is None else now
    if not batches and not malformed:
        return ["The queue is empty."]
    told: list[str] = []
    if batches:
        rows = [_row(one, now) for one in batches]
        told += columns(("batch", "device", "person", "readings", "state", "tries", "next try", "why"), rows)
        told += [f"  {one.id}: {reading}" for one in batches for reading in one.shown]
    if malformed:
        rows = [
            (str(one.id), one.source, one.device, _ago(one.at, now), str(one.times), str(one.bytes), one.why)
            for one in malformed
        ]
        told += ["", *columns(("malformed", "source", "device", "last", "times", "bytes", "why"), rows)]
        told += [f"  {one.id}: {one.data}" for one in malformed if one.data]
    return told


def _row(one: Kept, now: float) -> tuple[str, ...]:
    again = "" if one.state == "dead" or not one.id else "now" if one.again <= now else f"in {_span(one.again - now)}"
    person = "" if one.person is None else str(one.person)
    return (one.id or "-", one.device, person, str(one.readings), one.state, str(one.tries), again, one.why)


def columns(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows under their titles."""
    grid = [tuple(titles), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in grid]


def _ago(at: float, now: float) -> str:
    when = datetime.fromtimestamp(at).astimezone().isoformat(" ", "minutes")
    return f"{when} ({_span(max(0.0, now - at))} ago)"


def _span(seconds: float) -> str:
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), _UNITS[-1])
    return f"{int(seconds // size)} {unit}"


def _size(bytes: int) -> str:
    return f"{bytes / (1 << 20):.1f} MB"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _WHOLE else f"{flat[:_WHOLE]}…"
