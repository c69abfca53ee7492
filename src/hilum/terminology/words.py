"""The words by which a concept is found, and how a filter asks for them. https://hl7.org/fhir/R4/valueset-operation-expand.html

Accents and case do not count; every word of the filter must begin a word of the display or of a designation.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

SHORT: Final = 5
"""Beginnings of so many characters have a posting of their own: one letter would gather thousands of words."""
LONGEST: Final = 64
MOST: Final = 16
"""Words of a filter that count."""
ENDS: Final = "*"
"""Stands behind a short beginning, and in no word."""
_WORD: Final = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """Without case and accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))


def words(text: str) -> list[str]:
    """In the order of the text, cut to LONGEST characters."""
    return [word[:LONGEST] for word in _WORD.findall(folded(text))]


def beginnings(word: str) -> list[str]:
    """The keys of its short beginnings, under which it is posted, too."""
    return [word[:n] + ENDS for n in range(1, min(SHORT, len(word)) + 1)]


def wanted(filter: str) -> list[str]:
    """The words of a filter, the longest first, since those are the rarest."""
    return sorted(dict.fromkeys(words(filter)), key=len, reverse=True)[:MOST]


def span(word: str) -> tuple[str, str]:
    """Of which key to which the postings of a beginning are."""
    if len(word) <= SHORT:
        return word + ENDS, word + ENDS
    return word, word + "\U0010ffff"
