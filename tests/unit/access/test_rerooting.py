"""Another root key: all that the old one sealed opens with the new one, and nothing with the old."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hilum.access import keys, rerooting
from hilum.access.keyring import Keyring
from hilum.access.keys import SigningKey
from hilum.access.seal import Seal
from hilum.access.tokens import Minter
from hilum.access.verifier import Verifier
from hilum.oauth.ledger import CHALLENGE, DESTINATION, IDEMPOTENCY_KEY, PARCEL, TICKET, USER, Put, User, read, write
from hilum.problems import Misconfigured, Unauthenticated
from hilum.store.memory import MemoryLedger

BASE = "https://hilum.test/fhir"
NOW = 1_800_000_000.0


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.ledger = MemoryLedger(lambda: int(self.now * 1_000_000))
        self.root = keys.load_or_create(folder, "sandbox")

    def clock(self) -> float:
        return self.now

    def ring(self, root: SigningKey) -> Keyring:
        return Keyring(root, self.clock)

    async def holds(self, ring: Keyring, token: str) -> bool:
        try:
            await Verifier(ring, self.ledger, BASE, clock=self.clock).admit(token)
        except Unauthenticated:
            return False
        return True


@pytest.fixture
async def world(tmp_path: Path) -> World:
    found = World(tmp_path)
    ring = found.ring(found.root)
    await ring.prepare(found.ledger)
    await ring.rotate(found.ledger, "id")
    for name in (b"a" * 16, b"b" * 16):
        totp = ring.seal.seal(USER, name, "SECRET") if name[:1] == b"a" else ""
        await found.ledger.add(Put(USER, name, write(User("ada", "Ada", ("patient",), totp=totp))))
    for kind in (CHALLENGE, TICKET):
        await found.ledger.add(Put(kind, b"x", b"{}"))
    return found


async def test_what_the_old_one_sealed_opens_with_the_new_one_alone(world: World) -> None:
    before = world.ring(world.root)
    await before.load(world.ledger)
    new = keys.prepared(world.folder, "sandbox")
    assert await rerooting.reroot(world.ledger, world.root, new, world.now) == 4
    after = world.ring(new)
    await after.load(world.ledger)
    kids = [(one.use, one.generation, one.kid, one.until) for one in before.shown()]
    assert [(one.use, one.generation, one.kid, one.until) for one in after.shown()] == [
        ("access", 0, new.kid, None),
        *kids[1:],
        ("root", 1, world.root.kid, NOW + 86_400),
    ]
    assert after.signer("id").kid == before.signer("id").kid
    (user, other) = await world.ledger.of(USER)
    assert Seal(new).open(USER, user.key, read(user, User).totp) == "SECRET"
    assert read(other, User).totp == ""
    with pytest.raises(Misconfigured, match="keys rotate"):
        Seal(world.root).open(USER, user.key, read(user, User).totp)
    with pytest.raises(Misconfigured):
        await world.ring(world.root).load(world.ledger)
    assert await world.ledger.of(CHALLENGE) == await world.ledger.of(TICKET) == []


async def test_what_the_old_one_signed_holds_for_a_day(world: World) -> None:
    token = Minter(world.root, BASE, world.clock).mint("system/*.rs", minutes=24 * 60)
    new = keys.prepared(world.folder, "sandbox")
    await rerooting.reroot(world.ledger, world.root, new, world.now)
    ring = world.ring(new)
    await ring.load(world.ledger)
    assert ring.signer("access").kid == new.kid
    assert {one["kid"] for one in ring.jwks()["keys"]} >= {world.root.kid, new.kid}
    assert await world.holds(ring, token)
    assert await world.holds(ring, Minter(new, BASE, world.clock).mint("system/*.rs"))
    world.now += 86_399
    assert await world.holds(ring, token)
    late = Minter(world.root, BASE, world.clock).mint("system/*.rs")
    world.now += 1
    assert not await world.holds(ring, late)
    assert world.root.kid not in {one["kid"] for one in ring.jwks()["keys"]}


async def test_or_at_once_no_more_and_neither_does_what_the_one_before_it_signed(world: World) -> None:
    first = Minter(world.root, BASE, world.clock).mint("system/*.rs")
    second = keys.prepared(world.folder, "sandbox")
    await rerooting.reroot(world.ledger, world.root, second, world.now)
    keys.replace(world.folder, "sandbox")
    assert keys.load_or_create(world.folder, "sandbox").kid == second.kid
    token = Minter(second, BASE, world.clock).mint("system/*.rs")
    third = keys.prepared(world.folder, "sandbox")
    await rerooting.reroot(world.ledger, second, third, world.now, at_once=True)
    ring = world.ring(third)
    await ring.load(world.ledger)
    assert [await world.holds(ring, one) for one in (first, token)] == [False, False]
    assert await world.holds(ring, Minter(third, BASE, world.clock).mint("system/*.rs"))


async def test_a_key_that_was_rotated_at_once_signs_now_and_the_one_before_never_again(world: World) -> None:
    ring = world.ring(world.root)
    await ring.load(world.ledger)
    await ring.rotate(world.ledger, "access", at_once=True)
    first = ring.signer("access").kid
    assert first != world.root.kid
    made = await ring.rotate(world.ledger, "access", at_once=True)
    assert ring.signer("access").kid == made.kid
    assert first not in ring.verifying()


async def test_who_was_cut_off_finds_what_was_done(world: World) -> None:
    assert not keys.is_prepared(world.folder, "sandbox")
    new = keys.prepared(world.folder, "sandbox")
    assert keys.is_prepared(world.folder, "sandbox")
    assert not await rerooting.begun(world.ledger, new)
    await rerooting.reroot(world.ledger, world.root, new, world.now)
    again = keys.prepared(world.folder, "sandbox")
    assert again.kid == new.kid
    assert await rerooting.begun(world.ledger, again)
    keys.replace(world.folder, "sandbox")
    assert not keys.is_prepared(world.folder, "sandbox")
    assert (keys.path(world.folder, "sandbox").stat().st_mode & 0o777) == 0o600


async def test_a_key_that_sealed_nothing_is_refused_and_changes_nothing(world: World, tmp_path: Path) -> None:
    stranger = keys.load_or_create(tmp_path / "other", "sandbox")
    new = keys.prepared(world.folder, "sandbox")
    with pytest.raises(Misconfigured):
        await rerooting.reroot(world.ledger, stranger, new, world.now)
    await world.ring(world.root).load(world.ledger)


async def test_nothing_is_begun_where_nothing_is_sealed(tmp_path: Path) -> None:
    assert not await rerooting.begun(MemoryLedger(), keys.prepared(tmp_path, "sandbox"))


@pytest.mark.parametrize(
    ("kind", "name"), [(DESTINATION, "secret"), (DESTINATION, "former"), (IDEMPOTENCY_KEY, "asked"), (PARCEL, "sealed")]
)
async def test_of_other_records_one_field_is_sealed_anew_and_the_rest_stays(world: World, kind: int, name: str) -> None:
    old = Seal(world.root)
    sealed = b'{"url":"x","n":1,"%s":"%s","more":[]}' % (name.encode(), old.seal(kind, b"key", "SECRET").encode())
    end = int((NOW + 60) * 1_000_000)
    await world.ledger.add(Put(kind, b"key", sealed, expires=end, owner=b"dead:video"))
    await world.ledger.add(Put(kind, b"open", b'{"url":"y"}'))
    new = keys.prepared(world.folder, "sandbox")
    await rerooting.reroot(world.ledger, world.root, new, world.now)
    row, other = await world.ledger.of(kind)
    found = json.loads(row.value)
    assert Seal(new).open(kind, b"key", found.pop(name)) == "SECRET"
    assert found == {"url": "x", "n": 1, "more": []}
    assert (row.expires, row.owner) == (end, b"dead:video")
    assert other.value == b'{"url":"y"}'
