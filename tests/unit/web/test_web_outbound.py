"""Requests to addresses that others chose, against real servers on this machine."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import threading
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.loopback import Answers, always, certificate, response, serving

from hilum.web import outbound
from hilum.web.outbound import Fetched, Guard, Unreachable

HERE = Guard(loopback=True)
SHORT = Guard(loopback=True, seconds=0.4, connect_seconds=0.2)


async def kind(url: str, guard: Guard = HERE, limit: int = 1000) -> str:
    with pytest.raises(Unreachable) as caught:
        await outbound.get(url, limit=limit, guard=guard)
    return caught.value.kind


class Names:
    """A resolver that answers one thing after the other, and counts."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


async def test_a_get_asks_plainly_and_brings_the_body() -> None:
    async with serving(always(response(b'{"keys":[]}', b"Cache-Control: max-age=60"))) as server:
        found = await outbound.get(server.url("/a?b=c"), limit=1000, guard=HERE)
    headers = {"content-length": "11", "content-type": "application/json", "cache-control": "max-age=60"}
    assert found == Fetched(200, headers, b'{"keys":[]}')
    assert server.seen[0].decode().lower().split("\r\n") == [
        "get /a?b=c http/1.1",
        f"host: 127.0.0.1:{server.port}",
        "user-agent: hilum",
        "accept-encoding: identity",
        "connection: close",
        "accept: application/json",
        "",
        "",
    ]


async def test_a_post_sends_a_form() -> None:
    async with serving(always(response(b"{}", status=b"400 Bad Request"))) as server:
        found = await outbound.post(
            server.url("/token"), {"a": "b c", "d": "&"}, {"authorization": "Basic eDp5"}, limit=1000, guard=HERE
        )
    assert found.status == 400
    head, _, body = server.seen[0].partition(b"\r\n\r\n")
    assert body == b"a=b+c&d=%26"
    assert b"content-type: application/x-www-form-urlencoded" in head.lower()
    assert b"authorization: Basic eDp5" in head


async def test_chunks_are_put_together() -> None:
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    async with serving(always(raw)) as server:
        assert (await outbound.get(server.url(), limit=5, guard=HERE)).body == b"abcde"
        assert await kind(server.url(), limit=4) == "size"


@pytest.mark.parametrize("status", [b"300 Many", b"301 Moved", b"302 Found", b"303 See", b"307 Again", b"308 Now"])
async def test_redirects_are_not_followed(status: bytes) -> None:
    async with serving(always(response(b"secret"))) as inside:
        location = f"location: {inside.url()}".encode()
        async with serving(always(response(b"", location, status=status))) as server:
            assert await kind(server.url()) == "redirect"
    assert inside.seen == []


