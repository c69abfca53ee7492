"""What a link leads to. Nothing of the patient is shown before it is proven who follows it; then, for an hour, the
video, its sound and its words.

The secret of the link stands in the path alone: pages send no referrer, nobody keeps them, and logs have the route's
pattern. What was proven is a cookie of this link's own name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final, NamedTuple

from hilum.problems import Forbidden, NotFound
from hilum.video.links import MOST_TRIES, PATH, Standing, id_of
from hilum.video.outdated import OutOfDate
from hilum.video.pages import words
from hilum.video.pages.desk import Desk, SignedIn
from hilum.video.pages.review import FILES
from hilum.video.script import TEACH_BACK, WHOM, Script
from hilum.video.watching import Watched
from hilum.web import cookies
from hilum.web.message import Answer, Asked, Form, see_other
from hilum.web.routing import Route

LIMIT: Final = "video proof by address"
COOKIE: Final = "hilum-video"
_TELEPHONE: Final = re.compile(r"\.telecom\[\d+\]\.value$")
_OURS: Final = (None, b"same-origin")
_FIELDS: Final = ("month", "day", "year")


class Call(NamedTuple):
    """Whom to call: the number as it is said, and as a telephone dials it."""

    said: str
    dialled: str


async def follow(desk: Desk, asked: Asked, token: str) -> Answer:
    """GET /v/{token}: the video for who has proven who they are, else how to. Raises Busy."""
    try:
        watched = await _watched(desk, asked, token)
        if watched is not None:
            return _watching(desk, token, watched)
        standing = await desk.videos.watching.follow(token)
    except NotFound:
        return gone(desk, asked)
    except OutOfDate as found:
        return outdated(desk, found)
    return await _proving(desk, asked, token, standing)


async def prove(desk: Desk, asked: Asked, token: str) -> Answer:
    """POST /v/{token}: a birth date. Raises Forbidden, OAuthError (429), Busy."""
    _of_our_own(desk, asked)
    desk.limits.spend(LIMIT, asked.address)
    try:
        standing = await desk.videos.watching.follow(token)
        _, said = words.spoken_to(standing.link.language)
        given = _date(asked.form)
        if given is None:
            return await _proving(desk, asked, token, standing, said["incomplete"])
        proof = await desk.videos.watching.prove(token, given.isoformat())
        if proof is None:
            standing = await desk.videos.watching.follow(token)
            return await _proving(desk, asked, token, standing, f"{said['wrong']} {_tries(said, standing)}")
    except NotFound:
        return gone(desk, asked)
    return _proven(desk, token, proof)


async def prove_signed_in(desk: Desk, asked: Asked, token: str) -> Answer:
    """POST /v/{token}/sign-in: by being signed in. Raises Forbidden, OAuthError (429), Busy."""
    here = await desk.people.visitor(asked)
    if isinstance(here, Answer):
        return here
    desk.limits.spend(LIMIT, asked.address)
    try:
        proof = await desk.videos.watching.prove_as(token, here.who)
        if proof is None:
            standing = await desk.videos.watching.follow(token)
            _, said = words.spoken_to(standing.link.language)
            return await _proving(desk, asked, token, standing, said["other"])
    except NotFound:
        return gone(desk, asked)
    return _proven(desk, token, proof)


async def leave(desk: Desk, asked: Asked, token: str) -> Answer:
    """POST /v/{token}/leave: this browser shows it no more. Raises Forbidden, Busy."""
    _of_our_own(desk, asked)
    name = _cookie(desk, token)
    try:
        watched = await _watched(desk, asked, token)
        if watched is None:
            return see_other(f"{PATH}/{token}")
        language = watched.script.language
    except OutOfDate as found:  # there is nothing more to see, and yet it is closed
        language = found.language
    await desk.videos.watching.leave(cookies.read(asked.headers, name) or "")
    language, said = words.spoken_to(language)
    answer = desk.page("left.html", lang=language, said=said, token=token)
    answer.headers.append(cookies.cleared(name, secure=desk.secure))
    return answer


async def file(desk: Desk, asked: Asked, token: str, name: str) -> Answer:
    """GET /v/{token}/{name}: the video, captions, transcript or poster. Raises NotFound, Busy."""
    try:
        watched = await _watched(desk, asked, token)
        if watched is None or name not in FILES:
            return gone(desk, asked)
        proof = cookies.read(asked.headers, _cookie(desk, token)) or ""
        return desk.file(await desk.videos.watching.watched_file(proof, FILES[name]), asked)
    except OutOfDate as found:
        return outdated(desk, found)


def gone(desk: Desk, asked: Asked, status: int = 404) -> Answer:
    """One page for every link that leads nowhere, whatever it was; and for what goes wrong on the way."""
    language = asked.header(b"accept-language")
    heading, text = ("gone", "gone_text") if status == 404 else ("busy", "busy_text")
    return _instead(desk, status, language, heading, text, "gone_do")


def outdated(desk: Desk, found: OutOfDate) -> Answer:
    """What a patient reads in place of a video that the record has left behind."""
    return _instead(desk, 409, found.language, "outdated", "outdated_text", "outdated_do")


# --- what they stand on -----------------------------------------------------------------------------------------------


def _instead(desk: Desk, status: int, language: str, heading: str, text: str, do: str) -> Answer:
    """A calm page in place of a video: what is so, why, and what to do, by the names of words."""
    language, said = words.spoken_to(language)
    return desk.page("gone.html", status, lang=language, said=said, heading=said[heading], text=said[text], do=said[do])


async def _watched(desk: Desk, asked: Asked, token: str) -> Watched | None:
    """What this browser may watch by this link. Raises OutOfDate, Busy."""
    proof = cookies.read(asked.headers, _cookie(desk, token))
    if not proof:
        return None
    try:
        found = await desk.videos.watching.watch(proof)
    except NotFound:
        return None
    return found if found.link == id_of(token) else None


async def _proving(desk: Desk, asked: Asked, token: str, standing: Standing, message: str = "") -> Answer:
    language, said = words.spoken_to(standing.link.language)
    signed: SignedIn | None = await desk.people.known(asked)
    dated = standing.link.proof == "birth-date"
    return desk.page(
        "prove.html",
        422 if message else 200,
        lang=language,
        said=said,
        token=token,
        dated=dated,
        signed=signed,
        message=message,
        given={name: asked.form.get(name) if message and dated else "" for name in _FIELDS},
    )


def _watching(desk: Desk, token: str, watched: Watched) -> Answer:
    language, said = words.spoken_to(watched.script.language)
    script = watched.script
    return desk.page(
        "watch.html",
        media=True,
        lang=language,
        said=said,
        token=token,
        watched=watched,
        script=script,
        scenes=[one for one in script.scenes if one.role != TEACH_BACK],
        teach=[one for one in script.scenes if one.role == TEACH_BACK],
        call=call(script),
    )


def _proven(desk: Desk, token: str, proof: str) -> Answer:
    return see_other(f"{PATH}/{token}", [cookies.written(_cookie(desk, token), proof, secure=desk.secure)])


def call(script: Script) -> Call | None:
    """Whom to call, where the script says so."""
    for scene in script.scenes:
        for one in scene.sentences if scene.role == WHOM else ():
            for cite in one.cites:
                if cite.said and cite.said in one.text and _TELEPHONE.search(cite.path):
                    digits = re.sub(r"[^0-9]", "", cite.said)
                    plus = "+" if cite.said.lstrip(" (").startswith("+") else ""
                    return Call(cite.said, plus + digits) if digits else None
    return None


def _date(form: Form) -> date | None:
    """The date of the form; None where it is none."""
    found = [form.get(name).strip() for name in ("year", "month", "day")]
    if not all(one.isascii() and one.isdigit() for one in found) or len(found[0]) != len("1970"):
        return None
    year, month, day = map(int, found)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _tries(said: Mapping[str, Any], standing: Standing) -> str:
    left = MOST_TRIES - standing.link.tries
    return str(said["last"]) if left == 1 else str(said["left"]).format(number=left)


def _cookie(desk: Desk, token: str) -> str:
    """Of each link another one: two may be open at once."""
    return cookies.name(f"{COOKIE}-{id_of(token)}", secure=desk.secure)


def _of_our_own(desk: Desk, asked: Asked) -> None:
    """Raises Forbidden where a page of somebody else has sent the form. A page without a referrer has the origin `null`
    (https://fetch.spec.whatwg.org/#append-a-request-origin-header), and browsers of before 2023 tell nothing more: they
    may pass, since who knows the link needs nobody else's browser.
    """
    site, origin = asked.headers.get(b"sec-fetch-site"), asked.headers.get(b"origin")
    if site not in _OURS or origin not in (None, b"null", desk.origin.encode()):
        raise Forbidden("This form was not sent from a page of this server, so nothing was done.")


ROUTES: Final = (
    Route("GET", f"{PATH}/{{token}}", follow),
    Route("POST", f"{PATH}/{{token}}", prove),
    Route("POST", f"{PATH}/{{token}}/sign-in", prove_signed_in),
    Route("POST", f"{PATH}/{{token}}/leave", leave),
    Route("GET", f"{PATH}/{{token}}/{{name}}", file),
)
