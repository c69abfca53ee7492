"""Journeys on both stores: flags of `hilum serve`, those of the other commands, and what the database says."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import pytest
from tests.journeys.cli import hilum
from tests.journeys.server import Server


@pytest.fixture(params=["sqlite", "postgresql"])
def flags(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Of `hilum serve`."""
    if request.param == "sqlite":
        return ()
    return ("--store", request.getfixturevalue("postgres_database"))


def place(running: Server, flags: tuple[str, ...]) -> tuple[Any, ...]:
    """Of the other commands."""
    return ("--data", running.data, *flags)


def told(running: Server, flags: tuple[str, ...], *statements: str) -> list[Any]:
    """What the database of a server says to the last statement."""
    return told_at(running.data, flags, *statements)


def told_at(data: Path, flags: tuple[str, ...], *statements: str) -> list[Any]:
    """What the database says to the last statement."""
    if flags:
        return asyncio.run(_told(flags[1], statements))
    with closing(apsw.Connection(str(data / "hilum.sqlite"))) as db:
        db.set_busy_timeout(10_000)
        return [list(db.execute(statement)) for statement in statements][-1]


async def _told(url: str, statements: tuple[str, ...]) -> list[Any]:
    db = await asyncpg.connect(url, server_settings={"search_path": "hilum"})
    try:
        return [[tuple(row) for row in await db.fetch(statement)] for statement in statements][-1]
    finally:
        await db.close()


def compared(running: Server, flags: tuple[str, ...]) -> dict[str, str]:
    """What `hilum check --rows` says of the index; its exit status must say the same."""
    return compared_at(running.data, flags)


def compared_at(data: Path, flags: tuple[str, ...]) -> dict[str, str]:
    """The same, of a data directory."""
    done = hilum("check", "--rows", "--json", "--port", 0, "--data", data, *flags)
    found = json.loads(done.stdout)
    (one,) = [check for check in found["checks"] if check["what"] == "search index"]
    assert (done.returncode == 0) is found["sound"] is (one["state"] == "ok"), done.stdout
    return dict(one)
