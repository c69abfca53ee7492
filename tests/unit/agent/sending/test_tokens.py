"""Access tokens: kept, renewed in time, renewed once where they are no longer taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.sending.far_sides import Reply, Request, Side, far_side, identity
from tests.unit.agent.smart_server import SmartServer

from hilum.agent.batch import Fate, Later, Stopped
from hilum.agent.http import Http
from hilum.agent.sending.far import Far
from hilum.agent.sending.settings import Sending
from hilum.agent.sending.tokens import Halted, Tokens


@pytest.fixture
def server() -> SmartServer:
    return SmartServer()


@pytest.fixture
async def side(tmp_path: Path, server: SmartServer) -> AsyncIterator[Side]:
    def answering(asked: Request) -> Reply:
        if asked.path == "/it":
            return Reply(200 if server.allows(asked) else 401)
        return server(asked)

    async with far_side(tmp_path, answering) as side:
        server.url = side.url
        yield side


@pytest.fixture
def far(tmp_path: Path, side: Side, server: SmartServer) -> Far:
    one = replace(identity(tmp_path), client_id="c1", token_endpoint=f"{side.url}/auth/token", scope="system/*.c")
    server.keys = {"keys": [one.jwk]}
    return Far(Sending(side.url, "gateway", side.ca, False, {}), one)


async def test_one_token_is_used_for_all(far: Far, side: Side) -> None:
    answers = await asyncio.gather(*(far.ask("GET", f"{side.url}/it") for _ in range(5)))
    assert [one.status for one in answers] == [200] * 5
    assert [one.path for one in side.seen].count("/auth/token") == 1


async def test_a_token_that_is_no_longer_taken_is_renewed(far: Far, side: Side, server: SmartServer) -> None:
    server.takes = 1
    assert [(await far.ask("GET", f"{side.url}/it")).status for _ in range(3)] == [200, 200, 200]
    assert server.issued == 3


async def test_a_new_token_that_is_not_taken_is_an_answer(far: Far, side: Side, server: SmartServer) -> None:
    server.takes = 0
    assert (await far.ask("GET", f"{side.url}/it")).status == 401
    assert server.issued == 2


@pytest.mark.parametrize(
    ("expires", "holds", "ended"),
    [(300, 269.0, 270.0), (20, 9.0, 10.0), ("300", 269.0, 270.0), (None, 269.0, 270.0), (-5, 269.0, 270.0)],
    ids=["minutes", "seconds", "as text", "not said", "nonsense"],
)
async def test_a_token_is_renewed_before_it_ends(
    far: Far, side: Side, server: SmartServer, expires: Any, holds: float, ended: float
) -> None:
    server.expires, now = expires, [0.0]
    tokens = Tokens(Http(side.ca), far.identity, ticking=lambda: now[0])
    found = []
    for now[0] in (0.0, holds, ended):
        found.append(await tokens.get())
    assert found == ["t1", "t1", "t2"]


@pytest.mark.parametrize(
    "ahead", [600.0, -600.0, 86400.0 * 365], ids=["before", "behind", "a clock that was never set"]
)
async def test_a_clock_that_is_wrong_is_gone_by_the_far_sides(
    far: Far, side: Side, server: SmartServer, ahead: float
) -> None:
    server.ahead = ahead
    assert (await far.ask("GET", f"{side.url}/it")).status == 200
    server.left = 0
    assert (await far.ask("GET", f"{side.url}/it")).status == 200
    assert [one.path for one in side.seen].count("/auth/token") == 3, "the second time it is known"


FAILURES: dict[str, tuple[Reply, type[Fate], str]] = {
    "not known": (Reply(401, {"error": "invalid_client"}), Stopped, "enroll it again"),
    "another scope": (Reply(400, {"error": "invalid_scope"}), Stopped, "not registered for what it asks"),
    "something else": (Reply(400, {"error": "18.9 mmol/l"}), Stopped, "refused"),
    "not there": (Reply(404), Stopped, "404"),
    "moved": (Reply(302, headers={"Location": "https://x/"}), Stopped, "302"),
    "busy": (Reply(429, headers={"Retry-After": "9"}), Later, "429"),
    "broken": (Reply(502), Later, "502"),
    "cut": (Reply(cut=True), Later, ""),
    "a page": (Reply(200, b"<html>"), Later, "without a token"),
    "another kind": (Reply(200, {"access_token": "x", "token_type": "DPoP"}), Stopped, "kind"),
    "two lines": (Reply(200, {"access_token": "x\r\nHost: y", "token_type": "bearer"}), Stopped, "kind"),
}


@pytest.mark.parametrize(("reply", "fate", "told"), FAILURES.values(), ids=FAILURES.keys())
async def test_no_token_is_a_fate(
    far: Far, side: Side, server: SmartServer, reply: Reply, fate: type[Fate], told: str
) -> None:
    server.token = reply
    with pytest.raises(Halted) as halted:
        await far.ask("GET", f"{side.url}/it")
    assert type(halted.value.fate) is fate and told in halted.value.fate.why
    assert "18.9" not in halted.value.fate.why
    assert not any(one.path == "/it" for one in side.seen)
