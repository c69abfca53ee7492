"""`_text` and `_content`: words and phrases, joined by AND, OR, NOT and parentheses. https://hl7.org/fhir/R4/search.html#text

Words that stand side by side must all occur, in any order and anywhere; in quotes, side by side in one text. AND binds
before OR, and a comma is an OR, as it is in every parameter. A lower case `and` counts too, since the specification
writes it so; `or` and `not` are words, since people search for "do not resuscitate".
"""

from __future__ import annotations

import re
from typing import Final

from hilum.problems import Invalid
from hilum.search.clauses import AllClause, AnyClause, Clause, NotClause, PhraseClause, TextClause
from hilum.search.limits import MOST_NESTED, MOST_TEXT, MOST_WORDS, TooCostly
from hilum.search.prose import LONGEST, words
from hilum.search.values import unescape

_OR: Final = ("OR", ",")
WHERE: Final = {"_text": "text", "_content": "content"}
"""Parameter -> `TextClause.where`."""
_WORD: Final = re.compile(r'"(?:\\.|[^"\\])*"|[(),"]|(?:\\.|[^\s(),"\\])+')
"""A phrase, a sign that means something, or what stands between two of them. A backslash takes its character along."""


def read(code: str, value: str) -> Clause:
    """The clause of a value of `_text` or `_content`. Raises Invalid, TooCostly."""
    if len(value) > MOST_TEXT:
        raise TooCostly(f"The parameter {code!r} is longer than {MOST_TEXT} characters.")
    unescape(value)  # refuses what no backslash may stand before
    reader = _Reader(code, _WORD.findall(value))
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
        self.words = 0
        if '"' in parts:
            raise self.refusal("a quote without its end")

    def either(self, depth: int) -> Clause:
        if depth > MOST_NESTED:
            raise TooCostly(f"The parentheses of {self.code!r} nest more than {MOST_NESTED} deep.")
        found = [self.all(depth)]
        while self.left and self.left[-1] in _OR:
            self.left.pop()
            found.append(self.all(depth))
        texts = [text for one in found if isinstance(one, TextClause) for text in one.values]
        if len(found) > 1 and len(texts) == len(found):
            return TextClause(self.where, tuple(texts))
        return found[0] if len(found) == 1 else AnyClause(tuple(found))

    def all(self, depth: int) -> Clause:
        found: list[Clause] = []
        plain: list[str] = []
        while self.left and self.left[-1] not in (")", *_OR):
            word = self.left.pop()
            if word in ("AND", "and"):
                continue
            if word == "NOT":
                found.append(NotClause(self.one(depth)))
            elif word == "(":
                found.append(self.inside(depth))
            elif isinstance(read := self.said(word), PhraseClause):
                found.append(read)
            elif read is not None:
                plain += read.values
        if plain:
            each = dict.fromkeys(" ".join(plain).split())
            found.insert(0, TextClause(self.where, (" ".join(each),)))
        if not found:
            raise self.refusal("no word where one was expected")
        return found[0] if len(found) == 1 else AllClause(tuple(found))

    def one(self, depth: int) -> Clause:
        word = self.left.pop() if self.left else ")"
        if word == "(":
            return self.inside(depth)
        read = None if word in (")", "AND", "NOT", *_OR) else self.said(word)
        if read is None:
            raise self.refusal("no word where one was expected")
        return read

    def said(self, word: str) -> TextClause | PhraseClause | None:
        """A word or a phrase as a clause; None where it has neither letters nor digits."""
        folded = words(unescape(word))
        each = folded.split()
        self.words += len(each)
        if self.words > MOST_WORDS:
            raise TooCostly(f"The parameter {self.code!r} has more than {MOST_WORDS} words.")
        if any(len(one) > LONGEST for one in each):
            raise TooCostly(f"A word of the parameter {self.code!r} is longer than {LONGEST} characters.")
        if not folded:
            return None
        if word.startswith('"') and " " in folded:
            return PhraseClause(self.where, folded)
        return TextClause(self.where, (folded,))

    def inside(self, depth: int) -> Clause:
        found = self.either(depth + 1)
        if not self.left:
            raise self.refusal("a '(' without its ')'")
        self.left.pop()
        return found

    def refusal(self, what: str) -> Invalid:
        known = "words, quoted phrases, AND, OR, NOT and parentheses"
        return Invalid(f"The parameter {self.code!r} takes {known}; found {what}.")
