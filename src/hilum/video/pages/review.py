"""A video as a clinician looks at it: the draft, its script with the sources of each sentence, and other words."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from hilum.fhir import json
from hilum.fhirpath.references import local
from hilum.problems import Conflict, Invalid, NotFound, PreconditionFailed
from hilum.video.links import DEFAULT
from hilum.video.order import CAPTIONS, POSTER, TRANSCRIPT, VIDEO_FILE
from hilum.video.pages import words
from hilum.video.pages.desk import Desk, SignedIn, staff
from hilum.video.pages.listing import PATH, row
from hilum.video.pages.people import called
from hilum.video.script import Citation, Scene, Sentence
from hilum.video.told import Told
from hilum.video.videos import Written
from hilum.web import message
from hilum.web.assets import served
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

SECONDS: Final = 3
"""Between two looks of a browser without scripts at a video that is being made."""
FILES: Final = {"video": VIDEO_FILE, "captions": CAPTIONS, "transcript": TRANSCRIPT, "poster": POSTER}
"""What they are called in addresses."""
_UNDER_WAY: Final = ("requested", "in-progress")
_LONGEST_VALUE: Final = 300
_REFUSED: Final = "A sentence can't be put so: see below at it. Nothing was changed."
_CHANGED: Final = "Somebody has changed the script since. This is how it is now."


class Source(NamedTuple):
    """An element that a sentence came from. `link`: to its version in the console."""

    path: str
    value: str
    said: str
    reference: str
    link: str


class Line(NamedTuple):
    """A sentence. `text`: as it is, or as somebody wants it; `wrong`: why that is refused."""

    sentence: Sentence
    text: str
    wrong: str
    sources: list[Source]


class Part(NamedTuple):
    """A scene."""

    scene: Scene
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Drafted:
    """What somebody has asked for, that was refused. `texts`: by the ids of sentences; `wrong`: why, by the same ids;
    `message`: what is wrong with no single one of them.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    message: str = ""


async def show(desk: Desk, asked: Asked, id: str) -> Answer:
    """GET /videos/{id}. Raises NotFound, Forbidden, Busy."""
    here = await staff(desk, asked)
    return here if isinstance(here, Answer) else await page(desk, here, id)


async def progress(desk: Desk, asked: Asked, id: str) -> Answer:
    """GET /videos/{id}/progress: how far it is, for the page's script. Raises NotFound, Forbidden, Busy."""
    here = await staff(desk, asked)
    if isinstance(here, Answer):
        return here
    one = await desk.videos.look(here.who, id)
    state = words.STEPS.get(one.step, one.step)
    return message.json({"state": state, "percent": one.progress, "over": one.status not in _UNDER_WAY})


async def edit(desk: Desk, asked: Asked, id: str) -> Answer:
    """POST /videos/{id}: other words; it is rendered again. Raises NotFound, Forbidden, Conflict, Busy."""
    here = await staff(desk, asked)
    if isinstance(here, Answer):
        return here
    written = await desk.videos.script(here.who, id)
    texts = {
        one.id: " ".join(asked.form.get(f"text-{one.id}").split())
        for scene in written.script.scenes
        for one in scene.sentences
        if one.limit
    }
    before = {one.id: one.text for scene in written.script.scenes for one in scene.sentences}
    changes = {name: text for name, text in texts.items() if text != before[name]}
    if not changes:
        return await page(desk, here, id, Drafted(texts, message="No sentence was changed, so nothing is rendered."))
    try:
        await desk.videos.deciding.edit(here.who, id, changes, asked.form.get("script"))
    except Invalid as problem:
        place = problem.issues[0].expression or ""
        if place in texts:
            return await page(desk, here, id, Drafted(texts, {place: str(problem)}, _REFUSED))
        return await page(desk, here, id, Drafted(texts, message=str(problem)))
    except PreconditionFailed:
        return await page(desk, here, id, Drafted(message=_CHANGED))
    return see_other(f"{PATH}/{id}")


async def cancel(desk: Desk, asked: Asked, id: str) -> Answer:
    """POST /videos/{id}/cancel: nothing more is done of it. Raises NotFound, Forbidden, Busy."""
    here = await staff(desk, asked)
    if isinstance(here, Answer):
        return here
    with suppress(Conflict):  # it was over a moment before, and the page says how
        await desk.videos.cancel(here.who, id)
    return see_other(f"{PATH}/{id}")


