"""What lists print: data on standard output, the table for people beside it."""

from __future__ import annotations

import json

import pytest

from hilum.cli.terminal import listed

COLUMNS = {"name": str.lower, "": lambda one: "disabled" if one == "B" else ""}


def test_a_list_is_a_table_for_people_and_a_line_of_data_each(capsys: pytest.CaptureFixture[str]) -> None:
    listed("EHRs", ["A", "B"], COLUMNS, lambda one: f"{one}!", dict, json=False)
    said = capsys.readouterr()
    assert said.out == "A!\nB!\n"
    assert [line.split() for line in said.err.splitlines()] == [["2", "EHRs"], ["name"], ["a"], ["b", "disabled"]]


def test_a_list_as_json_is_one_value_and_nothing_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    listed("EHRs", ["A", "B"], COLUMNS, str, lambda one: {"is": one}, json=True)
    said = capsys.readouterr()
    assert (json.loads(said.out), said.err) == ({"ehrs": [{"is": "A"}, {"is": "B"}]}, "")
