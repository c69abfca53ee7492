"""A real `hilum sandbox` in its own process, and a service that signs in to it, for journeys."""

from __future__ import annotations

import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.journeys.server import HANGS_SECONDS, free_port, started

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
BROKER = "http://127.0.0.1:4718"
TYPES = ("Patient", "Observation", "Condition", "Encounter", "Practitioner", "DocumentReference")
SCOPE = " ".join(f"system/{type}.rs" for type in TYPES)
SEALED = "demo-p002"
OTHERS = {"HILUM_AUTH": "off", "HILUM_STORE": "sqlite:/nowhere/at/all"}


class Sandbox:
    """Started with flags of `hilum sandbox`; `said` is what it printed."""

    def __init__(self, folder: Path, profile: str, *flags: str) -> None:
        self.port, self.profile = free_port(), profile
        self.url = f"http://127.0.0.1:{self.port}"
        self.base = self.url + "/fhir"
        key = ECKey.generate_key("P-384").as_dict(private=True)
        self._key = {**key, "kid": "one", "alg": "ES384", "use": "sig"}
        public = {name: value for name, value in self._key.items() if name != "d"}
        (folder / "jwks.json").write_text(json.dumps({"keys": [public]}))
        arguments = [
            "sandbox", "--profile", profile, "--port", str(self.port),
            "--data", str(folder / "data"), "--jwks", str(folder / "jwks.json"), "--broker", BROKER, "--patients", "3",
            *flags,
        ]  # fmt: skip
        self._said, self._log = folder / "stdout", folder / "stderr"
        self.process = started(
            arguments,
            # settings of another hilum are not its own, unless it is to be known there
            os.environ | ({} if "--connect" in flags else OTHERS),
            self._said.open("wb"),
            self._log.open("wb"),
        )
        ends = time.monotonic() + HANGS_SECONDS
        while "Stop with" not in self.said:
            assert self.process.poll() is None and time.monotonic() < ends, self._log.read_text()
            time.sleep(0.05)
        self._printed = self.said
        self.password = self._found(r"password (\S+)")
        self.key = self._found(r"Bearer ([^']+)'")

    @property
    def said(self) -> str:
        return self._said.read_text()

    def _found(self, pattern: str) -> str:
        return str(re.findall(pattern, self._printed)[0])

    def faults(self, method: str = "GET", **body: str) -> httpx.Response:
        """Its endpoint for faults."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.request(method, f"{self.url}/sandbox/faults", headers=headers, json=body or None)

    def assertion(self, client: str) -> dict[str, str]:
        now = int(time.time())
        claims = {
            "iss": client,
            "sub": client,
            "aud": f"{self.url}/auth/token",
            "exp": now + 240,
            "jti": str(uuid.uuid4()),
        }
        head = {"alg": "ES384", "kid": "one", "typ": "JWT"}
        made = jwt.encode(head, claims, ECKey.import_key(self._key), algorithms=["ES384"])
        return {"client_assertion_type": ASSERTION, "client_assertion": made}

    def grant(self, **form: str) -> httpx.Response:
        """What the token endpoint says to a service that signs in."""
        whole = {"grant_type": "client_credentials", **self.assertion("hilum-backend"), **form}
        return httpx.post(f"{self.url}/auth/token", data=whole)

    def token(self, scope: str = SCOPE) -> str:
        answer = self.grant(scope=scope)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    @contextmanager
    def client(self, token: str | None = None, **headers: str) -> Iterator[httpx.Client]:
        held = {"accept": "application/fhir+json", "authorization": f"Bearer {token or self.token()}"} | headers
        with httpx.Client(base_url=self.base + "/", headers=held, timeout=30) as client:
            yield client

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0


def codes(body: Any) -> list[tuple[str, str]]:
    """Severity and the vendor's code of each issue, of an OperationOutcome or of those in a Bundle."""
    outcomes = [body] if body["resourceType"] == "OperationOutcome" else [
        entry["resource"] for entry in body.get("entry", ()) if entry.get("search", {}).get("mode") == "outcome"
    ]  # fmt: skip
    issues = [issue for outcome in outcomes for issue in outcome["issue"]]
    return [(one["severity"], one["details"].get("coding", [{}])[0].get("code", one["code"])) for one in issues]


def matches(body: Any) -> list[str]:
    """Ids of what was searched for."""
    return [one["resource"]["id"] for one in body.get("entry", ()) if one["search"]["mode"] == "match"]


def next_of(body: Any) -> str | None:
    """The link to the next page."""
    return next((link["url"] for link in body["link"] if link["relation"] == "next"), None)
