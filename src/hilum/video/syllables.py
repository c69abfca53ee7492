"""Syllables of words, English and Spanish.

English: as the CMU Pronouncing Dictionary has them (https://github.com/cmusphinx/cmudict), and by a rule where it
doesn't know a word. The file beside this one has only the words that the rule gets wrong, a tenth of them: it is made
by scripts/compile_syllables.py. Spanish spells what it says: each vowel is a syllable, but for those of a diphthong.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

_VOWELS: Final = re.compile(r"[aeiouy]+")
_SILENT: Final = re.compile(r"[^aeiouyl]e$|[aeiouy]le$|[^aeiouytd]ed$|[^aeiouysxzcgh]es$")
_HIATUS: Final = re.compile(r"(?<![cgstx])i[aou](?!u)|[aeiou]ing|eo|ua(?!r)")
"""Neighbouring vowels that are two syllables."""


def english(word: str) -> int:
    """Of an English word."""
    small = word.casefold().replace("’", "'")
    return _exceptions().get(small) or by_letters(small)


@cache
def _exceptions() -> Mapping[str, int]:
    found: dict[str, int] = {}
    for line in gzip.decompress(files("hilum.video").joinpath("syllables.en.gz").read_bytes()).decode().splitlines():
        syllables, *words = line.split()
        found.update(dict.fromkeys(words, int(syllables)))
    return found


def by_letters(word: str) -> int:
    """Of an English word, by its letters alone: groups of vowels, but for an e that is silent."""
    plain = re.sub(r"[^a-z]", "", unicodedata.normalize("NFD", word.casefold()))
    count = len(_VOWELS.findall(plain))
    if count > 1 and _SILENT.search(plain):
        count -= 1
    return max(1, count + len(_HIATUS.findall(plain)))


_GROUP: Final = re.compile(r"(?:[iuü](?=[aeoáéó]))?[aeoáéó](?:[iuy](?![aeoáéóíú]))?|[íú]|[iuüy]")
"""One syllable's vowels: a strong one with the weak ones beside it; an accented weak one stands alone."""


def spanish(word: str) -> int:
    """Of a Spanish word."""
    small = unicodedata.normalize("NFC", word.casefold())
    small = re.sub(r"qu(?=[eiéí])|gu(?=[eiéí])", "k", small)  # the u is silent
    small = re.sub(r"y(?=[aeiouáéíóú])", "j", small)  # a consonant
    small = re.sub(r"[iuü](?=[íúiu])", "", small)  # "viuda", "cuidar": one syllable
    return max(1, len(_GROUP.findall(small)))
