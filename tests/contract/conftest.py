"""Every store, opened fresh for each test; a third store joins by one more entry in OPENERS."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from hilum.store.interface import Store
from hilum.store.postgres import PostgresStore, open_postgres
from hilum.store.sqlite import open_sqlite

Open = Callable[[], Awaitable[Store]]

_tenants = itertools.count(1)


def _sqlite(request: pytest.FixtureRequest) -> Open:
    folder: Path = request.getfixturevalue("tmp_path")
    return lambda: open_sqlite(str(folder / "store.sqlite"))


def _postgres(request: pytest.FixtureRequest) -> Open:
    url: str = request.getfixturevalue("postgres_url")
    schema = f"contract_{next(_tenants)}"
    return lambda: open_postgres(url, schema=schema)


def _memory(request: pytest.FixtureRequest) -> Open:
    """The example of a third store. Its one object is the data, so that another process has it again."""
    spec = importlib.util.spec_from_file_location("memory_store", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["memory_store"] = module
    spec.loader.exec_module(module)
    store: Store = module.MemoryStore()

    async def opened() -> Store:
        return store

    return opened


OPENERS: dict[str, Callable[[pytest.FixtureRequest], Open]] = {
    "memory": _memory,
    "postgresql": _postgres,
    "sqlite": _sqlite,
}
DURABLE = ("postgresql", "sqlite")
"""Those that keep what they are told when the process ends."""
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "memory_store.py"


@pytest.fixture(params=sorted(OPENERS))
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens the test's store; each call is one more object on the same data, as another process would have it."""
    open_one = OPENERS[request.param](request)
    stores: list[Store] = []

    async def another() -> Store:
        stores.append(await open_one())
        return stores[-1]

    yield another
    for store in stores:
        await store.close()


@pytest.fixture
async def store(opened: Open) -> Store:
    """The test's store."""
    return await opened()


@pytest.fixture
async def other(store: Store, opened: Open) -> Store:
    """A second process on the same data."""
    return await opened()


@pytest.fixture
def schema() -> str:
    """That of a PostgreSQL store of the test's own."""
    return f"own_{next(_tenants)}"


@pytest.fixture
async def postgres(postgres_url: str, schema: str) -> AsyncIterator[PostgresStore]:
    """For tests of what only PostgreSQL has."""
    store = await open_postgres(postgres_url, schema=schema)
    yield store
    await store.close()


@pytest.fixture
async def admin(postgres_url: str, schema: str) -> AsyncIterator[asyncpg.Connection]:
    """A plain session beside hilum's."""
    session = await asyncpg.connect(postgres_url, server_settings={"search_path": schema})
    yield session
    session.terminate()
