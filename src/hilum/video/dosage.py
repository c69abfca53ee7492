"""How a medicine is taken, in sentences. https://hl7.org/fhir/R4/dosage.html

The dose is told with the digits and the unit of the record: nothing is rounded, converted or added up. The words of the
prescription stand beside it, as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from fractions import Fraction
from typing import Final

from hilum.video import spellings
from hilum.video.elements import Element
from hilum.video.naming import named, placed
from hilum.video.phrases import NOTHING, Phrases, Route, Told
from hilum.video.refusals import refused
from hilum.video.sides import sides, unsaid
from hilum.video.signatures import Elements, contradiction, weekdays
from hilum.video.timing import Timed, span, timed
from hilum.video.wording import codes, concept, number, quoted

UCUM: Final = "http://unitsofmeasure.org"
_ORDERED: Final = "ordered"

Sentences = tuple[tuple[str, Told], ...]
"""Names of phrases, and what they came to."""


@dataclass(frozen=True, slots=True)
class Dosed:
    """A Dosage in sentences. `key`: its dose and timing, to compare two; `times`: of day, for a clock."""

    sentences: Sentences
    key: tuple[object, ...]
    times: tuple[time, ...]


def dosed(phrases: Phrases, listed: tuple[Element, ...], drug: Element) -> Dosed:
    """The Dosages of one medicine. Raises Refused. `drug`: what a refusal names where there are none."""
    if not listed:
        raise refused("dose-missing", "Nothing says how this medicine is taken.", drug.place)
    made = [_one(phrases, one) for one in listed]
    if len(made) > 1:
        _apart(listed, [timing for _, timing, _ in made])
    return Dosed(
        tuple(sentence for sentences, _, _ in made for sentence in sentences),
        tuple(key for _, _, key in made),
        tuple(sorted(one for _, timing, _ in made for one in timing.times)),
    )


def _apart(listed: tuple[Element, ...], timings: list[Timed]) -> None:
    """Several instructions are told only where each has parts of the day of its own: all hold at the same time."""
    seen: set[str] = set()
    for one, timing in zip(listed, timings, strict=True):
        if not timing.moments or timing.moments & seen or timing.moments >= {"C"}:
            raise refused(
                "dose-conflict", "This medicine has several instructions that can't be told apart.", one.place
            )
        seen |= timing.moments
    if len({one.value.get("sequence") for one in listed}) not in (1, len(listed)):
        raise refused("dose-conflict", "The order of a medicine's instructions is not clear.", listed[0].place)
    if len({one.value["sequence"] for one in listed if "sequence" in one.value}) > 1:
        raise refused("dose-conflict", "This medicine has instructions that follow one another.", listed[0].place)


def _one(phrases: Phrases, one: Element) -> tuple[Sentences, Timed, tuple[object, ...]]:
    dose = _dose(phrases, one)
    timing = timed(phrases, one.get("timing"))
    words = [quoted(text) for name in ("text", "patientInstruction") if (text := one.get(name)) is not None]
    words = [told for told in words if told.text]
    if not dose.text and not words:
        raise refused("dose-missing", "Nothing says how much of this medicine is taken.", one.place)
    if dose.text and not timing.words.text and not words:
        raise refused("timing-ambiguous", "Nothing says when this medicine is taken.", one.place)
    for told in words:
        found = contradiction(told.text, _elements(one, timing, told.text))
        if found:
            raise refused("dosage-conflict", f"The words of this dosage contradict its elements: {found}.", one.place)
    sentences = [*_said(phrases, one, dose, timing), *timing.after, *_limits(phrases, one)]
    for told in _quotes(phrases, words):
        quote = "dose-quote-foreign" if phrases.foreign(told.text) else "dose-quote"
        sentences += [(quote, phrases.say(quote, words=told))]
    sentences += [
        ("dose-also", phrases.say("dose-also", words=told))
        for extra in one.each("additionalInstruction")
        if (told := concept(extra)).text
    ]
    key = (dose.text, timing.words.text, timing.rate, timing.moments, tuple(told.text for told in words))
    return tuple(sentences), timing, key


def _quotes(phrases: Phrases, words: list[Told]) -> Iterator[Told]:
    """The words of the prescription and those for the patient, not the same twice. Where one is in the script's
    language, those in another that is known are left out.
    """
    foreign = [told for told in words if phrases.foreign(told.text)]
    seen: set[str] = set()
    for told in words:
        if told in foreign and len(foreign) < len(words):
            continue
        if told.text.casefold() not in seen:
            seen.add(told.text.casefold())
            yield told


def _said(phrases: Phrases, one: Element, dose: Told, timing: Timed) -> Iterator[tuple[str, Told]]:
    if dose.text or timing.words.text:
        route, stray = _route(phrases, one)
        verb, words = Told(route.verb, route.verb), Told(route.words, route.words)
        cited = one.get("route")
        if cited is not None and not stray.text:
            said = route.words or route.verb
            words = Told(route.words, route.words, (cited.cite(said),))
            if not route.words:
                verb, words = Told(route.verb, route.verb, (cited.cite(said),)), NOTHING
        name = "dose-route" if stray.text else "dose" if timing.words.text else "dose-only"
        amount = dose if dose.text else phrases.say("it")
        slots = {"verb": verb, "dose": amount, "route": stray if stray.text else words, "timing": timing.words}
        yield name, phrases.say(name, **slots)
    body = one.get("site")
    site = NOTHING
    if body is not None:
        unsaid(side := sides((body,)), (body,), body.place)
        written = (one.get("text"), one.get("patientInstruction"), *one.each("additionalInstruction"))
        sides((body, *(words for words in written if words is not None)))
        site = placed(phrases, body, side)
    if site.text:
        yield "dose-site", phrases.say("dose-site", site=site)
    needed = one.of("asNeeded")
    if needed is not None and needed.choice == "Boolean" and needed.value is True:
        told = phrases.say("dose-needed")
        yield "dose-needed", Told(told.text, told.spoken, (needed.cite(told.text),))
    elif needed is not None and needed.choice == "CodeableConcept":
        reason = named(phrases, needed)
        if not reason.text:
            raise refused("missing", "A reason to take a medicine has no words.", needed.place)
        yield "dose-needed-for", phrases.say("dose-needed-for", reason=reason)


def _limits(phrases: Phrases, one: Element) -> Iterator[tuple[str, Told]]:
    most = one.get("maxDosePerPeriod")
    if most is not None:
        numerator, denominator = most.get("numerator"), most.get("denominator")
        if numerator is None or denominator is None:
            raise refused("dose-ambiguous", "The most of a medicine needs an amount and a time.", most.place)
        amount = quantity(phrases, numerator)
        yield "dose-most", phrases.say("dose-most", dose=amount, span=span(phrases, denominator))
    for name in ("maxDosePerAdministration", "maxDosePerLifetime"):
        if one.get(name) is not None:
            raise refused("dose-ambiguous", "This limit of a dose can't be told.", f"{one.place}.{name}")


def _route(phrases: Phrases, one: Element) -> tuple[Route, Told]:
    """The route of the table, or the neutral one with the record's words."""
    key = _route_of(one)
    return phrases.routes[key], concept(one.get("route")) if key == spellings.OTHER else NOTHING


