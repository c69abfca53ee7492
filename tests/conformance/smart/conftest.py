"""One server for the tests of the lists, and one on PostgreSQL for those that go through flows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conformance.smart.ground import ORGANIZATION, App, Ground
from tests.journeys.cli import database
from tests.journeys.server import Server

FLAGS = ("--trusted-proxies", "127.0.0.0/8", "--organization", ORGANIZATION)


_GROUNDS: list[Ground] = []


def _ground(factory: pytest.TempPathFactory, *flags: str) -> Iterator[Ground]:
    running = Server(factory.mktemp("smart"), *FLAGS, *flags)
    made = Ground(running, flags)
    made.fill()
    _GROUNDS.append(made)
    yield made
    _GROUNDS.remove(made)
    running.stop()


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """On SQLite."""
    yield from _ground(tmp_path_factory)


@pytest.fixture(scope="session")
def ground_on_postgres(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Ground]:
    with database(postgres_url) as url:
        yield from _ground(tmp_path_factory, "--store", url)


@pytest.fixture(autouse=True, scope="module")
def tidied() -> Iterator[None]:
    """What the tests of a module wrote is gone when the next one begins: the records are as they were."""
    yield
    for one in _GROUNDS:
        one.tidy()


@pytest.fixture(params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest) -> Ground:
    """On both stores: for flows, where what is kept decides."""
    found: Ground = request.getfixturevalue("ground" if request.param == "sqlite" else "ground_on_postgres")
    return found


@pytest.fixture(scope="session")
def app(ground: Ground) -> App:
    """A public app that may ask for everything that people can allow."""
    return ground.app()
