"""The signing key's file: private, whole, one per environment, made once however many start together."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from hilum.access import keys
from hilum.problems import Misconfigured


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    made = keys.load_or_create(tmp_path / "data", "sandbox")
    file = keys.path(tmp_path / "data", "sandbox")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert keys.load_or_create(tmp_path / "data", "sandbox").kid == made.kid
    assert [item.name for item in file.parent.iterdir()] == [file.name]


def test_each_environment_has_its_own(tmp_path: Path) -> None:
    assert keys.load_or_create(tmp_path, "sandbox").kid != keys.load_or_create(tmp_path, "production").kid


def test_a_key_is_not_taken_from_another_environment(tmp_path: Path) -> None:
    keys.load_or_create(tmp_path, "sandbox")
    keys.path(tmp_path, "sandbox").rename(keys.path(tmp_path, "production"))
    with pytest.raises(Misconfigured, match="environment"):
        keys.load_or_create(tmp_path, "production")


def test_neither_key_nor_file_shows_in_its_representation(tmp_path: Path) -> None:
    key = keys.load_or_create(tmp_path, "sandbox")
    secret = json.loads(keys.path(tmp_path, "sandbox").read_bytes())["key"]["d"]
    assert secret not in repr(key)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    keys.load_or_create(tmp_path, "sandbox")
    keys.path(tmp_path, "sandbox").chmod(mode)
    with pytest.raises(Misconfigured, match="chmod 600"):
        keys.load_or_create(tmp_path, "sandbox")


def _public(raw: bytes) -> bytes:
    found = json.loads(raw)
    del found["key"]["d"]
    return json.dumps(found).encode()


def _other_kid(raw: bytes) -> bytes:
    found = json.loads(raw)
    found["key"]["kid"] = "x"
    return json.dumps(found).encode()


@pytest.mark.parametrize(
    "spoil",
    [lambda raw: b"", lambda raw: raw[:50], lambda raw: b"{}", lambda raw: b"\xff", _public, _other_kid],
)
def test_a_file_that_is_no_whole_private_key_is_refused(tmp_path: Path, spoil: object) -> None:
    keys.load_or_create(tmp_path, "sandbox")
    file = keys.path(tmp_path, "sandbox")
    file.write_bytes(spoil(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(Misconfigured):
        keys.load_or_create(tmp_path, "sandbox")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="can't be read"):
        keys.load(keys.path(tmp_path, "sandbox"), "sandbox")


def _kid(folder: str) -> str:
    return keys.load_or_create(Path(folder), "sandbox").kid


def test_of_many_threads_and_processes_one_makes_the_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(_kid, [str(tmp_path / "threads")] * 32))) == 1
    with ProcessPoolExecutor(4) as processes:
        assert len(set(processes.map(_kid, [str(tmp_path / "processes")] * 12))) == 1
    assert len(list((tmp_path / "processes").iterdir())) == 1
