"""Refusals of a GraphQL request: where in the document, and never with a value of it.

A literal or a variable may be a patient's name, so messages of the library that quote one are replaced.
https://hl7.org/fhir/R4/graphql.html#errors
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from graphql import GraphQLError, Node

from hilum.problems import Invalid, Issue, Problem

Place = tuple[int, int]
"""Line and column of the document, both from 1."""

_VALUE: Final = re.compile(r"(, found |: | got invalid value ).*", re.DOTALL)
MOST_ERRORS: Final = 20


class Refused(Invalid):
    """The document is not valid GraphQL, or not for this server: `places` of each issue."""

    def __init__(self, found: list[tuple[str, tuple[Place, ...]]]) -> None:
        self.places = tuple(places for _, places in found)
        super().__init__(issues=tuple(Issue("error", "invalid", text) for text, _ in found))


class Failed(Problem):
    """A Problem at a field, and where the field stands."""

    def __init__(self, problem: Problem, places: tuple[Place, ...]) -> None:
        super().__init__(issues=problem.issues)
        self.problem = problem
        self.places = places


def refused(errors: Iterable[GraphQLError], values: frozenset[str] = frozenset()) -> Refused:
    """What the library found, without `values`."""
    return Refused([(_safe(one, values), _places(one)) for one in list(errors)[:MOST_ERRORS]])


def syntax(error: GraphQLError) -> Refused:
    """The text is not GraphQL: only where, since the library quotes what it found there."""
    return Refused([("The query can't be read: GraphQL's syntax is violated here.", _places(error))])


def places_of(nodes: Iterable[Node]) -> tuple[Place, ...]:
    """Where nodes stand in the document."""
    return _places(GraphQLError("", list(nodes)))


def _places(error: GraphQLError) -> tuple[Place, ...]:
    return tuple((one.line, one.column) for one in error.locations or ())


def _safe(error: GraphQLError, values: frozenset[str]) -> str:
    text = error.message
    if any(value in text for value in values if value) or '"' in text:
        text = _VALUE.sub(".", text)
    if '"' in text or any(len(value) > 1 and value in text for value in values):
        return "A value does not fit where it stands."
    return text


def literals(value: Any) -> frozenset[str]:
    """All texts in variables, for `refused`."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
        elif one is not None:
            found.add(str(one))
    return frozenset(found)
