"""`python -m bench devices`: observations per second through the devices' gateway, beside the same to `/fhir`.

One server; both ways in turn, in rounds that begin with the one and the other. A round's bundles are of devices that
nobody has seen, by whichever way they come, so that both make what they send: each bundle is a glucometer's, with the
agent, the clock's reading and so many measurements, each created unless it is there. `/fhir` remembers nothing of them;
the gateway finds out whose they are, and writes a receipt in the same commit.
"""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from bench import machine, servers
from bench.stages import Tell
from hilum.phd.fhir import Patient, bundle
from hilum.phd.reading import Clock, Coincidence, Device, Quantity, Reading, Stamp, Taken

FHIR: Final = "/fhir"
GATEWAY: Final = "/devices/bundles"
WAYS: Final = (FHIR, GATEWAY)
BUNDLES: Final = {1: 400, 10: 160, 100: 48}
"""Measurements in a bundle -> bundles in a round of one way: a second or two."""
SMALL: Final = 8
"""So many times less at the small size."""
CONNECTIONS: Final = 4
ROUNDS: Final = 7
AIM: Final = 0.9
"""The least of `/fhir`'s rate that the gateway may have."""
RATE: Final = 1200
"""The least per second in bundles of 100 on SQLite."""
TITLES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
HEAD: Final = (
    "store",
    "in a bundle",
    "gateway, per second",
    "`/fhir`, per second",
    "ratio",
    "CPU µs, gateway",
    "CPU µs, `/fhir`",
)
_AGENT: Final = Device(system_id="EC-DE-3D-4E-58-53-2D-31", manufacturer="hilum", model="hilum agent", software="1")
_GLUCOSE, _MG_DL = 160184, 264274
_BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_PATIENT: Final = "bench"


class Round(msgspec.Struct, frozen=True):
    """One way, once. `cpu`: seconds, of the server and its database."""

    seconds: float
    cpu: float


class Row(msgspec.Struct, frozen=True):
    """`measurements`: in a bundle; `bundles`: in a round; `rounds`: by way."""

    store: str
    measurements: int
    bundles: int
    rounds: dict[str, list[Round]]

    def rate(self, way: str) -> float:
        """Measurements per second: the median."""
        return statistics.median(self.bundles * self.measurements / one.seconds for one in self.rounds[way])

    def cpu_us(self, way: str) -> float:
        """CPU per measurement: the median."""
        return statistics.median(1e6 * one.cpu / self.bundles / self.measurements for one in self.rounds[way])

    @property
    def ratio(self) -> float:
        """Of the rates: the median of the rounds'."""
        pairs = zip(self.rounds[FHIR], self.rounds[GATEWAY], strict=True)
        return statistics.median(fhir.seconds / gateway.seconds for fhir, gateway in pairs)


class Figures(msgspec.Struct, frozen=True):
    """All of them, and when and where they were measured."""

    date: str
    machine: dict[str, Any]
    load_average: float
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Connection:
    """One that is kept, with one request in flight."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def post(self, request: bytes) -> None:
        """Raises ValueError where it is not stored."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await self.reader.readexactly(int(length.split(b":")[1]))
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(f"A bundle was not stored: {head[:30]!r} {body[:500]!r}")


def bodies(device: int, bundles: int, measurements: int) -> Iterator[bytes]:
    """What an agent sends of one device, bundle by bundle."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    octets = device.to_bytes(8, "big").hex("-").upper()
    glucometer = Device(system_id=octets, manufacturer="Bench", model="glucometer", serial=str(device))
    for number in range(bundles):
        at = _BEGAN + timedelta(minutes=number * measurements)
        readings = tuple(_reading(at + timedelta(minutes=step), 70 + step % 80) for step in range(measurements))
        received = at + timedelta(days=1)
        taken = Taken(glucometer, received, readings, Coincidence(received, _stamp(received)))
        yield encoder.encode(bundle(taken, _AGENT, Patient(id=_PATIENT), uuid.uuid4().urn))


def _reading(at: datetime, value: int) -> Reading:
    return Reading(_GLUCOSE, Quantity(Decimal(value), _MG_DL), _stamp(at))


def _stamp(at: datetime) -> Stamp:
    return Stamp(Clock.ABSOLUTE, at.strftime("%Y%m%d%H%M%S.00"), at.replace(tzinfo=None))


def request(path: str, token: str, body: bytes) -> bytes:
    """A POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _round(server: servers.Server, way: str, first: int, bundles: int, measurements: int) -> Round:
    """A device for each connection, from number `first` on."""
    share = bundles // CONNECTIONS
    made = [
        [request(way, server.token, body) for body in bodies(first + n, share, measurements)]
        for n in range(CONNECTIONS)
    ]
    opened = [Connection(*await asyncio.open_connection("127.0.0.1", server.port)) for _ in made]
    pids = [server.pid, *server.database]
    before, began = machine.cpu_seconds(pids), time.perf_counter()
    await asyncio.gather(*(_all(one, requests) for one, requests in zip(opened, made, strict=True)))
    found = Round(time.perf_counter() - began, machine.cpu_seconds(pids) - before)
    for one in opened:
        one.writer.close()
    return found


