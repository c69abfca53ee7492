"""`hilum demo`: its people's dates are laid around a day, which stays until somebody names another one."""

from __future__ import annotations

import asyncio
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from hilum.app.settings import Settings
from hilum.app.stores import open_store
from hilum.cli.loading.command import run_demo
from hilum.cli.loading.demo import KEPT, Demo
from hilum.demo import TODAY, population
from hilum.demo.days import AHEAD, moved
from hilum.fhir import json as fhir_json
from hilum.problems import Invalid

DAY = date(2028, 2, 29)
NEXT = date(2028, 3, 1)


def planned(folder: Path, today: date | None = None, now: date = DAY, patients: int = 2, seed: int = 1) -> Demo:
    return Demo.plan(folder, patients, seed, now, today)


def test_dates_are_laid_around_the_day_that_it_is_and_stay_there(tmp_path: Path) -> None:
    first = planned(tmp_path)
    assert first == Demo(tmp_path, 2, 1, DAY)
    first.note(complete=True)
    assert planned(tmp_path, now=NEXT) == first
    assert planned(tmp_path, DAY, now=NEXT) == first
    (moves := planned(tmp_path, NEXT, patients=1)).note(complete=False)
    assert (moves.moves, moves.patients, moves.today) == (True, 2, NEXT)
    assert planned(tmp_path) == Demo(tmp_path, 2, 1, NEXT, begun=True)


def test_what_was_loaded_before_there_was_a_choice_is_of_the_day_of_then(tmp_path: Path) -> None:
    (tmp_path / KEPT).write_text(json.dumps({"patients": 2, "seed": 1, "complete": True}))
    assert planned(tmp_path).today == TODAY
    assert planned(tmp_path, DAY).moves
    assert planned(tmp_path, TODAY) == Demo(tmp_path, 2, 1, TODAY)


def test_the_same_day_makes_the_same_bytes(tmp_path: Path) -> None:
    made = [one.held for one in planned(tmp_path, DAY).sources()]
    assert made == [one.held for one in planned(tmp_path, DAY, now=NEXT).sources()]
    assert made == [fhir_json.encode(moved(bundle, DAY - TODAY)) for bundle in population(2, 1)]
    assert made != [one.held for one in planned(tmp_path, NEXT).sources()]


def test_it_says_when_what_was_ahead_may_be_past(tmp_path: Path) -> None:
    assert not planned(tmp_path).aged(DAY + AHEAD - timedelta(days=1))
    assert planned(tmp_path).aged(DAY + AHEAD)


def test_a_day_that_dates_can_not_be_laid_around_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with pytest.raises(Invalid, match="years 1970 to 2199"):
        loaded(folder, date(9999, 12, 31))
    assert not folder.exists()


def loaded(folder: Path, today: date | None = None, *, if_empty: bool = False) -> int:
    settings = Settings.read({"data": str(folder), "environment": "sandbox"}, {})
    return run_demo(settings, 1, 1, today, if_empty=if_empty, as_json=False)


async def appointments(folder: Path) -> tuple[set[str], str, int]:
    """When each is, the patient's birth date, and how many resources there are."""
    store = await open_store(Settings.read({"data": str(folder), "environment": "sandbox"}, {}))
    try:
        found: dict[str, Any] = {}
        for one in await store.changes(0, 10_000):
            found[f"{one.type}/{one.id}"] = one.body
        starts = {one["start"][:10] for one in found.values() if one["resourceType"] == "Appointment"}
        return starts, found["Patient/demo-p001"]["birthDate"], len(found)
    finally:
        await store.close()


def test_it_moves_the_people_who_are_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert loaded(tmp_path, DAY) == 0
    starts, birth, many = asyncio.run(appointments(tmp_path))
    assert starts
    assert min(starts) > DAY.isoformat()
    assert loaded(tmp_path, NEXT) == 0
    later = {(date.fromisoformat(one) + timedelta(days=1)).isoformat() for one in starts}
    assert asyncio.run(appointments(tmp_path)) == (later, birth, many)
    capsys.readouterr()
    assert loaded(tmp_path) == 0
    assert f"It is {NEXT} to these people." in capsys.readouterr().err
    assert asyncio.run(appointments(tmp_path)) == (later, birth, many)
    assert loaded(tmp_path, DAY) == 0
    assert asyncio.run(appointments(tmp_path)) == (starts, birth, many)
    assert loaded(tmp_path, TODAY - timedelta(days=100)) == 0
    capsys.readouterr()
    assert loaded(tmp_path, if_empty=True) == 0
    said = capsys.readouterr().err
    assert "nothing to do. What was ahead of them may be past" in said
    assert f"`hilum demo --today {date.today()}` moves all dates." in said
