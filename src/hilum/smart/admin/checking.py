"""Whether the audit is whole: verified in the background when somebody asks, and what came of it the last time.

One run at a time over all processes; the record of it is what all of them show. Files of another host that wait to be
settled are looked at there: `hilum audit verify`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import structs

from hilum.audit.anchor import RingSigner
from hilum.audit.verify import Verification
from hilum.oauth.ledger import SETTING, Put, Record, read, write
from hilum.problems import Problem
from hilum.web import log

if TYPE_CHECKING:
    from hilum.smart.site import Site

LONGEST: Final = 15 * 60
"""Seconds after which a run that has not said how it ended has not: its process was killed."""
NAMED: Final = 20
"""Faults that are kept by name."""
_KEY: Final = b"audit-verified"


class Check(Record, frozen=True, omit_defaults=True):
    """A run. `began`, `ended`: seconds since 1970, 0 for not yet. `faults`: the first of them, `many` how many.

    `newest`: the newest anchor, `N:DIGEST`. `failed`: why it could not be done.
    """

    by: str
    began: int
    ended: int = 0
    faults: tuple[str, ...] = ()
    many: int = 0
    entries: int = 0
    commits: int = 0
    anchors: int = 0
    newest: str = ""
    failed: str = ""


class Checks:
    """What runs in this process."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], tuple[Site, Check]] = {}

    def start(self, site: Site, folder: Path, check: Check) -> None:
        """Begin a run beside requests."""
        task = asyncio.create_task(_run(site, folder, check), name="hilum-verify")
        self._running[task] = site, check
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("audit not verified", error=type(error).__name__)

    async def stop(self) -> None:
        """End what runs: that it was not ended is all that is kept of it."""
        for task, (site, check) in tuple(self._running.items()):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            with suppress(Problem):
                await _keep(site, structs.replace(check, ended=int(site.clock()), failed="The server was stopped."))


async def known(site: Site) -> Check | None:
    """The last run, or the one that is under way; None where there was none."""
    row = await site.ledger.get(SETTING, _KEY)
    return None if row is None else read(row, Check)


def running(site: Site, check: Check | None) -> bool:
    """Whether it is under way."""
    return check is not None and not check.ended and site.clock() - check.began < LONGEST


async def begin(site: Site, by: str) -> None:
    """Begin one, unless one is under way. `by`: the name of who asks."""
    if site.folder is None or running(site, await known(site)):
        return
    check = Check(by, int(site.clock()))
    await _keep(site, check)
    site.checks.start(site, site.folder, check)


async def _run(site: Site, folder: Path, check: Check) -> None:
    run = Verification(site.door.store, RingSigner(site.ring), folder)
    faults: list[str] = []
    many = 0
    failed = ""
    try:
        async for fault in run.faults():
            many += 1
            faults += [fault] if many <= NAMED else []
    except Problem as problem:
        failed = str(problem)
    seen = run.seen
    done = Check(
        check.by, check.began, int(site.clock()), tuple(faults), many, seen.entries, seen.commits, seen.anchors,
        f"{seen.newest.n}:{seen.newest.digest.hex()}" if seen.newest else "", failed,
    )  # fmt: skip
    if many:
        log.error("audit verified", faults=many)
    await _keep(site, done)


async def _keep(site: Site, check: Check) -> None:
    """In place of what was known; of several at the same moment one is enough."""
    row = await site.ledger.get(SETTING, _KEY)
    put = Put(SETTING, _KEY, write(check))
    if row is None:
        await site.ledger.add(put)
    else:
        await site.ledger.replace(put, row.version)
