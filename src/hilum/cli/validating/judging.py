"""From the text of a resource to its findings, each with its line and column."""

from __future__ import annotations

import json as _json
import re
from dataclasses import replace
from typing import Any, Final, NamedTuple

from hilum.cli.validating.definitions import Codes
from hilum.cli.validating.sources import Source
from hilum.fhir import json, xml
from hilum.fhir.places import Place, Places
from hilum.interactions.shelf import Structures
from hilum.interactions.validating import found
from hilum.problems import Issue, Malformed
from hilum.terminology.questions import Answers, rounds


class Told(NamedTuple):
    """A finding and its place."""

    issue: Issue
    place: Place


class Judge:
    """The definitions to judge by, and the profiles to judge by beside those that resources claim."""

    def __init__(self, definitions: Structures, profiles: tuple[str, ...] = ()) -> None:
        self._definitions = definitions
        self._profiles = profiles
        self._codes = Codes(definitions)

    def judge(self, source: Source) -> list[Told]:
        """All findings on one resource, in the order of the text."""
        told = self._xml(source) if source.xml else self._json(source)
        return sorted(told, key=lambda one: one.place)

    def _json(self, source: Source) -> list[Told]:
        try:
            body = json.parse(source.data)
        except Malformed as problem:
            return [Told(_unreadable(problem), _broken(source))]
        places = Places(source.data.decode(), source.line)
        return [Told(issue, places.find(issue.expression)) for issue in self._issues(body)]

    def _xml(self, source: Source) -> list[Told]:
        lines: dict[str, int] = {}
        try:
            body, issues = xml.read(source.data, lines)
        except Malformed as problem:
            return [Told(_unreadable(problem), _said(str(problem)) or Place(source.line, 1))]
        if issues:
            return [Told(one, _said(one.diagnostics) or Place(_line(one.expression, lines), 1)) for one in issues]
        return [Told(issue, Place(_line(issue.expression, lines), 1)) for issue in self._issues(body)]

    def _issues(self, body: dict[str, Any]) -> list[Issue]:
        answers = Answers()
        issues: list[Issue] = []
        for missing in rounds(answers):
            answers.learn(self._codes.answer(missing))
            issues = found(body, self._definitions, answers, self._profiles)
        return issues


def _unreadable(problem: Malformed) -> Issue:
    """What is wrong with a text that a server would call the body of a request."""
    issue = problem.issues[0]
    return replace(issue, diagnostics=re.sub("^The body ", "The resource ", issue.diagnostics))


_LINE: Final = re.compile(r"\(line (\d+)(?:, column (\d+))?\)\.$")


def _said(text: str) -> Place | None:
    """The place that reading XML names in what it says."""
    found = _LINE.search(text)
    return None if found is None else Place(int(found[1]), int(found[2] or 1))


def _broken(source: Source) -> Place:
    """Where text stops being JSON."""
    try:
        text = source.data.decode()
    except UnicodeDecodeError as error:
        good = source.data[: error.start].decode()
        return Places(good, source.line).at(len(good))
    try:
        _json.loads(text)
    except _json.JSONDecodeError as error:
        return Places(text, source.line).at(error.pos)
    except (ValueError, RecursionError):
        pass
    return Place(source.line, 1)


def _line(expression: str | None, lines: dict[str, int]) -> int:
    """The line of the element, or of the innermost around it that is there."""
    path = expression or ""
    while path:
        if path in lines:
            return lines[path]
        path = path[: path.rindex("[")] if path.endswith("]") else path.rpartition(".")[0]
    return min(lines.values(), default=1)
