"""Whatever stands in a record, there is a script or a refusal: nothing else comes of it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.video.records import NOW, bodies, resources

from hilum.video import templates
from hilum.video.refusals import REFUSALS
from hilum.video.script import Refused
from hilum.video.writing import write

WRONG = (None, "", 0, 1, -3, True, [], {}, "x", ["a"], {"a": 1}, [None], [{}], "2026-13-45", 1.5, [[1]])


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all elements but the type and the id."""
    if path and path[0] not in ("resourceType", "id"):
        yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*path, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from places(one, (*path, number))


PLACES = [(name, path) for name, body in bodies().items() for path in places(body)]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(WRONG)), min_size=1, max_size=3))
def test_an_element_that_is_not_what_it_should_be_gives_a_script_or_a_refusal(changes: list[Any]) -> None:
    record = bodies()
    for (name, path), wrong in changes:
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took it away
            within: Any = record[name]
            for step in path[:-1]:
                within = within[step]
            within[path[-1]] = copy.deepcopy(wrong)
    for template in templates.packaged().values():
        try:
            write(template, "en", resources(record), NOW)
        except Refused as refusal:
            assert refusal.code in REFUSALS
