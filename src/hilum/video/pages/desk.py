"""What every page of videos gets, and who it is that has signed in in this browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from jinja2 import Environment

from hilum.access.policy import Principal
from hilum.audit.recording import SILENT, Trail
from hilum.interactions.door import Door
from hilum.problems import Forbidden
from hilum.video import allowed
from hilum.video.files import File
from hilum.video.served import served
from hilum.video.videos import Videos
from hilum.web import message
from hilum.web.fields import Header
from hilum.web.limits import Limits
from hilum.web.message import Answer, Asked
from hilum.web.templating import Here, templates

NO_ROBOTS: Final[Header] = (b"x-robots-tag", b"noindex, nofollow, noarchive")
PACKAGE: Final = "hilum.video.pages"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in in this browser. `name`: as people call them. `nav`: the pages that are open to them. `csrf`:
    what a form that is sent to this path has to hold as `csrf`.
    """

    who: Principal
    name: str
    nav: Sequence[Any]
    csrf: Callable[[str], str]


class People(Protocol):
    """Who signs in here: what is asked of the authorization server."""

    async def visitor(self, asked: Asked) -> SignedIn | Answer:
        """Who asks; an Answer sends to sign in. Of a POST the form is checked: raises Forbidden."""

    async def known(self, asked: Asked) -> SignedIn | None:
        """The same, where nobody is sent anywhere, and no form is checked."""

    async def called(self, agent: str) -> str:
        """The name of whoever did something, by what the record says of them."""


@dataclass(frozen=True)
class Desk:
    """`organization`: who runs this hilum, as people read it. `clock`: seconds since 1970."""

    videos: Videos
    people: People
    door: Door
    organization: str
    environment: str
    trail: Trail = SILENT
    limits: Limits = field(default_factory=Limits)
    templates: Environment = field(default_factory=lambda: _templates())
    clock: Callable[[], float] = time.time

    @property
    def origin(self) -> str:
        """Scheme, host and port as browsers see them."""
        return self.door.base.removesuffix("/fhir")

    @property
    def secure(self) -> bool:
        """Whether browsers come by https."""
        return self.origin.startswith("https:")

    def page(
        self, template: str, status: int = 200, *, scripted: bool = False, media: bool = False, **values: Any
    ) -> Answer:
        """A page from its template. `scripted`, `media`: it has a script of ours, and plays what is ours."""
        here = Here(self.organization, self.environment)
        html = self.templates.get_template(template).render(here=here, **values)
        answer = message.page(html, status, script=scripted, media=media)
        answer.headers.append(NO_ROBOTS)
        return answer

    def file(self, file: File, asked: Asked) -> Answer:
        """A file of a video, or the part that is wanted of it. Nobody keeps it."""
        found = served(file, range=asked.header(b"range") or None, if_range=asked.header(b"if-range") or None)
        headers: list[Header] = [
            (name.encode(), value.encode()) for name, value in found.headers.items() if name != "cache-control"
        ]
        headers += [
            (b"content-type", file.media_type.encode()),
            message.NO_STORE,
            message.NO_SNIFF,
            NO_ROBOTS,
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
        ]
        if found.status == 416:
            return Answer(416, headers)
        start, stop = found.start, found.stop
        return Answer(
            found.status,
            headers,
            stream=lambda: self.videos.chunks(file, start, stop),
            length=stop - start,
        )


async def staff(desk: Desk, asked: Asked) -> SignedIn | Answer:
    """Who works here and asks; an Answer sends to sign in. Raises Forbidden where it is somebody else."""
    found = await desk.people.visitor(asked)
    if isinstance(found, SignedIn) and not allowed.sees_tasks(found.who):
        raise Forbidden("These pages are for people who work here: your role does not show you how videos are made.")
    return found


def moment(text: str) -> str:
    """An instant, as people read it; "" for none."""
    return f"{text[:10]} {text[11:16]} UTC" if len(text) > len("2026-01-31T12:34") else text


def _templates() -> Environment:
    found = templates(PACKAGE)
    found.filters["moment"] = moment
    found.filters["since"] = lambda micro: f"{datetime.fromtimestamp(micro / 1_000_000, UTC):%Y-%m-%d %H:%M} UTC"
    return found
