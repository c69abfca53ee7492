"""`_filter`. https://hl7.org/fhir/R4/search_filter.html

"Logical expressions are evaluated left to right, with no precedence between "and" and "or"."
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.oracle import criteria, links
from tests.oracle.criteria import Refused
from tests.oracle.values import Date, Token, Uri, interval

if TYPE_CHECKING:
    from tests.oracle.evaluator import Population
    from tests.oracle.records import Holds

Filter = Callable[["Population", str], "Holds"]
"""(population, resource type) -> test of a resource."""

_LEX = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[()\[\]]|[^\s()\[\]"]+)')
_PATH = re.compile(r"[_A-Za-z][_\-A-Za-z0-9]*(\.[_A-Za-z][_\-A-Za-z0-9]*)*")
_SYSTEMS = {
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ucum": "http://unitsofmeasure.org",
}
_ORDERED = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_STRINGS = {"eq": "equals", "co": "contains", "sw": "starts", "ew": "ends"} | {
    order: order for order in ("ne", "gt", "lt", "ge", "le")
}
_TOKENS = {"ss": "below", "sb": "above", "in": "in", "ni": "not-in"}
_ELEMENTS = {
    ("Group", "characteristic"): ("characteristic-value", {"code": "characteristic", "value": "value"}),
    ("DocumentReference", "relatesTo"): ("relationship", {"code": "relation", "target": "relatesto"}),
}
"""https://hl7.org/fhir/R4/search_filter.html#params"""


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        at = 0
        text = text.rstrip()
        while at < len(text):
            match = _LEX.match(text, at)
            if match is None:
                raise Refused("filter")
            self.tokens.append(match[1])
            at = match.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self) -> str:
        token = self.peek()
        if not token:
            raise Refused("filter ends early")
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        if self.next() != token:
            raise Refused(f"expected {token}")

    def filter(self) -> Filter:
        left = self.one()
        while self.peek() in ("and", "or"):
            left = _join(self.next(), left, self.one())
        return left

    def one(self) -> Filter:
        if self.peek() == "(":
            self.next()
            inner = self.filter()
            self.expect(")")
            return inner
        if self.peek() == "not" and self.tokens[self.at + 1 : self.at + 2] == ["("]:
            self.at += 2
            inner = self.filter()
            self.expect(")")
            return _not(inner)
        return self.path(self.next())

    def path(self, written: str) -> Filter:
        """`name`, `name.name`, `name[filter].name`, then an operation and a value."""
        if not _PATH.fullmatch(written):
            raise Refused("filter path")
        head, dot, rest = written.partition(".")
        if dot:
            return _chain(head, [self.path(rest)])
        if self.peek() == "[":
            self.next()
            begun = self.at
            inner = self.filter()
            inside = self.tokens[begun : self.at]
            self.expect("]")
            following = self.next()
            if not following.startswith("."):
                raise Refused("filter path")
            begun = self.at
            outer = self.path(following[1:])
            outside = [following[1:], *self.tokens[begun : self.at]]
            return _bracketed(head, inside, outside, _chain(head, [inner, outer]))
        operation, value = self.next(), self.next()
        if value in "()[]":
            raise Refused("filter value")
        if value.startswith('"'):
            value = json.loads(value)
        return _test(head, operation, value)


def _join(word: str, left: Filter, right: Filter) -> Filter:
    def make(population: Population, type: str) -> Holds:
        a, b = left(population, type), right(population, type)
        if word == "and":
            return lambda item: a(item) and b(item)
        return lambda item: a(item) or b(item)

    return make


def _not(inner: Filter) -> Filter:
    def make(population: Population, type: str) -> Holds:
        test = inner(population, type)
        return lambda item: not test(item)

    return make


def _chain(head: str, inner: list[Filter]) -> Filter:
    """One and the same target satisfies the filter in brackets and the rest of the path."""

    def make(population: Population, type: str) -> Holds:
        def on(target: str) -> Holds:
            tests = [one(population, target) for one in inner]
            return lambda item: all(test(item) for test in tests)

        return links.chain(population, type, head, on)

    return make


