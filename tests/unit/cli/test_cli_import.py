"""Help is quick because it imports little."""

from __future__ import annotations

import subprocess
import sys


def test_help_imports_no_server_no_store_and_no_definitions():
    code = "import sys, hilum.cli.commands; print(*sorted(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = {"uvicorn", "apsw", "asyncpg", "joserfc", "jinja2", "cryptography", "hilum.fhir.definitions", "hilum.store"}
    assert heavy & loaded == set()
    assert "hilum.cli.commands" in loaded
