"""Two servers of one store: what the one was at when it was killed, the other does when its leases have ended."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.journeys.cli import postgres_database
from tests.journeys.sandboxes import Sandbox
from tests.journeys.server import HANGS_SECONDS, Server

__all__ = ["postgres_database"]

pytestmark = pytest.mark.skipif(not os.environ.get("HILUM_FULL"), reason="waits for leases; HILUM_FULL=1 runs it")
ORDER = {"ehr": "epic", "recipe": "visits", "patient": "203701"}


@pytest.mark.parametrize("store", ["postgresql", "sqlite"])
def test_a_server_that_is_killed_while_it_gathers_leaves_its_order_to_the_other(
    tmp_path: Path, store: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store == "postgresql":
        monkeypatch.setenv("HILUM_STORE", request.getfixturevalue("postgres_database"))
    for name in ("one", "other", "sandbox"):
        (tmp_path / name).mkdir()
    one = Server(tmp_path / "one")
    known = ("--connect", str(one.data), "--broker", one.url, "--jwks", "")
    sandbox = Sandbox(tmp_path / "sandbox", "epic", *known)
    assert sandbox.faults("POST", fault="slow:on=Encounter,seconds=10").status_code == 201
    with one.client() as client:
        asked = client.post(f"{one.url}/api/v1/gather", json=ORDER)
        assert asked.status_code == 202, asked.text
        id = asked.json()["id"]
        until(client, f"{one.url}/api/v1/gather/{id}", "gathering")
    other = Server(tmp_path / "other", "--data", str(one.data))
    other.data = one.data
    one.process.kill()
    one.process.wait()
    sandbox.faults("DELETE")
    with other.client() as client:
        done = until(client, f"{other.url}/api/v1/gather/{id}", "stored")
        assert done["status"] == "completed"
        assert client.get(f"{done['patient']}/_history").json()["total"] == 1
    sandbox.stop()
    other.stop()


def until(client: httpx.Client, url: str, step: str) -> Any:
    """The order, when it has come to this step."""
    ends = time.monotonic() + HANGS_SECONDS
    while (found := client.get(url).json())["step"] != step:
        assert time.monotonic() < ends, found
        time.sleep(0.1)
    return found
