"""The script of a patient's video, written from resources. Nothing here looks at a clock, a disk or a network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

import msgspec

from hilum import __version__
from hilum.fhir.resource import Resource
from hilum.video.elements import Record
from hilum.video.facts import MISSING, Facts, Row
from hilum.video.phrases import Phrases, Review, Told
from hilum.video.phrases import language as of_language
from hilum.video.pronouncing import pronounced
from hilum.video.reading import graded, hardest
from hilum.video.refusals import refused
from hilum.video.script import Mark, Picture, Scene, Script, Sentence
from hilum.video.templates import Say, SceneOf, Template
from hilum.video.wording import clock, day


def write(
    template: Template,
    language: str,
    resources: Iterable[Resource],
    now: datetime,
    reviews: Iterable[Review] = (),
) -> Script:
    """The script of one patient. Equal arguments give equal scripts. Raises Refused.

    `resources`: of one patient, in any order, more than are needed do no harm. `now`: with an offset. `reviews`: of
    phrase tables, beside those that the tables have themselves.
    """
    phrases = of_language(language)
    if language not in template.languages:
        raise refused("language-unknown", f"This template is for: {', '.join(template.languages)}.")
    if template.phrases.get(language):
        phrases = msgspec.structs.replace(phrases, phrases={**phrases.phrases, **template.phrases[language]})
    record = Record(resources)
    made = _Writing(template, phrases, Facts(record, phrases, template, now))
    scenes = tuple(made.scenes())
    script = Script(
        template=template.name,
        language=language,
        title=phrases.say(template.scenes[0].heading).text,
        first_name=made.facts.rows("patient")[0].slots["name"].text,
        scenes=scenes,
        sources=tuple(sorted({cite.reference for one in scenes for said in one.sentences for cite in said.cites})),
        made=now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        grade=0.0,
        exempt=made.facts.exempt,
        notice=phrases.by(reviews),
        wording=wording(template, phrases),
    )
    return readable(script, template)


def wording(template: Template, phrases: Phrases) -> str:
    """What names all that turns facts into words: the template, the table, and hilum, whose code puts them together."""
    made = sha256(__version__.encode())
    for part in (template, phrases):
        made.update(_encoder.encode(part))
    return made.hexdigest()[:_WORDING]


_encoder: Final = msgspec.json.Encoder(enc_hook=dict)
"""Tables that can't be changed are no dicts of their own."""
_WORDING: Final = 16


def readable(script: Script, template: Template) -> Script:
    """The script with its reading grade. Raises Refused where that is above the template's, naming a sentence."""
    found = graded(script)
    if found > template.grade:
        id = hardest(script)
        raise refused(
            "grade",
            f"The text has the reading grade {found}; {template.name} allows {template.grade:g}. "
            f"What makes it hardest to read is the sentence {id}.",
            id,
        )
    return msgspec.structs.replace(script, grade=found)


def placeholders(script: Script) -> dict[str, str]:
    """A script as flat names and texts, for a service that fills placeholders. No ids, no numbers of the patient. What
    is spoken has its numbers in words, since nobody knows what a voice elsewhere makes of the point of `0.125`.
    """
    flat = {"first_name": script.first_name, "title": script.title, "language": script.language}
    if script.notice:
        flat["notice"] = script.notice
    for number, scene in enumerate(script.scenes, 1):
        flat[f"scene_{number}_heading"] = scene.heading
        flat[f"scene_{number}_text"] = " ".join(one.text for one in scene.sentences)
        spoken = " ".join(one.spoken or one.text for one in scene.sentences)
        flat[f"scene_{number}_spoken"] = pronounced(spoken, script.language)
    return flat


