"""Elements in words: dates, times, names, quotations, amounts, as text and for a voice."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, time
from typing import Final

from hilum.fhir import json
from hilum.video.elements import Element
from hilum.video.moments import Moment
from hilum.video.phrases import NOTHING, Phrases, Told
from hilum.video.refusals import refused

UTC: Final = ("Z", "+00:00", "-00:00")
"""Offsets that say nothing of where it was."""
LONGEST: Final = 400
"""Characters of one element's words."""


def quoted(element: Element, longest: int = LONGEST) -> Told:
    """The words of an element as they stand there, but for white space. Raises Refused: too long, or can't be shown."""
    text = " ".join(element.value.split()) if type(element.value) is str else ""
    if len(text) > longest:
        raise refused("too-long", f"These words have {len(text)} characters; {longest} fit.", element.place)
    if not printable(text):
        raise refused("characters", "These words hold control characters.", element.place)
    return Told(text, text, (element.cite(text),)) if text else NOTHING


def printable(text: str) -> bool:
    """Whether a text holds no control characters, no marks of direction and nothing that is not assigned."""
    return not any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for one in text)


def concept(element: Element | None) -> Told:
    """A CodeableConcept in the record's own words: its text, else what a coding displays."""
    if element is None:
        return NOTHING
    for one in (element.get("text"), *(coding.get("display") for coding in element.each("coding"))):
        if one is not None and (told := quoted(one)).text:
            text = _TAG.sub("", told.text)
            return Told(text, text, (one.cite(text),))
    return NOTHING


_TAG: Final = re.compile(
    r" \((?:procedure|disorder|finding|situation|event|body structure|regime/therapy|observable entity|environment)\)$"
)
"""What a fully specified name of SNOMED CT ends with: it is for those who sort terms."""


def codes(element: Element | None) -> frozenset[tuple[str, str]]:
    """The codings of a CodeableConcept: system and code."""
    listed = element.each("coding") if element is not None else ()
    return frozenset((one.text("system"), one.text("code")) for one in listed if one.text("code"))


def number(element: Element) -> str:
    """A number with the digits that it has in the record."""
    return json.encode(element.value).decode()


def day(phrases: Phrases, of: date) -> str:
    """A date with its weekday."""
    names = {"weekday": phrases.weekdays[of.weekday()], "month": phrases.months[of.month - 1]}
    return phrases.say("date", day=str(of.day), year=str(of.year), **names).text


def clock(phrases: Phrases, at: time, offset: str = "") -> str:
    """At a time of day, by the twelve hours that people in the US go by; one in UTC says so."""
    shown = phrases.say("time-minutes", hour=str(at.hour % 12 or 12), minutes=f"{at.minute:02d}").text
    text = phrases.say("time-am" if at.hour < 12 else "time-pm", clock=shown).text
    text = phrases.say("time-utc", time=text).text if offset in UTC else text
    return phrases.say("at", at.hour % 12 or 12, time=text).text


def when(phrases: Phrases, of: Moment, *, timed: bool = True) -> Told:
    """A moment: its day, and its time of day where it has one and that matters. It does in UTC too: where the patient
    is it may be another day, and nothing says where that is.
    """
    text = day(phrases, of.day)
    if of.time is not None and (timed or of.offset in UTC):
        text = phrases.say("date-time", date=text, at=clock(phrases, of.time, of.offset)).text
    return Told(text, text, (of.element.cite(text),))


def phone(element: Element) -> Told:
    """A telephone number as it stands there; a voice says digit after digit."""
    told = quoted(element, 40)
    groups = re.findall(r"[0-9]+", told.text)
    return Told(told.text, ", ".join(map(" ".join, groups)), told.cites) if groups else NOTHING


def listed(phrases: Phrases, several: Sequence[Told]) -> Told:
    """One, two or more, as a language lists them."""
    if not several:
        return NOTHING
    *first, last = several
    if not first:
        return last
    before = first[0]
    for one in first[1:]:
        before = phrases.say("list", first=before, second=one)
    return phrases.say("and", first=before, second=last)
