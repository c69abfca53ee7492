"""What the words of a dosage say, as far as it can be read: how much, how often, when. Held against its elements.

Only what is certain counts: a number right before a unit of the dose's kind, and a frequency, a part of the day or a
turn of phrase in one of the forms below. Both ends of a range count, so that one contradicts elements that have a
single number. Words that say none of it contradict nothing. English and Spanish, the languages of the phrase tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from hilum.video import spellings

MILLIGRAMS: Final = {"mg": Fraction(1), "g": Fraction(1000), "ug": Fraction(1, 1000)}
"""Of units of mass, by their code: only to compare, nothing that is told is computed by it."""
_WORDS: Final = {
    "a": "1", "an": "1", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "twelve": "12", "half": "1/2", "half a": "1/2", "half of a": "1/2",
    "half an": "1/2", "quarter": "1/4", "un": "1", "una": "1", "uno": "1", "dos": "2", "tres": "3", "cuatro": "4",
    "cinco": "5", "seis": "6", "siete": "7", "ocho": "8", "nueve": "9", "diez": "10", "doce": "12", "media": "1/2",
    "medio": "1/2", "½": "1/2", "¼": "1/4", "¾": "3/4",
}  # fmt: skip
_ONE: Final = "|".join((
    r"[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?", r"[0-9]+\s?[½¼¾]", r"[0-9]+\s[0-9]+/[0-9]+", r"[0-9]+/[0-9]+",
    r"[0-9]*[.,]?[0-9]+", *sorted(_WORDS, key=len, reverse=True),
))  # fmt: skip
_FROM: Final = (
    rf"(?P<number>{_ONE})(?P<more>\s+(?:and\s+a\s+half|y\s+medi[oa]))?(?:\s*(?:-|–|to|or|a|o)\s*(?P<upper>{_ONE}))?"
)
_NUMBER: Final = rf"(?<![\w./-])(?<![0-9],){_FROM}"
_AFTER: Final = r"(?P<after>\s+(?:and\s+a\s+half|y\s+medi[oa]))?"
_HOURS: Final = {
    "h": Fraction(1), "hr": Fraction(1), "hour": Fraction(1), "hora": Fraction(1), "d": Fraction(24),
    "day": Fraction(24), "día": Fraction(24), "dia": Fraction(24), "wk": Fraction(168), "week": Fraction(168),
    "semana": Fraction(168), "month": Fraction(720), "mes": Fraction(720), "mese": Fraction(720),
}  # fmt: skip
_UNITS: Final = "|".join(sorted(_HOURS, key=len, reverse=True))
_LY: Final = {
    "daily": "day", "weekly": "week", "monthly": "month", "diariamente": "día", "diario": "día", "diaria": "día",
    "semanal": "semana", "semanalmente": "semana", "mensual": "mes", "mensualmente": "mes",
}  # fmt: skip
_PER: Final = rf"(?:(?:a|per|each|every|al|a\s+la|por|cada)\s+(?P<per>{_UNITS})|(?P<ly>{'|'.join(_LY)}))\b"
_TIMES: Final = re.compile(rf"{_NUMBER}\s+(?:times?|veces|vez)\s+{_PER}", re.I)
_ONCE: Final = re.compile(rf"\b(?P<word>once|twice)\s+{_PER}", re.I)
_EVERY: Final = re.compile(rf"\b(?:(?:every|each|cada)\s+|q\.?\s*|c/\s*){_FROM}\s*(?P<unit>{_UNITS})s?\b", re.I)
_OTHER: Final = re.compile(
    rf"\b(?:every\s+(?:other|second)|alternate)\s+(?P<unit>{_UNITS})s?\b|\b(?:cada\s+otr[oa]|d[ií]a\s+por\s+medio)\b",
    re.I,
)
_SINGLE: Final = re.compile(rf"\b(?:(?:every|each|cada|q)\s+(?P<unit>{_UNITS})|(?P<ly>{'|'.join(_LY)}))\b", re.I)
_CODED: Final = re.compile(r"\b(?P<code>q\.?h\.?s|q\.?i\.?d|q\.?o\.?d|q\.?d|b\.?i\.?d|t\.?i\.?d)\b", re.I)
_CODES: Final = {"QD": "1", "QHS": "1", "BID": "2", "TID": "3", "QID": "4", "QOD": "1/2"}
_WEEKDAYS: Final = re.compile(
    r"\b(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:days?)?|lunes|martes|mi[ée]rcoles|jueves|viernes"
    r"|s[áa]bados?|domingos?)\b", re.I
)  # fmt: skip
_NEEDED: Final = re.compile(
    r"\b(?:(?:as|when|if|only\s+if)\s+needed|p\.?r\.?n\b|(?:seg[úu]n|cuando|si)\s+(?:sea|es|fuera)?\s*necesari[oa]"
    r"|(?:si|cuando)\s+l[oa]\s+necesit[ea])", re.I
)  # fmt: skip
_STOP: Final = re.compile(
    r"\b(?:stop\s+(?:taking|using)|discontinued?|on\s+hold|hold\s+(?:this|until)|suspend(?:a|er|ido|ida)"
    r"|do\s+not\s+(?:take|use)(?=\s*(?:[.;!]|$|this|it\b|anymore|any\s+more))|deje\s+de\s+(?:tomar|usar)\w*"
    r"|no\s+(?:l[oa]\s+)?(?:tome|use)(?=\s*(?:[.;!]|$|m[áa]s\s*(?:[.;!]|$)|est[ea])))(?!\w)"
    r"(?![^.;!]*\b(?:if|when|unless|si|cuando|without|sin)\b)", re.I
)  # fmt: skip
_PARTS: Final = (
    ("morning", r"morning|breakfast|(?:la|las)\s+mañanas?|desayun\w+", ("MORN", "WAKE", "ACM", "CM", "PCM")),
    ("noon", r"noon|lunch|afternoon|mediod[ií]a|almuerzo|(?:la|las)\s+tardes?", ("NOON", "AFT", "ACD", "CD", "PCD")),
    ("night", r"evening|dinner|supper|(?:la|las)\s+(?:tarde|noche)s?|cena|night|bedtime|acostarse|anochecer|dormir",
     ("EVE", "ACV", "CV", "PCV", "NIGHT", "HS", "PHS")),
)  # fmt: skip
"""Parts of the day: in words, and their codes, of which those with more after a point are part."""
_ROUTES: Final = (
    (("oral",), r"by\s+mouth|orally|swallow|p\.?o\.?|por\s+(?:la\s+)?boca|v[ií]a\s+oral|trague"),
    (("sublingual",), r"(?:under|beneath)\s+(?:the|your)\s+tongue|sublingual\w*|(?:debajo\s+de|bajo)\s+la\s+lengua"),
    (("under-skin", "muscle"), r"inject\w*|iny[eé]ct\w*"),
    (("under-skin",), r"under\s+(?:the|your)\s+skin|subcut\w*|(?:debajo\s+de|bajo)\s+la\s+piel"),
    (("muscle",), r"into\s+(?:the|a|your)\s+muscle|intramuscular\w*|en\s+el\s+m[úu]sculo"),
    (("inhaled",), r"inhal[ae]\w*|breathe\s+in"),
    (("nasal",), r"nostrils?|in\s+(?:the|your)\s+nose|fosas?\s+nasal(?:es)?|en\s+la\s+nariz"),
    (("eye",), r"(?:in|into)\s+(?:\w+\s+){0,2}eyes?|en\s+(?:\w+\s+){0,2}ojos?"),
    (("ear",), r"(?:in|into)\s+(?:\w+\s+){0,2}ears?|en\s+(?:\w+\s+){0,2}o[ií]dos?"),
    (("rectal",), r"rectal\w*|(?:in|into)\s+(?:the|your)\s+rectum|en\s+el\s+recto"),
    (("vaginal",), r"vaginal\w*|(?:in|into)\s+(?:the|your)\s+vagina|en\s+la\s+vagina"),
    (("skin",), r"on\s+(?:the|your)\s+skin|topical\w*|en\s+la\s+piel"),
)  # fmt: skip
"""Routes of `spellings.toml`, in words."""
_CLOCK: Final = re.compile(r"\b(?P<hour>[0-9]{1,2})(?::[0-9]{2})?\s?(?P<half>[ap])\.?\s?m\b", re.I)


@dataclass(frozen=True, slots=True)
class Elements:
    """What a Dosage's elements tell. `unit`: the code of the dose's. `rates`: times an hour, of which words may tell
    any. `moments`: parts and times of the day. `needed`: whether it is taken as needed.
    `route`: of `spellings.toml`, where it is known.
    """

    dose: Fraction | None = None
    unit: str = ""
    rates: frozenset[Fraction] = frozenset()
    moments: frozenset[str] = frozenset()
    needed: bool = False
    route: str = ""


def contradiction(words: str, of: Elements) -> str:
    """What the words tell otherwise: `dose`, `frequency`, `part of the day`, `route`, `need`, `end`; "" for nothing."""
    if of.dose is not None and of.unit and set(_doses(words, of.unit)) - {_same(of.dose, of.unit)}:
        return "dose"
    if of.rates and set(_rates(words)) - of.rates:
        return "frequency"
    if of.rates and not set(_rates(words)) and _rarer(words, max(of.rates)):
        return "frequency"
    if (told := _parts(of.moments)) and _parts_said(words) - told:
        return "part of the day"
    ways = {way for some, pattern in _ROUTES if re.search(rf"(?i)\b(?:{pattern})(?!\w)", words) for way in some}
    if of.route and ways and of.route not in ways:
        return "route"
    if not of.needed and _NEEDED.search(words):
        return "need"
    return "end" if _STOP.search(words) else ""


def weekdays(words: str) -> bool:
    """Whether words name one."""
    return _WEEKDAYS.search(words) is not None


def _same(dose: Fraction, unit: str) -> Fraction:
    return dose * MILLIGRAMS.get(unit, 1)


def _doses(words: str, unit: str) -> Iterator[Fraction]:
    """Of masses all, in milligrams; else those in this unit."""
    for code in MILLIGRAMS if unit in MILLIGRAMS else (unit,):
        names = "|".join(map(re.escape, sorted(spellings.units()[code], key=len, reverse=True)))
        for found in re.finditer(rf"{_NUMBER}\s*(?:{names})(?!\w){_AFTER}", words, re.I):
            yield from (_same(one, code) for one in _values(found, half=bool(found["after"])))


def _rates(words: str) -> Iterator[Fraction]:
    for found in _TIMES.finditer(words):
        yield from (times / _per(found) for times in _values(found))
    for found in _ONCE.finditer(words):
        yield Fraction(2 if found["word"].lower() == "twice" else 1) / _per(found)
    for found in _EVERY.finditer(words):
        yield from (1 / (every * _HOURS[found["unit"].lower()]) for every in _values(found) if every)
    for found in _OTHER.finditer(words):
        yield Fraction(1, 2) / _HOURS[(found["unit"] or "day").lower()]
    for found in _CODED.finditer(words):
        yield Fraction(_CODES[found["code"].upper().replace(".", "")]) / 24


def _rarer(words: str, rate: Fraction) -> bool:
    """Where no number of times is said: `weekly` of what is taken more often, `daily` of what is taken more rarely."""
    for found in _SINGLE.finditer(words):
        once = 1 / _per_unit(found["unit"], found["ly"])
        if (once < Fraction(1, 24) and rate != once) or rate < once:
            return True
    return False


def _per(found: re.Match[str]) -> Fraction:
    return _per_unit(found["per"], found["ly"])


def _per_unit(unit: str | None, ly: str | None) -> Fraction:
    return _HOURS[unit.lower() if unit else _LY[(ly or "").lower()]]


def _parts(moments: frozenset[str]) -> set[str]:
    found = {name for one in moments for name, _, codes in _PARTS if one.partition(".")[0] in codes}
    return found.union(*(_at(int(one[:2])) for one in moments if one[:2].isdigit()))


def _parts_said(words: str) -> set[str]:
    found = {name for name, pattern, _ in _PARTS if re.search(rf"(?i)\b(?:{pattern})\b", words)}
    clocks = _CLOCK.finditer(words)
    return found.union(*(_at(int(one["hour"]) % 12 + 12 * (one["half"].lower() == "p")) for one in clocks))


def _at(hour: int) -> set[str]:
    """An hour is in two parts of the day where people differ."""
    bounds = (("morning", 0, 12), ("noon", 11, 19), ("night", 16, 24))
    return {name for name, start, end in bounds if start <= hour < end}


def _values(found: re.Match[str], *, half: bool = False) -> Iterator[Fraction]:
    for name in ("number", "upper"):
        if text := found[name]:
            try:
                yield _value(text) + (Fraction(1, 2) if half or (name == "number" and found["more"]) else 0)
            except ZeroDivisionError:  # "1/0"
                continue


def _value(text: str) -> Fraction:
    """Of `1,000`, `0,5`, `.5`, `1½`, `1 1/2`, `half a`."""
    small = " ".join(text.lower().split())
    if small in _WORDS:
        return Fraction(_WORDS[small])
    if re.fullmatch(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?", small):
        return Fraction(small.replace(",", ""))
    parts = re.sub(r"[½¼¾]", lambda one: f" {_WORDS[one[0]]}", small.replace(",", ".")).split()
    return sum((Fraction(f"0{one}" if one.startswith(".") else one) for one in parts), Fraction())
