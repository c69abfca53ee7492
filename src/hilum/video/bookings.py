"""What is to come: appointments, and the procedure that a patient gets ready for.

https://hl7.org/fhir/R4/appointment.html, https://hl7.org/fhir/R4/servicerequest.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hilum.video.elements import Element, Record
from hilum.video.moments import Moment, moment, ordered
from hilum.video.refusals import refused
from hilum.video.sides import opposed, sides

_BOOKED: Final = frozenset(("booked", "arrived", "checked-in"))
_NOT: Final = frozenset(("cancelled", "noshow", "proposed", "fulfilled", "waitlist", "pending"))
_OVER: Final = frozenset(("draft", "on-hold", "revoked", "completed", "cancelled", "stopped", "not-done"))


@dataclass(frozen=True, slots=True)
class Planned:
    """A procedure to come. `source`: the ServiceRequest or Procedure. `appointment`: where one was booked for it."""

    source: Element
    start: Moment
    appointment: Element | None

    @property
    def telling(self) -> tuple[Element, ...]:
        """The elements that name the procedure, and may name a side or a part of the body: the site first."""
        booked = self.appointment.get("description") if self.appointment is not None else None
        named = (self.source.get("code"), booked)
        return (*self.source.each("bodySite"), *(one for one in named if one is not None))

    @property
    def instructions(self) -> tuple[Element, ...]:
        """What the patient is told to do before."""
        sources = (self.source, self.appointment)
        found = (one.get("patientInstruction") for one in sources if one is not None)
        return tuple(one for one in found if one is not None)


def appointments(record: Record, now: datetime) -> tuple[tuple[Moment, Element], ...]:
    """Appointments that are booked, the next first. Raises Refused where one that is booked is over, unless it was
    kept: a visit says that it came of it.
    """
    found: list[tuple[Moment, Element]] = []
    visits = [one for one in record.all("Encounter") if one.text("status") == "finished"]
    for one in record.all("Appointment"):
        status = one.text("status")
        if status in _NOT:
            continue
        if status not in _BOOKED:
            raise refused("status-unknown", "Nobody knows whether this appointment holds.", f"{one.place}.status")
        for person in one.each("participant"):
            if "Patient/" in person.text("actor", "reference") and person.text("status") == "declined":
                raise refused(
                    "status-unknown", "This is booked, and the patient has declined.", f"{person.place}.status"
                )
        start, end = moment(one.get("start")), moment(one.get("end"))
        ordered(start, end)
        if start is None:
            raise refused("date-vague", "This appointment is booked and has no time.", f"{one.place}.start")
        if start.last < now:
            if any(record.same(kept, one) for visit in visits for kept in visit.each("appointment")):
                continue
            raise refused("dates-conflict", "This appointment is booked and its time is over.", start.element.place)
        found.append((start, one))
    return tuple(sorted(found, key=lambda pair: (pair[0].first, pair[1].reference)))


def planned(record: Record, now: datetime) -> Planned:
    """The next procedure. Raises Refused: there is none, or what is known of it is in conflict."""
    booked = appointments(record, now)
    found: list[Planned] = []
    for source in (*_ordered(record), *_prepared(record)):
        mine = [pair for pair in booked if any(record.same(one, source) for one in pair[1].each("basedOn"))]
        start = _start(source)
        if start is not None and start.last < now and not mine:
            continue  # it was done, or missed, and nobody closed the order
        if (
            mine
            and start is not None
            and not (start.first.date() == mine[0][0].first.date() or start.day == mine[0][0].day)
        ):
            raise refused("dates-conflict", "The order and its appointment are on different days.", start.element.place)
        if mine:
            found.append(Planned(source, mine[0][0], mine[0][1]))
        elif start is not None:
            found.append(Planned(source, start, None))
    if not found:
        raise refused("procedure-missing", "No procedure is ordered or booked for a day to come.", "ServiceRequest")
    made = min(found, key=lambda one: (one.start.first, one.source.reference))
    opposed(made.instructions, made.telling, sides(made.telling))
    return made


def _ordered(record: Record) -> Iterator[Element]:
    for one in record.all("ServiceRequest"):
        status, intent = one.text("status"), one.text("intent")
        if status in _OVER or intent in ("proposal", "plan", "directive", "option"):
            continue
        if status != "active" or not intent:
            raise refused("status-unknown", "Nobody knows whether this order holds.", f"{one.place}.status")
        if one.value.get("doNotPerform") is True:
            raise refused("do-not-perform", "This active order says not to do something.", f"{one.place}.doNotPerform")
        yield one


def _prepared(record: Record) -> Iterator[Element]:
    for one in record.all("Procedure"):
        if one.text("status") == "preparation":
            yield one


def _start(source: Element) -> Moment | None:
    at = source.of("occurrence") or source.of("performed")
    if at is None or at.choice in ("String", "Age", "Range"):
        return None
    if at.choice == "Timing":
        return None
    if at.choice == "Period":
        start, end = moment(at.get("start")), moment(at.get("end"))
        ordered(start, end)
        return start
    return moment(at)
