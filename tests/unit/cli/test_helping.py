"""What `--help` prints holds every word, however narrow the terminal is."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from hilum.app.settings import ENTRIES
from hilum.cli.commands import app
from hilum.cli.helping import WIDE


@pytest.mark.parametrize("columns", [80, WIDE - 1, WIDE, 200])
def test_no_flag_and_no_variable_is_cut(columns: int) -> None:
    told = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": str(columns), "TERMINAL_WIDTH": ""}).output
    assert "…" not in told
    for entry in ENTRIES.values():
        assert entry.flag.partition("/")[0] in told
        assert f"[{entry.variable}]" in told


def test_examples_stand_one_a_line_where_it_is_narrow() -> None:
    told = CliRunner().invoke(app, ["serve", "--help"], env={"COLUMNS": "80"}).output
    assert "\n  - hilum serve --port 9000 --auth off asks for no token; on this machine only.\n" in told
