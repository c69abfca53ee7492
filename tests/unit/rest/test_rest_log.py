"""The log: one event a line, whatever is in its values."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from hilum.rest import log

HOSTILE = "a\n12:00:00.000 info    commit     seq=1\r\x1b[2J\u2028\x85"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    log.configure()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_value_can_neither_end_its_line_nor_move_the_cursor(form: str) -> None:
    stream = io.StringIO()
    log.configure("info", form, stream)
    log.info("request", client=HOSTILE, status=200)
    line, end = stream.getvalue().split("\n")
    assert end == ""
    assert "\x1b" not in line
    if form == "json":
        assert json.loads(line)["client"] == HOSTILE
    else:
        assert line.endswith(
            r" info    request    client=a\n12:00:00.000 info    commit     seq=1\r\x1b[2J\u2028\x85 status=200"
        )


def test_names_of_other_alphabets_stay_readable() -> None:
    stream = io.StringIO()
    log.configure("info", "text", stream)
    log.info("request", client="Größe 医院")
    assert stream.getvalue().endswith(" client=Größe 医院\n")
