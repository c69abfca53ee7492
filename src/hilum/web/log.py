"""Structured events on standard error: ids, counts, durations; never bodies, query values, names or tokens.

log.info("commit", seq=91, type="Observation")
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from functools import lru_cache
from typing import Any, TextIO

import msgspec
from msgspec.structs import asdict

_GROUP_SECONDS = 0.05
_encode_lines = msgspec.json.Encoder().encode_lines


class Answered(msgspec.Struct, gc=False):
    """A line of the request log. Of all events it alone is written at every request, so that it is no dict."""

    time: str
    level: str
    event: str
    id: str
    method: str
    interaction: str
    type: str | None
    status: int
    bytes: int
    ms: float
    client: str | None
    token: str | None


LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_INFO = LEVELS["info"]


class _Log:
    """Where events go. One per process; `configure` is called once, by the app or a command."""

    def __init__(self) -> None:
        self.threshold = LEVELS["info"]
        self.text = False
        self.stream: TextIO = sys.stderr
        self._millisecond, self._stamp = 0, ""
        self._waiting: list[dict[str, Any] | Answered] = []

    def write(self, level: str, event: str, values: dict[str, Any]) -> None:
        self._waiting.append({"time": self.now(), "level": level, "event": event, **values})
        self.flush()

    def soon(self, event: dict[str, Any] | Answered) -> None:
        waiting = self._waiting
        waiting.append(event)
        if len(waiting) == 1:
            asyncio.get_running_loop().call_later(_GROUP_SECONDS, self.flush)

    def flush(self) -> None:
        if self._waiting:
            events, self._waiting = self._waiting, []
            self.stream.write("".join(map(_line, events)) if self.text else _encode_lines(events).decode())
            self.stream.flush()

    def now(self) -> str:
        """The time in UTC to the millisecond; kept, since under load many events share it."""
        now = int(time.time() * 1000)
        if now != self._millisecond:
            second, rest = divmod(now, 1000)
            self._millisecond = now
            self._stamp = f"{_second(second)}.{rest:03d}Z"
        return self._stamp


@lru_cache(maxsize=1)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _line(event: dict[str, Any] | Answered) -> str:
    """An event as text."""
    now, level, name, *values = (event if isinstance(event, dict) else asdict(event)).items()
    shown = " ".join(f"{key}={_plain(value)}" for key, value in values)
    return f"{now[1][11:23]} {level[1]:<7} {name[1]:<10} {shown}\n"


def _plain(value: Any) -> str:
    """A value as one word or line: what could end the line, or move a terminal's cursor, is escaped."""
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()


_log = _Log()


def configure(level: str = "info", form: str = "json", stream: TextIO | None = None) -> None:
    """Set the least severe level (debug, info, warning, error), the form (json or text) and the stream."""
    _log.threshold, _log.text, _log.stream = LEVELS[level], form == "text", stream or sys.stderr
    root = logging.getLogger()
    root.handlers[:] = [_Handler()]
    root.setLevel(max(LEVELS[level], logging.INFO))


def info(event: str, **values: Any) -> None:
    """Something that happened as it should."""
    if _log.threshold <= LEVELS["info"]:
        _log.write("info", event, values)


def soon(event: str, **values: Any) -> None:
    """As `info`, for what happens at every request: written together with others within a twentieth of a second.

    Needs a running event loop. Whatever else is logged takes what waits along, so that the order stays.
    """
    if _log.threshold <= LEVELS["info"]:
        _log.soon({"time": _log.now(), "level": "info", "event": event, **values})


def answered(
    id: str,
    method: str,
    interaction: str,
    type: str | None,
    status: int,
    length: int,
    seconds: float,
    client: str | None,
    token: str | None,
) -> None:
    """As `soon`: a request and what became of it."""
    if _log.threshold <= _INFO:
        ms = round(seconds * 1000, 3)
        _log.soon(
            Answered(_log.now(), "info", "request", id, method, interaction, type, status, length, ms, client, token)
        )


def flush() -> None:
    """Write what `soon` still holds."""
    _log.flush()


def warning(event: str, **values: Any) -> None:
    """Something that an operator should look at."""
    if _log.threshold <= LEVELS["warning"]:
        _log.write("warning", event, values)


def error(event: str, **values: Any) -> None:
    """Something that failed."""
    _log.write("error", event, values)


class _Handler(logging.Handler):
    """Libraries' own log records as events; of an exception only its class, since its text may hold data."""

    def emit(self, record: logging.LogRecord) -> None:
        level = next((name for name, number in reversed(LEVELS.items()) if record.levelno >= number), "debug")
        values: dict[str, Any] = {"text": record.getMessage()[:500]}
        if record.exc_info and record.exc_info[0] is not None:
            values["error"] = record.exc_info[0].__name__
        if LEVELS[level] >= _log.threshold:
            _log.write(level, record.name.split(".")[0], values)
