"""`hilum serve` at a terminal: what it prints works as it stands, and what is wrong is one line."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.journeys.cli import hilum
from tests.journeys.server import free_port


class Terminal:
    """A `hilum serve` whose standard output was read up to the end of its banner."""

    def __init__(self, *arguments: object) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("HILUM_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hilum.cli", "serve", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environ,
        )
        assert self.process.stdout
        self.banner = ""
        for line in self.process.stdout:
            self.banner += line
            if line.startswith("Stop with"):
                break

    @property
    def url(self) -> str:
        found = re.search(r"^Pages +(\S+)/", self.banner, re.MULTILINE)
        assert found, self.banner
        return found[1]

    def lines(self, start: str) -> list[str]:
        return [line for line in self.banner.splitlines() if line.startswith(start)]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    running: list[Terminal] = []
    yield running
    for one in running:
        one.stop()


@pytest.mark.skipif(shutil.which("curl") is None or os.name != "posix", reason="no curl, or no POSIX shell")
@pytest.mark.parametrize("flags", [(), ("--auth", "off"), ("--workers", "2")])
def test_the_three_curl_lines_work_as_they_stand(tmp_path: Path, terminals: list[Terminal], flags: tuple[str]) -> None:
    hilum("demo", "--patients", 1, "--data", tmp_path)
    terminals.append(Terminal("--data", tmp_path, "--port", 0, *flags))
    tries = terminals[0].lines("curl ")
    assert len(tries) == 3
    answers = []
    for line in tries:
        shell = "\n".join([*terminals[0].lines("export TOKEN="), line + " --fail-with-body"])
        done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout
        answers.append(httpx.Response(200, text=done.stdout).json())
    assert [answer["resourceType"] for answer in answers] == ["CapabilityStatement", "Bundle", "Patient"]
    assert len(answers[1]["entry"]) == 1
    assert httpx.get(terminals[0].url + "/").headers["content-type"].startswith("text/html")


def test_auth_off_is_said_loudly(tmp_path: Path, terminals: list[Terminal]) -> None:
    terminals.append(Terminal("--data", tmp_path, "--port", 0, "--auth", "off"))
    assert "Auth   OFF: whoever reaches this address reads and changes everything." in terminals[0].banner
    assert httpx.get(terminals[0].url + "/fhir/Patient").status_code == 200


def test_production_prints_no_token(tmp_path: Path, terminals: list[Terminal]) -> None:
    terminals.append(Terminal("--data", tmp_path, "--port", 0, "--env", "production"))
    assert terminals[0].lines("export TOKEN=") == []
    assert " production " in terminals[0].banner


def test_a_token_of_the_same_data_directory_holds_until_the_server_moves(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    terminals.append(Terminal("--data", tmp_path, "--port", 0))
    token = hilum("token", "--data", tmp_path, "--scope", "system/Patient.rs").stdout.strip()
    headers = {"authorization": f"Bearer {token}"}
    assert httpx.get(terminals[0].url + "/fhir/Patient", headers=headers).status_code == 200
    assert httpx.get(terminals[0].url + "/fhir/Observation", headers=headers).status_code == 403
    terminals[0].stop()
    terminals.append(Terminal("--data", tmp_path, "--port", 0))
    assert httpx.get(terminals[1].url + "/fhir/Patient", headers=headers).status_code == 401


def test_starting_again_keeps_the_data(tmp_path: Path, terminals: list[Terminal]) -> None:
    for n in range(2):
        terminals.append(Terminal("--data", tmp_path, "--port", 0, "--auth", "off"))
        base = terminals[n].url + "/fhir/Patient"
        assert httpx.get(base, params={"_summary": "count"}).json()["total"] == n
        assert httpx.post(base, json={"resourceType": "Patient"}).status_code == 201
        assert terminals[n].stop() == 0


def test_a_port_that_is_taken_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = hilum("serve", "--data", tmp_path, "--port", port)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert f"Port {port} of 127.0.0.1 is taken." in done.stderr
    assert f"choose another: --port {port + 1}" in done.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--auth", "off", "--host", "0.0.0.0"), "--auth off is refused on 0.0.0.0"),
        (("--auth", "off", "--env", "production"), "--auth off is refused in production"),
        (("--host", "192.0.2.1"), "Can't listen on 192.0.2.1"),
        (("--store", "postgresql://nobody@127.0.0.1:1/x"), "PostgreSQL"),
    ],
)
def test_a_fault_of_the_set_up_is_one_line_and_nothing_is_served(
    tmp_path: Path, flags: tuple[str, ...], says: str
) -> None:
    done = hilum("serve", "--data", tmp_path, "--port", free_port(), *flags)
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1), done.stderr
    assert done.returncode in (1, 2)
    assert says in done.stderr


def test_a_store_of_another_environment_is_refused(tmp_path: Path) -> None:
    hilum("demo", "--patients", 1, "--data", tmp_path / "a")
    store = f"sqlite:{tmp_path / 'a' / 'hilum.sqlite'}"
    done = hilum("serve", "--data", tmp_path / "b", "--env", "production", "--store", store, "--port", 0)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "The store belongs to the environment 'sandbox', not 'production'." in done.stderr


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("file", ["roles.toml", "providers.toml"])
def test_a_file_that_is_not_sound_is_one_line_and_the_address_of_the_last_server_stays(
    tmp_path: Path, file: str, workers: int
) -> None:
    (tmp_path / "serving.json").write_text('{"fhir_base":"http://127.0.0.1:8080/fhir"}')
    (tmp_path / file).write_text("garbage = [")
    flags = ("--roles", tmp_path / file) if file == "roles.toml" else ()
    done = hilum("serve", "--data", tmp_path, "--port", 0, "--workers", workers, *flags, timeout=20)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "not TOML" in done.stderr
    assert (tmp_path / "serving.json").read_text() == '{"fhir_base":"http://127.0.0.1:8080/fhir"}'


def test_a_request_that_is_underway_is_finished_when_the_server_is_told_to_stop(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    terminals.append(Terminal("--data", tmp_path, "--port", 0, "--auth", "off"))
    port = int(terminals[0].url.rsplit(":", 1)[1])
    body = b'{"resourceType":"Patient"}'
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        head = b"POST /fhir/Patient HTTP/1.1\r\nHost: x\r\nContent-Type: application/fhir+json\r\n"
        client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:5])
        time.sleep(0.3)  # the server has begun to read it
        terminals[0].process.terminate()
        time.sleep(0.3)
        client.sendall(body[5:])
        assert client.recv(65536).startswith(b"HTTP/1.1 201")
    assert terminals[0].process.wait(30) == 0
