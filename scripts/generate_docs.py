"""Write docs/reference/cli.md, settings.md, operations.md, ehr-vendors.md and video-templates.md from the code.

So they can't drift: a test compares.

python scripts/generate_docs.py
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import typer

from hilum.app.settings import ENTRIES, Settings
from hilum.broker import vendors
from hilum.cli.commands import app
from hilum.rest.operations.page import page as operations_page
from hilum.video.page import page as templates_page

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"
MADE = "<!-- Made by scripts/generate_docs.py. Change the code, then run `make docs`. -->\n"


def settings() -> str:
    """docs/reference/settings.md"""
    defaults = Settings()
    parts = [
        "# Settings\n",
        MADE,
        "Read once when a command starts: a flag counts more than an environment variable, a variable more than the "
        "default. `hilum serve --help` lists the flags; other commands take those that concern them.\n",
        "| flag | variable | default | form |\n|---|---|---|---|",
        *(
            f"| `{entry.flag}` | `{entry.variable}` | {_default(getattr(defaults, name))} | {entry.form.expects} |"
            for name, entry in ENTRIES.items()
        ),
        "",
        *(f"## {entry.flag}\n\n{entry.help}\n" for entry in ENTRIES.values()),
    ]
    return "\n".join(parts)


def cli() -> str:
    """docs/reference/cli.md"""
    commands = leaves(typer.main.get_command(app))
    parts = [
        "# Commands\n",
        MADE,
        "Data goes to standard output, everything about it to standard error. Exit status: 0 done, 1 something was "
        "refused or is not sound, 2 a wrong command or set-up.\n",
        "- `hilum --version` prints the version, `hilum --help` and `hilum COMMAND --help` explain.",
        *(f"- [`hilum {name}`](#hilum-{name.replace(' ', '-')})" for name in commands),
        "",
    ]
    for name, command in commands.items():
        params = [param for param in command.params if param.name != "help"]
        arguments = [param.metavar for param in params if param.param_type_name == "argument"]
        options = [param for param in params if param.param_type_name == "option"]
        parts += [f"## hilum {name}\n", f"    {' '.join(['hilum', name, '[OPTIONS]', *arguments])}\n"]
        parts += [f"{inspect.cleandoc(command.help)}\n", "| option | meaning |\n|---|---|", *map(_option, options), ""]
    return "\n".join(parts)


def operations() -> str:
    """docs/reference/operations.md"""
    return operations_page(MADE)


def video_templates() -> str:
    """docs/reference/video-templates.md"""
    return templates_page(MADE)


def ehr_vendors() -> str:
    """docs/reference/ehr-vendors.md"""
    parts = [
        "# What is peculiar to EHRs\n",
        MADE,
        "hilum reads this table where it signs in to an EHR and asks it for resources; a connection names its vendor. "
        "Each row says where that is told and when it was read there: by a page's address, *as told by clinics' "
        "projects* where no open page says it, or as *hilum's own choice* where the vendor names no figure. Epic's "
        "pages show their tables to browsers only: they were read in the copy of 2026-08-14 in "
        "[api-evangelist/epic-systems](https://github.com/api-evangelist/epic-systems).\n",
        "| fact | what it means | any other server |\n|---|---|---|",
        *(f"| `{name}` | {says} | {_default(getattr(vendors.vendor('plain'), name))} |" for name, says in FACTS),
        "",
    ]
    for vendor in vendors.packaged().values():
        if vendor.rows:
            parts += [f"## {vendor.title}: `{vendor.name}`\n", "| about | hilum takes it as | says | source | read |"]
            parts += ["|---|---|---|---|---|", *(_row(vendor, row) for row in vendor.rows), ""]
    return "\n".join(parts)


FACTS = vendors.FACTS.items()


def _row(vendor: vendors.Vendor, row: vendors.Row) -> str:
    group, name = row.about.split(".")
    match group:
        case "facts":
            taken = _default(getattr(vendor, name))
        case "parts":
            taken = f"one search for each `{vendor.parts[name].by}`: {', '.join(vendor.parts[name].values)}"
        case "counts":
            taken = f"`_count={vendor.counts[name]}`"
        case _:
            taken = vendor.codes[name].means
    return f"| {name} | {taken} | {row.says} | {row.source} | {row.read} |"


def leaves(group: Any, before: str = "") -> dict[str, Any]:
    """Every command that does something, by its words: `clients add`."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        words = f"{before}{name}"
        found |= leaves(command, f"{words} ") if hasattr(command, "commands") else {words: command}
    return found


def _option(param: Any) -> str:
    names = "`, `".join([*param.opts, *param.secondary_opts])
    metavar = "" if param.is_flag or not param.metavar else " " + param.metavar.replace("|", "\\|")
    default = f" Default {param.default}." if param.default not in (None, False, "") else ""
    return f"| `{names}{metavar}` | {param.help}{default} |"


def _default(value: Any) -> str:
    if type(value) is bool:
        return "`on`" if value else "`off`"
    return f"`{value}`" if str(value) else "empty"


PAGES = {
    "settings.md": settings,
    "cli.md": cli,
    "operations.md": operations,
    "ehr-vendors.md": ehr_vendors,
    "video-templates.md": video_templates,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page())
        print(f"docs/reference/{name}")
