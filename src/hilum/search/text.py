"""The folded form of strings, in which default string searches compare. https://hl7.org/fhir/R4/search.html#string

"insensitive to casing and included combining characters, like accents or other diacritical marks. Punctuation and
non-significant whitespace should also be ignored."
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import category, combining, normalize

_CLOSED = frozenset("'’‘ʼ.")
"""Punctuation inside a word (O'Brien, J.R.); all other punctuation parts words (Smith-Jones, Flat 2,High St)."""

FOLDED_ASCII = {ord(c): None if c in _CLOSED else " " for c in map(chr, range(128)) if category(c)[0] == "P"}
"""Characters to what folding makes of them, but for case."""
_BREAK = re.compile(r"[\s\-‐-―]+")


@lru_cache(maxsize=16384)
def fold(text: str) -> str:
    """No case, no accents, no punctuation, single spaces. Folding twice changes nothing."""
    if text.isascii():
        return " ".join(text.translate(FOLDED_ASCII).lower().split())
    plain = _decompose(_decompose(text).casefold())
    return " ".join("".join(map(_letter, plain)).split())


def _decompose(text: str) -> str:
    return "".join(c for c in normalize("NFKD", text) if not combining(c))


def _letter(letter: str) -> str:
    if letter in _CLOSED:
        return ""
    return " " if category(letter)[0] == "P" else letter


def later_words(name: str) -> list[str]:
    """The folded rests of a family name after its first word, each to be found on its own.

    "searching either "Carreno" or "Quinones" should match a family name of "Carreno Quinones""
    """
    rests = (name[match.end() :] for match in _BREAK.finditer(name))
    return [folded for rest in rests if (folded := fold(rest))]


def base(mime: str) -> str:
    """The base part of a MIME type, `text/xml` of `Text/XML; charset=UTF-8`. https://www.rfc-editor.org/rfc/rfc2045"""
    return mime.partition(";")[0].strip().lower()
