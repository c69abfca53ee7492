"""`hilum keys new|list|rotate|export|drop` for signing in to EHRs, and the JWK Set that a running server publishes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from tests.journeys.both import flags, place
from tests.journeys.cli import hilum, postgres_database
from tests.journeys.server import Server

from hilum.oauth import keyset

__all__ = ["flags", "postgres_database"]

OURS = ("--use", "ehr", "--alg", "ES384")


def keys(*arguments: object, **options: Any) -> dict[str, Any]:
    done = hilum("keys", *arguments, "--json", **options)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def published(running: Server, environment: str = "sandbox") -> httpx.Response:
    return httpx.get(f"{running.url}/broker/jwks/{environment}.json")


def kids(running: Server) -> list[str]:
    answer = published(running)
    assert answer.status_code == 200
    assert len(keyset.read(answer.json())) == len(answer.json()["keys"]), "every EHR can read them"
    return [key["kid"] for key in answer.json()["keys"]]


def test_a_key_is_made_published_exported_rotated_and_taken_back(
    start: Callable[..., Server], flags: tuple[str, ...]
) -> None:
    running = start(*flags)
    where = place(running, flags)
    assert kids(running) == []
    first = keys("new", *OURS, *where)
    assert (first["state"], first["until"]) == ("signing", None)
    assert first["jwks_uri"] == str(published(running).url)
    assert kids(running) == [first["kid"]]
    assert published(running).headers["cache-control"] == "public, max-age=300"
    assert published(running, "production").status_code == 404
    second = keys("rotate", *OURS, "--wait", 72, *where)
    assert kids(running) == [first["kid"], second["kid"]]
    listed = keys("list", "--use", "ehr", *where)["keys"]
    assert [(one["kid"], one["state"]) for one in listed] == [
        (first["kid"], "signing"), (second["kid"], "published"),
    ]  # fmt: skip
    assert listed[0]["until"] > listed[1]["begins"]
    table = hilum("keys", "list", "--use", "ehr", *where, env=os.environ | {"COLUMNS": "80"}).stderr
    assert {first["kid"], second["kid"]} <= {line.partition(" ")[0] for line in table.splitlines()}
    exported = hilum("keys", "export", *OURS, "--format", "x509", *where).stdout
    subject = x509.load_pem_x509_certificate(exported.encode()).subject.rfc4514_string()
    assert subject == f"CN=hilum sandbox {second['kid']}", "the newest is what a portal has to learn"
    keys("drop", second["kid"], *where)
    assert kids(running) == [first["kid"]]


@pytest.mark.parametrize(
    "words",
    [
        ("keys", "new", *OURS),
        ("ehr", "add", "lake", "--base", "https://l.example/r4", "--client-id", "c", "--scopes", "system/*.rs"),
    ],
)
def test_what_somebody_begins_with_makes_the_data_directory_as_serve_does(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    data = tmp_path / "data"
    done = hilum(*words, "--data", data)
    assert done.returncode == 0, done.stderr
    assert f"{data} is a new data directory of the sandbox: serve it by --data." in done.stderr
    assert ((data / "environment").read_text(), data.stat().st_mode & 0o777) == ("sandbox\n", 0o700)
    assert {one.stat().st_mode & 0o077 for one in data.glob("signing-key*")} == {0}
    other = hilum(*words, "--data", data, "--env", "production")
    assert (other.returncode, "belongs to the environment 'sandbox'" in other.stderr) == (2, True), other.stderr
    running = Server(tmp_path)
    served = len(kids(running))
    running.stop()
    listed = json.loads(hilum("ehr", "list", "--json", "--data", data).stdout)["ehrs"]
    assert (served, [one["name"] for one in listed]) == ((1, []) if words[0] == "keys" else (0, ["lake"]))
    elsewhere = hilum(*words, "--data", data, "--store", f"sqlite:{tmp_path / 'other.db'}")
    assert f"{tmp_path / 'other.db'} is a new store." in elsewhere.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--use", "ehr", "--at-once", "--wait", "72"), "--at-once drops the keys of before now"),
        (("--use", "access", "--wait", "72"), "--wait goes with --use ehr"),
    ],
)
def test_a_wait_that_would_not_be_kept_is_refused_and_nothing_is_rotated(
    tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    where = ("--data", tmp_path / "data")
    first = keys("new", "--use", "ehr", *where)
    refused = hilum("keys", "rotate", *words, *where)
    assert (refused.returncode, refused.stdout, says in refused.stderr) == (1, "", True), refused.stderr
    assert [one["kid"] for one in keys("list", "--use", "ehr", *where)["keys"]] == [first["kid"]]


def test_a_key_from_elsewhere_comes_in_by_file_or_by_variable(start: Callable[..., Server], tmp_path: Path) -> None:
    running = start()
    where = ("--data", running.data)
    made = ec.generate_private_key(ec.SECP384R1())
    plain = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HILUM_")}
    brought = keys("new", "--from-env", "EPIC_KEY", *where, env=environ | {"EPIC_KEY": plain.replace("\n", "\\n")})
    assert kids(running) == [brought["kid"]]
    other = ec.generate_private_key(ec.SECP384R1())
    locked = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame"))
    (tmp_path / "key.pem").write_bytes(locked)
    from_file = ("new", "--from", tmp_path / "key.pem", *where)
    refused = hilum("keys", *from_file)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "passphrase is needed" in refused.stderr
    next_ = keys(*from_file, "--passphrase-file", "-", input="open sesame\n")
    assert next_["state"] == "published"
    assert kids(running) == [brought["kid"], next_["kid"]]
    assert (
        "is there already"
        in hilum("keys", "new", "--from-env", "EPIC_KEY", *where, env=environ | {"EPIC_KEY": plain}).stderr
    )
    assert "No such file" in hilum("keys", "new", "--from", tmp_path / "none.pem", *where).stderr
    assert "bring" in hilum("keys", "new", "--certificate", tmp_path / "key.pem", *where).stderr
