"""Callbacks: what is signed says to look now; what is not, or comes again, changes nothing."""

from __future__ import annotations

from base64 import b64encode

import pytest
from tests.unit.video.remote.studio import GUARD, TABLE, changed

from hilum.problems import Busy
from hilum.store.memory import MemoryLedger
from hilum.video.remote import Remote, services
from hilum.video.remote.callbacks import Callbacks
from hilum.web import webhooks

NOW = 1_800_000_000.0


class Heard:
    """What processes were told. `busy`: how often they can't be."""

    def __init__(self) -> None:
        self.jobs: list[str] = []
        self.busy = 0

    async def __call__(self, renderer: str, job: str) -> None:
        assert renderer == "studio"
        if self.busy:
            self.busy -= 1
            raise Busy("Try again.")
        self.jobs.append(job)


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Remote:
    folder = tmp_path_factory.mktemp("studio")
    (folder / "studio.secret").write_text("secret")
    (folder / "studio.callback.secret").write_text("whsec_" + b64encode(bytes(32)).decode())
    table = TABLE.format(base="http://127.0.0.1:1", auth="bearer", secret="studio.secret", more="", api="")
    (folder / "renderers.toml").write_text(table)
    return Remote(services(folder, "sandbox")["studio"], GUARD)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def callbacks(remote: Remote, heard: Heard) -> Callbacks:
    return Callbacks({"studio": remote}, heard, MemoryLedger(lambda: int(NOW * 1_000_000)), lambda: NOW)


def signed(remote: Remote, id: str, at: float, body: bytes = b'{"job": "j1"}') -> dict[bytes, bytes]:
    signature = webhooks.signature(remote.service.callback, id, str(int(at)), body)
    return {b"webhook-id": id.encode(), b"webhook-timestamp": b"%d" % at, b"webhook-signature": signature.encode()}


async def test_who_may_say_so_and_when(remote: Remote, callbacks: Callbacks, heard: Heard) -> None:
    body = b'{"job": "j1"}'
    good = signed(remote, "m1", NOW)
    assert await callbacks.take("studio", good, body) == 204
    assert await callbacks.take("another", good, body) == 404
    assert await callbacks.take("studio", good, b'{"job": "j2"}') == 401
    assert await callbacks.take("studio", good | {b"webhook-id": b"m2"}, body) == 401
    assert await callbacks.take("studio", {}, body) == 401
    for away in (-301, 301):
        assert await callbacks.take("studio", signed(remote, "m3", NOW + away), body) == 401
    for near in (-299, 299):
        assert await callbacks.take("studio", signed(remote, f"m{near}", NOW + near), body) == 204
    old = good | {b"webhook-signature": b"v1,AAAA v1a,BBBB " + signed(remote, "m4", NOW)[b"webhook-signature"]}
    assert await callbacks.take("studio", old | {b"webhook-id": b"m4"}, body) == 204, "while a secret changes"
    assert heard.jobs == ["j1"] * 4
    for odd in (b"\xff", b"{}", b'{"job": true}', b'{"job": {}}', b"[]"):
        id = f"m-{odd!r}"
        assert await callbacks.take("studio", signed(remote, id, NOW, odd), odd) == 204, "signed, and about no job"
    assert heard.jobs == ["j1"] * 4


async def test_each_is_taken_once_by_all_processes_together(remote: Remote, heard: Heard) -> None:
    ledger = MemoryLedger(lambda: int(NOW * 1_000_000))
    processes = [Callbacks({"studio": remote}, heard, ledger, lambda: NOW) for _ in range(2)]
    good = signed(remote, "m1", NOW)
    assert [await one.take("studio", good, b'{"job": "j1"}') for one in processes * 2] == [204] * 4
    assert heard.jobs == ["j1"]


async def test_one_that_could_not_be_taken_is_taken_when_it_comes_again(
    remote: Remote, callbacks: Callbacks, heard: Heard
) -> None:
    heard.busy = 1
    good, body = signed(remote, "m1", NOW), b'{"job": "j1"}'
    with pytest.raises(Busy):
        await callbacks.take("studio", good, body)
    assert [await callbacks.take("studio", good, body) for _ in range(2)] == [204, 204]
    assert heard.jobs == ["j1"]


async def test_a_service_that_signs_nothing_can_not_call(remote: Remote, heard: Heard) -> None:
    own = Remote(changed(remote, callback=b""), GUARD)
    assert await Callbacks({"studio": own}, heard, MemoryLedger(), lambda: NOW).take("studio", {}, b"") == 404
