"""What a process learns of the others, and what it does when it can't."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from hilum.access import opened, revoking
from hilum.access.keyring import Keyring
from hilum.access.keys import load_or_create
from hilum.access.opened import Opened
from hilum.access.tokens import Granted, Issuer
from hilum.access.verifier import Verifier
from hilum.app import watch
from hilum.app.watch import FRESH_SECONDS, Apps, Watch
from hilum.oauth.ledger import CLIENT_REVOKED, USER_REVOKED, Client, Numbered
from hilum.problems import Busy, Unauthenticated
from hilum.smart.apps import clients
from hilum.store.memory import MemoryLedger

BASE = "http://127.0.0.1:8080/fhir"
APP = Client(
    "App",
    "none",
    "patient/*.rs",
    redirects=("https://app.example.org/cb", "org.example.app:/cb", "http://127.0.0.1:9/cb"),
    origins=("https://other.example.org",),
    state_codes=("https://app.example.org|colours",),
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Cut(MemoryLedger):
    """A ledger that can be out of reach."""

    away = False

    async def revocations(self, after: int) -> list[Numbered]:
        if self.away:
            raise Busy("The database does not answer.")
        return await super().revocations(after)


class Process:
    """One of several processes on a ledger."""

    def __init__(self, folder: Path, ledger: Cut, clock: Clock) -> None:
        self.ring = Keyring(load_or_create(folder, "sandbox"), clock)
        self.apps = Apps()
        self.verifier = Verifier(self.ring, ledger, BASE, clock=clock, monotonic=clock, foreign=self.apps.foreign)
        self.watch = Watch(ledger, self.verifier, self.ring, self.apps, clock=clock, monotonic=clock)
        self.issuer = Issuer(self.ring, BASE, clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> Cut:
    return Cut(lambda: int(clock() * 1_000_000))


@pytest.fixture
async def process(tmp_path: Path, ledger: Cut, clock: Clock) -> Process:
    found = Process(tmp_path, ledger, clock)
    await found.watch.look()
    return found


async def test_a_revocation_of_another_process_holds_after_the_next_look(
    process: Process, ledger: Cut, clock: Clock
) -> None:
    await clients.add(ledger, structs.replace(APP, grants=("authorization_code",)), "app")
    token, _, _ = process.issuer.access(Granted("app", "system/*.rs"))
    assert (await process.verifier.admit(token)).client == "app"
    await ledger.revoke([revoking.revoked(CLIENT_REVOKED, "app", clock())])
    assert process.verifier.known(token) is not None
    await process.watch.look()
    with pytest.raises(Unauthenticated):
        assert process.verifier.known(token) is None
        await process.verifier.admit(token)


async def test_a_process_that_can_not_look_honours_no_token_after_five_seconds(
    process: Process, ledger: Cut, clock: Clock
) -> None:
    await clients.add(ledger, APP, "app")
    await process.watch.look()
    token, _, _ = process.issuer.access(Granted("app", "system/*.rs"))
    await process.verifier.admit(token)
    ledger.away = True
    clock.now += FRESH_SECONDS
    with pytest.raises(Busy):
        await process.watch.look()
    assert process.verifier.known(token) is not None
    clock.now += 0.1
    with pytest.raises(Busy):
        process.verifier.known(token)
    with pytest.raises(Busy):
        await process.verifier.admit(token)
    ledger.away = False
    await process.watch.look()
    assert process.verifier.known(token) is not None


async def test_origins_are_those_of_clients_that_are_not_shut_out(process: Process, ledger: Cut, clock: Clock) -> None:
    assert process.apps.origins == frozenset()
    added = await clients.add(ledger, APP, "app")
    await process.watch.look()
    assert process.apps.origins == {"https://app.example.org", "https://other.example.org", "http://127.0.0.1:9"}
    await clients.revoke(ledger, added, clock())
    await process.watch.look()
    assert process.apps.origins == frozenset()


async def test_app_state_belongs_to_its_client(process: Process, ledger: Cut) -> None:
    await clients.add(ledger, APP, "app")
    other = structs.replace(APP, state_codes=("https://other.example.org|notes",))
    await clients.add(ledger, other, "other")
    await process.watch.look()
    assert process.apps.foreign("app") == ("https://other.example.org|notes",)
    assert process.apps.foreign("other") == ("https://app.example.org|colours",)
    assert len(process.apps.foreign("nobody")) == 2


async def test_keys_that_another_process_rotated_are_known(
    process: Process, ledger: Cut, clock: Clock, tmp_path: Path
) -> None:
    other = Process(tmp_path, ledger, clock)
    made = await other.ring.rotate(ledger, "access")
    assert made.kid not in process.ring.verifying()
    await process.watch.look()
    assert made.kid in process.ring.verifying()
    clock.now += 700
    await process.watch.look()
    token, _, _ = other.issuer.access(Granted("app", "system/*.rs"))
    await clients.add(ledger, APP, "app")
    assert (await process.verifier.admit(token)).client == "app"


async def test_what_a_key_signed_that_was_ended_at_once_is_honoured_no_more(
    process: Process, ledger: Cut, clock: Clock, tmp_path: Path
) -> None:
    other = Process(tmp_path, ledger, clock)
    await other.ring.rotate(ledger, "access", at_once=True)
    await clients.add(ledger, APP, "app")
    await process.watch.look()
    token, _, _ = process.issuer.access(Granted("app", "system/*.rs"))
    who = await process.verifier.admit(token)
    await process.watch.look()
    assert process.verifier.known(token) is who
    await other.ring.rotate(ledger, "access", at_once=True)
    await process.watch.look()
    assert process.verifier.known(token) is None
    with pytest.raises(Unauthenticated):
        await process.verifier.admit(token)


async def test_what_is_open_is_learnt_and_ends_with_the_looking(process: Process, ledger: Cut, clock: Clock) -> None:
    found = Opened(clock)
    looking = Watch(ledger, process.verifier, process.ring, process.apps, found, clock=clock, monotonic=clock)
    await opened.change(ledger, opened=("ValueSet",))
    assert found.who("ValueSet", "read") is None
    await looking.look()
    assert found.who("ValueSet", "read")
    ledger.away = True
    clock.now += FRESH_SECONDS
    with pytest.raises(Busy):
        await looking.look()
    assert found.who("ValueSet", "read")
    clock.now += 0.001
    assert found.who("ValueSet", "read") is None
    ledger.away = False
    await looking.look()
    assert found.who("ValueSet", "read")
    await opened.change(ledger, closed=("ValueSet",))
    await looking.look()
    assert found.who("ValueSet", "read") is None


async def test_whatever_else_is_looked_at_is_looked_at_each_time(process: Process, ledger: Cut, clock: Clock) -> None:
    looked: list[int] = []
    looking = Watch(
        ledger, process.verifier, process.ring, process.apps, None, lambda: looked.append(1), clock=clock,
        monotonic=clock,
    )  # fmt: skip
    await looking.look()
    await looking.look()
    assert looked == [1, 1]


async def test_it_is_told_when_apps_are_shut_out_and_of_nothing_else(
    process: Process, ledger: Cut, clock: Clock
) -> None:
    told: list[int] = []
    looking = Watch(
        ledger, process.verifier, process.ring, process.apps, clock=clock, monotonic=clock, out=lambda: told.append(1)
    )
    found = await clients.add(ledger, APP)
    await ledger.revoke([revoking.revoked(USER_REVOKED, "0190a3c2-6a5b-7000-8000-000000000002", clock())])
    await looking.look()
    assert told == []
    await clients.revoke(ledger, found, clock())
    for _ in range(2):
        await looking.look()
    assert told == [1]


async def test_the_looking_goes_on_whatever_goes_wrong(
    process: Process, ledger: Cut, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "POLL_SECONDS", 0.001)
    looked = asyncio.Event()
    wrong: list[Exception] = [Busy("away"), RuntimeError("a defect"), OSError("none of ours")]

    def also() -> None:
        if wrong:
            raise wrong.pop()
        looked.set()

    looking = Watch(ledger, process.verifier, process.ring, process.apps, None, also)
    looking._work = asyncio.create_task(looking._run())
    try:
        await asyncio.wait_for(looked.wait(), 10)
    finally:
        await looking.stop()


async def test_however_many_strangers_ask_a_look_begins_now_and_then(
    process: Process, ledger: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []
    now = asyncio.get_running_loop().time
    looking = Watch(ledger, process.verifier, process.ring, process.apps, None, lambda: looked.append(now()))

    async def stranger(number: int) -> None:
        for _ in range(20):
            await looking.now()

    begun = now()
    await asyncio.gather(*(stranger(number) for number in range(50)))
    assert len(looked) <= (now() - begun) / watch.SOON_SECONDS + 1
    assert len(looked) >= 20  # each of the twenty questions of one stranger is a look of its own, or later
    await looking.stop()


async def test_who_asks_while_a_look_is_under_way_waits_for_the_next(process: Process, ledger: Cut) -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()
    looked: list[int] = []
    looking = Watch(ledger, process.verifier, process.ring, process.apps, None, lambda: looked.append(1))
    await looking.look()
    revocations = ledger.revocations

    async def slow(after: int) -> list[Numbered]:
        found = await revocations(after)
        reading.set()
        await go_on.wait()
        return found

    ledger.revocations = slow  # type: ignore[method-assign]
    first = asyncio.create_task(looking.now())
    await reading.wait()
    second = asyncio.create_task(looking.now())
    go_on.set()
    await first
    assert not second.done()
    await second
    assert looked == [1, 1, 1]
    await looking.stop()


async def test_who_waits_for_a_look_hears_when_it_is_stopped_and_nothing_when_the_store_is_away(
    process: Process, ledger: Cut
) -> None:
    looking = Watch(ledger, process.verifier, process.ring, process.apps)
    ledger.away = True
    await looking.now()
    waits = asyncio.create_task(looking.now())
    await asyncio.sleep(0)
    await looking.stop()
    with pytest.raises(asyncio.CancelledError):
        await waits


async def test_looks_that_take_long_are_shared_all_the_same(process: Process, ledger: Cut) -> None:
    looked: list[int] = []
    looking = Watch(ledger, process.verifier, process.ring, process.apps, None, lambda: looked.append(1))
    async with looking._looking:  # as if one were under way
        waiting = []
        for _ in range(5):
            waiting.append(asyncio.create_task(looking.now()))
            await asyncio.sleep(watch.SOON_SECONDS)
    await asyncio.gather(*waiting)
    assert looked == [1]
    await looking.stop()


async def test_a_defect_in_a_look_is_told_of_and_not_the_fault_of_who_waits(
    process: Process, ledger: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    def also() -> None:
        raise RuntimeError("a defect")

    told: list[str] = []
    monkeypatch.setattr(watch.log, "warning", lambda _, text: told.append(text))
    await Watch(ledger, process.verifier, process.ring, process.apps, None, also).now()
    assert told == ["RuntimeError"]
