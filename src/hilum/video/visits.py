"""The visit that a patient is told of: the latest that is over. https://hl7.org/fhir/R4/encounter.html"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from hilum.video.elements import Element, Record
from hilum.video.moments import Moment, moment, ordered
from hilum.video.naming import named
from hilum.video.phrases import NOTHING, Phrases, Told
from hilum.video.refusals import refused
from hilum.video.wording import quoted


def latest(record: Record, now: datetime) -> tuple[Element, Moment]:
    """The latest finished Encounter and when it began. Raises Refused."""
    found: list[tuple[Moment, Element]] = []
    doubtful: list[tuple[Moment, Element]] = []
    for one in record.all("Encounter"):
        start, end = moment(one.get("period", "start")), moment(one.get("period", "end"))
        ordered(start, end)
        status = one.text("status")
        if start is None or status in ("planned", "cancelled", "arrived", "triaged", "in-progress", "onleave"):
            continue
        (found if status == "finished" else doubtful).append((start, one))
    if not found:
        raise refused("visit-missing", "The patient has no finished visit with a date.", "Encounter")
    start, visit = max(found, key=lambda pair: (pair[0].first, pair[1].reference))
    for other, one in doubtful:
        if other.last >= start.first:
            raise refused("status-unknown", "Nobody knows whether this visit took place.", f"{one.place}.status")
    if start.first > now:
        raise refused("dates-conflict", "This visit is finished and has yet to begin.", f"{visit.place}.period.start")
    return visit, start


def clinicians_of(visit: Element) -> tuple[Element, ...]:
    """References to who took part, those first who were responsible."""
    listed = visit.each("participant")
    first = [
        one for one in listed if {c.text("code") for t in one.each("type") for c in t.each("coding")} & _RESPONSIBLE
    ]
    ordered = (*first, *(one for one in listed if one not in first))
    return tuple(person for one in ordered if (person := one.get("individual")) is not None)


_RESPONSIBLE: Final = frozenset(("ATND", "PPRF"))
"""Attender and primary performer: https://hl7.org/fhir/R4/valueset-encounter-participant-type.html"""


def reasons(record: Record, phrases: Phrases, element: Element, *, needed: bool = True) -> Iterator[Told]:
    """Why an encounter, a request or an appointment is: its reasons, or what was found; each once. Raises Refused where
    one is wrong, or where one that is `needed` refers to what is not there.
    """
    seen: set[str] = set()
    for told in _reasons(record, phrases, element, needed=needed):
        if told.text and told.text.casefold() not in seen:
            seen.add(told.text.casefold())
            yield told


def _reasons(record: Record, phrases: Phrases, element: Element, *, needed: bool) -> Iterator[Told]:
    if coded := element.each("reasonCode"):
        yield from (named(phrases, one) for one in coded)
        return
    found = (one.get("condition") for one in element.each("diagnosis"))
    for reference in element.each("reasonReference") or tuple(one for one in found if one is not None):
        display = reference.get("display")
        target = record.target(reference, needed=needed and display is None)
        if target is None:
            yield quoted(display, 120) if display is not None else NOTHING
        elif target.path == "Condition" and _refuted(target):
            raise refused("entered-in-error", "The reason was refuted.", reference.place)
        else:
            yield named(phrases, target.get("code"))


def _refuted(condition: Element) -> bool:
    return any(one.text("code") == "refuted" for one in condition.each("verificationStatus", "coding"))
