"""The Postman collection, run as it is with newman against a running hilum. https://github.com/postmanlabs/newman"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.journeys.apps import NODE, ROOT, needs_node
from tests.journeys.server import Server
from tests.journeys.test_smart_backend import ALGORITHMS, ask, assertion, new_key, register

POSTMAN = ROOT / "examples" / "postman"
COLLECTION = POSTMAN / "hilum.postman_collection.json"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("postman"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_postman", ROOT / "scripts" / "generate_postman.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def requests(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in item.get("item", ()):
        yield from requests(one)
    if "request" in item:
        yield item


def test_the_files_are_what_the_routes_say(generator: ModuleType) -> None:
    found = {name: (POSTMAN / name).read_text() for name in generator.files()}
    assert found == generator.files(), "run python scripts/generate_postman.py"


def test_an_environment_holds_no_secret_and_nothing_of_the_other(generator: ModuleType) -> None:
    values = {
        name: {one["key"]: one for one in generator.environment(name)["values"]} for name in generator.ENVIRONMENTS
    }
    sandbox, production = values["sandbox"], values["production"]
    assert sandbox.keys() == production.keys()
    for all in values.values():
        assert {key: one["value"] for key, one in all.items() if one["type"] == "secret"} == {
            "private_jwk": "", "client_assertion": "", "token": "", "admin_token": "",
        }  # fmt: skip
    shared = [key for key, one in sandbox.items() if one["value"] and one["value"] == production[key]["value"]]
    assert shared == []


@needs_node("newman")
def test_every_request_does_what_it_says(served: Server, tmp_path: Path) -> None:
    key = new_key("ES384")
    client = register(served, tmp_path, key, scopes="system/*.cruds")
    told = {
        "origin": served.url,
        "client_assertion": assertion(key, client, f"{served.url}/auth/token"),
        "admin_token": served.token("system/Endpoint.cruds system/Task.cruds system/Device.cruds system/Patient.rs"),
        "ehr_base": served.base,
    }
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            NODE / "node_modules" / ".bin" / "newman", "run", COLLECTION,
            "--environment", POSTMAN / "sandbox.postman_environment.json",
            *(word for name, value in told.items() for word in ("--env-var", f"{name}={value}")),
            "--reporters", "cli,json", "--reporter-json-export", report,
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads(report.read_text())["run"]
    assert run["failures"] == []
    answered = [one["item"]["name"] for one in run["executions"] if "response" in one]
    assert answered == [one["name"] for one in requests(json.loads(COLLECTION.read_text()))]


@pytest.mark.skipif(shutil.which("node") is None and not os.environ.get("CI"), reason="node is not installed")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_where_there_is_web_crypto_the_collection_signs_in_with_a_key(
    served: Server, tmp_path: Path, algorithm: str
) -> None:
    """As in Postman itself: its script, with Node's Web Crypto and as much of `pm` as it uses."""
    key = new_key(algorithm)
    told = {"client_id": register(served, tmp_path, key), "private_jwk": json.dumps(key)}
    item = next(one for one in requests(json.loads(COLLECTION.read_text())) if one["name"] == "Token")
    script = next(one["script"]["exec"] for one in item["event"] if one["listen"] == "prerequest")
    program = _PM % (json.dumps(told), json.dumps(f"{served.url}/auth/token"), "\n".join(script))
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answer = ask(served, done.stdout)
    assert (answer.status_code, answer.json()["scope"]) == (200, "system/*.rs")


_PM = """
const pm = {
  environment: { get: (name) => (%s)[name] },
  variables: {
    get: () => %s,
    set: (name, value) => process.stdout.write(value),
    replaceIn: () => crypto.randomUUID(),
  },
};
%s
"""
