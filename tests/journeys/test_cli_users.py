"""`hilum users` on both stores, and at a server that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli import hilum, postgres_database

__all__ = ["postgres_database"]

PASSWORD = "four green tractors sing"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[object, ...]:
    """Options that name a store which is there."""
    sqlite = request.param == "sqlite"
    store = f"sqlite:{tmp_path / 's.sqlite'}" if sqlite else request.getfixturevalue("postgres_database")
    options = ("--data", tmp_path / "d", "--store", store)
    done = hilum("demo", "--patients", 1, *options)
    assert done.returncode == 0, done.stderr
    return options


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """A store with one user, sam."""
    options = ("--data", tmp_path_factory.mktemp("users") / "d")
    hilum("demo", "--patients", 1, *options)
    assert hilum("users", "add", "sam", "--role", "patient", *options).returncode == 0
    return options


def users(place: tuple[object, ...]) -> list[dict[str, Any]]:
    return list(json.loads(hilum("users", "list", *place, "--json").stdout)["users"])


def test_users_are_added_listed_shut_out_let_in_and_given_passwords(place: tuple[object, ...], tmp_path: Path) -> None:
    assert users(place) == []
    kept = tmp_path / "password"
    kept.write_text(PASSWORD + "\n")
    done = hilum("users", "add", "kim.doe", "--role", "practitioner", "--display", "Kim Doe", "--stands-for",
                 "Practitioner/17", "--to-come", "--password-file", kept, *place, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    kim = json.loads(done.stdout)
    assert kim == {
        "id": kim["id"], "name": "kim.doe", "display": "Kim Doe", "roles": ["practitioner"],
        "fhirUser": "Practitioner/17", "patients": [], "disabled": False, "second_factor": False, "must_change": False,
    }  # fmt: skip
    done = hilum("users", "add", "pat", "--role", "patient", "--patient", "p1", "--to-come", *place)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1)
    assert "shown this once: " in done.stderr
    assert [(one["name"], one["fhirUser"], one["must_change"]) for one in users(place)] == [
        ("kim.doe", "Practitioner/17", False),
        ("pat", "Patient/p1", True),
    ]
    table = hilum("users", "list", *place)
    assert table.stdout.splitlines()[0] == f"{kim['id']} kim.doe"
    assert "practitioner" in table.stderr
    assert json.loads(hilum("users", "disable", "KIM.DOE", *place, "--json").stdout)["disabled"] is True
    assert json.loads(hilum("users", "enable", "kim.doe", *place, "--json").stdout)["disabled"] is False
    reset = json.loads(hilum("users", "reset", "kim.doe", *place, "--json").stdout)
    assert (reset["must_change"], len(reset["password"])) == (True, 19)


def test_what_a_user_is_linked_to_must_be_there_unless_it_is_said_to_come(place: tuple[object, ...]) -> None:
    demo = ("--role", "patient", "--patient", "demo-p001")
    done = hilum("users", "add", "new", *demo, "--patient", "demo-p999", "--stands-for", "RelatedPerson/9", *place)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    said = "There is no Patient/demo-p999 and no RelatedPerson/9. Check the id, or load the record first."
    assert said in done.stderr
    assert "say --to-come" in done.stderr
    assert users(place) == []
    assert hilum("users", "add", "new", *demo, *place).returncode == 0
    later = hilum("users", "add", "later", *demo, "--patient", "demo-p999", "--to-come", *place)
    assert later.returncode == 0, later.stderr
    assert [one["patients"] for one in users(place)] == [["demo-p001"], ["demo-p001", "demo-p999"]]


def test_the_last_administrator_is_not_shut_out(place: tuple[object, ...]) -> None:
    assert hilum("users", "add", "ann", "--role", "admin", *place).returncode == 0
    done = hilum("users", "disable", "ann", *place)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert "ann is the last one who may do as much with this server" in done.stderr
    assert users(place)[0]["disabled"] is False
    assert hilum("users", "add", "bob", "--role", "admin", *place).returncode == 0
    assert hilum("users", "disable", "ann", *place).returncode == 0
    assert "bob is the last one" in hilum("users", "disable", "bob", *place).stderr


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (("add", "kim.doe", "--role", "surgeon"), "", "There is no role 'surgeon'"),
        (("add", "kim doe", "--role", "patient"), "", "A user name has"),
        (("add", "kim.doe", "--role", "patient", "--stands-for", "Device/1"), "", "is a reference such as"),
        (("add", "kim.doe", "--role", "patient", "--patient", "Patient/1"), "", "by the id of its Patient"),
        (("add", "kim.doe", "--role", "patient", "--password-file", "-"), "short\n", "too short"),
        (("add", "kim.doe", "--role", "patient", "--password-file", "missing"), "", "can't be read from missing"),
        (("add", "SAM", "--role", "patient"), "", "There is a user 'SAM' already"),
        (("disable", "kim.doe"), "", "There is no user 'kim.doe'"),
        (("reset", "kim.doe"), "", "There is no user 'kim.doe'"),
    ],
)
def test_what_can_not_be_is_said_in_one_line_and_changes_nothing(
    other: tuple[object, ...], tmp_path: Path, arguments: tuple[str, ...], stdin: str, said: str
) -> None:
    done = hilum("users", *arguments, *other, input=stdin, cwd=tmp_path)
    assert (done.returncode != 0, done.stdout, done.stderr.count("\n")) == (True, "", 1), done.stderr
    assert said in done.stderr
    assert [one["name"] for one in users(other)] == ["sam"]


def test_without_a_store_nothing_is_made(tmp_path: Path) -> None:
    done = hilum("users", "list", "--data", tmp_path / "d")
    assert (done.returncode, (tmp_path / "d").exists()) == (2, False)
