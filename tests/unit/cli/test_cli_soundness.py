"""What `hilum check` says of the Redis that sessions are kept in."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hilum.app.settings import Settings
from hilum.cli.soundness import FAIL, sessions


async def test_without_redis_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    assert await sessions(Settings.read({"data": tmp_path})) == []


@pytest.mark.parametrize("address", ["redis://:hush@127.0.0.1:{}/0", "http://127.0.0.1:{}"])
async def test_a_redis_that_does_not_answer_is_no_sound_set_up(tmp_path: Path, address: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings = Settings.read({"data": tmp_path, "redis": address.format(probe.getsockname()[1])})
        (found,) = await sessions(settings)
    assert (found.what, found.state) == ("sessions", FAIL)
    assert found.todo
    assert "hush" not in repr(found)
