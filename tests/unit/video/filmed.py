"""Videos over a real SQLite store and real files; only who writes, renders and gathers is played."""

from __future__ import annotations

import asyncio
import tempfile
import time as clocks
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from hilum.access.granting import of_scopes
from hilum.access.keys import SigningKey, load_or_create
from hilum.access.policy import EVERYTHING, Principal
from hilum.access.roles import packaged
from hilum.access.seal import Seal
from hilum.audit.recording import Silent
from hilum.feed.working import Working
from hilum.fhir.resource import Resource
from hilum.interactions import granting
from hilum.interactions.door import Door
from hilum.interactions.update import update
from hilum.oauth.ledger import LEASE, VIDEO
from hilum.oauth.scopes import parse
from hilum.problems import Invalid
from hilum.store.blobs.folder import FolderBlobs
from hilum.store.interface import Store
from hilum.store.sqlite import open_sqlite
from hilum.video import templates
from hilum.video.lapsing import Lapsing
from hilum.video.making import Gathering, Writing
from hilum.video.order import FILES, Whom, id_of
from hilum.video.renderer import Job, Rendered, UnderWay, Wanted
from hilum.video.script import Citation, Refused, Scene, Script, Sentence
from hilum.video.shelf import Shelf
from hilum.video.studio import studio
from hilum.video.templates import Template
from hilum.video.videos import Videos
from hilum.video.wish import Wish

BASE = "https://hilum.test/fhir"
PATIENT = "Patient/amy"
LARGE = 2000
CONTENT = b"film " * 1000
"""Of a video: more than LARGE, so that it lies beside the store."""
WISH = Wish("after-visit", "en", PATIENT)


def holder(scope: str, patient: str | None = None, **of: Any) -> Principal:
    values: dict[str, Any] = {"agent": "kim", "client": "app", "token": "jti", "expires": 1 << 62}
    return Principal(policy=of_scopes(parse(scope), patient), **(values | of))


OWNER = Principal("ada", "app", "jti", EVERYTHING, 1 << 62)
DOCTOR = holder("user/*.cruds", roles=("practitioner",), user="doc", agent="doc", fhir_user="Practitioner/doc")
BACKEND = holder("system/*.cruds", agent="backend")
AMY = holder("patient/*.rs", "amy", agent="amy")
BEN = holder("patient/*.rs", "ben", agent="ben")


def script(template: Template, language: str, resources: Iterable[Resource], now: datetime) -> Script:
    """One of two sentences, the second of which may be edited: of what for, where the record says so; none without a
    Condition.
    """
    resources = list(resources)
    what = [(one, one.body["code"]["text"]) for one in resources if one.type == "Condition" and "code" in one.body]
    cites = tuple(
        Citation(f"Condition/{one.id}/_history/{one.version}", "Condition.code.text", text, text) for one, text in what
    )
    sources = tuple(sorted(f"{one.type}/{one.id}/_history/{one.version}" for one in resources))
    if not any("Condition" in one for one in sources):
        raise Refused("reason-missing", "Nothing says what the visit was for.", "Encounter.reasonCode")
    visit = " for ".join(("You had a visit", *(text for _, text in what)))
    said = (Sentence("why-1", f"{visit}.", "visit", cites), Sentence("why-2", "Rest.", "rest", limit=40))
    scenes = (Scene("why", "why", "Why", said),)
    return Script(template.name, language, "Your visit", "Amy", scenes, sources, now.isoformat(), 1.5)


def edited(script: Script, changes: Mapping[str, str], template: Template) -> Script:
    (scene,) = script.scenes
    for id in changes:
        if id != "why-2":
            raise Refused("edit-sentence", "Only advice can be edited.", id)
    said = tuple(msgspec.structs.replace(one, text=changes.get(one.id, one.text)) for one in scene.sentences)
    return msgspec.structs.replace(script, scenes=(msgspec.structs.replace(scene, sentences=said),))


