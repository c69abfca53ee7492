"""Which facts of a script nothing in its Bundle supports. It imports nothing from hilum, and trusts no citation.

A script is JSON as `hilum.video.script` has it. Each sentence is read (`words`), and what it states is held against the
elements that may say so (`supports`): the right resource, that holds now, of the medicine that is being told. What
must be told and is not, is found too; and then the script's own citations are followed (`citations`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from tests.oracle.video.citations import uncited, wrong_citations
from tests.oracle.video.record import Body, Record, parse, plain, sides, words
from tests.oracle.video.supports import TOPICS, Context, Key, Support, dosages, dosed, weekday
from tests.oracle.video.words import Reading


class Finding(NamedTuple):
    """`where`: the id of a sentence or scene. `kind`: of the fact; `said`: its words."""

    where: str
    kind: str
    said: str


def check(script_json: str | bytes, bundle: str | bytes, now: datetime) -> list[Finding]:
    """All that is wrong; an empty list where every fact is supported and none is missing."""
    script, record = parse(script_json), Record(bundle, now)
    return list(_Checking(script, record).findings())


class _Checking:
    def __init__(self, script: Body, record: Record) -> None:
        self.script, self.record = script, record
        self.language, self.drugs = script["language"], record.drugs
        self.context = Context(record, script["template"])
        self.told: list[Key] = []

    def findings(self) -> Iterator[Finding]:
        script, record = self.script, self.record
        if plain(script["first_name"]) not in record.first_names():
            yield Finding("", "name", script["first_name"])
        drugs = {
            word for one in record.medicines for text in record.drug(one) for word in re.findall(r"[^\W\d_]+", text)
        }
        yield from (Finding("", "exempt", word) for word in script.get("exempt", ()) if word not in drugs)
        yield from (Finding("", "source", one) for one in script["sources"] if one not in record.references)
        cited = {
            cite["reference"] for scene in script["scenes"] for s in scene["sentences"] for cite in s.get("cites", ())
        }
        yield from (Finding("", "source", one) for one in sorted(cited ^ set(script["sources"])))
        yield from self._bare("", script["title"])
        for scene in script["scenes"]:
            yield from self._bare(scene["id"], scene["heading"])
            yield from self._scene(scene)
        yield from self._untold()

    def _bare(self, where: str, text: str) -> Iterator[Finding]:
        """Headings state nothing."""
        for fact in Reading(text, self.language).facts:
            if fact.kind not in ("name", "word"):
                yield Finding(where, fact.kind, fact.text)

    def _scene(self, scene: Body) -> Iterator[Finding]:
        before = len(self.told)
        stated: set[Key] = set()
        self.context.subject, self.context.number = None, None
        texts = " ".join(one["text"] for one in scene["sentences"])
        known = {number for one in self.record.current.values() for number in self.record.phones(one)}
        self.context.numbers = frozenset(number for number in known if number in texts)
        for sentence in scene["sentences"]:
            yield from self._sentence(sentence, stated)
        subject = self.context.subject
        if subject is not None and subject["resourceType"].startswith("Medication"):
            yield from self._omitted(scene["id"], subject, self.told[before:])
        elif subject is not None and subject["resourceType"] == "Procedure" and ("site",) not in self.told[before:]:
            for side in sorted(sides(*subject.get("bodySite", ()))):
                yield Finding(scene["id"], "omitted side", side)
        yield from self._picture(scene, stated)

    def _sentence(self, sentence: Body, stated: set[Key]) -> Iterator[Finding]:
        id, text = sentence["id"], sentence["text"]
        topic = next((name for name, pattern in TOPICS.items() if pattern.search(text)), "")
        if self._prepared(text):
            self.told.append(("preparation", text))
        else:
            alternatives = self.context.alternatives(topic) if topic else [Support()]
            judged = [(self._judge(text, one), self.told.count(one.label), one) for one in alternatives or [Support()]]
            found, _, support = min(judged, key=lambda one: (len(one[0]), one[1]))
            yield from (Finding(id, kind, words) for kind, words in found)
            if topic and not alternatives and not found:
                yield Finding(id, topic, text)
            if support.label:
                self.told.append(support.label)
            self._turn(topic, support)
            reading = Reading(text, self.language, support.strings, self.drugs)
            stated |= {weekday(one.key) for one in reading.facts}
            if sentence.get("spoken"):
                yield from self._spoken(sentence, topic, support)
            yield from (Finding(id, "uncited", one) for one in uncited(sentence, reading))
        yield from (Finding(id, "citation", why) for why in wrong_citations(sentence, self.record, self.language))

    def _turn(self, topic: str, support: Support) -> None:
        """What the next sentences are about."""
        if topic in ("medicine", "done", "procedure", "next-date"):
            self.context.subject, self.context.number = support.subject, None
        elif topic == "dose" and support.label:
            self.context.number = support.label[1]
        elif topic == "contact":
            self.context.whom = (support.subject,) if support.subject is not None else ()

    def _judge(self, text: str, support: Support, *, spoken: bool = False) -> list[tuple[str, str]]:
        """What a text states without that support, and what it leaves out."""
        reading = Reading(in_digits(text) if spoken else text, self.language, support.strings, self.drugs)
        found = [
            (one.kind, one.text)
            for one in reading.facts
            if weekday(one.key) not in support.facts and not one.means(support.words)
        ]
        stated = [weekday(one.key) for one in reading.facts]
        found += [(f"without {key[0]}", str(key)) for key in support.required if key not in stated]
        found += [(f"twice {key[0]}", str(key)) for key in set(stated) & support.required if stated.count(key) > 1]
        if not spoken:
            found += [("without words", " / ".join(sorted(need))) for need in support.needs if not need & reading.told]
        return found

    def _spoken(self, sentence: Body, topic: str, support: Support) -> Iterator[Finding]:
        """A voice says the same, a number digit by digit."""
        if topic == "phone":
            if re.sub(r"\D", "", sentence["spoken"]) != re.sub(r"\D", "", sentence["text"]):
                yield Finding(sentence["id"], "spoken phone", sentence["spoken"])
        else:
            for kind, said in self._judge(sentence["spoken"], voiced(support), spoken=True):
                yield Finding(sentence["id"], f"spoken {kind}", said)

    def _instructions(self) -> list[str]:
        return [
            plain(one["patientInstruction"]) for one in self.record.planned if one and one.get("patientInstruction")
        ]

    def _prepared(self, text: str) -> bool:
        """Whether these are whole sentences of what the patient was told to do before the procedure."""
        if self.context.template != "procedure":
            return False
        whole = re.compile(rf"(?:^|(?<=[.!?] )){re.escape(text)}(?:$|(?= ))")
        return any(whole.search(one) and (text[-1:] in ".!?" or one.endswith(text)) for one in self._instructions())

    def _omitted(self, where: str, medicine: Body, told: list[Key]) -> Iterator[Finding]:
        """What of a medicine's dosages was not told. Of several quotations of one dosage one will do."""
        for number, one in enumerate(dosages(medicine)):
            for label in {support.label for support in dosed(one, number)}:
                if label not in told:
                    yield Finding(where, f"omitted {label[0]}", f"of {medicine['resourceType']}/{medicine['id']}")

    def _untold(self) -> Iterator[Finding]:
        """What the whole script had to tell, once."""
        template, record = self.context.template, self.record
        must: list[Key] = [("contact",)]
        if template == "procedure":
            must += [("procedure",), ("procedure-date",)]
            yield from self._side_of_procedure()
            told = " ".join(label[1] for label in self.told if label[0] == "preparation")
            for one in self._instructions():
                pieces = re.split(r"(?<=[.!?]) ", one)
                yield from (Finding("", "omitted preparation", piece) for piece in pieces if piece not in told)
        else:
            must += [one.label for one in self.context.alternatives("medicine")]
        if template == "after-visit":
            must += [("visit-date",), *(one.label for one in self.context.alternatives("done"))]
            must += [("next",)] if record.booked else []
        for label in must:
            if self.told.count(label) != 1:
                yield Finding("", f"told {self.told.count(label)} times", str(label))

    def _side_of_procedure(self) -> Iterator[Finding]:
        order, booked = self.record.planned
        if order is None:
            return
        whole = [
            order.get("code"),
            *order.get("bodySite", ()),
            (booked or {}).get("description"),
        ]
        prepared = {label[1] for label in self.told if label[0] == "preparation"}
        texts = [one["text"] for scene in self.script["scenes"] for one in scene["sentences"]]
        told = sides(*(text for text in texts if text not in prepared))
        for side in sorted(sides(*filter(None, whole)) ^ told):
            yield Finding("", "side", side)

    def _picture(self, scene: Body, stated: set[Key]) -> Iterator[Finding]:
        """A picture marks what the sentences beside it state."""
        picture: dict[str, Any] = scene.get("picture") or {}
        subject = self.context.subject or {}
        of_record = sides(subject.get("code"), *subject.get("bodySite", ())) if subject else set()
        for mark in picture.get("marks", ()):
            if picture["kind"] == "body":
                right = set(re.findall("left|right", mark["at"])) <= of_record
            else:
                right = any(weekday(one.key)[:2] == key[:2] and weekday(one.key)[:4] == key[:4]
                            for one in Reading(mark["at"], self.language).facts for key in stated)  # fmt: skip
            if not right:
                yield Finding(scene["id"], "mark", mark["at"])
        allowed = {one.casefold() for one in _all_words(subject)}
        for fact in Reading(picture.get("text", ""), self.language, drugs=self.drugs).facts:
            pill = picture["kind"] == "pill" and fact.key == ("dose", "1", "tablet")
            known = (
                pill or weekday(fact.key) in stated or fact.kind in ("word", "name") or fact.text.casefold() in allowed
            )
            if not known and not (fact.kind == "side" and fact.value[0] in of_record):
                yield Finding(scene["id"], f"picture {fact.kind}", fact.text)


def in_digits(spoken: str) -> str:
    """`0 point 1 2 5` as `0.125`."""
    pattern = r"(?<!\d)(\d+) (?:point|punto) (\d(?: \d)*)(?!\d)"
    return re.sub(pattern, lambda found: f"{found[1]}.{found[2].replace(' ', '')}", spoken)


def voiced(support: Support) -> Support:
    """What the record says, as a voice may say it too: `1 to 2` for `1-2`, `1000` for `1,000`."""
    other = set(support.strings)
    for word in ("to", "a"):
        other |= {re.sub(r"(\d) ?[-–] ?(\d)", rf"\1 {word} \2", one) for one in support.strings}
    other |= {re.sub(r"(?<=\d),(?=\d{3})", "", one) for one in other}
    return replace(support, strings=frozenset(other))


def _all_words(subject: Body) -> Iterable[str]:
    return (word for one in subject.get("bodySite", ()) for text in words(one) for word in text.split())
