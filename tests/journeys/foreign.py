"""An EHR whose people and services sign in at an authorization server that others wrote, with hilum's FHIR behind it.

npm `oidc-provider` in a process of its own signs in (`node/provider.mjs`); a real `hilum serve` holds the record. In
front of that stands what an EHR's gateway is: it serves the SMART configuration, has each token introspected, and asks
hilum with one of hilum's for the same scopes.
"""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from tests.journeys.apps import NODE
from tests.journeys.server import HANGS_SECONDS, Server, free_port

BACKEND = "system/Patient.rs system/Encounter.rs system/Observation.rs"
PERSON = "launch/patient openid fhirUser offline_access patient/Patient.rs patient/Encounter.rs patient/Observation.rs"
PATIENT = "ada"


class Provider:
    """`oidc-provider`, with a service and two apps, confidential and public, registered."""

    def __init__(self, folder: Path, base: str, app: str) -> None:
        self.url, self.secret = f"http://127.0.0.1:{free_port()}", secrets.token_urlsafe(24)
        settings = {
            "issuer": self.url, "base": base, "jwks": f"{app}/broker/jwks/sandbox.json",
            "redirects": [f"{app}/callback/lake", f"{app}/callback/sea"], "userScopes": PERSON,
            "systemScopes": BACKEND, "patient": PATIENT, "secret": self.secret,
        }  # fmt: skip
        self._said, self._log = folder / "provider-stdout", folder / "provider-stderr"
        with self._said.open("wb") as out, self._log.open("wb") as errors:
            command = ["node", str(NODE / "provider.mjs"), json.dumps(settings)]
            self.process = subprocess.Popen(command, stdout=out, stderr=errors)
        ends = time.monotonic() + HANGS_SECONDS
        while not self.told:
            assert self.process.poll() is None and time.monotonic() < ends, self._log.read_text()
            time.sleep(0.02)

    @property
    def told(self) -> list[dict[str, Any]]:
        """What it has told of requests so far."""
        whole, _, _ = self._said.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def configuration(self) -> dict[str, Any]:
        return dict(httpx.get(f"{self.url}/.well-known/openid-configuration").json())

    def introspected(self, token: str) -> dict[str, Any]:
        answer = httpx.post(f"{self.url}/token/introspection", data={"token": token}, auth=("fhir", self.secret))
        return dict(answer.json())

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class Ehr:
    """Its FHIR base. `refused`: access tokens that are not taken any more; `taken`: those that were."""

    def __init__(self, folder: Path) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.base = f"{self.url}/fhir"
        self.server = Server(folder)
        self.taken, self.refused = set[str](), set[str]()
        self.provider: Provider | None = None
        self._inner: dict[str, str] = {}
        self._client = httpx.Client(timeout=30)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def ends(self) -> None:
        """No access token that was seen so far holds any more, long before its time."""
        self.refused |= self.taken

    def configuration(self) -> dict[str, Any]:
        assert self.provider is not None
        capabilities = ["launch-standalone", "client-public", "client-confidential-asymmetric", "sso-openid-connect"]
        return self.provider.configuration() | {"capabilities": capabilities}

    def asked(self, target: str, token: str) -> httpx.Response:
        """What hilum answers to who has this token of the provider's."""
        if not token:  # what it can do is told to everybody
            return self._passed(target, {})
        if token not in self._inner:
            self._inner[token] = self._own(token)
        if token in self.refused or not self._inner[token]:
            return httpx.Response(401, headers={"www-authenticate": 'Bearer error="invalid_token"'})
        self.taken.add(token)
        return self._passed(target, {"authorization": f"Bearer {self._inner[token]}"})

    def _passed(self, target: str, headers: dict[str, str]) -> httpx.Response:
        answer = self._client.get(self.server.url + target, headers=headers)
        content = answer.content.replace(self.server.base.encode(), self.base.encode())  # links lead here
        return httpx.Response(
            answer.status_code, headers={"content-type": answer.headers["content-type"]}, content=content
        )

    def _own(self, token: str) -> str:
        """A token of hilum's that may what this one may; "" for one that the provider does not know."""
        assert self.provider is not None
        said = self.provider.introspected(token)
        if not said["active"]:
            return ""
        scope = " ".join(one for one in said["scope"].split() if one.startswith(("patient/", "system/")))
        return self.server.token(scope, patient=said.get("sub"))

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._client.close()
        self.server.stop()


def _handler(ehr: Ehr) -> Callable[..., BaseHTTPRequestHandler]:
    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/fhir/.well-known/smart-configuration":
                answer = httpx.Response(200, json=ehr.configuration())
            else:
                answer = ehr.asked(self.path, self.headers.get("authorization", "").removeprefix("Bearer "))
            self.send_response(answer.status_code)
            for name in ("content-type", "www-authenticate"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *arguments: Any) -> None:
            pass

    return Gateway
