"""A SMART server for the agent to enroll at: assertions are verified, and what it refuses is the test's choice."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from tests.unit.agent.sending.far_sides import Reply, Request

Body = dict[str, Any]
JSON = {"content-type": "application/json"}


@dataclass
class SmartServer:
    """`invitation`: the token that registers. `ahead`: seconds by which its clock is before ours. `takes`: how many
    requests a token is good for. `says`: what its configuration says besides.
    """

    invitation: str = "hit_1"
    base: str = "/fhir"
    url: str = ""
    says: Body = field(default_factory=dict)
    gateway: bool = True
    ahead: float = 0.0
    takes: int = 1000
    expires: Any = 300
    keys: Body | None = None
    scope: str = ""
    token: Reply | None = None
    registering: Reply | None = None
    issued: int = 0
    left: int = 0
    registered: Body = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    sealing: Body = field(
        default_factory=lambda: ECKey.generate_key("P-256").as_dict(private=False) | {"kid": "e1", "use": "enc"}
    )

    def __call__(self, asked: Request) -> Reply:
        routes = {
            f"{self.base}/.well-known/smart-configuration": self._configuration,
            "/auth/register": self._register,
            "/auth/token": self._token,
            "/devices/me": self._me,
            "/devices/jwks.json": self._keys,
        }
        reply = routes.get(asked.path, lambda asked: Reply(404))(asked)
        reply.headers = {"date": formatdate(time.time() + self.ahead, usegmt=True)} | reply.headers
        return reply

    def allows(self, asked: Request) -> bool:
        """Whether its token is the last one that was given, and still good."""
        self.left -= 1
        return asked.headers.get("authorization") == f"Bearer t{self.issued}" and self.left >= 0

    def _configuration(self, asked: Request) -> Reply:
        said = {
            "issuer": self.url,
            "token_endpoint": f"{self.url}/auth/token",
            "registration_endpoint": f"{self.url}/auth/register",
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
            "grant_types_supported": ["client_credentials"],
        }
        return Reply(200, {name: value for name, value in (said | self.says).items() if value is not None})

    def _register(self, asked: Request) -> Reply:
        if self.registering is not None:
            return self.registering
        if asked.headers.get("authorization") != f"Bearer {self.invitation}":
            return Reply(401, {"error": "invalid_token"})
        self.invitation, self.registered = "", asked.json
        self.keys = asked.json["jwks"]
        more = {"scope": self.scope} if self.scope else {}
        return Reply(201, {"client_id": "c1", "registration_access_token": "r1", **more})

    def _token(self, asked: Request) -> Reply:
        if self.token is not None:
            return self.token
        form = {name: one for name, (one,) in parse_qs(asked.body.decode()).items()}
        if self.keys is None:
            return Reply(401, {"error": "invalid_client"})
        token = jwt.decode(form["client_assertion"], KeySet.import_key_set(self.keys), algorithms=["ES384"])
        claims, now = token.claims, time.time() + self.ahead
        assert claims["iss"] == claims["sub"] == "c1" and claims["aud"] == f"{self.url}/auth/token"
        assert form["grant_type"] == "client_credentials" and claims["jti"] not in self.seen
        self.seen.add(claims["jti"])
        if not now < claims["exp"] <= now + 300:
            return Reply(400, {"error": "invalid_client"})
        self.issued, self.left = self.issued + 1, self.takes
        granted = {"access_token": f"t{self.issued}", "token_type": "bearer", "expires_in": self.expires}
        return Reply(200, {name: value for name, value in granted.items() if value is not None})

    def _me(self, asked: Request) -> Reply:
        if not self.gateway:
            return Reply(404)
        return Reply(200, {"client_id": "c1"}) if self.allows(asked) else Reply(401)

    def _keys(self, asked: Request) -> Reply:
        return Reply(200, {"keys": [json.loads('{"kty":"oct","kid":"no"}'), self.sealing]})
