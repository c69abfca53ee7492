"""What the words of a dosage say, as far as it can be read: how much, and how often. Held against its elements.

Only what is certain counts: a number right before the unit of the dose, and a frequency in one of the forms below. Both
ends of a range count, so that one contradicts elements that have a single number. Words that say neither contradict
nothing. English and Spanish, the languages of the phrase tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

_WORDS: Final = {
    "a": "1", "an": "1", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "eight": "8",
    "twelve": "12", "half": "1/2", "un": "1", "una": "1", "uno": "1", "dos": "2", "tres": "3", "cuatro": "4",
    "cinco": "5", "seis": "6", "ocho": "8", "doce": "12", "media": "1/2", "medio": "1/2",
}  # fmt: skip
_ONE: Final = rf"[0-9]+(?:\.[0-9]+|/[0-9]+)?|{'|'.join(_WORDS)}"
_NUMBER: Final = rf"(?<![\w./-])(?P<number>{_ONE})(?:\s*(?:-|–|to|or|a|o)\s*(?P<upper>{_ONE}))?"
_PER_DAY: Final = r"(?:(?:a|per|each|every|al|por|cada)\s+(?:day|día|dia)|daily|diari[oa]mente)\b"
_HOURS: Final = {"hour": Fraction(1), "hora": Fraction(1), "day": Fraction(24), "día": Fraction(24)}
_DAY: Final = Fraction(24)
_TIMES: Final = re.compile(rf"{_NUMBER}\s+(?:times?|veces|vez)\s+{_PER_DAY}", re.I)
_ONCE: Final = re.compile(rf"\b(?P<word>once|twice)\s+{_PER_DAY}", re.I)
_EVERY: Final = re.compile(rf"\b(?:every|each|cada)\s+{_NUMBER}\s+(?P<unit>hour|hora|day|día)s?\b", re.I)
_CODED: Final = re.compile(r"\b(?P<code>BID|TID|QID|QD|QHS)\b")
_CODES: Final = {"QD": 1, "QHS": 1, "BID": 2, "TID": 3, "QID": 4}


def contradiction(words: str, dose: Fraction | None, units: tuple[str, ...], rate: Fraction | None) -> str:
    """What the words tell otherwise: `dose`, `frequency`, or "" for nothing. `units`: names of the dose's unit; `rate`:
    times an hour.
    """
    if dose is not None and units and set(_doses(words, units)) - {dose}:
        return "dose"
    if rate is not None and set(_rates(words)) - {rate}:
        return "frequency"
    return ""


def _doses(words: str, units: tuple[str, ...]) -> Iterator[Fraction]:
    names = "|".join(map(re.escape, sorted(units, key=len, reverse=True)))
    for found in re.finditer(rf"{_NUMBER}\s*(?:{names})(?!\w)", words, re.I):
        yield from _values(found)


def _rates(words: str) -> Iterator[Fraction]:
    for found in _TIMES.finditer(words):
        yield from (times / _DAY for times in _values(found))
    for found in _ONCE.finditer(words):
        yield Fraction(2 if found["word"].lower() == "twice" else 1) / _DAY
    for found in _EVERY.finditer(words):
        yield from (1 / (every * _HOURS[found["unit"].lower()]) for every in _values(found) if every)
    for found in _CODED.finditer(words):
        yield Fraction(_CODES[found["code"]]) / _DAY


def _values(found: re.Match[str]) -> Iterator[Fraction]:
    for text in filter(None, (found["number"], found["upper"])):
        try:
            yield Fraction(_WORDS.get(text.lower(), text))
        except ZeroDivisionError:  # "1/0"
            continue
