"""kill -9 while contents are taken in and committed: what was acknowledged is whole afterwards, the rest goes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from tests.journeys.binaries import PDF
from tests.journeys.cli import database
from tests.journeys.server import Server

from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.store.blobs.blob import whole
from hilum.store.blobs.collect import collect
from hilum.store.blobs.folder import FolderBlobs
from hilum.store.blobs.references import every

ROUNDS = 12 if os.environ.get("HILUM_FULL") else 2
UPLOADERS = 6


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[tuple[str, ...]]:
    with ExitStack() as stack:
        flags: tuple[str, ...] = ()
        if request.param == "postgresql":
            flags = ("--store", stack.enter_context(database(request.getfixturevalue("postgres_url"))))
        yield flags


def content(seed: int) -> bytes:
    """Some megabytes that can be made again."""
    return random.Random(seed).randbytes(300_000 + seed % 7 * 400_000)


def uploading(server: Server, seeds: Iterator[int], acknowledged: dict[str, int]) -> None:
    """Until the server is gone."""
    try:
        with server.client() as client:
            for seed in seeds:
                answer = client.post("Binary", content=content(seed), headers=PDF)
                if answer.status_code == 201:
                    acknowledged[answer.headers["location"].split("/")[-3]] = seed
    except httpx.TransportError:
        return


async def left(settings: Settings) -> tuple[int, int, int]:
    """How many contents versions refer to, and what a collection takes: orphans, and uploads left half done."""
    blobs = FolderBlobs(settings.data / "blobs")
    opened = await open_store(settings)
    try:
        gone = await collect(blobs, opened.ledger, time.time() + 60)
        count = 0
        async for _, blob in every(opened.ledger):
            async for _ in whole(blobs, blob):
                pass
            count += 1
        return (count, *gone)
    finally:
        await opened.close()


def test_what_was_acknowledged_is_whole_after_kill_9(tmp_path: Path, store: tuple[str, ...]) -> None:
    acknowledged: dict[str, int] = {}
    seeds = iter(range(1_000_000))
    for _ in range(ROUNDS):
        server = Server(tmp_path, *store)
        some = [threading.Thread(target=uploading, args=(server, seeds, acknowledged)) for _ in range(UPLOADERS)]
        before = len(acknowledged)
        for one in some:
            one.start()
        while len(acknowledged) < before + 10:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.1))
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        for one in some:
            one.join()
    count, orphans, unfinished = asyncio.run(
        left(Settings.read({"data": tmp_path / "data", "store": (*store, "", "")[1]}))
    )
    assert count >= len(acknowledged), (orphans, unfinished)
    server = Server(tmp_path, *store)
    with server.client() as client:
        for id, seed in acknowledged.items():
            assert client.get(f"Binary/{id}").content == content(seed)
    server.stop()
    files = [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file() and path.name != "identity"]
    assert len(files) == count
