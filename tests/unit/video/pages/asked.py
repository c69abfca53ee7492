"""Videos behind their pages: browsers that keep cookies, with who is signed in in each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.unit.video.filmed import World, world

from hilum.access.policy import Principal
from hilum.problems import Forbidden
from hilum.video.pages.desk import Desk, SignedIn
from hilum.video.pages.pages import pages
from hilum.web.limits import Limits
from hilum.web.message import Answer, Asked, see_other
from hilum.web.pages import Pages

ORIGIN = "https://hilum.test"
FORM = {"content-type": "application/x-www-form-urlencoded", "origin": ORIGIN, "sec-fetch-site": "same-origin"}
BORN = {"year": "1970", "month": "2", "day": "3"}


@dataclass
class People:
    """Signed in is who the browser says, and forms hold the path."""

    found: dict[str, Principal] = field(default_factory=dict)

    async def visitor(self, asked: Asked) -> SignedIn | Answer:
        found = await self.known(asked)
        if found is None:
            return see_other(f"/auth/sign-in?next={asked.path}")
        if asked.method == "POST" and asked.form.get("csrf") != asked.path:
            raise Forbidden("This form was not sent from its own page.")
        return found

    async def known(self, asked: Asked) -> SignedIn | None:
        who = self.found.get(asked.header(b"x-signed-in"))
        return None if who is None else SignedIn(who, f"Person {who.agent}", (), lambda path: path)

    async def called(self, agent: str) -> str:
        return f"Person {agent}"


@dataclass
class Shown:
    answer: Answer

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def text(self) -> str:
        return self.answer.body.decode()

    def header(self, name: str) -> str:
        return self.answer.header(name.encode()) or ""

    async def content(self) -> bytes:
        assert self.answer.stream is not None
        return b"".join([piece async for piece in self.answer.stream()])


@dataclass
class Browser:
    """`name`: of who is signed in, "" for nobody."""

    pages: Pages
    name: str = ""
    cookies: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, form: Mapping[str, str] | None = None, **headers: str) -> Shown:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if form is not None:
            sent = FORM | sent
        sent["x-signed-in"] = self.name
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        raw = urlencode(form or {}).encode()
        path, _, query = path.partition("?")

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": raw, "more_body": False}

        encoded = {name.encode(): value.encode() for name, value in sent.items()}
        encoded[b"content-length"] = b"%d" % len(raw)
        answer, _ = await self.pages.respond(method, path.encode(), query.encode(), encoded, receive, "198.51.100.1")
        for name, value in answer.headers:
            if name == b"set-cookie":
                key, _, rest = value.decode().partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return Shown(answer)

    async def get(self, path: str, **headers: str) -> Shown:
        return await self.ask("GET", path, **headers)

    async def post(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> Shown:
        return await self.ask("POST", path, {"csrf": path} | dict(form or {}), **headers)


@dataclass
class Here:
    world: World
    pages: Pages
    desk: Desk

    def browser(self, name: str = "") -> Browser:
        return Browser(self.pages, name)

    def now(self) -> float:
        return self.world.time[0]


@asynccontextmanager
async def here(folder: Path, **people: Principal) -> AsyncIterator[Here]:
    async with world(folder) as found:
        limits = Limits(clock=lambda: found.time[0])
        desk = Desk(
            found.videos, People(people), found.door, "Lakeside Clinic", "sandbox", found.trail, limits,
            clock=lambda: found.time[0],
        )  # fmt: skip
        yield Here(found, pages(desk), desk)
