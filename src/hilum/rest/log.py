"""Structured events on standard error: ids, counts, durations; never bodies, query values, names or tokens.

log.info("commit", seq=91, type="Observation")
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from typing import Any, TextIO

import msgspec

_GROUP_SECONDS = 0.05
_encode = msgspec.json.Encoder().encode

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _Log:
    """Where events go. One per process; `configure` is called once, by the app or a command."""

    def __init__(self) -> None:
        self.threshold = LEVELS["info"]
        self.text = False
        self.stream: TextIO = sys.stderr
        self._second, self._stamp = 0, ""
        self._waiting: list[str] = []

    def write(self, level: str, event: str, values: dict[str, Any]) -> None:
        self._waiting.append(self._line(level, event, values))
        self.flush()

    def soon(self, level: str, event: str, values: dict[str, Any]) -> None:
        self._waiting.append(self._line(level, event, values))
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(_GROUP_SECONDS, self.flush)

    def flush(self) -> None:
        if self._waiting:
            self.stream.write("".join(self._waiting))
            self._waiting.clear()
            self.stream.flush()

    def _line(self, level: str, event: str, values: dict[str, Any]) -> str:
        now = self._now()
        if self.text:
            shown = " ".join(f"{name}={_plain(value)}" for name, value in values.items())
            return f"{now[11:23]} {level:<7} {event:<10} {shown}\n"
        return _encode({"time": now, "level": level, "event": event, **values}).decode() + "\n"

    def _now(self) -> str:
        """The time in UTC to the millisecond; the part up to the second is kept, since most events share it."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._stamp = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"


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


def enabled(level: str) -> bool:
    """Whether events of this level are written: ask before computing what to log."""
    return LEVELS[level] >= _log.threshold


def debug(event: str, **values: Any) -> None:
    """Something that only a developer wants to see."""
    if _log.threshold <= LEVELS["debug"]:
        _log.write("debug", event, values)


def info(event: str, **values: Any) -> None:
    """Something that happened as it should."""
    if _log.threshold <= LEVELS["info"]:
        _log.write("info", event, values)


def soon(event: str, **values: Any) -> None:
    """As `info`, for what happens at every request: written together with others within a twentieth of a second.

    Needs a running event loop. Whatever else is logged takes what waits along, so that the order stays.
    """
    if _log.threshold <= LEVELS["info"]:
        _log.soon("info", event, values)


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
