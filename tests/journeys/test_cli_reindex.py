"""`hilum reindex` and `hilum check --rows`: beside two workers that write, and killed in the middle. On both stores."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import httpx
from tests.journeys.both import compared, flags, place, told
from tests.journeys.cli import hilum, postgres_database
from tests.journeys.server import FHIR_JSON, Server
from tests.journeys.test_http_parameters import batch, definition, person, post, total, when_ready

__all__ = ["flags", "postgres_database"]

SPOILED = (
    "DELETE FROM token WHERE value IN (SELECT value FROM token ORDER BY rid LIMIT 40)",
    "INSERT INTO token (param, value, rid) SELECT param + 1, value, rid FROM token ORDER BY value LIMIT 40",
    "INSERT INTO token (param, value, rid) SELECT param, value, 7 FROM token ORDER BY value LIMIT 40",
    "DELETE FROM string WHERE exact IN (SELECT exact FROM string ORDER BY rid LIMIT 40)",
    "UPDATE string SET exact = exact + 1 WHERE exact IN (SELECT exact FROM string ORDER BY rid LIMIT 40)",
    "DELETE FROM compartment WHERE owner IN (SELECT owner FROM compartment ORDER BY owner LIMIT 40)",
    "UPDATE tally SET n = n + 1",
)


class Writers:
    """Two clients that write until they are stopped. `bodies`: what was acknowledged last, by id."""

    def __init__(self, running: Server) -> None:
        self.bodies: dict[str, str] = {}
        self._ended = False
        self._threads = [threading.Thread(target=self._write, args=(running, n)) for n in range(2)]
        for thread in self._threads:
            thread.start()

    def _write(self, running: Server, number: int) -> None:
        with running.client() as client:
            n = 0
            while not self._ended:
                n += 1
                id, value = f"p{2 * (n * 7 % 400) + number}", f"w{n % 5}"
                answer = client.put(f"Patient/{id}", json=person(value, id), headers=FHIR_JSON)
                assert answer.status_code in (200, 201), answer.text
                self.bodies[id] = value

    def stop(self) -> None:
        self._ended = True
        for thread in self._threads:
            thread.join()


def test_the_index_is_right_after_a_reindex_beside_two_workers_that_write(
    start: Callable[..., Server], flags: tuple[str, ...]
) -> None:
    running = start("--workers", "2", *flags)
    with running.client() as client:
        batch(client, [person(f"r{n % 3}", f"p{n}") for n in range(2500)])
        made = post(client, definition())
        assert when_ready(client, made["url"])["status"] == "completed"
        assert compared(running, flags)["state"] == "ok"
        told(running, flags, *SPOILED)
        assert "token" in compared(running, flags)["found"]
        writers = Writers(running)
        done = hilum("reindex", "--json", *place(running, flags))
        writers.stop()
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert said["done"] >= 2500
        assert {"token", "string", "compartment", "tally"} <= set(said["wrong"])
        assert compared(running, flags) == {
            "what": "search index",
            "state": "ok",
            "found": f"that of {total_of(client):,} resources compared",
            "todo": "",
        }
        is_ = {f"p{n}": f"r{n % 3}" for n in range(2500)} | writers.bodies
        for value in ("r0", "r1", "r2", "w0", "w3"):
            assert total(client, f"tribe={value}") == sum(1 for one in is_.values() if one == value)


def total_of(client: httpx.Client) -> int:
    return int(client.get("?_type=Patient,Task,SearchParameter&_total=accurate&_count=0").json()["total"])


def test_a_reindex_that_is_killed_goes_on_where_it_stopped(
    start: Callable[..., Server], flags: tuple[str, ...], tmp_path: Path
) -> None:
    running = start(*flags)
    with running.client() as client:
        batch(client, [person(f"r{n % 3}", f"p{n}") | {"gender": "other"} for n in range(4000)])
        told(running, flags, "DELETE FROM token WHERE rid % 2 = 0")
        command = [sys.executable, "-m", "hilum.cli", "reindex", *map(str, place(running, flags))]
        killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        ends = time.monotonic() + 60
        while not told(running, flags, "SELECT 1 FROM meta WHERE key = 'rebuild'"):
            assert killed.poll() is None, killed.communicate()
            assert time.monotonic() < ends
            time.sleep(0.02)
        killed.kill()
        killed.wait()
        done = hilum("reindex", "--json", *place(running, flags))
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert 0 < said["before"] < said["done"] == 4000
        assert compared(running, flags)["state"] == "ok"
        assert total(client, "gender=other") == 4000


def test_what_can_not_be_reindexed_is_said_with_its_exit_status(
    start: Callable[..., Server], flags: tuple[str, ...]
) -> None:
    running = start(*flags)
    with running.client() as client:
        post(client, person("x"))
        ok = client.put("Patient/bad", json=person("x", "bad"), headers=FHIR_JSON)
        assert ok.status_code == 201
    body = (
        'convert_to(\'{"resourceType":"Patient","id":"bad",\', \'UTF8\')'
        if flags
        else 'cast(\'{"resourceType":"Patient","id":"bad",\' AS BLOB)'
    )
    rid = "id = 'bad'" if flags else "rid = (SELECT rid FROM identity WHERE id = 'bad')"
    told(running, flags, f"UPDATE resource SET body = {body} WHERE {rid}")
    done = hilum("reindex", *place(running, flags))
    assert (done.returncode, "1 can't be indexed (`hilum check`): Patient/bad." in done.stdout) == (1, True)
    unknown = hilum("reindex", "--parameter", "gendr", *place(running, flags))
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "gender" in unknown.stderr
    nowhere = hilum("reindex", "--type", "Patients", *place(running, flags))
    assert (nowhere.returncode, nowhere.stderr.count("\n")) == (2, 1)


def test_every_file_of_the_data_directory_is_documented(start: Callable[..., Server], tmp_path: Path) -> None:
    running = start()
    with running.client() as client:
        made = post(client, definition())
        assert when_ready(client, made["url"])["status"] == "completed"
    (tmp_path / "patient.json").write_text(json.dumps(person("x")))
    for command in (("load", tmp_path / "patient.json"), ("reindex",), ("demo", "--patients", 1)):
        assert hilum(*command, "--data", running.data).returncode == 0
    documented = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "data-directory.md").read_text()
    names = [str(file.relative_to(running.data)) for file in running.data.rglob("*") if file.is_file()]
    assert {"hilum.sqlite-turn", "hilum.sqlite-turn-index", "hilum.sqlite-turn-reindex"} < set(names)
    patterns = re.findall(r"`([^`]+)`", documented)
    assert [name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)] == []
