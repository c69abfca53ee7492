"""The oracle's check can fail: each seeded mutant of the search code makes it fail. HILUM_FULL tries all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.oracle import definitions
from tests.oracle.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "hilum"
POPULATIONS = 40

pytestmark = [
    pytest.mark.skipif(not definitions.package().is_file(), reason="the R4 core package is missing"),
    pytest.mark.skipif(not os.environ.get("HILUM_FULL"), reason="takes minutes: set HILUM_FULL=1"),
    pytest.mark.timeout(600),
]


def ask(source: Path, populations: int) -> subprocess.CompletedProcess[str]:
    """Run the agreement on that source, in a process of its own."""
    path = os.pathsep.join((str(source), str(ROOT)))
    command = [sys.executable, "-m", "tests.oracle.mutants", "1", str(1 + populations)]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


def test_the_code_as_it_is_agrees() -> None:
    found = ask(SOURCE.parent, POPULATIONS)
    assert (found.returncode, found.stdout.strip()) == (0, ""), found.stderr[-2000:]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_mutant_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "hilum", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "hilum" / mutant.file
    text = file.read_text()
    assert text.count(mutant.old) == 1, f"{mutant.file} has changed: find the mutant's place anew"
    file.write_text(text.replace(mutant.old, mutant.new))
    found = ask(tmp_path, POPULATIONS)
    assert found.returncode == 3, f"{mutant.name}: not noticed. {found.stderr[-2000:]}"
