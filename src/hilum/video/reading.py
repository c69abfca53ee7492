"""How hard a text is to read.

English: the grade of Kincaid, Fishburne, Rogers and Chissom, "Derivation of New Readability Formulas for Navy Enlisted
Personnel", Research Branch Report 8-75, Naval Technical Training, 1975:

    0.39 * words / sentences + 11.8 * syllables / words - 15.59

Spanish: the score of J. Fernández Huerta, "Medidas sencillas de lecturabilidad", Consigna 214, 1959, and the school
year that he gives for it:

    206.84 - 0.60 * syllables in 100 words - 1.02 * words / sentences

Names of drugs are not counted, neither as words nor as syllables. A number is a word of one syllable: Flesch, whose
count Kincaid's is, leaves figures out of it ("The Art of Readable Writing", 1949).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final, NamedTuple

from hilum.video.script import Script, Sentence
from hilum.video.syllables import english, spanish

_WORD: Final = re.compile(r"[0-9]+(?:[.,:][0-9]+)*|[^\W\d_]+(?:['’][^\W\d_]+)*")
_SHORT: Final = re.compile(r"\b(?:Dr|Dra|Mr|Mrs|Ms|Sr|Sra|St|a\. ?m|p\. ?m|mg|vs)\.(?=\s|$)")
"""Full stops that end no sentence."""


class Counts(NamedTuple):
    """Of a text."""

    sentences: int = 0
    words: int = 0
    syllables: int = 0


def counts(texts: Iterable[str], exempt: Iterable[str], syllables: Callable[[str], int]) -> Counts:
    """Of texts, each of which is a sentence, or several. `exempt`: words that don't count."""
    skipped = {one.casefold() for one in exempt}
    sentences = words = spoken = 0
    for text in texts:
        found = [one for one in _WORD.findall(text) if one.casefold() not in skipped]
        if not found:
            continue
        sentences += _sentences(text)
        words += len(found)
        spoken += sum(1 if one[0].isdigit() else syllables(one) for one in found)
    return Counts(sentences, words, spoken)


def _sentences(text: str) -> int:
    return max(1, len(re.findall(r"[.!?](?=[\"'”»]*(?:\s|$))", _SHORT.sub("", text).strip())))


def kincaid(of: Counts) -> float:
    """The grade of an English text; 0 for nothing, and no less."""
    if not of.words:
        return 0.0
    return max(0.0, 0.39 * of.words / of.sentences + 11.8 * of.syllables / of.words - 15.59)


_YEARS: Final = ((100, 3.0), (90, 4.0), (80, 5.0), (70, 6.0), (60, 8.0), (50, 10.0), (30, 12.0), (0, 16.0))
"""Scores and school years: from "muy fácil" (fourth year from 90 on) to "muy difícil" (university); straight lines."""


def huerta(of: Counts) -> float:
    """The school year of a Spanish text: 6 is a score of 70, "algo fácil"."""
    if not of.words:
        return 0.0
    score = 206.84 - 60.0 * of.syllables / of.words - 1.02 * of.words / of.sentences
    if score >= _YEARS[0][0]:
        return _YEARS[0][1]
    for (high, low_year), (low, high_year) in pairwise(_YEARS):
        if score >= low:
            return high_year - (score - low) / (high - low) * (high_year - low_year)
    return _YEARS[-1][1]


_BY: Final[Mapping[str, tuple[Callable[[str], int], Callable[[Counts], float]]]] = {
    "en": (english, kincaid),
    "es": (spanish, huerta),
}


def grade(texts: Iterable[str], language: str, exempt: Iterable[str] = (), digits: int = 1) -> float:
    """The grade of a text in a language, to so many digits."""
    syllables, formula = _BY[language]
    return round(formula(counts(texts, exempt, syllables)), digits)


def graded(script: Script) -> float:
    """The grade of all sentences of a script."""
    return grade((one.text for one in _sentences_of(script)), script.language, script.exempt)


def hardest(script: Script) -> str:
    """The id of the sentence without which the script would be easiest to read."""
    listed = list(_sentences_of(script))

    def without(place: int) -> float:
        others = (one.text for number, one in enumerate(listed) if number != place)
        return grade(others, script.language, script.exempt, digits=6)

    return listed[min(range(len(listed)), key=without)].id


def _sentences_of(script: Script) -> Iterator[Sentence]:
    return (one for scene in script.scenes for one in scene.sentences)
