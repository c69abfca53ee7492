"""EHRs to sign in to, over real HTTP: hilum's own authorization server, and one that says what it is told to say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from joserfc.jwk import ECKey, RSAKey
from tests.loopback import Loopback, response, serving
from tests.unit.smart.pages import Clock
from tests.unit.smart.world import World, world

from hilum.access.keys import load_or_create
from hilum.access.seal import Seal
from hilum.access.tokens import Issuer
from hilum.access.verifier import Verifier
from hilum.broker.backend import Backend
from hilum.broker.connection import Connection
from hilum.broker.connections import Connections
from hilum.broker.discovery import Discovery
from hilum.broker.reach import Send, guarded
from hilum.broker.vendors import packaged
from hilum.oauth.jwt import Key
from hilum.oauth.keeping import Ledger
from hilum.smart.site import SiteSettings
from hilum.store.memory import MemoryLedger
from hilum.web.message import Answer
from hilum.web.outbound import Guard

RSA = RSAKey.generate_key(2048)
EC = ECKey.generate_key("P-384")
VENDORS = packaged()
HERE = guarded(lambda: Guard(loopback=True, seconds=5))


@dataclass(frozen=True)
class Signing:
    kid: str
    alg: str
    key: Key


class Keys:
    """Client keys that are there from the beginning. `kid`: what they say that they are."""

    def __init__(self, kid: str = "one") -> None:
        self.kid = kid

    async def signing(self, alg: str) -> Signing:
        return Signing(self.kid, alg, RSA if alg == "RS384" else EC)


def published(kid: str = "one") -> dict[str, Any]:
    """Their public halves."""
    return {"keys": [{**key.as_dict(private=False), "kid": kid} for key in (RSA, EC)]}


def connection(base: str = "https://ehr.example.org/fhir", **other: Any) -> Connection:
    values: dict[str, Any] = {
        "name": "lake",
        "environment": "sandbox",
        "vendor": "plain",
        "base": base,
        "client_id": "broker",
        "method": "private_key_jwt",
        "system_scopes": "system/*.rs",
        "alg": "ES384",
        "origin": "kim",
    }
    return Connection(**(values | other))


def seal(folder: Path) -> Seal:
    folder.mkdir(exist_ok=True)
    return Seal(load_or_create(folder, "sandbox"))


@dataclass
class Ehr:
    """An EHR that runs. `asked`: the forms that came to the token endpoint; `proofs`: the Authorization headers."""

    base: str
    clock: Clock
    asked: list[dict[str, str]] = field(default_factory=list)
    proofs: list[str] = field(default_factory=list)
    world: World | None = None
    """Of hilum's own."""


@asynccontextmanager
async def hilum(**client: Any) -> AsyncIterator[Ehr]:
    """hilum's authorization server, where the client `broker` is registered for these keys."""
    found = await world()
    here = Ehr("", _clock(found), world=found)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        method, target, headers, body = _read(request)
        if target == "/auth/token":
            here.asked.append(dict(parse_qsl(body.decode())))

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        path, _, query = target.partition("?")
        said, _ = await found.browser.smart.respond(
            method, path.encode(), query.encode(), headers, receive, "203.0.113.9"
        )
        writer.write(_raw(said, here.clock))

    async with serving(answer) as server:
        origin = f"http://127.0.0.1:{server.port}"
        here.base = f"{origin}/fhir"
        site = replace(
            found.site,
            settings=SiteSettings(origin, here.base),
            issuer=Issuer(found.site.ring, here.base, here.clock),
            verifier=Verifier(found.site.ring, found.site.ledger, here.base, clock=here.clock),
        )
        found.site = found.browser.smart.site = site
        given: dict[str, Any] = {
            "name": "Broker",
            "method": "private_key_jwt",
            "scopes": "system/*.rs",
            "grants": ("client_credentials",),
            "redirects": (),
            "jwks": published(),
        }
        await found.add("broker", **(given | client))
        yield here


def _clock(of: World) -> Clock:
    clock = of.site.clock
    assert isinstance(clock, Clock)
    return clock


def _read(request: bytes) -> tuple[str, str, dict[bytes, bytes], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.decode().split(" ")
    fields = (line.partition(b":") for line in lines)
    return method, target, {name.lower(): value.strip() for name, _, value in fields}, body


def _raw(said: Answer, clock: Clock) -> bytes:
    lines = [b"HTTP/1.1 %d OK" % said.status, b"content-length: %d" % len(said.body)]
    lines += [name + b": " + value for name, value in said.headers]
    lines.append(b"date: " + formatdate(clock(), usegmt=True).encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + said.body


Said = tuple[int, Any, Mapping[str, str]]
"""Status, a body (JSON, or bytes as they are), headers."""


def said(status: int = 200, body: Any = b"", **headers: str) -> Said:
    return status, body, {name.replace("_", "-"): value for name, value in headers.items()}


def granted(token: str = "t-1", seconds: Any = 300, **other: Any) -> Said:
    return said(
        200, {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": "system/*.rs"} | other
    )


@asynccontextmanager
async def telling(
    tell: Callable[[str, str, Mapping[str, str]], Said], clock: Clock | None = None
) -> AsyncIterator[Ehr]:
    """An EHR that answers what `tell` makes of method, path and form; discovery is answered where it makes a 404."""
    here = Ehr("", clock or Clock())

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        method, target, fields, body = _read(request)
        form = dict(parse_qsl(body.decode()))
        if method == "POST":
            here.asked.append(form)
            here.proofs.append(fields.get(b"authorization", b"").decode())
        status, content, headers = tell(method, target, form)
        if status == 404 and target == "/fhir/.well-known/smart-configuration" and content == b"":
            status, content = 200, {"token_endpoint": f"{here.base}/token"}
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        lines = [f"{name}: {value}".encode() for name, value in headers.items()]
        writer.write(response(raw, *lines, status=f"{status} Said".encode()))

    async with serving(answer) as server:
        here.base = _base(server)
        yield here


def _base(server: Loopback) -> str:
    return f"http://127.0.0.1:{server.port}/fhir"


def answering(*answers: Said) -> Callable[[str, str, Mapping[str, str]], Said]:
    """The token endpoint says one after the other, the last one again and again."""
    left = list(answers)

    def tell(method: str, path: str, form: Mapping[str, str]) -> Said:
        if method == "POST":
            return left.pop(0) if len(left) > 1 else left[0]
        return said(404)

    return tell


class Slept:
    """`sleep` that takes no time, but that of the clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.clock.now += seconds
        await asyncio.sleep(0)


@dataclass
class Broker:
    """One process of the broker: what it remembers, and what it shares with others by the ledger."""

    clock: Clock
    ledger: Ledger
    connections: Connections
    backend: Backend
    slept: Slept


def broker(folder: Path, clock: Clock, ledger: Ledger | None = None, send: Send = HERE, **other: Any) -> Broker:
    shared = ledger or MemoryLedger(lambda: int(clock() * 1_000_000))
    slept, sealing = Slept(clock), seal(folder)
    connections = Connections(shared, sealing, "sandbox", vendors=frozenset(VENDORS), clock=clock)
    values = {"clock": clock, "sleep": slept} | other
    keys = values.pop("keys", Keys())
    discovery = Discovery(send, clock, clock)
    backend = Backend(connections, discovery, keys, shared, sealing, send, VENDORS, **values)
    return Broker(clock, shared, connections, backend, slept)
