"""Which store a setting means: the one place that knows them all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from hilum.app.settings import Settings
from hilum.problems import Misconfigured
from hilum.store.interface import Counts, Store


async def open_store(settings: Settings, *, migrate: bool = False) -> Store:
    """The store of these settings, open. A new one is laid out; an old one is migrated only with `migrate`.

    Raises Misconfigured when it can't be reached, is of another environment, or needs `hilum migrate`.
    """
    if settings.store_kind == "sqlite":
        from hilum.store.sqlite import open_sqlite

        path = settings.sqlite_path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return await open_sqlite(str(path), environment=settings.environment, migrate=migrate)
        except OSError as error:
            raise Misconfigured(f"The store {path} can't be opened: {error.strerror}.") from None
    from hilum.store.postgres import open_postgres

    return await open_postgres(settings.store_url, environment=settings.environment, migrate=migrate)


async def inspect(settings: Settings) -> Counts | None:
    """What the store holds; None when there is no SQLite file yet. Raises what `open_store` raises."""
    if settings.store_kind == "sqlite" and not settings.sqlite_path.exists():
        return None
    store = await open_store(settings)
    try:
        return await store.counts()
    finally:
        await store.close()


async def restored(settings: Settings, backup: Path, *, force: bool) -> Counts:
    """Put a backup in the place of the store, and say what it holds.

    Raises Misconfigured, and leaves the store as it was, when the backup is not whole, is of another environment or a
    newer hilum, when the store is in use, or when it holds something and `force` is False.
    """
    if settings.store_kind == "sqlite":
        return await _restored_sqlite(settings, backup, force=force)
    from hilum.store.postgres import restore_postgres

    if not force and (found := await inspect(settings)) and found.seq:
        raise Misconfigured(_HOLDS.format(settings.store_shown))
    await restore_postgres(str(backup), settings.store_url, environment=settings.environment)
    counts = await inspect(settings)
    assert counts is not None, "a store that was just restored is there"
    return counts


async def _restored_sqlite(settings: Settings, backup: Path, *, force: bool) -> Counts:
    from hilum.store.sqlite import restore_sqlite

    path = settings.sqlite_path
    if path.exists() and not force:
        raise Misconfigured(_HOLDS.format(settings.store_shown))
    trial = path.with_name(f"{path.name}.trial")  # opened, judged and migrated before anything is replaced
    trial.unlink(missing_ok=True)
    try:
        await asyncio.to_thread(restore_sqlite, str(backup), str(trial))
        store = await open_store(replace(settings, store=f"sqlite:{trial}"), migrate=True)
        try:
            counts = await store.counts()
        finally:
            await store.close()
        await asyncio.to_thread(restore_sqlite, str(trial), str(path))
    finally:
        for file in trial.parent.glob(f"{trial.name}*"):
            file.unlink()
    return counts


_HOLDS = "The store {} is there already. Add --force to replace it with the backup."
