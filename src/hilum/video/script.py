"""A script: what a patient is told, scene by scene, and for each sentence the elements of FHIR that it came from.

It is a value: made by `hilum.video.writing` of resources and a template, edited and approved by a clinician, handed to
a renderer. As JSON it is what the API shows, and what a checker reads that knows nothing of hilum.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hilum.fhir import json

WHY: Final = "why"
DO: Final = "do"
CALL: Final = "call"
WHOM: Final = "whom"
TEACH_BACK: Final = "teach-back"
TITLE: Final = "title"
"""Roles of scenes: each template has all of them."""


class Citation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An element that a sentence came from. `reference`: of the version, `MedicationRequest/17/_history/2`. `path`:
    simple FHIRPath from the resource, with indices: `MedicationRequest.dosageInstruction[0].doseAndRate[0].dose`.
    `value`: the element as it stands there. `said`: the very words of the sentence that tell it; "" where it only
    decided that the sentence is there.
    """

    reference: str
    path: str
    value: Any
    said: str = ""


class Sentence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One. `id`: its own within the script. `phrase`: the entry of the phrase table that it was made of, `edited` where
    a person wrote it. `cites` is empty only where nothing is said about the patient. `spoken`: for the voice, where it
    is not the text ("2.5 mg": "2 point 5 milligrams"). `limit`: characters that an edit may have; 0: it can't be
    edited, since it tells what stands in the record.
    """

    id: str
    text: str
    phrase: str
    cites: tuple[Citation, ...] = ()
    spoken: str = ""
    limit: int = 0


PAIRED: Final = ("eye", "ear", "shoulder", "arm", "hand", "hip", "leg", "knee", "foot")
"""Parts of the body that there are twice."""
BODY: Final = ("head", "neck", "chest", "belly", "back", *(f"{s}-{part}" for part in PAIRED for s in ("left", "right")))
"""Places of a picture of the body, left and right being the patient's own."""


class Mark(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A mark in a picture. `at`: of a clock HH:MM, of a calendar YYYY-MM-DD, of the body a place of `BODY`."""

    at: str
    label: str = ""


class Picture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A simple drawing. `kind`: `body`, `clock`, `calendar`, `pill`, `phone`, `question`, `heart`; "" for none. `text`:
    what it shows, for who does not see it.
    """

    kind: str = ""
    marks: tuple[Mark, ...] = ()
    text: str = ""


class Scene(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is shown at one time. `role`: of those above."""

    id: str
    role: str
    heading: str
    sentences: tuple[Sentence, ...]
    picture: Picture = Picture()


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A whole one. `sources`: references of the versions that it was made from. `exempt`: words that the reading grade
    does not count (names of drugs). `grade`: Flesch-Kincaid. `notice`: shown in each scene, such as that nobody has
    reviewed the translation; "" for none. `made`: RFC 3339. `first_name`: all that is told of who the patient is.
    """

    template: str
    language: str
    title: str
    first_name: str
    scenes: tuple[Scene, ...]
    sources: tuple[str, ...]
    made: str
    grade: float
    exempt: tuple[str, ...] = ()
    notice: str = ""
    edited: tuple[str, ...] = ()
    """Ids of the sentences that a person has changed."""
    wording: str = ""
    """What it was put into words by, as a digest (`hilum.video.writing`): where that is the same, equal facts are told
    in equal words.
    """


_decoder: Final = msgspec.json.Decoder(Script, float_hook=json.number)


def written(script: Script) -> bytes:
    """As JSON; numbers in it keep their digits, as everywhere in hilum."""
    return json.encode(script)


def read(raw: bytes) -> Script:
    """Of what `written` wrote."""
    return _decoder.decode(raw)


class Refused(Exception):
    """No script: data that is missing, stale or in conflict stops it. `code`: of a table, for programs; `element`:
    where it stands; the text is for people, in our words, without patient data but for names of elements and of drugs.
    """

    def __init__(self, code: str, text: str, element: str = "") -> None:
        super().__init__(text)
        self.code, self.text, self.element = code, text, element
