"""Where an element stands in JSON text: from a FHIRPath such as `Patient.name[0].given[1]` to line and column.

Lines end with LF, CR LF or CR; columns count characters from 1, a tab as one. A choice is named without its type:
`Observation.value` stands at `valueQuantity`. What is not in the text is where it should be: in the innermost element
around it that is. https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import Final, NamedTuple


class Place(NamedTuple):
    """Counted from 1."""

    line: int
    column: int


class _Node:
    """A JSON value: where it begins (of a property: its name), and what is in it."""

    __slots__ = ("items", "members", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.members: dict[str, _Node] | None = None
        self.items: list[_Node] | None = None


_WORD: Final = re.compile(r'[ \t\r\n]*("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^ \t\r\n{}\[\],:"]+)', re.DOTALL)
_END: Final = re.compile(r"\r\n|\n|\r")
_STEP: Final = re.compile(r"\.([A-Za-z][A-Za-z0-9]*)(?:\[([0-9]+)\])?")


class Places:
    """The places of one JSON text, without a byte order mark. `line`: the number of its first line."""

    def __init__(self, text: str, line: int = 1) -> None:
        self._first = line
        self._lines = [0, *(match.end() for match in _END.finditer(text))]
        self._root = _read(text)

    def at(self, offset: int) -> Place:
        """The place of a character."""
        line = bisect_right(self._lines, offset) - 1
        return Place(self._first + line, offset - self._lines[line] + 1)

    def find(self, expression: str | None) -> Place:
        """The place of the element, or of the innermost around it that is there."""
        found = [self._root]
        for name, index in _STEP.findall(expression or ""):
            inner = [node for holder in found for node in _named(holder, name)]
            if not inner:
                break
            found = inner
            if index:
                lists = [node.items for node in inner if node.items is not None]
                items = [some[int(index)] for some in lists if int(index) < len(some)]
                if not items:
                    break
                found = items
        return self.at(found[0].start)


def _named(holder: _Node, name: str) -> list[_Node]:
    """The properties of an element: its value, its extensions; of a choice, those of each type that is there."""
    members = holder.members or {}
    found = [members[key] for key in (name, f"_{name}") if key in members]
    if not found:
        size = len(name)
        for key, node in members.items():
            plain = key.removeprefix("_")
            if plain.startswith(name) and plain[size : size + 1].isupper():
                found.append(node)
    return found


def _read(text: str) -> _Node:
    """As much of the tree as the text gives: whether it is JSON has been seen before."""
    root = _Node(len(text) - len(text.lstrip(" \t\r\n")))
    stack: list[_Node] = []
    key: tuple[str, int] | None = None
    value = root
    expecting = True  # a value, or the name of a property
    for match in _WORD.finditer(text):
        word, start = match[1], match.start(1)
        if word == ":":
            expecting = True
        elif word == ",":
            expecting = True
            key = None
        elif word in "}]":
            if not stack:
                break
            stack.pop()
            expecting = False
        elif stack and stack[-1].members is not None and key is None:
            key = (_name(word), start)
            expecting = False
        elif expecting:
            value = root if not stack else _Node(start if key is None else key[1])
            if stack:
                holder = stack[-1]
                if holder.members is not None and key is not None:
                    holder.members[key[0]] = value
                elif holder.items is not None:
                    holder.items.append(value)
            if word == "{":
                value.members = {}
                stack.append(value)
            elif word == "[":
                value.items = []
                stack.append(value)
            key = None if word in "{[" else key
            expecting = word in "{["
    return root


def _name(word: str) -> str:
    if "\\" not in word:
        return word[1:-1]
    try:
        return str(json.loads(word))
    except ValueError:
        return word[1:-1]