async def file(desk: Desk, asked: Asked, id: str, name: str) -> Answer:
    """GET /videos/{id}/{name}: the video, its captions, transcript or poster. Raises NotFound, Forbidden, Busy."""
    here = await staff(desk, asked)
    if isinstance(here, Answer):
        return here
    if name not in FILES:
        raise NotFound("The video has no such file.")
    return desk.file(await desk.videos.file(here.who, id, FILES[name]), asked)


async def static(desk: Desk, asked: Asked, name: str) -> Answer:
    """GET /videos/static/{name}. Raises NotFound."""
    return served("hilum.video.pages", asked, name)


async def page(desk: Desk, here: SignedIn, id: str, drafted: Drafted | None = None, **more: Any) -> Answer:
    """The page of a video. `drafted`: what was refused. `more`: of links."""
    one = await desk.videos.get(here.who, id)
    decides = bool(one.patient) and desk.videos.deciding.may_decide(here.who, one)
    written = await _script(desk, here, one)
    outdated = await desk.videos.outdated(here.who, id) if written is not None else None
    names = await called(desk, here, [one.patient])
    links = await desk.videos.giving.links(here.who, id) if decides and one.step == "approved" else []
    makers = {agent: await desk.people.called(agent) for agent in {link.link.by for link in links}}
    refused = drafted is not None or bool(more.get("message"))
    return desk.page(
        "video.html",
        422 if refused else 200,
        scripted=True,
        media=True,
        nav=here.nav,
        csrf=here.csrf,
        one=one,
        row=row(desk, one, names),
        shape=words.SHAPES.get(one.shape, one.shape),
        going=one.status in _UNDER_WAY,
        seconds=SECONDS,
        decides=decides,
        editing=decides and one.step == "awaiting-approval",
        asks=desk.videos.may_ask(here.who),
        by=await desk.people.called(one.decided.by) if one.decided else "",
        editor=await desk.people.called(one.edited) if one.edited else "",
        todo=words.todo(one.reason.code) if one.reason else "",
        written=written,
        outdated=outdated,
        parts=[] if written is None else parts(written, drafted or Drafted()),
        drafted=drafted or Drafted(),
        links=links,
        makers=makers,
        expiries=words.EXPIRIES,
        proofs=words.PROOFS,
        **({"made": "", "message": "", "chosen": DEFAULT, "proof": "birth-date"} | more),
    )


def parts(written: Written, drafted: Drafted) -> list[Part]:
    """The script scene by scene, each sentence with what it came from."""
    return [
        Part(
            scene,
            [
                Line(
                    one,
                    drafted.texts.get(one.id, one.text),
                    drafted.wrong.get(one.id, ""),
                    [_source(cite) for cite in one.cites],
                )
                for one in scene.sentences
            ],
        )
        for scene in written.script.scenes
    ]


async def _script(desk: Desk, here: SignedIn, one: Told) -> Written | None:
    if one.step not in ("awaiting-approval", "approved"):
        return None
    try:
        return await desk.videos.script(here.who, one.id)
    except NotFound:  # it was rejected a moment ago
        return None


def _source(cite: Citation) -> Source:
    value = cite.value if isinstance(cite.value, str) else json.encode(cite.value).decode()
    if len(value) > _LONGEST_VALUE:
        value = f"{value[:_LONGEST_VALUE]}..."
    return Source(cite.path, value, cite.said, cite.reference, _console(cite.reference))


def _console(reference: str) -> str:
    """Where a version is shown; "" where it is none of ours."""
    base, _, version = reference.partition("/_history/")
    return f"/browse/{base}/_history/{version}" if version.isdigit() and local(base) else ""


ROUTES: Final = (
    Route("GET", f"{PATH}/static/{{name}}", static),
    Route("GET", f"{PATH}/{{id}}", show),
    Route("POST", f"{PATH}/{{id}}", edit),
    Route("GET", f"{PATH}/{{id}}/progress", progress),
    Route("POST", f"{PATH}/{{id}}/cancel", cancel),
)
LAST: Final = (Route("GET", f"{PATH}/{{id}}/{{name}}", file),)
"""After all that have a name of their own there."""
