"""A vendor's token endpoint over hilum's: what lasts how long, and a refresh token that is used again and again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest

from hilum.access.keys import load_or_create
from hilum.access.tokens import Minter
from hilum.sandbox.exchange import Reply, json_reply
from hilum.sandbox.profile import profiles
from hilum.sandbox.tokens import Tokens, narrowed, said

EPIC, ORACLE = profiles()["epic"], profiles()["oracle"]
BASE = "http://127.0.0.1:8090/fhir"
NOW = 1_800_000_000.0


@pytest.fixture
def mint(tmp_path: Path) -> Minter:
    return Minter(load_or_create(tmp_path, "sandbox"), BASE, lambda: NOW)


class Behind:
    """Refreshes as hilum has them: each token is used once, and brings the next. `fails`: how often 503."""

    def __init__(self, mint: Minter, fails: int = 0) -> None:
        self.valid, self.spent, self.fails, self._mint = "first", 0, fails, mint

    async def __call__(self, form: bytes) -> Reply:
        token = parse_qs(form.decode())["refresh_token"][0]
        await asyncio.sleep(0)
        if self.fails:
            self.fails -= 1
            return json_reply(503, {"error": "temporarily_unavailable"})
        if token != self.valid:
            return json_reply(400, {"error": "invalid_grant", "error_description": "used up"})
        self.spent += 1
        self.valid = f"next-{self.spent}"
        made = self._mint.mint("system/*.rs")
        return json_reply(
            200, {"access_token": made, "expires_in": 3600, "scope": "system/*.rs", "refresh_token": self.valid}
        )


REFRESH = b"grant_type=refresh_token&refresh_token=first"


async def test_one_refresh_token_is_used_again_and_again_also_at_once(mint: Minter) -> None:
    behind = Behind(mint)
    tokens = Tokens(ORACLE, BASE, mint)
    found = await asyncio.gather(*(tokens.exchange(REFRESH, behind) for _ in range(20)))
    assert {reply.status for reply in found} == {200}
    assert behind.spent == 20
    assert all("refresh_token" not in msgspec.json.decode(reply.body) for reply in found)


async def test_a_refresh_that_fails_on_the_way_loses_nothing(mint: Minter) -> None:
    behind = Behind(mint)
    tokens = Tokens(ORACLE, BASE, mint)
    assert (await tokens.exchange(REFRESH, behind)).status == 200
    behind.fails = 2
    assert [(await tokens.exchange(REFRESH, behind)).status for _ in range(3)] == [503, 503, 200]


async def test_a_vendor_that_rotates_passes_on_what_hilum_says(mint: Minter) -> None:
    behind = Behind(mint)
    tokens = Tokens(EPIC, BASE, mint)
    answer = msgspec.json.decode((await tokens.exchange(REFRESH, behind)).body)
    assert (answer["refresh_token"], answer["expires_in"]) == ("next-1", 3600)
    refused = await tokens.exchange(REFRESH, behind)
    assert (refused.status, refused.body) == (400, b'{"error":"invalid_grant","error_description":null}')


async def test_a_services_token_lasts_as_long_as_the_vendor_says(mint: Minter) -> None:
    async def behind(form: bytes) -> Reply:
        five = mint.mint("system/Patient.rs", minutes=5, subject="app", client="app")
        return json_reply(200, {"access_token": five, "expires_in": 300, "scope": "system/Patient.rs"})

    reply = await Tokens(ORACLE, BASE, mint).exchange(b"grant_type=client_credentials&scope=system/Patient.rs", behind)
    answer = msgspec.json.decode(reply.body)
    claims = said(answer["access_token"])
    assert (answer["expires_in"], claims["exp"] - claims["iat"]) == (570, 570)
    assert (claims["sub"], claims["client_id"], claims["scope"]) == ("app", "app", "system/Patient.rs")


def test_a_token_holds_until_its_time_or_a_fault_ends_it(mint: Minter) -> None:
    now = NOW
    tokens = Tokens(ORACLE, BASE, mint, lambda: now)
    token, another = (mint.mint(scope, minutes=60) for scope in ("system/Patient.rs", "system/*.rs"))
    assert tokens.holds(token, said(token))
    tokens.end(token)
    assert (tokens.holds(token, said(token)), tokens.holds(another, said(another))) == (False, True)
    now = NOW + 570
    assert not tokens.holds(another, said(another))
    assert Tokens(EPIC, BASE, mint, lambda: now).holds(another, said(another))


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "a.%%.c", "a.bnVsbA.c"])
def test_what_is_no_token_claims_nothing(token: str) -> None:
    assert said(token) == {}


def test_scopes_for_all_types_are_left_out() -> None:
    assert narrowed("launch patient/*.rs patient/Condition.rs user/*.read") == "launch patient/Condition.rs"
    assert narrowed("system/*.rs") == ""