def _route_of(one: Element) -> str:
    route = one.get("route")
    if route is None:
        return spellings.OTHER
    names = (route.text("text"), *(coding.text("display") for coding in route.each("coding")))
    return spellings.route((code for _, code in codes(route)), names)


def _dose(phrases: Phrases, one: Element) -> Told:
    dose = _ordered_dose(one)
    return quantity(phrases, dose) if dose is not None else NOTHING


def _ordered_dose(one: Element) -> Element | None:
    """The dose that holds. Raises Refused."""
    rates = one.each("doseAndRate")
    if not rates:
        return None
    if len(rates) > 1:
        ordered = [rate for rate in rates if any(code == _ORDERED for _, code in codes(rate.get("type")))]
        if len(ordered) != 1:
            raise refused("dose-ambiguous", "There are several doses, and it isn't clear which holds.", one.place)
        rates = (ordered[0],)
    if rates[0].of("rate") is not None:
        raise refused("dose-ambiguous", "A rate can't be told.", rates[0].place)
    dose = rates[0].of("dose")
    if dose is not None and dose.choice != "Quantity":
        raise refused("dose-ambiguous", "A range of doses can't be told.", dose.place)
    return dose


def quantity(phrases: Phrases, dose: Element) -> Told:
    """An amount of a medicine: its digits, its unit. Raises Refused."""
    value = dose.get("value")
    if value is None or dose.get("comparator") is not None:
        raise refused("dose-ambiguous", "A dose must be one number.", dose.place)
    if not isinstance(value.value, (int, Decimal)) or isinstance(value.value, bool) or not value.value > 0:
        raise refused("dose-unclear", "A dose must be a number above 0.", value.place)
    digits = number(value)
    if re.search("[eE]", digits):
        raise refused("dose-unclear", "A dose with an exponent is not for people.", value.place)
    spelled, code = dose.text("unit").strip(), dose.text("code").strip()
    if (not spelled and not code) or spelled == "1" or (not spelled and code == "1"):
        raise refused("dose-without-unit", "This dose is a number without a unit.", dose.place)
    by_code = spellings.unit(code)
    by_words = spellings.unit(spelled)
    if (by_code and by_words and by_code != by_words) or (by_words and not by_code and _says_more(dose, code)):
        raise refused("dose-conflict", "The unit's words and its code are different units.", dose.place)
    key = by_words or by_code
    if spelled and not by_words and by_code:
        key = ""  # words that aren't known may say more than the code: they are told
    if not key:
        if not spelled:
            raise refused(
                "dose-unit-unknown", "The code of this dose's unit is not known, and it has no words.", dose.place
            )
        words = quoted(Element(dose.reference, f"{dose.path}.unit", spelled), 40).text
        if re.search(r"[\d¼½¾]|[/%]|^\W", words):
            raise refused(
                "dose-unit-unknown",
                "The words of this dose's unit hold a number, or a rate: they can't be told.",
                dose.place,
            )
        text = f"{digits} {words}"
        return Told(text, text, (dose.cite(text),))
    unit = phrases.units[key]
    form = unit.one if digits == "1" else unit.other
    text, spoken = f"{digits} {unit.text or form}", f"{digits} {form}"
    return Told(text, spoken, (dose.cite(text),))