@dataclass(frozen=True, slots=True)
class _Writing:
    template: Template
    phrases: Phrases
    facts: Facts

    def scenes(self) -> Iterator[Scene]:
        for group in self.template.needs:
            if not self.facts.rows(group):
                raise refused(MISSING.get(group, "missing"), f"The template needs: {group}. There is none.", group)
        for scene in self.template.scenes:
            if scene.where and not self.facts.rows(scene.where):
                continue
            if not scene.each:
                yield self._scene(scene, scene.id, {})
                continue
            for number, row in enumerate(self.facts.rows(scene.each), 1):
                yield self._scene(scene, f"{scene.id}-{number}", {scene.each: row})

    def _scene(self, scene: SceneOf, id: str, current: Mapping[str, Row]) -> Scene:
        told = [pair for say in scene.says for pair in self._told(say, current)]
        if not told:
            raise refused("missing", f"The scene {scene.id} has nothing to say.", scene.id)
        sentences = tuple(
            Sentence(
                id=f"{id}-{number}",
                text=one.text,
                phrase=phrase,
                cites=one.cites,
                spoken=one.spoken if one.spoken != one.text else "",
                limit=limit,
            )
            for number, (phrase, one, limit) in enumerate(told, 1)
        )
        heading = self.phrases.say(scene.heading).text
        return Scene(id, scene.role, heading, sentences, self._picture(scene, current))

    def _told(self, say: Say, current: Mapping[str, Row]) -> Iterator[tuple[str, Told, int]]:
        if (say.where and not self.facts.rows(say.where)) or (say.unless and self.facts.rows(say.unless)):
            return
        group = say.each or say.tell
        rows = (current[group],) if group in current else self.facts.rows(group) if group else (None,)
        for row in rows:
            here = {**current, group: row} if row is not None else current
            if say.tell:
                assert row is not None
                yield from ((phrase, told, 0) for phrase, told in row.sentences)
            elif (told := self._phrase(say, here)) is not None:
                yield say.phrase, told, say.limit

    def _phrase(self, say: Say, current: Mapping[str, Row]) -> Told | None:
        slots: dict[str, Told] = {}
        for slot in sorted(self.phrases.slots(say.phrase)):
            group, _, name = slot.partition(".")
            rows = (current[group],) if group in current else self.facts.rows(group)
            told = rows[0].slots.get(name) if rows else None
            if told is None:
                if say.optional:
                    return None
                code = _WITHOUT.get(slot, "missing" if rows else MISSING.get(group, "missing"))
                raise refused(code, f"{say.phrase} needs {slot}, which is not there.", slot)
            slots[slot] = told
        return self.phrases.say(say.phrase, **slots)

    def _picture(self, scene: SceneOf, current: Mapping[str, Row]) -> Picture:
        rows = list(current.values()) or [row for group in self._groups(scene) for row in self.facts.rows(group)]
        kind, shown = scene.picture, ""
        marks: tuple[Mark, ...] = ()
        if kind == "calendar":
            days = [row.day for row in rows if row.day is not None][:1]
            marks = tuple(Mark(one.isoformat()) for one in days)
            shown = "".join(self.phrases.say("picture-calendar", date=day(self.phrases, one)).text for one in days)
        elif kind == "clock":
            times = [one for row in rows for one in row.times]
            marks = tuple(Mark(f"{one:%H:%M}") for one in times)
            names = ", ".join(clock(self.phrases, one) for one in times)
            shown = self.phrases.say("picture-clock", times=names).text if times else ""
        elif kind == "body":
            places = [one for row in rows for one in row.places]
            marks = tuple(Mark(one) for one in places)
            names = ", ".join(self.phrases.body[one] for one in places)
            shown = self.phrases.say("picture-body", site=names).text if places else ""
        if kind in _PLAIN and not marks:
            kind = _PLAIN[kind]
        return Picture(kind, marks, shown or (self.phrases.say(f"picture-{kind}").text if kind else ""))

    def _groups(self, scene: SceneOf) -> list[str]:
        """The groups that a scene speaks of, in their order."""
        names = [
            slot.partition(".")[0]
            for say in scene.says
            if say.phrase
            for slot in sorted(self.phrases.slots(say.phrase))
        ]
        return list(dict.fromkeys(names))


_WITHOUT: Final = {"visit.kind": "reason-missing"}
"""Refusals where a row has nothing for a slot."""
_PLAIN: Final = {"calendar": "heart", "clock": "pill", "body": "heart"}
"""What is drawn where there is nothing to mark."""
