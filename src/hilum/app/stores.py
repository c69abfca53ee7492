"""Which store a setting means: the one place that knows them all."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hilum.app.settings import Settings
from hilum.problems import Busy, Damaged, Misconfigured
from hilum.store.interface import Counts, Store

RESTORE = (
    "Stop hilum, keep a copy of the file, and restore the newest backup: hilum restore FILE --force. "
    "See docs/how-to/backup-and-restore.md."
)


async def open_store(settings: Settings, *, migrate: bool = False) -> Store:
    """The store of these settings, open. A new one is laid out; an old one is migrated only with `migrate`.

    Raises Misconfigured when it can't be reached, is of another environment, or needs `hilum migrate`.
    """
    if settings.store_kind == "sqlite":
        import apsw

        from hilum.store.sqlite import open_sqlite
        from hilum.store.sqlite.connection import DAMAGE

        path = settings.sqlite_path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return await open_sqlite(
                str(path), environment=settings.environment, migrate=migrate, full_text=settings.full_text
            )
        except OSError as error:
            raise Misconfigured(f"The store {path} can't be opened: {error.strerror}.") from None
        except DAMAGE as error:
            raise Damaged(f"The store {path} is damaged ({type(error).__name__}). {RESTORE}") from None
        except (apsw.IOError, apsw.FullError, apsw.CantOpenError) as error:  # SQLite needs room beside the file
            raise Misconfigured(
                f"The store {path} can't be opened: {error}. Is the disk full, or the folder read-only?"
            ) from None
    from hilum.store.postgres import open_postgres

    with _naming(settings):
        return await open_postgres(
            settings.store_url, environment=settings.environment, migrate=migrate, full_text=settings.full_text
        )


async def open_to_serve(settings: Settings) -> Store:
    """As `open_store`; raises Misconfigured, too, when the store has not the words that the settings promise."""
    store = await open_store(settings)
    if settings.full_text and not store.full_text:
        await store.close()
        raise Misconfigured(
            "The store was used without full text. Run `hilum migrate` to make it anew, or serve with --no-full-text."
        )
    return store


@contextmanager
def _naming(settings: Settings) -> Iterator[None]:
    """A database that does not answer, by host and port: for who runs hilum, who has to look there."""
    try:
        yield
    except Busy as problem:
        raise Busy(f"{settings.store_place} does not answer. {problem}") from None


async def inspect(settings: Settings) -> Counts | None:
    """What the store holds; None when there is none yet. Makes nothing. Raises what `open_store` raises."""
    if not await _is_there(settings):
        return None
    store = await open_store(settings)
    try:
        return await store.counts()
    finally:
        await store.close()


def examination(settings: Settings, *, full: bool) -> Iterator[tuple[int, int, tuple[str, ...]]] | None:
    """Read the store from end to end: (steps done, steps in all, faults that the step found); None where it can't be.

    `full` takes several times as long and compares SQLite's indexes, too. PostgreSQL has its own tools (amcheck), and
    checksums of its pages. Raises Damaged when it can't be opened.
    """
    if settings.store_kind != "sqlite" or not settings.sqlite_path.exists():
        return None
    import apsw

    from hilum.store.sqlite.soundness import examine

    def steps() -> Iterator[tuple[int, int, tuple[str, ...]]]:
        try:
            yield from examine(str(settings.sqlite_path), full=full)
        except apsw.Error as error:
            raise Damaged(f"It can't be read ({type(error).__name__}).") from None

    return steps()


async def _is_there(settings: Settings) -> bool:
    if settings.store_kind == "sqlite":
        return settings.sqlite_path.exists()
    from hilum.store.postgres.connection import connect

    with _naming(settings):
        connection = await connect(settings.store_url, "hilum")
    try:
        return await connection.fetchval("SELECT to_regclass('meta')") is not None
    finally:
        await connection.close()


def verify(settings: Settings, backup: Path) -> None:
    """Read a backup of this kind of store back, whole. Raises Misconfigured when it is damaged."""
    if settings.store_kind == "sqlite":
        from hilum.store.sqlite.backup import verify as sound

        return sound(str(backup))
    try:
        with zipfile.ZipFile(backup) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile:
        damaged = backup.name
    if damaged:
        raise Misconfigured(f"{backup} is damaged. Make the backup again, on another disk.")
    return None


async def restored(settings: Settings, backup: Path, *, force: bool) -> Counts:
    """Put a backup in the place of the store, and say what it holds.

    Raises Misconfigured, and leaves the store as it was, when the backup is not whole, is of another environment or a
    newer hilum, when the store is in use, or when it holds something and `force` is False. A PostgreSQL store that
    holds something is never replaced: a new database is.
    """
    _of_this_kind(settings, backup)
    if settings.store_kind == "sqlite":
        return await _restored_sqlite(settings, backup, force=force)
    from hilum.store.postgres import restore_postgres

    store = await open_store(settings)  # lays out an empty one, and so holds the backup to this environment
    try:
        if (await store.counts()).seq:
            raise Misconfigured(
                f"{settings.store_shown} holds resources. Restore into a new database: createdb, then --store."
            )
        await restore_postgres(settings.store_url, str(backup))
        return await store.counts()
    finally:
        await store.close()


_KINDS = {"sqlite": ("SQLite", b"SQLite format 3\0"), "postgresql": ("PostgreSQL", b"PK\x03\x04")}
"""Kind of store -> its name, and what its backups begin with."""
_SUCH = {"sqlite": "sqlite:PATH", "postgresql": "postgresql://USER@HOST/DATABASE"}


def _of_this_kind(settings: Settings, backup: Path) -> None:
    """Raises Misconfigured when the file is a backup of the other kind of store."""
    with backup.open("rb") as file:
        head = file.read(16)
    for kind, (name, magic) in _KINDS.items():
        if kind != settings.store_kind and head.startswith(magic):
            raise Misconfigured(
                f"{backup} is a backup of a {name} store, and {settings.store_shown} is none. Restore it with --store "
                f"{_SUCH[kind]}; to move data between kinds of stores see docs/how-to/backup-and-restore.md."
            )


async def _restored_sqlite(settings: Settings, backup: Path, *, force: bool) -> Counts:
    from hilum.store.sqlite import restore_sqlite

    path = settings.sqlite_path
    if path.exists() and not force:
        raise Misconfigured(f"{settings.store_shown} is there already. Add --force to replace it with the backup.")
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
