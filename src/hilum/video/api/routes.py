"""Videos: asked for, looked at, edited, approved, rejected, cancelled, and given to the patient by links.

docs/how-to/make-videos.md
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.responses import Response

from hilum.api.asking import ABSENT, FHIR, OTHER, PREFIX, PROBLEMS, TAKEN, IdempotencyKey, Who, key
from hilum.api.watching import WATCHED, Look, Pieces, Stream, changes, outcome, seen
from hilum.fhir import json
from hilum.problems import Issue, Malformed, Problem
from hilum.video.api import shapes, views
from hilum.video.api.filming import Filming
from hilum.video.files import File
from hilum.video.order import VIDEO_FILE
from hilum.video.script import written
from hilum.video.served import served
from hilum.video.told import Told
from hilum.video.wish import wish

router: Final = APIRouter(prefix=f"{PREFIX}/videos", tags=["Videos"])
templates: Final = APIRouter(prefix=f"{PREFIX}/templates", tags=["Videos"])
CHANGED: Final[dict[int | str, dict[str, Any]]] = {
    412: {"description": "The script is another one by now: look at it again."}
}
_NAMES: Final = {"video": VIDEO_FILE, "captions": "captions", "transcript": "transcript", "poster": "poster"}
Status = Literal["requested", "in-progress", "on-hold", "completed", "failed", "cancelled"]


def _filming(request: Request) -> Filming:
    found: Filming = request.app.state.filming
    return found


Here = Annotated[Filming, Depends(_filming)]
Id = Annotated[str, Path(max_length=64)]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="The ETag of the script that was looked at."),
]


@router.post("", status_code=202, response_model=shapes.Video, responses=PROBLEMS | ABSENT | TAKEN | OTHER)
async def make_video(
    request: Request, here: Here, who: Who, ask: shapes.Ask, idempotency_key: IdempotencyKey = None
) -> Response:
    """Make a video for a patient: it is gathered for, written, rendered and kept as a draft after this has answered.

    Once it is answered with 202 no crash loses it. `Location` is where it is looked at. It takes a token that may
    create Tasks of all patients (`system/Task.c`) and read what the video tells.
    """
    whom = ask.patient
    patient = "" if whom is None else (whom.mrn or f"Patient/{whom.id}")
    more = ask.model_dump(include={"language", "shape", "codec", "narrated", "renderer"})
    wanted = wish(patient, ask.template, ask.ehr or "", ask.sign_in, **more)
    one = await here.videos.ask(who, wanted, key(request, who, idempotency_key, ask))
    return _said(here, one, 202, location=f"{here.origin}{PREFIX}/videos/{one.id}")


@router.get("", responses=PROBLEMS)
async def list_videos(
    here: Here,
    who: Who,
    status: Annotated[Status | None, Query(description="Only those.")] = None,
    patient: Annotated[
        str, Query(pattern=r"^(Patient/[A-Za-z0-9\-.]{1,64})?$", description="Only those of this patient.")
    ] = "",
    count: Annotated[int, Query(ge=1, le=100, description="How many a page has at most.")] = 20,
    before: Annotated[
        str | None,
        Query(
            pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$", description="Only those changed before: see `next`."
        ),
    ] = None,
) -> shapes.Videos:
    """The videos that this token may see, the last changed first.

    For an app that is bound to a patient: the approved ones of that patient.
    """
    page = await here.videos.list(who, count, before or "", status or "", patient)
    following = None
    if page.before:
        wanted = {"status": status, "patient": patient, "count": count, "before": page.before}
        following = f"{here.origin}{PREFIX}/videos?{urlencode({key: one for key, one in wanted.items() if one})}"
    return shapes.Videos(videos=[views.video(one, here.base) for one in page.videos], next=following)


@router.get("/{id}", response_model=shapes.Video, responses=PROBLEMS | ABSENT)
async def get_video(here: Here, who: Who, id: Id) -> Response:
    """How far a video is, what came of it, and why it failed."""
    return _said(here, await here.videos.get(who, id))


@router.get("/{id}/events", status_code=200, response_class=Stream, responses=PROBLEMS | ABSENT | WATCHED)
async def watch_video(request: Request, here: Here, who: Who, id: Id) -> Response:
    """What becomes of a video, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    `video`: a Video, at once and whenever it has changed; the event's id is its version. `end`: nothing is done any
    more before somebody does something: it awaits approval, or is over. `problem`: an OperationOutcome. Who comes again
    with `Last-Event-ID` is told what is newer than that.
    """
    version = seen(request.headers.get("last-event-id", ""))
    one = await here.videos.get(who, id)
    if one.resting and one.version <= version:
        return Response(status_code=204)
    headers = dict(request.headers.raw)
    return Stream(lambda: _events(here, headers, id, version))


@router.post("/{id}/cancel", response_model=shapes.Video, responses=PROBLEMS | ABSENT | TAKEN)
async def cancel_video(here: Here, who: Who, id: Id) -> Response:
    """Do nothing more of it, end its rendering, and delete what is held of it (`Task.u`)."""
    return _said(here, await here.videos.cancel(who, id))


@router.delete("/{id}", response_model=shapes.Video, responses=PROBLEMS | ABSENT | TAKEN)
async def delete_video(here: Here, who: Who, id: Id) -> Response:
    """The same as cancel: the Task stays, and says so."""
    return _said(here, await here.videos.cancel(who, id))


@router.get("/{id}/script", responses=PROBLEMS | ABSENT)
async def get_script(here: Here, who: Who, id: Id) -> shapes.Script:
    """What is told, scene by scene: each sentence with the elements of FHIR that it came from. Its ETag names it."""
    found = await here.videos.script(who, id)
    return _tagged(written(found.script), found.digest)  # type: ignore[return-value]


@router.put("/{id}/script", status_code=202, response_model=shapes.Video, responses=PROBLEMS | ABSENT | TAKEN | CHANGED)
async def edit_script(here: Here, who: Who, id: Id, edits: shapes.Edits, if_match: IfMatch = None) -> Response:
    """Other words for some sentences, within the template's limits: then it is rendered again.

    For people whose role may choose any patient, with `Task.u` and `DocumentReference.u`.
    """
    return _said(here, await here.videos.deciding.edit(who, id, edits.sentences, _tag(if_match)), 202)


@router.post("/{id}/approve", response_model=shapes.Video, responses=PROBLEMS | ABSENT | TAKEN | CHANGED)
async def approve_video(here: Here, who: Who, id: Id, if_match: IfMatch = None) -> Response:
    """It may go to the patient: who approved which script, and when, is recorded as a Provenance."""
    return _said(here, await here.videos.deciding.approve(who, id, _tag(if_match)))


@router.post("/{id}/reject", response_model=shapes.Video, responses=PROBLEMS | ABSENT | TAKEN | CHANGED)
async def reject_video(
    here: Here, who: Who, id: Id, why: shapes.Rejection | None = None, if_match: IfMatch = None
) -> Response:
    """It may not: the draft is deleted."""
    return _said(here, await here.videos.deciding.reject(who, id, _tag(if_match), why.reason if why else ""))


@router.get("/{id}/links", responses=PROBLEMS | ABSENT | TAKEN)
async def list_links(here: Here, who: Who, id: Id) -> shapes.Links:
    """Those that have not expired."""
    return shapes.Links(links=[views.link(one) for one in await here.videos.giving.links(who, id)])


@router.get(
    "/{id}/{name}",
    response_class=Response,
    responses=PROBLEMS
    | ABSENT
    | {
        200: {"content": {"*/*": {}}, "description": "The file."},
        206: {"content": {"*/*": {}}, "description": "The part that was asked for (Range)."},
        416: {"description": "There is no such part."},
    },
)
async def get_file(
    request: Request,
    here: Here,
    who: Who,
    id: Id,
    name: Annotated[Literal["video", "captions", "transcript", "poster"], Path()],
) -> Response:
    """The video, its captions (WebVTT), its transcript or its poster (PNG): of the newest draft that is rendered."""
    return _content(here, await here.videos.file(who, id, _NAMES[name]), request.headers)


@router.post("/{id}/links", status_code=201, response_model=shapes.NewLink, responses=PROBLEMS | ABSENT | TAKEN)
async def make_link(here: Here, who: Who, id: Id, wanted: shapes.LinkWanted | None = None) -> Response:
    """A link that leads the patient to an approved video, until it ends or is revoked."""
    asked = wanted or shapes.LinkWanted()  # type: ignore[call-arg]
    url, standing = await here.videos.giving.link(who, id, asked.expires_in, asked.proof)
    location = f"{here.origin}{PREFIX}/videos/{id}/links/{standing.id}"
    body = views.new_link(url, standing).model_dump_json()
    return Response(body, 201, {"location": location}, "application/json")


@router.get("/{id}/links/{link}", responses=PROBLEMS | ABSENT | TAKEN)
async def get_link(here: Here, who: Who, id: Id, link: Id) -> shapes.Link:
    """How a link is: whether it leads to the video, and how often that was proven, or not."""
    return views.link(await here.videos.giving.link_of(who, id, link))


@router.delete("/{id}/links/{link}", responses=PROBLEMS | ABSENT | TAKEN)
async def revoke_link(here: Here, who: Who, id: Id, link: Id) -> shapes.Link:
    """It leads nowhere from now on."""
    return views.link(await here.videos.giving.revoke(who, id, link))


@templates.get("", responses=PROBLEMS)
async def list_templates(here: Here, who: Who) -> shapes.Templates:
    """What videos can be made by, and who renders."""
    return views.templates(here.videos.templates(), here.videos.renderers())


# --- what is answered -------------------------------------------------------------------------------------------------


def _said(here: Filming, one: Told, status: int = 200, **headers: str) -> Response:
    return Response(views.video(one, here.base).model_dump_json(), status, headers, "application/json")


def _tagged(content: bytes, tag: str) -> Response:
    return Response(content, 200, {"etag": f'"{tag}"'}, "application/json")


def _tag(if_match: str | None) -> str:
    """The digest that an If-Match names; "" for none. Raises Malformed."""
    if if_match is None or if_match.strip() == "*":
        return ""
    tag = if_match.strip().removeprefix("W/")
    if len(tag) < 2 or tag[0] != '"' or tag[-1] != '"':
        raise Malformed('If-Match must be the ETag of the script, in quotes: "...".')
    return tag[1:-1]


def _events(here: Filming, headers: Mapping[bytes, bytes], id: str, seen: int) -> AsyncIterator[bytes]:
    """The stream."""

    async def looked(seen: int) -> Look:
        who = await here.authenticate(headers)
        one, news = await here.videos.look(who, id), None
        if one.version > seen:
            one = await here.videos.get(who, id)
            news = views.video(one, here.base).model_dump_json().encode()
        end = json.encode({"status": one.status, "step": one.step}) if one.resting else None
        return Look(one.version, news, end)

    return changes("video", looked, seen, here.look_seconds, here.beat)


def _content(here: Filming, file: File, headers: Mapping[str, str]) -> Response:
    """The file, or the part of it that is wanted."""
    answer = served(
        file, seen=headers.get("if-none-match"), range=headers.get("range"), if_range=headers.get("if-range")
    )
    if answer.status == 304:
        return Response(status_code=304, headers=answer.headers)
    if answer.status == 416:
        return Response(_no_such_part(file.size), 416, answer.headers, FHIR)
    start, stop = answer.start, answer.stop
    pieces = partial(here.videos.chunks, file, start, stop)
    return Pieces(pieces, answer.status, answer.headers, file.media_type, stop - start)


def _no_such_part(size: int) -> bytes:
    """Why a range is refused."""
    issue = Issue("error", "invalid", f"The range asked for is not there: the content has {size:,} bytes.")
    return outcome(Problem(issues=(issue,)))
