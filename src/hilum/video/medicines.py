"""The medicines that a patient takes now, each once. https://hl7.org/fhir/R4/medicationrequest.html"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from hilum.video import spellings
from hilum.video.allergies import allergic
from hilum.video.dosage import Dosed, dosed
from hilum.video.drugs import FORMS, Names, apart, names
from hilum.video.elements import Element, Record
from hilum.video.moments import moment
from hilum.video.phrases import Phrases, Told
from hilum.video.refusals import refused
from hilum.video.signatures import MILLIGRAMS
from hilum.video.timing import lasting, positive
from hilum.video.wording import codes, concept, number

_ORDERS: Final = frozenset(("order", "original-order", "reflex-order", "filler-order", "instance-order"))
_OVER: Final = frozenset(("completed", "cancelled", "stopped", "draft", "on-hold", "not-taken", "intended", "ended"))
_INPATIENT: Final = "inpatient"
"""https://terminology.hl7.org/CodeSystem-medicationrequest-category.html"""


@dataclass(frozen=True, slots=True)
class Medicine:
    """A medicine that is active. `source`: the MedicationRequest or MedicationStatement. `codes`: of the drug and what
    is in it. How it is taken is looked at where that is told, since one that isn't may say less.
    """

    source: Element
    drug: Element
    name: Told
    codes: frozenset[tuple[str, str]]
    ingredients: tuple[Element, ...] = ()

    def dosed(self, phrases: Phrases) -> Dosed:
        """How it is taken. Raises Refused."""
        return dosed(phrases, _dosages(self.source), self.source)

    @property
    def words(self) -> frozenset[str]:
        """The words of its name that are names of drugs: there are no easier ones, so the reading grade skips them."""
        return frozenset(w for w in re.findall(r"[^\W\d_]{4,}", self.name.text) if w.casefold() not in FORMS)


def active(record: Record, phrases: Phrases, now: datetime) -> tuple[Medicine, ...]:
    """All that are, prescribed ones first, by name. Raises Refused: two of one drug, one that causes an allergy, ..."""
    found: list[Medicine] = []
    for one in (*_requests(record), *_statements(record)):
        _dated(one, now)
        made = _medicine(record, one)
        other = next((other for other in found if same(other, made)), None)
        if other is None:
            found.append(made)
        elif one.path != "MedicationStatement" or other.dosed(phrases).key != made.dosed(phrases).key:
            raise refused(
                "medicine-twice", f"Two active records are of {made.name.text}.", f"{other.source.place}; {one.place}"
            )
    for medicine in found:
        allergic(record, medicine.name.text, medicine.codes, (medicine.drug, *medicine.ingredients))
    return tuple(sorted(found, key=lambda one: (one.source.path, one.name.text.casefold(), one.source.reference)))


def same(one: Medicine, other: Medicine) -> bool:
    """Whether two are of one drug: a code that they share, or a name, in whatever spelling."""
    return bool(one.codes & other.codes) or _names(one).same(_names(other))


def _names(one: Medicine) -> Names:
    displays = (coding.text("display") for coding in one.drug.each("coding"))
    return names((one.name.text, *displays))


def _requests(record: Record) -> Iterator[Element]:
    for one in record.all("MedicationRequest"):
        status, intent = one.text("status"), one.text("intent")
        if status in _OVER or (intent not in _ORDERS and intent):
            continue
        if status != "active" or not intent:
            raise refused("status-unknown", "Nobody knows whether this medicine is taken.", f"{one.place}.status")
        if any(code == _INPATIENT for kind in one.each("category") for _, code in codes(kind)):
            raise refused("status-unknown", "This is given in a hospital, and still active.", f"{one.place}.category")
        if one.value.get("doNotPerform") is True:
            raise refused(
                "do-not-perform", "This active request says not to take a medicine.", f"{one.place}.doNotPerform"
            )
        yield one


