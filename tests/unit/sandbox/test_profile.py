"""The table of quirks: nothing is set that no quirk accounts for, and every quirk says where it is from."""

from __future__ import annotations

import tomllib
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.sandbox.profile import Profile, profiles

TABLE: dict[str, Any] = tomllib.loads(files("hilum.sandbox").joinpath("quirks.toml").read_text("utf-8"))["profile"]
NAMES = sorted(profiles())
_NESTED = ("issues", "errors", "tokens", "paging")


def test_there_are_an_epic_an_oracle_and_a_plain_one() -> None:
    assert NAMES == ["epic", "oracle", "plain"]


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_profile_sets_a_quirk_accounts_for(name: str) -> None:
    table = TABLE[name]
    entries = {key for key in table if key not in ("title", "quirk", *_NESTED)}
    entries |= {f"{key}.{inner}" for key in _NESTED for inner in table.get(key, ())}
    told = {entry for quirk in table["quirk"] for entry in quirk["sets"]}
    assert {entry for entry in entries if not {entry, entry.partition(".")[0]} & told} == set()
    assert {entry for entry in told if entry not in entries and entry not in table} == set()


@pytest.mark.parametrize("name", NAMES)
def test_every_quirk_says_once_what_is_so_and_where_that_is_from(name: str) -> None:
    quirks = profiles()[name].quirk
    assert len({quirk.name for quirk in quirks}) == len(quirks)
    for quirk in quirks:
        assert quirk.says and date(2014, 1, 1) < quirk.date <= date(2026, 11, 23)
        assert quirk.source or quirk.known == "unsourced", quirk.name
        assert all(source.startswith("https://") for source in quirk.source), quirk.name


def issues(profile: Profile) -> set[str]:
    """Names of issues that the profile refers to."""
    named = {profile.empty, profile.partial, *profile.errors.values(), *(needs.issue for needs in profile.needs)}
    return named - {""}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_profile_names_there_is(name: str) -> None:
    profile = profiles()[name]
    assert issues(profile) <= profile.issues.keys()
    types = {type for needs in profile.needs for type in needs.types} | profile.told_unknown
    if profile.paging:
        types |= {*profile.paging.sizes, *profile.paging.most} - {"*"}
    assert types <= TYPE_NUMBER.keys()
    assert profile.codes or not any(issue.coding for issue in profile.issues.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_how_to_tells_every_quirk(name: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "sandbox.md").read_text("utf-8")
    for quirk in profiles()[name].quirk:
        assert f"| {quirk.name} | {quirk.says} | {quirk.known}, {quirk.date} |\n" in page, quirk.name
