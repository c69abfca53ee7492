"""Somebody else names the address that hilum fetches keys from: nothing inside is reached, nothing waits without end.

https://owasp.org/www-community/attacks/Server_Side_Request_Forgery, https://www.rfc-editor.org/rfc/rfc7591#section-5
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest
from tests.conformance.smart.ground import Ground
from tests.conformance.smart.visitor import address
from tests.journeys.attacked import FLAGS, ground
from tests.journeys.server import Server
from tests.journeys.test_attacks_at_once import backend
from tests.journeys.test_attacks_on_assertions import EC, Aimed
from tests.journeys.test_smart_backend import public

from hilum.access.ledger import Ledger
from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.oauth.ledger import CLIENT, Client, Put, write

T = TypeVar("T")

DOCUMENT = json.dumps({"keys": [public(EC)]}).encode()


class Listener:
    """Takes connections on this machine, on every address of it, and answers what it is told to."""

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self.answer, self.met = answer, 0
        self._socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.met += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                self.answer(connection)
            except OSError:
                pass

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"

    def close(self) -> None:
        self._socket.close()


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def always(raw: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(raw)


@pytest.fixture
def listening() -> Iterator[Callable[[Callable[[socket.socket], None]], Listener]]:
    made: list[Listener] = []

    def one(answer: Callable[[socket.socket], None]) -> Listener:
        made.append(Listener(answer))
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Where keys on this machine are fine, over http."""
    yield from ground(tmp_path_factory, flags=FLAGS[:2])


class Production(Ground):
    """Where keys on this machine are not fine."""

    def run(self, work: Callable[[Ledger], Awaitable[T]]) -> T:
        async def opened() -> T:
            store = await open_store(Settings.read({"data": str(self.server.data), "environment": "production"}))
            try:
                return await work(store.ledger)
            finally:
                await store.close()

        return asyncio.run(opened())


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    running = Server(tmp_path_factory.mktemp("production"), *FLAGS[:2], "--env", "production")
    yield Production(running)
    running.stop()


def registered(ground: Ground, url: str) -> Aimed:
    """A client with this jwks_uri, past all checks of registration: as one that an older version let in."""
    id = f"c-{time.time_ns()}"
    client = Client("Nightly", "private_key_jwt", "system/*.rs", grants=("client_credentials",), jwks_uri=url)
    put = Put(CLIENT, id.encode(), write(client))
    assert ground.run(lambda ledger: ledger.add(put))
    return Aimed(ground, id)


INSIDE = (
    "http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/", "https://localhost:{port}/", "https://LOCALHOST:{port}/",
    "https://localhost.:{port}/", "https://127.1:{port}/", "https://127.0.1:{port}/", "https://2130706433:{port}/",
    "https://0x7f000001:{port}/", "https://0x7f.0.0.1:{port}/", "https://0177.0.0.1:{port}/",
    "https://017700000001:{port}/", "https://0:{port}/", "https://0.0.0.0:{port}/", "https://127.0.0.1.:{port}/",
    "https://127.255.255.254:{port}/", "https://[::1]:{port}/", "https://[::]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/", "https://[::ffff:127.0.0.1]:{port}/", "https://[::ffff:7f00:1]:{port}/",
    "https://[::127.0.0.1]:{port}/", "https://[64:ff9b::127.0.0.1]:{port}/", "https://[2002:7f00:1::]:{port}/",
    "https://[::1%25lo]:{port}/", "https://[fe80::1%25lo]:{port}/", "https://user@127.0.0.1:{port}/",
    "https://example.org@127.0.0.1:{port}/", "https://127.0.0.1:{port}@example.org/", "https://127.0.0.1\\@x:{port}/",
    "https://127.0.0.1:{port}#@example.org/", "https://①②⑦.0.0.1:{port}/", "https://127。0。0。1:{port}/",
    "https://localhost%00.example.org:{port}/", "https://127.0.0.1%2e:{port}/", "file:///etc/passwd",
    "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_x", "unix:///var/run/docker.sock", "//127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/", "https:///127.0.0.1:{port}/", "https://127.0.0.1:{port}/\r\nHost: x", "https://", "x",
    "https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/", "https://100.100.100.200/",
    "https://192.0.0.192/", "https://metadata.google.internal/", "https://10.0.0.1/", "https://172.16.0.1/",
    "https://192.168.0.1/", "https://100.64.0.1/", "https://224.0.0.1/", "https://255.255.255.255/",
    "https://240.0.0.1/", "https://198.18.0.1/", "https://[fc00::1]/", "https://[ff02::1]/", "https://[2001::1]/",
)  # fmt: skip


