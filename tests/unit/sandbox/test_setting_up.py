"""What can't be set up is told before anything is made."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hilum.app.settings import Settings
from hilum.cli.sandboxing import KEPT, Kept, Wanted, lines, run
from hilum.demo import TODAY
from hilum.problems import Invalid, Misconfigured
from hilum.sandbox.faults import Faults, read
from hilum.sandbox.patients import identifiers
from hilum.sandbox.profile import profiles

WANTED = Wanted("epic", (), 8, "http://127.0.0.1:8080", "", "0", "")


@pytest.mark.parametrize(
    ("asked", "problem", "says"),
    [
        ({"profile": "meditech"}, Misconfigured, "epic, oracle, plain"),
        ({"faults": ("429:often=5",)}, Invalid, "takes after, every, on, retry-after, times"),
        ({"jwks": "missing.json"}, Misconfigured, "can't be read"),
        ({"today": date(9999, 12, 31)}, Invalid, "years 1970 to 2199"),
        ({"port": "many"}, Misconfigured, "--port"),
    ],
)
def test_what_can_not_be_is_told_and_makes_nothing(
    tmp_path: Path, asked: dict[str, Any], problem: type[Exception], says: str
) -> None:
    with pytest.raises(problem, match=says):
        run(replace(WANTED, data=str(tmp_path / "data"), **asked))
    assert not (tmp_path / "data").exists()


def test_the_data_of_another_profile_and_of_another_hilum_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / KEPT).write_bytes(msgspec.json.encode(Kept("oracle", 8, "password", "key")))
    with pytest.raises(Misconfigured, match="profile oracle"):
        run(replace(WANTED, data=str(tmp_path)))
    (tmp_path / KEPT).write_bytes(b"{")
    with pytest.raises(Misconfigured, match="can't be read"):
        run(replace(WANTED, data=str(tmp_path)))
    (tmp_path / KEPT).unlink()
    (tmp_path / "hilum.sqlite").touch()
    with pytest.raises(Misconfigured, match="another hilum"):
        run(replace(WANTED, data=str(tmp_path)))


def test_what_is_printed_has_the_lines_to_paste_and_what_is_set(tmp_path: Path) -> None:
    epic, faults = profiles()["epic"], Faults()
    faults.add(read("429:every=5", epic))
    settings = Settings.read({"port": "8090", "data": str(tmp_path)}, {})
    said = lines(settings, WANTED, epic, Kept("epic", 20, "four-word-pass-phrase", "KEY"), faults, now=TODAY)
    assert "Patients  EPI 203701, 203702 (restricted), 203703, 203704, 203705, 203706, 203707, 203708 …" in said
    pasted = [line.partition(" ehr add ")[2] for line in said if " ehr add " in line]
    base = "--vendor epic --base http://127.0.0.1:8090/fhir --client-id"
    assert [line.partition(" --mrn-system")[0] for line in pasted] == [
        f"epic {base} hilum-backend",
        f"epic-launch {base} hilum-launch",
    ]
    assert not any("*" in line for line in pasted)
    assert "set: 429:every=5,retry-after=2" in said


@pytest.mark.parametrize(("days", "old"), [(0, False), (9, False), (10, True), (400, True)])
def test_data_in_which_nothing_is_ahead_any_more_is_said_with_what_to_do(tmp_path: Path, days: int, old: bool) -> None:
    settings = Settings.read({"port": "8090", "data": str(tmp_path)}, {})
    kept, now = Kept("epic", 8, "four-word-pass-phrase", "KEY", TODAY), TODAY + timedelta(days=days)
    (said,) = (line for line in lines(settings, WANTED, profiles()["epic"], kept, Faults(), now=now) if "Today" in line)
    assert said.startswith("Today     2026-11-22")
    assert (f"--today {now}" in said) is old


@pytest.mark.parametrize("name", sorted(profiles()))
def test_a_record_number_elsewhere_is_the_next_patients_here(name: str) -> None:
    profile = profiles()[name]
    here, elsewhere = identifiers(profile, 1)
    assert elsewhere["value"] == identifiers(profile, 2)[0]["value"]
    assert here["system"] != elsewhere["system"]
