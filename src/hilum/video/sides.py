"""Left and right, which must never be lost. Where a procedure is done, and on which side.

Sides are read from codes of SNOMED CT and from words, English and Spanish. Two elements that differ are refused, and so
is a part of the body that there is twice, without its side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from hilum.video.elements import Element
from hilum.video.refusals import refused
from hilum.video.script import PAIRED
from hilum.video.wording import codes

LEFT: Final = "left"
RIGHT: Final = "right"
_CODES: Final = {"7771000": {LEFT}, "24028007": {RIGHT}, "51440002": {LEFT, RIGHT}}
"""Qualifiers of SNOMED CT: left, right, right and left."""
PARTS: Final = (
    ("eye", ("eye", "ocular", "cataract", "ojo")),
    ("ear", ("ear", "oído", "oreja")),
    ("shoulder", ("shoulder", "hombro")),
    ("hand", ("hand", "wrist", "finger", "thumb", "carpal", "mano", "muñeca")),
    ("arm", ("arm", "elbow", "forearm", "brazo", "codo")),
    ("hip", ("hip", "cadera")),
    ("knee", ("knee", "rodilla")),
    ("foot", ("foot", "feet", "ankle", "toe", "heel", "pie", "tobillo")),
    ("leg", ("leg", "thigh", "calf", "pierna")),
    ("head", ("head", "brain", "cabeza")),
    ("neck", ("neck", "thyroid", "throat", "cuello")),
    ("chest", ("chest", "heart", "lung", "breast", "cardiac", "thorax", "pecho", "mammography")),
    ("belly", ("belly", "abdomen", "abdominal", "colon", "colonoscopy", "stomach", "appendix", "vientre")),
    ("back", ("back", "spine", "espalda")),
)
"""Parts of a picture of the body, and words that a record names them by: what a part is called first."""
_NAMES: Final = "|".join(name for _, names in PARTS for name in names)
_WORDS: Final = (
    (re.compile(rf"(?i:\b(?:left|izquierd[oa]s?)\b)|\b(?:L|Lt|LT)\b\.?(?=\s+(?i:{_NAMES}))"), {LEFT}),
    (
        re.compile(
            rf"(?i:\b(?:right(?! (?:away|now|after|before)\b)|derech[oa]s?)\b)|\b(?:R|Rt|RT)\b\.?(?=\s+(?i:{_NAMES}))"
        ),
        {RIGHT},
    ),
    (re.compile(r"(?i)\b(?:bilateral(?:es)?|both|ambos|ambas)\b"), {LEFT, RIGHT}),
)
"""Sides in words; a letter counts right before a part of the body."""


def sides(elements: Iterable[Element]) -> frozenset[str]:
    """The side that elements tell: none, one or both. Raises Refused where they differ."""
    told: frozenset[str] = frozenset()
    for element in elements:
        found = _sides(element)
        if found and told and found != told:
            raise refused("side-conflict", "One element tells another side of the body than another.", element.place)
        told = told or found
    return told


def _sides(element: Element) -> frozenset[str]:
    found: set[str] = set()
    for text in texts(element):
        for pattern, which in _WORDS:
            if pattern.search(text):
                found |= which
    if type(element.value) is dict:
        for _, code in codes(element):
            found |= _CODES.get(code, set())
    return frozenset(found)


def opposed(instructions: Iterable[Element], elements: Iterable[Element], side: frozenset[str]) -> None:
    """Raises Refused where instructions name the part of the body that elements name, with another side. To lie on the
    left side says nothing of a knee.
    """
    words = {word for element in elements for word in _words(element)}
    named = "|".join(name for _, names in PARTS if words & set(names) for name in names)
    if not named:
        return
    for element in instructions:
        for text in texts(element):
            for found in re.finditer(
                rf"(?i)\b(?:(left|right) (?:{named})|(?:{named}) (izquierd|derech)[oa])s?\b", text
            ):
                told = LEFT if (found[1] or found[2]).casefold() in ("left", "izquierd") else RIGHT
                if told not in side:
                    raise refused("side-conflict", "An instruction tells another side of the body.", element.place)


def unsaid(side: frozenset[str], elements: Iterable[Element | None], place: str) -> None:
    """Raises Refused where the words that will be told don't have the side that is known."""
    words = " ".join(text for element in elements for text in texts(element)[:1])
    if side and _sides(Element("", "", words)) != side:
        raise refused("side-missing", "The side stands only in a code, and must be told.", place)


def texts(element: Element | None) -> tuple[str, ...]:
    """The words of a CodeableConcept or a string."""
    if element is None:
        return ()
    if type(element.value) is str:
        return (element.value,)
    return tuple(filter(None, (element.text("text"), *(one.text("display") for one in element.each("coding")))))


def _words(element: Element) -> frozenset[str]:
    """The words of an element in small letters, each without an s at its end too."""
    found = re.findall(r"\w+", " ".join(texts(element)).casefold())
    return frozenset((*found, *(word.removesuffix("s") for word in found)))


def places(elements: Iterable[Element], side: frozenset[str]) -> tuple[str, ...]:
    """The places of a picture of the body that elements name. Raises Refused: a paired part whose side nobody tells."""
    for element in elements:
        words = _words(element)
        for part, names in PARTS:
            if words & set(names):
                if part not in PAIRED:
                    return (part,)
                if not side:
                    raise refused(
                        "side-missing", "This part of the body has a left and a right: expected which.", element.place
                    )
                return tuple(f"{one}-{part}" for one in sorted(side))
    return ()
