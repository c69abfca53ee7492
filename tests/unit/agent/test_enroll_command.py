"""`hilum agent enroll`: what a person sees of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tests.unit.agent.sending.far_sides import Side, far_side
from tests.unit.agent.smart_server import SmartServer
from typer.testing import CliRunner

from hilum.agent import identity
from hilum.agent.commands_enroll import enroll
from hilum.problems import Misconfigured


@pytest.fixture
def server() -> SmartServer:
    return SmartServer()


@pytest.fixture
def side(tmp_path: Path, server: SmartServer) -> Iterator[Side]:
    """In a thread: the command has a loop of its own."""
    ready, ended, found = threading.Event(), asyncio.Event(), list[Side]()
    loops = list[asyncio.AbstractEventLoop]()

    async def serve() -> None:
        async with far_side(tmp_path, server) as one:
            server.url = one.url
            found.append(one)
            loops.append(asyncio.get_running_loop())
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    yield found[0]
    loops[0].call_soon_threadsafe(ended.set)
    thread.join()


def run(tmp_path: Path, *arguments: str) -> str:
    app = typer.Typer()
    app.command()(enroll)
    done = CliRunner().invoke(app, [*arguments, "--data", str(tmp_path / "agent")])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_it_says_where_it_is_enrolled_and_what_comes_next(tmp_path: Path, side: Side) -> None:
    said = run(tmp_path, side.url, "--token", "hit_1", "--ca", str(side.ca)).splitlines()
    assert said[0].startswith(f"Enrolled at {side.url} as c1, for system/Observation")
    assert said[1].endswith("(way gateway): add what is to be read, then `hilum agent run`.")


def test_settings_of_before_are_left_and_it_says_what_to_check(tmp_path: Path, side: Side, server: SmartServer) -> None:
    run(tmp_path, side.url, "--token", "hit_1", "--ca", str(side.ca))
    server.invitation = "hit_2"
    said = run(tmp_path, side.url, "--token", "hit_2", "--again")
    assert f'check `to = "{side.url}"` and `way = "gateway"`' in said


def test_it_prints_the_keys_to_be_registered_by_hand(tmp_path: Path, side: Side) -> None:
    keys = json.loads(run(tmp_path, side.url, "--keys"))
    assert keys == {"keys": [identity.read(tmp_path / "agent").jwk]}
    said = run(tmp_path, side.url, "--client-id", "c1", "--ca", str(side.ca))
    told, _, printed = said.partition("The public keys to be registered there:")
    assert "There is no token yet." in told and json.loads(printed) == keys


def test_a_fault_of_the_set_up_is_raised_for_the_edge_to_tell(tmp_path: Path, side: Side) -> None:
    with pytest.raises(Misconfigured, match="used up"):
        run(tmp_path, side.url, "--token", "hit_9", "--ca", str(side.ca))
