"""Videos in one process: who writes, renders and gathers for them, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from hilum.access.keys import SigningKey
from hilum.access.policy import Principal
from hilum.access.roles import Roles
from hilum.access.seal import Seal
from hilum.app.background import Background
from hilum.app.brokering import Brokering, Ordered, reaching
from hilum.app.settings import Settings
from hilum.audit.recording import SILENT, Trail
from hilum.broker import told
from hilum.broker.api import allowed
from hilum.broker.order import Start
from hilum.broker.rules import BACKEND
from hilum.broker.wish import judged, signed_in
from hilum.feed.working import Working
from hilum.fhir.resource import Resource
from hilum.fhir.task import FINAL, TASK
from hilum.interactions import granting
from hilum.interactions.door import Door
from hilum.problems import Conflict, Invalid, Misconfigured, NotFound
from hilum.tables.own import Own
from hilum.video import remote, reviews
from hilum.video.lapsing import Lapsing
from hilum.video.local import Local
from hilum.video.making import Gathering, Renderers, Writing
from hilum.video.order import Failure, Whom
from hilum.video.remote import Remote
from hilum.video.remote.callbacks import Callbacks
from hilum.video.script import Script
from hilum.video.sources import OF_PATIENT
from hilum.video.studio import studio
from hilum.video.templates import Template, templates
from hilum.video.videos import Videos
from hilum.video.writing import write

TEMPLATES: Final = "templates"
REVIEWS: Final = "reviews.toml"
WORK: Final = "work"
"""In `--videos`: one's own templates, who has reviewed the phrases of a language, and what renderers work in."""
FHIR: Final = "/fhir"
"""Ends the base of a door; what is before it is the origin."""


@dataclass(frozen=True, slots=True)
class Filmed:
    """`working`: what makes videos in this process. `lapsing`: what sees that they are outdated. `callbacks`: where
    services tell that there is something new.
    """

    videos: Videos
    working: Working
    lapsing: Lapsing
    callbacks: Callbacks


def filmed(
    settings: Settings,
    ways: Brokering,
    made: Ordered,
    door: Door,
    root: SigningKey,
    roles: Roles,
    trail: Trail = SILENT,
) -> Filmed:
    """All of it. Raises Misconfigured where the reviews, a service or a setting is not sound."""
    folder = settings.videos_folder
    read = Own(partial(templates, folder / TEMPLATES))
    reviewed = partial(reviews.read, folder / REVIEWS)
    read()  # what is wrong with them is told now, and not when somebody waits for one
    reviewed()
    elsewhere = services(settings, door.base.removesuffix(FHIR))

    def written(template: Template, language: str, resources: Iterable[Resource], now: datetime) -> Script:
        return write(template, language, resources, now, reviewed())

    videos, working, lapsing = studio(
        door,
        Seal(root),
        Writing(read, written),
        renderers(settings, elsewhere),
        Gather(ways, made, door, roles),
        folder / WORK,
        roles,
        trail=trail,
        at_once=settings.renders,
    )
    return Filmed(videos, working, lapsing, Callbacks(elsewhere, videos.hearing.heard, door.store.ledger))


def services(settings: Settings, origin: str) -> Mapping[str, Remote]:
    """The renderers that are services. Raises Misconfigured where their file is not sound."""
    found = remote.services(settings.data, settings.environment)
    return {name: Remote(one, reaching(settings), origin) for name, one in found.items()}


def renderers(settings: Settings, elsewhere: Mapping[str, Remote]) -> Renderers:
    """Those that there are, the one of the settings first. Raises Misconfigured."""
    found: Renderers = {"local": Local(settings.ffmpeg, voices(settings.voices)), **elsewhere}
    if settings.renderer not in found:
        text = f"There is no renderer {settings.renderer!r}. There are: {', '.join(found)}."
        raise Misconfigured(f"{text} Set --renderer, or write it into {settings.data / remote.FILE}.")
    return {settings.renderer: found[settings.renderer], **found}


def voices(text: str) -> Mapping[str, Path]:
    """Models of piper by language, of `en=PATH,es=PATH`. Raises Misconfigured."""
    found: dict[str, Path] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        language, equals, path = part.partition("=")
        if not (language and equals and path):
            raise Misconfigured("--voices must look like en=/voices/en.onnx,es=/voices/es.onnx.")
        found[language.strip()] = Path(path.strip()).expanduser()
    return found


