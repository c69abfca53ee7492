"""What a clinician may change: advice that is the same for everybody, within the template's limits. Never facts.

A number, a dose, a drug, a day or a side comes from the record alone, where it is cited; so an edit states none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from hilum.video import spellings
from hilum.video.allergies import CLASSES
from hilum.video.drugs import drug, folded
from hilum.video.elements import Element
from hilum.video.phrases import Phrases
from hilum.video.phrases import language as of_language
from hilum.video.refusals import refused
from hilum.video.script import Script, Sentence
from hilum.video.sides import sides
from hilum.video.templates import Template
from hilum.video.wording import printable
from hilum.video.writing import readable

EDITED: Final = "edited"
"""The phrase of a sentence that a person wrote."""
_DRUGS: Final = frozenset(folded(one) for drugs in CLASSES.values() for one in drugs)
_MAY: Final = frozenset(("may", "march"))
"""Months that are other words too where they have a small letter."""


def edited(script: Script, changes: Mapping[str, str], template: Template) -> Script:
    """The script with other texts in some sentences, by their ids, and its grade anew. Raises Refused."""
    phrases = of_language(script.language)
    known = {one.id: one for scene in script.scenes for one in scene.sentences}
    made: dict[str, Sentence] = {}
    for id, text in changes.items():
        if id not in known or not known[id].limit:
            raise refused("edit-sentence", "Expected the id of a sentence of advice: only these can be edited.", id)
        one = " ".join(text.split(" ")).strip()
        _allowed(script, phrases, known[id], one)
        if one != known[id].text:
            made[id] = msgspec.structs.replace(known[id], text=one, phrase=EDITED, spoken="")
    scenes = tuple(
        msgspec.structs.replace(scene, sentences=tuple(made.get(one.id, one) for one in scene.sentences))
        for scene in script.scenes
    )
    ids = (one.id for scene in scenes for one in scene.sentences if one.phrase == EDITED)
    return readable(msgspec.structs.replace(script, scenes=scenes, edited=tuple(ids)), template)


def _allowed(script: Script, phrases: Phrases, sentence: Sentence, text: str) -> None:
    """Raises Refused."""
    if not text or len(text) > sentence.limit:
        raise refused(
            "edit-length", f"Expected from 1 to {sentence.limit} characters; this has {len(text)}.", sentence.id
        )
    if not printable(text):
        raise refused("edit-characters", "Expected one line without control characters.", sentence.id)
    words = re.findall(r"[^\W\d_]+", text)
    small = {word.casefold() for word in words}
    units = {name for names in spellings.units().values() for name in names}
    days = {one.casefold() for one in (*phrases.months, *phrases.weekdays)}
    stated = (
        ("a number", any(one.isnumeric() for one in text) or small & set(phrases.numbers)),
        ("a unit of doses", small & units),
        ("a drug", any(map(drug, small)) or {*map(folded, small)} & {*_DRUGS, *map(folded, script.exempt)}),
        ("a day or a month", ({*words} & {*phrases.months}) | (small & (days - _MAY))),
        ("a side of the body", sides((Element("", "", text),))),
    )
    for what, found in stated:
        if found:
            raise refused(
                "edit-fact", f"This states {what}; advice has none, since they come from the record.", sentence.id
            )