def _statements(record: Record) -> Iterator[Element]:
    for one in record.all("MedicationStatement"):
        status = one.text("status")
        if status in _OVER:
            continue
        if status != "active":
            raise refused("status-unknown", "Nobody knows whether this medicine is taken.", f"{one.place}.status")
        yield one


def _dated(one: Element, now: datetime) -> None:
    """Raises Refused where what is active has already ended, has yet to begin, or was written on a day to come."""
    effective = one.of("effective")
    start = effective.get("start") if effective is not None else None
    written = moment(one.get("authoredOn")) or moment(start)
    for dosage in _dosages(one):
        lasts = lasting(dosage)
        if lasts is not None and written is not None and now - written.last > timedelta(hours=lasts):
            raise refused("dates-conflict", "This medicine is active, and was for a time that is over.", dosage.place)
    ends = [timing.get("timing", "repeat", "boundsPeriod", "end") for timing in _dosages(one)]
    if effective is not None and effective.choice == "Period":
        ends.append(effective.get("end"))
    for end in ends:
        found = moment(end)
        if found is not None and found.last < now:
            raise refused("dates-conflict", "This medicine is active, and its time is over.", found.element.place)
    if written is not None and written.first > now:
        raise refused("dates-conflict", "This was prescribed, or begins, on a day to come.", written.element.place)


def _dosages(one: Element) -> tuple[Element, ...]:
    return one.each("dosageInstruction") or one.each("dosage")


def _medicine(record: Record, one: Element) -> Medicine:
    medication = one.of("medication")
    drug, parts = medication, tuple[Element, ...]()
    if medication is not None and medication.choice == "Reference":
        target = record.target(medication)
        drug = target.get("code") if target is not None else None
        parts = target.each("ingredient") if target is not None else ()
    name = concept(drug)
    if drug is None or not name.text:
        where = medication.place if medication is not None else one.place
        raise refused("medicine-missing", "A medicine has no name among the resources.", where)
    others = [coding.text("display") for coding in drug.each("coding")]
    others += [medication.text("display")] if medication is not None else []
    if any(_apart(name.text, other) for other in others):
        raise refused("medicine-conflict", "The names of a medicine tell different strengths.", drug.place)
    if any(apart(name.text, other) for other in others):
        raise refused("medicine-conflict", "The names of a medicine are of different drugs.", drug.place)
    for part in parts:
        if (strength := _strength(part)) and strengths(name.text) and strength not in strengths(name.text):
            raise refused("medicine-conflict", "The name of a medicine and its ingredient differ.", part.place)
    inside = tuple(found for part in parts if (found := part.of("item")) is not None)
    return Medicine(one, drug, name, codes(drug).union(*map(codes, inside)), inside)


def _apart(name: str, other: str) -> bool:
    """Whether both have strengths, and not one in common."""
    theirs = strengths(other) if not re.search(r"(?i)ml\b", name + other) else frozenset()
    return bool(theirs and strengths(name)) and strengths(name).isdisjoint(theirs)


def _strength(ingredient: Element) -> Fraction | None:
    """Milligrams of an ingredient in one of what is taken: a tablet, a capsule."""
    whole, one = ingredient.get("strength", "numerator"), ingredient.get("strength", "denominator", "value")
    unit = MILLIGRAMS.get(spellings.unit(whole.text("code") or whole.text("unit"))) if whole is not None else None
    value = whole.get("value") if whole is not None else None
    if unit is None or value is None or one is None or one.value != 1 or not positive(value):
        return None
    liquid = spellings.unit(ingredient.text("strength", "denominator", "code")) == "mL"
    return None if liquid else Fraction(number(value)) * unit


def strengths(name: str) -> frozenset[Fraction]:
    """The strengths in a name of a drug, in milligrams: only to see whether two names agree, never told."""
    found = re.finditer(r"(?i)(?<![\w.,])([0-9]+(?:\.[0-9]+)?)\s*(mg|mcg|ug|µg|g)\b", name)
    return frozenset(Fraction(one[1]) * MILLIGRAMS[spellings.unit(one[2])] for one in found)
