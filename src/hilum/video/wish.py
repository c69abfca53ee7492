"""What somebody wants to have made, held against what there is, before it becomes an order."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from hilum.problems import Invalid
from hilum.video.making import Renderers, Writing
from hilum.video.order import Whom
from hilum.video.renderer import MEDIA, SIZES, Codec, Shape, Unrendered, Wanted
from hilum.video.script import TITLE, Scene, Script, Sentence


class Wish(msgspec.Struct, frozen=True):
    """A video. Either `patient` is hilum's own, `Patient/ID` or a medical record number, or `ehr` is a connection that
    `whom` is gathered from first. `renderer` "": the one of the settings.
    """

    template: str
    language: str = "en"
    patient: str = ""
    ehr: str = ""
    whom: Whom | None = None
    shape: Shape = "wide"
    codec: Codec = "vp9"
    narrated: bool = True
    renderer: str = ""


_MOST: Final = 64


def wish(patient: str, template: str, ehr: str = "", session: str = "", **more: Any) -> Wish:
    """What is said in words. `patient`: a medical record number, perhaps with its system, or `Patient/ID`; "" for whom
    the sign-in is about. `more`: fields of Wish.
    """
    if not ehr:
        return Wish(template, patient=patient, **more)
    type, slash, id = patient.partition("/")
    if not patient:
        whom = Whom("launch", session=session)
    elif slash and type == "Patient":
        whom = Whom("id", id, session)
    else:
        whom = Whom("mrn", patient, session)
    return Wish(template, ehr=ehr, whom=whom, **more)


def judged(wish: Wish, writing: Writing, renderers: Renderers) -> Wish:
    """The wish with its renderer, fit to be made as far as that is known before a script is written.

    Raises Invalid; its `expression` is the name of what doesn't fit.
    """
    languages = writing.templates().named(wish.template).languages
    if wish.language not in languages:
        text = f"The template {wish.template!r} has no language {wish.language[:_MOST]!r}"
        raise Invalid(f"{text}. It has: {', '.join(languages)}.", expression="language")
    if wish.shape not in SIZES:
        raise Invalid(f"The shape must be one of {', '.join(SIZES)}.", expression="shape")
    if wish.codec not in MEDIA:
        raise Invalid(f"The codec must be one of {', '.join(MEDIA)}.", expression="codec")
    name = wish.renderer or next(iter(renderers), "")
    renderer = renderers.get(name)
    if renderer is None:
        listed = ", ".join(renderers) or "none"
        raise Invalid(f"There is no renderer {name[:_MOST]!r}. There are: {listed}.", expression="renderer")
    try:
        renderer.fit(Wanted(_empty(wish), wish.shape, wish.codec, wish.narrated))
    except Unrendered as unmade:
        raise Invalid(unmade.text, expression="renderer") from None
    if bool(wish.patient) == bool(wish.ehr):
        raise Invalid("Say where the patient is: in hilum's own store (local), or at an EHR (ehr).", expression="ehr")
    return msgspec.structs.replace(wish, renderer=name)


def _empty(wish: Wish) -> Script:
    """A script that says nothing, in this language."""
    scene = Scene("title", TITLE, "", (Sentence("title-1", "", ""),))
    return Script(wish.template, wish.language, "", "", (scene,), (), "", 0.0)
