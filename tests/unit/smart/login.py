"""A small OpenID provider on this machine, at which everybody is signed in already, and which can be told to lie."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from tests.unit.smart.pages import ORIGIN, Page

from hilum.oauth import pkce

RSA = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "two"})
SECRET = "s3cret/+ %"


@dataclass
class Person:
    sub: str = "24400320"
    more: dict[str, Any] = field(default_factory=dict)


class Login:
    """An OpenID provider. `claims`, `metadata`, `keys`: what it says otherwise than it should."""

    def __init__(self) -> None:
        self.person = Person()
        self.claims: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.keys: list[Any] = [RSA]
        self.signs: Any = RSA
        self.algorithm = "RS256"
        self.forged = b""
        self.asked: dict[str, dict[str, str]] = {}
        self.exchanged: list[tuple[dict[str, str], str]] = []

    async def __aenter__(self) -> Login:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.issuer = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self.server.close()

    def agree(self, page: Page) -> str:
        """The person signs in there: where the browser is sent back to, below our origin."""
        location = page.answer.header(b"location") or ""
        assert location.startswith(f"{self.issuer}/authorize?"), location
        back = self.agreed(location)
        assert back.startswith(f"{ORIGIN}/")
        return back.removeprefix(ORIGIN)

    def agreed(self, location: str) -> str:
        """The redirect that answers an authorization request."""
        asked = dict(parse_qsl(urlsplit(location).query))
        code = f"code-{len(self.exchanged)}-{len(self.asked)}"
        self.asked[code] = asked
        return f"{asked['redirect_uri']}?" + urlencode({"code": code, "state": asked["state"], "iss": self.issuer})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *fields = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in fields)}
        body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
        path = line.split(" ")[1]
        if path.startswith("/authorize?"):
            writer.write(
                f"HTTP/1.1 303 See Other\r\nlocation: {self.agreed(path)}\r\ncontent-length: 0\r\n\r\n".encode()
            )
            await writer.drain()
            writer.close()
            return
        answers = {"/.well-known/openid-configuration": self._about, "/keys": self._keys}
        found = (
            answers[path]() if path in answers else self._token(dict(parse_qsl(body)), headers.get("authorization", ""))
        )
        raw = json.dumps(found).encode()
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(raw) + raw
        )
        await writer.drain()
        writer.close()

    def _about(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys",
        } | self.metadata  # fmt: skip

    def _keys(self) -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def _token(self, form: dict[str, str], authorization: str) -> dict[str, Any]:
        self.exchanged.append((form, authorization))
        asked = self.asked.pop(form.get("code", ""), None)
        if asked is None or pkce.challenge(form["code_verifier"]) != asked["code_challenge"]:
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": "hilum", "sub": self.person.sub, "iat": now, "exp": now + 300,
                  "nonce": asked["nonce"]} | self.person.more | self.claims  # fmt: skip
        if self.forged:
            return {"id_token": _signed_by_hand(claims, self.forged)}
        head = {"alg": self.algorithm, "kid": self.signs.as_dict(private=False)["kid"]}
        return {"id_token": jwt.encode(head, claims, self.signs, algorithms=[self.algorithm]), "access_token": "x"}


def _signed_by_hand(claims: dict[str, Any], key: bytes) -> str:
    """HS256 with a key that is no secret: no library does that."""
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in ({"alg": "HS256"}, claims)]
    mac = hmac.digest(key, b".".join(parts), "sha256")
    return b".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()
