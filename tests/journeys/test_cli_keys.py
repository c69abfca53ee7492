"""`hilum keys rotate --use root`, and what is refused while a server runs; tokens that don't hold, by the hundred."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from tests.journeys.both import flags, place
from tests.journeys.cli import hilum, postgres_database
from tests.journeys.server import Server

from hilum.access.keys import load_or_create

__all__ = ["flags", "postgres_database"]


def keys(*arguments: object) -> dict[str, Any]:
    done = hilum("keys", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def reads(running: Server, token: str) -> int:
    """The status of a read, asked under the address that its first token was made for."""
    return httpx.get(running.base + "/Patient", headers={"authorization": f"Bearer {token}"}).status_code


def again(running: Server, flags: tuple[str, ...], port: int) -> Server:
    """A server with the same data directory, which clients reach as before."""
    return Server(running.data.parent, "--base-url", f"http://127.0.0.1:{port}", *flags)


def test_another_root_takes_the_place_of_the_one_that_there_is(
    start: Callable[..., Server], flags: tuple[str, ...]
) -> None:
    running = start(*flags)
    where, port, token = place(running, flags), running.port, running.token()
    assert reads(running, token) == 200
    refused = hilum("keys", "rotate", "--use", "root", *where)
    assert refused.returncode != 0
    assert "A server runs on this data directory" in refused.stderr
    running.stop()
    before = load_or_create(running.data, "sandbox").kid
    copy = running.data / "copy"
    shutil.copy(running.data / "signing-key.sandbox.json", copy)
    made = keys("rotate", "--use", "root", *where)
    after = load_or_create(running.data, "sandbox").kid
    assert made["kid"] == after != before
    listed = keys("list", *where)["keys"]
    assert [(one["use"], one["kid"]) for one in listed if one["use"] in ("access", "root")] == [
        ("access", after), ("root", before),
    ]  # fmt: skip
    running = again(running, flags, port)
    assert reads(running, token) == 200, "for a day"
    assert before in {one["kid"] for one in httpx.get(running.url + "/.well-known/jwks.json").json()["keys"]}
    running.stop()
    keys("rotate", "--use", "root", "--at-once", *where)
    running = again(running, flags, port)
    assert reads(running, token) == 401
    running.stop()
    assert hilum("audit", "verify", *where).returncode == 0
    shutil.copy(copy, running.data / "signing-key.sandbox.json")
    stopped = hilum("serve", "--port", 0, *where)
    assert stopped.returncode != 0
    assert "does not open with the signing key" in stopped.stderr


def test_a_rotation_that_was_cut_off_is_finished(start: Callable[..., Server], tmp_path: Path) -> None:
    running = start()
    running.stop()
    where = ("--data", running.data)
    place = running.data / "signing-key.sandbox.json"
    shutil.copy(place, tmp_path / "old")
    made = keys("rotate", "--use", "root", *where)["kid"]
    place.rename(running.data / "signing-key.sandbox.next.json")
    shutil.copy(tmp_path / "old", place)
    place.chmod(0o600)
    stopped = hilum("serve", "--port", 0, *where)
    assert stopped.returncode != 0
    assert "hilum keys rotate --use root" in stopped.stderr
    assert keys("rotate", "--use", "root", *where)["kid"] == made
    assert not (running.data / "signing-key.sandbox.next.json").exists()
    assert json.loads(hilum("audit", "verify", "--json", *where).stdout)["faults"] == []


def test_tokens_that_do_not_hold_are_looked_at_a_hundred_times_a_minute(start: Callable[..., Server]) -> None:
    running = start("--trusted-proxies", "127.0.0.0/8")
    token = running.token()
    with httpx.Client(base_url=running.base + "/") as client:

        def status(token: str, address: str) -> httpx.Response:
            return client.get("Patient", headers={"authorization": f"Bearer {token}", "x-forwarded-for": address})

        assert status(token, "203.0.113.7").status_code == 200
        seen = [status(f"x.y.{number}", "203.0.113.7").status_code for number in range(130)]
        assert seen[:100] == [401] * 100
        assert 429 in seen[100:]
        assert set(seen) == {401, 429}
        refused = next(answer for _ in range(50) if (answer := status("x.y.z", "203.0.113.7")).status_code == 429)
        assert (refused.headers["retry-after"], refused.json()["issue"][0]["code"]) == ("1", "throttled")
        assert status(token, "203.0.113.7").status_code == 200, "what is known is not counted"
        assert status(running.token(), "203.0.113.8").status_code == 200, "nor are others"
