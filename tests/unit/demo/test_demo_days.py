"""The demo's people on another day: all dates move by the same days, and nothing else changes."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.errors import errors

from hilum.demo import TODAY, population
from hilum.demo.days import moved
from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.sandbox.plans import planned
from hilum.video import templates
from hilum.video.script import Script
from hilum.video.writing import write

DAYS = st.dates(date(1970, 1, 1), date(2199, 12, 31))
ODD = (
    date(2028, 2, 29),
    date(2027, 2, 28),
    date(2026, 12, 31),
    date(2027, 1, 1),
    date(2028, 11, 23),
    date(2027, 1, 31),
)
"""A leap day, ends of months and years, and two years from when this was written."""
DATED = re.compile(r"\d{4}-\d\d-\d\d(T.+)?")


@cache
def bundles() -> tuple[dict[str, Any], ...]:
    """The town and its first people, of whom the first has something planned."""
    town, first, *others = population(4)
    return town, planned(first, TODAY), *others


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, f"{path}.{name}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from leaves(one, f"{path}[{index}]")
    else:
        yield path, value


@settings(max_examples=20)
@given(DAYS)
@example(ODD[0])
@example(ODD[3])
def test_each_date_is_so_many_days_later_with_its_time_and_zone_and_all_else_stays(today: date) -> None:
    by, dated = today - TODAY, 0
    for bundle in bundles():
        for (path, was), (same, now) in zip(leaves(bundle), leaves(moved(bundle, by)), strict=True):
            assert path == same
            if isinstance(was, str) and DATED.fullmatch(was) and not path.endswith(".birthDate"):
                dated += 1
                assert date.fromisoformat(now[:10]) - date.fromisoformat(was[:10]) == by
                assert now[10:] == was[10:]
            elif not re.search(r"attachment\.(data|hash|title)$", path):
                assert now == was
    assert dated > 800


@settings(max_examples=20)
@given(DAYS)
def test_what_is_moved_there_and_back_is_what_it_was(today: date) -> None:
    by = today - TODAY
    assert all(moved(moved(bundle, by), -by) == bundle for bundle in bundles())


@pytest.mark.parametrize("today", ODD)
def test_a_note_names_the_day_of_its_visit_and_has_its_own_fingerprint(today: date) -> None:
    notes = [
        entry["resource"]
        for bundle in bundles()
        for entry in moved(bundle, today - TODAY)["entry"]
        if entry["resource"]["resourceType"] == "DocumentReference"
    ]
    assert notes
    for note in notes:
        attachment, day = note["content"][0]["attachment"], note["context"]["period"]["start"][:10]
        text = b64decode(attachment["data"])
        assert day in text.decode().splitlines()[0]
        assert attachment["title"].endswith(day)
        assert attachment["size"] == len(text)
        assert attachment["hash"] == b64encode(hashlib.sha1(text, usedforsecurity=False).digest()).decode()


@pytest.mark.parametrize("today", ODD)
def test_what_is_moved_is_valid_and_every_template_can_tell_it(today: date) -> None:
    town, first = (_resources(moved(bundle, today - TODAY)) for bundle in bundles()[:2])
    assert [issue for one in town + first for issue in errors(one.body)] == []
    for at in (time.min, time.max):
        now = datetime.combine(today, at, UTC)
        for template in templates.packaged().values():
            assert isinstance(write(template, "en", town + first, now), Script)


def _resources(bundle: dict[str, Any]) -> list[Resource]:
    bodies = (entry["resource"] for entry in bundle["entry"])
    return [Resource(one["resourceType"], one["id"], 1, 1, json.encode(one)) for one in bodies]
