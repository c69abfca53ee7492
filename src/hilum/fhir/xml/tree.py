"""An XML document as a tree that can be changed, for XML Patch; read as carefully as resources are (reading.py).

Names are (namespace, local name). A narrative that nothing touched is written as it stood, character by character.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from hilum.fhir.xml.tables import FHIR, XHTML
from hilum.problems import Malformed

DEEPEST: Final = 300
MOST_PREFIXES: Final = 50
Name = tuple[str, str]
_XML: Final = "http://www.w3.org/XML/1998/namespace"


class Comment(str):
    """The text of a comment."""

    __slots__ = ()


class Instruction(str):
    """A processing instruction: its target, a space, its data."""

    __slots__ = ()


class Text(str):
    """A text node; `Comment` and `Instruction` are none."""

    __slots__ = ()


class Element:
    """`spaces`: the prefixes in scope where it stands, for those who read names in its attributes."""

    __slots__ = ("attributes", "children", "name", "parent", "source", "spaces")

    def __init__(self, name: Name, parent: Element | None, spaces: dict[str, str]) -> None:
        self.name, self.parent, self.spaces = name, parent, spaces
        self.attributes: dict[Name, str] = {}
        self.children: list[Node] = []
        self.source: str | None = None

    def touch(self) -> None:
        """It will be changed: neither it nor what it stands in is written as it stood."""
        above: Element | None = self
        while above is not None:
            above.source, above = None, above.parent

    def elements(self) -> Iterator[Element]:
        """The elements directly in it."""
        return (child for child in self.children if isinstance(child, Element))

    def text(self, spend: Callable[[int], None] | None = None) -> str:
        """All text in it; `spend` is told of every node that is looked at."""
        pieces = []
        stack: list[Node] = list(reversed(self.children))
        while stack:
            node = stack.pop()
            if spend is not None:
                spend(1)
            if isinstance(node, Element):
                stack += reversed(node.children)
            elif isinstance(node, Text):
                pieces.append(node)
        return "".join(pieces)

    def settle(self) -> None:
        """Make one of texts that have come to stand beside each other."""
        found: list[Node] = []
        for child in self.children:
            if isinstance(child, Text) and found and isinstance(found[-1], Text):
                found[-1] = Text(found[-1] + child)
            elif child != "" or not isinstance(child, Text):
                found.append(child)
        self.children = found


Node = Element | Text | Comment | Instruction


def parse(data: bytes) -> Element:
    """The root of a document. Raises Malformed."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" in data[:4]:
        raise Malformed("The XML must be in UTF-8; this looks like UTF-16 or UTF-32.")
    data = data.removeprefix(codecs.BOM_UTF8)
    building = _Building(data)
    try:
        building.parser.Parse(data, True)
    except expat.ExpatError as error:
        where = f"line {error.lineno}, column {error.offset + 1}"
        raise Malformed(f"The body is not well-formed XML: {expat.ErrorString(error.code)} ({where}).") from None
    root = next(building.document.elements())
    root.parent = None
    return root


class _Building:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.document = self.open = Element(("", ""), None, {})
        self.depth = 0
        self.scopes: dict[str, list[str]] = {}
        self.spaces: dict[str, str] = {}
        self.changed = False
        self.narrative: tuple[Element, int] | None = None
        self.parser = parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.XmlDeclHandler = _declared
        parser.StartNamespaceDeclHandler = self.declare
        parser.EndNamespaceDeclHandler = self.undeclare
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text
        parser.CommentHandler = self.comment
        parser.ProcessingInstructionHandler = self.instruction

    def declare(self, prefix: str | None, uri: str | None) -> None:
        self.scopes.setdefault(prefix or "", []).append(uri or "")
        self.changed = True
        if len(self.scopes) > MOST_PREFIXES:
            raise Malformed(f"The XML declares more than {MOST_PREFIXES} prefixes.")

    def undeclare(self, prefix: str | None) -> None:
        self.scopes[prefix or ""].pop()
        self.changed = True

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise Malformed("The XML is nested too deeply.")
        if self.changed:
            self.spaces = {prefix: scope[-1] for prefix, scope in self.scopes.items() if scope}
            self.changed = False
        element = Element(_name(name), self.open, self.spaces)
        element.attributes = {_name(key): value for key, value in attributes.items()}
        self.open.children.append(element)
        self.open = element
        if self.narrative is None and element.name == (XHTML, "div"):
            self.narrative = element, self.parser.CurrentByteIndex

    def end(self, _: str) -> None:
        self.depth -= 1
        element = self.open
        if self.narrative is not None and self.narrative[0] is element:
            begun = self.narrative[1]
            self.narrative = None
            if element.children and self.data[begun : begun + 5] == b"<div " and self.scopes.keys() == {""}:
                end = self.data.index(b">", self.parser.CurrentByteIndex) + 1
                element.source = self.data[begun:end].decode()
        assert element.parent is not None
        self.open = element.parent

    def text(self, data: str) -> None:
        self.open.children.append(Text(data))

    def comment(self, data: str) -> None:
        if self.open is not self.document:
            self.open.children.append(Comment(data))

    def instruction(self, target: str, data: str) -> None:
        if self.open is not self.document:
            self.open.children.append(Instruction(f"{target} {data}"))


def _name(text: str) -> Name:
    space, _, local = text.rpartition(" ")
    return space, local


def _refuse_doctype(*_: object) -> None:
    raise Malformed("The XML has a document type declaration (DOCTYPE), which FHIR forbids.")


def _declared(version: str, encoding: str | None, standalone: int) -> None:
    if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Malformed("The XML must be in UTF-8; its declaration names another encoding.")


def written(root: Element) -> bytes:
    """The document in UTF-8, with default namespaces only."""
    out = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write(out, root, "")
    return "".join(out).encode()


def _write(out: list[str], element: Element, outer: str) -> None:
    if element.source is not None:
        out.append(element.source)
        return
    space, local = element.name
    out.append(f"<{local}" if space == outer else f'<{local} xmlns="{_quoted(space)}"')
    for number, ((where, called), value) in enumerate(element.attributes.items()):
        if where == _XML:
            called = f"xml:{called}"
        elif where:
            out.append(f' xmlns:n{number}="{_quoted(where)}"')
            called = f"n{number}:{called}"
        out.append(f' {called}="{_quoted(value)}"')
    if not element.children:
        out.append("/>")
        return
    out.append(">")
    for child in element.children:
        if isinstance(child, Element):
            _write(out, child, space)
        elif isinstance(child, Comment):
            out.append(f"<!--{child}-->")
        elif isinstance(child, Instruction):
            out.append(f"<?{child}?>")
        else:
            out.append(escape(child).replace("\r", "&#13;"))
    out.append(f"</{local}>")


def _quoted(text: str) -> str:
    return escape(text, {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


PREFIXES: Final = {"f": FHIR, "h": XHTML}
"""Prefixes that may be used without being declared, as FHIR's own test cases do."""
