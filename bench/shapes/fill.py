"""Making the stores of the shapes, and keeping them under .cache/ between runs.

A store is made anew when the people, the index or the layout change, and not when only planning does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import chain, islice
from pathlib import Path

import asyncpg

import hilum
from bench import machine, servers
from bench.population import AUDIT
from bench.records import Body
from bench.shapes.records import Population
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.fhir import json
from hilum.fhir.resource import draft
from hilum.search.index import index
from hilum.store.interface import Commit, Store, Write

PER_COMMIT = 2_000
_PARTS = (
    "search/index.py", "search/generate.py", "search/parameters.py", "search/selections.py", "search/dates.py",
    "search/numbers.py", "search/text.py", "search/prose.py", "search/composites.py", "search/data", "fhir",
    "store/keys.py", "store/keyed.py", "store/schema", "store/sqlite/tables.py", "store/sqlite/fulltext.py",
    "store/postgres/encode.py", "store/postgres/tables.py",
)  # fmt: skip
"""What the rows of a loaded store depend on."""

Progress = Callable[[int], None]


def fingerprint(population: Population) -> str:
    """Changes when a store of these resources must be made anew."""
    digest = hashlib.sha256(f"{population.size}".encode())
    package = Path(hilum.__file__).parent
    files = [Path(__file__).with_name("records.py"), Path(__file__).parents[1] / "records.py"]
    for part in _PARTS:
        path = package / part
        files += sorted(p for p in path.rglob("*") if p.suffix in (".py", ".sql", ".gz")) if path.is_dir() else [path]
    for path in files:
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()[:12]


async def fill(store: Store, population: Population, progress: Progress) -> None:
    """Write all of it through the store, PER_COMMIT resources at a time."""
    made = chain(population.shared(), chain.from_iterable(map(population.group, range(population.patients))))
    while part := list(islice(made, PER_COMMIT)):
        await store.commit(Commit(tuple(_write(*one) for one in part), AUDIT))
        progress(len(part))


def _write(type: str, id: str, body: Body) -> Write:
    body = json.parse(json.encode(body))  # as it comes from a wire: decimals with their digits
    return Write("PUT", type, id, 1, draft(body, id), index(type, body))


async def _fill(url: str, population: Population, progress: Progress) -> None:
    store = await open_store(Settings.read({"store": url}, {}))
    try:
        await fill(store, population, progress)
    finally:
        await store.close()


@asynccontextmanager
async def sqlite(kept: Path, population: Population, progress: Progress) -> AsyncIterator[tuple[str, tuple[int, ...]]]:
    """The store's URL, and the processes of its database: none."""
    path, making = _places(kept, population)
    if making is not None:
        await _fill(f"sqlite:{making}", population, progress)
        os.rename(making, path)
    yield f"sqlite:{path}", ()


def _places(kept: Path, population: Population) -> tuple[Path, Path | None]:
    """Where the file is kept, and where it is made: None where it is there. What is left of older ones is removed."""
    path = kept / f"shapes-{population.size}-{fingerprint(population)}.sqlite"
    if path.exists():
        return path, None
    kept.mkdir(parents=True, exist_ok=True)
    for stale in kept.glob(f"shapes-{population.size}-*"):
        stale.unlink()
    return path, kept / f"shapes-{population.size}-making.sqlite"


@asynccontextmanager
async def postgres(
    kept: Path, population: Population, progress: Progress
) -> AsyncIterator[tuple[str, tuple[int, ...]]]:
    """The store's URL, and the process of its database."""
    name = f"shapes_{population.size}_{fingerprint(population)}"
    with _cluster(kept / "postgres") as url:
        connection = await asyncpg.connect(url)
        names = [row[0] for row in await connection.fetch("SELECT datname FROM pg_database")]
        await connection.close()
        database = servers.database_url(url, name)
        if name not in names:
            stale = [one for one in names if one.startswith(f"shapes_{population.size}_")]
            await servers.sql(url, *(f"DROP DATABASE {one}" for one in stale))
            making = await servers.fresh_database(url, f"shapes_{population.size}_making")
            await _fill(making, population, progress)
            await servers.sql(making, "VACUUM ANALYZE")
            await servers.sql(url, f"ALTER DATABASE shapes_{population.size}_making RENAME TO {name}", "CHECKPOINT")
        yield database, (await servers.postmaster(url),)


@contextmanager
def _cluster(home: Path) -> Iterator[str]:
    """A PostgreSQL that stays on disk, with its defaults for durability; or the one HILUM_TEST_POSTGRES names."""
    from tests import postgres as known

    given, found = os.environ.get(known.VARIABLE), known.binaries()
    if given or found is None:
        with servers.postgres() as url:  # which says what is missing
            yield url
        return
    user = "nobody" if os.geteuid() == 0 else None
    data = home / "data"
    if not (data / "PG_VERSION").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        if user:
            shutil.chown(home, user)
        initdb = [str(found / "initdb"), "-D", str(data), "-U", "hilum", "--auth=trust", "--encoding=UTF8"]
        subprocess.run([*initdb, "--locale=C"], user=user, cwd=home, check=True, capture_output=True)
    settings = (*known.SETTINGS, "max_wal_size=4GB", "checkpoint_timeout=15min", "unix_socket_directories=/tmp")
    port = servers.free_port()
    command = [str(found / "postgres"), "-D", str(data), "-p", str(port)]
    command += [part for setting in settings for part in ("-c", setting)]
    _, cores = machine.cores()
    with (home.parent / "postgres.log").open("wb") as log, machine.on(cores):
        process = subprocess.Popen(command, user=user, cwd=home, stdout=log, stderr=log, start_new_session=True)
    try:
        ready = [str(found / "pg_isready"), "-q", "-h", "/tmp", "-p", str(port), "-t", "1"]
        until = time.monotonic() + 60
        while subprocess.run(ready, check=False).returncode != 0:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start: {(home.parent / 'postgres.log').read_text()[-1000:]}")
            time.sleep(0.1)
        yield f"postgresql://hilum@/postgres?host=/tmp&port={port}"
    finally:
        process.send_signal(signal.SIGINT)  # "fast": open sessions are ended, then a clean stop
        process.wait(60)
