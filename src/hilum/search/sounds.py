"""How names sound, for the phonetic parameters. https://hl7.org/fhir/R4/patient.html#search

Lawrence Philips' Metaphone, as jellyfish implements it: one code for each word of the folded text.
"""

from __future__ import annotations

from functools import lru_cache

from jellyfish import metaphone

from hilum.search.text import fold


@lru_cache(maxsize=16384)
def sounds(text: str) -> tuple[str, ...]:
    """The sound of each word, each once, in order; none of a word without a letter that sounds."""
    return tuple(dict.fromkeys(code for word in fold(text).split() if (code := metaphone(word).replace(" ", ""))))
