"""`hilum gather` by itself: with no server beside it, and left alone in the middle by Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli import hilum
from tests.journeys.sandboxes import Sandbox
from tests.journeys.server import HANGS_SECONDS, Server

ASKED = ("gather", "203701", "--ehr", "epic", "--recipe", "visits")


class Alone:
    """A sandbox, and a data directory that it is known to; hilum itself is not running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "sandbox").mkdir()
        server = Server(folder)
        self.data = server.data
        server.stop()
        self.hilum("keys", "new", "--use", "ehr")
        keys = folder / "keys.json"
        keys.write_text(self.hilum("keys", "export", "--use", "ehr", "--format", "jwks").stdout)
        known = ("--connect", str(self.data), "--broker", server.url, "--jwks", str(keys))
        self.sandbox = Sandbox(folder / "sandbox", "epic", *known)

    def hilum(self, *arguments: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = hilum(*arguments, "--data", self.data)
        assert done.returncode == status, done.stderr
        return done

    def shown(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(hilum("orders", "show", id, "--json", "--data", self.data).stdout)
        return found

    def left_alone(self, watched: str = "") -> str:
        """An order that somebody has left by Ctrl-C while it was gathered; what was printed is as it should be.

        `watched`: one that was there before, and that somebody waits for.
        """
        asked = ("orders", "watch", watched) if watched else ASKED
        errors = self.folder / "errors"
        with errors.open("wb") as said:
            command = subprocess.Popen(
                [sys.executable, "-m", "hilum.cli", *asked, "--data", str(self.data)],
                stdout=subprocess.PIPE,
                stderr=said,
                env={name: value for name, value in os.environ.items() if not name.startswith("HILUM_")},
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # else whoever tests may ignore it
            )
            assert command.stdout is not None
            id = watched or command.stdout.readline().decode().strip()
            ends = time.monotonic() + HANGS_SECONDS
            while "gathering" not in errors.read_text():
                assert command.poll() is None and time.monotonic() < ends, errors.read_text()
                time.sleep(0.05)
            command.send_signal(signal.SIGINT)
            assert (command.wait(HANGS_SECONDS), command.stdout.read()) == (130, b"")
        last = errors.read_text().splitlines()[-1]
        assert last == (
            "Left alone. The order is not cancelled: a running `hilum serve` goes on with it, and so does "
            f"`hilum orders watch {id}`. `hilum orders cancel {id}` ends it."
        )
        return id


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    made = Alone(tmp_path_factory.mktemp("alone"))
    yield made
    made.sandbox.stop()


@pytest.fixture
def slow(here: Alone) -> Iterator[Alone]:
    assert here.sandbox.faults("POST", fault="slow:on=Encounter,seconds=5").status_code == 201
    yield here
    here.sandbox.faults("DELETE")


def test_with_no_server_beside_it_a_gather_does_all_of_it(here: Alone) -> None:
    order = json.loads(here.hilum(*ASKED, "--json").stdout)
    assert (order["status"], order["step"]) == ("completed", "stored")
    assert {one["type"]: one["count"] for one in order["came"]}["Patient"] == 1
    assert order["patient"].startswith("Patient/")


def test_what_is_left_by_ctrl_c_waits_for_whoever_goes_on_with_it(slow: Alone) -> None:
    id = slow.left_alone()
    assert slow.left_alone(id) == id
    assert slow.shown(id)["status"] == "in-progress"
    slow.sandbox.faults("DELETE")
    watched = slow.hilum("orders", "watch", id).stderr
    order = slow.shown(id)
    assert (order["status"], f"kept as {order['patient']}." in watched) == ("completed", True)


def test_what_is_left_by_ctrl_c_can_be_cancelled(slow: Alone) -> None:
    id = slow.left_alone()
    slow.hilum("orders", "cancel", id)
    assert slow.shown(id)["status"] == "cancelled"
    slow.hilum("orders", "watch", id, status=1)
    assert slow.shown(id)["patient"] == ""


def test_a_server_goes_on_with_what_is_left_by_ctrl_c(slow: Alone) -> None:
    server = Server(slow.folder)
    try:
        id = slow.left_alone()
        slow.sandbox.faults("DELETE")
        ends = time.monotonic() + HANGS_SECONDS
        while slow.shown(id)["status"] != "completed":
            assert time.monotonic() < ends, slow.shown(id)
            time.sleep(0.2)
    finally:
        server.stop()
