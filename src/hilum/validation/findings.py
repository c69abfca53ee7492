"""What a checker answers: None when all is well, else findings whose paths grow while the calls unwind.

No path is built for a resource without faults.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """`path`: below the place that was checked, such as `.name[0].family`, or "". `code`: an IssueType.

    `severity`: error, warning or information, as OperationOutcome.issue has them; only errors refuse a write.
    """

    path: str
    code: str
    text: str
    severity: str = "error"


Found = list[Finding] | None

Check = Callable[[Any, int], Found]
"""A checker of one JSON value at a nesting depth."""

MOST = 1000
"""A list stops collecting after so many findings: a huge broken body must not make a huger answer."""

NULL = "is null: leave the property out instead"

_PROPERTY = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}")


def one(code: str, text: str, path: str = "", severity: str = "error") -> list[Finding]:
    """A single finding."""
    return [Finding(path, code, text, severity)]


def under(prefix: str, found: list[Finding]) -> list[Finding]:
    """The findings, seen from the parent."""
    return [Finding(prefix + path, *rest) for path, *rest in found]


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
