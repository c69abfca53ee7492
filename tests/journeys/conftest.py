"""Servers and clients for journeys over real HTTP."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from tests.journeys.cli import database
from tests.journeys.sandboxes import Sandbox
from tests.journeys.server import FHIR_JSON, Server

Create = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server with the defaults: SQLite, tokens needed. Tests make their own resources in it.

    HILUM_JOURNEYS_STORE=postgresql runs the same journeys on PostgreSQL.
    """
    with ExitStack() as stack:
        flags: tuple[str, ...] = ()
        if os.environ.get("HILUM_JOURNEYS_STORE") == "postgresql":
            flags = ("--store", stack.enter_context(database(request.getfixturevalue("postgres_url"))))
        running = Server(tmp_path_factory.mktemp("server"), *flags)
        yield running
        running.stop()


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start a server with these flags; it is stopped after the test."""
    started: list[Server] = []

    def one(*flags: str, **options: Any) -> Server:
        started.append(Server(tmp_path_factory.mktemp("server"), *flags, **options))
        return started[-1]

    yield one
    for running in started:
        if running.process.poll() is None:
            running.stop()


@pytest.fixture(scope="session")
def epic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox EHR that behaves like Epic's."""
    running = Sandbox(tmp_path_factory.mktemp("epic"), "epic")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox EHR that behaves like Oracle Health's."""
    running = Sandbox(tmp_path_factory.mktemp("oracle"), "oracle")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def fhir(server: Server) -> Iterator[httpx.Client]:
    """May do everything."""
    with server.client() as client:
        yield client


@pytest.fixture(scope="session")
def create(fhir: httpx.Client) -> Create:
    """Create a resource and answer with it as stored."""

    def one(type_: str = "Patient", **content: Any) -> dict[str, Any]:
        answer = fhir.post(type_, json={"resourceType": type_, **content}, headers=FHIR_JSON)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    return one


def diagnostics(answer: httpx.Response) -> str:
    """What the OperationOutcome of an answer says; fails when it is none."""
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8", answer.text
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    return " ".join(issue["diagnostics"] for issue in body["issue"])
