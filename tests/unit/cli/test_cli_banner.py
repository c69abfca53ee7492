"""What `hilum serve` prints can be copied and run."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilum.cli import banner


def installed(folder: Path) -> Path:
    file = folder / "bin" / "hilum"
    file.parent.mkdir(parents=True)
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation in the folder where somebody stands, and nothing on the PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    return installed(tmp_path)


def test_where_hilum_is_not_on_the_path_its_commands_are_named_by_theirs(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [str(here), "serve"])
    assert banner.program() == "bin/hilum"


def test_where_another_hilum_is_on_the_path_the_one_that_runs_is_meant(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(installed(tmp_path / "other").parent))
    monkeypatch.setattr("sys.argv", [str(here), "serve"])
    assert banner.program() == "bin/hilum"


@pytest.mark.parametrize("called", ["bin/hilum", "/somewhere/hilum/cli/__main__.py"])
def test_else_they_are_called_hilum(here: Path, monkeypatch: pytest.MonkeyPatch, called: str) -> None:
    monkeypatch.setenv("PATH", str(here.parent))
    monkeypatch.setattr("sys.argv", [called, "serve"])
    assert banner.program() == "hilum"


def test_one_elsewhere_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = installed(tmp_path / "there")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", [str(there), "serve"])
    assert banner.program() == str(there)
