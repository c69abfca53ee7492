"""Callbacks: what is signed says to look now; what is not, or comes again, changes nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.unit.video.remote.studio import Ordered, Studio, changed, studio

from hilum.video.remote import Remote
from hilum.video.remote.callbacks import BELOW, Callbacks
from hilum.video.remote.renderer import Pace
from hilum.web import webhooks

NOW = 1_800_000_000.0
SLOW = Pace(30.0, 30.0)
"""Who looks but twice a minute has to be called."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with studio(tmp_path_factory.mktemp("studio"), "--ffmpeg", "none") as found:
        yield found


class Called:
    """A server that hands callbacks on to the loop of a test."""

    def __init__(self) -> None:
        called = self
        self.statuses: list[int] = []
        self.callbacks: Callbacks | None = None
        self.loop = asyncio.get_running_loop()

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower().encode(): value.encode() for name, value in self.headers.items()}
                status = asyncio.run_coroutine_threadsafe(called.take(self.path, headers, body), called.loop).result(10)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *values: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    async def take(self, path: str, headers: dict[bytes, bytes], body: bytes) -> int:
        assert self.callbacks is not None
        self.statuses.append(self.callbacks.take(path.removeprefix(BELOW), headers, body))
        return self.statuses[-1]


async def test_a_callback_ends_the_waiting(here: Studio, tmp_path: Path) -> None:
    called = Called()
    remote = here.remote(origin=called.origin, pace=SLOW)
    called.callbacks = Callbacks({"studio": remote})
    here.goes_wrong("slow")
    made = await asyncio.wait_for(remote.render(Ordered(tmp_path / "job", "called").job()), 20)
    assert (made.seconds, called.statuses) == (2.0, [204])
    called.server.shutdown()


async def test_a_forged_callback_is_refused_and_looking_goes_on(here: Studio, tmp_path: Path) -> None:
    called = Called()
    remote = here.remote(origin=called.origin, pace=Pace(0.3, 0.3))
    called.callbacks = Callbacks({"studio": remote})
    here.goes_wrong("forged")
    made = await remote.render(Ordered(tmp_path / "job", "forged").job())
    assert (made.seconds, called.statuses) == (2.0, [401])
    called.server.shutdown()


def signed(remote: Remote, id: str, at: float, body: bytes = b'{"job": "j1"}') -> dict[bytes, bytes]:
    signature = webhooks.signature(remote.service.callback, id, str(int(at)), body)
    return {b"webhook-id": id.encode(), b"webhook-timestamp": b"%d" % at, b"webhook-signature": signature.encode()}


def test_who_may_say_so_and_when(here: Studio) -> None:
    remote = here.remote()
    heard: list[str] = []
    remote.heard = heard.append  # type: ignore[method-assign]
    callbacks = Callbacks({"studio": remote}, lambda: NOW)
    body = b'{"job": "j1"}'
    good = signed(remote, "m1", NOW)
    assert callbacks.take("studio", good, body) == 204
    assert callbacks.take("studio", good, body) == 204, "again: taken, and nothing is done"
    assert heard == ["j1"]
    assert callbacks.take("another", good, body) == 404
    assert callbacks.take("studio", good, b'{"job": "j2"}') == 401
    assert callbacks.take("studio", good | {b"webhook-id": b"m2"}, body) == 401
    assert callbacks.take("studio", {}, body) == 401
    for away in (-301, 301):
        assert callbacks.take("studio", signed(remote, "m3", NOW + away), body) == 401
    for near in (-299, 299):
        assert callbacks.take("studio", signed(remote, f"m{near}", NOW + near), body) == 204
    old = good | {b"webhook-signature": b"v1,AAAA v1a,BBBB " + signed(remote, "m4", NOW)[b"webhook-signature"]}
    assert callbacks.take("studio", old | {b"webhook-id": b"m4"}, body) == 204, "one of several, while a secret changes"
    assert callbacks.take("studio", signed(remote, "m5", NOW, b"\xff"), b"\xff") == 204, "signed, and no JSON"
    assert heard == ["j1"] * 4 + [""]


def test_a_service_that_signs_nothing_can_not_call(here: Studio) -> None:
    remote = here.remote()
    remote.service = changed(remote, callback=b"")
    assert Callbacks({"studio": remote}, lambda: NOW).take("studio", {}, b"") == 404
