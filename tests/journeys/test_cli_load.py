"""`hilum load` as it is used: killed and gone on with, beside a running server, its report in three forms."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.durability.index_truth import differences
from tests.journeys.cli import hilum, postgres_database
from tests.journeys.server import Server

from hilum.cli.loading.processes import GONE
from hilum.store.sqlite import open_sqlite

__all__ = ["postgres_database"]


def transactions(folder: Path, files: int, entries: int) -> Counter[str]:
    """Files of POSTs, gzipped; what they hold by type."""
    folder.mkdir()
    for n in range(files):
        resources = [{"resourceType": "Patient", "active": True}] + [
            {"resourceType": "Observation", "status": "final", "code": {"text": f"{n} {m}"}} for m in range(entries - 1)
        ]
        body = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": r, "request": {"method": "POST", "url": r["resourceType"]}} for r in resources],
        }
        (folder / f"{n:03}.json.gz").write_bytes(gzip.compress(json.dumps(body).encode()))
    return Counter(Patient=files, Observation=files * (entries - 1))


def ndjson(file: Path, lines: int) -> None:
    body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    file.write_text("".join(json.dumps({**body, "id": f"n{n}"}) + "\n" for n in range(lines)))


def counted(data: Path) -> dict[str, Any]:
    """The counts of a store."""

    async def run() -> dict[str, int]:
        store = await open_sqlite(str(data / "hilum.sqlite"))
        try:
            return (await store.counts()).types
        finally:
            await store.close()

    return asyncio.run(run())


@pytest.mark.parametrize("processes", [1, 3])
def test_a_load_that_is_killed_again_and_again_goes_on_and_loads_everything_once(
    tmp_path: Path, processes: int
) -> None:
    expected = transactions(tmp_path / "files", 60, 40)
    ndjson(tmp_path / "files" / "lines.ndjson", 1500)
    command = [sys.executable, "-m", "hilum.cli", "load", str(tmp_path / "files"), "--data", str(tmp_path / "data")]
    command += ["--processes", str(processes)]
    chance, killed = random.Random(5), 0
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (tmp_path / "data" / "loads").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.02, 0.2))
        killed += process.poll() is None
        process.kill()
        process.wait()
    done = hilum(*command[3:], "--json")
    assert killed, "the load was too quick to be killed: make it larger"
    assert (done.returncode, json.loads(done.stdout)["refused"]) == (0, 0), done.stderr
    assert counted(tmp_path / "data") == expected + Counter(Observation=1500)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("processes", [1, 3])
def test_ctrl_c_stops_with_a_report_and_says_how_to_go_on(tmp_path: Path, processes: int) -> None:
    transactions(tmp_path / "files", 200, 50)
    command = [sys.executable, "-m", "hilum.cli", "load", str(tmp_path / "files"), "--data", str(tmp_path / "data")]
    command += ["--processes", str(processes)]
    piped = subprocess.PIPE
    # A shell's background jobs ignore Ctrl-C, and so would what the tests start, if they are one.
    heard = [
        sys.executable,
        "-c",
        "import os, signal, sys; signal.signal(2, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])",
    ]
    process = subprocess.Popen([*heard, *command], stdout=piped, stderr=piped, text=True, start_new_session=True)
    journal = tmp_path / "data" / "loads" / "journal.ndjson"
    while not (journal.exists() and journal.stat().st_size) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the command
    _, errors = process.communicate(timeout=60)
    report = json.loads((tmp_path / "data" / "loads" / "report.json").read_text())
    assert process.returncode == 130, errors
    assert "Stopped. Run the same command again to go on where it was." in errors
    assert "Traceback" not in errors
    assert (report["stopped"], 0 < report["loaded"] < 200) == (True, True)


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_process_that_is_killed_ends_the_load_in_one_line_and_the_next_one_goes_on(tmp_path: Path) -> None:
    expected = transactions(tmp_path / "files", 100, 50)
    command = [sys.executable, "-m", "hilum.cli", "load", str(tmp_path / "files"), "--data", str(tmp_path / "data")]
    process = subprocess.Popen([*command, "--processes", "2"], stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "data" / "loads" / "journal.ndjson"
    while not (journal.exists() and journal.stat().st_size) and process.poll() is None:
        time.sleep(0.01)
    one, other = children(process.pid)
    os.kill(one, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.splitlines()[-1]) == (1, f"hilum: {GONE}")
    assert not Path(f"/proc/{other}").exists()
    again = hilum(*command[3:], "--processes", "2")
    assert again.returncode == 0, again.stderr
    assert counted(tmp_path / "data") == expected


def shared(folder: Path, files: int) -> None:
    """Files that all create the same organization if there is none, and something that refers to it."""
    folder.mkdir()
    made = "urn:uuid:00000000-0000-4000-8000-000000000001"
    for n in range(files):
        entries = [
            {
                "fullUrl": made,
                "resource": {"resourceType": "Organization", "identifier": [{"system": "urn:o", "value": "1"}]},
                "request": {"method": "POST", "url": "Organization", "ifNoneExist": "identifier=urn:o|1"},
            },
            *(
                {
                    "resource": {"resourceType": "Patient", "managingOrganization": {"reference": made}, "id": f"{m}"},
                    "request": {"method": "POST", "url": "Patient"},
                }
                for m in range(20)
            ),
        ]
        body = {"resourceType": "Bundle", "type": "transaction", "id": f"{n}", "entry": entries}
        (folder / f"{n:03}.json").write_text(json.dumps(body))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_processes_that_create_the_same_resource_if_there_is_none_make_one(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    shared(tmp_path / "files", 60)
    url = f"sqlite:{tmp_path / 's.sqlite'}" if kind == "sqlite" else request.getfixturevalue("postgres_database")
    done = hilum("load", tmp_path / "files", "--data", tmp_path / "data", "--store", url, "--processes", 3, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["files"], report["loaded"], report["refused"]) == (0, 60, 60, 0)
    assert report["created"] == {"Organization": 1, "Patient": 1200}
    assert report["unchanged"] == {"Organization": 59}


def test_several_processes_store_and_report_what_one_does(tmp_path: Path) -> None:
    transactions(tmp_path / "files", 30, 20)
    ndjson(tmp_path / "files" / "lines.ndjson", 300)
    (tmp_path / "files" / "bad.json").write_text(json.dumps({"resourceType": "Patient", "id": "p", "gender": "x"}))
    (tmp_path / "files" / "later.json").write_text(
        json.dumps(
            {
                "resourceType": "Basic",
                "id": "b",
                "code": {"text": "b"},
                "subject": {"reference": "Patient?identifier=no"},
            }
        )
    )
    reports, stored = [], []
    for processes in (1, 3):
        data = tmp_path / f"data{processes}"
        done = hilum("load", tmp_path / "files", "--data", data, "--processes", processes, "--json")
        assert done.returncode == 1, done.stderr
        reports.append({name: value for name, value in json.loads(done.stdout).items() if name != "seconds"})
        db = apsw.Connection(str(data / "hilum.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)
        bodies = [json.loads(body) for (body,) in db.execute("SELECT body FROM resource WHERE shape > 0")]
        db.close()
        for body in bodies:
            del body["meta"]
        stored.append(sorted(bodies, key=lambda body: (body["resourceType"], body["id"])))
        assert differences(str(data / "hilum.sqlite")) == []
    assert reports[0] == reports[1]
    assert stored[0] == stored[1]
    assert len(stored[0]) == 900


def test_it_loads_into_the_store_of_a_running_server(tmp_path: Path, start: Callable[..., Server]) -> None:
    server = start()
    expected = transactions(tmp_path / "files", 20, 30)
    with server.client() as client:
        loading = subprocess.Popen(
            [sys.executable, "-m", "hilum.cli", "load", str(tmp_path / "files"), "--data", str(server.data)],
            stderr=subprocess.PIPE,
            text=True,
        )
        created = 0
        while loading.poll() is None:
            answer = client.post("Basic", json={"resourceType": "Basic", "code": {"text": "meanwhile"}})
            assert answer.status_code == 201, answer.text
            created += 1
        assert loading.returncode == 0, loading.stderr.read() if loading.stderr else ""
        totals = {type: client.get(type, params={"_summary": "count"}).json()["total"] for type in (*expected, "Basic")}
    assert totals == {**expected, "Basic": created}


def test_what_was_refused_is_a_table_a_file_and_json_and_the_exit_status_is_1(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text(json.dumps({"resourceType": "Patient", "id": "p", "gender": "Adalgisa"}))
    (tmp_path / "good.json").write_text(json.dumps({"resourceType": "Patient", "id": "q"}))
    table = hilum("load", tmp_path, "--data", tmp_path / "data", "--report", tmp_path / "report.txt")
    assert table.returncode == 1
    assert "bad.json" in table.stderr
    assert "Patient.gender" in table.stderr
    assert table.stdout == ""
    as_json = hilum("load", tmp_path / "bad.json", "--data", tmp_path / "data", "--json")
    (refusal,) = json.loads(as_json.stdout)["refusals"]
    assert (refusal["file"], refusal["expression"]) == ("bad.json", "Patient.gender")
    assert json.loads((tmp_path / "report.txt").read_text())["refusals"] == [refusal]
    assert "Adalgisa" not in table.stderr + as_json.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["load", "no-such-folder"], "hilum: no-such-folder does not exist."),
        (["load", ".", "--store", "mysql://x"], "hilum: The store mysql: is not known."),
        (["load", ".", "--env", "test"], "hilum: --env must be sandbox or production."),
    ],
)
def test_a_fault_of_the_user_is_one_line_and_exit_status_2(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = hilum(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith(says)


def test_it_loads_into_postgresql_and_again_adds_nothing(tmp_path: Path, postgres_database: str) -> None:
    expected = transactions(tmp_path / "files", 6, 20)
    first = hilum("load", tmp_path / "files", "--data", tmp_path / "d", "--store", postgres_database, "--json")
    assert (first.returncode, Counter(json.loads(first.stdout)["created"])) == (0, expected), first.stderr
    (tmp_path / "d" / "loads" / "journal.ndjson").unlink()
    again = hilum("load", tmp_path / "files", "--data", tmp_path / "d", "--store", postgres_database, "--json")
    assert (json.loads(again.stdout)["created"], Counter(json.loads(again.stdout)["unchanged"])) == ({}, expected)
