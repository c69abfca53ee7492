"""A stage: two servers on two stores that started out the same, ready to be measured in turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench import population, room, same_work, servers
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
    loaded = await _sqlite(kept, size, tell)
    files = [work / "floor.sqlite", work / "hilum.sqlite"]
    for file in files:
        population.copy(loaded, file)
    numbers = work / "numbers.json"
    numbers.write_bytes(population.numbers())

    async def counts() -> AsyncIterator[Counted]:
        for file in files:
            yield same_work.count_sqlite(str(file))

    with ExitStack() as stack:
        hilum = stack.enter_context(servers.hilum(f"sqlite:{files[1]}", work))
        floor = stack.enter_context(servers.floor(f"sqlite:{files[0]}", work, numbers, hilum.token))
        yield Stage("sqlite", _sqlite_version(), floor, hilum, size, size, room.of_sqlite(loaded)[0], counts)
    for file in files:
        file.unlink()


@asynccontextmanager
async def floor_on_postgres(work: Path, kept: Path, size: int, tell: Tell) -> AsyncIterator[Stage]:
    """Floor and hilum, each on its copy of one database; the databases share a PostgreSQL."""
    with ExitStack() as stack:
        url = stack.enter_context(servers.postgres())
        pids = (await servers.postmaster(url),)
        hilum_url = await _postgres(url, "bench_hilum", size, tell)
        tables, version = (await room.of_postgres(hilum_url))[0], await _postgres_version(hilum_url)
        floor_url = await servers.fresh_database(url, "bench_floor", "bench_hilum")
        await servers.sql(url, "CHECKPOINT")
        numbers = work / "numbers.json"
        numbers.write_bytes(population.numbers())

        async def counts() -> AsyncIterator[Counted]:
            for one in (floor_url, hilum_url):
                yield await same_work.count_postgres(one)

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
        loaded = await _sqlite(kept, size, tell)
        population.copy(loaded, folder / "hilum.sqlite")
        files.append(folder / "hilum.sqlite")
    tables = room.of_sqlite(files[1])[0]
    with ExitStack() as stack:
        small, large = (stack.enter_context(servers.hilum(f"sqlite:{file}", file.parent)) for file in files)
        yield Stage("sqlite", _sqlite_version(), small, large, *sizes, tables)
    for file in files:
        file.unlink()


@asynccontextmanager
async def scaling_on_postgres(work: Path, kept: Path, sizes: tuple[int, int], tell: Tell) -> AsyncIterator[Stage]:
    """hilum twice: on a small and on a large database."""
    with ExitStack() as stack:
        url = stack.enter_context(servers.postgres())
        pids = (await servers.postmaster(url),)
        urls = [await _postgres(url, f"bench_{size}", size, tell) for size in sizes]
        tables, version = (await room.of_postgres(urls[1]))[0], await _postgres_version(urls[1])
        await servers.sql(url, "CHECKPOINT")
        running = []
        for one, size in zip(urls, sizes, strict=True):
            folder = work / f"postgres-{size}"
            folder.mkdir()
            running.append(stack.enter_context(servers.hilum(one, folder, pids)))
        yield Stage("postgresql", version, running[0], running[1], *sizes, tables)


async def _sqlite(kept: Path, size: int, tell: Tell) -> Path:
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        tell(f"loading {size:,} resources into SQLite", done, size)

    return await population.sqlite(kept, Population(size), progress)


async def _postgres(url: str, name: str, size: int, tell: Tell) -> str:
    done = 0

    def progress(more: int) -> None:
        nonlocal done
        done += more
        tell(f"loading {size:,} resources into PostgreSQL", done, size)

    database = await servers.fresh_database(url, name)
    await population.load(database, Population(size), progress)
    await servers.sql(database, "VACUUM ANALYZE")
    return database


async def _postgres_version(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SHOW server_version"))
    finally:
        await connection.close()


def _sqlite_version() -> str:
    import apsw

    return str(apsw.sqlite_lib_version())
