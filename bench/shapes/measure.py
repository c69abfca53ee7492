"""Asking each shape over one kept connection, and what came of it."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from bench.machine import cpu_seconds
from bench.operations import http
from bench.servers import Server
from bench.shapes.catalogue import SHAPES, Shape, Site
from bench.shapes.records import Population

MOST, LEAST = 200, 20
"""Requests per shape."""


class Measured(msgspec.Struct, frozen=True):
    """One shape at one size. Times in milliseconds, `cpu` of server and database; `matches` and `included`: on a page.

    `wrong`: what was not as it must be. `plan`: where it was slower than its aim, how it was searched.
    """

    name: str
    aim: float
    why: str
    requests: int
    p50: float
    p95: float
    cpu: float
    matches: int
    included: int
    wrong: str = ""
    plan: list[dict[str, Any]] = []

    @property
    def reached(self) -> bool:
        """Whether it is right and as fast as it must be."""
        return not self.wrong and self.p95 <= self.aim


class Client:
    """One connection, one request at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __call__(self, path: str) -> dict[str, Any]:
        """The Bundle at a path below the base. Raises RuntimeError for another status than 200."""
        status, body = self.send(http("GET", path, self._server.token))
        if status != 200:
            raise RuntimeError(f"{status} {_diagnostics(body)}")
        found: dict[str, Any] = json.loads(body)
        return found

    def explain(self, path: str) -> list[dict[str, Any]]:
        """How the store searches it."""
        request = http("GET", path, self._server.token).replace(b"\r\n\r\n", b"\r\nPrefer: explain\r\n\r\n", 1)
        status, body = self.send(request)
        entries = json.loads(body).get("entry", []) if status == 200 else []
        outcomes = [one["resource"] for one in entries if one["resource"]["resourceType"] == "OperationOutcome"]
        return [{"step": issue.get("diagnostics", "")} for one in outcomes for issue in one["issue"]]

    def send(self, request: bytes) -> tuple[int, bytes]:
        """(status, body)."""
        self._socket.sendall(request)
        data = bytearray()
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head = bytes(data[:end]).lower()
        at = head.find(b"content-length: ")
        length = int(head[at + 16 :].partition(b"\r")[0]) if at >= 0 else 0
        while len(data) < end + 4 + length:
            data += self._more()
        return int(data[9:12]), bytes(data[end + 4 :])

    def _more(self) -> bytes:
        part = self._socket.recv(1 << 20)
        if not part:
            raise RuntimeError("The server closed the connection.")
        return part

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _diagnostics(body: bytes) -> str:
    try:
        return str(json.loads(body)["issue"][0].get("diagnostics"))
    except (ValueError, KeyError, IndexError):
        return body[:80].decode(errors="replace")


def measure(
    server: Server, population: Population, seconds: float, only: Sequence[str], tell: Callable[[str, int, int], None]
) -> list[Measured]:
    """Every shape (or those whose name has one of the words), one after the other."""
    shapes = [shape for shape in SHAPES if not only or any(word in shape.name for word in only)]
    client = Client(server)
    found = []
    try:
        for place, shape in enumerate(shapes):
            tell(shape.name, place, len(shapes))
            found.append(_one(client, server, shape, population, seconds))
    finally:
        client.close()
    return found


def _one(client: Client, server: Server, shape: Shape, population: Population, seconds: float) -> Measured:
    chance = random.Random(shape.name)
    try:
        paths = shape.paths(Site(population, chance, client))
        bundles = [client(path) for path in paths]  # each once beforehand: what is measured is a store in use
    except RuntimeError as error:
        return Measured(shape.name, shape.aim, shape.why, 0, 0, 0, 0, 0, 0, str(error))
    modes = [[entry["search"]["mode"] for entry in bundle.get("entry", ())] for bundle in bundles]
    matches, included = [one.count("match") for one in modes], [one.count("include") for one in modes]
    wrong = "" if all(shape.least <= n <= shape.most for n in matches) else f"{min(matches)} to {max(matches)} matches"
    requests = [http("GET", path, server.token) for path in paths]
    spent: list[float] = []
    pids = [server.pid, *server.database]
    cpu, until = cpu_seconds(pids), time.perf_counter() + seconds
    while len(spent) < LEAST or (len(spent) < MOST and time.perf_counter() < until):
        request = requests[len(spent) % len(requests)]
        begin = time.perf_counter()
        status, _ = client.send(request)
        spent.append((time.perf_counter() - begin) * 1000)
        if status != 200:
            wrong = f"status {status}"
        if sum(spent) > 20_000:
            break
    cpu = (cpu_seconds(pids) - cpu) / len(spent) * 1000
    spent.sort()
    p50, p95 = spent[len(spent) // 2], spent[min(len(spent) - 1, int(len(spent) * 0.95))]
    plan = client.explain(paths[0]) if p95 > shape.aim else []
    return Measured(
        shape.name, shape.aim, shape.why, len(spent), p50, p95, cpu, max(matches), max(included), wrong, plan
    )
