"""32 clients over 2 processes on one store: one winner, one creation, no torn transaction, and never a 5xx."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.durability.load import GROUP, SYSTEM, observation, patient
from tests.durability.wire import Answer, Wire
from tests.journeys.cli import database
from tests.journeys.server import Server

ROUNDS = 40 if os.environ.get("HILUM_FULL") else 6
CLIENTS = 32


@pytest.fixture(params=["sqlite", "postgresql"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two processes of their own, not two workers, so that a client's process is known."""
    with ExitStack() as stack:
        store = f"sqlite:{tmp_path}/shared.sqlite"
        if request.param == "postgresql":
            store = stack.enter_context(database(request.getfixturevalue("postgres_url")))
        pair: list[Server] = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            if pair:  # servers of one store have one key
                shutil.copytree(pair[0].data, tmp_path / name / "data", ignore=shutil.ignore_patterns("audit"))
            pair.append(Server(tmp_path / name, "--store", store))
            stack.callback(pair[-1].stop)
        yield pair[0], pair[1]


def _wires(servers: tuple[Server, Server]) -> list[Wire]:
    tokens = [server.token() for server in servers]
    return [Wire(servers[k % 2].port, tokens[k % 2]) for k in range(CLIENTS)]


def _run(servers: tuple[Server, Server], test: Any) -> None:
    async def run() -> None:
        wires = _wires(servers)
        try:
            await test(wires)
        finally:
            for wire in wires:
                wire.close()

    asyncio.run(run())


def _unique(tmp_path: Path) -> str:
    return tmp_path.name


def test_conditional_creates_make_one(servers: tuple[Server, Server], tmp_path: Path) -> None:
    async def run(wires: list[Wire]) -> None:
        for number in range(ROUNDS):
            marker = f"{_unique(tmp_path)}-{number}"
            answers: list[Answer] = await asyncio.gather(
                *(
                    wire.send(
                        "POST", "/Observation", observation(marker), if_none_exist=f"identifier={SYSTEM}|{marker}"
                    )
                    for wire in wires
                )
            )
            assert Counter(answer.status for answer in answers) == {201: 1, 200: CLIENTS - 1}
            assert len({answer.json["id"] for answer in answers}) == 1

    _run(servers, run)


def test_conditional_creates_by_the_same_value_written_in_two_ways_make_one(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    async def run(wires: list[Wire]) -> None:
        for number in range(ROUNDS):
            marker = f"{_unique(tmp_path)}-two-{number}"
            forms = (f"identifier={SYSTEM}|{marker}", f"identifier={marker}")
            answers = await asyncio.gather(
                *(
                    wire.send("POST", "/Observation", observation(marker), if_none_exist=forms[(k // 2) % 2])
                    for k, wire in enumerate(wires)
                )
            )
            assert Counter(answer.status for answer in answers) == {201: 1, 200: CLIENTS - 1}

    _run(servers, run)


def test_if_match_has_one_winner(servers: tuple[Server, Server], tmp_path: Path) -> None:
    async def run(wires: list[Wire]) -> None:
        id = "race-" + _unique(tmp_path).replace("_", "-")
        assert (await wires[0].send("PUT", f"/Patient/{id}", patient(id, 0))).status == 201
        for number in range(1, ROUNDS + 1):
            answers = await asyncio.gather(
                *(
                    wire.send("PUT", f"/Patient/{id}", patient(id, number * 100 + k), if_match=f'W/"{number}"')
                    for k, wire in enumerate(wires)
                )
            )
            assert Counter(answer.status for answer in answers) == {200: 1, 412: CLIENTS - 1}

    _run(servers, run)


def test_updates_without_a_condition_all_succeed_one_after_the_other(
    servers: tuple[Server, Server], tmp_path: Path
) -> None:
    async def run(wires: list[Wire]) -> None:
        id = "busy-" + _unique(tmp_path).replace("_", "-")
        for number in range(max(2, ROUNDS // 6)):
            answers = await asyncio.gather(
                *(wire.send("PUT", f"/Patient/{id}", patient(id, number * 100 + k)) for k, wire in enumerate(wires))
            )
            assert {answer.status for answer in answers} <= {200, 201}
        history = (await wires[0].send("GET", f"/Patient/{id}/_history?_count=1000")).json
        versions = [int(entry["resource"]["meta"]["versionId"]) for entry in history["entry"]]
        assert versions == list(range(len(versions), 0, -1))
        assert len(versions) == CLIENTS * max(2, ROUNDS // 6)

    _run(servers, run)


def test_no_transaction_is_torn_where_transactions_cross(servers: tuple[Server, Server], tmp_path: Path) -> None:
    """Each rewrites the same resources, in its own order: all carry one marker afterwards, and nobody deadlocks."""

    async def run(wires: list[Wire]) -> None:
        ids = [f"torn-{k}-{_unique(tmp_path)}".replace("_", "-") for k in range(GROUP)]

        def bundle(marker: int, turn: int) -> dict[str, Any]:
            order = ids[turn % GROUP :] + ids[: turn % GROUP]
            entries = [
                {"resource": patient(id, marker), "request": {"method": "PUT", "url": f"Patient/{id}"}} for id in order
            ]
            return {"resourceType": "Bundle", "type": "transaction", "entry": entries}

        for number in range(ROUNDS):
            answers = await asyncio.gather(
                *(wire.send("POST", "", bundle(number * 100 + k, k)) for k, wire in enumerate(wires[:8]))
            )
            assert {answer.status for answer in answers} == {200}
            seen = {(await wires[0].send("GET", f"/Patient/{id}")).json["name"][0]["family"] for id in ids}
            assert len(seen) == 1

    _run(servers, run)
