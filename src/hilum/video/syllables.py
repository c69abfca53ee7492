"""Syllables of words, English and Spanish."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_DIGITS: Final = {"en": "2111111211", "es": "2121222222"}
"""Syllables of zero, one, ... and cero, uno, ..."""
_VOWELS: Final = re.compile(r"[aeiouy]+")
_SILENT: Final = re.compile(r"(?:[^laeiouy]e|[^aeiouytdr]ed|[^sxzcg]es|[^aeiouy]les(?=$))$")


def english(word: str) -> int:
    """Of an English word, by its letters."""
    if word[0].isdigit():
        return _number(word, "en")
    plain = unicodedata.normalize("NFD", word.casefold())
    plain = re.sub(r"[^a-z]", "", plain)
    count = len(_VOWELS.findall(plain))
    if count > 1 and re.search(r"[^aeiouyl]e$|[aeiouy]le$|[^aeiouytd]ed$|[^aeiouysxzcgh]es$", plain):
        count -= 1
    count += len(re.findall(r"(?<![cgstx])i[aou](?!u)|[aeiou]ing|eo|ua(?!r)", plain))
    return max(1, count)


def spanish(word: str) -> int:
    """Of a Spanish word: each vowel, but those of a diphthong or triphthong together."""
    if word[0].isdigit():
        return _number(word, "es")
    text = re.sub(r"[qg]u(?=[eiéí])", "k", word.casefold()).replace("ü", "u")
    count = 0
    before = ""
    for letter in text:
        if letter in "aeoáéó" or letter in "íú":
            glides = before in "iu" and before != "" and letter not in "íú"
            count += 0 if glides else 1
        elif letter in "iu":
            count += 0 if before and before in "aeoáéóiu" else 1
        elif letter == "y" and before and before in "aeiou":
            pass
        elif letter == "y" and text == "y":
            count += 1
        before = letter if letter in "aeiouáéíóú" else ""
    return max(1, count)


def _number(text: str, language: str) -> int:
    return sum(int(_DIGITS[language][int(one)]) for one in text if one.isdigit())
