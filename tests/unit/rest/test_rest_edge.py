"""Who asks, at the edge. https://www.rfc-editor.org/rfc/rfc6750"""

from __future__ import annotations

from hashlib import sha256

import pytest

from hilum.access.bearer import bearer
from hilum.access.policy import Policy, Principal
from hilum.problems import Busy, Unauthenticated
from hilum.rest.edge import ANYONE, authenticate

ADA = Principal("ada", "app", "j", Policy(()), 1 << 62)
KEYED = Principal("ada", "keyed", "j", Policy(()), 1 << 62, api_key=sha256(b"secret").digest())


class Tokens:
    """`old` was admitted before, `new` was not, `keyed` is of a client with a key of its own."""

    def known(self, token: str) -> Principal | None:
        if token == "stale":
            raise Busy("later")
        return {"old": ADA, "keyed": KEYED}.get(token)

    async def admit(self, token: str) -> Principal:
        if token != "new":
            raise Unauthenticated("no")
        return KEYED


def headers(token: str, **more: bytes) -> dict[bytes, bytes]:
    named = {name.replace("_", "-").encode(): value for name, value in more.items()}
    return {b"authorization": b"Bearer " + token.encode(), **named}


async def test_without_a_verifier_everyone_is_anyone() -> None:
    assert await authenticate(None, {}) is ANYONE


async def test_known_tokens_and_new_ones() -> None:
    assert await authenticate(Tokens(), headers("old")) is ADA
    with pytest.raises(Unauthenticated, match="no"):
        await authenticate(Tokens(), headers("wrong"))
    with pytest.raises(Busy):
        await authenticate(Tokens(), headers("stale"))


@pytest.mark.parametrize("token", ["keyed", "new"])
async def test_a_client_with_a_key_of_its_own_must_send_it(token: str) -> None:
    assert await authenticate(Tokens(), headers(token, x_api_key=b"secret")) is KEYED
    for wrong in ({}, {"x_api_key": b""}, {"x_api_key": b"Secret"}, {"x_api_key": b"secret "}):
        with pytest.raises(Unauthenticated, match="X-API-Key"):
            await authenticate(Tokens(), headers(token, **wrong))


def test_the_token_is_in_the_header() -> None:
    assert bearer({b"authorization": b"bEARER  abc "}) == "abc"
    for header in (b"Bearer", b"Bearer ", b"Basic abc", b"", b"abc"):
        with pytest.raises(Unauthenticated):
            bearer({b"authorization": header})
    with pytest.raises(Unauthenticated, match="hilum token"):
        bearer({})
