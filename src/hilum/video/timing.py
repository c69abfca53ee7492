"""When a medicine is taken, in words. https://hl7.org/fhir/R4/datatypes.html#Timing

What is a range, or leaves open how often, is refused: nobody is told "2 to 4 times".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from msgspec.structs import replace

from hilum.video.elements import Element
from hilum.video.moments import moment, ordered
from hilum.video.phrases import NOTHING, Phrases, Told
from hilum.video.refusals import refused
from hilum.video.wording import clock, codes, listed, number, when

_GTS: Final = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
_CODES: Final[Mapping[str, tuple[int, int, str, str]]] = MappingProxyType({
    "QD": (1, 1, "d", ""), "BID": (2, 1, "d", ""), "TID": (3, 1, "d", ""), "QID": (4, 1, "d", ""),
    "QOD": (1, 2, "d", ""), "AM": (1, 1, "d", "MORN"), "PM": (1, 1, "d", "AFT"),
    "BED": (1, 1, "d", "HS"), "HS": (1, 1, "d", "HS"), "QHS": (1, 1, "d", "HS"),
    "Q1H": (1, 1, "h", ""), "Q2H": (1, 2, "h", ""), "Q3H": (1, 3, "h", ""), "Q4H": (1, 4, "h", ""),
    "Q6H": (1, 6, "h", ""), "Q8H": (1, 8, "h", ""), "Q12H": (1, 12, "h", ""), "Q24H": (1, 24, "h", ""),
    "WK": (1, 1, "wk", ""), "MO": (1, 1, "mo", ""),
})  # fmt: skip
"""Codes of Timing.code, and what they mean: how often, in how many, of what, and at which part of the day.
https://hl7.org/fhir/R4/valueset-timing-abbreviation.html, and QHS, Q12H, Q24H, HS, which EHRs write as text.
"""
HOURS: Final = MappingProxyType({
    "s": Fraction(1, 3600), "min": Fraction(1, 60), "h": Fraction(1), "d": Fraction(24), "wk": Fraction(168),
    "mo": Fraction(720), "a": Fraction(8760),
})  # fmt: skip
"""Hours of a unit of time, to compare how often; nothing that is told is computed by it."""
_RANGES: Final = ("frequencyMax", "periodMax", "durationMax", "countMax")
_KNOWN: Final = frozenset((
    "frequency", "period", "periodUnit", "dayOfWeek", "timeOfDay", "when", "offset", "count",
    "boundsDuration", "boundsPeriod", "boundsRange", "duration", "durationUnit", *_RANGES,
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Timed:
    """`words`: how often and when. `after`: phrases with the words for from when, until when, how many times. `rate`:
    times an hour, where it is said. `times`: of day. `moments`: times and parts of the day, to tell doses apart.
    """

    words: Told = NOTHING
    after: tuple[tuple[str, Told], ...] = ()
    rate: Fraction | None = None
    times: tuple[time, ...] = ()
    moments: frozenset[str] = frozenset()


def timed(phrases: Phrases, timing: Element | None) -> Timed:
    """A Timing. Raises Refused."""
    if timing is None:
        return Timed()
    if timing.get("event") is not None:
        raise refused("timing-unknown", "A medicine at single dates can't be told.", f"{timing.place}.event")
    repeat = timing.get("repeat")
    coded = _coded(phrases, timing.get("code"))
    said = _repeated(phrases, repeat) if repeat is not None else None
    if coded is None or said is None:
        found = said or coded
        if found is None:
            raise refused("timing-unknown", "A timing has neither a code nor elements that are known.", timing.place)
        return found
    if coded.rate is not None and said.rate is not None and coded.rate != said.rate:
        raise refused("timing-conflict", "The code and the elements tell different times.", timing.place)
    if coded.moments and said.moments and coded.moments != said.moments:
        raise refused("timing-conflict", "The code and the elements tell different parts of the day.", timing.place)
    if said.rate is None and coded.words.text:  # elements that say only until when, or at what time
        joined = Told(
            " ".join(filter(None, (coded.words.text, said.words.text))),
            " ".join(filter(None, (coded.words.spoken, said.words.spoken))),
            coded.words.cites + said.words.cites,
        )
        return Timed(joined, said.after, coded.rate, said.times, said.moments or coded.moments)
    if coded.moments and not said.moments:  # the code says more: at bedtime, and not only once every day
        if repeat is not None and repeat.get("dayOfWeek") is not None:
            raise refused("timing-conflict", "The code names a part of the day, the elements days.", timing.place)
        return Timed(coded.words, said.after, coded.rate, (), coded.moments)
    return said


def _coded(phrases: Phrases, code: Element | None) -> Timed | None:
    if code is None:
        return None
    known = {one: _CODES[one] for system, one in sorted(codes(code)) if system == _GTS and one in _CODES}
    words = code.text("text").strip().upper()
    if not known and words in _CODES:
        known = {words: _CODES[words]}
    if not known:
        return None
    if len(set(known.values())) > 1:
        raise refused("timing-conflict", "The codes of a timing differ.", code.place)
    frequency, period, unit, part = next(iter(known.values()))
    text = " ".join(filter(None, (
        phrases.say("times", frequency).text, phrases.say(f"every-{unit}", period).text, phrases.when.get(part, ""),
    )))  # fmt: skip
    rate = Fraction(frequency) / (period * HOURS[unit])
    return Timed(Told(text, text, (code.cite(text),)), (), rate, (), frozenset((part,)) - {""})


def _repeated(phrases: Phrases, repeat: Element) -> Timed:
    if type(repeat.value) is not dict:
        raise refused("timing-unknown", "This is no timing.", repeat.place)
    for name in repeat.value:
        if name in _RANGES or name == "boundsRange":
            raise refused("timing-ambiguous", "A range of times can't be told.", f"{repeat.place}.{name}")
        if name.startswith("_") and name[1:] in _KNOWN and name[1:] not in repeat.value:
            raise refused("timing-ambiguous", "This element has no value.", f"{repeat.place}.{name[1:]}")
        if name not in _KNOWN and not name.startswith(("_", "id", "extension")):
            raise refused("timing-unknown", "This element can't be told.", f"{repeat.place}.{name}")
    if "duration" in repeat.value:
        raise refused("timing-unknown", "How long a dose lasts can't be told.", f"{repeat.place}.duration")
    words, rate = _often(phrases, repeat)
    days = [_said(one, phrases.weekday) for one in repeat.each("dayOfWeek")]
    parts = [_part(phrases, repeat, one) for one in repeat.each("when")]
    times = [_time(phrases, one) for one in repeat.each("timeOfDay")]
    _agree(repeat, len(times) or len(parts))
    if days and words.text:
        words = _on_days(phrases, repeat, words, len(days))
    told = [words, listed(phrases, days), listed(phrases, parts), listed(phrases, [one for _, one in times])]
    told = [one for one in told if one.text]
    if not told and not {"count"} & set(repeat.value) and not {"boundsDuration", "boundsPeriod"} & set(repeat.value):
        raise refused("timing-ambiguous", "Nothing says how often.", repeat.place)
    whole = Told(
        " ".join(one.text for one in told),
        " ".join(one.spoken for one in told),
        tuple(cite for one in told for cite in one.cites),
    )
    of_day = tuple(sorted(one for one, _ in times))
    moments = frozenset((*(one.value for one in repeat.each("when")), *map(str, of_day)))
    return Timed(whole, _bounds(phrases, repeat), rate, of_day, moments)


def _often(phrases: Phrases, repeat: Element) -> tuple[Told, Fraction | None]:
    frequency, period, unit = (repeat.get(name) for name in ("frequency", "period", "periodUnit"))
    if period is None and unit is None and frequency is None:
        return NOTHING, None
    if period is None or unit is None:
        raise refused("timing-ambiguous", "A frequency needs a period and its unit.", repeat.place)
    if unit.value not in tuple(HOURS) or not positive(period) or (frequency is not None and not positive(frequency)):
        raise refused(
            "timing-unknown", "A frequency and a period are numbers above 0, with a unit of time.", repeat.place
        )
    times = number(frequency) if frequency is not None else "1"
    how_many = phrases.say("times", times).text
    every = phrases.say(f"every-{unit.value}", number(period)).text
    text = f"{how_many} {every}"
    cites = [period.cite(every), unit.cite(every)]
    if frequency is not None:
        cites.insert(0, frequency.cite(how_many))
    return Told(text, text, tuple(cites)), Fraction(times) / (Fraction(number(period)) * HOURS[unit.value])


def _on_days(phrases: Phrases, repeat: Element, words: Told, days: int) -> Told:
    """How often, on some days of the week only: nobody is told "every day" of what is taken on Mondays."""
    frequency, period, unit = repeat.value.get("frequency", 1), repeat.value["period"], repeat.value["periodUnit"]
    if unit == "d" and period == 1:
        text = phrases.say("each-day-only", frequency).text
        return Told(text, text, tuple(replace(cite, said=text) for cite in words.cites))
    if unit not in ("s", "min", "h") and (unit != "wk" or frequency != days):
        text = "The days of the week are not as many as the times."
        raise refused("timing-conflict", text, f"{repeat.place}.dayOfWeek")
    return words


def positive(element: Element) -> bool:
    """Whether an element is a number above 0."""
    return isinstance(element.value, (int, Decimal)) and not isinstance(element.value, bool) and element.value > 0


def _agree(repeat: Element, listed: int) -> None:
    """As many times of day as the frequency of one day says."""
    value = repeat.value
    if listed and value.get("period") == 1 and value.get("periodUnit") == "d" and value.get("frequency", 1) != listed:
        raise refused("timing-conflict", "The frequency is another number than that of the times of day.", repeat.place)


def _said(element: Element, words: Mapping[str, str]) -> Told:
    if type(element.value) is not str or element.value not in words:
        raise refused("timing-unknown", "This code of a timing can't be told.", element.place)
    text = words[element.value]
    return Told(text, text, (element.cite(text),))


def _part(phrases: Phrases, repeat: Element, one: Element) -> Told:
    told = _said(one, phrases.when)
    offset = repeat.get("offset")
    if offset is None or offset.value == 0:
        return told
    if not positive(offset) or one.value[:1] not in "ACP" or one.value == "AFT" or one.value == "PHS":
        raise refused("timing-unknown", "So many minutes from this part of the day can't be told.", offset.place)
    minutes = phrases.say("span-min", number(offset))
    return Told(
        f"{minutes.text} {told.text}", f"{minutes.spoken} {told.spoken}", (offset.cite(minutes.text), *told.cites)
    )


def _time(phrases: Phrases, one: Element) -> tuple[time, Told]:
    try:
        of = time.fromisoformat(one.value)
    except (TypeError, ValueError):
        raise refused("timing-unknown", "This is no time of day.", one.place) from None
    text = clock(phrases, of)
    return of, Told(text, text, (one.cite(text),))


def _bounds(phrases: Phrases, repeat: Element) -> tuple[tuple[str, Told], ...]:
    made: list[tuple[str, Told]] = []
    bounds = repeat.of("bounds")
    if bounds is not None and bounds.choice == "Period":
        start, end = moment(bounds.get("start")), moment(bounds.get("end"))
        ordered(start, end)
        if start is not None:
            made.append(("dose-from", phrases.say("dose-from", date=when(phrases, start, timed=False))))
        if end is not None:
            made.append(("dose-until", phrases.say("dose-until", date=when(phrases, end, timed=False))))
    elif bounds is not None:
        made.append(("dose-for", phrases.say("dose-for", duration=span(phrases, bounds))))
    count = repeat.get("count")
    if count is not None:
        times = phrases.say("times", number(count)).text
        made.append(("dose-count", phrases.say("dose-count", times=Told(times, times, (count.cite(times),)))))
    return tuple(made)


def span(phrases: Phrases, duration: Element) -> Told:
    """A Duration: `10 days`. Raises Refused."""
    digits, unit = _duration(duration)
    text = phrases.say(f"span-{unit}", digits).text
    return Told(text, text, (duration.cite(text),))


def hours(duration: Element) -> float:
    """How long a Duration is, at the most. Raises Refused."""
    digits, unit = _duration(duration)
    return float(min(Fraction(digits) * HOURS[unit] * _LONGER.get(unit, 1), _ENDLESS))


_LONGER: Final = MappingProxyType({"mo": Fraction(31, 30), "a": Fraction(366, 365)})
_ENDLESS: Final = 24 * 366 * Fraction(1000)


def _duration(duration: Element) -> tuple[str, str]:
    """Digits and unit. Raises Refused."""
    value, unit = duration.get("value"), duration.text("code") or duration.text("unit")
    unit = _UNITS.get(unit, unit)
    if value is None or not positive(value) or unit not in HOURS or duration.get("comparator") is not None:
        raise refused("timing-unknown", "A duration is a number above 0 with a unit of time.", duration.place)
    return number(value), unit


_UNITS: Final[Mapping[str, Any]] = MappingProxyType(
    {"day": "d", "days": "d", "week": "wk", "weeks": "wk", "hour": "h", "hours": "h", "month": "mo", "months": "mo"}
)
