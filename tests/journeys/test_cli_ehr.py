"""`hilum ehr`: a hilum that signs in to a hilum by the keys that it publishes; processes that share one token."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli import hilum
from tests.journeys.server import Server

WORKS = ["discovery", "clock", "key", "sign-in", "scopes", "metadata", "read"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An EHR, and hilum in one: a client of itself."""
    server = Server(tmp_path_factory.mktemp("ehr"))
    done = hilum("keys", "new", "--use", "ehr", "--alg", "ES384", "--data", server.data)
    assert done.returncode == 0, done.stderr
    yield server
    server.stop()


def registered(server: Server, scopes: str = "system/*.rs") -> str:
    jwks = f"{server.url}/broker/jwks/sandbox.json"
    done = hilum("clients", "add", "Broker", "--jwks-url", jwks, "--scopes", scopes, "--data", server.data)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def added(server: Server, name: str, client: str, scopes: str = "system/*.rs") -> None:
    wish = ("--base", server.base, "--client-id", client, "--alg", "ES384", "--scopes", scopes)
    done = hilum("ehr", "add", name, *wish, "--data", server.data)
    assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr
    assert "Try it: hilum ehr check" in done.stderr


def checked(server: Server, name: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = hilum("ehr", "check", name, "--json", "--data", server.data)
    said = json.loads(done.stdout)
    assert said["works"] is (done.returncode == 0)
    assert (said["ehr"], said["environment"]) == (name, "sandbox")
    return done.returncode, {step["step"]: step for step in said["steps"]}


def test_an_ehr_is_added_checked_listed_and_removed(running: Server) -> None:
    added(running, "self", registered(running))
    status, steps = checked(running, "self")
    assert status == 0, steps
    assert list(steps) == WORKS
    assert {step["state"] for step in steps.values()} == {"works"}
    shown = hilum("ehr", "check", "self", "--data", running.data)
    lines = shown.stdout.splitlines()
    assert lines[0] == f"self  SANDBOX  {running.base}"
    assert [line.split()[:2] for line in lines[1:-1]] == [["works", step] for step in WORKS]
    assert lines[-1] == "It works."
    listed = json.loads(hilum("ehr", "list", "--json", "--data", running.data).stdout)["ehrs"]
    assert [(one["name"], one["base"], one["method"]) for one in listed] == [
        ("self", running.base, "private_key_jwt")
    ]  # fmt: skip
    assert hilum("ehr", "remove", "self", "--data", running.data).stdout == "self is removed.\n"
    gone = hilum("ehr", "check", "self", "--data", running.data)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "There is no EHR 'self'" in gone.stderr


def test_what_does_not_work_is_told_with_whose_side_it_is_on(running: Server) -> None:
    narrow = registered(running, "system/Observation.rs")
    added(running, "narrow", narrow, "system/Observation.rs system/Patient.rs")
    status, steps = checked(running, "narrow")
    assert status == 0
    assert (steps["scopes"]["state"], steps["scopes"]["side"]) == ("note", "ours")
    assert steps["scopes"]["found"] == "Not given as they were asked for: system/Patient.rs."
    assert steps["read"]["found"] == "A search of Observation was answered with a Bundle."
    assert hilum("clients", "revoke", narrow, "--data", running.data).returncode == 0
    shown = hilum("ehr", "check", "narrow", "--data", running.data)
    assert shown.returncode == 1
    assert "fails    sign-in     The EHR does not take the client (invalid_client). [here]\n" in shown.stdout
    assert "→ Look, in this order: the client id is that of the sandbox" in shown.stdout
    assert shown.stdout.endswith("It does not work: see the lines that begin with fails.\n")


def test_a_connection_that_can_t_be_one_is_refused_in_a_line(running: Server) -> None:
    wish = ("--base", "http://ehr.example.org", "--client-id", "c", "--scopes", "system/*.rs")
    done = hilum("ehr", "add", "other", *wish, "--data", running.data)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hilum: base must be the FHIR base URL")
    assert len(done.stderr.splitlines()) == 1


def test_a_recipe_that_there_is_not_is_told_with_those_that_there_are(running: Server) -> None:
    wish = ("--base", running.base, "--client-id", "c", "--scopes", "system/*.rs", "--recipe", "nope")
    done = hilum("ehr", "add", "other", *wish, "--data", running.data)
    assert (done.returncode, done.stdout) == (1, "")
    assert "recipes names nope, and there is no such recipe. There are demographics, documents, " in done.stderr
    own = running.data / "recipes" / "nope.toml"
    own.parent.mkdir()
    own.write_text('title = "My own"')
    assert hilum("ehr", "add", "other", *wish, "--data", running.data).returncode == 0
    own.unlink()
    assert hilum("ehr", "remove", "other", "--data", running.data).returncode == 0


def test_a_connection_that_asks_for_nothing_is_told_how_to_ask(running: Server) -> None:
    done = hilum("ehr", "add", "other", "--base", running.base, "--client-id", "c", "--data", running.data)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hilum: Say what to ask for: --scopes where nobody is present")


def test_only_what_is_given_of_a_connection_is_changed(running: Server) -> None:
    wish = ("--base", "https://moor.example.org/r4", "--client-id", "old", "--scopes", "system/*.rs", "--title", "Moor")
    assert hilum("ehr", "add", "moor", *wish, "--data", running.data).returncode == 0

    def changed(*wish: str, input: str = "") -> dict[str, Any]:
        done = hilum("ehr", "change", "moor", *wish, "--json", "--data", running.data, input=input)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    before = hilum("ehr", "list", "--json", "--data", running.data)
    (moor,) = [one for one in json.loads(before.stdout)["ehrs"] if one["name"] == "moor"]
    wish = ("--client-id", "new", "--user-scopes", "launch  patient/*.rs", "--title", "", "--disable")
    moor |= {"client_id": "new", "user_scopes": "launch patient/*.rs", "disabled": True}
    moor["grants"] = ["client_credentials", "authorization_code"]
    del moor["title"]
    assert changed(*wish) == moor
    moor |= {"method": "client_secret_post"}
    del moor["disabled"]
    assert changed("--enable", "--secret-file", "-", "--secret-post", input="s3cret\n") == moor
    events = running.client("system/AuditEvent.rs").get("AuditEvent?_count=50&_sort=-date").text
    told = b"".join(b64decode(one) for one in re.findall(r'"query":"([^"]+)"', events))
    assert told.count(b'{"changed":"moor","base":"https://moor.example.org/r4"') == 2
    assert b"s3cret" not in told
    for wrong, says in (
        ((), "Say what is to be changed"),
        (("--base", "https://elsewhere.example.org/r4"), "was given for another base"),
        (("--scopes", "", "--user-scopes", ""), "Say what to ask for"),
        (("--keys", "--public"), "in one way"),
        (("--recipe", "nope"), "there is no such recipe"),
    ):
        done = hilum("ehr", "change", "moor", *wrong, "--data", running.data)
        assert (done.returncode, says in done.stderr) == (1, True), done.stderr
    assert changed("--keys", "--title", "Moor")["method"] == "private_key_jwt"
    assert hilum("ehr", "remove", "moor", "--data", running.data).returncode == 0


def test_a_connection_of_the_file_is_changed_there(running: Server) -> None:
    file = running.data / "ehrs.toml"
    file.write_text(
        '[fen]\nenvironment = "sandbox"\nvendor = "plain"\nbase = "https://fen.example.org/r4"\nclient_id = "x"\n'
        'method = "private_key_jwt"\nsystem_scopes = "system/*.rs"\n'
    )
    done = hilum("ehr", "change", "fen", "--disable", "--data", running.data)
    file.unlink()
    assert (done.returncode, "stands in ehrs.toml: change it there" in done.stderr) == (1, True), done.stderr


def test_a_secret_comes_by_standard_input_and_is_shown_nowhere(running: Server) -> None:
    wish = ("--base", "https://sea.example.org/r4", "--client-id", "sea", "--user-scopes", "launch patient/*.rs")
    done = hilum("ehr", "add", "sea", *wish, "--secret-file", "-", "--json", "--data", running.data, input="s3cret\n")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["method"], made["grants"]) == ("client_secret_basic", ["authorization_code"])
    listed = hilum("ehr", "list", "--json", "--data", running.data)
    assert "s3cret" not in done.stdout + done.stderr + listed.stdout + listed.stderr
    assert "secret" not in made


