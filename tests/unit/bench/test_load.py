"""The load generator against a server of known manners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from bench.load import Job, Measured, measure, percentile
from bench.operations import Answer, Calls

Reply = Callable[[int], bytes]


def _http(status: str, body: bytes, header: bytes = b"content-length: ") -> bytes:
    return f"HTTP/1.1 {status}\r\n".encode() + header + b"%d\r\n\r\n" % len(body) + body


@asynccontextmanager
async def _server(reply: Reply, pieces: int = 1) -> AsyncIterator[int]:
    """Answers the n-th request with reply(n), in so many pieces; closes the connection on an empty reply."""
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                answer = reply(count)
                count += 1
                if not answer:
                    break
                step = max(1, len(answer) // pieces)
                for start in range(0, len(answer), step):
                    writer.write(answer[start : start + step])
                    await writer.drain()
                    await asyncio.sleep(0.001 if pieces > 1 else 0)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _calls(check: Callable[[int, Answer], str | None] = lambda i, answer: None) -> Calls:
    return Calls(lambda i: b"GET /%d HTTP/1.1\r\n\r\n" % i, check)


async def _run(reply: Reply, calls: Calls, pieces: int = 1, **job: int) -> Measured:
    async with _server(reply, pieces) as port:
        return await measure(Job("read", port, "", 100, **{"connections": 2, "requests": 20, **job}), calls)


async def test_it_sends_exactly_as_many_requests_as_asked_and_reads_every_answer() -> None:
    found = await _run(lambda n: _http("200 OK", b"x" * 10), _calls())
    assert (found.requests, found.body_bytes, found.errors, found.valid) == (20, 10.0, {}, True)
    assert 0 < found.p50 <= found.p95 <= found.p99


async def test_answers_that_come_in_pieces_are_put_together() -> None:
    body = bytes(range(256)) * 8
    seen: list[bytes] = []

    def check(i: int, answer: Answer) -> str | None:
        seen.append(answer.body)
        return None

    found = await _run(lambda n: _http("200 OK", body, b"Content-Length: "), _calls(check), pieces=40, requests=4)
    assert (found.requests, found.samples, found.errors) == (4, 4, {})
    assert seen == [body] * 4


async def test_whatever_is_not_2xx_is_an_error_and_makes_the_run_invalid() -> None:
    found = await _run(lambda n: _http("409 Conflict", b"no") if n % 4 == 0 else _http("200 OK", b"yes"), _calls())
    assert found.errors == {"409 no": 5}
    assert not found.valid


async def test_a_wrong_body_is_an_error() -> None:
    found = await _run(lambda n: _http("200 OK", b""), _calls(lambda i, answer: "wrong" if i == 0 else None))
    assert found.errors == {"wrong": 1}


async def test_a_closed_connection_is_an_error() -> None:
    found = await _run(lambda n: b"" if n == 5 else _http("200 OK", b""), _calls(), connections=1)
    assert found.requests == 5
    assert list(found.errors) == ["connection lost: NoneType"]


async def test_a_timed_run_counts_only_what_is_answered_within_it() -> None:
    answered = 0

    def reply(n: int) -> bytes:
        nonlocal answered
        answered += 1
        return _http("200 OK", b"x")

    async with _server(reply) as port:
        found = await measure(Job("read", port, "", 100, connections=3, seconds=0.2, warmup=0.1), _calls())
    assert found.errors == {}
    assert 0 < found.requests < answered
    assert found.rate == pytest.approx(found.requests / found.seconds)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 51.0), (0.99, 100.0)])
def test_percentiles_are_by_nearest_rank_in_microseconds(share: float, expected: float) -> None:
    assert percentile([n * 1000 for n in range(1, 101)], share) == expected
    assert percentile([], share) == 0.0
