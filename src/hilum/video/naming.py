"""What conditions, procedures and parts of the body are called: in the script's language, where its table has them, and
always in the record's own words too.
"""

from __future__ import annotations

import re
from typing import Final

from hilum.video.elements import Element
from hilum.video.phrases import Phrases, Told
from hilum.video.script import PAIRED
from hilum.video.sides import PARTS, sides
from hilum.video.wording import concept, listed

SNOMED: Final = "http://snomed.info/sct"
_AROUND: Final = frozenset((
    "left", "right", "l", "r", "lt", "rt", "both", "bilateral", "structure", "of", "the", "region", "part", "entire",
))  # fmt: skip
"""Words around the name of a part of the body that make it no other part."""


def named(phrases: Phrases, element: Element | None) -> Told:
    """A CodeableConcept. A voice leaves out the record's words where there are others, unless they tell a side."""
    words = concept(element)
    if element is None or not words.text:
        return words
    for coding in element.each("coding"):
        code = coding.get("code")
        if code is not None and coding.text("system") == SNOMED and code.value in phrases.names:
            own = phrases.names[code.value]
            told = phrases.say("named", own=Told(own, own, (code.cite(own),)), words=words)
            sided = sides((Element("", "", words.text),))
            return told if sided else Told(told.text, own, told.cites)
    return words


def placed(phrases: Phrases, site: Element, side: frozenset[str]) -> Told:
    """A site of the body; in the script's language where the record's words name one part and nothing more exact."""
    words = concept(site)
    found = {word.removesuffix("s") for word in re.findall(r"\w+", words.text.casefold())} - _AROUND
    part = next((part for part, names in PARTS if len(found) == 1 and found <= set(names[:1])), "")
    keys = [f"{one}-{part}" for one in sorted(side)] if part in PAIRED else [part] if part else []
    own = listed(phrases, [Told(one, one, (site.cite(one),)) for one in (phrases.body[key] for key in keys)])
    return phrases.say("placed", own=own, words=words) if own.text else words
