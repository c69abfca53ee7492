"""The documentation is about this program: what is generated is fresh, what is named exists, links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
from itertools import islice
from pathlib import Path

import pytest
import typer

from hilum.app.settings import ENTRIES
from hilum.cli.commands import app
from hilum.demo import population

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_NAMED = re.compile(r"(?<![\w./-])docs/[\w./-]+\.md")  # ours, and no page of others by its address
_FENCE = re.compile(r"```(?:sh|console)\n(.*?)```", re.DOTALL)
_RECORD = re.compile(r"(?:8080/fhir/|\"reference\": \"|Context: )([A-Z]\w+/[\w.-]+)")
_DOUBLE_DASH = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def generator():
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "scripts" / "generate_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COMMANDS = generator().leaves(typer.main.get_command(app))


@pytest.mark.parametrize("name", ["cli.md", "ehr-vendors.md", "operations.md", "settings.md", "video-templates.md"])
def test_the_reference_is_what_the_code_says(name):
    assert (ROOT / "docs" / "reference" / name).read_text() == generator().PAGES[name](), "run `make docs`"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_documented_with_an_example_and_every_option_with_a_meaning(name):
    command = COMMANDS[name]
    assert f"## hilum {name}\n" in (ROOT / "docs" / "reference" / "cli.md").read_text()
    assert re.search(rf"Examples?:\n\n- `.*hilum {name}", command.help), "help teaches by example"
    assert all(param.help for param in command.params if param.param_type_name == "option")


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_setting_is_documented(name):
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert f"## {ENTRIES[name].flag}\n" in page
    assert f"`{ENTRIES[name].variable}`" in page


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_setting_can_be_given_to_serve(name):
    flags = ENTRIES[name].flag.split("/")
    given = [param for param in COMMANDS["serve"].params if set(flags) <= {*param.opts, *param.secondary_opts}]
    assert [param.name for param in given] == [name]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page):
    targets = [target for target in _LINK.findall(page.read_text()) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_pages_that_the_program_names_are_there():
    named = {page for file in (ROOT / "src").rglob("*.py") for page in _NAMED.findall(file.read_text())}
    assert len(named) > 5
    assert sorted(page for page in named if not (ROOT / page).exists()) == []


def invocations():
    for page in DOCS:
        for block in _FENCE.findall(page.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                for part in re.split(r"&&|\||\$\(|;", line):
                    words = part.split("#")[0].rstrip(")").split()
                    if words and words[0].split("/")[-1] == "hilum" and len(words) > 1:
                        yield pytest.param(words[1:], id=f"{page.name}: {' '.join(words)}"[:90])


@pytest.mark.parametrize("words", list(invocations()))
def test_commands_in_the_documentation_exist_with_these_options(words):
    if words[0].startswith("-"):
        assert words[0] in ("--version", "--help")
        return
    name = words[0] if words[0] in COMMANDS else " ".join(words[:2])
    known = {opt for param in COMMANDS[name].params for opt in (*param.opts, *param.secondary_opts)} | {"--help"}
    assert set(_DOUBLE_DASH.findall(" ".join(words[1:]))) <= known


def test_the_data_directory_page_lists_every_file_that_the_code_makes_there():
    page = (ROOT / "docs" / "reference" / "data-directory.md").read_text()
    for source in (ROOT / "src" / "hilum").rglob("*.py"):
        for name in re.findall(r"(?:settings\.data|folder|data) / \"([\w.]+)\"", source.read_text()):
            assert f"`{name}" in page, f"{source.name} makes {name}"


def test_the_examples_of_shell_are_well_formed():
    for page in DOCS:
        for block in _FENCE.findall(page.read_text()):
            shlex.split(block, comments=True)


def test_what_is_read_or_meant_in_the_examples_of_how_to_is_in_the_demo_data():
    """Besides what an example itself has put there: Binary/42."""
    there = {
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for bundle in islice(population(), 2)
        for entry in bundle["entry"]
    }
    for page in (ROOT / "docs" / "how-to").glob("*.md"):
        for block in _FENCE.findall(page.read_text()):
            for name in _RECORD.findall(block):
                assert name in there | {"Binary/42"}, f"{page.name}: {name}"
