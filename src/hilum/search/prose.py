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
_BINARY: Final = frozenset(("data", "resourceType", "div"))
_fold = fold.__wrapped__  # long texts would push everything else out of the cache
_ASCII: Final = {ord(c): " " for c in map(chr, range(128)) if category(c)[0] in "SC"} | FOLDED_ASCII


def words(text: str) -> str:
    """The words of a text, folded, with one space between them."""
    if text.isascii():
        return " ".join(text.translate(_ASCII).lower().split())
    return " ".join("".join([" " if category(c)[0] in "SC" else c for c in _fold(text)]).split())


def read(raw: bytes) -> dict[str, Any]:
    """A stored body as far as its texts go; of its numbers, which are no words, digits may be lost."""
    try:
        body: dict[str, Any] = msgspec.json.decode(raw)
    except msgspec.ValidationError:  # a number that no double or int of Python's holds
        return json.stored(raw)
    return body


def narrative(body: dict[str, Any]) -> str:
    """The folded text of `text.div`, without its tags."""
    text = body.get("text")
    div = text.get("div") if isinstance(text, dict) else None
    return words(unescape(_TAG.sub(" ", div))) if isinstance(div, str) else ""


def content(body: dict[str, Any]) -> str:
    """The folded text of everything."""
    found: list[str] = []
    for key, value in body.items():
        if key not in ("id", "meta"):
            _collect(key, value, found)
    return " ".join(filter(None, (narrative(body), words(" ".join(found)))))


def _collect(key: str, value: Any, found: list[str]) -> None:
    if isinstance(value, str):
        if key not in _BINARY:
            found.append(value)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _collect(name, inner, found)
    elif isinstance(value, list):
        for inner in value:
            _collect(key, inner, found)
