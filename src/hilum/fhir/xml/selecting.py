"""The part of XPath that selects within an XML Patch, and nothing of XPath beside it.

Location steps along the child and attribute axes, with a position, comparisons with a literal, or both:
`f:Patient/f:name[f:use/@value='official'][1]/f:given[2]/@value`. https://www.rfc-editor.org/rfc/rfc5261#section-4.1
A name without a prefix is in the default namespace of the patch (section 4.2.2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from hilum.fhir.xml.tree import PREFIXES, Comment, Element, Instruction, Name, Node, Text
from hilum.problems import Malformed

LONGEST: Final = 2000
MOST_STEPS: Final = 100
DEEPEST: Final = 5

Spend = Callable[[int], None]


class Attribute(NamedTuple):
    """An attribute of an element, as what a selector finds."""

    owner: Element
    name: Name


class Found(NamedTuple):
    """A child, by the element that it stands in (None for the root)."""

    owner: Element | None
    node: Node


class _Test(NamedTuple):
    """One condition in a predicate: a position (0 for the last), or that a path has a value (None: that it exists)."""

    position: int | None
    path: tuple[_Step, ...] = ()
    literal: str | None = None


class _Step(NamedTuple):
    """`kind`: element, attribute, text, comment, processing-instruction or self. `name`: None for any."""

    kind: str
    name: Name | None = None
    predicates: tuple[tuple[_Test, ...], ...] = ()


Selector = tuple[_Step, ...]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<literal>'[^']*'|\"[^\"]*\")|(?P<number>[0-9]{1,9})|(?P<word>[A-Za-z_][\w.-]*(?::[A-Za-z_*][\w.-]*|\(\s*\))?)"
    r"|(?P<sign>[/@\[\]=.*()])|(?P<other>\S))"
)
_NODES: Final = ("text", "comment", "processing-instruction")


def parse(text: str, spaces: Mapping[str, str]) -> Selector:
    """A selector; `spaces`: the prefixes in scope where it stands. Raises Malformed."""
    return _Parser(text, spaces).whole()


class _Parser:
    def __init__(self, text: str, spaces: Mapping[str, str]) -> None:
        if len(text) > LONGEST:
            raise Malformed(f"A selector of the patch is longer than {LONGEST} characters.")
        self.tokens = [(m.lastgroup or "", m.group(m.lastgroup or 0)) for m in _TOKEN.finditer(text)]
        self.spaces = {**PREFIXES, **spaces}
        self.at = self.depth = 0

    def whole(self) -> Selector:
        self.take("/")
        found = self.path()
        if self.at < len(self.tokens):
            raise self.wrong()
        if found[0].kind not in ("element", "self"):
            raise Malformed("A selector of the patch must begin with the name of the root element.")
        return found

    def path(self) -> Selector:
        steps = [self.step()]
        while self.take("/"):
            if steps[-1].kind not in ("element", "self"):
                raise self.wrong()
            steps.append(self.step())
            if len(steps) > MOST_STEPS:
                raise Malformed(f"A selector of the patch has more than {MOST_STEPS} steps.")
        return tuple(steps)

    def step(self) -> _Step:
        if self.take("."):
            return _Step("self")
        is_attribute = self.take("@")
        kind, text = self.next()
        if kind == "sign" and text == "*":
            name = None
        elif kind == "word" and text.endswith(")"):
            node = text.partition("(")[0].strip()
            if is_attribute or node not in _NODES:
                raise Malformed("A selector of the patch calls a function; those of patches call none.")
            return _Step(node, None, self.predicates())
        elif kind == "word":
            name = self.name(text, is_attribute)
        else:
            raise self.wrong()
        return _Step("attribute", name) if is_attribute else _Step("element", name, self.predicates())

    def name(self, text: str, is_attribute: bool) -> Name:
        prefix, colon, local = text.rpartition(":")
        if not colon:
            return ("" if is_attribute else self.spaces.get("", ""), text)
        space = "http://www.w3.org/XML/1998/namespace" if prefix == "xml" else self.spaces.get(prefix)
        if not space or local == "*":
            raise Malformed("A selector of the patch has a prefix that is not declared there.")
        return space, local

    def predicates(self) -> tuple[tuple[_Test, ...], ...]:
        found = []
        while self.take("["):
            self.depth += 1
            if self.depth > DEEPEST:
                raise Malformed("A selector of the patch has conditions that nest too deeply.")
            tests = [self.test()]
            while self.peek() == ("word", "and"):
                self.at += 1
                tests.append(self.test())
            if not self.take("]"):
                raise self.wrong()
            self.depth -= 1
            found.append(tuple(tests))
        return tuple(found)

    def test(self) -> _Test:
        kind, text = self.peek()
        if kind == "number":
            self.at += 1
            if int(text) == 0:
                raise Malformed("Positions in a selector of the patch count from 1.")
            return _Test(int(text))
        if (kind, text.replace(" ", "")) == ("word", "last()"):
            self.at += 1
            return _Test(0)
        path = self.path()
        if not self.take("="):
            return _Test(None, path)
        kind, text = self.next()
        if kind != "literal":
            raise self.wrong()
        return _Test(None, path, text[1:-1])

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def next(self) -> tuple[str, str]:
        found = self.peek()
        self.at += 1
        return found

    def take(self, sign: str) -> bool:
        if self.peek() == ("sign", sign):
            self.at += 1
            return True
        return False

    def wrong(self) -> Malformed:
        return Malformed(
            "A selector of the patch is not one of https://www.rfc-editor.org/rfc/rfc5261#section-4.1: steps to "
            "children, attributes, text() or comment(), with positions and comparisons."
        )


def select(root: Element, selector: Selector, spend: Spend) -> list[Attribute | Found]:
    """What a selector finds in a document; `spend` is told of each node looked at and each condition on it."""
    document = Element(("", ""), None, {})
    document.children = [root]
    found = _along([Found(None, document)], selector, spend)
    return [Found(None, one.node) if isinstance(one, Found) and one.node is root else one for one in found]


def _along(start: Iterable[Attribute | Found], path: Selector, spend: Spend) -> list[Attribute | Found]:
    found = list(start)
    for step in path:
        if step.kind == "self":
            spend(len(found))
            continue
        after: list[Attribute | Found] = []
        for one in found:
            if isinstance(one, Found) and isinstance(one.node, Element):
                after += _step(one.node, step, spend)
        found = after
    return found


def _step(element: Element, step: _Step, spend: Spend) -> list[Attribute | Found]:
    if step.kind == "attribute":
        spend(1 + len(element.attributes))
        names = element.attributes if step.name is None else (step.name,) if step.name in element.attributes else ()
        return [Attribute(element, name) for name in names]
    spend(1 + len(element.children))
    found = [Found(element, child) for child in element.children if _fits(child, step)]
    for tests in step.predicates:
        size = len(found)
        spend(size * len(tests))
        found = [
            one for place, one in enumerate(found, 1) if all(_holds(test, one, place, size, spend) for test in tests)
        ]
    return list(found)


def _fits(node: Node, step: _Step) -> bool:
    if isinstance(node, Element):
        return step.kind == "element" and (step.name is None or step.name == node.name)
    if isinstance(node, Comment):
        return step.kind == "comment"
    if isinstance(node, Instruction):
        return step.kind == "processing-instruction"
    return step.kind == "text"


def _holds(test: _Test, one: Found, place: int, size: int, spend: Spend) -> bool:
    if test.position is not None:
        return place == (test.position or size)
    found = _along([one], test.path, spend)
    if test.literal is None:
        return bool(found)
    return any(_value(each, spend) == test.literal for each in found)


def _value(one: Attribute | Found, spend: Spend) -> str:
    if isinstance(one, Attribute):
        return one.owner.attributes[one.name]
    text = one.node.text(spend) if isinstance(one.node, Element) else str(one.node)
    spend(len(text) // 256 + 1)
    return text


__all__ = ["Attribute", "Found", "Selector", "Text", "parse", "select"]
