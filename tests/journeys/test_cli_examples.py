"""The examples for the shell run as they stand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.journeys.server import free_port

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SAYS = {
    "first_steps.sh": ['"family": "Ngo-Lind"', "the second time: 412", '"total":1'],
    "gather.sh": [
        "refused: forbidden",
        "delivered video: first_name, appointments (HTTP 200)",
        '"first_name": "',
    ],
    "backup_and_restore.sh": ["after the mistake: 2 patients", "after the restore: 3 patients"],
}


def test_every_example_for_the_shell_is_run():
    assert {file.name for file in EXAMPLES.glob("*.sh")} == set(SAYS)


@pytest.mark.skipif(os.name != "posix" or shutil.which("curl") is None, reason="no POSIX shell, or no curl")
@pytest.mark.parametrize("name", sorted(SAYS))
def test_the_example_runs(name: str, tmp_path: Path) -> None:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("HILUM_")}
    environ |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}",
        "HILUM_PORT": str(free_port()),
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        ["sh", str(EXAMPLES / name)], capture_output=True, text=True, timeout=120, check=False, env=environ
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [text for text in SAYS[name] if text not in done.stdout] == [], done.stdout
    assert list(tmp_path.iterdir()) == []
