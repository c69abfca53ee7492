"""`hilum backup` and `hilum restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hilum.cli import options

Target = Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write.", show_default=False)]
Source = Annotated[Path, typer.Argument(metavar="FILE", help="The backup to read.", show_default=False)]


def backup(
    file: Target,
    store: options.Store = None,
    data: options.Data = None,
    blobs: options.Blobs = None,
    environment: options.Environment = None,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Write a consistent copy of the store into one file, while `hilum serve` runs. The copy is verified.

    It holds every version of every resource: keep it as safe as the store. The content of large Binaries is copied
    into a folder beside it, `FILE.blobs`, unless it is in a bucket. Keys are not in it; docs/how-to/
    backup-and-restore.md says what else to keep.

    Example:

    - `hilum backup $(date +%F).hilum`
    """
    import asyncio

    from hilum.app.settings import Settings
    from hilum.app.stores import open_store, verify
    from hilum.cli import existing, keeping, terminal
    from hilum.problems import Misconfigured

    settings = Settings.read({"store": store, "data": data, "blobs": blobs, "environment": environment})
    if file.exists() and not force:
        raise Misconfigured(f"{file} exists already. Choose another name, or add --force.")
    existing.store(settings)

    async def run() -> tuple[int, int | None]:
        part = file.with_name(f"{file.name}.new")
        part.unlink(missing_ok=True)
        opened = await open_store(settings)
        try:
            with terminal.progress("steps") as bar:
                task = bar.add_task("Copying", total=None, done=0, rate=0.0)
                async for done, all_ in opened.backup(str(part)):
                    bar.update(task, completed=done, total=all_, done=done)
            contents = await keeping.copied(settings, opened, file)
        finally:
            await opened.close()
        verify(settings, part)
        part.replace(file)
        return file.stat().st_size, contents

    size, contents = asyncio.run(run())
    if json:
        terminal.json_out({"file": str(file), "bytes": size, "contents": contents, "store": settings.store_shown})
    else:
        terminal.out(f"{file} holds {settings.store_shown}: {size:,} bytes, verified.")
        if contents:
            terminal.out(f"{keeping.beside(file)} holds the content of {contents:,} versions of Binaries: keep both.")


def restore(
    file: Source,
    store: options.Store = None,
    data: options.Data = None,
    blobs: options.Blobs = None,
    environment: options.Environment = None,
    force: options.Force = False,
    json: options.Json = False,
) -> None:
    """Put a backup in the place of the store. Stop `hilum serve` first.

    The backup is verified before anything is replaced. The content of large Binaries, in the folder `FILE.blobs`, is
    put back first. An SQLite store that is there is replaced only with --force,
    and an older backup is brought up to this version's schema. On PostgreSQL, restore into a new, empty database.

    Example:

    - `hilum restore 2026-11-22.hilum --force`
    """
    import asyncio

    from hilum.app.data import prepare
    from hilum.app.settings import Settings
    from hilum.app.stores import restored
    from hilum.cli import keeping, terminal
    from hilum.problems import Misconfigured
    from hilum.store.interface import Counts

    settings = Settings.read({"store": store, "data": data, "blobs": blobs, "environment": environment})
    if not file.is_file():
        raise Misconfigured(f"There is no backup {file}.")
    prepare(settings)

    async def run() -> tuple[Counts, str]:
        await keeping.put_back(settings, file)
        return await restored(settings, file, force=force), await keeping.missing(settings)

    counts, missing = asyncio.run(run())
    if missing:
        terminal.say(f"hilum: {missing}")
    if json:
        terminal.json_out({"store": settings.store_shown, "types": counts.types, "seq": counts.seq})
    else:
        terminal.out(f"{settings.store_shown} is restored: {sum(counts.types.values()):,} resources.")
