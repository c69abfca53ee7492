"""Devices that speak IEEE 11073-20601 over a stream of bytes: TCP, a serial line, or a recording of one.

One manager a connection. What it asks goes out at once; what it confirms, only when the sink has kept it: a device that
was not told keeps its measurement and sends it again.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import stat
import termios
import time
import tty
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from hilum.agent.source import Full, Sink
from hilum.agent.sources.recordings import replay
from hilum.agent.sources.settings import named, settled
from hilum.phd.ieee20601.events import Configuration
from hilum.phd.ieee20601.manager import Heard, Manager, State
from hilum.phd.reading import NO_SYSTEM_ID, Device
from hilum.problems import Misconfigured

MALFORMED_MOST: Final = 3
"""Refusals of one device in a row, until it is let alone."""
_log: Final = logging.getLogger("hilum.agent")
_ALONE_SECONDS: Final = 3600.0
_AGAIN_SECONDS: Final = 5.0
_FULL_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 120.0
"""Of a connection without an association."""
_READ: Final = 1 << 16
_REMEMBERED: Final = 256
_SPEEDS: Final = {
    int(name[1:]): getattr(termios, name) for name in dir(termios) if name[:1] == "B" and name[1:].isdigit()
}
_EUI_64: Final = "^[0-9A-F]{2}(-[0-9A-F]{2}){7}$"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of `listen`, `connect` ("HOST:PORT"), `path` (a character device) and `file` (a recording).

    `devices`: EUI-64 of those that may associate; none named: all. `transport`: of what stands behind a path.
    """

    listen: str = ""
    connect: str = ""
    path: str = ""
    file: str = ""
    speed: int | None = None
    transport: Literal["", "bluetooth", "zigbee", "usb"] = ""
    devices: list[Annotated[str, msgspec.Meta(pattern=_EUI_64)]] = []
    connections: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 16
    sets_clock: bool = True


def source(table: Mapping[str, Any]) -> Ieee20601:
    """The source that a table of `agent.toml` describes. Raises Misconfigured."""
    name, system_id = named(table)
    settings = settled(name, table, Settings)
    if sum(map(bool, (settings.listen, settings.connect, settings.path, settings.file))) != 1:
        raise Misconfigured(f"Source {name}: expected one of listen, connect, path and file.")
    for address in filter(None, (settings.listen, settings.connect)):
        host, _ = _address(name, address)
        if address == settings.listen and not settings.devices and not _is_loopback(host):
            raise Misconfigured(
                f"Source {name}: it listens on a network, and 20601 asks nobody who he is; expected `devices`, a list "
                "of the EUI-64 of those that may associate, or a loopback address to listen on."
            )
    if settings.speed is not None and settings.speed not in _SPEEDS:
        raise Misconfigured(f"Source {name}: speed {settings.speed} is none of a serial line's.")
    return Ieee20601(name, settings, system_id)


@dataclass(slots=True)
class _Trouble:
    """A device that sends what says nothing. `until`: when it may associate again (monotonic)."""

    last: bytes = b""
    times: int = 0
    until: float = 0.0


