"""A service without people: its keys, what it signs with them, and where its key set can be fetched."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey
from tests.conformance.smart.ground import Ground

from hilum.oauth.ledger import Client
from hilum.smart.apps import clients

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EC, RSA = ECKey.generate_key("P-384", {"kid": "ec"}), RSAKey.generate_key(2048, {"kid": "rsa"})
OTHER_EC = ECKey.generate_key("P-384", {"kid": "ec"})
NAMES: Mapping[str, ECKey | RSAKey] = {"ES384": EC, "RS384": RSA}


def public(*keys: ECKey | RSAKey) -> dict[str, Any]:
    """A JWK Set."""
    return {"keys": [dict(key.as_dict(private=False)) for key in keys or (EC, RSA)]}


def signed(head: Mapping[str, Any], claims: Mapping[str, Any], key: ECKey | RSAKey | OctKey) -> str:
    return jws.serialize_compact(dict(head), json.dumps(dict(claims)), key, algorithms=[head["alg"]])


def head_of(token: str) -> dict[str, Any]:
    """The head of a JWT, unverified."""
    return _part(token, 0)


def claims_of(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    return _part(token, 1)


def _part(token: str, number: int) -> dict[str, Any]:
    text = token.split(".")[number]
    return dict(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))


@dataclass(frozen=True)
class Service:
    """A registered client with keys. What is None in a head or in claims is left out."""

    ground: Ground
    id: str

    def claims(self, **other: Any) -> dict[str, Any]:
        given = {
            "iss": self.id,
            "sub": self.id,
            "aud": f"{self.ground.origin}/auth/token",
            "exp": int(time.time()) + 240,
            "jti": secrets.token_urlsafe(16),
        }
        return {name: value for name, value in (given | other).items() if value is not None}

    def assertion(
        self,
        alg: str = "ES384",
        *,
        key: ECKey | RSAKey | None = None,
        head: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        used = key or NAMES[alg]
        given = {"alg": alg, "kid": used.kid, "typ": "JWT"} | dict(head or {})
        return signed({name: one for name, one in given.items() if one is not None}, self.claims(**claims), used)

    def ask(
        self, scope: str | None = "system/*.rs", assertion: str | None = None, **other: str | None
    ) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": TYPE,
            "client_assertion": self.assertion() if assertion is None else assertion,
        }
        return self.ground.ask("/auth/token", form | other)

    def token(self, scope: str = "system/*.rs") -> str:
        answer = self.ask(scope)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


def service(ground: Ground, scopes: str = "system/*.rs", **more: Any) -> Service:
    """Register one as `hilum clients add --jwks` does; `more`: other fields of `hilum.oauth.ledger.Client`."""
    given: dict[str, Any] = {"grants": (clients.BACKEND,), "jwks": public()} | more
    client = Client("Nightly", clients.KEYS, scopes, **given)
    return Service(ground, ground.run(lambda ledger: clients.add(ledger, client, sandbox=True)).id)


@dataclass
class KeyServer:
    """Serves a key set. `seen`: method and headers of each request, names in lower case."""

    port: int = 0
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/jwks.json"

    def holds(self, *keys: ECKey | RSAKey, **headers: str) -> None:
        """What it serves from now on; `_` in names of headers becomes `-`."""
        self.body = json.dumps(public(*keys)).encode()
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@contextmanager
def key_server(*keys: ECKey | RSAKey, **headers: str) -> Iterator[KeyServer]:
    here = KeyServer()
    here.holds(*keys, **headers)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            here.seen.append((self.command, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(here.status)
            for name, value in ({"content-type": "application/json"} | here.headers).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(here.body)))
            self.end_headers()
            self.wfile.write(here.body)

        do_GET = do_POST = do_HEAD = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here.port = server.server_address[1]
    Thread(target=server.serve_forever, daemon=True).start()
    yield here
    server.shutdown()
    server.server_close()
