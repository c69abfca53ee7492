"""The videos of one process: the parts put together, for the server and for commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hilum.access.repeated import Repeated
from hilum.access.roles import Roles
from hilum.access.seal import Seal
from hilum.audit.recording import SILENT, Trail
from hilum.feed.feed import Feed
from hilum.feed.working import Kind, Working
from hilum.fhir.task import TASK
from hilum.interactions.door import Door
from hilum.oauth.lease import Leases
from hilum.video import lapsing, shown
from hilum.video.author import Author
from hilum.video.deciding import Deciding
from hilum.video.executing import Executing
from hilum.video.files import Files
from hilum.video.giving import Giving
from hilum.video.hearing import Hearing
from hilum.video.lapsing import Lapsing
from hilum.video.links import Links
from hilum.video.making import Gather, Renderers, Writing
from hilum.video.seeing import Seeing
from hilum.video.shelf import FAR, KIND, Shelf
from hilum.video.videos import Videos
from hilum.video.watching import Watching

NAME: Final = "videos"
"""Of the follower."""
AT_ONCE: Final = 1
"""Videos that one process makes at the same time: a rendering takes all processors that there are."""
FAR_AT_ONCE: Final = 16
"""Of those that are rendered elsewhere: one process orders, looks at and fetches so many at the same time. While others
work on them nobody waits.
"""


def studio(
    door: Door,
    seal: Seal,
    writing: Writing,
    renderers: Renderers,
    gather: Gather,
    folder: Path,
    roles: Roles,
    *,
    trail: Trail = SILENT,
    at_once: int = AT_ONCE,
    clock: Callable[[], float] = time.time,
) -> tuple[Videos, Working, Lapsing]:
    """Where videos are asked for; what makes them, those asked for first at first; and what sees that the record leaves
    them behind: the two `run` for as long as the process lives. `folder`: where renderers work.
    """
    ledger = door.store.ledger
    leases, shelf, author = Leases(ledger, clock), Shelf(ledger, seal), Author(door, writing, clock)
    feed = Feed(door.store, NAME, leases, (TASK,))
    executing = Executing(door, shelf, writing, renderers, gather, folder, clock)
    kind = Kind(KIND, shown.is_video, executing.run, executing.wanted, shelf.lane)
    working = Working(feed, leases, kind, {"": at_once, FAR: FAR_AT_ONCE}, clock)
    accepted = working.nudge
    seeing = Seeing(door, shelf, Files(door), author, roles, trail)
    deciding = Deciding(seeing, writing, executing, leases, accepted, clock)
    links, repeated = Links(ledger, clock), Repeated(ledger, seal)
    giving, watching = Giving(seeing, links), Watching(seeing, links)
    hearing = Hearing(shelf, leases, accepted)
    videos = Videos(
        seeing, writing, renderers, gather, feed, repeated, deciding, giving, watching, hearing, accepted, clock
    )
    follower = Feed(door.store, lapsing.NAME, leases, lapsing.SEEN)
    return videos, working, Lapsing(door, shelf, author, follower, clock)
