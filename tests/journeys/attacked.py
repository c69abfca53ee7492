"""What attacks are tried on: two processes over one store, a door into each, and many requests at one moment."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx
import pytest
from tests.conformance.smart.ground import Ground
from tests.conformance.smart.visitor import address
from tests.journeys.cli import database
from tests.journeys.server import Server

__all__ = ["Doors", "at_once", "both", "doors", "postgres_ground", "sqlite_ground"]

FLAGS = ("--trusted-proxies", "127.0.0.0/8", "--organization", "Lake Clinic", "--workers", "2")
STORES = ("sqlite", "postgresql")

T = TypeVar("T")


def ground(factory: pytest.TempPathFactory, *store: str, flags: Sequence[str] = FLAGS) -> Iterator[Ground]:
    """A server with these flags, and everybody in."""
    running = Server(factory.mktemp("attacked"), *flags, *store)
    made = Ground(running, store)
    made.fill()
    yield made
    running.stop()


@pytest.fixture(scope="module")
def sqlite_ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Two processes on SQLite."""
    yield from ground(tmp_path_factory)


@pytest.fixture(scope="module")
def postgres_ground(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Ground]:
    """Two processes on PostgreSQL."""
    with database(postgres_url) as url:
        yield from ground(tmp_path_factory, "--store", url)


@pytest.fixture(params=STORES)
def both(request: pytest.FixtureRequest) -> Ground:
    """Two processes, on each store."""
    found: Ground = request.getfixturevalue("sqlite_ground" if request.param == "sqlite" else "postgres_ground")
    return found


class Doors:
    """Connections that are open already, half of them to either process, so that a request reaches the one meant."""

    def __init__(self, ground: Ground, each: int) -> None:
        self.ground = ground
        found: dict[str, list[httpx.Client]] = {}
        until = time.monotonic() + 60
        while len(found) < 2 or min(map(len, found.values())) < each:
            assert time.monotonic() < until, "one process answers all"
            client = httpx.Client(base_url=ground.origin, limits=httpx.Limits(max_connections=1), timeout=60)
            worker = re.search(r'hilum_requests_in_flight\{worker="(\d+)"\}', client.get("/metrics").text)
            assert worker
            found.setdefault(worker[1], []).append(client)
        self._all = [client for some in found.values() for client in some]
        first, second = found.values()
        self.clients = [client for pair in zip(first[:each], second[:each], strict=True) for client in pair]

    def ask(self, path: str, forms: Sequence[dict[str, Any]], **headers: str) -> list[httpx.Response]:
        """All of these at one moment, by turns to the one and the other process."""
        assert len(forms) <= len(self.clients)

        def one(number: int) -> httpx.Response:
            return self.clients[number].post(path, data=forms[number], headers=address() | headers)

        return at_once([lambda number=number: one(number) for number in range(len(forms))])

    def close(self) -> None:
        for client in self._all:
            client.close()


@pytest.fixture
def doors(both: Ground) -> Iterator[Doors]:
    """Sixteen, eight to either process."""
    made = Doors(both, 8)
    yield made
    made.close()


def at_once(work: Sequence[Callable[[], T]]) -> list[T]:
    """What each of these gives, all begun at one moment."""
    barrier = threading.Barrier(len(work))

    def one(what: Callable[[], T]) -> T:
        barrier.wait()
        return what()

    with ThreadPoolExecutor(len(work)) as threads:
        return list(threads.map(one, work))
