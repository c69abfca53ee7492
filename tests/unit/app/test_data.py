"""The data directory: private, and of one environment."""

from __future__ import annotations

import os

import pytest

from hilum.app import data
from hilum.app.settings import Settings
from hilum.problems import Misconfigured


def test_it_is_made_private_and_stamped_with_its_environment(tmp_path):
    folder = data.prepare(Settings(data=tmp_path / "a" / "b"))
    assert (folder.stat().st_mode & 0o777, (folder / "environment").read_text()) == (0o700, "sandbox\n")
    assert (folder / "environment").stat().st_mode & 0o777 == 0o600


def test_another_environment_is_refused(tmp_path):
    data.prepare(Settings(data=tmp_path / "d"))
    with pytest.raises(Misconfigured, match="belongs to the environment 'sandbox', not 'production'"):
        data.prepare(Settings(data=tmp_path / "d", environment="production"))


def test_preparing_twice_changes_nothing(tmp_path):
    settings = Settings(data=tmp_path / "d")
    data.prepare(settings)
    before = (settings.data / "environment").stat()
    data.prepare(settings)
    assert (settings.data / "environment").stat() == before


def test_a_file_in_its_place_is_told_in_one_line(tmp_path):
    (tmp_path / "d").write_text("")
    with pytest.raises(Misconfigured, match="can't be used"):
        data.prepare(Settings(data=tmp_path / "d"))


def test_tokens_aim_at_the_newest_server_of_the_directory(tmp_path):
    settings = Settings(data=tmp_path)
    assert data.served_at(settings) == "http://127.0.0.1:8080/fhir"
    data.note_serving(Settings(data=tmp_path, port=9000))
    assert data.served_at(settings) == "http://127.0.0.1:9000/fhir"
    assert data.served_at(Settings(data=tmp_path, base_url="https://a")) == "https://a/fhir"


def test_a_private_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "f"
    data.write_private(target, b"one")

    def fails(_: int) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="no space"):
        data.write_private(target, b"two")
    assert target.read_bytes() == b"one"
