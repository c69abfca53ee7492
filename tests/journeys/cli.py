"""Running `hilum` as a person does, and databases for it."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from tests import forking

from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.oauth.lease import Lease
from hilum.oauth.ledger import LEASE, read

__all__ = ["another_database", "database", "hilum", "postgres_database"]

_numbers = itertools.count(1)


def hilum(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """`hilum ARGUMENTS` in its own process, without settings from the environment of the tests."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HILUM_")}
    options = {"timeout": 120, "env": environ} | options
    words = list(map(str, arguments))
    if forking.can(options["env"]):
        return forking.run(words, **options)
    command = [sys.executable, "-m", "hilum.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def follower(data: Path, name: str) -> str:
    """Which process follows the changes for what has this name, in a store of SQLite; "": none does."""

    async def holder() -> str:
        store = await open_store(Settings.read({"data": str(data)}))
        try:
            row = await store.ledger.get(LEASE, f"feed:{name}".encode())
            return "" if row is None else read(row, Lease).holder
        finally:
            await store.close()

    return asyncio.run(holder())


@contextmanager
def database(postgres_url: str) -> Iterator[str]:
    name = f"journey_{os.getpid()}_{next(_numbers)}"

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(postgres_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute(f"CREATE DATABASE {name}"))
    yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of a new, empty PostgreSQL database."""
    with database(postgres_url) as url:
        yield url


@pytest.fixture
def another_database(postgres_url: str) -> Iterator[str]:
    """One more."""
    with database(postgres_url) as url:
        yield url