@dataclass(slots=True)
class Ieee20601:
    """The source. `port`: where it listens, once it does."""

    name: str
    settings: Settings
    system_id: bytes
    port: int | None = None
    _configurations: OrderedDict[tuple[str, int], Configuration] = field(default_factory=OrderedDict)
    _troubles: OrderedDict[str, _Trouble] = field(default_factory=OrderedDict)
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self, sink: Sink) -> None:
        """As `Source.run`: a recording ends, the others don't."""
        if self.settings.file:
            await self._file(Path(self.settings.file), sink)
        elif self.settings.listen:
            await self._listen(sink)
        else:
            await self._keep_on(sink)

    # Ways to a stream

    async def _file(self, path: Path, sink: Sink) -> None:
        try:
            data, at = await asyncio.to_thread(_recorded, path)
        except OSError as error:
            raise Misconfigured(f"Source {self.name}: {path}: {error.strerror}.") from None
        found = replay(data, at, self.system_id)
        for taken in found.taken:
            while True:
                try:
                    await sink.take(taken)
                except Full:
                    await asyncio.sleep(_FULL_SECONDS)
                else:
                    break
        if found.wrong:
            await sink.refuse(self.name, "", data, found.wrong)

    async def _listen(self, sink: Sink) -> None:
        host, port = _address(self.name, self.settings.listen)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            if len(self._open) >= self.settings.connections:
                _log.warning("20601-too-many source=%s connections=%d", self.name, len(self._open))
                writer.close()
                return
            self._open.add(task)
            try:
                await self._converse(reader, writer, sink)
            except asyncio.CancelledError:  # by us, below: a task of the server's, which nobody awaits
                pass
            finally:
                self._open.discard(task)

        try:
            server = await asyncio.start_server(connected, host, port)
        except OSError as error:
            raise Misconfigured(
                f"Source {self.name}: can't listen on {self.settings.listen}: {error.strerror}."
            ) from None
        self.port = server.sockets[0].getsockname()[1]
        try:
            await server.serve_forever()
        finally:
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    async def _keep_on(self, sink: Sink) -> None:
        """What is not there now is there later: a cable, a device that is switched on."""
        while True:
            try:
                if self.settings.path:
                    reader, writer = await _opened(self.settings.path, self.settings.speed)
                else:
                    reader, writer = await asyncio.open_connection(*_address(self.name, self.settings.connect))
            except OSError as error:
                _log.debug("20601-unreachable source=%s errno=%s", self.name, error.errno)
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            full = await self._converse(reader, writer, sink)
            await asyncio.sleep(_FULL_SECONDS if full else _AGAIN_SECONDS)

    # A conversation

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sink: Sink) -> bool:
        """Until one of the two ends it. True: nothing more could be kept."""
        base = Device(transport=self.settings.transport)
        manager = Manager(self.system_id, base, self._configurations, self._admits, self.settings.sets_clock)
        told = base
        try:
            while (came := await _came(reader, manager)) is not None:
                before = manager.device
                heard = manager.received(came, datetime.now(UTC).astimezone()) if came else manager.timed_out()
                key = _known(manager.device) or _known(before)
                for one in heard:
                    if not await self._heard(one, key, writer, sink):
                        return False
                device = manager.device
                if device != told and _known(device):
                    told = device
                    await sink.seen(device)
        except Full:
            _log.warning("20601-full source=%s", self.name)
            with suppress(OSError):
                await _send(writer, manager.abort().send)
            return True
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            manager.disconnected()
            self._configurations.update(manager.configurations)
            while len(self._configurations) > _REMEMBERED:
                self._configurations.popitem(last=False)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return False

    async def _heard(self, heard: Heard, key: str, writer: asyncio.StreamWriter, sink: Sink) -> bool:
        """False: this connection is of no use any more."""
        await _send(writer, heard.send)
        for taken in heard.taken:
            await sink.take(taken)
        await _send(writer, heard.confirm)
        if heard.taken:
            self._troubles.pop(key, None)
        if heard.refused is None:
            return True
        trouble = self._troubles.setdefault(key, _Trouble())
        self._troubles.move_to_end(key)
        if trouble.last != heard.refused.data:
            await sink.refuse(self.name, key, heard.refused.data, heard.refused.reason)
        trouble.last, trouble.times = heard.refused.data, trouble.times + 1
        while len(self._troubles) > _REMEMBERED:
            self._troubles.popitem(last=False)
        if trouble.times < MALFORMED_MOST:
            return True
        _log.warning("20601-let-alone source=%s refused=%d seconds=%d", self.name, trouble.times, _ALONE_SECONDS)
        trouble.until, trouble.times = time.monotonic() + _ALONE_SECONDS, 0
        return False

    def _admits(self, system_id: str) -> bool:
        if self.settings.devices and system_id not in self.settings.devices:
            _log.warning("20601-not-admitted source=%s", self.name)
            return False
        trouble = self._troubles.get(system_id)
        return trouble is None or time.monotonic() >= trouble.until


def _recorded(path: Path) -> tuple[bytes, datetime]:
    return path.read_bytes(), datetime.fromtimestamp(path.stat().st_mtime, UTC).astimezone()


def _known(device: Device) -> str:
    return device.key if device.system_id != NO_SYSTEM_ID else ""


async def _came(reader: asyncio.StreamReader, manager: Manager) -> bytes | None:
    """Bytes; b"" where they should have come by now; None: no more will."""
    seconds = manager.timeout
    unassociated = manager.state is State.UNASSOCIATED
    try:
        async with asyncio.timeout(_IDLE_SECONDS if unassociated else seconds):
            return await reader.read(_READ) or None
    except TimeoutError:
        return None if unassociated else b""


async def _send(writer: asyncio.StreamWriter, apdus: tuple[bytes, ...]) -> None:
    if apdus:
        writer.write(b"".join(apdus))
        await writer.drain()


class _Line(asyncio.StreamWriter):
    """To a character device; closing it closes both ways. `reading`: the other way."""

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.StreamReaderProtocol,
        reader: asyncio.StreamReader,
        reading: asyncio.BaseTransport,
    ) -> None:
        super().__init__(transport, protocol, reader, asyncio.get_running_loop())
        self._reading = reading

    async def drain(self) -> None:
        """Who reads nothing of what it asked for is no device. Raises OSError."""
        transport = self.transport
        assert isinstance(transport, asyncio.WriteTransport)
        if transport.get_write_buffer_size() > _READ:
            raise OSError(errno.EPIPE, "nothing is read at the other end")

    def close(self) -> None:
        super().close()
        self._reading.close()


async def _opened(path: str, speed: int | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A character device, both ways; a terminal's line discipline is taken away. Raises OSError."""
    number = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISCHR(os.fstat(number).st_mode):
            raise OSError(errno.ENOTTY, "no character device")
        if os.isatty(number):
            tty.setraw(number)
            if speed is not None:
                said = termios.tcgetattr(number)
                said[4] = said[5] = _SPEEDS[speed]
                termios.tcsetattr(number, termios.TCSANOW, said)
        return await _both_ways(number)
    except termios.error as error:
        raise OSError(*error.args) from None
    finally:
        os.close(number)


async def _both_ways(number: int) -> tuple[asyncio.StreamReader, _Line]:
    """An open file, as streams; it is duplicated."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    reading, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(os.dup(number), "rb", buffering=0))
    try:
        file = os.fdopen(os.dup(number), "wb", buffering=0)
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, file)
    except BaseException:
        reading.close()
        raise
    return reader, _Line(transport, protocol, reader, reading)


def _address(name: str, text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise Misconfigured(f"Source {name}: expected HOST:PORT, such as 127.0.0.1:6024.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
