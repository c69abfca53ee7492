"""The examples run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.journeys.server import Server

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_the_rest_example_does_what_it_says(server: Server) -> None:
    command = [sys.executable, str(EXAMPLES / "rest.py"), server.base]
    done = subprocess.run(
        command, env=os.environ | {"TOKEN": server.token()}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("transaction: ['201', '201', '201', '201'], Patient/")
    assert said[1:] == [
        'read: Example, version W/"1"; asked again: 304',
        "  412: The current version is 2, not the one that If-Match names.",
        "update with If-Match: 200, the same again: 412",
        "create with If-None-Exist: 200, the one that was there: True",
        "search: 3 weights on 2 pages",
        """history: [('PUT', 'W/"2"'), ('POST', 'W/"1"')]""",
    ]
