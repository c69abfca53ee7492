"""The work list: what awaits approval first, then all that there is, the last changed first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from hilum.fhir.task import CANCELLED
from hilum.video.pages import words
from hilum.video.pages.desk import Desk, moment, staff
from hilum.video.pages.people import called
from hilum.video.told import Told
from hilum.web.message import Answer, Asked
from hilum.web.routing import Route

PATH: Final = "/videos"
LISTED: Final = 20
AWAITED: Final = 100


class Row(NamedTuple):
    """A video in a list. `patient`: the name, "" where it is not to be shown or there is none yet."""

    id: str
    title: str
    patient: str
    language: str
    state: str
    tone: str
    made: str
    ehr: str
    outdated: bool


async def work(desk: Desk, asked: Asked) -> Answer:
    """GET /videos. Raises Forbidden, Busy."""
    here = await staff(desk, asked)
    if isinstance(here, Answer):
        return here
    before = asked.query.get("before")
    awaited = None if before else await desk.videos.list(here.who, AWAITED, status="on-hold")
    rest = await desk.videos.list(here.who, LISTED, before)
    others = [one for one in rest.videos if one.status != "on-hold"]
    waiting = list(awaited.videos) if awaited is not None else []
    names = await called(desk, here, [one.patient for one in (*waiting, *others)])
    return desk.page(
        "list.html",
        nav=here.nav,
        first=not before,
        waiting=[row(desk, one, names) for one in waiting],
        more_waiting=awaited is not None and bool(awaited.before),
        rows=[row(desk, one, names) for one in others],
        before=rest.before,
        asks=desk.videos.may_ask(here.who),
    )


def row(desk: Desk, one: Told, names: Mapping[str, str]) -> Row:
    """A video as lists and the head of its page show it."""
    template, step = desk.videos.templates().get(one.template), step_of(one)
    return Row(
        one.id,
        one.template if template is None else template.title,
        names.get(one.patient, ""),
        words.LANGUAGES.get(one.language, one.language),
        words.STEPS.get(step, step),
        words.TONES.get(step, ""),
        moment(one.created),
        one.ehr,
        one.outdated is not None,
    )


def step_of(one: Told) -> str:
    """How it is: of one that was stopped a moment ago nobody may have said so yet."""
    return "cancelled" if one.status in CANCELLED and one.step != "rejected" else one.step


ROUTES: Final = (Route("GET", PATH, work),)
