"""A browser comes back with what it began, once: as a law, on the ledger and on a real Redis."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.unit.broker.launched import Browser, at
from tests.unit.broker.strict import Strict

from hilum.access.keys import load_or_create
from hilum.access.seal import Seal
from hilum.broker.redis import RedisShelf
from hilum.broker.sessions import LIFE, MOST, Sessions, Shelf
from hilum.oauth.ledger import FRESH, SIGN_IN, USED, Put
from hilum.problems import Busy, Forbidden, Misconfigured
from hilum.store.clock import microseconds
from hilum.store.memory import MemoryLedger

SERVER = shutil.which("redis-server") or ""
needs_redis = pytest.mark.skipif(not SERVER, reason="redis-server is not installed: make redis")


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """A Redis of one's own, that keeps nothing."""
    with TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [SERVER, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
        process.terminate()
        process.wait(10)


FORGED = f"https://hilum.example.org/callback/lake?state={'x' * 43}&code=c"
Begin = tuple[str, int]
Back = tuple[str, int, int]
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 2)),
        st.tuples(st.just("back"), st.integers(-1, 5), st.integers(-1, 2)),
    ),
    max_size=20,
)


async def lawful(folder: Path, actions: list[Begin | Back], shelf: Shelf | None) -> None:
    """`begin`: a browser goes to the EHR. `back`: one comes with the answer to the nth such (-1: to none), be it its
    own or not (-1: a browser that was never here).
    """
    strict = Strict()
    found = await at(folder, strict, sender=strict.send, shelf=shelf)
    browsers = [Browser(found) for _ in range(3)]
    begun: list[tuple[str, int]] = []
    used: set[int] = set()
    for action in actions:
        if len(action) == 2:
            begun.append((strict.agreed(await browsers[action[1]].connect()), action[1]))
            continue
        _, which, who = action
        url, owner = begun[which] if 0 <= which < len(begun) else (FORGED, -2)
        browser = browsers[who] if who >= 0 else Browser(found)
        if owner == who and which not in used:
            used.add(which)
            await browser.back(url)
        else:
            with pytest.raises(Forbidden):
                await browser.back(url)
    assert len(strict.asked) == len(used), "a code is sent for each answer that was taken, and for no other"


@hypothesis_settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_an_answer_is_taken_with_the_state_and_the_cookie_of_one_launch_and_once(actions: list[Begin | Back]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(lawful(Path(folder), actions, None))


@needs_redis
def test_so_it_is_on_redis(redis: str) -> None:
    @hypothesis_settings(max_examples=20, deadline=None)
    @given(ACTIONS)
    def law(actions: list[Begin | Back]) -> None:
        async def run(folder: Path) -> None:
            shelf = RedisShelf(redis, "sandbox")
            try:
                await lawful(folder, actions, shelf)
            finally:
                await shelf.close()

        with TemporaryDirectory() as folder:
            asyncio.run(run(Path(folder)))

    law()


@needs_redis
async def test_redis_keeps_a_record_as_the_ledger_does(redis: str) -> None:
    ledger, shelf = MemoryLedger(), RedisShelf(redis, "sandbox")
    put = Put(SIGN_IN, b"\x00\xff", b'{"a":"\xc3\xa9"}', microseconds() + 60_000_000, b"\x01owner", b"")
    for kept in (ledger, shelf):
        assert await kept.get(SIGN_IN, put.key) is None
        assert await kept.add(put)
        assert not await kept.add(put)
        row = await kept.get(SIGN_IN, put.key)
        assert row is not None
        assert (row.state, row.version, row.value, row.owner, row.expires) == (
            FRESH, 1, put.value, put.owner, put.expires,
        )  # fmt: skip
        taken = await kept.take(SIGN_IN, put.key)
        assert taken.row is not None
        assert (taken.first, taken.row.state, taken.row.version) == (True, USED, 2)
        assert not (await kept.take(SIGN_IN, put.key)).first
        assert await kept.remove(SIGN_IN, put.key)
        assert not await kept.remove(SIGN_IN, put.key)
        assert not (await kept.take(SIGN_IN, put.key)).first
    await shelf.close()


@needs_redis
async def test_of_all_who_take_it_from_redis_one_is_first(redis: str) -> None:
    shelves = [RedisShelf(redis, "sandbox") for _ in range(3)]
    await shelves[0].add(Put(SIGN_IN, b"race", b"{}", microseconds() + 60_000_000))
    done = await asyncio.gather(*(shelf.take(SIGN_IN, b"race") for shelf in shelves * 10))
    assert sum(one.first for one in done) == 1
    for shelf in shelves:
        await shelf.close()


@needs_redis
async def test_redis_forgets_in_time_and_keeps_environments_apart(redis: str) -> None:
    sandbox, production = RedisShelf(redis, "sandbox"), RedisShelf(redis, "production")
    await sandbox.add(Put(SIGN_IN, b"mine", b"{}", microseconds() + 60_000_000))
    assert await production.get(SIGN_IN, b"mine") is None
    await sandbox.add(Put(SIGN_IN, b"old", b"{}", microseconds() - 1))
    assert await sandbox.get(SIGN_IN, b"old") is None
    assert not (await sandbox.take(SIGN_IN, b"old")).first
    for shelf in (sandbox, production):
        await shelf.close()


async def test_a_redis_that_is_not_there_is_a_store_that_is_busy_and_the_log_says_so(
    written: StringIO,
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        shelf = RedisShelf(f"redis://:hush@127.0.0.1:{probe.getsockname()[1]}/0", "sandbox")
        for asked in (shelf.ping, lambda: shelf.get(SIGN_IN, b"k"), lambda: shelf.take(SIGN_IN, b"k")):
            with pytest.raises(Busy) as caught:
                await asked()
            assert "hush" not in str(caught.value)
    await shelf.close()
    said = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(one["level"], one["event"], one["trouble"]) for one in said] == [
        ("warning", "redis", "ConnectionError")
    ] * 3


def test_an_address_that_is_not_redis_is_said_to_be_none() -> None:
    with pytest.raises(Misconfigured, match="redis://"):
        RedisShelf("http://127.0.0.1:6379", "sandbox")


async def test_a_browser_is_remembered_for_an_hour_with_its_last_grants(tmp_path: Path) -> None:
    now = [1_900_000_000.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    seal = Seal(load_or_create(tmp_path, "sandbox"))
    ledger = MemoryLedger(lambda: int(now[0] * 1_000_000))
    sessions = Sessions(ledger, seal, "sandbox", secure=False, clock=clock)
    headers: dict[bytes, bytes] = {}
    for number in range(MOST + 2):
        ((_, value),) = await sessions.signed_in(str(number), headers)
        headers = {b"cookie": value.partition(b";")[0]}
    assert value.endswith(b"; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600")
    assert await sessions.grants(headers) == tuple(str(number) for number in range(2, MOST + 2))
    assert await Sessions(ledger, seal, "production", secure=False, clock=clock).grants(headers) == ()
    now[0] += LIFE + 1
    assert await sessions.grants(headers) == ()
