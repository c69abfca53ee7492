"""What a checker answers: None when all is well, else findings whose paths grow while the calls unwind.

No path is built for a resource without faults. What only a wider view can tell (is there such a contained resource?
what does the terminology say?) is answered as a finding that is settled later, by the resource or the Bundle around.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from hilum.terminology.questions import Answers


class Later(NamedTuple):
    """A question instead of a finding. `level`: who can answer it, one of those below.

    `judge`: from what that one is (a Container, Entries or a Caller) to findings below the same place, questions for a
    wider view among them.
    """

    level: int
    judge: Callable[[Any], Found]


OF_RESOURCE: Final = 0
"""The resource around, contained or not, as containers.Container: %resource."""
OF_CONTAINER: Final = 1
"""The resource around that is not contained itself, as containers.Container: %rootResource."""
OF_BUNDLE: Final = 2
"""The innermost Bundle around, as bundles.Entries. Where there is none, nobody is asked."""
OF_CALLER: Final = 3
"""Whoever asks for validation."""


class Caller(NamedTuple):
    """What whoever asks for validation knows. `extensions`: urls of extensions beyond R4's own."""

    answers: Answers | None = None
    extensions: Container[str] = frozenset()


class Finding(NamedTuple):
    """`path`: below the place that was checked, such as `.name[0].family`, or "". `code`: an IssueType.

    `severity`: error, warning or information, as OperationOutcome.issue has them; only errors refuse a write.
    `later`: this is no finding yet.
    """

    path: str
    code: str
    text: str
    severity: str = "error"
    later: Later | None = None


Found = list[Finding] | None

Check = Callable[[Any, int], Found]
"""A checker of one JSON value at a nesting depth."""

MOST = 1000
"""A list stops collecting after so many errors: a huge broken body must not make a huger answer.

Of what is no error so many are kept as well; but what comes after them is still looked at, for errors.
"""

NULL = "is null: leave the property out instead"

_PROPERTY = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}")


def one(code: str, text: str, path: str = "", severity: str = "error") -> list[Finding]:
    """A single finding."""
    return [Finding(path, code, text, severity)]


def ask(level: int, judge: Callable[[Any], Found], path: str = "") -> list[Finding]:
    """What is to be settled later."""
    return [Finding(path, "", "", "", Later(level, judge))]


def under(prefix: str, found: list[Finding]) -> list[Finding]:
    """The findings, seen from the parent."""
    return [Finding(prefix + path, code, text, severity, later) for path, code, text, severity, later in found]


def settle(found: list[Finding], level: int, known: Any) -> Found:
    """The findings, those of that level and below it judged by what is known."""
    kept = Kept()
    for finding in found:
        if finding.later is None or finding.later.level > level:
            kept.add((finding,))
        elif not kept.full:
            judged = finding.later.judge(known)
            if judged is not None:
                kept.add(settle(under(finding.path, judged), level, known) or ())
    return kept.found or None


class Kept:
    """Findings as they come, counted, and no more of them than anybody needs. Questions are all kept."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self._errors = self._others = 0

    @property
    def full(self) -> bool:
        """Whether there are so many errors that nobody needs more."""
        return self._errors > MOST

    def add(self, found: Iterable[Finding]) -> None:
        """These as well."""
        for finding in found:
            if finding.severity == "error":
                self._errors += 1
            elif finding.later is None:
                if self._others > MOST:
                    continue
                self._others += 1
            self.found.append(finding)


def refused(found: list[Finding]) -> bool:
    """Whether there is an error among them."""
    return any(finding.severity == "error" for finding in found)


def joined(found: Found, more: Found) -> Found:
    """Both."""
    return more if found is None else found if more is None else found + more


def nameable(name: str) -> bool:
    """True when an unknown property's name looks like one: it can stand in a path and is not someone's data."""
    return _PROPERTY.fullmatch(name) is not None


def kind(value: object) -> str:
    """What JSON calls the value. Never the value itself."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, int | float | Decimal):
        return "a number"
    return "an array" if isinstance(value, list) else "an object"


def wrong(value: object, expected: str) -> list[Finding]:
    """The value has another JSON type than the element."""
    if value is None:
        return one("structure", NULL)
    return one("structure", f"must be {expected}, but is {kind(value)}")
