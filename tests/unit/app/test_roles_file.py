"""The file of roles, read again when it changes: what is not sound changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hilum.access.roles import packaged
from hilum.app.roles import Current, table
from hilum.app.settings import Settings
from hilum.problems import Misconfigured

NURSE = """
[nurse]
title = "Nurse"
rules = [{ types = ["Observation"], may = "rs" }]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "roles.toml"
    found.write_text(NURSE)
    return found


def written(file: Path, text: str) -> None:
    """Written so that it is seen to be another file, whatever the file system's clock."""
    before = file.stat().st_mtime_ns
    file.write_text(text)
    os.utime(file, ns=(before + 1_000_000, before + 1_000_000))


def test_without_a_file_there_are_those_of_hilum() -> None:
    found = Current(Settings())
    assert dict(found) == dict(packaged())
    assert not found.look()


def test_a_change_is_seen_once(file: Path) -> None:
    found = Current(Settings(roles=str(file)))
    assert (set(found) - set(packaged()), len(found)) == ({"nurse"}, len(packaged()) + 1)
    assert not found.look()
    written(file, NURSE.replace('"rs"', '"r"'))
    assert found.look()
    assert found["nurse"].rules[0].may == {"r"}
    assert not found.look()
    written(file, NURSE.replace('"rs"', '"r"') + "# a remark\n")
    assert not found.look(), "nothing is another"


def test_what_is_not_sound_changes_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = Current(Settings(roles=str(file)))
    before = dict(found)
    written(file, "[nurse")
    assert not found.look()
    file.unlink()
    assert not found.look()
    assert dict(found) == before
    file.write_text(NURSE.replace("nurse", "midwife"))
    assert found.look()
    assert "nurse" not in found
    assert "midwife" in found


def test_at_the_start_it_must_be_sound(file: Path) -> None:
    file.write_text("[nurse")
    with pytest.raises(Misconfigured, match="not TOML"):
        Current(Settings(roles=str(file)))
    with pytest.raises(Misconfigured, match="can't be read"):
        table(Settings(roles=str(file.parent / "missing")))
