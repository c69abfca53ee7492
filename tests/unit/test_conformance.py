"""The page of what is asked of SMART servers: fresh, true to the lists, and nearly all of it has a test."""

from __future__ import annotations

import csv
import importlib.util
import sys
import tomllib
from pathlib import Path

import pytest
from tests.shared_data import DATA, needs_data

ROOT = Path(__file__).resolve().parents[2]
LISTS = {
    "smart22": ("smart-app-launch-requirements.csv", "2.2.0"),
    "smart20": ("smart-app-launch-requirements.csv", "2.0.0"),
    "g10": ("g10-requirements.csv", "procedure"),
    "bulk20": ("bulk-data-requirements.csv", "2.0.0"),
    "bulk10": ("bulk-data-requirements.csv", "1.0.0"),
}


def script():
    spec = importlib.util.spec_from_file_location("conformance", ROOT / "scripts" / "conformance.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["conformance"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


conformance = script()


@pytest.fixture(scope="module")
def found():
    return conformance.lists()


def test_the_page_is_what_the_tests_say(found):
    assert conformance.PAGE.read_text() == conformance.page(found), "run `make docs`"


def test_nine_in_ten_have_a_test_and_the_others_a_reason(found):
    assert conformance.not_covered(found) <= 0.1
    for one in found:
        assert [row.id for row in one.asked if row.why == "no test yet"] == [], one.title


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("test_smart22_31_a_verifier", [("smart22", "31")]),
        ("test_smart22_86_87_nothing_is_kept_for_60_seconds", [("smart22", "86"), ("smart22", "87")]),
        ("test_g10_AUT_PAT_13_37_AUT_SYS_1_x", [("g10", "AUT-PAT-13"), ("g10", "AUT-PAT-37"), ("g10", "AUT-SYS-1")]),
        ("test_smart22_352_g10_AUT_PAT_2_x", [("smart22", "352"), ("g10", "AUT-PAT-2")]),
        ("test_smart22_240_smart20_240_x", [("smart22", "240"), ("smart20", "240")]),
        ("test_the_g10_of_31", []),
        ("test_31_smart22", []),
    ],
)
def test_ids_are_read_from_names(name, ids):
    assert list(conformance.carried(name)) == ids


@needs_data
@pytest.mark.parametrize("key", LISTS)
def test_every_server_requirement_of_the_lists_is_asked_for(found, key):
    (one,) = [one for one in found if one.key == key]
    rows = listed(key)
    assert {row.id: row.verb for row in one.asked} == {
        id: "SHALL" if key.startswith("bulk") else verb for id, (verb, _) in rows.items()
    }


@needs_data
def test_what_is_said_to_be_the_same_in_both_releases_has_the_same_words():
    asked = tomllib.loads((conformance.TABLES / "requirements.toml").read_text())
    old, new = listed("smart20"), listed("smart22")
    other = {id for id in old if words(old[id][1]) != words(new[id][1])}
    assert other - set(asked["smart20"]["shall"]) == {"119", "241", "383"}  # spelling, a link, a condition that holds
    assert set(map(str, asked["smart20"]["same"])).isdisjoint(asked["smart20"]["shall"])


def listed(key):
    """id -> verb and text."""
    name, release = LISTS[key]
    with (DATA / "smart-requirements" / name).open(encoding="utf-8-sig") as file:
        return {
            row["ID"]: (row["Conformance"], row["Requirement"])
            for row in csv.DictReader(file)
            if release in row["Req Set"] and "Server" in row["Actors"] and row["Conformance"].startswith("SHALL")
        }


def words(text):
    return "".join(letter for letter in text.lower() if letter.isalnum())