def _bracketed(head: str, inside: list[str], outside: list[str], chained: Filter) -> Filter:
    """A chain, or, by a name of `_ELEMENTS`, two tests of one element."""

    def make(population: Population, type: str) -> Holds:
        if (type, head) not in _ELEMENTS:
            return chained(population, type)
        code, children = _ELEMENTS[type, head]
        composite = population.parameter(type, code)
        tests: dict[str, list[criteria.Test]] = {}
        for written in (inside, outside):
            if len(written) != 3 or written[0] not in children:
                raise Refused("filter of an element")
            name, operation, value = written
            value = json.loads(value) if value.startswith('"') else value
            (part,) = [one for one in composite.components if one.code == children[name]]
            whole = population.part(type, composite, part)
            if operation != ("re" if whole.type == "reference" else "eq"):
                raise Refused("operation")
            if whole.type == "token":
                forms = population.forms(type, whole)
                tests[part.code] = [criteria.token(_systems(value), forms, caseless=True)]
            else:
                tests[part.code], _ = population.tests(type, whole, "", [value])
        if len(tests) != 2:
            raise Refused("filter of an element")
        order = [tests[part.code] for part in composite.components]
        return lambda item: any(
            all(any(t(v) for v in values for t in some) for some, values in zip(order, element, strict=True))
            for element in population.elements(item, composite)
        )

    return make


def _test(code: str, operation: str, value: str) -> Filter:
    def make(population: Population, type: str) -> Holds:
        if code in ("_id", "_lastUpdated"):
            return _own(population, code, operation, value)
        parameter = population.parameter(type, code)
        if operation == "pr":
            if value not in ("true", "false") or parameter.type == "composite":
                raise Refused("pr")
            return lambda item: population.present(item, parameter) is (value == "true")
        if parameter.type == "composite" and operation == "eq":
            return population.composite(type, parameter, value)
        if operation == "ne" and parameter.type in ("token", "uri"):
            equal, _ = _tests(population, type, code, "eq", value)
            kind = Token if parameter.type == "token" else Uri
            return lambda item: any(
                isinstance(v, kind) and not any(t(v) for t in equal) for v in population.values(item, parameter)
            )
        tests, negated = _tests(population, type, code, operation, value)
        return lambda item: any(t(v) for v in population.values(item, parameter) for t in tests) is not negated

    return make


def _own(population: Population, code: str, operation: str, value: str) -> Holds:
    if code == "_lastUpdated" and operation in _ORDERED:
        return population.own(code, [operation + value])
    if code == "_lastUpdated" and operation == "po":
        low, high = _date(value)
        return lambda item: any(criteria.DATES["ap"](low, high, *at) for at in population.updated(item))
    if code == "_id" and operation in ("eq", "ne"):
        return lambda item: (item.id == value) is (operation == "eq")
    raise Refused("operation")


def _tests(
    population: Population, type: str, code: str, operation: str, value: str
) -> tuple[list[criteria.Test], bool]:
    parameter = population.parameter(type, code)
    kind = parameter.type
    if kind in ("token", "quantity"):
        value = _systems(value)
    if kind == "string" and operation in _STRINGS:
        value = value.replace("\\", "\\\\")  # a JSON string has escapes of its own
        return [criteria.string(value, _STRINGS[operation])], False
    if kind == "token" and operation == "eq":
        return [criteria.token(value, population.forms(type, parameter), caseless=True)], False
    if kind == "token" and operation in _TOKENS:
        return population.tests(type, parameter, _TOKENS[operation], [value])
    if kind in ("number", "date", "quantity") and operation in _ORDERED:
        return population.tests(type, parameter, "", [operation + value])
    if kind == "date" and operation == "po":
        low, high = _date(value)
        overlaps = criteria.DATES["ap"]
        return [lambda v: isinstance(v, Date) and overlaps(low, high, v.low, v.high)], False
    if kind == "date" and operation == "co":
        low, high = _date(value)
        return [lambda v: isinstance(v, Date) and v.low <= low and high <= v.high], False
    if (kind == "reference" and operation == "re") or (kind == "uri" and operation == "eq"):
        tests, _ = population.tests(type, parameter, "", [value])
        return tests, False
    raise Refused(f"{operation} of {kind}")


def _date(value: str) -> Date:
    try:
        return interval(value)
    except ValueError:
        raise Refused("date") from None


def _systems(value: str) -> str:
    parts = value.split("|")
    return "|".join(_SYSTEMS.get(part, part) if i < len(parts) - 1 else part for i, part in enumerate(parts))


def parse(text: str) -> Filter:
    """The filter. Raises Refused where it breaks the grammar."""
    parser = _Parser(text)
    found = parser.filter()
    if parser.peek():
        raise Refused("filter goes on")
    return found
