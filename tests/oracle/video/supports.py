"""Which facts a sentence may state, by what it is about: each `Support` is one element, or some that are told together.

What it is about is read from the sentence's own words (`TOPICS`). A sentence about nothing may state no fact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from tests.oracle.video.record import Body, Record, choice, codings, instant, occurrence, plain, sides, words
from tests.oracle.video.spanish import lent
from tests.oracle.video.words import DAYS_OF_CODES, SPAN, UNIT

Key = tuple[Any, ...]
ROUTE_CODES: Final = {
    "26643006": "oral",
    "PO": "oral",
    "447694001": "inhaled",
    "37839007": "sublingual",
    "46713006": "nasal",
    "6064005": "skin",
    "45890007": "skin",
    "34206005": "under-skin",
    "78421000": "muscle",
    "37161004": "rectal",
    "16857009": "vaginal",
    "54485002": "eye",
    "10547007": "ear",
}
TIMING_CODES: Final = {
    "QD": ("1", "1", "d"),
    "BID": ("2", "1", "d"),
    "TID": ("3", "1", "d"),
    "QID": ("4", "1", "d"),
    "QOD": ("1", "2", "d"),
    "AM": ("1", "1", "d"),
    "PM": ("1", "1", "d"),
    "BED": ("1", "1", "d"),
    "Q4H": ("1", "4", "h"),
    "Q6H": ("1", "6", "h"),
    "Q8H": ("1", "8", "h"),
    "Q12H": ("1", "12", "h"),
    "WK": ("1", "1", "wk"),
    "MO": ("1", "1", "mo"),
}
CODED_PARTS: Final = {"AM": "MORN", "PM": "AFT", "BED": "HS"}
_TOPICS: Final = {
    "hello": r"^(?:Hello|Hola)\b",
    "visit-date": r"^You came to see us\b|^Usted vino el\b",
    "visit-place": r"^You were at\b|^Usted vino a\b",
    "visit-person": r"^You saw\b|^Le (?:vio|atendió)\b",
    "visit-kind": r"\bkind of visit\b|\btipo de visita\b",
    "visit-reason": r"\bcame for this\b|\bvino por esto\b",
    "done": r"^At this visit you had\b|^Ese día le hicieron\b",
    "site": r"^Place on the body\b|^Parte del cuerpo\b",
    "next-date": r"^Your next visit\b|^Su próxima visita\b",
    "purpose": r"^It is for\b|^Es para\b",
    "place": r"^Go to\b|^Vaya a\b",
    "procedure": r"^You will have\b|^Le van a hacer\b",
    "procedure-date": r"^It is on\b|^Es el\b",
    "procedure-reason": r"^It is done for\b|^Se hace por\b",
    "medicine": r"^Your medicine is\b|^Su medicina es\b",
    "quote": r"^Your prescription says\b|^Su receta dice\b",
    "also": r"^Also\b|^Además\b",
    "needed": r"\bwhen you need it\b|\bcuando la necesite\b",
    "most": r"^Do not take more than\b|^No use más de\b",
    "until": r"^Take it until\b|^Úsela hasta\b",
    "from": r"^Start on\b|^Empiece el\b",
    "for": r"^Take it for\b|^Úsela por\b",
    "count": r"\band then stop\b|\by no más\b",
    "phone": r"\bphone number\b|\bteléfono\b",
    "contact": r"^Call (?!us\b)|^Llame a\b",
    "dose": r"^(?:Take|Use|Put|Inject|Breathe in|Tome|Ponga|Inyecte|Inhale)\b",
}
TOPICS: Final = {name: re.compile(pattern) for name, pattern in _TOPICS.items()}


@dataclass(frozen=True, slots=True)
class Support:
    """`strings`: of the record, told word for word; `needs`: sets of which one must be told; `facts`: that may be
    stated; `required`: that must be; `words`: others that mean the same. `label`: what is told by it.
    """

    label: Key = ()
    strings: frozenset[str] = frozenset()
    needs: tuple[frozenset[str], ...] = ()
    facts: frozenset[Key] = frozenset()
    required: frozenset[Key] = frozenset()
    words: frozenset[str] = frozenset()
    subject: Body | None = field(default=None, compare=False)


def said(strings: set[str], label: Key = (), subject: Body | None = None) -> Support:
    """Words that must be told, one way or another."""
    return Support(label, frozenset(strings), (frozenset(strings),), subject=subject)


def stated(facts: set[Key], label: Key = (), subject: Body | None = None) -> Support:
    """Facts that must be stated, all of them."""
    return Support(label, facts=frozenset(facts), required=frozenset(facts), subject=subject)


def concept(one: Body, label: Key = (), subject: Body | None = None) -> Support:
    """A CodeableConcept: its own words, and beside them those that mean the same in Spanish."""
    own = words(one)
    numbers = frozenset(("number", digits) for text in own for digits in re.findall(r"\d+", text))
    return Support(label, frozenset(own), (frozenset(own),), numbers, words=lent(own), subject=subject)


def site(one: Body, label: Key = (), more: tuple[Any, ...] = ()) -> Support:
    """A part of the body; its name and its side may be said in Spanish beside its own words."""
    told = frozenset(("side", side) for side in sides(one, *more))
    return Support(label, frozenset(words(one)), (frozenset(words(one)),), told, words=lent(words(one)))


def every(several: list[Support]) -> Support:
    """Several that are told in one sentence, of which none may be left out."""
    return Support(
        several[0].label,
        frozenset().union(*(one.strings for one in several)),
        tuple(need for one in several for need in one.needs),
        frozenset().union(*(one.facts for one in several)),
        words=frozenset().union(*(one.words for one in several)),
    )


def moment(text: str, *, timed: bool = True) -> set[Key]:
    """The date, and the time as it stands there, in no other zone. What was recorded in UTC needs its time: where the
    patient is it may be another day.
    """
    found: set[Key] = {("date", *(int(one) for one in text[:10].split("-")))}
    utc = text.endswith(("Z", "+00:00"))
    if "T" in text and (timed or utc):
        hour, minute = text[11:16].split(":")
        found.add(("time", int(hour) * 60 + int(minute), utc))
    return found


def quantity(one: Body) -> tuple[set[Key], set[str]]:
    """An amount: as a fact, or as words where the unit is none that is known."""
    digits, unit = str(one["value"]), plain(one.get("unit")).removesuffix("(s)")
    known = UNIT.get(unit.casefold()) or ("" if unit else UNIT.get(plain(one.get("code")).casefold()))
    return ({("dose", digits, known)}, set()) if known else (set(), {f"{digits} {plain(one.get('unit'))}"})


def duration(one: Body) -> Key:
    code = one.get("code") or one.get("unit")
    return ("span", str(one["value"]), SPAN.get(code, code))


def timing(one: Body | None) -> set[Key]:
    """How often, at what times, days and parts of the day."""
    if one is None:
        return set()
    repeat, found = one.get("repeat", {}), set[Key]()
    code = next((c["code"] for c in codings(one.get("code")) if c.get("code") in TIMING_CODES), "")
    code = code or (plain((one.get("code") or {}).get("text")).upper())
    if "period" in repeat:
        found.add(("often", str(repeat.get("frequency", 1)), str(repeat["period"]), repeat["periodUnit"]))
    elif code in TIMING_CODES:
        found.add(("often", *TIMING_CODES[code]))
    if code in CODED_PARTS and "when" not in repeat:
        found.add(("part", CODED_PARTS[code]))
    found |= {("part", one) for one in repeat.get("when", ())}
    found |= {("weekday", DAYS_OF_CODES[one]) for one in repeat.get("dayOfWeek", ())}
    found |= {key for one in repeat.get("timeOfDay", ()) for key in moment(f"2000-01-01T{one}") if key[0] == "time"}
    if repeat.get("offset"):
        found.add(("span", str(repeat["offset"]), "min"))
    return found


def dosages(one: Body) -> list[Body]:
    return one.get("dosageInstruction") or one.get("dosage") or []


def dosed(one: Body, number: int) -> Iterator[Support]:
    """All that must be told of a Dosage."""
    rates = one.get("doseAndRate", [])
    if len(rates) > 1:
        rates = [rate for rate in rates if any(c.get("code") == "ordered" for c in codings(rate.get("type")))]
    facts, strings = quantity(rates[0]["doseQuantity"]) if rates else (set(), set())
    facts |= timing(one.get("timing"))
    route = one.get("route")
    if facts or strings:
        if route is not None:
            known = {ROUTE_CODES[c["code"]] for c in codings(route) if c.get("code") in ROUTE_CODES}
            facts |= {("route", name) for name in known}
            strings |= set() if known else words(route)
        needs = tuple(frozenset((text,)) for text in strings)
        yield Support(("dose", number), frozenset(strings), needs, frozenset(facts), frozenset(facts))
    kind, needed = choice(one, "asNeeded")
    if needed is True:
        yield stated({("needed",)}, ("needed", number))
    elif kind == "CodeableConcept":
        why, only = concept(needed), frozenset({("needed",)})
        yield Support(("needed", number), why.strings, why.needs, why.facts | only, only, why.words)
    if "maxDosePerPeriod" in one:
        facts, strings = quantity(one["maxDosePerPeriod"]["numerator"])
        facts.add(duration(one["maxDosePerPeriod"]["denominator"]))
        yield Support(
            ("most", number),
            frozenset(strings),
            tuple(frozenset((t,)) for t in strings),
            frozenset(facts),
            frozenset(facts),
        )
    repeat = one.get("timing", {}).get("repeat", {})
    for name, end in (("from", "start"), ("until", "end")):
        if end in repeat.get("boundsPeriod", {}):
            yield stated(moment(repeat["boundsPeriod"][end], timed=False), (name, number))
    if "boundsDuration" in repeat:
        yield stated({duration(repeat["boundsDuration"])}, ("for", number))
    if "count" in repeat:
        yield stated({("times", str(repeat["count"]))}, ("count", number))
    if "site" in one:
        yield site(one["site"], ("site", number))
    for name in ("text", "patientInstruction"):
        if one.get(name):
            yield said({plain(one[name])}, ("quote", number))
    for n, extra in enumerate(one.get("additionalInstruction", ())):
        yield concept(extra, ("also", number, n))


@dataclass(slots=True)
class Context:
    """Of what the sentences before this one were. `number`: of the dosage that is being told; `numbers`: of telephones,
    in this scene: a name and a number must be of one place.
    """

    record: Record
    template: str
    subject: Body | None = None
    number: int | None = None
    whom: tuple[Body, ...] = ()
    numbers: frozenset[str] = frozenset()

    def alternatives(self, topic: str) -> list[Support]:
        """The Supports that a sentence of a topic may have, of which it needs one."""
        record, visit, (order, booked) = self.record, self.record.visit, self.record.planned
        if topic in ("dose", "needed", "most", "from", "until", "for", "count", "quote", "also"):
            return self._dosed(topic)
        if topic == "site":
            return self._site()
        if topic == "hello":
            return [said({name}) for name in record.first_names()]
        if topic == "medicine":
            taken = [
                one
                for one in record.medicines
                if self.template != "after-visit" or record.points(one.get("encounter"), visit)
            ]
            return [said(record.drug(one), ("medicine", one["id"]), one) for one in taken]
        if topic == "purpose":
            return self._purpose()
        if topic == "phone":
            return [said({number}) for one in self.whom for number in record.phones(one)]
        if topic == "contact":
            found = [
                (names, target)
                for one in record.reachable()
                if (names := record.called(one)) and (target := record.target(one))
            ]
            reached = [one for one in found if record.phones(one[1]) & self.numbers] or found
            return [said(names, ("contact",), target) for names, target in reached]
        if topic.startswith("visit") or topic == "done":
            return self._visit(topic, visit) if visit is not None else []
        if topic == "next-date":
            return [stated(moment(one["start"]), ("next",), one) for one in record.booked[:1]]
        if topic == "place":
            of = self.subject if self.subject and self.subject["resourceType"] == "Appointment" else None
            actors = [p.get("actor") for one in (of or booked,) if one for p in one["participant"]]
            actors = [one for one in actors if one and "Location/" in one.get("reference", "")]
            if of is None and order is not None:
                actors += order.get("locationReference", [])
            return [said(names) for one in actors if (names := record.called(one))]
        if order is None:
            return []
        if topic == "procedure":
            return [concept(order["code"], ("procedure",), order)]
        if topic == "procedure-date":
            start = booked["start"] if booked else occurrence(order)
            return [stated(moment(start), ("procedure-date",))] if start else []
        if topic == "procedure-reason":
            return [concept(one) for one in record.reason_concepts(order)]
        return []

    def _visit(self, topic: str, visit: Body) -> list[Support]:
        record = self.record
        if topic == "visit-date":
            return [stated(moment(visit["period"]["start"], timed=False), ("visit-date",))]
        if topic == "visit-place":
            places = [*(one.get("location") for one in visit.get("location", ())), visit.get("serviceProvider")]
            named = [said(names) for one in places if (names := record.called(one))]
            return named[:-1] if record.called(visit.get("serviceProvider")) and len(named) > 1 else named
        if topic == "visit-person":
            people = [one.get("individual") for one in visit.get("participant", ())]
            people = [one for one in people if one and "Practitioner/" in one.get("reference", "")]
            return [said(names) for one in people if (names := record.called(one))]
        if topic == "visit-kind":
            return [concept(one) for one in visit.get("type", ())]
        if topic == "visit-reason":
            return [concept(one) for one in record.reason_concepts(visit)]
        return [
            concept(one["code"], ("done", one["id"]), one)
            for one in record.all("Procedure")
            if one["status"] == "completed" and record.points(one.get("encounter"), visit)
        ]

    def _purpose(self) -> list[Support]:
        if self.subject is None:
            return []
        if self.subject["resourceType"] != "Appointment":
            return [concept(one) for one in self.record.reason_concepts(self.subject)]
        concepts = [*self.record.reason_concepts(self.subject), *self.subject.get("serviceType", ())]
        concepts += [self.subject["appointmentType"]] if "appointmentType" in self.subject else []
        described = plain(self.subject.get("description"))
        return [said({described})] if described else [concept(one) for one in concepts]

    def _site(self) -> list[Support]:
        subject = self.subject
        if subject is None:
            return []
        if subject["resourceType"].startswith("Medication"):
            return self._dosed("site")
        each = [site(one, ("site",), (subject.get("code"),)) for one in subject.get("bodySite", ())]
        return [every(each)] if each else []

    def _dosed(self, topic: str) -> list[Support]:
        """Of the medicine that is being told; of one of its dosages where that has been named."""
        if self.subject is None or not self.subject["resourceType"].startswith("Medication"):
            return []
        found = [(n, one) for n, d in enumerate(dosages(self.subject)) for one in dosed(d, n)]
        whole = {n for n, one in found if one.label[0] == "dose"}
        return [
            one for n, one in found if one.label[0] == topic and (topic == "dose" or n == self.number or n not in whole)
        ]


def weekday(key: Key) -> Key:
    """A date whose weekday is right, without it; one that is wrong is no date at all."""
    if key[0] != "date":
        return key
    try:
        _, year, month, day, name = key
        when = instant(f"{year:04}-{month:02}-{day:02}")
    except (TypeError, ValueError):
        return ("date",)
    right = when is not None and name in (None, when.weekday())
    return ("date", year, month, day) if right else ("date",)
