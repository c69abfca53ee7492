"""Contents of large Binaries in backups, and as `hilum check` sees them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import httpx
import pytest
from tests.journeys.binaries import PDF, client, files, running
from tests.journeys.cli import database, hilum
from tests.journeys.server import Server

__all__ = ["client", "running"]


def checked(running: Server, *flags: str) -> dict[str, str]:
    store = running.store  # type: ignore[attr-defined]
    answer = hilum("check", "--json", "--data", running.data, *store, *flags)
    (found,) = [one for one in json.loads(answer.stdout)["checks"] if one["what"] == "binaries"]
    return dict(found)


def test_a_backup_holds_them_a_check_reads_them_and_a_restore_brings_them_back(
    running: Server, client: httpx.Client, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    contents = {}
    for size in (300_000, 2_000_000):
        content = os.urandom(size)
        contents[client.post("Binary", content=content, headers=PDF).json()["id"]] = content
    first = next(iter(contents))
    contents[first] = os.urandom(400_000)
    client.put(f"Binary/{first}", content=contents[first], headers=PDF)
    found = checked(running)
    assert (found["state"], found["found"]) == ("ok", "contents of 3 versions of Binaries read")
    file = tmp_path / "copy.hilum"
    store = running.store  # type: ignore[attr-defined]
    made = hilum("backup", file, "--data", running.data, *store)
    assert made.returncode == 0, made.stderr
    assert "content of 3 versions" in made.stdout
    assert len(list((tmp_path / "copy.hilum.blobs").glob("??/??/*"))) == 3

    other = tmp_path / "other" / "data"
    into = store
    if store[1].startswith("postgresql"):
        into = ("--store", request.getfixturevalue("second"))
    else:
        into = ("--store", f"sqlite:{other / 'hilum.sqlite'}")
    restored = hilum("restore", file, "--data", other, *into)
    assert restored.returncode == 0, restored.stderr
    assert "--blobs" not in restored.stderr
    shutil.copy(running.data / "signing-key.sandbox.json", other)
    again = Server(tmp_path / "other", *into)
    try:
        with again.client() as restarted:
            for id, content in contents.items():
                assert restarted.get(f"Binary/{id}").content == content
            assert len(restarted.get(f"Binary/{first}/_history/1").content) == 300_000
    finally:
        again.stop()

    damaged = next(path for path in files(running) if path.stat().st_size == 2_000_000)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    found = checked(running)
    assert found["state"] == "fail"
    assert "1 contents are damaged or missing: Binary/" in found["found"]
    refused = hilum("backup", tmp_path / "more.hilum", "--data", running.data, *store)
    assert refused.returncode != 0
    assert "can't be copied" in refused.stderr
    assert not (tmp_path / "more.hilum").exists()


@pytest.fixture
def second(postgres_url: str):  # type: ignore[no-untyped-def]
    """A database to restore into."""
    with database(postgres_url) as url:
        yield url
