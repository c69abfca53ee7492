"""The content of large Binaries in backups, and whether it is what was written: for `hilum backup`, `restore`,
`check`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hilum.app.blobs import place
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.cli import terminal
from hilum.problems import Misconfigured, Problem
from hilum.store.blobs import claim
from hilum.store.blobs.blob import Blobs, whole
from hilum.store.blobs.collect import orphans
from hilum.store.blobs.folder import FolderBlobs
from hilum.store.blobs.references import every
from hilum.store.interface import Store


def beside(backup: Path) -> Path:
    """The folder of a backup's contents."""
    return backup.with_name(f"{backup.name}.blobs")


class Looked(NamedTuple):
    """What reading all contents found: how many there are, which are not what was written, how many nobody refers
    to.
    """

    sound: int
    bad: list[str]
    orphans: int


async def look(settings: Settings) -> Looked:
    """Read every content that a version refers to. Raises Misconfigured (another's place), Busy."""
    blobs = place(settings)
    store = await open_store(settings)
    try:
        if not await claim.check(blobs, store.ledger):
            return Looked(0, [], 0)
        sound, bad = 0, []
        with terminal.progress("contents") as bar:
            task = bar.add_task("Reading contents of Binaries", total=None, done=0, rate=0.0)
            async for name, blob in every(store.ledger):
                try:
                    async for _ in whole(blobs, blob):
                        pass
                    sound += 1
                except Problem:
                    bad.append(f"Binary/{name}")
                bar.update(task, completed=sound, done=sound)
        return Looked(sound, bad, await orphans(blobs, store.ledger))
    finally:
        await store.close()


async def copied(settings: Settings, store: Store, backup: Path) -> int | None:
    """Copy what versions refer to beside the backup, each held against its digest; how many there are.

    None: they are in a bucket, which is not copied. Raises Misconfigured where one is damaged.
    """
    blobs = place(settings)
    if not isinstance(blobs, FolderBlobs):
        return None
    if not await claim.check(blobs, store.ledger):
        return 0
    target, mark, count = FolderBlobs(beside(backup)), await blobs.mark(), 0
    with terminal.progress("contents") as bar:
        task = bar.add_task("Copying contents of Binaries", total=None, done=0, rate=0.0)
        async for name, blob in every(store.ledger):
            if await target.size(blob.key) != blob.size:
                try:
                    await target.put(blob.key, whole(blobs, blob), blob.size)
                except Problem as problem:
                    raise Misconfigured(f"Binary/{name} can't be copied: {problem}") from None
            count += 1
            bar.update(task, completed=count, done=count)
    if mark is not None:
        await target.set_mark(mark)
    return count


async def put_back(settings: Settings, backup: Path) -> int:
    """Copy what lies beside a backup to where the server has it; how many there are. What is there already stays.

    Raises Misconfigured where that is another store's place, before anything is copied.
    """
    if not beside(backup).is_dir():
        return 0
    source, target = FolderBlobs(beside(backup)), place(settings)
    mark = await source.mark()
    if mark is not None:
        await target.set_mark(mark)
        if await target.mark() != mark:
            raise Misconfigured(
                f"{target.name} holds the contents of another store. Name an empty folder with --blobs, or move those."
            )
    count = 0
    async for one in source.listed():
        size = await source.size(one.key) or 0
        if await target.size(one.key) != size:
            await target.put(one.key, source.get(one.key, 0, size), size)
        count += 1
    return count


async def missing(settings: Settings) -> str:
    """What is to be said of a restored store whose contents are not here; empty where they are.

    Contents outside of its own data directory may be those of the store that it was copied from, too: it takes no
    orphans away there.
    """
    blobs: Blobs = place(settings)
    store = await open_store(settings)
    try:
        if settings.blobs:
            await claim.share(store.ledger)
        await claim.check(blobs, store.ledger)
    except Misconfigured as problem:
        return str(problem)
    finally:
        await store.close()
    return ""
