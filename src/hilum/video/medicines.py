"""The medicines that a patient takes now, each once. https://hl7.org/fhir/R4/medicationrequest.html"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

from hilum.video.allergies import allergic
from hilum.video.dosage import Dosed, dosed
from hilum.video.drugs import FORMS, Names, names
from hilum.video.elements import Element, Record
from hilum.video.moments import moment
from hilum.video.phrases import Phrases, Told
from hilum.video.refusals import refused
from hilum.video.wording import codes, concept

_ORDERS: Final = frozenset(("order", "original-order", "reflex-order", "filler-order", "instance-order"))
_OVER: Final = frozenset(("completed", "cancelled", "stopped", "draft", "on-hold", "not-taken", "intended", "ended"))


@dataclass(frozen=True, slots=True)
class Medicine:
    """A medicine that is active. `source`: the MedicationRequest or MedicationStatement. `codes`: of the drug. How it
    is taken is looked at where that is told, since one that isn't may say less.
    """

    source: Element
    drug: Element
    name: Told
    codes: frozenset[tuple[str, str]]

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
        allergic(record, medicine.name.text, medicine.codes, medicine.drug)
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
    """Raises Refused where what is active has already ended, or was written on a day to come."""
    effective = one.of("effective")
    ends = [timing.get("timing", "repeat", "boundsPeriod", "end") for timing in _dosages(one)]
    if effective is not None and effective.choice == "Period":
        ends.append(effective.get("end"))
    for end in ends:
        found = moment(end)
        if found is not None and found.last < now:
            raise refused("dates-conflict", "This medicine is active, and its time is over.", found.element.place)
    written = moment(one.get("authoredOn"))
    if written is not None and written.first > now:
        raise refused("dates-conflict", "This was prescribed on a day to come.", written.element.place)


def _dosages(one: Element) -> tuple[Element, ...]:
    return one.each("dosageInstruction") or one.each("dosage")


def _medicine(record: Record, one: Element) -> Medicine:
    medication = one.of("medication")
    drug = medication
    if medication is not None and medication.choice == "Reference":
        target = record.target(medication)
        drug = target.get("code") if target is not None else None
    name = concept(drug)
    if drug is None or not name.text:
        where = medication.place if medication is not None else one.place
        raise refused("medicine-missing", "A medicine has no name among the resources.", where)
    if any(strengths(name.text).isdisjoint(found) for found in _strengths(drug)):
        raise refused("medicine-conflict", "The name of a medicine and its code tell different strengths.", drug.place)
    return Medicine(one, drug, name, codes(drug))


def _strengths(drug: Element) -> Iterator[frozenset[Fraction]]:
    """Of what its codings display, where its name and a display have any."""
    name = concept(drug).text
    for coding in drug.each("coding"):
        display = coding.text("display")
        if strengths(name) and strengths(display) and not re.search(r"(?i)ml\b", name + display):
            yield strengths(display)


def strengths(name: str) -> frozenset[Fraction]:
    """The strengths in a name of a drug, in milligrams: only to see whether two names agree, never told."""
    found = re.finditer(r"(?i)(?<![\w.,])([0-9]+(?:\.[0-9]+)?)\s*(mg|mcg|ug|µg|g)\b", name)
    return frozenset(Fraction(one[1]) * _MILLIGRAMS[one[2].casefold()] for one in found)


_MILLIGRAMS: Final = {
    "mg": Fraction(1), "g": Fraction(1000), "mcg": Fraction(1, 1000), "ug": Fraction(1, 1000), "µg": Fraction(1, 1000),
}  # fmt: skip