@dataclass
class Renderer:
    """Makes small files. `raises`: what it meets instead, one a time; `gate`: it waits for it; `holds`: it gives it to
    `hold`.
    """

    name: str = "played"
    at_once: int = 0
    raises: list[Exception] = field(default_factory=list)
    gate: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    jobs: list[Job] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    holds: str = ""
    in_step: bool = True
    under_way: int = 0
    most: int = 0

    def fit(self, wanted: Wanted) -> None:
        pass

    async def cancel(self, held: str) -> None:
        self.cancelled.append(held)

    async def render(self, job: Job) -> Rendered | UnderWay:
        self.jobs.append(job)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.begun.set()
        try:
            job.tell(0.5)
            if self.holds and job.hold is not None:
                await job.hold(self.holds, "")
            if self.gate is not None:
                await self.gate.wait()
            if self.raises:
                raise self.raises.pop(0)
            paths = {name: job.folder / name for name in FILES[:4]}
            for name, path in paths.items():
                path.write_bytes(CONTENT if name == "video" else name.encode())
            job.tell(1.0)
            return Rendered(
                paths["video"], "video/webm", paths["captions"], paths["transcript"], paths["poster"], 12.5, True,
                self.in_step,
            )  # fmt: skip
        finally:
            self.under_way -= 1


@dataclass
class Far(Renderer):
    """One that works elsewhere: what is ordered of it is under way until it is `done`, or `all_done`."""

    name: str = "studio"
    at_once: int = 2
    ordered: list[str] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    all_done: bool = False
    looks: int = 0
    part: float = 0.3
    most_ordered: int = 0

    async def render(self, job: Job) -> Rendered | UnderWay:
        assert job.hold is not None
        if not job.held:
            await job.hold("asked", "")
            self.ordered.append(job.id)
            self.most_ordered = max(self.most_ordered, len(self.ordered) - len(self.jobs))
            await job.hold("ticket", job.id)
        self.looks += 1
        over = self.all_done or job.id in self.done
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        if not over:
            return UnderWay(10.0, self.part)
        return await super().render(job)


@dataclass
class Gatherer:
    """An EHR of one patient, who is stored as Amy is."""

    given: dict[str, tuple[str, str, Whom]] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    result: Gathering = field(default_factory=lambda: Gathering(True, PATIENT))

    async def judge(self, who: Principal, ehr: str, recipe: str, whom: Whom) -> Whom:
        if ehr != "epic":
            raise Invalid(f"There is no connection {ehr!r}.", expression="ehr")
        return whom

    async def give(self, id: str, by: str, ehr: str, recipe: str, whom: Whom) -> None:
        self.given.setdefault(id, (ehr, recipe, whom))

    async def look(self, id: str) -> Gathering:
        return self.result

    async def cancel(self, id: str) -> None:
        self.cancelled.append(id)


