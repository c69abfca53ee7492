"""The work list: what awaits approval first, then all that there is, the last changed first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from hilum.fhir.naming import name
from hilum.fhir.task import CANCELLED
from hilum.fhirpath.references import local
from hilum.interactions import search as searching
from hilum.problems import Forbidden
from hilum.search.parameters import Registry
from hilum.search.parse import Parsed, parse_query
from hilum.video.pages import words
from hilum.video.pages.desk import Desk, SignedIn, moment, staff
from hilum.video.told import Told
from hilum.web.message import Answer, Asked
from hilum.web.routing import Route

PATH: Final = "/videos"
LISTED: Final = 20
AWAITED: Final = 100
_PATIENT: Final = "Patient"


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


async def called(desk: Desk, here: SignedIn, references: Iterable[str]) -> dict[str, str]:
    """The names of those of these patients whom this person may see: noted as every other access. Raises Busy."""
    ids = [found[1] for one in dict.fromkeys(references) if (found := local(one)) and found[0] == _PATIENT]
    if not ids:
        return {}
    wanted = [("_id", ",".join(ids)), ("_count", str(len(ids)))]

    def understood(registry: Registry) -> Parsed:
        return parse_query(_PATIENT, wanted, base=desk.door.base, registry=registry)

    try:
        page = await searching.search(desk.door, here.who, await searching.understood(desk.door, wanted, understood))
    except Forbidden:
        return {}
    shown = tuple(one.seq for one in page.resources)
    await desk.trail.flushed(desk.trail.note(here.who, "search-type", _PATIENT, "", 0, 200, "", shown))
    return {f"{_PATIENT}/{one.id}": name(one.body) or "No name" for one in page.resources}


ROUTES: Final = (Route("GET", PATH, work),)
