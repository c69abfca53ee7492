"""The facts that templates speak of, by name, each with the elements that it came from.

A group has rows: of `patient`, `visit`, `procedure` and `contact` there is one, of `reason`, `done`, `medicine`,
`appointment`, `preparation` and `foreign` as many as the record has. A slot of a phrase is a group and a name:
`{visit.date}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cached_property
from types import MappingProxyType
from typing import Final

from hilum.video.bookings import Planned, appointments, planned
from hilum.video.dosage import Sentences
from hilum.video.elements import Element, Record
from hilum.video.medicines import Medicine, active
from hilum.video.moments import Moment, moment
from hilum.video.naming import named, placed
from hilum.video.people import called, first_name, reached
from hilum.video.phrases import NOTHING, Phrases, Told
from hilum.video.refusals import refused
from hilum.video.sides import opposed, places, sides, unsaid
from hilum.video.templates import Template
from hilum.video.visits import clinicians_of, latest, reasons
from hilum.video.wording import concept, listed, quoted, when

MOST: Final = 12
"""Rows of a group: a video that goes on for longer is not watched, and none is left out."""


@dataclass(frozen=True, slots=True)
class Row:
    """What can be said: `slots`, and `sentences` that go together, of which none may be left out. For pictures: `day`,
    `times`, `places` of the body.
    """

    slots: Mapping[str, Told]
    sentences: Sentences = ()
    day: date | None = None
    times: tuple[time, ...] = ()
    places: tuple[str, ...] = ()
    exempt: frozenset[str] = field(default_factory=frozenset)


class Facts:
    """The facts of one patient, looked for when they are asked for. Raises Refused from each."""

    def __init__(self, record: Record, phrases: Phrases, template: Template, now: datetime) -> None:
        """`now`: with an offset."""
        self._record, self._phrases, self._template, self._now = record, phrases, template, now
        self._rows: dict[str, tuple[Row, ...]] = {}

    def rows(self, group: str) -> tuple[Row, ...]:
        """The rows of a group of SLOTS. Raises Refused: more than MOST."""
        if group not in self._rows:
            made = tuple(_ROWS[group](self))
            if len(made) > MOST:
                raise refused("too-long", f"There are {len(made)} of {group}, and {MOST} fit.", group)
            self._rows[group] = made
        return self._rows[group]

    @cached_property
    def exempt(self) -> tuple[str, ...]:
        """The words that are names of drugs, of all medicines told."""
        return tuple(sorted({word for row in self._rows.get("medicine", ()) for word in row.exempt}))

    @cached_property
    def _visit(self) -> tuple[Element, Moment]:
        visit, start = latest(self._record, self._now)
        self._fresh(moment(visit.get("period", "end")) or start, "Encounter")
        return visit, start

    @cached_property
    def _planned(self) -> Planned:
        found = planned(self._record, self._now)
        written = moment(found.source.get("authoredOn"))
        if written is not None:
            self._fresh(written, found.source.path)
        return found

    @cached_property
    def _medicines(self) -> tuple[Medicine, ...]:
        return active(self._record, self._phrases, self._now)

    def _fresh(self, of: Moment, kind: str) -> None:
        limit = self._template.stale.get(kind)
        if limit is not None and (self._now - of.last).days > limit.days:
            text = f"This is more than {limit.days} days old, the most that the template takes."
            raise refused("stale", text, of.element.place)

    def _patient(self) -> Iterator[Row]:
        yield Row({"name": first_name(self._record, self._now)})

    def _visits(self) -> Iterator[Row]:
        visit, start = self._visit
        kinds = [told for one in visit.each("type") if (told := named(self._phrases, one)).text]
        clinicians = [one for one in clinicians_of(visit) if "Practitioner/" in one.text("reference")]
        slots = {"date": when(self._phrases, start, timed=False)}
        place = self._place(visit)
        if place.text and visit.text("class", "code") != "VR":  # nobody went anywhere
            slots["place"] = place
        if clinicians and (whom := called(self._record, clinicians[0])).text:
            slots["clinician"] = whom
        if kinds:
            slots["kind"] = kinds[0]
        yield Row(slots, day=start.day)

    def _place(self, visit: Element) -> Told:
        for one in (*(one.get("location") for one in visit.each("location")), visit.get("serviceProvider")):
            if (told := called(self._record, one)).text:
                return told
        return NOTHING

    def _reasons(self) -> Iterator[Row]:
        of = self._planned.source if "procedure" in self._template.needs else self._visit[0]
        for told in reasons(self._record, self._phrases, of):
            if "procedure" in self._template.needs and (side := sides(self._planned.telling)):
                opposed((Element(of.reference, f"{of.path}.reason", told.text),), self._planned.telling, side)
            yield Row({"name": told})

    def _done(self) -> Iterator[Row]:
        """Procedures of the visit."""
        for one in self._record.all("Procedure"):
            if one.text("status") != "completed" or not self._record.same(one.get("encounter"), self._visit[0]):
                continue
            name, sites = named(self._phrases, one.get("code")), one.each("bodySite")
            if name.text:
                telling = (*sites, *((code,) if (code := one.get("code")) is not None else ()))
                side = sides(telling)
                unsaid(side, telling, one.place)
                slots = {"name": name}
                site = listed(self._phrases, [told for one in sites if (told := placed(self._phrases, one, side)).text])
                if site.text:
                    slots["site"] = site
                yield Row(slots, places=places(telling, side) if sites else ())

    def _medicine(self) -> Iterator[Row]:
        of_visit = "visit" in self._template.needs
        for one in self._medicines:
            source = one.source
            if of_visit and not self._record.same(source.get("encounter") or source.get("context"), self._visit[0]):
                continue
            written = source.get("authoredOn") or source.get("dateAsserted") or source.of("effective")
            if written is not None and written.choice != "Period" and (at := moment(written)) is not None:
                self._fresh(at, source.path)
            elif source.path == "MedicationRequest" and source.path in self._template.stale:
                raise refused("stale", "Nothing says when this was prescribed.", f"{source.place}.authoredOn")
            sentences: list[tuple[str, Told]] = [
                ("medicine-name", self._phrases.say("medicine-name", **{"medicine.name": one.name}))
            ]
            for told in reasons(self._record, self._phrases, source, needed=False):
                sentences += [("medicine-reason", self._phrases.say("medicine-reason", reason=told))]
            dosed = one.dosed(self._phrases)
            yield Row({"name": one.name}, (*sentences, *dosed.sentences), times=dosed.times, exempt=one.words)

    def _appointments(self) -> Iterator[Row]:
        for start, one in appointments(self._record, self._now)[:1]:
            slots = {"when": when(self._phrases, start)}
            what = self._what(one)
            if what.text:
                slots["what"] = what
            place = self._where(one)
            if place.text:
                slots["place"] = place
            yield Row(slots, day=start.day)

    def _what(self, one: Element) -> Told:
        description = one.get("description")
        if description is not None:
            return quoted(description, 120)
        for told in (
            *reasons(self._record, self._phrases, one, needed=False),
            *map(concept, one.each("serviceType")),
            concept(one.get("appointmentType")),
        ):
            if told.text:
                return told
        return NOTHING

    def _where(self, one: Element) -> Told:
        actors = [found for p in one.each("participant") if (found := p.get("actor")) is not None]
        for actor in actors:
            if "Location/" in actor.text("reference") and (told := called(self._record, actor)).text:
                return told
        return NOTHING

    def _procedure(self) -> Iterator[Row]:
        of = self._planned
        name = named(self._phrases, of.source.get("code"))
        if not name.text:
            raise refused("procedure-missing", "The procedure has no name.", f"{of.source.place}.code")
        slots = {"name": name, "when": when(self._phrases, of.start)}
        sites = of.source.each("bodySite")
        side = sides(of.telling)
        marks = places(of.telling, side)
        site = listed(self._phrases, [told for one in sites if (told := placed(self._phrases, one, side)).text])
        if site.text:
            slots["site"] = site
        unsaid(side, (*sites, of.source.get("code")), of.source.place)
        place = self._where(of.appointment) if of.appointment is not None else NOTHING
        for one in of.source.each("locationReference"):
            place = place if place.text else called(self._record, one)
        if place.text:
            slots["place"] = place
        yield Row(slots, day=of.start.day, places=marks)

    def _preparations(self) -> Iterator[Row]:
        """What the patient is told to do before: in the record's own words, sentence by sentence."""
        seen: set[str] = set()
        for found in self._planned.instructions:
            told = quoted(found, 1200)
            for words in re.split(r"(?<=[.!?]) (?=[A-ZÁÉÍÓÚÑ¿¡])", told.text):
                if words not in seen:
                    seen.add(words)
                    yield Row({"words": Told(words, words, (found.cite(words),))})

    def _foreign(self) -> Iterator[Row]:
        """Of that, what is in another language."""
        yield from (one for one in self.rows("preparation") if self._phrases.foreign(one.slots["words"].text))

    def _contact(self) -> Iterator[Row]:
        name, number = reached(self._record, self._reachable(), self._now)
        yield Row({"name": name, "phone": number})

    def _reachable(self) -> Iterator[Element | None]:
        """Whom to call, the nearest first: the place, its organisation, the clinician, the patient's own doctor."""
        if "procedure" in self._template.needs:
            of = self._planned
            yield from of.source.each("locationReference")
            if of.appointment is not None:
                actors = [one.get("actor") for one in of.appointment.each("participant")]
                yield from sorted(
                    (one for one in actors if one is not None), key=lambda one: "Location/" not in one.text("reference")
                )
            yield from of.source.each("performer")
            yield of.source.get("requester")
        elif "visit" in self._template.needs:
            yield from self._of_visit(self._visit[0])
        else:
            for one in self._medicines:
                visit = self._record.target(one.source.get("encounter"))
                if visit is not None:
                    yield from self._of_visit(visit)
            for one in self._medicines:
                yield one.source.get("requester")
        yield from self._record.patient.each("generalPractitioner")
        yield self._record.patient.get("managingOrganization")

    @staticmethod
    def _of_visit(visit: Element) -> Iterator[Element | None]:
        yield from (one.get("location") for one in visit.each("location"))
        yield visit.get("serviceProvider")
        yield from clinicians_of(visit)


_ROWS: Final[Mapping[str, Callable[[Facts], Iterator[Row]]]] = MappingProxyType({
    "patient": Facts._patient,
    "visit": Facts._visits,
    "reason": Facts._reasons,
    "done": Facts._done,
    "medicine": Facts._medicine,
    "appointment": Facts._appointments,
    "procedure": Facts._procedure,
    "preparation": Facts._preparations,
    "foreign": Facts._foreign,
    "contact": Facts._contact,
})  # fmt: skip
"""How the rows of a group are found."""
MISSING: Final = MappingProxyType({
    "patient": "name-missing", "visit": "visit-missing", "reason": "reason-missing", "medicine": "medicine-missing",
    "procedure": "procedure-missing", "contact": "contact-missing",
})  # fmt: skip
"""Codes of the refusals where a group has no rows."""
