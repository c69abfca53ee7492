"""The checker can fail: each seeded mutant of the code that writes scripts makes it fail. HILUM_FULL tries all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.oracle.video.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "hilum"
FULL = bool(os.environ.get("HILUM_FULL"))
PATIENTS = 120

some = MUTANTS if FULL else tuple(one for one in MUTANTS if one.name == "doses are rounded")


def ask(source: Path) -> subprocess.CompletedProcess[str]:
    """Run the check on that source, in a process of its own."""
    path = os.pathsep.join((str(source), str(ROOT)))
    command = [sys.executable, "-m", "tests.oracle.video.mutants", str(PATIENTS)]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", some, ids=lambda one: one.name)
def test_a_mutant_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "hilum", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "hilum" / "video" / mutant.file
    text = file.read_text()
    file.write_text(text.replace(mutant.old, mutant.new))
    found = ask(tmp_path)
    assert found.returncode == 3, f"{mutant.name}: not noticed. {found.stderr[-2000:]}"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name)
def test_a_mutant_has_its_place(mutant: Mutant) -> None:
    text = (SOURCE / "video" / mutant.file).read_text()
    assert text.count(mutant.old) == 1, f"{mutant.file} has changed: find the mutant's place anew"


@pytest.mark.skipif(not FULL, reason="takes a minute: set HILUM_FULL=1")
def test_the_code_as_it_is_passes() -> None:
    found = ask(SOURCE.parent)
    assert (found.returncode, found.stdout.strip()) == (0, ""), found.stderr[-2000:]
