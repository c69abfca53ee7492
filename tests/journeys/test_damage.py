"""A SQLite file with damaged pages is found and called that: by `check`, `backup`, `serve`, and while it is served."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import httpx
import pytest
from tests.journeys.cli import hilum
from tests.journeys.conftest import diagnostics
from tests.journeys.server import FHIR_JSON, Server

PAGE = 4096


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "d"
    assert hilum("demo", "--patients", 3, "--data", folder).returncode == 0
    return folder


@pytest.fixture
def data(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "data"))


def root(file: Path, name: str) -> int:
    db = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    found = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (name,)).get
    db.close()
    return int(found)


def leaf(file: Path, name: str) -> int:
    """A page in the middle of a table."""
    db = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    pages = [n for (n,) in db.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (name,))]
    db.close()
    return int(pages[len(pages) // 2])


def spoil(file: Path, page: int, content: bytes = b"\xa5" * PAGE) -> None:
    with file.open("r+b") as opened:
        opened.seek((page - 1) * PAGE)
        opened.write(content)


def checked(data: Path, *more: object) -> tuple[int, dict[str, dict[str, str]]]:
    done = hilum("check", "--data", data, "--port", 0, "--json", *more)
    return done.returncode, {check["what"]: check for check in json.loads(done.stdout)["checks"]}


def test_what_is_whole_is_sound(data: Path) -> None:
    assert checked(data)[0] == 0
    status, found = checked(data, "--full")
    assert (status, found["contents"]["state"], "all indexes" in found["contents"]["found"]) == (0, "ok", True)


@pytest.mark.parametrize("table", ["resource", "token", "log", "reference", "audit"])
def test_a_damaged_page_anywhere_is_found_by_check_and_backup(data: Path, table: str, tmp_path: Path) -> None:
    file = data / "hilum.sqlite"
    spoil(file, leaf(file, table))
    status, found = checked(data)
    contents = found["contents"]
    assert (status, contents["state"]) == (1, "fail")
    assert f"sqlite:{file} is damaged" in contents["found"]
    assert "hilum restore FILE --force" in contents["todo"]
    text = hilum("check", "--data", data, "--port", 0)
    assert "Not sound" in text.stdout
    done = hilum("backup", tmp_path / "b", "--data", data)
    assert (done.returncode, (tmp_path / "b").exists(), done.stderr.count("\n")) == (1, False, 1)
    assert f"The store {file} is damaged" in done.stderr
    assert not list(tmp_path.glob("b*"))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE resource SET body = CAST('{' AS BLOB) WHERE rid = (SELECT min(rid) FROM resource)", "body of rid"),
        ("UPDATE tally SET n = n + 1 WHERE type = (SELECT min(type) FROM tally)", "tally: "),
        ("UPDATE clock SET seq = 1", "clock: behind"),
        ("DELETE FROM clock", "clock: not one row"),
        ("UPDATE resource SET version = 7 WHERE rid = (SELECT max(rid) FROM resource)", "log: 1 resources"),
        ("DELETE FROM token", "token: a row of rid"),
        ("DELETE FROM compartment", "compartment: a row of rid"),
        ("DELETE FROM quantity", "quantity: a row of rid"),
        ("DELETE FROM composite", "composite: a row of rid"),
        ("UPDATE unit SET code = 'mm'", "unit: a row of rid"),
        ("DELETE FROM term", "term: a row of rid"),
        ("UPDATE resource SET shape = 1 WHERE shape > 1", "shape: that of rid"),
        ("DELETE FROM shape WHERE id > 1", "shape: that of rid"),
    ],
)  # fmt: skip
def test_pages_that_are_whole_may_hold_what_is_not(data: Path, sql: str, said: str) -> None:
    db = apsw.Connection(str(data / "hilum.sqlite"))
    db.execute(sql)
    db.close()
    status, found = checked(data)
    assert status == 1
    wrong = found["contents"] if found["contents"]["state"] == "fail" else found["store"]
    if said == "clock: not one row":  # without it the store can't even be opened
        assert {found["store"]["state"], found["contents"]["state"]} == {"fail"}
    else:
        assert said in wrong["found"], wrong


@pytest.mark.parametrize("name", ["resource", "token", "clock"])
def test_a_server_does_not_begin_on_a_store_whose_roots_are_damaged(data: Path, name: str) -> None:
    file = data / "hilum.sqlite"
    spoil(file, root(file, name))
    done = hilum("serve", "--data", data, "--port", 0, timeout=30)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert f"The store {file} is damaged" in done.stderr
    assert "hilum restore FILE --force" in done.stderr


def test_a_damaged_first_page_is_one_line(data: Path) -> None:
    file = data / "hilum.sqlite"
    spoil(file, 1)
    for command in (("serve", "--port", 0), ("check", "--port", 0), ("backup", data / "b")):
        done = hilum(*command, "--data", data, timeout=30)
        assert done.returncode in (1, 2)
        assert "its first page is damaged" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_damage_that_shows_while_serving_is_no_defect_and_ends_readiness(start: Callable[..., Server]) -> None:
    running = start()
    file = running.data / "hilum.sqlite"
    with running.client() as client:
        made = client.post("Patient", json={"resourceType": "Patient", "active": True}, headers=FHIR_JSON).json()
        assert httpx.get(running.url + "/ready").status_code == 200
        db = apsw.Connection(str(file))
        db.execute("SELECT * FROM meta").fetchall()
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        db.close()
        assert file.with_name(file.name + "-wal").stat().st_size == 0
        for name in ("token", "identity", "resource", "log"):
            spoil(file, root(file, name))
        db = apsw.Connection(str(file))
        db.execute("UPDATE meta SET value = value")  # so that nobody trusts the pages that it holds in memory
        db.close()
        refused = client.post("Patient", json={"resourceType": "Patient", "active": True}, headers=FHIR_JSON)
        assert (refused.status_code, "The store is damaged" in diagnostics(refused)) == (500, True), refused.text
        assert "restore a backup" in diagnostics(refused)
        assert client.get(f"Patient/{made['id']}").status_code == 500
        ready = httpx.get(running.url + "/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "damaged"})
        assert httpx.get(running.url + "/health").status_code == 200
    running.stop()
    events = [event for event in running.events if event["event"] == "damaged"]
    assert {event["level"] for event in events} == {"error"}
    assert not [event for event in running.events if event["event"] == "defect"]
