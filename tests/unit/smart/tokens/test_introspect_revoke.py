"""Introspection and revocation. https://www.rfc-editor.org/rfc/rfc7662, https://www.rfc-editor.org/rfc/rfc7009"""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.smart.pages import ORIGIN
from tests.unit.smart.tokens.test_token import asserted, assertion, backend
from tests.unit.smart.world import BASE, World, error, said, world

from hilum.access.tokens import Minter
from hilum.oauth.ledger import GRANT, GRANT_REVOKED, REVOKED, TOKEN_REVOKED
from hilum.smart.people import users

__all__ = ["backend"]


@pytest.fixture
async def here() -> World:
    return await world()


async def introspected(here: World, token: str, **other: str) -> dict[str, Any]:
    answer = await here.ask("/auth/introspect", {"token": token, "client_id": "app"} | other)
    assert (answer.status, answer.header(b"cache-control")) == (200, "no-store"), answer.body
    return said(answer)


async def test_smart22_271_280_an_access_token_is_told_as_it_was_given(here: World) -> None:
    given = await here.tokens()
    found = await introspected(here, given["access_token"])
    kim = await users.find(here.site.ledger, "kim.doe")
    assert kim is not None
    now = int(here.site.clock())
    jti = found.pop("jti")
    assert found == {
        "active": True,
        "token_type": "Bearer",
        "scope": given["scope"],
        "client_id": "app",
        "exp": now + given["expires_in"],
        "iat": now,
        "nbf": now,
        "iss": ORIGIN,
        "aud": BASE,
        "sub": kim.id,
        "patient": "17",
        "fhirUser": f"{BASE}/Practitioner/1",
    }
    assert jti


async def test_a_refresh_token_is_told_too(here: World) -> None:
    given = await here.tokens()
    found = await introspected(here, given["refresh_token"], token_type_hint="refresh_token")
    assert (found["active"], found["scope"], found["client_id"], found["patient"]) == (
        True, given["scope"], "app", "17",
    )  # fmt: skip
    await here.refresh(given["refresh_token"])
    assert await introspected(here, given["refresh_token"]) == {"active": False}


async def test_of_all_else_it_is_told_that_it_is_not_active(here: World) -> None:
    given = await here.tokens()
    await here.add("other")
    for token in ("made-up", "hrt_made-up", given["id_token"], given["access_token"][:-2] + "AA", "ü"):
        assert await introspected(here, token) == {"active": False}
    for token in (given["access_token"], given["refresh_token"]):
        assert await introspected(here, token, client_id="other") == {"active": False}
    here.move(3600)
    assert await introspected(here, given["access_token"]) == {"active": False}


async def test_who_asks_must_be_known(here: World) -> None:
    given = await here.tokens()
    answer = await here.ask("/auth/introspect", {"token": given["access_token"]})
    assert error(answer) == (401, "invalid_client")
    assert error(await here.ask("/auth/introspect", {"client_id": "app"})) == (400, "invalid_request")


async def test_smart22_282_283_a_token_with_the_scope_introspects_those_of_others(backend: World) -> None:
    given = await backend.tokens()
    await backend.add(
        "watcher", method="private_key_jwt", grants=("client_credentials",), redirects=(),
        scopes="__introspect system/*.rs", jwks=_public(),
    )  # fmt: skip
    form = {"token": given["access_token"]}

    async def by(scope: str) -> Any:
        made = assertion(backend, iss="watcher", sub="watcher")
        token = said(await asserted(backend, made, scope=scope))["access_token"]
        return await backend.ask("/auth/introspect", form, {"authorization": f"Bearer {token}"})

    found = said(await by("__introspect"))
    assert (found["active"], found["client_id"]) == (True, "app")
    assert error(await by("system/*.rs")) == (403, "insufficient_scope")
    answer = await backend.ask("/auth/introspect", form, {"authorization": "Bearer made-up"})
    assert error(answer) == (401, "invalid_token")
    assert "invalid_token" in (answer.header(b"www-authenticate") or "")


async def test_who_owns_the_data_directory_makes_a_token_that_introspects(here: World) -> None:
    given = await here.tokens()
    minter = Minter(here.site.ring.root, BASE, here.site.clock)
    answers = {
        scope: await here.ask(
            "/auth/introspect",
            {"token": given["access_token"]},
            {"authorization": f"Bearer {minter.mint(scope)}"},
        )
        for scope in ("__introspect", "system/*.rs __introspect", "system/*.rs")
    }
    assert [said(answers[scope])["active"] for scope in list(answers)[:2]] == [True, True]
    assert error(answers["system/*.rs"]) == (403, "insufficient_scope")


def _public() -> Any:
    from tests.unit.smart.tokens.test_token import PUBLIC

    return PUBLIC


async def revoke(here: World, token: str, **other: str) -> int:
    answer = await here.ask("/auth/revoke", {"token": token, "client_id": "app"} | other)
    assert answer.body == b"" or answer.status != 200
    return answer.status


async def test_a_refresh_token_takes_all_along_that_came_of_its_grant(here: World) -> None:
    given = await here.tokens()
    assert await revoke(here, given["refresh_token"]) == 200
    assert not await here.holds(given["access_token"])
    assert error(await here.refresh(given["refresh_token"])) == (400, "invalid_grant")
    (grant,) = await here.site.ledger.of(GRANT)
    (news,) = await here.site.ledger.revocations(0)
    assert (grant.state, news.revoked.kind, news.revoked.key) == (REVOKED, GRANT_REVOKED, grant.key)
    assert ("revoke", 200) in here.events


async def test_an_access_token_ends_alone(here: World) -> None:
    given = await here.tokens()
    assert await revoke(here, given["access_token"]) == 200
    assert not await here.holds(given["access_token"])
    assert (await here.refresh(given["refresh_token"])).status == 200
    assert [one.revoked.kind for one in await here.site.ledger.revocations(0)] == [TOKEN_REVOKED]


async def test_of_strange_tokens_nothing_is_revoked_and_nothing_told(here: World) -> None:
    given = await here.tokens()
    await here.add("other")
    for token in ("made-up", "hrt_made-up", given["access_token"], given["refresh_token"]):
        assert await revoke(here, token, client_id="other") == 200
    assert await here.holds(given["access_token"])
    assert (await here.refresh(given["refresh_token"])).status == 200
    assert await revoke(here, "x", token_type_hint="something") == 200
    answer = await here.ask("/auth/revoke", {"token": "x", "client_id": "nobody"})
    assert error(answer) == (401, "invalid_client")
    assert error(await here.ask("/auth/revoke", {"client_id": "app"})) == (400, "invalid_request")