class Noted(Silent):
    """The audit trail, as far as it is told of security events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, int, Mapping[str, str]]] = []

    async def certain(self, who: Principal, event: str, status: int, about: Mapping[str, str]) -> None:
        self.events.append((who.agent, event, status, dict(about)))


@dataclass
class World:
    """One process, as far as its videos are concerned."""

    store: Store
    door: Door
    folder: Path
    renderer: Renderer
    gatherer: Gatherer
    videos: Videos
    working: Working
    lapsing: Lapsing
    shelf: Shelf
    trail: Noted
    time: list[float]

    def move(self, seconds: float) -> None:
        self.time[0] += seconds

    async def ask(self, who: Principal = OWNER, **changes: Any) -> str:
        return (await self.videos.ask(who, msgspec.structs.replace(WISH, **changes))).id

    async def work(self) -> None:
        """All that is due now."""
        while await self.working.turn() or self.working._under_way:
            await self.working.idle()

    async def draft(self, **changes: Any) -> str:
        """One that awaits approval."""
        id = await self.ask(**changes)
        await self.work()
        assert (await self.videos.get(OWNER, id)).step == "awaiting-approval"
        return id

    async def corrected(self, **changes: Any) -> None:
        """Amy's Condition, put right."""
        condition = next(one for one in AMY_RECORD if one["id"] == "c1")
        await update(self.door, granting.server(), "Condition", "c1", condition | changes)

    async def approved(self) -> str:
        id = await self.draft()
        await self.videos.deciding.approve(DOCTOR, id)
        return id

    async def stands(self, video: str, draft: int = 1) -> list[str]:
        """What is kept of a rendering, by its names."""
        names = {"DocumentReference": ["document"], "Provenance": ["making", "approval"], "Binary": list(FILES)}
        found = []
        for type, some in names.items():
            for name in some:
                one = await self.store.read(type, id_of(video, draft, name))
                if one is not None and not one.deleted:
                    found.append(name)
        return found

    async def body(self, type: str, id: str) -> dict[str, Any]:
        found = await self.store.read(type, id)
        assert found is not None
        assert not found.deleted
        return found.body

    async def left(self) -> tuple[int, int, int]:
        """Records of videos, their leases, and folders of renderers."""
        leases = [row for owner in (b"video", b"video-far") for row in await self.store.ledger.of(LEASE, owner=owner)]
        folders = list(self.folder.iterdir()) if self.folder.exists() else []
        return len(await self.store.ledger.of(VIDEO)), len(leases), len(folders)


AMY_RECORD = (
    {"resourceType": "Practitioner", "id": "doc"},
    {"resourceType": "Patient", "id": "amy", "birthDate": "1970-02-03", "name": [{"given": ["Amy"]}],
     "identifier": [{"system": "urn:mrn", "value": "4711"}]},
    {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/amy"},
     "asserter": {"reference": "Practitioner/doc"}},
    {"resourceType": "Patient", "id": "ben", "birthDate": "1980"},
    {"resourceType": "Condition", "id": "c2", "subject": {"reference": "Patient/ben"}},
    {"resourceType": "Patient", "id": "cal"},
)  # fmt: skip


def unapproved() -> Mapping[str, Template]:
    """The packaged templates, and one whose videos go out by themselves."""
    import dataclasses

    found = dict(templates.packaged())
    found["free"] = dataclasses.replace(found["after-visit"], name="free", approval="none")
    return found


@cache
def _root() -> SigningKey:
    with tempfile.TemporaryDirectory() as folder:
        return load_or_create(Path(folder), "sandbox")


def process(
    store: Store, folder: Path, clock: Callable[[], float], renderer: Renderer, gatherer: Gatherer, **options: Any
) -> tuple[Door, Videos, Working, Lapsing, Seal]:
    """A process of its own on the same store."""
    door = Door(store, BASE, options.pop("integrity", False), blobs=FolderBlobs(folder / "blobs"), large=LARGE)
    seal = Seal(_root())
    writing = options.pop("writing", None) or Writing(unapproved, script, edited)
    renderers = {one.name: one for one in (renderer, *options.pop("beside", ()))}
    videos, working, lapsing = studio(
        door, seal, writing, renderers, gatherer, folder / "work", packaged(), clock=clock, **options
    )
    return door, videos, working, lapsing, seal


@asynccontextmanager
async def world(folder: Path, **options: Any) -> AsyncIterator[World]:
    """Time stands still until it is moved."""
    time = [clocks.time()]
    store = await open_sqlite(str(folder / "hilum.sqlite"), environment="sandbox")
    try:
        renderer, gatherer, trail = Renderer(), Gatherer(), Noted()
        door, videos, working, lapsing, seal = process(
            store, folder, lambda: time[0], renderer, gatherer, trail=trail, **options
        )
        for body in AMY_RECORD:
            await update(door, granting.server(), str(body["resourceType"]), str(body["id"]), body)
        shelf = Shelf(store.ledger, seal)
        yield World(store, door, folder / "work", renderer, gatherer, videos, working, lapsing, shelf, trail, time)
        await working.stop()
    finally:
        await store.close()
