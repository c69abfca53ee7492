"""The keys of one environment: made once, rotated, shared."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hilum.access.keyring import NOTICE_SECONDS, OVERLAP_SECONDS, Keyring
from hilum.access.keys import SigningKey, load_or_create
from hilum.oauth import jwt
from hilum.oauth.ledger import KEY, Key, Put, Row, read
from hilum.problems import Conflict, Invalid, Misconfigured
from hilum.store.memory import MemoryLedger

NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_create(tmp_path_factory.mktemp("keys"), "sandbox")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> MemoryLedger:
    return MemoryLedger(lambda: int(clock.now * 1_000_000))


@pytest.fixture(scope="module")
def made(root: SigningKey) -> list[Row]:
    """The keys of a first start, made once: RSA takes a second."""
    ledger = MemoryLedger(lambda: int(NOW * 1_000_000))
    asyncio.run(Keyring(root, lambda: NOW).prepare(ledger))
    return asyncio.run(ledger.of(KEY))


@pytest.fixture
async def ring(root: SigningKey, clock: Clock, ledger: MemoryLedger, made: list[Row]) -> Keyring:
    for row in made:
        await ledger.add(Put(row.kind, row.key, row.value, row.expires))
    found = Keyring(root, clock)
    await found.prepare(ledger)
    return found


def kids(ring: Keyring) -> list[str]:
    return [key["kid"] for key in ring.jwks()["keys"]]


async def test_a_first_start_makes_what_a_server_needs(ring: Keyring, root: SigningKey) -> None:
    assert [(one.use, one.generation, one.algorithm) for one in ring.shown()] == [
        ("access", 0, "ES256"),
        ("audit", 1, "ES256"),
        ("id", 1, "RS256"),
    ]
    assert ring.signer("access").kid == root.kid
    assert ring.signer("id").algorithm == "RS256"
    assert ring.verifying() == {root.kid: root.key}


async def test_of_several_processes_one_makes_the_keys(root: SigningKey, clock: Clock, ledger: MemoryLedger) -> None:
    rings = [Keyring(root, clock) for _ in range(3)]
    await asyncio.gather(*(one.prepare(ledger) for one in rings))
    assert len(await ledger.of(KEY)) == 2
    assert len({one.signer("id").kid for one in rings}) == 1
    assert len({one.signer("audit").kid for one in rings}) == 1


async def test_private_parts_are_sealed(ring: Keyring, ledger: MemoryLedger, root: SigningKey, tmp_path: Path) -> None:
    for row in await ledger.of(KEY):
        private = ring.seal.open(KEY, row.key, read(row, Key).private)
        assert '"d":' in private
        assert b'"d":' not in row.value
    other = Keyring(load_or_create(tmp_path, "sandbox"))
    with pytest.raises(Misconfigured, match="signing key of this data directory"):
        await other.load(ledger)


async def test_the_jwks_has_public_keys_of_tokens_only(ring: Keyring) -> None:
    keys = ring.jwks()["keys"]
    assert [(key["kty"], key["alg"], key["use"]) for key in keys] == [("EC", "ES256", "sig"), ("RSA", "RS256", "sig")]
    assert not any(key.keys() & {"d", "p", "q", "dp", "dq", "qi"} for key in keys)
    assert kids(ring) == [ring.signer("access").kid, ring.signer("id").kid]


async def test_a_new_key_is_published_before_it_signs_and_an_old_one_verifies_on(
    ring: Keyring, clock: Clock, ledger: MemoryLedger
) -> None:
    await ring.rotate(ledger, "access")
    clock.now += NOTICE_SECONDS
    first = ring.signer("access")
    assert first.generation == 1
    old_token = jwt.sign({"a": 1}, first.key, first.kid)
    made = await ring.rotate(ledger, "access")
    assert made.kid in kids(ring)
    assert ring.signer("access") == ring.shown()[1]
    assert ring.signer("access").kid == first.kid
    clock.now += NOTICE_SECONDS - 1
    assert ring.signer("access").kid == first.kid
    clock.now += 1
    assert ring.signer("access").kid == made.kid
    clock.now += OVERLAP_SECONDS - 1
    assert jwt.verified(old_token, ring.verifying()) == {"a": 1}
    assert first.kid in kids(ring)
    clock.now += 1
    with pytest.raises(jwt.NotVerified):
        jwt.verified(old_token, ring.verifying())
    assert first.kid not in kids(ring)
    assert ring.root.kid in ring.verifying()


async def test_another_process_follows(ring: Keyring, root: SigningKey, clock: Clock, ledger: MemoryLedger) -> None:
    other = Keyring(root, clock)
    await other.load(ledger)
    before = int(clock.now * 1_000_000)
    made = await ring.rotate(ledger, "id")
    other.learn(await ledger.changed(KEY, before))
    clock.now += NOTICE_SECONDS
    assert other.signer("id") == made
    assert other.shown() == ring.shown()


async def test_two_rotations_at_once_make_one_key(
    ring: Keyring, root: SigningKey, clock: Clock, ledger: MemoryLedger
) -> None:
    other = Keyring(root, clock)
    await other.load(ledger)
    found = await asyncio.gather(ring.rotate(ledger, "audit"), other.rotate(ledger, "audit"), return_exceptions=True)
    assert [type(one) for one in found].count(Conflict) == 1
    with pytest.raises(Conflict, match="does not sign yet"):
        await ring.rotate(ledger, "audit")


async def test_keys_of_the_audit_verify_for_ever(ring: Keyring, clock: Clock, ledger: MemoryLedger) -> None:
    first = ring.signer("audit")
    await ring.rotate(ledger, "audit")
    clock.now += 365 * 86400
    assert ring.signer("audit").generation == 2
    assert ring.anchoring(first.kid) is first.key
    assert ring.anchoring(ring.signer("id").kid) is None


async def test_there_are_no_keys_for_other_uses(ring: Keyring, ledger: MemoryLedger) -> None:
    for use in ("root", "", "id:1"):
        with pytest.raises(Invalid):
            await ring.rotate(ledger, use)


def test_without_a_ledger_only_the_root_signs(root: SigningKey) -> None:
    ring = Keyring(root)
    assert ring.signer("access").kid == root.kid
    with pytest.raises(Misconfigured):
        ring.signer("id")


async def test_an_id_key_verifies_no_access_token(ring: Keyring) -> None:
    signer = ring.signer("id")
    with pytest.raises(jwt.NotVerified):
        jwt.verified(jwt.sign({"a": 1}, signer.key, signer.kid), ring.verifying())
