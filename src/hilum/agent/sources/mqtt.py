"""Topics of an MQTT broker. A message is acknowledged when the sink has it: until then the broker keeps it for us.

A persistent session (a client id that stays, no clean session) and QoS 1. MQTT 3.1.1, 4.3.2 and 4.4: what was not
acknowledged is sent again when we come back. paho-mqtt itself, since aiomqtt 2.5 acknowledges when its callback
returns, before anybody has kept anything; its network thread waits for the sink, so that one message at a time is here.
https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec

from hilum.agent.source import Full, Sink
from hilum.agent.sources.payloads import Reader
from hilum.agent.sources.settings import named, secret, settled
from hilum.phd.malformed import Malformed
from hilum.problems import Misconfigured

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

_log: Final = logging.getLogger("hilum.agent")
_SHORTEST, _LONGEST = 1.0, 120.0
_FULL_SECONDS: Final = 30.0
_LARGEST: Final = 1 << 20
_PORTS: Final = {"mqtts": 8883, "mqtt": 1883}
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_ACKNOWLEDGED: Final = 1
"""QoS."""
_Topic = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`broker`: mqtts://HOST[:PORT]; mqtt:// goes to this machine only, unless `unencrypted` says that it may go on.

    `ca`: a file of certificates to trust instead of the system's. `password`: a file. `client`: by which the broker
    knows us again. `patients`: as `Reader` has them.
    """

    broker: str
    topics: Annotated[list[_Topic], msgspec.Meta(min_length=1)]
    ca: str = ""
    user: str = ""
    password: str = ""
    client: str = ""
    unencrypted: bool = False
    keepalive: Annotated[int, msgspec.Meta(ge=5, le=65535)] = 60
    patients: dict[str, Annotated[int, msgspec.Meta(ge=0, le=65535)]] = {}


def source(table: Mapping[str, Any]) -> Mqtt:
    """The source that a table of `agent.toml` describes. Raises Misconfigured."""
    name, system_id = named(table)
    settings = settled(name, table, Settings)
    try:
        url = urlsplit(settings.broker)
        host, port = url.hostname or "", url.port or _PORTS.get(url.scheme, 0)
    except ValueError:
        host, port = "", 0
    if not host or not port or url.path.strip("/") or "@" in url.netloc:
        raise Misconfigured(f"Source {name}: broker: expected mqtts://HOST or mqtts://HOST:PORT.")
    if url.scheme == "mqtt" and host not in _LOOPBACK and not settings.unencrypted:
        raise Misconfigured(
            f"Source {name}: broker: mqtt:// sends readings in the clear; expected mqtts://, or unencrypted = true."
        )
    context = None
    if url.scheme == "mqtts":
        try:
            context = ssl.create_default_context(cafile=settings.ca or None)
        except (OSError, ssl.SSLError):
            raise Misconfigured(f"Source {name}: ca: {settings.ca} holds no certificates that can be read.") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    password = secret(name, "password", settings.password) if settings.password else ""
    client = settings.client or f"hilum-{system_id.hex()}-{name}"
    return Mqtt(name, settings, Reader(system_id, settings.patients), host, port, context, password, client)


@dataclass(slots=True)
class Mqtt:
    """The source."""

    name: str
    settings: Settings
    reader: Reader
    host: str
    port: int
    context: ssl.SSLContext | None = field(repr=False)
    password: str = field(repr=False)
    client: str

    async def run(self, sink: Sink) -> None:
        """As `Source.run`. A broker that is not there is tried again, ever more slowly."""
        try:
            import paho.mqtt.client  # noqa: F401
        except ImportError:
            raise Misconfigured(f"Source {self.name}: paho-mqtt is not installed: pip install paho-mqtt") from None
        wait = _SHORTEST
        while True:
            session = _Session(self, sink, asyncio.get_running_loop())
            await session.run()
            if session.full:
                wait = _FULL_SECONDS
            elif session.connected:
                wait = _SHORTEST
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = min(2 * wait, _LONGEST)


class _Session:
    """One connection, until it ends."""

    def __init__(self, source: Mqtt, sink: Sink, loop: asyncio.AbstractEventLoop) -> None:
        self._source, self._sink, self._loop = source, sink, loop
        self._ended = asyncio.Event()
        self._over = False
        self._keeping: asyncio.Task[Any] | None = None
        self.connected = self.full = False

    async def run(self) -> None:
        """Connect, subscribe, take. Returns where the connection ends."""
        client = self._client()
        source = self._source
        try:
            await asyncio.to_thread(client.connect, source.host, source.port, source.settings.keepalive)
            client.loop_start()
            await self._ended.wait()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            _log.warning("mqtt-unreachable source=%s error=%s", source.name, type(error).__name__)
        finally:
            self._over = True
            client.disconnect()
            if self._keeping is not None:
                self._keeping.cancel()
            await asyncio.to_thread(client.loop_stop)

    def _client(self) -> Client:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion

        source = self._source
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=source.client,
            clean_session=False,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if source.context is not None:
            client.tls_set_context(source.context)
        if source.settings.user:
            client.username_pw_set(source.settings.user, source.password or None)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    # On paho's thread

    def _on_connect(self, client: Client, _: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            _log.warning("mqtt-not-let-in source=%s code=%d", self._source.name, reason.value)
            self._end()
            return
        self.connected = True
        client.subscribe([(topic, _ACKNOWLEDGED) for topic in self._source.settings.topics])

    def _on_subscribe(self, client: Client, _: Any, number: int, reasons: list[Any], properties: Any) -> None:
        refused = sum(one.is_failure for one in reasons)
        if refused:
            _log.warning("mqtt-not-subscribed source=%s topics=%d", self._source.name, refused)
        if refused == len(reasons):
            self.connected = False  # so that it is tried again slowly
            self._end()

    def _on_disconnect(self, client: Client, _: Any, flags: Any, reason: Any, properties: Any) -> None:
        if not self._over:
            _log.info("mqtt-disconnected source=%s code=%d", self._source.name, reason.value)
        self._end()

    def _on_message(self, client: Client, _: Any, message: MQTTMessage) -> None:
        """What is not kept is not acknowledged, and nothing after it either."""
        if self._over:
            return
        at = datetime.now(UTC).astimezone()
        keeping = asyncio.run_coroutine_threadsafe(self._kept(bytes(message.payload), at), self._loop)
        try:
            if keeping.result():
                client.ack(message.mid, message.qos)
                return
        except CancelledError:
            pass
        except Exception:  # the sink's own trouble: to the loop it would be lost, and this thread with it
            _log.exception("mqtt-failed source=%s", self._source.name)
            self.connected = False
        self._end()

    def _end(self) -> None:
        self._over = True
        self._loop.call_soon_threadsafe(self._ended.set)

    # On the loop

    async def _kept(self, data: bytes, at: datetime) -> bool:
        """False: it is not. Set and cancelled on the loop alone, so that neither can come between the other."""
        if self._over:
            return False
        self._keeping, name = asyncio.current_task(), self._source.name
        if len(data) > _LARGEST:
            await self._sink.refuse(name, "", data[:_LARGEST], f"{len(data)} bytes; expected {_LARGEST} at most")
            return True
        try:
            found = self._source.reader.read(data, at, recorded=False)
        except Malformed as error:
            await self._sink.refuse(name, "", data, str(error))
            return True
        try:
            for taken in found.taken:
                await self._sink.take(taken)
        except Full:
            _log.warning("mqtt-full source=%s", name)
            self.full = True
            return False
        if found.wrong:
            await self._sink.refuse(name, "", data, found.wrong)
        return True
