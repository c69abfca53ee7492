"""The load generator: a process of its own, raw sockets, one request in flight per connection (a closed loop).

    echo '{"operation": "read", ...}' | python -m bench.load

Reads jobs as lines of JSON and answers each with one line; see `Job` and `Measured`. It knows its own share of a CPU,
so that one sees whether it, and not the server, was the bottleneck.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections import Counter
from typing import cast

import msgspec
import uvloop

from bench.machine import cpu_seconds
from bench.operations import OPERATIONS, Answer, Calls, http
from bench.records import Population

SAMPLES = 40
"""How many answers of a run are looked at whole."""


class Job(msgspec.Struct, frozen=True):
    """One run. `population`: resources loaded; `server`, `database`: process ids whose CPU is to be read.

    With `requests` above 0 the run ends after exactly so many, whatever the time; then there is no warming up.
    """

    operation: str
    port: int
    token: str
    population: int
    connections: int = 16
    seconds: float = 2.0
    warmup: float = 0.4
    seed: int = 1
    requests: int = 0
    server: list[int] = []
    database: list[int] = []


class Measured(msgspec.Struct, frozen=True):
    """What a run came to. Times in microseconds; `errors`: what went wrong -> how often; `samples`: found to be right.

    `body_bytes` is the mean over all answers, so that two servers can be compared.
    """

    operation: str
    connections: int
    requests: int
    seconds: float
    rate: float
    p50: float
    p95: float
    p99: float
    server_us: float
    database_us: float
    generator_share: float
    body_bytes: float
    samples: int
    errors: dict[str, int] = {}

    @property
    def valid(self) -> bool:
        """A run with a single error is none."""
        return not self.errors and self.requests > 0


class Run:
    """The state of one run, shared by its connections."""

    def __init__(self, job: Job, calls: Calls) -> None:
        self.job, self.calls = job, calls
        self.next = 0
        self.running = True
        self.open = 0
        self.latencies: list[int] = []
        self.bytes = 0
        self.errors: Counter[str] = Counter()
        self.samples: list[tuple[int, bytes]] = []
        self.stride = max(1, job.requests // SAMPLES) if job.requests else 7
        self.idle = asyncio.get_running_loop().create_future()

    def leave(self) -> None:
        """A connection has nothing more to ask."""
        self.open -= 1
        if not self.open and not self.idle.done():
            self.idle.set_result(None)

    def keep(self, i: int, data: bytes) -> None:
        """Remember an answer; sparser as time goes on, so that samples cover the whole run."""
        self.samples.append((i, data))
        if len(self.samples) >= 2 * SAMPLES:
            del self.samples[::2]
            self.stride *= 2


class Connection(asyncio.Protocol):
    """One kept connection: sends, parses as little as it can, and sends again."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.chunks: list[bytes] = []
        self.missing = 0  # bytes still to come; -1: the head is not complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start asking."""
        self.write = cast(asyncio.WriteTransport, transport).write  # uvloop's are not asyncio's classes
        self.close = transport.close
        self.run.open += 1
        self.ask()

    def ask(self) -> None:
        """Send the next request."""
        run = self.run
        self.i = i = run.next
        if not run.running or i == run.job.requests != 0:
            self.close()
            return
        run.next = i + 1
        request = run.calls.request(i)
        self.sent = time.perf_counter_ns()
        self.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect one whole response: head, then Content-Length bytes."""
        if self.missing:
            self.chunks.append(data)
            if self.missing > 0:
                self.missing -= len(data)
                if self.missing > 0:
                    return
            data = b"".join(self.chunks)
            self.chunks.clear()
            self.missing = 0
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self.chunks.append(data)
            self.missing = -1
            return
        length = _length(data, end)
        if len(data) < end + 4 + length:
            self.chunks.append(data)
            self.missing = end + 4 + length - len(data)
            return
        now = time.perf_counter_ns()
        run = self.run
        run.latencies.append(now - self.sent)
        run.bytes += length
        if data[9:10] != b"2":
            run.errors[f"{data[9:12].decode()} {data[end + 4 : end + 204].decode(errors='replace')}"] += 1
        if self.i % run.stride == 0:
            run.keep(self.i, data)
        self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        """Ours to close; the server's closing is an error."""
        if error is not None or (self.run.running and self.i != self.run.job.requests):
            self.run.errors[f"connection lost: {type(error).__name__}"] += 1
        self.run.leave()