def test_a_directory_is_imported_from_a_file_and_from_an_address_and_searched(running: Server, tmp_path: Path) -> None:
    endpoint = {"resourceType": "Endpoint", "id": "e", "status": "active", "name": "Mercy Madison"}
    entry = [{"resource": endpoint | {"address": "https://mercy.example.org/R4/"}}]
    file = tmp_path / "list.json"
    file.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entry}))
    done = hilum("ehr", "import", file, "--name", "epic", "--vendor", "epic", "--json", "--data", running.data)
    assert json.loads(done.stdout) == {"directory": "epic", "listed": 1, "left_out": 0}
    done = hilum("ehr", "import", f"{running.url}/brands", "--name", "self", "--json", "--data", running.data)
    assert json.loads(done.stdout)["listed"] == 1, done.stderr
    found = hilum("ehr", "find", "madison", "merc", "--json", "--data", running.data)
    assert json.loads(found.stdout) == {
        "found": [
            {
                "name": "Mercy Madison",
                "place": "",
                "base": "https://mercy.example.org/R4",
                "vendor": "epic",
                "directory": "epic",
            }
        ]
    }
    assert hilum("ehr", "find", "hilum", "--data", running.data).stdout == f"{running.base}\n"


TOKEN = """
import asyncio, sys
from hashlib import sha256
from hilum.access.keys import load, path
from hilum.app.brokering import brokering
from hilum.app.settings import Settings
from hilum.app.stores import open_store

async def main():
    settings = Settings.read({"data": sys.argv[1]})
    store = await open_store(settings)
    here = brokering(settings, store, load(path(settings.data, settings.environment), settings.environment))
    lake = await here.connections.usable("many")
    print("ready", flush=True)
    sys.stdin.readline()
    tokens = await asyncio.gather(*(here.backend.token(lake) for _ in range(5)))
    print(*{sha256(token.encode()).hexdigest() for token in tokens}, flush=True)
    await store.close()

asyncio.run(main())
"""


async def test_of_many_processes_one_signs_in(running: Server) -> None:
    added(running, "many", registered(running))
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", TOKEN, running.data, stdin=PIPE, stdout=PIPE)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    told = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert len({out for out, _ in told}) == 1
    assert len(told[0][0].split()) == 1
