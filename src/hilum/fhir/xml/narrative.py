"""Narratives: XHTML within FHIR's XML, and the text of `div` in JSON. https://hl7.org/fhir/R4/narrative.html"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from hilum.fhir.xml.tables import XHTML

_XML: Final = "http://www.w3.org/XML/1998/namespace"


def builds_on(source: bytes, prefixes: Iterable[str]) -> bool:
    """Whether a narrative may use one of the namespaces declared outside of it ("" is the default one).

    That it only may is enough: it is written again then, which changes nothing that it means.
    """
    for prefix in prefixes:
        if not prefix:
            if b"xmlns=" not in source[: source.find(b">") + 1]:
                return True
        elif re.search(rb"[<\s/]" + re.escape(prefix.encode()) + rb":", source):
            return True
    return False


class Rewriting:
    """A narrative, written again with its namespaces declared in it."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._spaces = [""]
        self._names: list[str] = []
        self._open = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; names are as expat gives them."""
        self._close()
        space, _, local = name.rpartition(" ")
        out = [f"<{local}"]
        if space != self._spaces[-1]:
            out.append(f' xmlns="{_quoted(space)}"')
        for number, (attribute, value) in enumerate(attributes.items()):
            where, _, called = attribute.rpartition(" ")
            if where == _XML:
                called = f"xml:{called}"
            elif where:
                out.append(f' xmlns:n{number}="{_quoted(where)}"')
                called = f"n{number}:{called}"
            out.append(f' {called}="{_quoted(value)}"')
        self._pieces.append("".join(out))
        self._spaces.append(space)
        self._names.append(local)
        self._open = True

    def end(self, _: str) -> None:
        """An element ends."""
        name = self._names.pop()
        self._spaces.pop()
        self._pieces.append("/>" if self._open else f"</{name}>")
        self._open = False

    def text(self, data: str) -> None:
        """Text in it."""
        self._close()
        self._pieces.append(escape(data).replace("\r", "&#13;"))

    def result(self) -> str:
        """The whole."""
        return "".join(self._pieces)

    def _close(self) -> None:
        if self._open:
            self._pieces.append(">")
            self._open = False


def _quoted(text: str) -> str:
    return escape(text, {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def sound(div: str) -> bool:
    """Whether this text is one element `div` of XHTML, so that it can stand within another document as it is."""
    if not div.lstrip().startswith("<div"):  # nothing that belongs to a document of its own comes before
        return False
    first: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")

    def start(name: str, _: dict[str, str]) -> None:
        first.append(name)
        parser.StartElementHandler = None

    parser.StartElementHandler = start
    try:
        parser.Parse(div, True)
    except (expat.ExpatError, UnicodeEncodeError):
        return False
    return first == [f"{XHTML} div"]
