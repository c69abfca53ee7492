"""What a module imports of fixtures is its own: one of a session would be made again for each module, and kept."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS / "conftest.py"
"""Its fixtures are every test's."""
OF_A_SESSION = re.compile(r'^@pytest\.fixture\([^)]*scope="session"[^)]*\)\n(?:async )?def (\w+)', re.MULTILINE)
IMPORT = re.compile(r"^from (tests[\w.]+) import (\([^)]*\)|.*)$", re.MULTILINE)


def test_no_module_imports_a_fixture_of_the_session() -> None:
    texts = {path: path.read_text("utf-8") for path in TESTS.rglob("*.py") if "node_modules" not in path.parts}
    shared = {
        (".".join(path.relative_to(TESTS.parent).with_suffix("").parts), name)
        for path, text in texts.items()
        for name in OF_A_SESSION.findall(text)
    }
    assert ("tests.postgres", "postgres_url") in shared
    wrong = [
        f"{path.relative_to(TESTS)}: {name}"
        for path, text in texts.items()
        for module, names in IMPORT.findall(text)
        for name in re.findall(r"\w+", names)
        if path != ROOT and (module, name) in shared
    ]
    assert wrong == []
