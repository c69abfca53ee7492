"""A server that can't begin says why in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.journeys.cli import hilum
from tests.journeys.server import free_port


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
