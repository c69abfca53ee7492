"""`_filter`: tests joined by and, or, not and parentheses. https://hl7.org/fhir/R4/search_filter.html

The text is read into a tree first, and the tree becomes clauses once for each type that a path may lead to. and and or
are read from left to right, neither before the other, as the specification says.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from hilum.problems import Invalid
from hilum.search.chains import chain, find, step
from hilum.search.clauses import AllClause, AnyClause, Clause, NotClause
from hilum.search.limits import MOST_FILTER, MOST_NESTED, TooCostly
from hilum.search.plain import Asked
from hilum.search.tested import ADDITIONAL, OPERATORS, pair, test

# --- the tree ---------------------------------------------------------------------------------------------------------


class Link(NamedTuple):
    """One name of a path, `subject` or `subject:Patient`, and what holds in its brackets."""

    name: str
    inside: Node | None = None


class Test(NamedTuple):
    """`path operator value`."""

    path: tuple[Link, ...]
    operator: str
    value: str


class Joined(NamedTuple):
    """Nodes joined by `and` or `or`."""

    word: str
    nodes: tuple[Node, ...]


class Negated(NamedTuple):
    """`not (node)`."""

    node: Node


Node = Test | Joined | Negated

_SPACE: Final = re.compile(r"\s*")
_NOT: Final = re.compile(r"not\s*\(")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?::[A-Z][A-Za-z]*)?", re.ASCII)
_WORD: Final = re.compile(r"[a-z]+")
_JOIN: Final = re.compile(r"\s+(and|or)(?=[\s(])")
_VALUE: Final = re.compile(r"[^\s)\]]+")
_UNSOUND: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_STRING: Final = json.JSONDecoder()


class _Reader:
    """Recursive descent over the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def whole(self) -> Node:
        found = self.joined(0)
        self.space()
        if self.at < len(self.text):
            raise self.expected("and, or, or the end")
        return found

    def joined(self, depth: int) -> Node:
        if depth > MOST_NESTED:
            raise TooCostly(f"_filter nests more than {MOST_NESTED} deep.")
        found, changes = self.one(depth), 0
        while match := _JOIN.match(self.text, self.at):
            self.at = match.end()
            following = self.one(depth)
            if isinstance(found, Joined) and found.word == match[1] and changes:
                found = Joined(match[1], (*found.nodes, following))
                continue
            changes += 1
            if changes > MOST_NESTED:
                raise TooCostly(f"_filter changes between and and or more than {MOST_NESTED} times.")
            found = Joined(match[1], (found, following))
        return found

    def one(self, depth: int) -> Node:
        self.space()
        if match := _NOT.match(self.text, self.at):
            self.at = match.end()
            return Negated(self.closed(depth))
        if self.text.startswith("(", self.at):
            self.at += 1
            return self.closed(depth)
        return self.test(depth)

    def closed(self, depth: int) -> Node:
        found = self.joined(depth + 1)
        self.take(")")
        return found

    def test(self, depth: int) -> Test:
        path = [self.link(depth)]
        while self.text.startswith(".", self.at):
            self.at += 1
            path.append(self.link(depth))
        operator = self.match(_WORD, "an operator")
        if operator not in OPERATORS:
            raise self.expected(f"one of the operators {', '.join(OPERATORS)}")
        self.space()
        return Test(tuple(path), operator, self.value())

    def link(self, depth: int) -> Link:
        name = self.match(_NAME, "the name of a search parameter")
        if not self.text.startswith("[", self.at):
            return Link(name)
        self.at += 1
        inside = self.joined(depth + 1)
        self.take("]")
        return Link(name, inside)

    def value(self) -> str:
        if not self.text.startswith('"', self.at):
            return self.match(_VALUE, "a value")
        try:
            found, self.at = _STRING.raw_decode(self.text, self.at)
        except json.JSONDecodeError:
            raise self.expected("a JSON string") from None
        text = str(found)
        if _UNSOUND.search(text):
            raise self.expected("a JSON string without control characters and halves of surrogate pairs")
        return text

    def match(self, pattern: re.Pattern[str], what: str) -> str:
        self.space()
        match = pattern.match(self.text, self.at)
        if match is None:
            raise self.expected(what)
        self.at = match.end()
        return match[0]

    def take(self, text: str) -> None:
        self.space()
        if not self.text.startswith(text, self.at):
            raise self.expected(repr(text))
        self.at += 1

    def space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        assert match is not None  # it matches nothing, too
        self.at = match.end()

    def expected(self, what: str) -> Invalid:
        return Invalid(f"_filter: expected {what} at character {self.at + 1}.")


# --- the tree to clauses ----------------------------------------------------------------------------------------------


def read(type: str, text: str, asked: Asked, hops: int = 0) -> Clause:
    """The clause of a `_filter` on resources of a type. Raises Invalid, TooCostly, and Unknown as `find`."""
    if len(text) > MOST_FILTER:
        raise TooCostly(f"_filter is longer than {MOST_FILTER} characters.")
    return _clause(type, _Reader(text).whole(), asked, hops)


def _clause(type: str, node: Node, asked: Asked, hops: int) -> Clause:
    match node:
        case Negated(inner):
            return NotClause(_clause(type, inner, asked, hops))
        case Joined(word, nodes):
            found = tuple(_clause(type, one, asked, hops) for one in nodes)
            return AllClause(found) if word == "and" else AnyClause(found)
        case Test(path, operator, value):
            return _test(type, path, operator, value, asked, hops)


def _test(type: str, path: tuple[Link, ...], operator: str, value: str, asked: Asked, hops: int) -> Clause:
    link, *rest = path
    if link.inside is not None and len(rest) == 1 and (type, link.name) in ADDITIONAL:
        return _pair(type, link.name, link.inside, Test(tuple(rest), operator, value), asked)
    if not rest:
        if link.inside is not None:
            raise Invalid(f"_filter: {link.name[:64]!r} with brackets must be followed by '.' and another name.")
        parameter = find(asked.registry, type, link.name)
        return test(parameter, operator, value, asked)
    parameter, target = step(asked.registry, type, link.name)

    def then(type: str) -> Clause:
        last = _test(type, tuple(rest), operator, value, asked, hops + 1)
        return last if link.inside is None else AllClause((_clause(type, link.inside, asked, hops + 1), last))

    return chain(parameter, target, asked, hops, then, rest[0].name)


def _pair(type: str, name: str, inside: Node, outside: Test, asked: Asked) -> Clause:
    """`characteristic[code eq gender].value eq mixed`: of one element. https://hl7.org/fhir/R4/search_filter.html#params"""
    match inside:
        case Joined("or", nodes):
            return AnyClause(tuple(_pair(type, name, one, outside, asked) for one in nodes))
        case Test():
            code, children = ADDITIONAL[type, name]
            read = (_child(name, children, inside), _child(name, children, outside))
            return pair(find(asked.registry, type, code), *read, asked)
    raise Invalid(f"_filter: the brackets of {name!r} take a test, or several with or between them.")


def _child(name: str, children: dict[str, str], test: Test) -> tuple[str, str, str]:
    """The parameter, operator and value of a test on a child."""
    (link, *others), operator, value = test
    if others or link.inside is not None or link.name not in children:
        raise Invalid(f"_filter: {name!r} has {' and '.join(children)}; found {link.name[:64]!r}.")
    return children[link.name], operator, value
