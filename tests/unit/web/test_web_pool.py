"""Requests over kept connections, against real servers on this machine."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import tracemalloc
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.farside import Asked, raw, serving
from tests.loopback import certificate

from hilum.web.outbound import Fetched, Guard, Unreachable
from hilum.web.pool import Pool

HERE = Guard(loopback=True)
BIG = b"0123456789" * 30_000


async def get(pool: Pool, url: str, limit: int = 1000) -> Fetched:
    return await pool.send("GET", url, {"accept": "application/fhir+json"}, limit=limit)


async def kind(url: str, guard: Guard = HERE, limit: int = 1000, seconds: float = 5.0) -> str:
    pool = Pool(guard, seconds=seconds)
    with pytest.raises(Unreachable) as caught:
        await get(pool, url, limit)
    await pool.close()
    return caught.value.kind


def chunked(*chunks: bytes, **headers: str) -> bytes:
    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
    return f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{fields}\r\n".encode() + body


async def test_a_request_says_what_it_must_and_brings_the_answer() -> None:
    async with serving(lambda _: raw(b"{}", ETag='W/"1"')) as far:
        pool = Pool(HERE)
        found = await get(pool, far.url("/fhir/Patient?a=b"))
        await pool.close()
    expected = {"content-type": "application/fhir+json", "content-length": "2", "etag": 'W/"1"'}
    assert found == Fetched(200, expected, b"{}")
    headers = {
        "host": f"127.0.0.1:{far.port}",
        "user-agent": "hilum",
        "accept-encoding": "gzip",
        "accept": "application/fhir+json",
    }
    assert far.asked == [Asked("GET", "/fhir/Patient", (("a", "b"),), headers, b"", 1)]


async def test_a_body_goes_along_with_its_length() -> None:
    async with serving(lambda _: raw(b"", "204 No Content")) as far:
        pool = Pool(HERE)
        first = await pool.send("POST", far.url(), {"x-signature": "s"}, b'{"a":1}', limit=10)
        second = await pool.send("POST", far.url(), {}, limit=10)
        await pool.close()
    assert (first.status, second.status) == (204, 204)
    assert [(one.method, one.body, one.headers["content-length"]) for one in far.asked] == [
        ("POST", b'{"a":1}', "7"),
        ("POST", b"", "0"),
    ]


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with serving(lambda _: raw()) as far:
        pool = Pool(HERE)
        for _ in range(5):
            await get(pool, far.url())
        assert far.connections == 1
        await asyncio.gather(*[get(pool, far.url()) for _ in range(3)])
        assert far.connections == 3
        await pool.close()


async def test_the_name_is_judged_for_each_connection_and_connections_of_two_hosts_are_never_mixed() -> None:
    answers: dict[str, Sequence[str]] = {"one.example": ("127.0.0.1",), "two.example": ("127.0.0.1",)}

    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers[host]

    async with serving(lambda _: raw(connection="close") if _.path == "/last" else raw()) as far:
        pool = Pool(Guard(loopback=True, resolve=resolve))
        for host in ("one.example", "two.example", "one.example"):
            await get(pool, far.url(host=host))
        assert [(one.headers["host"].partition(":")[0], one.connection) for one in far.asked] == [
            ("one.example", 1),
            ("two.example", 2),
            ("one.example", 1),
        ]
        await get(pool, far.url("/last", host="one.example"))
        answers["one.example"] = ("10.0.0.1",)
        with pytest.raises(Unreachable, match="address"):
            await get(pool, far.url(host="one.example"))
        await pool.close()


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced_unless_the_request_may_be_sent_only_once() -> (
    None
):
    cut = False

    def answer(asked: Asked) -> bytes:
        if cut and asked.connection == 1:
            raise ConnectionError
        return raw()

    for method in ("GET", "POST"):
        cut = False
        async with serving(answer) as far:
            pool = Pool(HERE)
            await get(pool, far.url())
            cut = True
            if method == "GET":
                assert (await get(pool, far.url())).status == 200
                assert far.connections == 2
            else:
                with pytest.raises(Unreachable, match="connect"):
                    await pool.send("POST", far.url(), {}, b"x", limit=10)
                assert far.connections == 1
            await pool.close()


async def test_what_waits_for_too_long_is_closed() -> None:
    gone = asyncio.Event()

    async def watched(writer: asyncio.StreamWriter) -> None:
        writer.write(raw())
        asyncio.get_running_loop().create_task(writer.wait_closed()).add_done_callback(lambda _: gone.set())

    async with serving(lambda _: watched) as far:
        pool = Pool(HERE, idle_seconds=0.01)
        await get(pool, far.url())
        await gone.wait()
        await get(pool, far.url())
        assert far.connections == 2
        await pool.close()


async def test_redirects_are_answers_and_not_followed() -> None:
    async with serving(lambda _: raw(b"", "302 Found", location="https://elsewhere.example/")) as far:
        pool = Pool(HERE)
        found = await get(pool, far.url())
        await pool.close()
    assert (found.status, found.headers["location"]) == (302, "https://elsewhere.example/")


@pytest.mark.parametrize(
    "answer",
    [
        raw(gzip.compress(BIG), content_encoding="gzip"),
        chunked(
            *[gzip.compress(BIG)[at : at + 100] for at in range(0, len(gzip.compress(BIG)), 100)],
            content_encoding="x-gzip",
        ),
        chunked(BIG[:100_000], BIG[100_000:]),
        b"HTTP/1.1 100 Continue\r\n\r\n" + raw(BIG),
        b"HTTP/1.0 200 OK\r\n\r\n" + BIG,
    ],
    ids=["gzip", "gzip in chunks", "chunks", "after a 100", "until the end"],
)
async def test_a_body_comes_whole_in_whatever_way(answer: bytes) -> None:
    async def last(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with serving(lambda _: last) as far:
        pool = Pool(HERE)
        assert (await get(pool, far.url(), len(BIG))).body == BIG
        async with pool.stream("GET", far.url(), {}, limit=len(BIG)) as flowing:
            assert flowing.status == 200
            assert b"".join([piece async for piece in flowing.pieces]) == BIG
        assert await kind(far.url(), limit=len(BIG) - 1) == "size"
        await pool.close()


async def test_a_bomb_is_measured_as_it_unfolds() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    async with serving(lambda _: raw(bomb, content_encoding="gzip")) as far:
        tracemalloc.start()
        assert await kind(far.url(), limit=200_000) == "size"
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 5_000_000


async def test_a_head_without_end_is_cut_whatever_the_body_may_be() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"x: y\r\n" * 1000)
            await writer.drain()

    async with serving(lambda _: endless) as far:
        assert await kind(far.url(), limit=1 << 40) == "protocol"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (raw(gzip.compress(BIG)[:-20], content_encoding="gzip"), "coding"),
        (raw(b"no gzip", content_encoding="gzip"), "coding"),
        (raw(zlib.compress(b"x"), content_encoding="deflate"), "coding"),
        (raw(b"x", content_encoding="br"), "coding"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", "protocol"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "protocol"),
        (b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 600_000, "protocol"),
        (b"hello", "protocol"),
        (b"", "connect"),
        (chunked(*[b"a"] * 200_000), "size"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2_000, "protocol"),
    ],
)
async def test_answers_that_are_none(answer: bytes, expected: str) -> None:
    async def last(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with serving(lambda _: last) as far:
        assert await kind(far.url(), limit=len(BIG) if expected == "coding" else 100_000) == expected


async def test_what_comes_unasked_is_never_the_answer_to_the_next_request() -> None:
    def answer(asked: Asked) -> bytes:
        return raw(b"first") + raw(b"planted") if asked.path == "/first" else raw(b"second")

    async with serving(answer) as far:
        pool = Pool(HERE)
        assert (await get(pool, far.url("/first"))).body == b"first"
        assert (await get(pool, far.url("/second"))).body == b"second"
        assert far.connections == 2
        await pool.close()


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"])
async def test_silence_and_slowness_are_given_up(part: bytes) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(part)
        await asyncio.sleep(30)

    async with serving(lambda _: slow) as far:
        assert await kind(far.url(), seconds=0.05) == "time"
        pool = Pool(HERE, silence=0.05)
        with pytest.raises(Unreachable, match="time"):
            await get(pool, far.url())
        await pool.close()


async def test_a_body_that_flows_is_read_no_faster_than_it_is_wanted() -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"%x\r\n%b\r\n" % (len(BIG), BIG))
            await writer.drain()
            sent += len(BIG)

    async with serving(lambda _: endless) as far:
        pool = Pool(HERE)
        async with pool.stream("GET", far.url(), {}, limit=1 << 40) as flowing:
            stopped = -1
            while sent != stopped:
                stopped = sent
                await asyncio.sleep(0.05)
            assert sent < 100 * len(BIG)
            pieces = aiter(flowing.pieces)
            while sent == stopped:
                await anext(pieces)
        await pool.close()


async def test_a_request_that_is_not_waited_for_any_more_takes_its_connection_along() -> None:
    came = asyncio.Event()

    async def silent(writer: asyncio.StreamWriter) -> None:
        came.set()
        await asyncio.sleep(30)

    async with serving(lambda asked: silent if asked.path == "/slow" else raw()) as far:
        pool = Pool(HERE)
        task = asyncio.create_task(get(pool, far.url("/slow")))
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await get(pool, far.url())).status == 200
        assert far.connections == 2
        await pool.close()


@pytest.mark.parametrize("value", ["a\r\nx-injected: 1", "a\nb", "a\rb", "\u20ac"])
async def test_a_header_can_say_nothing_but_its_value(value: str) -> None:
    async with serving(lambda _: raw()) as far:
        pool = Pool(HERE)
        with pytest.raises(Unreachable, match="form"):
            await pool.send("GET", far.url(), {"authorization": f"Bearer {value}"}, limit=10)
        await pool.close()
    assert far.connections == 0


async def test_what_may_not_be_reached_is_not() -> None:
    assert await kind("https://127.0.0.1/", Guard()) == "address"
    assert await kind("http://8.8.8.8/", Guard()) == "scheme"
    assert await kind("https://8.8.8.8:25/", Guard()) == "port"
    assert await kind("ftp://ehr.example/") == "form"
    assert await kind("https://ehr.example/" + "x" * 9000) == "form"


async def test_over_tls_the_certificate_must_be_that_of_the_name(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "ehr.example")

    async def resolve(host: str, port: int) -> Sequence[str]:
        return ("127.0.0.1",)

    async with serving(lambda _: raw(), tls=server) as far:
        guard = Guard(loopback=True, resolve=resolve, tls=client)
        pool = Pool(guard)
        url = far.url(host="ehr.example", scheme="https")
        assert [(await get(pool, url)).status for _ in range(2)] == [200, 200]
        assert far.connections == 1
        await pool.close()
        assert await kind(far.url(host="other.example", scheme="https"), guard) == "tls"
        assert await kind(url, Guard(loopback=True, resolve=resolve, tls=ssl.create_default_context())) == "tls"
