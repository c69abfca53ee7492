"""Dockerfile, compose.yaml, Makefile and CI say what is true of this project."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from hilum.app.settings import ENTRIES, Settings
from hilum.cli.commands import app

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("espeak-ng", "ffmpeg")
"""What the local renderer runs."""


def instructions():
    """(instruction, arguments) of the Dockerfile, lines joined, comments left out."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.partition(" ")
            yield name, rest


def last(name: str) -> str:
    return [rest for found, rest in instructions() if found == name][-1]


def test_what_the_image_copies_exists_and_is_not_ignored():
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    sources = [source for line in copied for source in line]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert sources, "the image is made of something"
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert [source for source in sources if f"!{source.removeprefix('./')}" not in ignored] == []


def test_the_image_holds_what_the_build_needs():
    project = (ROOT / "pyproject.toml").read_text()
    copied = " ".join(rest for name, rest in instructions() if name == "COPY")
    for needed in ("README.md", "LICENSE", "NOTICE"):
        assert needed in project
        assert needed in copied


def test_the_container_does_not_run_as_root():
    assert last("USER") == "hilum"
    users = [rest for name, rest in instructions() if name == "RUN" and "useradd" in rest]
    assert "--uid 10001" in users[0]


def settings_of_the_image() -> Settings:
    pairs = re.findall(r"(HILUM_\w+)=(\S+)", last("ENV"))
    return Settings.read({}, dict(pairs))


def test_the_container_serves_on_all_its_addresses_with_tokens_and_keeps_everything_in_its_volume():
    settings = settings_of_the_image()
    assert (settings.host, settings.auth, str(settings.data)) == ("0.0.0.0", "smart", last("VOLUME"))
    assert str(settings.port) == last("EXPOSE")


def test_the_command_of_the_image_is_one_of_ours():
    entry, command = json.loads(last("ENTRYPOINT")), json.loads(last("CMD"))
    assert entry == ["hilum"]
    assert parses(command)


def test_the_health_check_is_python_that_compiles():
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")
    assert "/health" in command[2]


def parses(words: list[str]) -> bool:
    command = typer.main.get_command(app).commands[words[0]]
    command.make_context(words[0], words[1:])
    return True


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_compose_starts_hilum_postgresql_and_redis_each_with_a_health_check(compose):
    assert sorted(compose["services"]) == ["hilum", "postgres", "redis"]
    assert all("healthcheck" in compose["services"][name] for name in ("postgres", "redis"))
    assert compose["services"]["hilum"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_compose_holds_no_secret_but_demands_it(compose):
    hilum, postgres = compose["services"]["hilum"], compose["services"]["postgres"]
    assert "${POSTGRES_PASSWORD:?" in hilum["environment"]["HILUM_STORE"]
    assert postgres["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
    example = dict(line.split("=", 1) for line in (ROOT / ".env.example").read_text().splitlines() if "=" in line)
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yaml").read_text()))
    assert (set(example), example["POSTGRES_PASSWORD"]) == (used, "")


def test_the_image_has_all_extras():
    installed = next(rest for name, rest in instructions() if name == "RUN" and "pip install" in rest)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert re.search(r"\.\[([^]]*)\]", installed)[1].split(",") == sorted(extras)


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, the last being ""."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, rest in instructions():
        if name == "FROM":
            image, _, stage = rest.partition(" AS ")
            here = found.setdefault(stage, [("FROM", image)])
        else:
            here.append((name, rest))
    return found


def test_an_image_that_makes_videos_is_the_plain_one_with_what_it_runs_beside_itself(compose):
    made = stages()
    assert (list(made), made[""]) == (["build", "plain", "video", ""], [("FROM", "plain")])
    (base, *_, user) = made["video"]
    assert (base, user) == (("FROM", "plain"), ("USER", "hilum"))
    installs = {stage: [rest for _, rest in steps if "apt-get install" in rest] for stage, steps in made.items()}
    assert {stage for stage, some in installs.items() if some} == {"video"}, (
        "nothing of the GPL where none was asked for"
    )
    assert set(PROGRAMS) <= set(installs["video"][0].split())
    assert compose["services"]["hilum"]["build"] == {"context": ".", "target": "${HILUM_TARGET:-plain}"}


def test_the_image_can_use_the_redis_that_compose_starts(compose):
    assert compose["services"]["hilum"]["environment"]["HILUM_REDIS"] == "${HILUM_REDIS:-}"
    assert Settings.read({}, {"HILUM_REDIS": ""}).redis == ""


def test_the_settings_in_compose_are_settings(compose):
    hilum = compose["services"]["hilum"]
    variables = {entry.variable for entry in ENTRIES.values()}
    assert set(hilum["environment"]) <= variables
    filled = {name: re.sub(r"\$\{\w+:[?-]([^}]*)\}", "x", value) for name, value in hilum["environment"].items()}
    Settings.read({}, {"HILUM_STORE": filled["HILUM_STORE"]})
    assert parses(hilum["command"])


def test_compose_publishes_on_this_machine_only(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8080:8080"]


def test_named_volumes_are_declared(compose):
    used = {volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])}
    assert used == set(compose["volumes"])


def test_ci_calls_make_test_and_nothing_else():
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', 'export CI="${CI:-true}"', "make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step] == [".ci/run"]


def test_the_lock_file_of_npm_names_no_registry():
    lock = json.loads((ROOT / "tests" / "journeys" / "node" / "package-lock.json").read_text())
    assert lock["packages"]
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []


@pytest.mark.parametrize("target", ["run", "test", "test-full", "check", "bench", "docs", "clean", "help"])
def test_the_makefile_knows_the_targets_that_are_promised(target):
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
