"""The words of a resource, for `_text` (its narrative) and `_content` (all of it). https://hl7.org/fhir/R4/search.html#content

Words are what is left of the texts when they are folded (text.py) and symbols (`<`, `+`, `°`) are spaces, too: letters
and digits, parted here and nowhere else, so that every store has the same words. `_content` has the narrative
and the value of every element that is a string in JSON, but for base64 data and the resource's own type, id and meta.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any, Final
from unicodedata import category

import msgspec

from hilum.fhir import json
from hilum.search.text import FOLDED_ASCII, fold

_TAG: Final = re.compile(r"<[^>]*>")
_INLINE: Final = (
    r"/?(?:a|abbr|acronym|b|bdo|big|cite|code|del|dfn|em|font|i|ins|kbd|q|s|samp|small|span|strike|strong|sub|tt|u|var)"
    r"\b[^>]*>"
)
"""What may stand in the middle of a word: `<b>w</b>ord`. Not `sup`: it is a footnote, or a power."""
_AMIDST: Final = re.compile(rf"<(?<=[\w;'’‘ʼ]<){_INLINE}(?:<{_INLINE})*")
"""Looked for from its first character on: where no word is before it, it parts none."""
_BINARY: Final = frozenset(("data", "resourceType", "div"))
_ABOUT: Final = frozenset(("id", "meta"))
LONGEST: Final = 500
"""Characters of a word that can be searched for: no index need hold more of it (PostgreSQL's takes 2046 bytes)."""
_fold = fold.__wrapped__  # long texts would push everything else out of the cache
_ASCII: Final = {ord(c): " " for c in map(chr, range(128)) if category(c)[0] in "SC"} | FOLDED_ASCII | {ord("."): " "}
_CLOSED: Final = "'’‘ʼ"


def words(text: str) -> str:
    """The words of a text, folded, with one space between them.

    Unlike in a name (J.R.), a full stop parts words here, as in the end of a sentence or in an address.
    """
    if text.isascii():
        return " ".join(text.translate(_ASCII).lower().split())
    text = "".join([" " if category(c)[0] == "P" and c not in _CLOSED else c for c in text])
    return " ".join("".join([" " if category(c)[0] in "SC" else c for c in _fold(text)]).split())


def read(raw: bytes) -> dict[str, Any]:
    """A stored body as far as its texts go; of its numbers, which are no words, digits may be lost."""
    try:
        body: dict[str, Any] = msgspec.json.decode(raw)
    except msgspec.ValidationError:  # a number that no double or int of Python's holds
        return json.stored(raw)
    return body


def narrative(body: dict[str, Any]) -> str:
    """The folded text of `text.div`, without its tags, which part words unless they are inline."""
    text = body.get("text")
    div = text.get("div") if isinstance(text, dict) else None
    return words(unescape(_TAG.sub(" ", _AMIDST.sub("", div)))) if isinstance(div, str) else ""


def content(body: dict[str, Any]) -> str:
    """The folded text of everything."""
    return " ".join(filter(None, (narrative(body), words(" ".join(_texts(body))))))


def says(where: str, body: dict[str, Any], phrase: str) -> bool:
    """Whether these words stand side by side in the narrative, or, for `content`, in any one text of the resource."""
    if _within(phrase, narrative(body)):
        return True
    return where == "content" and any(_within(phrase, words(text)) for text in _texts(body))


def _within(phrase: str, text: str) -> bool:
    return f" {phrase} " in f" {text} "


def _texts(body: dict[str, Any]) -> list[str]:
    found: list[str] = []
    _collect({key: value for key, value in body.items() if key not in _ABOUT}, found)
    return found


def _collect(value: dict[str, Any], found: list[str]) -> None:
    for key, inner in value.items():
        kind = type(inner)
        if kind is str:
            if key not in _BINARY:
                found.append(inner)
        elif kind is dict:
            _collect(inner, found)
        elif kind is list:
            _each(key, inner, found)


def _each(key: str, values: list[Any], found: list[str]) -> None:
    for value in values:
        kind = type(value)
        if kind is dict:
            _collect(value, found)
        elif kind is str:
            if key not in _BINARY:
                found.append(value)
        elif kind is list:
            _each(key, value, found)
