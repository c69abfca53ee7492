"""Keys of envelopes: made once, the newest published, all before it still opening."""

from __future__ import annotations

import asyncio

import pytest

from hilum.devices.envelopes import Envelopes
from hilum.devices.gateway import Gateway
from hilum.oauth import envelope
from hilum.oauth.jwt import new_key
from hilum.oauth.ledger import DEVICE_KEY
from hilum.problems import Malformed, UnsupportedMediaType

CONTENT = b'{"resourceType":"Bundle"}'


@pytest.fixture
def envelopes(gateway: Gateway) -> Envelopes:
    return other(gateway)


def other(gateway: Gateway) -> Envelopes:
    """Those of another process."""
    return Envelopes(gateway.door.store.ledger, gateway.seal)


async def sealed(envelopes: Envelopes, type: str = envelope.FHIR) -> bytes:
    (jwk,) = (await envelopes.jwks())["keys"]
    return envelope.sealed(CONTENT, envelope.recipient(jwk), type).encode()


async def test_what_is_sealed_for_the_published_key_opens_in_every_process(
    gateway: Gateway, envelopes: Envelopes
) -> None:
    assert await other(gateway).open(await sealed(envelopes)) == CONTENT


async def test_the_key_is_made_once_by_many_who_ask_first(gateway: Gateway) -> None:
    sets = await asyncio.gather(*(other(gateway).jwks() for _ in range(8)))
    assert len({one["keys"][0]["kid"] for one in sets}) == 1
    assert len(await gateway.door.store.ledger.of(DEVICE_KEY)) == 1


async def test_the_published_key_is_public_and_for_envelopes_alone(envelopes: Envelopes) -> None:
    (jwk,) = (await envelopes.jwks())["keys"]
    assert {name: jwk[name] for name in ("kty", "crv", "use", "alg")} == {
        "kty": "EC",
        "crv": "P-256",
        "use": "enc",
        "alg": "ECDH-ES",
    }
    assert "d" not in jwk


async def test_a_rotated_key_still_opens_and_is_published_no_more(gateway: Gateway, envelopes: Envelopes) -> None:
    before, running = await sealed(envelopes), other(gateway)
    assert await running.open(before) == CONTENT
    old = (await envelopes.jwks())["keys"][0]["kid"]
    (new,) = (await envelopes.rotate())["keys"]
    assert new["kid"] != old
    assert await running.open(await sealed(envelopes)) == CONTENT
    assert await other(gateway).open(before) == CONTENT


async def test_the_private_half_is_sealed_in_the_ledger(gateway: Gateway, envelopes: Envelopes) -> None:
    await envelopes.jwks()
    (row,) = await gateway.door.store.ledger.of(DEVICE_KEY)
    assert b'"d"' not in row.value


@pytest.mark.parametrize(
    "content", [b"", b"no envelope", b"a.b.c.d.e", "ä".encode(), CONTENT], ids=["empty", "text", "parts", "utf", "json"]
)
async def test_what_is_no_envelope_is_refused(envelopes: Envelopes, content: bytes) -> None:
    with pytest.raises(Malformed):
        await envelopes.open(content)


async def test_one_that_is_sealed_for_somebody_else_is_refused(gateway: Gateway, envelopes: Envelopes) -> None:
    jwk = {key: value for key, value in new_key().items() if key not in ("d", "alg", "use")}
    with pytest.raises(Malformed):
        await envelopes.open(envelope.sealed(CONTENT, envelope.recipient(jwk)).encode())


async def test_one_that_was_changed_is_refused(envelopes: Envelopes) -> None:
    head, key, nonce, text, tag = (await sealed(envelopes)).split(b".")
    flipped = (b"B" if text[:1] == b"A" else b"A") + text[1:]
    with pytest.raises(Malformed):
        await envelopes.open(b".".join((head, key, nonce, flipped, tag)))


async def test_its_head_says_that_it_holds_fhir(envelopes: Envelopes) -> None:
    with pytest.raises(UnsupportedMediaType):
        await envelopes.open(await sealed(envelopes, "text/plain"))
