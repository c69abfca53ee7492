"""What the words of a dosage say, as far as it can be read: how much, and how often. Held against its elements.

Only what is certain counts: a number right before the unit of the dose, and a frequency in one of the forms below.
Words that say neither contradict nothing. English and Spanish, the languages of the phrase tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

_WORDS: Final = {
    "a": "1", "an": "1", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "half": "0.5",
    "un": "1", "una": "1", "uno": "1", "dos": "2", "tres": "3", "cuatro": "4", "cinco": "5", "seis": "6",
    "media": "0.5", "medio": "0.5",
}  # fmt: skip
_NUMBER: Final = rf"(?P<number>[0-9]+(?:\.[0-9]+)?|{'|'.join(_WORDS)})"
_PER_DAY: Final = r"(?:a|per|each|every|al|por|cada)\s+(?:day|día|dia)|daily|diari[oa]mente|/\s*(?:day|día)"
_OFTEN: Final = (
    (re.compile(rf"\b(?P<word>once|twice)\s+(?:{_PER_DAY})\b", re.I), "d"),
    (re.compile(rf"\b{_NUMBER}\s+(?:times?|veces|vez)\s+(?:{_PER_DAY})\b", re.I), "d"),
    (re.compile(rf"\b(?:every|each|cada)\s+{_NUMBER}\s+(?:hours?|horas?)\b", re.I), "h"),
    (re.compile(r"\b(?P<code>BID|TID|QID|QD|QHS)\b"), "c"),
    (re.compile(rf"\b(?:every|each|cada)\s+{_NUMBER}\s+(?:days?|días?)\b", re.I), "e"),
)
_CODE: Final = {"QD": 1, "QHS": 1, "BID": 2, "TID": 3, "QID": 4}
_SPANISH: Final = {
    "tablet": ("tableta", "tabletas", "pastilla", "pastillas", "comprimido", "comprimidos"),
    "capsule": ("cápsula", "cápsulas"),
    "drop": ("gota", "gotas"),
    "puff": ("inhalación", "inhalaciones"),
}
DAY: Final = Decimal(24)


def contradiction(words: str, dose: Decimal | None, units: tuple[str, ...], rate: Decimal | None) -> str:
    """What the words tell otherwise: `dose`, `frequency`, or "" for nothing. `units`: names of the dose's unit."""
    if dose is not None and units:
        told = set(_doses(words, units))
        if told and told != {dose}:
            return "dose"
    if rate is not None:
        told = set(_rates(words))
        if told and told != {rate}:
            return "frequency"
    return ""


def _doses(words: str, units: tuple[str, ...]) -> Iterator[Decimal]:
    names = {*units, *(name for unit in units for name in _SPANISH.get(unit, ()))}
    pattern = rf"(?<![0-9./-]){_NUMBER}\s+(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})(?!\w)"
    for found in re.finditer(pattern, words, re.I):
        yield _value(found["number"])


def _rates(words: str) -> Iterator[Decimal]:
    for pattern, kind in _OFTEN:
        for found in pattern.finditer(words):
            if kind == "c":
                yield _CODE[found["code"]] / DAY
            elif kind == "h":
                yield 1 / _value(found["number"])
            elif kind == "e":
                yield 1 / (_value(found["number"]) * DAY)
            elif "word" in pattern.groupindex:
                yield (2 if found["word"].lower() == "twice" else 1) / DAY
            else:
                yield _value(found["number"]) / DAY


def _value(text: str) -> Decimal:
    return Decimal(_WORDS.get(text.lower(), text))
