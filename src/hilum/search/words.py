"""`_text` and `_content`: words, joined by AND, OR, NOT and parentheses. https://hl7.org/fhir/R4/search.html#text

Words that stand side by side must all occur. AND binds before OR. A lower case `and` counts too, since the
specification writes it so; `or` and `not` are words, since people search for "do not resuscitate".
"""

from __future__ import annotations

import re
from typing import Final

from hilum.problems import Invalid
from hilum.search.limits import MOST_NESTED, MOST_TEXT, TooCostly
from hilum.search.prose import words
from hilum.search.query import AllClause, AnyClause, Clause, NotClause, TextClause
from hilum.search.values import unescape

WHERE: Final = {"_text": "text", "_content": "content"}
"""Parameter -> `TextClause.where`."""
_WORD: Final = re.compile(r"[()\"]|[^\s()\"]+")


def read(code: str, value: str) -> Clause:
    """The clause of a value of `_text` or `_content`. Raises Invalid, TooCostly."""
    if len(value) > MOST_TEXT:
        raise TooCostly(f"The parameter {code!r} is longer than {MOST_TEXT} characters.")
    reader = _Reader(code, _WORD.findall(unescape(value)))
    found = reader.either(0)
    if reader.left:
        raise reader.refusal("a ')' without its '('")
    return found


class _Reader:
    """Recursive descent over the words, the next one last."""

    def __init__(self, code: str, parts: list[str]) -> None:
        self.code = code
        self.where = WHERE[code]
        self.left = parts[::-1]
        if '"' in parts:
            raise self.refusal("quotes; phrases are not supported, only words")

    def either(self, depth: int) -> Clause:
        if depth > MOST_NESTED:
            raise TooCostly(f"The parentheses of {self.code!r} nest more than {MOST_NESTED} deep.")
        found = [self.all(depth)]
        while self.left and self.left[-1] == "OR":
            self.left.pop()
            found.append(self.all(depth))
        texts = [text for one in found if isinstance(one, TextClause) for text in one.values]
        if len(found) > 1 and len(texts) == len(found):
            return TextClause(self.where, tuple(texts))
        return found[0] if len(found) == 1 else AnyClause(tuple(found))

    def all(self, depth: int) -> Clause:
        found: list[Clause] = []
        plain: list[str] = []
        while self.left and self.left[-1] not in (")", "OR"):
            word = self.left.pop()
            if word in ("AND", "and"):
                continue
            if word == "NOT":
                found.append(NotClause(self.one(depth)))
            elif word == "(":
                found.append(self.inside(depth))
            elif folded := words(word):
                plain.append(folded)
        if plain:
            found.insert(0, TextClause(self.where, (" ".join(plain),)))
        if not found:
            raise self.refusal("no word where one was expected")
        return found[0] if len(found) == 1 else AllClause(tuple(found))

    def one(self, depth: int) -> Clause:
        word = self.left.pop() if self.left else ")"
        if word == "(":
            return self.inside(depth)
        folded = words(word)
        if word in (")", "AND", "OR", "NOT") or not folded:
            raise self.refusal("no word where one was expected")
        return TextClause(self.where, (folded,))

    def inside(self, depth: int) -> Clause:
        found = self.either(depth + 1)
        if not self.left:
            raise self.refusal("a '(' without its ')'")
        self.left.pop()
        return found

    def refusal(self, what: str) -> Invalid:
        return Invalid(f"The parameter {self.code!r} takes words, AND, OR, NOT and parentheses; found {what}.")
