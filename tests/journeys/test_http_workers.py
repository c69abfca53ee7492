"""Two server processes on one store: what one gave out holds in the other, and both end together."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.journeys.server import FHIR_JSON, Server

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")


@pytest.fixture
def two(start: Callable[..., Server]) -> Iterator[Server]:
    yield start("--workers", "2", forked=False)


def worker(client: httpx.Client) -> int:
    """The process at the other end of the client's one connection."""
    found = re.search(r'hilum_requests_in_flight\{worker="(\d+)"\}', client.get("/metrics").text)
    assert found
    return int(found[1])


@pytest.fixture
def ends(two: Server) -> Iterator[list[httpx.Client]]:
    """Two clients, each with a connection to another process."""
    headers = {"authorization": f"Bearer {two.token()}"}
    found: dict[int, httpx.Client] = {}
    spare: list[httpx.Client] = []
    until = time.monotonic() + 30
    while len(found) < 2 and time.monotonic() < until:
        client = httpx.Client(base_url=two.url, headers=headers, limits=httpx.Limits(max_connections=1), timeout=30)
        spare.append(client)
        found.setdefault(worker(client), client)
    assert len(found) == 2
    yield list(found.values())
    for client in spare:
        client.close()


def test_what_one_worker_gave_out_holds_in_the_other(ends: list[httpx.Client]) -> None:
    one, other = ends
    pids = worker(one), worker(other)
    made = [one.post("/fhir/Patient", json={"resourceType": "Patient"}, headers=FHIR_JSON) for _ in range(6)]
    assert {answer.status_code for answer in made} == {201}
    ids = [answer.json()["id"] for answer in made]
    seen: list[str] = []
    url: str | None = "/fhir/Patient?_count=1"
    turn = 0
    while url:
        page = ends[turn % 2].get(url.removeprefix(str(one.base_url).rstrip("/"))).json()
        seen += [entry["resource"]["id"] for entry in page.get("entry", [])]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), None)
        turn += 1
    assert sorted(seen) == sorted(ids)
    form = {"content-type": "application/x-www-form-urlencoded"}
    page = one.post("/fhir/Patient/_search", content=b"_count=4&birthdate:missing=true", headers=form).json()
    url = next(link["url"] for link in page["link"] if link["relation"] == "next")
    assert len(other.get(url).json()["entry"]) == 2
    version = other.put(
        f"/fhir/Patient/{ids[0]}", json={"resourceType": "Patient", "id": ids[0], "active": True}, headers=FHIR_JSON
    )
    assert version.headers["etag"] == 'W/"2"'
    assert one.get(f"/fhir/Patient/{ids[0]}").json()["active"] is True
    stale = one.put(
        f"/fhir/Patient/{ids[0]}",
        json={"resourceType": "Patient", "id": ids[0]},
        headers=FHIR_JSON | {"if-match": 'W/"1"'},
    )
    assert stale.status_code == 412
    assert (worker(one), worker(other)) == pids


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_sigterm_ends_all_of_them(two: Server, ends: list[httpx.Client]) -> None:
    pids = {worker(client) for client in ends}
    assert pids <= set(children(two.process.pid))
    two.process.send_signal(signal.SIGTERM)
    assert two.process.wait(30) == 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert "Traceback" not in two.log


def test_workers_end_when_whoever_started_them_is_killed(two: Server, ends: list[httpx.Client]) -> None:
    """They would hold the port and the store, and nobody would be there to start them again."""
    pids = {worker(client) for client in ends}
    two.process.kill()
    two.process.wait(10)
    until = time.monotonic() + 20
    while pids and time.monotonic() < until:
        pids = {pid for pid in pids if runs(pid)}
        time.sleep(0.05)
    assert pids == set()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", two.port))
    assert [event["event"] for event in two.events if event["event"] in ("orphaned", "stopped")].count("stopped") == 2


def runs(pid: int) -> bool:
    """Whether the process is there, and not only its exit status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
