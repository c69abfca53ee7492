"""Starting what is measured: PostgreSQL, hilum and the floor, each a process of its own on its own core."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench import machine

ROOT = Path(__file__).resolve().parents[1]
FLOOR_TRAIL = "floor-trail"


@dataclass(frozen=True, slots=True)
class Server:
    """One that answers. `database`: the PostgreSQL whose CPU counts to its requests."""

    name: str
    pid: int
    port: int
    token: str
    database: tuple[int, ...] = ()


def environment() -> dict[str, str]:
    """That of a server: no HILUM_* setting of the shell changes what is measured."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("HILUM_")}
    found["PYTHONPATH"] = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    return found


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        port: int = asking.getsockname()[1]
        return port


@contextmanager
def running(
    command: list[str],
    port: int,
    log: Path,
    path: str | None = None,
    cores: set[int] | None = None,
    seconds: float = 60,
) -> Iterator[int]:
    """A server process on its core: its pid, once it listens on `port`, or answers GET `path`. Ended with SIGINT."""
    with log.open("ab") as output, machine.on(cores or machine.cores()[0]):
        process = subprocess.Popen(
            command, env=environment(), cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(process, port, log, path, seconds)
        yield process.pid
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path, path: str | None, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as asking, suppress(OSError):
            asking.settimeout(10)
            asking.connect(("127.0.0.1", port))
            if path is None:
                return
            asking.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            if asking.recv(12) == b"HTTP/1.1 200":
                return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args!r} did not start: {log.read_text(errors='replace')[-3000:]}")


@contextmanager
def hilum(
    store: str, folder: Path, database: tuple[int, ...] = (), options: tuple[str, ...] = (), name: str = "hilum"
) -> Iterator[Server]:
    """`hilum serve` with its defaults but for `options`: tokens, validation, audit and request log on, one worker."""
    port = free_port()
    data = folder / "data"
    where = ["--data", str(data)]
    command = [sys.executable, "-m", "hilum.cli", "serve"]
    serve = [*command, "--store", store, "--host", "127.0.0.1", "--port", str(port), *where, *options]
    with running(serve, port, folder / "hilum.log", "/health") as pid:
        yield Server(name, pid, port, mint(folder, "system/*.cruds"), database)


def mint(folder: Path, scope: str, *options: str) -> str:
    """A token for the server that `hilum` started with this folder."""
    command = [sys.executable, "-m", "hilum.cli", "token", "--scope", scope, "--minutes", "600", *options]
    minted = subprocess.run(
        [*command, "--data", str(folder / "data")], env=environment(), cwd=ROOT, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    return minted.stdout.strip()


@contextmanager
def floor(store: str, folder: Path, numbers: Path, token: str, database: tuple[int, ...] = ()) -> Iterator[Server]:
    """The floor on a store of its own. It gets the token of hilum's requests and does not look at it."""
    port = free_port()
    claims = token.split(".")[1]
    token_id = json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["jti"]
    command = [sys.executable, "-m", "bench.floor", "--store", store, "--port", str(port)]
    command += ["--numbers", str(numbers), "--token-id", token_id, "--trail", str(folder / FLOOR_TRAIL)]
    with running(command, port, folder / "floor.log") as pid:
        yield Server("floor", pid, port, token, database)


@contextmanager
def postgres(cores: set[int] | None = None) -> Iterator[str]:
    """PostgreSQL on some cores (the generator's), with its defaults for durability; see tests/postgres.py."""
    from tests.postgres import server

    with machine.on(cores or machine.cores()[1]), server("max_wal_size=4GB", "checkpoint_timeout=15min") as url:
        yield url


async def postmaster(url: str) -> int:
    """The process from which all others of a PostgreSQL on this machine descend."""
    connection = await asyncpg.connect(url)
    try:
        backend: int = await connection.fetchval("SELECT pg_backend_pid()")
        return machine.parent(backend)
    finally:
        await connection.close()


def database_url(url: str, name: str) -> str:
    """The same server, another database."""
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{query}"


async def sql(url: str, *statements: str) -> None:
    """Run statements one by one, each in a transaction of its own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def fresh_database(url: str, name: str, template: str | None = None) -> str:
    """An empty database, or a copy of another. The URL of it."""
    source = f" TEMPLATE {template}" if template else ""
    await sql(url, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}{source}")
    return database_url(url, name)


class Generator:
    """The load generator's process."""

    def __init__(self) -> None:
        _, generator_cores = machine.cores()
        with machine.on(generator_cores):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.load"], env=environment(), cwd=ROOT,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )  # fmt: skip

    async def __call__(self, job: bytes) -> bytes:
        """One job in, one measurement out, both JSON."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(job + b"\n")
        self._process.stdin.flush()
        line = await asyncio.to_thread(self._process.stdout.readline)
        if not line:
            raise RuntimeError("The load generator ended; its error is above.")
        return line

    def close(self) -> None:
        """No more jobs."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