@pytest.mark.parametrize("url", INSIDE)
def test_nothing_inside_is_asked(production: Ground, listening: Any, url: str) -> None:
    listener = listening(always(response(DOCUMENT)))
    aimed = registered(production, url.format(port=listener.port))
    answer = aimed.ask(aimed.made())
    assert (answer.status_code, answer.json()) == (
        401,
        {"error": "invalid_client", "error_description": "Key: the registered key set could not be fetched."},
    )
    assert listener.met == 0


@pytest.mark.parametrize("url", [one for one in INSIDE if not one.startswith(("https://[", "https://1", "https://2"))])
def test_what_is_no_address_of_the_web_is_not_registered(sandbox: Ground, url: str) -> None:
    document = {"token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"],
                "redirect_uris": [], "jwks_uri": url.format(port=8443), "scope": "system/*.rs"}  # fmt: skip
    headers = address() | {"authorization": f"Bearer {sandbox.invitation('system/*.rs')}"}
    answer = httpx.post(f"{sandbox.origin}/auth/register", json=document, headers=headers)
    if answer.status_code == 201:  # a form that is one: whether it may be reached is judged when it is asked
        aimed = Aimed(sandbox, answer.json()["client_id"])
        assert aimed.ask(aimed.made()).status_code == 401
    else:
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


def test_a_sound_set_is_fetched(sandbox: Ground, listening: Any) -> None:
    listener = listening(always(response(DOCUMENT)))
    aimed = Aimed(sandbox, backend(sandbox, jwks_uri=listener.url))
    assert aimed.ask(aimed.made()).status_code == 200
    assert listener.met == 1


def _slowly(raw: bytes, pause: float) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        for byte in raw:
            connection.sendall(bytes([byte]))
            time.sleep(pause)

    return answer


