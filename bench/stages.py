"""A stage: two servers on two stores that started out the same, ready to be measured in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench import population, room, same_work, servers
from bench.floor import trail
from bench.records import Population
from bench.same_work import Counted
from bench.servers import Server

Tell = Callable[[str, int, int], None]
"""(what is being done, how much of it, how much in all): for the progress bar."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`first` and `second`: floor and hilum, or hilum on the small store and on the large one.

    `room`: bytes of each table and index of the (large) store as loaded. `first_size`, `second_size`: populations.
    """

    store: str
    version: str
    first: Server
    second: Server
    first_size: int
    second_size: int
    room: dict[str, int]
    counts: Callable[[], AsyncIterator[Counted]] | None = None


@asynccontextmanager
async def floor_on_sqlite(work: Path, kept: Path, size: int, tell: Tell) -> AsyncIterator[Stage]:
    """Floor and hilum, each on its copy of one SQLite file."""
    loaded = await sqlite(kept, size, tell)
    files = [work / "floor.sqlite", work / "hilum.sqlite"]
    for file in files:
        population.copy(loaded, file)
    numbers = work / "numbers.json"
    numbers.write_bytes(population.numbers())

    async def counts() -> AsyncIterator[Counted]:
        async def segments() -> list[tuple[bytes, int, bytes]]:
            return same_work.segments_sqlite(str(files[1]))

        told = same_work.shown(trail.count(str(work / servers.FLOOR_TRAIL)))
        yield same_work.count_sqlite(str(files[0])) | told
        told = await same_work.accesses(work / "data", segments)
        yield same_work.count_sqlite(str(files[1])) | told

    with ExitStack() as stack:
        hilum = stack.enter_context(servers.hilum(f"sqlite:{files[1]}", work))
        floor = stack.enter_context(servers.floor(f"sqlite:{files[0]}", work, numbers, hilum.token))
        yield Stage("sqlite", sqlite_version(), floor, hilum, size, size, room.of_sqlite(loaded)[0], counts)
    for file in files:
        file.unlink()


@asynccontextmanager
async def floor_on_postgres(work: Path, kept: Path, size: int, tell: Tell) -> AsyncIterator[Stage]:
    """Floor and hilum, each on its copy of one database; the databases share a PostgreSQL."""
    with ExitStack() as stack:
        url = stack.enter_context(servers.postgres())
        pids = (await servers.postmaster(url),)
        hilum_url = await postgres(url, "bench_hilum", size, tell)
        tables, version = (await room.of_postgres(hilum_url))[0], await postgres_version(hilum_url)
        floor_url = await servers.fresh_database(url, "bench_floor", "bench_hilum")
        await servers.sql(url, "CHECKPOINT")
        numbers = work / "numbers.json"
        numbers.write_bytes(population.numbers())

        async def counts() -> AsyncIterator[Counted]:
            async def segments() -> list[tuple[bytes, int, bytes]]:
                return await same_work.segments_postgres(hilum_url)

            told = same_work.shown(trail.count(str(work / servers.FLOOR_TRAIL)))
            yield await same_work.count_postgres(floor_url) | told
            told = await same_work.accesses(work / "data", segments)
            yield await same_work.count_postgres(hilum_url) | told

        hilum = stack.enter_context(servers.hilum(hilum_url, work, pids))
        floor = stack.enter_context(servers.floor(floor_url, work, numbers, hilum.token, pids))
        yield Stage("postgresql", version, floor, hilum, size, size, tables, counts)


@asynccontextmanager
async def scaling_on_sqlite(work: Path, kept: Path, sizes: tuple[int, int], tell: Tell) -> AsyncIterator[Stage]:
    """hilum twice: on a small and on a large SQLite file."""
    files = []
    for size in sizes:
        folder = work / str(size)
        folder.mkdir()
        loaded = await sqlite(kept, size, tell)
        population.copy(loaded, folder / "hilum.sqlite")
        files.append(folder / "hilum.sqlite")
    tables = room.of_sqlite(files[1])[0]
    with ExitStack() as stack:
        small, large = (stack.enter_context(servers.hilum(f"sqlite:{file}", file.parent)) for file in files)
        yield Stage("sqlite", sqlite_version(), small, large, *sizes, tables)
    for file in files:
        file.unlink()


@asynccontextmanager
async def scaling_on_postgres(work: Path, kept: Path, sizes: tuple[int, int], tell: Tell) -> AsyncIterator[Stage]:
    """hilum twice: on a small and on a large database."""
    with ExitStack() as stack:
        url = stack.enter_context(servers.postgres())
        pids = (await servers.postmaster(url),)
        urls = [await postgres(url, f"bench_{size}", size, tell) for size in sizes]
        tables, version = (await room.of_postgres(urls[1]))[0], await postgres_version(urls[1])
        await servers.sql(url, "CHECKPOINT")
        running = []
        for one, size in zip(urls, sizes, strict=True):
            folder = work / f"postgres-{size}"
            folder.mkdir()
            running.append(stack.enter_context(servers.hilum(one, folder, pids)))
        yield Stage("postgresql", version, running[0], running[1], *sizes, tables)


async def sqlite(kept: Path, size: int, tell: Tell) -> Path:
    """A loaded file, kept between runs."""
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        tell(f"loading {size:,} resources into SQLite", done, size)

    return await population.sqlite(kept, Population(size), progress)


async def postgres(url: str, name: str, size: int, tell: Tell) -> str:
    """A database, loaded anew: its URL."""
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        tell(f"loading {size:,} resources into PostgreSQL", done, size)

    database = await servers.fresh_database(url, name)
    await population.load(database, Population(size), progress)
    await servers.sql(database, "VACUUM ANALYZE")
    return database


async def postgres_version(url: str) -> str:
    """Such as 18.6."""
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


def sqlite_version() -> str:
    """Such as 3.54.1."""
    import apsw

    return str(apsw.sqlite_lib_version())
