"""How `hilum validate` tells what it found: lines for people and editors, or JSON for programs."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any, Final

from hilum.cli.terminal import json_out, say
from hilum.cli.validating.judging import Told
from hilum.cli.validating.sources import STDIN, Source

_COLOURS: Final = {"error": "bold red", "warning": "yellow", "information": "cyan"}
_MANY: Final = {"error": "errors", "warning": "warnings", "information": "informations"}


def _severity(told: Told) -> str:
    return "error" if told.issue.severity == "fatal" else told.issue.severity


class _Teller:
    """Counts what is told."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.resources = 0

    def tell(self, source: Source, found: list[Told]) -> None:
        """The findings on one resource."""
        self.resources += 1
        self.counts.update(_severity(one) for one in found)


class Lines(_Teller):
    """`FILE:LINE:COLUMN: severity: text`, one a line, in colours on a terminal; a summary on standard error."""

    def __init__(self, *, information: bool = False) -> None:
        super().__init__()
        self._information = information
        self._console: Any = None
        if sys.stdout.isatty():
            from rich.console import Console

            self._console = Console(highlight=False, soft_wrap=True)

    def tell(self, source: Source, found: list[Told]) -> None:
        """Those that are errors or warnings, or all."""
        super().tell(source, found)
        name = "<stdin>" if source.name == STDIN else source.name
        for one in found:
            severity = _severity(one)
            if severity != "information" or self._information:
                self._print(f"{name}:{one.place.line}:{one.place.column}:", severity, one.issue.diagnostics)

    def _print(self, place: str, severity: str, text: str) -> None:
        if self._console is None:
            print(place, f"{severity}:", text)
        else:
            from rich.text import Text

            line = Text(place + " ", style="bold").append(f"{severity}: ", style=_COLOURS[severity])
            self._console.print(line.append(text, style="not bold"))

    def end(self, files: int) -> None:
        """The summary."""
        sys.stdout.flush()
        parts = [f"{self.counts[one]} {_MANY[one] if self.counts[one] != 1 else one}" for one in _MANY]
        say(f"{_count(files, 'file')}, {_count(self.resources, 'resource')}: {', '.join(parts)}.")


class Json(_Teller):
    """One JSON object, at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._found: list[dict[str, Any]] = []

    def tell(self, source: Source, found: list[Told]) -> None:
        """Every resource, whatever was found."""
        super().tell(source, found)
        issues = [
            {
                "severity": _severity(one),
                "code": one.issue.code,
                "line": one.place.line,
                "column": one.place.column,
                "expression": one.issue.expression,
                "diagnostics": one.issue.diagnostics,
            }
            for one in found
        ]
        self._found.append({"file": source.name, "line": source.line, "issues": issues})

    def end(self, files: int) -> None:
        """All of it."""
        json_out({"resources": self._found, **{_MANY[one]: self.counts[one] for one in _MANY}})


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