def _without_end(begin: bytes, more: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(more)

    return answer


BOMB = gzip.compress(b'{"keys":[' + b" " * (64 << 20) + b"]}")

BAD: dict[str, Callable[[socket.socket], None]] = {
    "silence": lambda connection: time.sleep(20),
    "a byte a second": _slowly(response(DOCUMENT), 0.5),
    "a head without end": _without_end(b"HTTP/1.1 200 OK\r\n", b"x-more: " + b"a" * 1000 + b"\r\n"),
    "a body without end": _without_end(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536),
    "chunks without end": _without_end(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "informational answers without end": _without_end(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "a length of a terabyte": always(b"HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n{}"),
    "a length that is none": always(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}"),
    "two lengths": always(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\n{}"),
    "less than it said": always(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + DOCUMENT),
    "compressed otherwise": always(response(zlib.compress(DOCUMENT), "content-encoding: deflate")),
    "compressed, and cut off": always(response(gzip.compress(DOCUMENT)[:-9], "content-encoding: gzip")),
    "a gzip bomb": always(response(BOMB, "content-encoding: gzip")),
    "a gzip bomb that says nothing": always(response(BOMB)),
    "no HTTP": always(b"\x16\x03\x01\x02\x00" * 100),
    "HTTP/0.9": always(DOCUMENT),
    "an empty body": always(response(b"")),
    "a list": always(response(b"[]")),
    "keys that are no list": always(response(b'{"keys":{}}')),
    "keys that are numbers": always(response(b'{"keys":[1,2]}')),
    "brackets": always(response(b"[" * 100_000)),
    "NaN": always(response(b'{"keys":[NaN]}')),
    "a number of 100,000 digits": always(response(b'{"keys":' + b"9" * 100_000 + b"}")),
    "bytes that are no UTF-8": always(response(b'{"keys":["\xff"]}')),
    "a page of HTML": always(response(b"<html>", "content-type: text/html")),
    "51 keys": always(response(json.dumps({"keys": [public(EC)] * 51}).encode())),
    "not found": always(response(DOCUMENT, status="404 Not Found")),
    "an error": always(response(DOCUMENT, status="500 Internal Server Error")),
    "no content": always(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "another protocol": always(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n" + DOCUMENT),
    "an RSA key of 16,384 bits": always(response(json.dumps(
        {"keys": [{"kty": "RSA", "kid": "ec", "alg": "RS384", "n": "_" * 2731, "e": "AQAB"}]}).encode())),
    "a point that is on no curve": always(response(json.dumps(
        {"keys": [{"kty": "EC", "crv": "P-384", "kid": "ec", "x": "A" * 64, "y": "A" * 64}]}).encode())),
    "a point of another curve": always(response(json.dumps(
        {"keys": [public(EC) | {"crv": "P-256"}]}).encode())),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_key_set_is_refused_in_bounded_time_and_memory(sandbox: Ground, listening: Any, name: str) -> None:
    listener = listening(BAD[name])
    aimed = Aimed(sandbox, backend(sandbox, jwks_uri=listener.url))
    before, began = sandbox.server.memory(), time.monotonic()
    answer = aimed.ask(aimed.made())
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text
    assert time.monotonic() - began < 20, "five seconds are its own limit"
    assert listener.met == 1
    assert sandbox.server.memory() - before < 48 << 20
    assert aimed.ask(aimed.made()).status_code == 401
    assert listener.met == 1, "a failure is kept for a while"


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
def test_a_redirect_is_not_followed(sandbox: Ground, listening: Any, status: str) -> None:
    inner = listening(always(response(DOCUMENT)))
    outer = listening(always(response(b"", f"location: {inner.url}", status=f"{status} Moved")))
    aimed = Aimed(sandbox, backend(sandbox, jwks_uri=outer.url))
    assert aimed.ask(aimed.made()).status_code == 401
    assert (outer.met, inner.met) == (1, 0)


def test_a_slow_server_of_keys_keeps_nobody_else_waiting(sandbox: Ground, listening: Any) -> None:
    slow = listening(lambda connection: time.sleep(20))
    quick = listening(always(response(DOCUMENT)))
    waiting = Aimed(sandbox, backend(sandbox, jwks_uri=slow.url))
    others = [Aimed(sandbox, backend(sandbox, jwks_uri=f"{quick.url}?{number}")) for number in range(3)]
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(waiting.ask(waiting.made()).status_code)) for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    while slow.met == 0:
        time.sleep(0.01)
    for other in others:
        assert other.ask(other.made()).status_code == 200
        assert answers == [], "while the others wait"
    for thread in threads:
        thread.join()
    assert answers == [401] * 10
    assert slow.met == 1, "all wait for one"


def test_strangers_can_not_make_it_fetch_again_and_again(sandbox: Ground, listening: Any) -> None:
    """Anyone can name a client and a kid: an unknown one is looked for once in thirty seconds."""
    listener = listening(always(response(DOCUMENT)))
    aimed = Aimed(sandbox, backend(sandbox, jwks_uri=listener.url))
    for number in range(30):
        assert aimed.ask(aimed.made({"kid": f"made up {number}"})).status_code == 401
    assert listener.met == 1
    assert aimed.ask(aimed.made()).status_code == 200


def test_the_error_tells_nothing_of_what_is_inside(sandbox: Ground, listening: Any) -> None:
    """Closed port, wrong answer, silence: one text, so that nobody scans a network by it."""
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    texts = set()
    for url in (f"http://127.0.0.1:{port}/", listening(always(response(b"secret"))).url, "https://[fc00::1]/x"):
        aimed = Aimed(sandbox, backend(sandbox, jwks_uri=url))
        texts.add(aimed.ask(aimed.made()).text)
    assert len(texts) == 1
