"""A ticket opens one path, once, within half a minute, as whose token it stands for."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest

from hilum.access import revoking
from hilum.access.keyring import Keyring
from hilum.access.keys import SigningKey, load_or_create
from hilum.access.tickets import PREFIX, SECONDS, Tickets
from hilum.access.tokens import Granted, Issuer, Minter
from hilum.access.verifier import Verifier
from hilum.oauth.ledger import CLIENT, TICKET, TOKEN_REVOKED, Client, Put, digest, write
from hilum.problems import Unauthenticated
from hilum.store.memory import MemoryLedger

BASE = "https://hilum.test/fhir"


class World:
    def __init__(self, key: SigningKey) -> None:
        self.now = 1_800_000_000.0
        clock = lambda: self.now  # noqa: E731 - a clock is a function
        self.ledger = MemoryLedger(lambda: int(self.now * 1_000_000))
        self.ring = Keyring(key, clock)
        self.verifier = Verifier(self.ring, self.ledger, BASE, clock=clock, monotonic=clock)
        self.tickets = Tickets(self.ledger, self.ring, self.verifier, clock)
        self.minter = Minter(key, BASE, clock)
        self.issuer = Issuer(self.ring, BASE, clock)

    async def ticket(self, token: str, path: str = "Binary/1") -> str:
        return await self.tickets.make(token, await self.verifier.admit(token), path)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_create(tmp_path_factory.mktemp("keys"), "sandbox")


@pytest.fixture
def world(key: SigningKey) -> World:
    return World(key)


async def test_it_opens_its_path_once_as_whose_token_it_is(world: World) -> None:
    token = world.minter.mint("patient/*.rs", patient="p1")
    text = await world.ticket(token)
    assert text.startswith(PREFIX)
    assert await world.tickets.use(text, "Binary/1") is world.verifier.known(token)
    with pytest.raises(Unauthenticated):
        await world.tickets.use(text, "Binary/1")


async def test_of_many_who_use_it_at_once_one_does(world: World) -> None:
    text = await world.ticket(world.minter.mint("system/*.rs"))
    told = await asyncio.gather(*(world.tickets.use(text, "Binary/1") for _ in range(8)), return_exceptions=True)
    assert sum(not isinstance(one, Unauthenticated) for one in told) == 1


async def test_another_path_uses_it_up(world: World) -> None:
    text = await world.ticket(world.minter.mint("system/*.rs"))
    for path in ("Binary/2", "Binary/1"):
        with pytest.raises(Unauthenticated):
            await world.tickets.use(text, path)


async def test_it_ends_after_half_a_minute(world: World) -> None:
    text = await world.ticket(world.minter.mint("system/*.rs"))
    world.now += SECONDS
    with pytest.raises(Unauthenticated):
        await world.tickets.use(text, "Binary/1")


async def test_it_opens_nothing_once_its_token_is_revoked_or_has_ended(world: World) -> None:
    token = world.minter.mint("system/*.rs", minutes=60)
    text = await world.ticket(token)
    who = await world.verifier.admit(token)
    world.verifier.revoked([revoking.revoked(TOKEN_REVOKED, who.token, world.now)])
    with pytest.raises(Unauthenticated, match="revoked"):
        await world.tickets.use(text, "Binary/1")
    short = await world.ticket(world.minter.mint("system/*.rs", minutes=0.2))
    world.now += 13
    with pytest.raises(Unauthenticated, match="expired"):
        await world.tickets.use(short, "Binary/1")


async def test_the_key_of_a_client_stands_behind_it_only_while_it_is_the_same(world: World) -> None:
    app = Client("App", "private_key_jwt", "system/*.rs", api_key=sha256(b"one").hexdigest())
    await world.ledger.add(Put(CLIENT, b"app", write(app)))
    token, _, _ = world.issuer.access(Granted("app", "system/*.rs"))
    assert (await world.tickets.use(await world.ticket(token), "Binary/1")).client == "app"
    text = await world.ticket(token)
    other = Client("App", "private_key_jwt", "system/*.rs", api_key=sha256(b"two").hexdigest())
    await world.ledger.replace(Put(CLIENT, b"app", write(other)), 1)
    world.verifier.forget()
    with pytest.raises(Unauthenticated):
        await world.tickets.use(text, "Binary/1")


@pytest.mark.parametrize("text", ["", PREFIX, PREFIX + "x" * 43, "x" * 47, PREFIX + "é" * 43, PREFIX + "x" * 44])
async def test_what_is_no_ticket_opens_nothing(world: World, text: str) -> None:
    with pytest.raises(Unauthenticated):
        await world.tickets.use(text, "Binary/1")


async def test_neither_ticket_nor_token_is_kept_as_it_is(world: World) -> None:
    token = world.minter.mint("system/*.rs")
    text = await world.ticket(token)
    row = await world.ledger.get(TICKET, digest(text))
    assert row is not None
    assert token.encode() not in row.value
    assert token.split(".")[1].encode() not in row.value
    assert text.removeprefix(PREFIX).encode() not in row.value + row.key
