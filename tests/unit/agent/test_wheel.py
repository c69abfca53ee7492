"""The wheel hilum-agent: built, installed alone, run."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hilum import __version__

ROOT = Path(__file__).resolve().parents[3]
SERVER = (
    "apsw",
    "asyncpg",
    "fastapi",
    "google-re2",
    "graphql-core",
    "httptools",
    "jinja2",
    "pint",
    "uvicorn",
    "uvloop",
)


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps")
    built = run(*pip, "--wheel-dir", folder, ROOT / "packaging" / "agent")
    if "No matching distribution found for hatchling" in built.stderr:
        pytest.skip("needs hatchling from a package index")
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment with nothing but the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("alone") / "venv"
    assert run(sys.executable, "-m", "venv", folder).returncode == 0
    installed = run(folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    if "No matching distribution found" in installed.stderr:
        pytest.skip("needs a package index")
    assert installed.returncode == 0, installed.stderr
    return folder / "bin"


def test_the_wheel_holds_what_the_agent_needs_and_no_more(wheel: Path) -> None:
    assert wheel.name == f"hilum_agent-{__version__}-py3-none-any.whl"
    names = [Path(name) for name in zipfile.ZipFile(wheel).namelist()]
    assert {one.parts[1] for one in names if one.parts[0] == "hilum"} == {
        "LICENSE",
        "NOTICE",
        "__init__.py",
        "agent",
        "hl7v2",
        "oauth",
        "phd",
        "problems.py",
    }
    assert not [one for one in names if "__pycache__" in one.parts]


@pytest.mark.parametrize("command", [("hilum", "agent"), ("python", "-m", "hilum.agent")], ids=" ".join)
def test_the_agent_alone_says_what_it_can_do(alone: Path, command: tuple[str, ...], tmp_path: Path) -> None:
    told = run(alone / command[0], *command[1:], "--help", cwd=tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    assert "queue" in told.stdout


def test_no_part_of_the_server_s_is_installed_or_imported(alone: Path, tmp_path: Path) -> None:
    listed = run(alone / "pip", "list", "--format", "freeze").stdout.lower()
    assert "joserfc" in listed
    assert [name for name in SERVER if f"{name}==" in listed] == []
    every = (
        "import importlib, pkgutil, hilum.agent\n"
        "for one in pkgutil.walk_packages(hilum.agent.__path__, 'hilum.agent.'):\n"
        "    if one.name.rpartition('.')[2] not in ('__main__', 'by_bumble') and 'simulat' not in one.name:\n"
        "        importlib.import_module(one.name)\n"
    )
    imported = run(alone / "python", "-c", every, cwd=tmp_path)
    assert imported.returncode == 0, imported.stderr


def test_other_commands_are_said_to_be_elsewhere(alone: Path, tmp_path: Path) -> None:
    told = run(alone / "hilum", "serve", cwd=tmp_path)
    assert told.returncode == 2
    assert "has no command 'serve'" in told.stderr
    assert "pip install hilum" in told.stderr
    assert run(alone / "hilum", "--version", cwd=tmp_path).stdout == f"hilum-agent {__version__}\n"
