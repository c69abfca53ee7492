"""What journeys of Binaries have in common: a server on each store, and what lies beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from tests.journeys.cli import database
from tests.journeys.server import Server

PDF = {"content-type": "application/pdf"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module."""
    with ExitStack() as stack:
        flags: tuple[str, ...] = ("--link-seconds", "600")
        if request.param == "postgresql":
            flags += ("--store", stack.enter_context(database(request.getfixturevalue("postgres_url"))))
        one = Server(tmp_path_factory.mktemp("server"), *flags)
        one.store = flags[2:] or ("--store", f"sqlite:{one.data / 'hilum.sqlite'}")  # type: ignore[attr-defined]
        yield one
        one.stop()


@pytest.fixture(scope="module")
def client(running: Server) -> Iterator[httpx.Client]:
    """May do everything."""
    with running.client() as one:
        yield one


def files(running: Server) -> set[Path]:
    """What lies beside the store."""
    return {path for path in (running.data / "blobs").rglob("*") if path.is_file() and path.name != "identity"}