def _says_more(dose: Element, code: str) -> bool:
    """Whether a code of UCUM that is not known is more than an annotation, which has no meaning: `mg/kg`, not `{tbl}`.
    https://ucum.org/ucum#para-6
    """
    bare = re.sub(r"\{[^{}]*\}", "", code)
    return dose.text("system") == UCUM and bare not in ("", "1")


def _elements(one: Element, timing: Timed, words: str) -> Elements:
    """What the elements tell that words may contradict."""
    dose = _ordered_dose(one)
    value = dose.get("value") if dose is not None else None
    named = (dose.text("unit"), dose.text("code")) if dose is not None else ()
    return Elements(
        Fraction(number(value)) if value is not None else None,
        next(filter(None, map(spellings.unit, named)), ""),
        _rates(one, timing, words),
        timing.moments,
        _needed(one) or not (named or timing.words.text),
        key if (key := _route_of(one)) != spellings.OTHER else "",
    )


def _rates(one: Element, timing: Timed, words: str) -> frozenset[Fraction]:
    """Times an hour: all that the elements may mean."""
    days, rate = one.each("timing", "repeat", "dayOfWeek"), timing.rate
    if rate is None and timing.moments and not timing.moments & _MEALS:
        rate = Fraction(len(timing.moments), 24)
    if rate is None:
        return frozenset()
    if not days or rate < Fraction(1, 24):
        return frozenset((rate,))
    on_days = rate * len(days) / 7
    return frozenset((rate, on_days)) if weekdays(words) else frozenset((on_days,))


_MEALS: Final = frozenset(("C", "AC", "PC"))
"""Nobody says how many."""


def _needed(one: Element) -> bool:
    needed = one.of("asNeeded")
    return needed is not None and needed.value is not False