async def _all(connection: Connection, requests: list[bytes]) -> None:
    for one in requests:
        await connection.post(one)


async def _rows(store: str, server: servers.Server, rounds: int, less: int, tell: Tell) -> list[Row]:
    device, found = 1, []
    await _furnish(server)
    for measurements, usual in BUNDLES.items():
        bundles = max(CONNECTIONS, usual // less)
        row = Row(store, measurements, bundles, {way: [] for way in WAYS})
        for number in range(-1, rounds):  # the first of all is for warming up
            tell(f"{store}, {measurements} in a bundle", number + 1, rounds + 1)
            for way in WAYS if number % 2 else reversed(WAYS):
                one = await _round(server, way, device, bundles, measurements)
                device += CONNECTIONS
                if number >= 0:
                    row.rounds[way].append(one)
        found.append(row)
    return found


async def _furnish(server: servers.Server) -> None:
    """The patient."""
    body = msgspec.json.encode({"resourceType": "Patient", "id": _PATIENT})
    entry = b'{"resource":' + body + b',"request":{"method":"PUT","url":"Patient/' + _PATIENT.encode() + b'"}}'
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    whole = b'{"resourceType":"Bundle","type":"transaction","entry":[' + entry + b"]}"
    await Connection(reader, writer).post(request(FHIR, server.token, whole))
    writer.close()


@asynccontextmanager
async def _serving(store: str, work: Path) -> AsyncIterator[servers.Server]:
    folder = work / f"devices-{store}"
    folder.mkdir()
    if store == "sqlite":
        with servers.hilum(f"sqlite:{folder / 'hilum.sqlite'}", folder) as server:
            yield server
        return
    with servers.postgres() as url, servers.hilum(url, folder, (await servers.postmaster(url),)) as server:
        yield server


async def measure(stores: tuple[str, ...], work: Path, rounds: int, small: bool, tell: Tell) -> Figures:
    """All of it."""
    load, rows = machine.load_average(), list[Row]()
    for store in stores:
        async with _serving(store, work) as server:
            rows += await _rows(store, server, rounds, SMALL if small else 1, tell)
    return Figures(datetime.now(UTC).isoformat(), machine.describe(work), load, rows)


# --- what it came to ------------------------------------------------------------------------------------------------


def cells(row: Row) -> tuple[str, ...]:
    """Those of HEAD; what missed its aim in bold."""
    slow = row.store == "sqlite" and row.measurements == 100 and row.rate(GATEWAY) < RATE
    return (
        TITLES[row.store],
        str(row.measurements),
        f"**{row.rate(GATEWAY):,.0f}**" if slow else f"{row.rate(GATEWAY):,.0f}",
        f"{row.rate(FHIR):,.0f}",
        f"{row.ratio:.2f}" if row.ratio >= AIM else f"**{row.ratio:.2f}**",
        f"{row.cpu_us(GATEWAY):,.0f}",
        f"{row.cpu_us(FHIR):,.0f}",
    )


def missed(found: Figures) -> list[str]:
    """Where it is slower than it may be."""
    return [
        f"{TITLES[row.store]}, {row.measurements} in a bundle: {row.ratio:.2f} of /fhir, {row.rate(GATEWAY):,.0f}/s"
        for row in found.rows
        if any(cell.startswith("**") for cell in cells(row))
    ]


def save(found: Figures, folder: Path) -> Path:
    """Write bench/out/devices.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "devices.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
    return path


def saved(folder: Path) -> Figures | None:
    """What was measured last."""
    path = folder / "devices.json"
    return msgspec.json.decode(path.read_bytes(), type=Figures) if path.exists() else None


def section(found: Figures | None) -> str:
    """Its part of docs/benchmarks.md."""
    if found is None:
        return "## Devices\n\nNot measured yet: `python -m bench devices`.\n"
    lines = ["| " + " | ".join(HEAD) + " |", "|---|" + "---:|" * (len(HEAD) - 1)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in found.rows]
    rounds = len(found.rows[0].rounds[FHIR])
    return f"""## Devices

`python -m bench devices` sends what glucometers measured to the gateway (`POST {GATEWAY}`) and to `/fhir`, in turn, in
{rounds} rounds, to one server with its defaults, over {CONNECTIONS} connections with one request in flight each. Every
bundle has the agent's Device, the glucometer's, what its clock said, and so many measurements, each created on
condition that it is not there; all is new. The gateway also finds out whose the readings are, and writes a receipt in
the same commit, by which it knows the bundle again. **per second** and **CPU µs** (server and database) are of
measurements on disk; medians. **ratio**: the gateway's rate over that of `/fhir`, at least {AIM} asked for, and
{RATE:,} per second in bundles of 100 on SQLite. What misses it is in bold. Measured {found.date[:10]} on
{found.machine["cores"]} cores of {found.machine["cpu"]}, one of them for the server; load average before the start:
{found.load_average:.1f}.

{chr(10).join(lines)}
"""
