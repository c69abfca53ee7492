"""`hilum demo, check, backup, restore, migrate, token` on both stores."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import apsw
import pytest
from tests.journeys.cli import another_database, hilum, postgres_database

__all__ = ["another_database", "postgres_database"]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return (
        f"sqlite:{tmp_path / 's.sqlite'}" if request.param == "sqlite" else request.getfixturevalue("postgres_database")
    )


def counts(data: Path, store: str) -> int:
    """Resources in the store, as `hilum check` sees them."""
    checks = json.loads(hilum("check", "--data", data, "--store", store, "--port", 0, "--json").stdout)["checks"]
    found = next(check["found"] for check in checks if check["what"] == "store")
    return int(found.rsplit(" resources", 1)[0].rsplit(" ", 1)[1].replace(",", ""))


def test_the_demo_is_made_once_and_only_into_an_empty_store_if_asked_so(tmp_path: Path, store: str) -> None:
    demo = ("demo", "--patients", 3, "--data", tmp_path / "d", "--store", store)
    done = hilum(*demo, "--json")
    first = json.loads(done.stdout)
    made = sum(first["created"].values())
    assert (first["refused"], first["created"]["Patient"]) == (0, 3), done.stdout + done.stderr
    again = json.loads(hilum(*demo, "--json").stdout)
    assert (again["created"], counts(tmp_path / "d", store)) == ({}, made)
    if_empty = hilum(*demo, "--if-empty")
    assert (if_empty.returncode, if_empty.stderr) == (0, "The store holds data already: nothing to do.\n")


def test_a_demo_that_was_interrupted_goes_on_although_the_store_is_not_empty(tmp_path: Path) -> None:
    demo = ("demo", "--patients", 2, "--data", tmp_path)
    hilum(*demo)
    (tmp_path / "demo.json").write_text(json.dumps({"patients": 2, "seed": 1, "complete": False}))
    assert "already: nothing" not in hilum(*demo, "--if-empty").stderr
    assert json.loads((tmp_path / "demo.json").read_text())["complete"] is True


def test_demo_data_is_refused_in_production(tmp_path: Path) -> None:
    done = hilum("demo", "--data", tmp_path / "d", "--env", "production")
    assert (done.returncode, done.stderr.count("\n"), (tmp_path / "d").exists()) == (2, 1, False)


def test_a_backup_comes_back_as_it_was(tmp_path: Path, store: str, request: pytest.FixtureRequest) -> None:
    place = ("--data", tmp_path / "d", "--store", store)
    hilum("demo", "--patients", 2, *place)
    before = counts(tmp_path / "d", store)
    backup = tmp_path / "b.hilum"
    made = json.loads(hilum("backup", backup, *place, "--json").stdout)
    assert made["bytes"] == backup.stat().st_size
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    refused = hilum("restore", backup, *place)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    if store.startswith("sqlite"):
        hilum("load", _patient(tmp_path), *place)
        assert counts(tmp_path / "d", store) == before + 1
        done = hilum("restore", backup, *place, "--force", "--json")
    else:
        place = ("--data", tmp_path / "d", "--store", request.getfixturevalue("another_database"))
        done = hilum("restore", backup, *place, "--json")
    assert done.returncode == 0, done.stderr
    assert sum(json.loads(done.stdout)["types"].values()) == before
    assert counts(tmp_path / "d", str(place[3])) == before


def belongs(data: Path, environment: str) -> None:
    """Make it a data directory."""
    (data / "environment").write_text(f"{environment}\n")


def _patient(folder: Path) -> Path:
    file = folder / "one.json"
    file.write_text('{"resourceType": "Patient", "id": "after-the-backup"}')
    return file


def test_a_backup_is_not_overwritten_unless_forced(tmp_path: Path) -> None:
    hilum("demo", "--patients", 1, "--data", tmp_path / "d")
    (tmp_path / "b").write_text("precious")
    assert hilum("backup", tmp_path / "b", "--data", tmp_path / "d").returncode == 2
    assert (tmp_path / "b").read_text() == "precious"
    assert hilum("backup", tmp_path / "b", "--data", tmp_path / "d", "--force").returncode == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "d"]


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + b"\0" * 5000])
def test_a_damaged_backup_replaces_nothing(tmp_path: Path, content: bytes) -> None:
    hilum("demo", "--patients", 1, "--data", tmp_path / "d")
    before = counts(tmp_path / "d", "")
    (tmp_path / "b").write_bytes(content)
    done = hilum("restore", tmp_path / "b", "--data", tmp_path / "d", "--force")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert counts(tmp_path / "d", "") == before
    assert not [p.name for p in (tmp_path / "d").iterdir() if "trial" in p.name or "part" in p.name]


def test_a_backup_of_another_environment_is_refused_and_replaces_nothing(tmp_path: Path) -> None:
    hilum("demo", "--patients", 1, "--data", tmp_path / "d")
    hilum("backup", tmp_path / "b", "--data", tmp_path / "d")
    done = hilum("restore", tmp_path / "b", "--data", tmp_path / "p", "--env", "production")
    assert (done.returncode, "belongs to the environment 'sandbox'" in done.stderr) == (2, True)
    assert not (tmp_path / "p" / "hilum.sqlite").exists()


def test_a_store_in_use_is_not_replaced(tmp_path: Path) -> None:
    hilum("demo", "--patients", 1, "--data", tmp_path / "d")
    hilum("backup", tmp_path / "b", "--data", tmp_path / "d")
    other = apsw.Connection(str(tmp_path / "d" / "hilum.sqlite"))
    other.execute("SELECT count(*) FROM meta").fetchall()
    done = hilum("restore", tmp_path / "b", "--data", tmp_path / "d", "--force")
    other.close()
    assert (done.returncode, "The store is in use. Stop `hilum serve` first" in done.stderr) == (2, True)


def test_migrate_is_safe_to_repeat(tmp_path: Path, store: str) -> None:
    hilum("demo", "--patients", 1, "--data", tmp_path / "d", "--store", store)
    first, second = (hilum("migrate", "--data", tmp_path / "d", "--store", store, "--json") for _ in range(2))
    assert (first.returncode, first.stdout) == (0, second.stdout)
    assert json.loads(first.stdout)["schema"] >= 1


def test_check_of_nothing_is_sound_and_makes_nothing(tmp_path: Path, store: str) -> None:
    done = hilum("check", "--data", tmp_path / "d", "--store", store, "--port", 0, "--json")
    found = {check["what"]: check for check in json.loads(done.stdout)["checks"]}
    assert (done.returncode, {check["state"] for check in found.values()}) == (0, {"ok"}), done.stdout
    assert "is not there yet" in found["store"]["found"]
    assert not (tmp_path / "d").exists()


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_check_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    data = tmp_path / "d"
    hilum("demo", "--patients", 1, "--data", data)
    hilum("token", "--data", data)
    data.chmod(0o755)
    (data / "signing-key.sandbox.json").chmod(0o644)
    done = hilum("check", "--data", data, "--port", 0)
    assert done.returncode == 1
    assert f"→ chmod 700 {data}" in done.stdout
    assert "fail signing key" in done.stdout
    other = hilum("check", "--data", data, "--port", 0, "--env", "production", "--json")
    wrong = [check["what"] for check in json.loads(other.stdout)["checks"] if check["state"] == "fail"]
    assert (other.returncode, wrong) == (1, ["data directory", "store"])


def test_migrate_and_token_make_nothing_of_a_mistyped_data_directory(tmp_path: Path) -> None:
    for command in ("migrate", "token"):
        done = hilum(command, "--data", tmp_path / "typo")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert f"There is no hilum data directory {tmp_path / 'typo'}." in done.stderr
    (tmp_path / "d").mkdir()
    belongs(tmp_path / "d", "sandbox")
    done = hilum("migrate", "--data", tmp_path / "d")
    assert (done.returncode, "There is no store" in done.stderr) == (2, True)
    assert [p.name for p in tmp_path.rglob("*")] == ["d", "environment"]


def test_a_database_elsewhere_can_be_laid_out_before_there_is_a_data_directory(
    tmp_path: Path, postgres_database: str
) -> None:
    done = hilum("migrate", "--data", tmp_path / "d", "--store", postgres_database)
    assert (done.returncode, (tmp_path / "d").exists()) == (0, False), done.stderr


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    store = "postgresql://ann:secret@127.0.0.1:9/hilum"
    for command in ("serve", "migrate", "check"):
        flags = () if command == "migrate" else ("--port", 0)
        done = hilum(command, "--data", tmp_path / "d", "--store", store, *flags)
        said = done.stdout + done.stderr
        assert "PostgreSQL at 127.0.0.1, port 9, does not answer." in said, said
        assert (done.returncode, "secret" in said) == (1, False)


@pytest.mark.parametrize("store", ["sqlite", "postgresql"], indirect=True)
def test_a_backup_of_the_other_kind_of_store_is_called_that(tmp_path: Path, store: str) -> None:
    backup = tmp_path / "b"
    other, name = (b"PK\x03\x04", "PostgreSQL") if store.startswith("sqlite") else (b"SQLite format 3\0", "SQLite")
    backup.write_bytes(other + b"\0" * 100)
    done = hilum("restore", backup, "--data", tmp_path / "d", "--store", store)
    assert (done.returncode, f"{backup} is a backup of a {name} store" in done.stderr) == (2, True), done.stderr


def test_a_token_says_what_it_is_for(tmp_path: Path) -> None:
    belongs(tmp_path, "sandbox")
    done = hilum("token", "--data", tmp_path, "--scope", "patient/*.rs", "--patient", "p1", "--minutes", 5, "--json")
    answer = json.loads(done.stdout)
    assert answer.pop("access_token").count(".") == 2
    assert answer == {
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.rs",
        "aud": "http://127.0.0.1:8080/fhir",
    }


@pytest.mark.parametrize("flags", [["--scope", "everything"], ["--scope", "patient/*.rs"], ["--minutes", "9999"]])
def test_a_token_that_can_not_be_is_refused_in_one_line(tmp_path: Path, flags: list[str]) -> None:
    belongs(tmp_path, "sandbox")
    done = hilum("token", "--data", tmp_path, *flags)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_a_token_of_production_needs_a_reason_and_lasts_a_quarter_of_an_hour(tmp_path: Path) -> None:
    belongs(tmp_path, "production")
    place = ("token", "--data", tmp_path, "--env", "production")
    assert hilum(*place).returncode == 2
    assert hilum(*place, "--reason", "ticket 4711", "--minutes", 16).returncode == 2
    assert hilum(*place, "--reason", "ticket 4711", "--scope", "system/Patient.rs").returncode == 0
    line = json.loads((tmp_path / "tokens.log").read_text())
    assert {name: line[name] for name in ("scope", "minutes", "reason")} == {
        "scope": "system/Patient.rs",
        "minutes": 15.0,
        "reason": "ticket 4711",
    }
    assert stat.S_IMODE((tmp_path / "tokens.log").stat().st_mode) == 0o600
