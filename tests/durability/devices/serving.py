"""`hilum` with a fault: `python -m tests.durability.devices.serving MUTANT serve …`."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO

from tests.durability.devices.mutants import GATEWAY


def started(
    arguments: list[str], env: dict[str, str], out: IO[bytes], errors: IO[bytes], *, forked: bool = True
) -> subprocess.Popen[bytes]:
    """As `tests.journeys.server.started`, with the fault that the environment names."""
    command = [sys.executable, "-m", "tests.durability.devices.serving", env["CHAOS_MUTANT"], *arguments]
    env = {name: value for name, value in env.items() if name != "CHAOS_MUTANT"}
    return subprocess.Popen(command, stdout=out, stderr=errors, env=env, cwd=os.getcwd())


def main() -> None:
    from hilum.cli import main as hilum

    GATEWAY[sys.argv.pop(1)]()
    hilum()


if __name__ == "__main__":
    main()
