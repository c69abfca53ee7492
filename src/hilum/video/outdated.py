"""Whether a script still tells what the record says: it is compared with one that is written now, of the same record.

What counts is what the patient is told, and the values that it came from: another version of a resource that says the
same changes nothing. Of advice it counts which there is, and not how a person has put it.

Where hilum, the template or the phrases are others than they were, the same facts are told in other words. That takes
no video away from a patient: then the elements that are cited count alone, and what they say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from hilum.problems import Conflict
from hilum.video.script import Refused, Scene, Script, Sentence

CHANGED: Final = "The record has changed since this video was made: it is not shown any more. Ask for a new one."
"""What is said to who sees no more of the record than the video."""
MOST_NAMED: Final = 6
"""Scenes that a message names; of each as many elements."""

Fact = tuple[str, str, str, str, tuple[Any, ...]]
"""What counts of a sentence: its id, its phrase, what is shown and spoken, and the values of what it cites."""


@dataclass(frozen=True, slots=True)
class Outdated:
    """Why a script is not to be told any more, by names of scenes and elements. `element`: of FHIR, that stops it."""

    text: str
    element: str = ""


class OutOfDate(Conflict):
    """Who follows a link is shown no video that is outdated. `language`: of the video."""

    def __init__(self, language: str) -> None:
        super().__init__(CHANGED)
        self.language = language


def compared(then: Script, now: Script) -> Outdated | None:
    """What is told otherwise now; None: nothing is."""
    named = _scenes(then, now) if then.wording == now.wording else _differing(then, now)
    if not named and then.first_name != now.first_name:
        named = ["the patient's first name"]
    if not named:
        return None
    return Outdated(f"The record has changed since this was made. It differs in: {_some(named, '; ')}.")


def unwritten(why: Refused) -> Outdated:
    """No script can be written any more. A refusal names elements and drugs, and no other data of the patient."""
    text = "The record has changed since this was made, or time has passed, and no script can be written of it now."
    return Outdated(f"{text} {why.text}", why.element)


# --- in the same wording ----------------------------------------------------------------------------------------------


def _scenes(then: Script, now: Script) -> list[str]:
    """The scenes that tell something else, each with the elements that it told, or tells."""
    edited = frozenset(then.edited)
    before, after = ({scene.id: scene for scene in one.scenes} for one in (then, now))
    named = []
    for id in dict.fromkeys((*before, *after)):
        old, new = before.get(id), after.get(id)
        if _told(old, edited) != _told(new, edited):
            elements = sorted({*_elements(old, new), *_elements(new, old)})
            named.append(f"the scene {id} ({_some(elements, ', ')})" if elements else f"the scene {id}")
    return named


def _told(scene: Scene | None, edited: frozenset[str]) -> object:
    """What counts of a scene; None where there is none."""
    return None if scene is None else (scene.picture, [_fact(one, edited) for one in scene.sentences])


def _fact(one: Sentence, edited: frozenset[str]) -> Fact:
    if one.limit:
        return one.id, "" if one.id in edited else one.phrase, "", "", ()
    return one.id, one.phrase, one.text, one.spoken, tuple(cite.value for cite in one.cites)


def _elements(scene: Scene | None, other: Scene | None) -> Iterator[str]:
    """The elements that are told in this one, and not with this value in the other."""
    values = [] if other is None else [cite.value for one in other.sentences for cite in one.cites]
    for one in scene.sentences if scene is not None else ():
        yield from (cite.path for cite in one.cites if cite.value not in values)


# --- in another wording -----------------------------------------------------------------------------------------------


def _differing(then: Script, now: Script) -> list[str]:
    """The elements that were told and are told no more, or the other way round, or have another value."""
    return sorted({path for _, path, _ in _cited(then) ^ _cited(now)})


def _cited(one: Script) -> set[tuple[str, str, bytes]]:
    """Whose elements a script tells, which, and what they say, to the digit."""
    return {
        (cite.reference.partition("/_history/")[0], cite.path, _exact.encode(cite.value))
        for scene in one.scenes
        for said in scene.sentences
        for cite in said.cites
    }


_exact: Final = msgspec.json.Encoder(order="deterministic", decimal_format="string", enc_hook=str)


def _some(names: list[str], between: str) -> str:
    more = len(names) - MOST_NAMED
    return between.join(names[:MOST_NAMED]) + (f"{between}and {more} more" if more > 0 else "")
