"""A broker of MQTT, and one connection to it. https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html

Version 3.1.1, which all brokers speak. The session is persistent (clean session 0): what comes while nobody is
connected waits at the broker. Nothing is acknowledged but by `Connection.done`, in the order in which it came
(MQTT-4.6.0-2), and each connection is a client of its own: an acknowledgement that is late goes nowhere, and not to
another message that has its number by then.

paho-mqtt runs a thread for each connection; what it hears is handed to the event loop.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from hilum.problems import Misconfigured

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

KEEPALIVE_SECONDS: Final = 30
_CONNECT_SECONDS: Final = 15.0
_WAITING: Final = 100
"""Messages of quality 0 that may wait to be looked at; one more is dropped, as its sender has allowed."""
_PORTS: Final = {"mqtts": 8883, "mqtt": 1883}
_PARAMETERS: Final = ("ca", "password-file")
_EXPECTED: Final = "--mqtt must look like mqtts://user@host:8883/PREFIX?password-file=PATH&ca=PATH"


class Ended(Exception):
    """The connection is over, or there never was one. Says why, for the log."""


@dataclass(frozen=True, slots=True)
class Address:
    """`prefix`: of the topics. `authority`: a file of certificates that alone are trusted, "" for the system's."""

    host: str
    port: int
    prefix: str
    tls: bool = True
    user: str = ""
    password: str = field(default="", repr=False)
    password_file: str = ""
    authority: str = ""

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises Misconfigured, which never shows what the URL holds."""
        try:
            parts = urlsplit(url)
            query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
            port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError):
            raise Misconfigured(f"{_EXPECTED}.") from None
        prefix = unquote(parts.path).strip("/")
        if not parts.hostname or not prefix or set(query) - set(_PARAMETERS) or parts.fragment:
            raise Misconfigured(f"{_EXPECTED}.")
        if any(sign in prefix for sign in "+#\0") or prefix.startswith("$"):
            raise Misconfigured(
                "The PREFIX of --mqtt is the beginning of a topic, with no wildcards and no $ at first."
            )
        password, named = unquote(parts.password or ""), query.get("password-file", [""])[0]
        if (password or named) and not parts.username:
            raise Misconfigured("--mqtt has a password and no user.")
        return cls(
            parts.hostname,
            port,
            prefix,
            parts.scheme == "mqtts",
            unquote(parts.username or ""),
            password,
            named,
            query.get("ca", [""])[0],
        )

    def prepared(self) -> None:
        """Look once at all that a connection needs. Raises Misconfigured."""
        _client(self, "hilum")

    def secret(self) -> str:
        """The password, read anew for each connection, so that it can be changed. Raises Misconfigured."""
        if not self.password_file:
            return self.password
        try:
            return Path(self.password_file).read_text("utf-8").strip()
        except (OSError, ValueError):
            raise Misconfigured("The password-file of --mqtt can't be read.") from None

    def context(self) -> ssl.SSLContext:
        """Certificates are verified, and so is the name. Raises Misconfigured."""
        try:
            return ssl.create_default_context(cafile=self.authority or None)
        except (OSError, ssl.SSLError):
            raise Misconfigured("The ca of --mqtt is no file of certificates.") from None


class Message(NamedTuple):
    """What came. `id`, `quality`: by which it is acknowledged."""

    topic: str
    content: bytes
    id: int
    quality: int


class Connection:
    """One, from `open` to `close`."""

    def __init__(self, client: Client, address: Address, topics: tuple[str, ...]) -> None:
        self._client, self._address, self._topics = client, address, topics
        self._loop = asyncio.get_running_loop()
        self._came: asyncio.Queue[Message] = asyncio.Queue()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._over: asyncio.Future[str] = self._loop.create_future()
        self._sent: dict[int, asyncio.Future[None]] = {}
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_message = self._heard
        client.on_publish = self._published
        client.on_disconnect = self._disconnected

    @classmethod
    async def open(cls, address: Address, client_id: str, topics: tuple[str, ...]) -> Connection:
        """Connect and subscribe. Raises Ended, Misconfigured."""
        client = _client(address, client_id)
        one = cls(client, address, topics)
        try:
            await asyncio.to_thread(client.connect, address.host, address.port, KEEPALIVE_SECONDS)
            client.loop_start()
            either: set[asyncio.Future[Any]] = {one._ready, one._over}
            await asyncio.wait(either, timeout=_CONNECT_SECONDS, return_when="FIRST_COMPLETED")
        except (OSError, ValueError) as error:
            await one.close()
            raise Ended(f"no connection: {type(error).__name__}") from None
        except BaseException:
            await one.close()
            raise
        if not one._ready.done():
            why = one._over.result() if one._over.done() else "the broker did not answer in time"
            await one.close()
            raise Ended(why)
        return one

    async def next(self) -> Message:
        """The next one. Raises Ended, also when more came before: the broker sends it again."""
        getting = asyncio.ensure_future(self._came.get())
        try:
            either: set[asyncio.Future[Any]] = {getting, self._over}
            await asyncio.wait(either, return_when="FIRST_COMPLETED")
            if self._over.done():
                raise Ended(self._over.result())
            return getting.result()
        finally:
            getting.cancel()

    async def publish(self, topic: str, content: bytes) -> None:
        """When this returns the broker has it (quality 1). Raises Ended."""
        sent = self._loop.create_future()
        info = self._client.publish(topic, content, qos=1)
        self._sent[info.mid] = sent
        try:
            either: set[asyncio.Future[Any]] = {sent, self._over}
            await asyncio.wait(either, return_when="FIRST_COMPLETED")
        finally:
            self._sent.pop(info.mid, None)
        if not sent.done():
            raise Ended(self._over.result())

    def done(self, message: Message) -> None:
        """The broker may forget it."""
        if message.quality:
            self._client.ack(message.id, message.quality)

    async def close(self) -> None:
        """Say goodbye; the session stays with the broker."""
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        for one in (self._ready, self._over):
            one.cancel()

    # --- called by paho's thread --------------------------------------------------------------------------------------

    def _connected(self, client: Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self._tell(self._end, f"the broker refuses the connection: {code}")
        else:
            client.subscribe([(topic, 1) for topic in self._topics])

    def _subscribed(self, client: Client, userdata: Any, mid: int, codes: Any, properties: Any) -> None:
        if any(code.is_failure for code in codes):
            self._tell(self._end, "the broker refuses the subscription: its access list has to allow it")
        else:
            self._tell(self._begin)

    def _heard(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        if message.qos or self._came.qsize() < _WAITING:
            self._tell(self._came.put_nowait, Message(message.topic, bytes(message.payload), message.mid, message.qos))

    def _published(self, client: Client, userdata: Any, mid: int, code: Any, properties: Any) -> None:
        self._tell(self._has, mid)

    def _disconnected(self, client: Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        self._tell(self._end, f"the connection ended: {code}")

    def _tell(self, told: Any, *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(told, *arguments)

    # --- in the event loop --------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _end(self, why: str) -> None:
        if not self._over.done():
            self._over.set_result(why)

    def _has(self, mid: int) -> None:
        sent = self._sent.get(mid)
        if sent is not None and not sent.done():
            sent.set_result(None)


def _client(address: Address, client_id: str) -> Client:
    """Raises Misconfigured."""
    try:
        from paho.mqtt.client import Client, MQTTv311
        from paho.mqtt.enums import CallbackAPIVersion
    except ImportError:
        raise Misconfigured("--mqtt needs the extra hilum[mqtt].") from None
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id,
        clean_session=False,
        protocol=MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.connect_timeout = _CONNECT_SECONDS
    if address.user:
        client.username_pw_set(address.user, address.secret() or None)
    if address.tls:
        client.tls_set_context(address.context())
    return client
