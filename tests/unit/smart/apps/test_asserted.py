"""Assertions against a ledger and key sets on real servers: replay, keys that change, keys elsewhere."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import ECKey
from tests.loopback import Answers, always, response, serving

from hilum.oauth import assertion
from hilum.oauth.errors import OAuthError
from hilum.oauth.ledger import CLIENT, JTI, Client, Put, digest, write
from hilum.smart.apps.asserted import Asserted
from hilum.smart.apps.jwks import PER_URL, KeySets
from hilum.store.memory import MemoryLedger
from hilum.web.outbound import Guard

URL = "https://hilum.test/auth/token"
KEY, NEXT = ECKey.generate_key("P-384"), ECKey.generate_key("P-384")


def public(key: ECKey, kid: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": kid, "use": "sig"}


APP = Client("App", "private_key_jwt", "system/*.rs", ("client_credentials",), jwks={"keys": [public(KEY, "k1")]})


HERE = Guard(loopback=True, seconds=2)


async def world(client: Client = APP, guard: Guard = HERE) -> tuple[Asserted, MemoryLedger]:
    ledger = MemoryLedger()
    await ledger.add(Put(CLIENT, b"app", write(client)))
    return Asserted(ledger, KeySets(guard)), ledger


def by_url(url: str) -> Client:
    return msgspec.structs.replace(APP, jwks=None, jwks_uri=url)


def made(key: ECKey = KEY, kid: str = "k1", jti: str = "j1", **head: Any) -> str:
    claims = {"iss": "app", "sub": "app", "aud": URL, "exp": int(time.time()) + 60, "jti": jti}
    whole = {"alg": "ES384", "kid": kid, "typ": "JWT", **head}
    return jws.serialize_compact(whole, json.dumps(claims), key, algorithms=["ES384"])


async def judged(text: str, surroundings: Asserted) -> str:
    id, _ = await assertion.authenticated(text, surroundings, audiences=frozenset((URL,)), now=time.time())
    return id


async def refused(text: str, surroundings: Asserted) -> str:
    with pytest.raises(OAuthError) as caught:
        await judged(text, surroundings)
    return caught.value.description


async def test_of_32_replays_at_once_one_is_taken() -> None:
    surroundings, ledger = await world()
    text = made()
    found = await asyncio.gather(*(judged(text, surroundings) for _ in range(32)), return_exceptions=True)
    assert found.count("app") == 1
    errors = [one for one in found if isinstance(one, OAuthError)]
    assert [one.description for one in errors] == [assertion.REPLAY_SAYS] * 31
    row = await ledger.get(JTI, digest("app\0j1"))
    assert row is not None
    assert row.value == b"{}"
    assert row.expires > (time.time() + 60) * 1_000_000


async def test_each_issuer_has_its_own_jtis() -> None:
    surroundings, _ = await world()
    until = int(time.time()) + 60
    assert await surroundings.once("a", "j", until)
    assert await surroundings.once("b", "j", until)
    assert not await surroundings.once("a", "j", until)


async def test_a_revoked_client_is_none() -> None:
    surroundings, ledger = await world()
    await ledger.end(CLIENT, key=b"app")
    assert (await refused(made(), surroundings)).startswith("Client")


@pytest.mark.parametrize("jwks", [None, {}, {"keys": [public(KEY, "other")]}, {"keys": [public(NEXT, "k1")]}])
async def test_a_client_without_the_key_is_refused(jwks: dict[str, Any] | None) -> None:
    surroundings, _ = await world(msgspec.structs.replace(APP, jwks=jwks))
    assert await refused(made(), surroundings) in (assertion.KEY_SAYS, assertion.SIGNATURE_SAYS)


async def test_keys_by_url_and_a_rotation_of_them() -> None:
    documents = [[public(KEY, "k1")], [public(KEY, "k1"), public(NEXT, "k2")]]

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        keys = documents[min(len(server.seen), 2) - 1]
        writer.write(response(json.dumps({"keys": keys}).encode(), b"cache-control: no-store"))

    async with serving(answer) as server:
        surroundings, _ = await world(by_url(server.url()))
        assert await judged(made(), surroundings) == "app"
        assert await judged(made(NEXT, "k2", "j2"), surroundings) == "app"
        assert await judged(made(jti="j3", jku=server.url()), surroundings) == "app"


async def test_a_jku_elsewhere_is_not_fetched() -> None:
    evil: Answers = always(response(json.dumps({"keys": [public(NEXT, "k1")]}).encode()))
    async with serving(evil) as elsewhere, serving(always(response(b"{}"))) as registered:
        surroundings, _ = await world(by_url(registered.url()))
        assert (await refused(made(NEXT, jku=elsewhere.url()), surroundings)).startswith("Key: jku")
        inline, _ = await world()
        assert (await refused(made(NEXT, jku=elsewhere.url()), inline)).startswith("Key: jku")
        assert elsewhere.seen == registered.seen == []


async def test_a_kid_that_is_twice_in_the_set_is_no_key() -> None:
    keys = {"keys": [public(NEXT, "k1"), public(KEY, "k1")]}
    async with serving(always(response(json.dumps(keys).encode()))) as server:
        surroundings, _ = await world(by_url(server.url()))
        assert await refused(made(), surroundings) == assertion.KEY_SAYS


async def test_why_a_set_can_not_be_had_is_not_told() -> None:
    """Else a client could ask what listens inside."""
    async with serving(always(response(b"secret"))) as inside:
        said = set()
        for url, guard in (
            (inside.url(), Guard(loopback=True)),
            (inside.url(), Guard()),
            ("https://10.0.0.1/", Guard()),
            ("http://127.0.0.1:1/", Guard(loopback=True)),
            ("https://no-such-name.invalid/", Guard(seconds=2)),
        ):
            surroundings, _ = await world(by_url(url), guard)
            said.add(await refused(made(), surroundings))
        assert said == {"Key: the registered key set could not be fetched."}
    assert len(inside.seen) == 1


async def test_too_many_fetches_are_the_servers_fault_and_not_the_clients() -> None:
    async with serving(always(response(json.dumps({"keys": []}).encode(), b"cache-control: no-store"))) as server:
        surroundings, _ = await world(by_url(server.url()))
        errors = []
        for _ in range(PER_URL + 1):
            with pytest.raises(OAuthError) as caught:
                await judged(made(), surroundings)
            errors.append((caught.value.error, caught.value.status))
        assert set(errors[:-1]) == {("invalid_client", 401)}
        assert errors[-1] == ("temporarily_unavailable", 503)
