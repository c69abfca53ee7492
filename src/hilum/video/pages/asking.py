"""A video is asked for on a page: of whose record, from where, by which template, in which language and shape.

Who is meant here is looked for as staff type it, and chosen by name: also where one alone fits, since a video of
somebody else is worse than none. At an EHR it is a number. What hilum refuses is said at its field.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from hilum.access import repeated
from hilum.fhir.naming import about, name
from hilum.fhirpath.references import local
from hilum.problems import Conflict, Forbidden, Invalid, NotFound, Problem, Unprocessable
from hilum.search.limits import TooCostly
from hilum.search.typed import asked_for
from hilum.video.pages import people, words
from hilum.video.pages.desk import Desk, SignedIn, staff
from hilum.video.pages.listing import PATH
from hilum.video.sources import PATIENT
from hilum.video.wish import wish
from hilum.web.message import Answer, Asked, Form, see_other
from hilum.web.routing import Route

MAKE: Final = f"{PATH}/make"
MOST: Final = 20
"""Patients among whom somebody chooses."""
_LONGEST: Final = 200
_SECRET: Final = 16
_EMPTY: Final = "Enter a name, a date of birth or a number of the record."
_CHOOSE: Final = "Choose whose record it is."


class Filled(msgspec.Struct, frozen=True):
    """The form as somebody has filled it in. `whom`: `Patient/17`, chosen among those whom `looked` found. `once`: of
    one page; what is sent twice from it is made once.
    """

    once: str
    patient: str = ""
    looked: str = ""
    whom: str = ""
    ehr: str = ""
    template: str = ""
    language: str = "en"
    shape: str = "wide"


class Person(NamedTuple):
    """A patient to choose. `about`: what tells them from others of the same name."""

    reference: str
    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Fitting:
    """The patients who fit what was typed. `more`: these are the first ones only."""

    people: tuple[Person, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why it is not asked for. `wrong`: by the names of fields; `message`: what is wrong with no single one."""

    wrong: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    status: int = 422


async def show(desk: Desk, asked: Asked) -> Answer:
    """GET /videos/make: the form; with `again=ID` filled in as that video was asked for. Raises NotFound, Forbidden."""
    here = await staff(desk, asked)
    if isinstance(here, Answer):
        return here
    if not desk.videos.may_ask(here.who):
        raise Forbidden("Your role lets you look at videos, and not ask for one.")
    filled = Filled(secrets.token_urlsafe(_SECRET))
    if id := asked.query.get("again"):
        one = await desk.videos.get(here.who, id)
        filled = replace(
            filled, ehr=one.ehr, template=one.template, language=one.language or "en", shape=one.shape or "wide"
        )
        if one.patient and not one.ehr:
            filled = replace(filled, patient=one.patient, looked=one.patient, whom=one.patient)
            with suppress(Refused):  # it is not there any more, and nobody is chosen
                return await _page(desk, here, filled, await _fitting(desk, here, one.patient))
    return await _page(desk, here, filled)


async def make(desk: Desk, asked: Asked) -> Answer:
    """POST /videos/make: who fits is shown, to be chosen; of who was chosen a video is made. Raises Busy."""
    here = await staff(desk, asked)
    if isinstance(here, Answer):
        return here
    filled = _filled(asked.form)
    if not filled.patient:
        empty = "Enter the number that the patient has there." if filled.ehr else _EMPTY
        return await _page(desk, here, filled, refusal=Refusal({"patient": empty}))
    fitting = Fitting()
    if not filled.ehr:
        try:
            fitting = await _fitting(desk, here, filled.patient)
        except Refused as refused:
            return await _page(desk, here, filled, refusal=Refusal({"patient": str(refused)}))
        if filled.looked != filled.patient:  # whoever was chosen was found by other words
            return await _page(desk, here, replace(filled, looked=filled.patient, whom=""), fitting)
        if filled.whom not in [one.reference for one in fitting.people]:
            return await _page(desk, here, filled, fitting, Refusal({"whom": _CHOOSE}))
    whom = filled.patient if filled.ehr else filled.whom
    wanted = wish(whom, filled.template, filled.ehr, language=filled.language, shape=filled.shape)
    try:
        key = repeated.key(here.who, _once(filled), b"")
        one = await desk.videos.ask(here.who, wanted, key)
    except (Invalid, NotFound, Conflict, Forbidden) as problem:
        return await _page(desk, here, filled, fitting, _refusal(problem))
    return see_other(f"{PATH}/{one.id}")


class Refused(Exception):
    """What was typed can't be looked for; the text is for people."""


async def _fitting(desk: Desk, here: SignedIn, text: str) -> Fitting:
    """Who fits what was typed, of those whom this person may see. Raises Refused, Busy."""
    whose = local(text)
    wanted = [("_id", whose[1])] if whose is not None and whose[0] == PATIENT else asked_for(text)
    try:
        page = await people.found(desk, here, [*wanted, ("_sort", "family,given"), ("_count", str(MOST))])
    except (Unprocessable, TooCostly):
        raise Refused("This would find too much. Enter more.") from None
    except Invalid:
        raise Refused("This can't be looked for. A date is year-month-day.") from None
    if not page.resources:
        raise Refused("Nobody whom you may see fits all of that.")
    found = (Person(f"{PATIENT}/{one.id}", name(one.body) or "No name", about(one.body)) for one in page.resources)
    return Fitting(tuple(found), page.next is not None)


def _filled(form: Form) -> Filled:
    said = {name: form.get(name).strip()[:_LONGEST] for name in Filled.__struct_fields__}
    return Filled(**(said | {"once": said["once"] or secrets.token_urlsafe(_SECRET)}))


def _once(filled: Filled) -> str:
    """The page's own, with what was filled in: who goes back and asks for another one means another one."""
    return sha256(msgspec.json.encode(filled)).hexdigest()


def _refusal(problem: Problem) -> Refusal:
    """At its field, where the form has that."""
    text, place = str(problem), problem.issues[0].expression or ""
    status = 403 if isinstance(problem, Forbidden) else 422
    if place in _FIELDS:
        return Refusal({place: text}, status=status)
    return Refusal(message=text, status=status)


_FIELDS: Final = ("ehr", "patient", "whom", "template", "language", "shape")


async def _page(
    desk: Desk, here: SignedIn, filled: Filled, fitting: Fitting | None = None, refusal: Refusal | None = None
) -> Answer:
    found, refused = fitting or Fitting(), refusal or Refusal()
    templates = desk.videos.templates()
    languages = sorted({code for one in templates.values() for code in one.languages})
    return desk.page(
        "make.html",
        refused.status if refusal else 200,
        nav=here.nav,
        csrf=here.csrf(MAKE),
        action=MAKE,
        filled=filled,
        people=found.people,
        more=found.more,
        wrong=refused.wrong,
        message=refused.message,
        first=next((name for name in _FIELDS if name in refused.wrong), ""),
        places=await desk.videos.places(here.who),
        templates={name: one.title for name, one in sorted(templates.items())},
        languages={code: words.LANGUAGES.get(code, code) for code in languages},
        shapes=words.SHAPES,
    )


ROUTES: Final = (Route("GET", MAKE, show), Route("POST", MAKE, make))
