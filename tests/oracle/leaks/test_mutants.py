"""The leak suite can fail: each seeded mutant of the enforcement makes it fail. HILUM_FULL tries all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.oracle import definitions
from tests.oracle.leaks.mutants import MUTANTS
from tests.oracle.mutants import Mutant

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "hilum"
WORLDS = 16

pytestmark = [
    pytest.mark.skipif(not definitions.package().is_file(), reason="the R4 core package is missing"),
    pytest.mark.timeout(900),
]

full = pytest.mark.skipif(not os.environ.get("HILUM_FULL"), reason="takes minutes: set HILUM_FULL=1")


def ask(source: Path, worlds: int) -> subprocess.CompletedProcess[str]:
    """Run the suite on that source, in a process of its own."""
    path = os.pathsep.join((str(source), str(ROOT)))
    command = [sys.executable, "-m", "tests.oracle.leaks.mutants", "1", str(1 + worlds)]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_the_place_of_a_mutant_is_there(mutant: Mutant) -> None:
    assert (SOURCE / mutant.file).read_text().count(mutant.old) == 1, f"{mutant.file} has changed: find it anew"


@full
def test_the_code_as_it_is_agrees() -> None:
    found = ask(SOURCE.parent, WORLDS)
    assert (found.returncode, found.stdout.strip()) == (0, ""), found.stderr[-2000:]


@full
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_mutant_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "hilum", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "hilum" / mutant.file
    file.write_text(file.read_text().replace(mutant.old, mutant.new))
    found = ask(tmp_path, WORLDS)
    assert found.returncode == 3, f"{mutant.name}: not noticed. {found.stderr[-2000:]}"