@dataclass(frozen=True, slots=True)
class Gather:
    """The broker, as a video has a patient gathered by it (`hilum.video.making.Gather`)."""

    ways: Brokering
    made: Ordered
    door: Door
    roles: Roles

    @property
    def origin(self) -> str:
        """Of hilum's pages, as people see it."""
        return self.door.base.removesuffix("/fhir")

    async def places(self) -> Mapping[str, str]:
        """Connections that are in use, with Backend Services. Raises Busy."""
        connections = self.ways.connections
        return {
            one.name: one.title or one.name
            for one in await connections.every()
            if BACKEND in one.grants and not one.disabled and one.environment == connections.environment
        }

    async def judge(self, who: Principal, ehr: str, recipe: str, whom: Whom) -> Whom:
        """With the sign-in by its id, which stays in here. Raises Invalid, Forbidden."""
        if whom.session:
            allowed.to_sign_in(who, self.roles)
        try:
            connection = await self.ways.connections.usable(ehr)
        except NotFound as problem:  # what the address names is there
            raise Invalid(str(problem), expression="ehr") from None
        session = await signed_in(self.ways.launching.grants, connection, whom.session, self.origin)
        start = Start(whom.by, whom.value, session)
        judged(connection, self.ways.recipes(), recipe, start, origin=self.origin)
        if not connection.allows(recipe):
            named = ", ".join(connection.recipes) or "none"
            text = f"A video takes the recipe {recipe!r}, which {ehr!r} does not allow. Allowed: {named}."
            raise Invalid(text, expression="ehr")
        return Whom(whom.by, whom.value, session)

    async def give(self, id: str, by: str, ehr: str, recipe: str, whom: Whom) -> None:
        """Raises Problem."""
        if await self.door.store.read(TASK, id) is not None:
            return
        connection = await self.ways.connections.usable(ehr)
        start = Start(whom.by, whom.value, whom.session)
        await self.made.orders.accept(granting.server(by), connection, recipe, start, id=id)

    async def look(self, id: str) -> Gathering:
        """How far the order is: it is over when its Task is."""
        task = await self.door.store.read(TASK, id)
        if task is None or task.deleted:
            return Gathering(True, failure=Failure("gather", "The order to gather was deleted."))
        order = told.told(task)
        if order.status not in FINAL:
            return Gathering(False)
        if order.status == "completed" and order.patient:
            return Gathering(True, order.patient, _incomplete(order))
        reason = order.reason
        if reason is None:
            return Gathering(True, failure=Failure("gather", f"The order to gather was {order.status}."))
        return Gathering(True, failure=Failure(reason.code, reason.text))

    async def cancel(self, id: str) -> None:
        """Where it is not over."""
        try:
            await self.made.orders.cancel(granting.server(), id)
        except (NotFound, Conflict):
            return


def _incomplete(order: told.Told) -> Failure | None:
    """Why what came is not to be told: a part of the record that the EHR has, and that did not come whole, is not one
    that is not there. What it does not allow to be read at all is left out, as it is for everybody.
    """
    for one in order.failed:
        if one.type in OF_PATIENT and one.why not in _NOTHING:
            text = f"Not all of {one.type} came from the EHR ({one.why}): a video would tell a part of it. Try again."
            return Failure("incomplete", text, one.type, "theirs")
    return None


_NOTHING: Final = frozenset(("absent", "skipped"))
"""Why something is missing that is not there, or was not asked for."""


class Making(Background):
    """What a server process does for videos beside requests: it makes those that are due."""

    name = "hilum-filming"

    def __init__(self, working: Working) -> None:
        super().__init__()
        self._working = working

    async def _run(self) -> None:
        await self._working.run()


class Marking(Background):
    """The same for those that the record leaves behind: it marks them."""

    name = "hilum-videos-outdated"

    def __init__(self, lapsing: Lapsing) -> None:
        super().__init__()
        self._lapsing = lapsing

    async def _run(self) -> None:
        await self._lapsing.run()
