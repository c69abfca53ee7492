"""`hilum load` as it is used: killed and gone on with, beside a running server, its report in three forms."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli import hilum, postgres_database, postgres_url
from tests.journeys.server import Server

from hilum.store.sqlite import open_sqlite

__all__ = ["postgres_database", "postgres_url"]


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


def test_a_load_that_is_killed_again_and_again_goes_on_and_loads_everything_once(tmp_path: Path) -> None:
    expected = transactions(tmp_path / "files", 60, 40)
    ndjson(tmp_path / "files" / "lines.ndjson", 1500)
    command = [sys.executable, "-m", "hilum.cli", "load", str(tmp_path / "files"), "--data", str(tmp_path / "data")]
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
def test_ctrl_c_stops_with_a_report_and_says_how_to_go_on(tmp_path: Path) -> None:
    transactions(tmp_path / "files", 200, 50)
    command = [sys.executable, "-m", "hilum.cli", "load", str(tmp_path / "files"), "--data", str(tmp_path / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "data" / "loads" / "journal.ndjson"
    while not (journal.exists() and journal.stat().st_size) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    report = json.loads((tmp_path / "data" / "loads" / "report.json").read_text())
    assert process.returncode == 130, errors
    assert "Stopped. Run the same command again to go on where it was." in errors
    assert "Traceback" not in errors
    assert (report["stopped"], 0 < report["loaded"] < 200) == (True, True)


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