async def test_a_body_that_says_that_it_is_big_is_not_read() -> None:
    async with serving(always(b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n")) as server:
        assert await kind(server.url()) == "size"


async def test_a_body_without_end_is_cut() -> None:
    async def endless(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 10_000)
            await writer.drain()

    async with serving(endless) as server:
        assert await kind(server.url()) == "size"


async def test_chunks_of_nothing_but_extensions_are_cut() -> None:
    async def padded(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write((b"1;" + b"x" * 5_000 + b"\r\na\r\n") * 4)
            await writer.drain()

    async with serving(padded) as server:
        assert await kind(server.url()) == "size"


async def test_a_slow_body_is_given_up() -> None:
    async def slow(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serving(slow) as server:
        assert await kind(server.url(), SHORT) == "time"


async def test_a_server_that_says_nothing_is_given_up() -> None:
    async def silent(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async with serving(silent) as server:
        assert await kind(server.url(), SHORT) == "time"


async def test_a_look_up_without_end_is_given_up() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return ()

    guard = Guard(loopback=True, resolve=never, seconds=0.2)
    assert await kind("https://keys.example/", guard) == "time"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "protocol"),
        (b"", "protocol"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", "protocol"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef", "protocol"),
        (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n", "protocol"),
        (b"HTTP/1.1 103 Early\r\n\r\n" * 3000, "size"),
        (response(b"x", b"content-encoding: gzip"), "coding"),
        (response(gzip.compress(b"abc")[:-4], b"content-encoding: gzip"), "coding"),
        (response(b"x", b"content-encoding: br"), "coding"),
    ],
)
async def test_answers_that_are_none(raw: bytes, expected: str) -> None:
    async with serving(always(raw)) as server:
        assert await kind(server.url()) == expected


@pytest.mark.parametrize("coding", [b"gzip", b"x-gzip", b"GZIP"])
async def test_who_compresses_unasked_is_understood(coding: bytes) -> None:
    body = b'{"access_token": "x"}' * 1000
    async with serving(always(response(gzip.compress(body), b"content-encoding: " + coding))) as server:
        assert (await outbound.get(server.url(), limit=len(body), guard=HERE)).body == body
        assert await kind(server.url(), limit=len(body) - 1) == "size"


async def test_a_bomb_is_measured_as_it_unfolds() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    async with serving(always(response(bomb, b"content-encoding: gzip"))) as server:
        tracemalloc.start()
        assert await kind(server.url(), limit=200_000) == "size"
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 5_000_000


async def test_a_head_has_a_limit_of_its_own() -> None:
    async with serving(always(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 60_000 + b"\r\n\r\n")) as server:
        assert await kind(server.url(), limit=100_000) == "protocol"


async def test_where_nobody_listens() -> None:
    async with serving(always(b"")) as server:
        url = server.url()
    assert await kind(url) == "connect"


async def test_outside_the_sandbox_this_machine_is_not_reached_by_whatever_name() -> None:
    async with serving(always(response(b"secret"))) as server:
        guard = Guard(resolve=Names(["127.0.0.1"]))
        for url in (
            server.url(),
            server.url(scheme="https"),
            server.url(scheme="https", host="localhost"),
            server.url(scheme="https", host="keys.example"),
            server.url(scheme="https", host="[::1]"),
        ):
            assert await kind(url, guard) == "address", url
        for host in ("[::ffff:7f00:1]", "[64:ff9b::7f00:1]"):  # IPv4 within IPv6
            assert await kind(server.url(scheme="https", host=host), guard) == "reserved", host
        for host in ("2130706433", "127.1", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "user@127.0.0.1"):
            assert await kind(server.url(scheme="https", host=host), guard) == "form", host
    assert server.seen == []


async def test_no_address_is_tried_when_one_of_them_is_refused() -> None:
    async with serving(always(response(b"secret"))) as server:
        names = Names(["127.0.0.1", "10.0.0.1"])
        assert await kind(server.url(host="keys.example"), Guard(loopback=True, resolve=names)) == "address"
    assert server.seen == []


async def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    """DNS rebinding: a name that answers differently the second time is not asked a second time."""
    async with (
        serving(always(response(b'"judged"')), host="127.0.0.2") as judged,
        serving(always(response(b'"other"')), port=judged.port) as other,
    ):
        names = Names(["127.0.0.2"], ["127.0.0.1"])
        found = await outbound.get(
            judged.url(host="keys.example"), limit=100, guard=Guard(loopback=True, resolve=names)
        )
    assert found.body == b'"judged"'
    assert names.asked == [("keys.example", judged.port)]
    assert f"host: keys.example:{judged.port}".encode() in judged.seen[0].lower()
    assert other.seen == []


async def test_the_second_address_is_tried_when_the_first_does_not_answer() -> None:
    async with serving(always(response(b"1"))) as server:
        names = Names(["127.0.0.3", "127.0.0.1"])
        found = await outbound.get(server.url(host="a.example"), limit=9, guard=Guard(loopback=True, resolve=names))
    assert found.body == b"1"


async def test_a_name_that_there_is_not() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    assert await kind("https://keys.example/", Guard(resolve=unknown)) == "name"
    assert await kind("https://keys.example/", Guard(resolve=Names([]))) == "name"


async def test_the_systems_own_look_up_knows_this_machine() -> None:
    found = await outbound.lookup("localhost", 80)
    assert set(found) <= {"127.0.0.1", "::1"}
    assert found


async def test_a_name_whose_servers_are_silent_holds_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    ready, asked = threading.Event(), list[str]()

    def answer(host: str, port: int, type: int = 0) -> list[tuple[Any, ...]]:
        asked.append(host)
        if host == "silent.example":
            ready.wait(20)
        return [(0, 0, 0, "", ("192.0.2.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    try:
        waiting = [asyncio.ensure_future(outbound.lookup("silent.example", 443)) for _ in range(20)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        assert await outbound.lookup("other.example", 443) == ("192.0.2.1",)
    finally:
        ready.set()
    assert await asyncio.gather(*waiting[1:]) == [("192.0.2.1",)] * 19
    assert asked == ["silent.example", "other.example"]
    await outbound.lookup("silent.example", 443)
    assert asked[-1] == "silent.example"


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(always(response(b"1"))) as server, serving(always(response(b"2"))) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        assert (await outbound.get(server.url(), limit=9, guard=HERE)).body == b"1"
    assert proxy.seen == []


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return certificate(tmp_path_factory.mktemp("tls"), "keys.example")


async def test_the_certificate_must_be_that_of_the_name(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    server_side, client_side = tls
    async with serving(always(response(b"1")), tls=server_side) as server:
        guard = Guard(resolve=Names(["127.0.0.1"]), tls=client_side, inner=frozenset(("keys.example", "other.example")))
        found = await outbound.get(server.url(scheme="https", host="KEYS.example."), limit=9, guard=guard)
        assert found.body == b"1"
        assert await kind(server.url(scheme="https", host="other.example"), guard) == "tls"
        assert await kind(server.url(scheme="https", host="third.example"), guard) == "address"
        assert await kind(server.url(scheme="http", host="keys.example"), guard) == "scheme"
    assert len(server.seen) == 1


async def test_a_certificate_that_nobody_vouches_for_is_none(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with serving(always(response(b"1")), tls=tls[0]) as server:
        guard = Guard(loopback=True, resolve=Names(["127.0.0.1"]))
        assert await kind(server.url(scheme="https", host="keys.example"), guard) == "tls"
    assert server.seen == []


async def test_plain_http_behind_an_https_url_is_none(tmp_path: Path) -> None:
    async with serving(always(response(b"1"))) as server:
        assert await kind(server.url(scheme="https"), SHORT) in ("tls", "connect", "time")
    assert server.seen == []


async def silent(request: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(1)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (always(b""), "protocol"),
        (always(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"), "protocol"),
        (always(response(status=b"302 Found")), "redirect"),
        (silent, "time"),
    ],
    ids=["cut", "half", "redirect", "silent"],
)
async def test_of_a_request_without_an_answer_it_is_told_that_it_may_have_arrived(answer: Answers, kind: str) -> None:
    async with serving(answer) as server:
        with pytest.raises(Unreachable) as caught:
            await outbound.post(server.url(), {}, limit=1000, guard=SHORT)
    assert (caught.value.kind, caught.value.sent) == (kind, True)


async def test_what_can_not_or_may_not_be_reached_was_not_sent_to() -> None:
    async with serving(silent) as server:
        closed = server.url()
    for url in (closed, "http://10.0.0.1/", "https://127.0.0.1:22/", "ftp://x", "http://nowhere.invalid/"):
        with pytest.raises(Unreachable) as caught:
            await outbound.post(url, {}, limit=1000, guard=SHORT)
        assert not caught.value.sent
