"""A server that can't begin says why in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.journeys.cli import hilum
from tests.journeys.server import Server, free_port


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_a_data_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "serving.json").mkdir()
    line = one_line(hilum("serve", "--data", tmp_path, "--port", free_port()))
    assert "can't be written" in line
    assert str(tmp_path) in line


@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="mounting a small file system needs root on Linux"
)
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        assert hilum("demo", "--patients", 1, "--data", tmp_path).returncode == 0
        with (tmp_path / "ballast").open("wb", buffering=0) as ballast:
            try:
                while ballast.write(b"\0" * 65536):
                    pass
            except OSError:
                pass
        line = one_line(hilum("serve", "--data", tmp_path, "--port", free_port()))
        assert "No space left" in line or "full" in line
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_production_does_not_begin_with_links_that_lead_to_the_client_itself(tmp_path: Path) -> None:
    line = one_line(hilum("serve", "--data", tmp_path / "d", "--env", "production", "--host", "0.0.0.0"))
    assert "--base-url" in line
    assert not (tmp_path / "d").exists()


def test_production_does_not_begin_where_tokens_would_cross_a_network_in_clear(tmp_path: Path) -> None:
    for flags in (("--base-url", "http://fhir.example.org"), ("--host", "192.0.2.7")):
        line = one_line(hilum("serve", "--data", tmp_path / "d", "--env", "production", *flags))
        assert "unencrypted" in line
        assert "--base-url" in line
    assert not (tmp_path / "d").exists()


def test_a_sandbox_on_every_network_warns_of_its_links(start: Callable[..., Server]) -> None:
    said = "Set --base-url to the address that clients use"
    open_ = start("--host", "0.0.0.0")
    assert said in open_.log.splitlines()[0]
    open_.stop()
    assert said in open_.said
    named = start("--host", "0.0.0.0", "--base-url", "https://fhir.example.org")
    named.stop()
    assert said not in named.log + named.said


def test_production_on_an_empty_store_does_not_speak_of_the_demo(start: Callable[..., Server]) -> None:
    for environment in ("sandbox", "production"):
        running = start("--env", environment)
        running.stop()
        assert "hilum load" in running.said
        assert ("hilum demo" in running.said) is (environment == "sandbox")
