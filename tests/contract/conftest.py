"""Every store, opened fresh for each test; a third store joins by one more entry in OPENERS."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.postgres import postgres_url

from hilum.store.interface import Store
from hilum.store.postgres import open_postgres
from hilum.store.sqlite import open_sqlite

__all__ = ["postgres_url"]

Open = Callable[[], Awaitable[Store]]

_tenants = itertools.count(1)


def _sqlite(request: pytest.FixtureRequest) -> Open:
    folder: Path = request.getfixturevalue("tmp_path")
    return lambda: open_sqlite(str(folder / "store.sqlite"))


def _postgres(request: pytest.FixtureRequest) -> Open:
    url: str = request.getfixturevalue("postgres_url")
    schema = f"contract_{next(_tenants)}"
    return lambda: open_postgres(url, schema=schema)


OPENERS: dict[str, Callable[[pytest.FixtureRequest], Open]] = {"sqlite": _sqlite, "postgresql": _postgres}


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
