"""The client keys of an environment: published before they sign, kept a while after, sealed, never shared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws

from hilum.access import rerooting
from hilum.access.keyring import Keyring
from hilum.access.keys import SigningKey, load_or_create
from hilum.access.seal import Seal
from hilum.broker import pairs
from hilum.broker.keys import WAIT_SECONDS, ClientKey, ClientKeys, EhrKey
from hilum.broker.pairs import Pair
from hilum.oauth import keyset
from hilum.oauth.ledger import EHR_KEY, read
from hilum.problems import Conflict, Invalid, Misconfigured, NotFound
from hilum.store.memory import MemoryLedger

NOW = 1_800_000_000.0
SECRETS = {"d", "p", "q", "dp", "dq", "qi"}


class World:
    """One ledger with the keys of both environments, and a clock to turn."""

    def __init__(self, root: SigningKey) -> None:
        self.now = NOW
        self.root = root
        self.ledger = MemoryLedger(lambda: int(self.now * 1_000_000))
        self.sandbox, self.production = self.keys("sandbox"), self.keys("production")

    def keys(self, environment: str) -> ClientKeys:
        return ClientKeys(self.ledger, Seal(self.root), environment, lambda: self.now)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return load_or_create(tmp_path_factory.mktemp("keys"), "sandbox")


@pytest.fixture
def world(root: SigningKey) -> World:
    return World(root)


@pytest.fixture(scope="module")
def rsa() -> Pair:
    """Made once: it takes a second."""
    return pairs.made("RS384")


async def states(keys: ClientKeys) -> list[tuple[int, str]]:
    return [(one.generation, one.state) for one in await keys.shown()]


async def privates(world: World) -> list[bool]:
    """Whether there is a private half, of all keys that ever were."""
    rows = sorted(await world.ledger.changed(EHR_KEY, 0), key=lambda row: row.key)
    return [bool(read(row, EhrKey).private) for row in rows]


async def kids(keys: ClientKeys) -> list[str]:
    return [key["kid"] for key in (await keys.jwks())["keys"]]


async def test_the_first_key_signs_at_once(world: World) -> None:
    made = await world.sandbox.new("ES384")
    assert (made.state, made.begins, made.until, made.generation) == ("signing", NOW, None, 1)
    assert (await world.sandbox.signing("ES384")).kid == made.kid
    assert await kids(world.sandbox) == [made.kid]
    with pytest.raises(Conflict, match="hilum keys rotate --use ehr --alg ES384"):
        await world.sandbox.new("ES384")


async def test_what_is_signed_verifies_by_the_published_set(world: World, rsa: Pair) -> None:
    await world.sandbox.import_(rsa)
    await world.sandbox.new("ES384")
    published = keyset.read(msgspec.json.decode(msgspec.json.encode(await world.sandbox.jwks())))
    assert [set(key) & SECRETS for key in published] == [set(), set()]
    for alg in ("RS384", "ES384"):
        signing = await world.sandbox.signing(alg)
        token = jws.serialize_compact({"alg": alg, "kid": signing.kid}, b"{}", signing.key, algorithms=[alg])
        (public,) = keyset.fit(published, signing.kid, alg)
        jws.deserialize_compact(token, keyset.usable(public), algorithms=[alg])


async def test_a_key_is_published_then_signs_then_retires_then_is_dropped(world: World) -> None:
    keys = world.sandbox
    first = await keys.new("ES384")
    second = await keys.rotate("ES384")
    assert await states(keys) == [(1, "signing"), (2, "published")]
    world.now += WAIT_SECONDS - 1
    assert (await keys.signing("ES384")).kid == first.kid
    world.now += 1
    assert await states(keys) == [(1, "retired"), (2, "signing")]
    assert (await keys.signing("ES384")).kid == second.kid
    assert await kids(keys) == [first.kid, second.kid]
    world.now += WAIT_SECONDS - 1
    assert await kids(keys) == [first.kid, second.kid]
    world.now += 1
    assert await kids(keys) == [second.kid]
    assert (await keys.shown())[0].until is None


async def test_while_one_waits_there_is_no_next(world: World) -> None:
    await world.sandbox.new("ES384")
    await world.sandbox.rotate("ES384")
    with pytest.raises(Conflict, match="does not sign yet"):
        await world.sandbox.rotate("ES384")
    with pytest.raises(Conflict, match="does not sign yet"):
        await world.sandbox.import_(pairs.made("ES384"))


async def test_the_wait_is_as_long_as_the_portal_needs(world: World) -> None:
    await world.sandbox.new("ES384")
    made = await world.sandbox.rotate("ES384", wait=3600)
    assert made.begins == NOW + 3600
    assert [one.until for one in await world.sandbox.shown()] == [NOW + 7200, None]


async def test_at_once_drops_all_that_were_before_and_their_private_halves(world: World) -> None:
    keys = world.sandbox
    await keys.new("ES384")
    await keys.rotate("ES384")
    made = await keys.rotate("ES384", at_once=True)
    assert await kids(keys) == [made.kid]
    assert (await keys.signing("ES384")).kid == made.kid
    assert await privates(world) == [False, False, True]
    await world.ledger.sweep()
    assert await kids(keys) == [made.kid]


async def test_algorithms_rotate_apart(world: World, rsa: Pair) -> None:
    await world.sandbox.import_(rsa)
    await world.sandbox.new("ES384")
    await world.sandbox.rotate("ES384", at_once=True)
    next_ = await world.sandbox.rotate("ES384")
    await world.sandbox.drop(rsa.kid)
    assert (await world.sandbox.shown())[-1] == next_, "it waits as before"
    with pytest.raises(Misconfigured):
        await world.sandbox.signing("RS384")


async def test_a_rotation_is_taken_back_by_dropping_what_it_made(world: World) -> None:
    keys = world.sandbox
    first = await keys.new("ES384")
    second = await keys.rotate("ES384")
    world.now += WAIT_SECONDS + 1
    assert (await keys.drop(second.kid)).kid == second.kid
    assert await privates(world) == [True, False], "nor is its private half kept"
    assert (await keys.signing("ES384")).kid == first.kid
    world.now += 10 * WAIT_SECONDS
    assert await kids(keys) == [first.kid], "for good"
    third = await keys.rotate("ES384")
    assert third.generation == 3, "numbers are never given twice"


async def test_when_the_one_that_signs_is_dropped_the_next_does_not_wait(world: World) -> None:
    keys = world.sandbox
    first = await keys.new("ES384")
    second = await keys.rotate("ES384")
    await keys.drop(first.kid)
    assert (await keys.signing("ES384")).kid == second.kid
    await keys.drop(second.kid)
    assert await keys.jwks() == {"keys": []}
    with pytest.raises(Misconfigured, match="hilum keys new --use ehr --alg ES384"):
        await keys.signing("ES384")
    assert (await keys.new("ES384")).generation == 3


async def test_a_dropped_key_can_be_brought_again(world: World, rsa: Pair) -> None:
    await world.sandbox.import_(rsa)
    await world.sandbox.drop(rsa.kid)
    assert (await world.sandbox.import_(rsa)).state == "signing"
    assert (await world.sandbox.signing("RS384")).kid == rsa.kid


async def test_environments_share_nothing(world: World, rsa: Pair) -> None:
    await world.sandbox.import_(rsa)
    made = await world.production.new("ES384")
    assert await kids(world.sandbox) == [rsa.kid]
    assert await kids(world.production) == [made.kid]
    for alg, keys in (("ES384", world.sandbox), ("RS384", world.production)):
        with pytest.raises(Misconfigured, match=f"no client key for {alg} in the environment"):
            await keys.signing(alg)
    with pytest.raises(NotFound, match="in the environment production"):
        await world.production.drop(rsa.kid)
    with pytest.raises(Conflict, match="in the environment sandbox"):
        await world.production.import_(rsa)
    with pytest.raises(Conflict, match="is there already"):
        await world.sandbox.import_(rsa)


async def test_private_halves_are_sealed_for_their_place(world: World, tmp_path: Path) -> None:
    made = await world.sandbox.new("ES384")
    signing = await world.sandbox.signing("ES384")
    secret = str(signing.key.as_dict(private=True)["d"])
    (row,) = await world.ledger.of(EHR_KEY)
    assert secret.encode() not in row.value
    assert secret not in repr(signing) + repr(made)
    other = ClientKeys(world.ledger, Seal(load_or_create(tmp_path, "sandbox")), "sandbox", lambda: NOW)
    assert await kids(other) == [made.kid], "what is public needs no root key"
    with pytest.raises(Misconfigured, match="does not open with the signing key"):
        await other.signing("ES384")


async def test_they_open_with_another_root(world: World, tmp_path: Path) -> None:
    made = await world.sandbox.new("ES384")
    await Keyring(world.root).prepare(world.ledger)
    new = load_or_create(tmp_path, "sandbox")
    await rerooting.reroot(world.ledger, world.root, new, NOW)
    keys = ClientKeys(world.ledger, Seal(new), "sandbox", lambda: NOW)
    assert (await keys.signing("ES384")).kid == made.kid
    assert await states(keys) == [(1, "signing")]
    with pytest.raises(Misconfigured):
        await world.sandbox.signing("ES384")


async def test_another_process_signs_with_the_new_key_from_the_same_moment(world: World) -> None:
    other = world.keys("sandbox")
    first = await world.sandbox.new("ES384")
    assert (await other.signing("ES384")).kid == first.kid
    second = await world.sandbox.rotate("ES384")
    world.now += WAIT_SECONDS
    assert (await other.signing("ES384")).kid == second.kid


async def test_of_several_that_change_the_keys_at_once_one_wins(world: World) -> None:
    several = [world.keys("sandbox") for _ in range(4)]
    for change in ("new", "rotate"):
        done = await asyncio.gather(*(getattr(one, change)("ES384") for one in several), return_exceptions=True)
        assert [type(one) for one in done if not isinstance(one, ClientKey)] == [Conflict] * 3
    assert await states(world.sandbox) == [(1, "signing"), (2, "published")]


async def test_a_first_key_that_takes_long_to_make_does_not_follow_one_that_was_faster(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, faster = world.keys("sandbox"), world.keys("sandbox")
    made = pairs.made

    def overtaken(alg: str) -> pairs.Pair:
        monkeypatch.setattr(pairs, "made", made)
        asyncio.run_coroutine_threadsafe(faster.new(alg), loop).result(20)
        return made(alg)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(pairs, "made", overtaken)
    with pytest.raises(Conflict, match="already"):
        await slow.new("ES384")
    assert await states(world.sandbox) == [(1, "signing")]


async def test_what_there_is_not_is_said(world: World) -> None:
    with pytest.raises(NotFound, match="hilum keys new --use ehr --alg ES384"):
        await world.sandbox.rotate("ES384")
    for ask in (world.sandbox.new, world.sandbox.rotate):
        with pytest.raises(Invalid, match="'HS256' is neither"):
            await ask("HS256")
    with pytest.raises(NotFound, match="no client key 'x'"):
        await world.sandbox.drop("x")
    with pytest.raises(Invalid, match="pem, x509, jwk, jwks; 'pfx' is none of them"):
        await world.sandbox.export("pfx")
    with pytest.raises(NotFound):
        await world.sandbox.export("pem", alg="ES384")


async def test_the_newest_goes_to_the_portal_in_every_form_the_same_each_time(world: World) -> None:
    keys = world.sandbox
    first = await keys.new("ES384")
    second = await keys.rotate("ES384")
    for form in ("pem", "x509", "jwk", "jwks"):
        text = await keys.export(form, alg="ES384")
        assert text == await keys.export(form, alg="ES384")
        assert "PRIVATE" not in text
        assert text.endswith("\n")
    assert await keys.export("pem", alg="ES384") == pairs.public_pem(second.public)
    assert await keys.export("pem", kid=first.kid) == pairs.public_pem(first.public)
    assert await keys.export("x509", kid=first.kid) == first.certificate
    assert msgspec.json.decode(await keys.export("jwk", kid=first.kid)) == first.public
    assert msgspec.json.decode(await keys.export("jwks", kid=first.kid)) == await keys.jwks()


async def test_without_an_algorithm_the_key_that_there_is_is_exported(world: World) -> None:
    keys = world.sandbox
    made = await keys.new("ES384")
    assert await keys.export("pem") == pairs.public_pem(made.public)
    assert msgspec.json.decode(await keys.export("jwks")) == await keys.jwks()


POOL = [pairs.made("ES384") for _ in range(9)]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("turn"), st.integers(0, 3 * WAIT_SECONDS)),
        st.tuples(st.sampled_from(["next", "at once", "drop"]), st.integers(0, len(POOL) - 1)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_as_long_as_there_are_keys_one_signs_that_every_reader_has_seen(
    root: SigningKey, steps: Sequence[tuple[str, int]]
) -> None:
    """Every key that signs was published for the whole wait, but for the first, and what is done at once."""
    asyncio.run(_lived(World(root), steps))


async def _lived(world: World, steps: Sequence[tuple[str, int]]) -> None:
    keys, since, hurried, numbers = world.sandbox, dict[str, float](), set[str](), list[int]()
    for step, number in steps:
        pair = POOL[number % len(POOL)]
        if step == "turn":
            world.now += number
        elif step == "drop":
            with suppress(NotFound):
                await keys.drop(pair.kid)
            hurried |= set(await kids(keys))
        else:
            hurries = step == "at once" or not await keys.shown()
            with suppress(Conflict):
                made = await keys.import_(pair, at_once=step == "at once")
                numbers.append(made.generation)
                since[pair.kid] = world.now
                hurried = hurried | {pair.kid} if hurries else hurried - {pair.kid}
        shown = await keys.shown()
        assert [one.state for one in shown].count("signing") == bool(shown)
        assert numbers == sorted(set(numbers))
        if shown:
            signs = (await keys.signing("ES384")).kid
            assert signs in await kids(keys)
            assert signs in hurried or world.now - since[signs] >= WAIT_SECONDS
            assert shown[-1].until is None
