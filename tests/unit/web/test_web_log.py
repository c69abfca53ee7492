"""The log: one event a line, whatever is in its values."""

from __future__ import annotations

import io
import json
from datetime import datetime

import pytest

from hilum.web import log

HOSTILE = "a\n12:00:00.000 info    commit     seq=1\r\x1b[2J\u2028\x85"


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


@pytest.mark.parametrize("form", ["text", "json"])
async def test_what_is_written_soon_keeps_the_order_of_events(form: str) -> None:
    stream = io.StringIO()
    log.configure("info", form, stream)
    log.answered("r-1", "GET", "read", "Patient", 200, 1234, 0.0012345, HOSTILE, "jti")
    log.soon("refused", status=431)
    assert stream.getvalue() == ""
    log.info("stopped")
    lines = stream.getvalue().split("\n")
    assert lines.pop() == ""
    if form == "text":
        assert [line[13:].rstrip() for line in lines] == [
            "info    request    id=r-1 method=GET interaction=read type=Patient status=200 bytes=1234 ms=1.234 "
            r"client=a\n12:00:00.000 info    commit     seq=1\r\x1b[2J\u2028\x85 token=jti",
            "info    refused    status=431",
            "info    stopped",
        ]
        return
    events = [json.loads(line) for line in lines]
    assert [list(event)[:3] for event in events] == [["time", "level", "event"]] * 3
    for event in events:
        datetime.fromisoformat(event.pop("time"))
    assert events == [
        {
            "level": "info", "event": "request", "id": "r-1", "method": "GET", "interaction": "read", "type": "Patient",
            "status": 200, "bytes": 1234, "ms": 1.234, "client": HOSTILE, "token": "jti",
        },
        {"level": "info", "event": "refused", "status": 431},
        {"level": "info", "event": "stopped"},
    ]  # fmt: skip


async def test_below_its_level_nothing_is_logged() -> None:
    stream = io.StringIO()
    log.configure("warning", "json", stream)
    log.answered("r-1", "GET", "read", "Patient", 200, 1234, 0.001, None, None)
    log.soon("refused", status=431)
    log.flush()
    assert stream.getvalue() == ""
