"""The agent as a process: one for a folder, woken by a signal, stopped by one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def agent(tmp_path):
    """Runs a command of the agent; `Popen`."""
    (tmp_path / "agent.toml").write_text('[send]\nto = "https://far.example"\n[[source]]\nkind = "meter"\n')
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "HILUM_AGENT_DATA": str(tmp_path)}
    begun = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.unit.agent.running.agent", *arguments]
        pipe = subprocess.PIPE
        begun.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True))
        return begun[-1]

    yield run
    for process in begun:
        process.kill()
        process.communicate()


def until(process: subprocess.Popen[str], word: str) -> None:
    """Read its lines up to this one."""
    for line in process.stdout:
        if line.strip() == word:
            return
    raise AssertionError(process.stderr.read())


def test_it_stops_for_a_person_goes_on_when_they_ask_and_ends_when_told_to(agent, tmp_path):
    (tmp_path / "fate").write_text("stopped")
    runs = agent("run")
    until(runs, "stopped")

    second = agent("run")
    assert "runs with" in second.communicate()[1]
    assert second.returncode == 2

    (tmp_path / "fate").write_text("stored")
    retried = agent("queue", "retry", "--json")
    assert json.loads(retried.communicate()[0]) == {"retried": 1, "running": True}
    until(runs, "stored")

    runs.send_signal(signal.SIGTERM)
    said, log = runs.communicate()
    assert (runs.returncode, said.split()) == (0, ["closed"])
    assert "stopped: 401" in log

    shown = agent("status", "--json")
    status = json.loads(shown.communicate()[0])
    assert shown.returncode == 1
    assert (status["process"], status["queue"]["waiting"], status["queue"]["last"]["receipt"]) == (
        None,
        0,
        '{"id":"r1"}',
    )
    assert status["stopped"] == ["No agent runs: start it with `hilum agent run`."]


def test_without_settings_it_says_what_to_do(agent, tmp_path):
    (tmp_path / "agent.toml").unlink()
    runs = agent("run")
    assert "hilum agent enroll" in runs.communicate()[1]
    assert runs.returncode == 2
