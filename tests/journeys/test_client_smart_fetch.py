"""`smart-fetch`, unchanged: a backend service that signs in with its key and brings home what it may see.

https://github.com/smart-on-fhir/smart-fetch. It crawls here: reads and searches; its `bulk` asks for `$export`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.apps import record, registered
from tests.journeys.server import Server
from tests.journeys.test_smart_backend import new_key, public

COMMAND = Path(sys.executable).with_name("smart-fetch")
pytestmark = pytest.mark.skipif(
    not COMMAND.exists() and not os.environ.get("CI"), reason="smart-fetch is not installed"
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("smart-fetch"))
    record(running)
    yield running
    running.stop()


def crawl(server: Server, folder: Path, client: str, keys: dict[str, Any], types: str) -> tuple[int, str]:
    """Its exit status, and all that it wrote."""
    file = folder / "private.jwks"
    file.write_text(json.dumps({"keys": [keys | {"key_ops": ["sign"]}]}))
    done = subprocess.run(
        [COMMAND, "crawl", folder / "out", "--fhir-url", server.base, "--smart-client-id", client, "--smart-key", file,
         "--type", types, "--id-list", "ada", "--no-compression"],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def brought(folder: Path) -> dict[str, list[str]]:
    """Type -> ids. Its log is an ndjson file, too."""
    found: dict[str, list[str]] = {}
    for file in sorted((folder / "out").rglob("[A-Z]*.ndjson")):
        for line in file.read_text().splitlines():
            body = json.loads(line)
            found.setdefault(body["resourceType"], []).append(body["id"])
    return {type: sorted(ids) for type, ids in found.items()}


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_g10_AUT_SYS_1_it_signs_in_and_brings_the_record(served: Server, tmp_path: Path, algorithm: str) -> None:
    key = new_key(algorithm)
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [public(key)]}))
    client = registered(served, "Crawler", "--jwks", tmp_path / "keys.json", "--scopes", "system/*.rs")["client_id"]
    status, said = crawl(served, tmp_path, client, key, "Patient,Observation,Encounter")
    assert status == 0, said
    assert brought(tmp_path) == {"Patient": ["ada"], "Observation": ["o1", "o2", "o3"], "Encounter": ["e1", "e2"]}


def test_with_another_key_it_gets_nothing(served: Server, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [public(new_key("ES384"))]}))
    client = registered(served, "Crawler", "--jwks", tmp_path / "keys.json", "--scopes", "system/*.rs")["client_id"]
    status, said = crawl(served, tmp_path, client, new_key("ES384"), "Patient")
    assert status != 0
    assert "Could not authenticate" in said
    assert brought(tmp_path) == {}
