"""Who the patient is, to the extent that a video says it, and how clinicians and places are called and reached."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from hilum.video.elements import Element, Record
from hilum.video.moments import moment
from hilum.video.phrases import NOTHING, Told
from hilum.video.refusals import refused
from hilum.video.wording import phone, quoted

_NAMES: Final = ("usual", "official", "")
"""Uses of names, the best first. A nickname, a maiden or an old name is not what a clinic calls one by."""


def first_name(record: Record, now: datetime) -> Told:
    """The first given name. Raises Refused: none, or a patient who has died."""
    patient = record.patient
    died = patient.of("deceased")
    if died is not None and died.value is not False:
        raise refused("patient-deceased", "The patient has died.", died.place)
    if patient.value.get("active") is False:
        raise refused("status-unknown", "The record of this patient is not in use.", f"{patient.place}.active")
    for link in patient.each("link"):
        if link.text("type") == "replaced-by":
            raise refused("status-unknown", "Another record has replaced this patient's.", link.place)
    for use in _NAMES:
        for name in patient.each("name"):
            given = name.each("given")
            if name.text("use") == use and given and _current(name, now) and (told := quoted(given[0], 60)).text:
                return told
    raise refused("name-missing", "The patient has no given name that is in use.", f"{patient.place}.name")


def _current(element: Element, now: datetime) -> bool:
    start, end = (moment(element.get("period", name)) for name in ("start", "end"))
    return not (start is not None and start.first > now) and not (end is not None and end.last < now)


def called(record: Record, reference: Element | None) -> Told:
    """The name of the clinician or place that a Reference refers to: of the resource, else what is displayed."""
    if reference is None:
        return NOTHING
    found = record.target(reference)
    if found is not None:
        told = _clinician(found) if found.path == "Practitioner" else _named(found)
        if told.text:
            return told
    display = reference.get("display")
    return quoted(display, 120) if display is not None else NOTHING


def _named(element: Element) -> Told:
    name = element.get("name")
    return quoted(name, 120) if name is not None else NOTHING


def _clinician(practitioner: Element) -> Told:
    """`Dr. Maren Lindqvist`: prefix, given name and family name, as people are spoken to."""
    for name in practitioner.each("name"):
        if name.text("use") in ("", "usual", "official"):
            family = name.get("family")
            parts = (*name.each("prefix")[:1], *name.each("given")[:1], *((family,) if family is not None else ()))
            told = [one for one in (quoted(part, 60) for part in parts) if one.text]
            if family is not None and told:
                whole = " ".join(one.text for one in told)
                return Told(whole, whole, tuple(cite for one in told for cite in one.cites))
            whole_name = name.get("text")
            if whole_name is not None:
                return quoted(whole_name, 120)
    return NOTHING


def reached(record: Record, references: Iterator[Element | None], now: datetime) -> tuple[Told, Told]:
    """Name and telephone number of the first that has both. Raises Refused."""
    for reference in references:
        found = record.target(reference)
        if found is None or found.value.get("active") is False or found.text("status") in ("suspended", "inactive"):
            continue
        name, number = called(record, reference), _phone(found, now)
        if name.text and number.text:
            return name, number
    raise refused("contact-missing", "No place, organisation or clinician of it has a telephone number.", "telecom")


def _phone(element: Element, now: datetime) -> Told:
    """A number at work that is in use, the one of the best rank."""
    listed = [
        one
        for one in element.each("telecom")
        if one.text("system") == "phone" and one.text("use") in ("", "work", "mobile") and _current(one, now)
    ]
    listed.sort(key=lambda one: one.value.get("rank", 99))
    for one in listed:
        value = one.get("value")
        if value is not None and (told := phone(value)).text:
            return told
    return NOTHING
