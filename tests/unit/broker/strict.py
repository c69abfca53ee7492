"""A small EHR that signs people in, takes nothing that is not as it should be, and can be told to misbehave.

It shares no code with hilum but what names the specification's own algorithms; everybody is signed in there already.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey
from tests.loopback import serving

from hilum.web.outbound import Fetched, Unreachable

RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-384", {"kid": "ec", "use": "sig"})
SECRET = "s3cret/+ %"
PATIENT = "eM5CWtq15N0WJeuCet5bJlQ3"
Change = Mapping[str, Any]
"""What is said otherwise than it should be; None: what is left out."""


@dataclass
class Strict:
    """`rotates`: a refresh token serves once, and two uses of one end the grant (`stolen`). `spent`: how often each was
    sent. `before`: waits, or dies, or answers instead: status, body, and None for what it should be.
    """

    origin: str = "https://ehr.example.org"
    rotates: bool = True
    life: int = 570
    metadata: Change = field(default_factory=dict)
    provider: Change = field(default_factory=dict)
    said: Change = field(default_factory=dict)
    claims: Change = field(default_factory=dict)
    answers: Change = field(default_factory=dict)
    signs: Any = field(default_factory=lambda: RSA)
    algorithm: str = "RS256"
    forged: str = ""
    before: Callable[[dict[str, str]], Awaitable[tuple[int, Any, dict[str, str]] | None]] | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refresh: dict[str, bool] = field(default_factory=dict)
    access: set[str] = field(default_factory=set)
    asked: list[dict[str, str]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    spent: Counter[str] = field(default_factory=Counter)
    spending: asyncio.Event = field(default_factory=asyncio.Event)
    stolen: int = 0
    revoked: list[tuple[str, str]] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"{self.origin}/api/FHIR/R4"

    def agreed(self, location: str, **changed: str) -> str:
        """Somebody follows the link, signs in and agrees: where the browser is sent back to."""
        asked = dict(pairs := parse_qsl(urlsplit(location).query, strict_parsing=True))
        assert len(asked) == len(pairs), "a parameter is there twice"
        assert location.startswith(f"{self.origin}/oauth2/authorize?"), location
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        assert asked["client_id"] == "hilum-at-lake"
        assert asked["redirect_uri"] == "https://hilum.example.org/callback/lake"
        assert asked["aud"].rstrip("/") == self.base
        assert len(asked["state"]) >= 22 and len(asked["code_challenge"]) == 43
        words = asked["scope"].split()
        assert ("launch" in words) == ("launch" in asked)
        assert ("openid" in words) == ("nonce" in asked)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.origin}
        return f"{asked['redirect_uri']}?{urlencode(_changed(_changed(answer, self.answers), changed))}"

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, *, limit: int) -> Fetched:
        """As hilum sends, without a network."""
        if not url.startswith(self.origin):
            raise Unreachable("name")
        status, said, more = await self.respond(method, url.removeprefix(self.origin), headers, body)
        return Fetched(status, more, said if isinstance(said, bytes) else json.dumps(said).encode())

    async def respond(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Any, dict[str, str]]:
        self.seen.append(f"{method} {path}")
        if (method, path) == ("POST", "/oauth2/token"):
            form = dict(parse_qsl(body.decode(), strict_parsing=True))
            self.asked.append(form)
            instead = await self.before(form) if self.before else None
            return instead or self._token(form, headers)
        if (method, path) == ("POST", "/oauth2/revoke"):
            form = dict(parse_qsl(body.decode(), strict_parsing=True))
            if not self._known(form, headers):
                return 401, {"error": "invalid_client"}, {}
            self.revoked.append((form["token_type_hint"], form["token"]))
            self.refresh.pop(form["token"], None)
            self.access.discard(form["token"])
            return 200, {}, {}
        found = {
            "/api/FHIR/R4/.well-known/smart-configuration": self._smart,
            "/.well-known/openid-configuration": self._openid,
            "/api/FHIR/R4/.well-known/openid-configuration": self._openid,
            "/oauth2/keys": lambda: {"keys": [key.as_dict(private=False) for key in (RSA, EC)]},
        }.get(path)
        return (404, {}, {}) if found is None else (200, found(), {})

    def _smart(self) -> dict[str, Any]:
        return _changed(
            {
                "issuer": self.origin,
                "authorization_endpoint": f"{self.origin}/oauth2/authorize",
                "token_endpoint": f"{self.origin}/oauth2/token",
                "jwks_uri": f"{self.origin}/oauth2/keys",
                "capabilities": ["launch-ehr", "launch-standalone", "sso-openid-connect"],
                "code_challenge_methods_supported": ["S256"],
            },
            self.metadata,
        )

    def _openid(self) -> dict[str, Any]:
        return _changed({"issuer": self.origin, "jwks_uri": f"{self.origin}/oauth2/keys"}, self.provider)

    def _token(self, form: dict[str, str], headers: Mapping[str, str]) -> tuple[int, Any, dict[str, str]]:
        if not self._known(form, headers):
            return 401, {"error": "invalid_client"}, {}
        if form["grant_type"] == "refresh_token":
            return self._renewed(form["refresh_token"])
        asked = self.codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if (
            asked is None
            or form["redirect_uri"] != asked["redirect_uri"]
            or challenge.decode() != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}, {}
        more = {"refresh_token": self._new()} if "offline_access" in asked["scope"] else {}
        if "openid" in asked["scope"]:
            more["id_token"] = self._id_token(asked)
        return 200, _changed(self._issued(asked["scope"]) | {"patient": PATIENT} | more, self.said), {}

    def _renewed(self, token: str) -> tuple[int, Any, dict[str, str]]:
        self.spent[token] += 1
        self.spending.set()
        fresh = self.refresh.get(token)
        if not fresh:
            if fresh is False:  # RFC 9700, 4.14.2: somebody has stolen it
                self.stolen += 1
                self.refresh.clear()
            return 400, {"error": "invalid_grant"}, {}
        more = {}
        if self.rotates:
            self.refresh[token] = False
            more = {"refresh_token": self._new()}
        return 200, _changed(self._issued("patient/*.rs") | more, self.said), {}

    def _issued(self, scope: str) -> dict[str, Any]:
        token = secrets.token_urlsafe(16)
        self.access.add(token)
        return {"access_token": token, "token_type": "bearer", "expires_in": self.life, "scope": scope}

    def _new(self) -> str:
        token = secrets.token_urlsafe(16)
        self.refresh[token] = True
        return token

    def _known(self, form: Mapping[str, str], headers: Mapping[str, str]) -> bool:
        proof = headers.get("authorization", "")
        if proof:
            id, _, secret = base64.b64decode(proof.removeprefix("Basic ")).decode().partition(":")
            return (unquote_plus(id), unquote_plus(secret), "client_id" in form) == ("hilum-at-lake", SECRET, False)
        return form.get("client_id") == "hilum-at-lake" and form.get("client_secret", SECRET) == SECRET

    def _id_token(self, asked: Mapping[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.origin, "aud": asked["client_id"], "sub": "kim", "iat": now, "exp": now + 300,
            "nonce": asked["nonce"], "fhirUser": f"{self.base}/Practitioner/dr",
        }  # fmt: skip
        raw = json.dumps(_changed(claims, self.claims)).encode()
        if self.forged:
            return _by_hand({"alg": self.forged, "kid": "rsa"}, raw)
        head = {"alg": self.algorithm, "kid": self.signs.as_dict(private=False)["kid"]}
        return jws.serialize_compact(head, raw, self.signs, algorithms=[self.algorithm])


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Strict]:
    """The same over real HTTP."""
    here = Strict(**options)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        status, said, more = await here.respond(method, path, headers, body)
        raw = said if isinstance(said, bytes) else json.dumps(said).encode()
        if status == 0:  # the line is cut
            writer.transport.abort()
            return
        fields = {"content-type": "application/json", "content-length": str(len(raw))} | more
        lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)

    async with serving(answer) as server:
        here.origin = f"http://127.0.0.1:{server.port}"
        yield here


def _changed(document: Change, changed: Change) -> dict[str, Any]:
    return {name: value for name, value in {**document, **changed}.items() if value is not None}


def _by_hand(head: dict[str, str], raw: bytes) -> str:
    """A token that no library would make: of no algorithm, or of HMAC with the public key."""
    parts = [base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in (json.dumps(head).encode(), raw)]
    mac = b""
    if head["alg"] == "HS256":
        mac = hmac.digest(RSA.as_pem(private=False), ".".join(parts).encode(), "sha256")
    return ".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=").decode()])