def _length(data: bytes, end: int) -> int:
    at = data.find(b"content-length: ", 0, end)
    if at < 0:
        at = data[:end].lower().find(b"content-length: ")
        if at < 0:
            return 0
    return int(data[at + 16 : data.find(b"\r", at, end + 2)])


def percentile(ordered: list[int], share: float) -> float:
    """Nearest rank, in microseconds, of nanoseconds in order; 0 when there are none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000 if ordered else 0.0


async def measure(job: Job, calls: Calls) -> Measured:
    """Run one job to its end."""
    run = Run(job, calls)
    loop = asyncio.get_running_loop()

    def mark() -> tuple[float, float, float, float]:
        return time.perf_counter(), time.process_time(), cpu_seconds(job.server), cpu_seconds(job.database)

    begin = mark()
    for _ in range(job.connections):
        await loop.create_connection(lambda: Connection(run), "127.0.0.1", job.port)
    if job.requests:
        await run.idle
        end = mark()
        latencies, length = run.latencies, run.bytes
    else:
        await asyncio.sleep(job.warmup)
        begin = mark()
        run.latencies, run.bytes = [], 0
        await asyncio.sleep(job.seconds)
        end = mark()
        latencies, length = run.latencies, run.bytes
        run.latencies, run.running = [], False
        try:
            await asyncio.wait_for(run.idle, 30)
        except TimeoutError:
            run.errors["no answer within 30 s"] += 1
    seconds, own, server, database = (b - a for a, b in zip(begin, end, strict=True))
    latencies.sort()
    count = len(latencies)
    good = await _look(job, run)
    return Measured(
        operation=job.operation,
        connections=job.connections,
        requests=count,
        seconds=seconds,
        rate=count / seconds,
        p50=percentile(latencies, 0.50),
        p95=percentile(latencies, 0.95),
        p99=percentile(latencies, 0.99),
        server_us=server / count * 1e6 if count else 0.0,
        database_us=database / count * 1e6 if count else 0.0,
        generator_share=own / seconds,
        body_bytes=length / count if count else 0.0,
        samples=good,
        errors=dict(run.errors),
    )


async def _look(job: Job, run: Run) -> int:
    """Judge the samples; wrong ones become errors. How many were right."""
    good = 0
    for i, data in run.samples:
        head, _, body = data.partition(b"\r\n\r\n")
        answer = Answer(int(data[9:12]), head.decode("latin-1"), body)
        if answer.status >= 300:
            continue  # counted already
        try:
            wrong = run.calls.check(i, answer)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            wrong = f"{type(error).__name__}: {error}"
        if wrong is None and run.calls.check_later is not None:
            path, bytes_ = run.calls.check_later(i, answer)
            if await _get(job, path) != bytes_:
                wrong = "what was acknowledged is not what is read afterwards"
        if wrong is None:
            good += 1
        else:
            run.errors[wrong] += 1
    return good


async def _get(job: Job, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", job.port)
    writer.write(http("GET", path, job.token).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    data = await reader.read()
    writer.close()
    return data.partition(b"\r\n\r\n")[2]


def main() -> None:
    """Take jobs from standard input until it ends."""
    kept: dict[tuple[str, int, str, int], Calls] = {}
    for line in sys.stdin.buffer:
        job = msgspec.json.decode(line, type=Job)
        key = (job.operation, job.population, job.token, job.seed)
        if key not in kept:
            if len(kept) > 8:
                kept.clear()
            kept[key] = OPERATIONS[job.operation].make(Population(job.population), job.token, job.seed)
        gc.collect()
        gc.disable()
        found = uvloop.run(measure(job, kept[key]))
        gc.enable()
        sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
