"""What lists print: data on standard output, the table for people beside it."""

from __future__ import annotations

import json

import pytest

from hilum.cli.terminal import listed, table

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


def test_a_name_stands_in_one_line_beside_whatever_else_a_narrow_terminal_shows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    id, url = "01a209d4-7104-78b8-8d90-104313a09e32", f"https://ehr.example.org/{'r4' * 40}"
    columns = {"id": str, "base": lambda one: url, "environment": lambda one: "SANDBOX"}
    listed("EHRs", [id], columns, str, dict, json=False)
    shown = capsys.readouterr().err
    assert id in shown
    assert url in "".join(shown.replace(id, "").replace("SANDBOX", "").split()[4:])


def test_nothing_is_cut_off_where_a_terminal_is_narrow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    columns = ("id", "asked", "template", "is")
    table("videos", columns, [("0" * 36, "11-23 21:22", "after-visit (en)", "awaiting-approval")])
    shown = capsys.readouterr().err
    assert max(map(len, shown.splitlines())) <= 80
    assert "0" * 36 in shown
    assert sorted("".join(shown.split()[6:]).replace("0", "")) == sorted("11-2321:22after-visit(en)awaiting-approval")


def test_one_is_no_plural(capsys: pytest.CaptureFixture[str]) -> None:
    listed("videos", ["A"], COLUMNS, str, dict, json=False)
    assert capsys.readouterr().err.split()[:2] == ["1", "video"]


def test_a_title_is_not_broken_at_the_width_of_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    table("oracle SANDBOX, recipe demographics", ("type", "came"), [("Patient", "1")])
    assert capsys.readouterr().err.splitlines()[0].rstrip() == "oracle SANDBOX, recipe demographics"


def test_a_kid_can_be_copied_out_of_eighty_columns_and_nothing_is_cut_off(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    kid, moments = "XBCe9OIMKzk8dUrAEFVGMP3LKyFKOhvjOgo4YSLFESY", ("2026-11-23 21:20:24 UTC", "2026-11-25 21:20:24 UTC")
    table("1 keys", ("kid", "for", "signs from", "until"), [(kid, "ehr RS384 published", *moments)])
    lines = capsys.readouterr().err.splitlines()
    assert lines[2].startswith(f"{kid} ")
    assert sorted(" ".join(lines[2:]).split()) == sorted((kid, "ehr", "RS384", "published", *" ".join(moments).split()))
