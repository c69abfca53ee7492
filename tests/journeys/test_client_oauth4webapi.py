"""npm `oauth4webapi`, unchanged: a whole authorization by its own functions, each of which checks what it is given.

Its checks are RFC 9700's: PKCE, `iss` of the answer (RFC 9207), nonce and signature of the id token.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.apps import NODE, Person, needs_node, people, record, registered
from tests.journeys.server import Server
from tests.journeys.test_smart_backend import new_key, public

pytestmark = needs_node("oauth4webapi")

BACK = "http://127.0.0.1:4712/back"
SCOPE = "openid fhirUser offline_access launch/patient patient/Patient.rs"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("oauth4webapi")
    running = Server(folder)
    record(running)
    people(running, folder)
    yield running
    running.stop()


def app(server: Server, way: str, folder: Path) -> dict[str, Any]:
    """What the script is told of a client that authenticates in this way."""
    given: list[object] = ["--redirect", BACK, "--scopes", SCOPE]
    key = None
    if way == "--jwks":
        key = new_key("ES384")
        (folder / "keys.json").write_text(json.dumps({"keys": [public(key)]}))
        given += ["--jwks", folder / "keys.json"]
    else:
        given.append(way)
    if way == "--secret":
        given += ["--id", "mine-_.1"]  # each part of HTTP Basic is form-encoded, even the hyphen
    said = registered(server, "Node", *given)
    told = {"origin": server.url, "id": said["client_id"], "redirect": BACK, "scope": SCOPE}
    return told | {"secret": said.get("client_secret"), "jwk": key}


@pytest.mark.parametrize("way", ["--public", "--secret", "--jwks"])
def test_g10_AUT_PAT_a_whole_authorization_holds_before_its_checks(served: Server, way: str, tmp_path: Path) -> None:
    told = app(served, way, tmp_path)
    command = ["node", str(NODE / "code.mjs"), json.dumps(told)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        there = running.stdout.readline().strip()
        assert there, running.communicate()[1]
        said, wrong = running.communicate(Person("ada.stone", BACK).allows(there) + "\n", timeout=60)
    assert running.returncode == 0, wrong
    found = json.loads(said)
    asked = {"introspected": [True, True, "ada", True], "introspectedAfter": False} if way != "--public" else {}
    assert found == asked | {
        "mixedUp": ["OAUTH_INVALID_RESPONSE", "OAUTH_INVALID_RESPONSE"],
        "algorithm": "RS256",
        "fhirUser": f"{served.base}/Patient/ada",
        "issuer": served.url,
        "patient": "ada",
        "scope": " ".join(sorted(SCOPE.split())),
        "read": 200,
        "refreshed": [True, True],
        "readAgain": 200,
        "readAfter": 401,
        "refused": "invalid_grant",
    }
